"""Shadow check: the revenue engine's own schedule beside ours, each difference with what explains it."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.revenue.arithmetic.conventions import CONVENTIONS, TermColumns, with_earned
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.arithmetic.rounding import minor_digits
from engine.revenue.ground.frames import in_words

SHADOW: Final[dict[str, pl.DataType]] = {
    "contract_id": pl.String(), "contract_line_id": pl.String(), "obligation_id": pl.String(), "period": pl.String(),
    "theirs": MONEY, "ours": MONEY, "difference": MONEY, "currency": pl.String(), "cause": pl.String(), "detail": pl.String(),
}  # fmt: skip
"""One row per contract line and period in which the engine's schedule and ours differ (theirs less ours).

`cause`: rounding, day_count, cost_cut_off, ssp_version, missed_amendment, missed_evidence (evidence they did not
recognize), no_evidence (recognized without any), not_yet (earned in the period that still runs), unexplained.
`detail`: the convention, amendment or period that explains it.
"""

MINOR: Final = {0: Decimal(1), 2: Decimal("0.01"), 3: Decimal("0.001"), 4: Decimal("0.0001")}
"""The smallest amount of a currency by the digits of its minor unit."""

_BY_TIME: Final = "time_elapsed"
_BY_EVIDENCE: Final = ("as_invoiced", "hours", "units", "milestones", "usage", "cost_to_cost", "cost_recovery", "observed")
_BY_INPUT: Final = ("cost_to_cost", "hours")


def compared(theirs: pl.DataFrame, performance: pl.DataFrame, lines: pl.DataFrame, periods: pl.DataFrame) -> pl.DataFrame:
    """Return contract line × period with both amounts, where either has one.

    `theirs`: golden revenue_schedule_line; reversed lines count for nothing. A period planned on both sides is compared
    as well: a plan nobody recognizes yet is wrong before it is booked. Through as_of recognized amounts are compared.
    """
    key = ["contract_line_id", "period"]
    held = theirs.filter(pl.col("status").is_in(["recognized", "planned"]))
    left = held.group_by(key).agg(
        pl.col("amount").sum().cast(MONEY).alias("theirs"),
        pl.col("contract_id").first().alias("their_contract"),
        pl.col("currency").first().alias("their_currency"),
        (pl.col("status") == "recognized").any().alias("is_recognized"),
        pl.col("is_catch_up").fill_null(value=False).any().alias("has_catch_up"),
        pl.col("schedule_line_id").filter(pl.col("status") == "recognized").sort().first().alias("schedule_line_id"),
        pl.col("evidence").explode().drop_nulls().unique().sort().alias("their_evidence"),
    )
    right = in_words(performance.group_by(key).agg(
        pl.col("amount").sum().alias("ours"), (~pl.col("is_planned")).any().alias("is_ours_recognized"),
        pl.col("currency").drop_nulls().first().alias("our_currency"),
    ))  # fmt: skip
    terms = lines.select(
        "contract_line_id", "contract_id", "obligation_id", "measure", "convention", "start_date", "end_date", "amount",
        "is_as_invoiced", "added_by", "from_date", "service_line",
    ).unique("contract_line_id", keep="last", maintain_order=True)  # fmt: skip
    both = left.join(right, on=key, how="full", coalesce=True).join(terms, on="contract_line_id", how="left")
    ends = periods.group_by("period").agg(pl.col("end_date").max().alias("period_end"), pl.col("start_date").min().alias("period_start"))
    return both.join(ends, on="period", how="left").with_columns(
        pl.col("theirs", "ours").fill_null(ZERO),
        pl.coalesce("contract_id", "their_contract").alias("contract_id"),
        pl.coalesce("their_currency", "our_currency").alias("currency"),
        (pl.col("theirs").fill_null(ZERO) - pl.col("ours").fill_null(ZERO)).alias("difference"),
    ).drop("their_contract", "their_currency", "our_currency").sort("contract_line_id", "period")  # fmt: skip


def explained(rows: pl.DataFrame, amendments: pl.DataFrame, as_of: pl.Expr) -> pl.DataFrame:
    """Return the rows that differ, each with the first cause that explains it.

    `rows`: from `compared`. `amendments`: amendment_id, contract_line_id, action, date (in effect), evidence, of approved ones.
    Order: not yet (nothing recognized of the period that still runs),
    missed amendment (they agree before it and show no catch-up after), rounding (never more than a
    minor unit, and no drift), day count (another convention gives all their amounts), cost cut-off (the difference
    reverses in the next period), no evidence and missed evidence (one side has nothing for the period), SSP version
    (the lines of a contract differ, their sum does not), unexplained.
    """
    minor = minor_digits(pl.col("currency")).replace_strict(MINOR, return_dtype=MONEY)
    judged = rows.with_columns(minor.alias("minor"), (pl.col("period_start") <= as_of).alias("is_past"))
    judged = _with_amendment(judged, amendments).join(_day_counts(judged), on="contract_line_id", how="left")
    judged = judged.with_columns(
        _reverses_next().alias("reverses"), _only_rounds().alias("only_rounds"), _shared_otherwise().alias("shared_otherwise"),
    )  # fmt: skip
    has_none = (pl.col("difference") != 0) & pl.col("is_past") & pl.col("measure").is_in(_BY_EVIDENCE)
    # What a period earns is recognized when it ends.
    awaited = pl.col("is_past") & (pl.col("period_end") > as_of).fill_null(value=False) & (pl.col("theirs") == 0)
    cause = (
        pl.when(awaited).then(pl.lit("not_yet"))
        .when(pl.col("amendment_id").is_not_null()).then(pl.lit("missed_amendment"))
        .when(pl.col("only_rounds")).then(pl.lit("rounding"))
        .when(pl.col("day_count").is_not_null()).then(pl.lit("day_count"))
        .when(pl.col("reverses") & pl.col("measure").is_in(_BY_INPUT)).then(pl.lit("cost_cut_off"))
        .when(has_none & (pl.col("ours") == 0) & pl.col("is_recognized")).then(pl.lit("no_evidence"))
        .when(has_none & (pl.col("theirs") == 0)).then(pl.lit("missed_evidence"))
        .when(pl.col("shared_otherwise")).then(pl.lit("ssp_version"))
        .otherwise(pl.lit("unexplained"))
    )  # fmt: skip
    detail = pl.when(cause == "missed_amendment").then(pl.col("amendment_id")).when(cause == "day_count").then(pl.col("day_count"))
    return judged.filter(pl.col("difference") != 0).with_columns(cause.alias("cause"), detail.alias("detail"))


def _with_amendment(rows: pl.DataFrame, amendments: pl.DataFrame) -> pl.DataFrame:
    """Add the amendment that the line's differences begin with and of which their schedule shows nothing.

    Nothing: before the period it takes effect in both agree, from then on they differ and no line of theirs
    catches up; a line that it added is not in their schedule at all.
    """
    lines = rows.group_by("contract_line_id").agg(
        pl.col("period_end").filter(pl.col("difference").abs() > pl.col("minor")).min().alias("first_difference"),
        pl.col("period_end").filter(pl.col("has_catch_up").fill_null(value=False)).max().alias("last_catch_up"),
        (pl.col("theirs") == 0).all().alias("is_absent"), pl.col("contract_id").first().alias("of_contract"),
    )  # fmt: skip
    on_line = amendments.join(lines, on="contract_line_id", how="inner")
    # From the period it takes effect in: the first one that ends on or after the day.
    begins = pl.col("first_difference") >= pl.col("date")
    silent = pl.col("last_catch_up").is_null() | (pl.col("last_catch_up") < pl.col("date"))
    is_missed = pl.col("first_difference").is_not_null() & begins & silent & ((pl.col("action") != "add") | pl.col("is_absent"))
    missed = on_line.filter(is_missed).sort("date", "amendment_id").unique("contract_line_id", keep="first", maintain_order=True)
    return rows.join(missed.select("contract_line_id", "amendment_id"), on="contract_line_id", how="left", maintain_order="left")


def _day_counts(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the convention, other than ours, under which a line's total gives every amount of theirs."""
    total, ours = pl.col("theirs").sum().over("contract_line_id"), pl.col("ours").sum().over("contract_line_id")
    differs = (pl.col("difference").abs() > pl.col("minor")).any().over("contract_line_id")
    asked = rows.with_columns(total.alias("total"), (total - ours).abs().alias("gap")).filter(
        (pl.col("measure") == _BY_TIME) & differs & (pl.col("gap") <= pl.col("minor")) & pl.col("currency").is_not_null()
    )
    others = pl.DataFrame({"other": CONVENTIONS}).with_row_index("place")
    tried = asked.join(others, how="cross").filter(pl.col("other") != pl.coalesce("convention", pl.lit("")))
    tried = tried.with_columns(minor_digits(pl.col("currency")).alias("digits"))
    as_other = TermColumns(convention="other")
    tried = with_earned(tried.lazy(), "so_far", amount="total", at="period_end", digits="digits", terms=as_other).collect()
    key = ["contract_line_id", "other"]
    amount = pl.col("so_far") - pl.col("so_far").shift(1).over(key, order_by="period_end").fill_null(ZERO)
    fits = tried.with_columns(((amount - pl.col("theirs")).abs() <= pl.col("minor")).alias("fits"))
    found = fits.group_by(*key, "place").agg(pl.col("fits").all()).filter("fits").sort("contract_line_id", "place")
    first = found.unique("contract_line_id", keep="first", maintain_order=True)
    return first.select("contract_line_id", pl.col("other").alias("day_count"))


def _reverses_next() -> pl.Expr:
    """Say whether a difference is taken back in the next period, or takes back the one before."""
    after = pl.col("difference").shift(-1).over("contract_line_id", order_by="period_end")
    before = pl.col("difference").shift(1).over("contract_line_id", order_by="period_end")
    here = pl.col("difference")
    with_next = ((here + after).abs() <= pl.col("minor")) & (here != 0)
    with_last = ((here + before).abs() <= pl.col("minor")) & (here != 0)
    return (with_next | with_last).fill_null(value=False)


def _only_rounds() -> pl.Expr:
    """Say whether a line differs by no more than a minor unit in any period and in the sum of all before."""
    drift = pl.col("difference").cum_sum().over("contract_line_id", order_by="period_end").abs()
    small = (pl.col("difference").abs() <= pl.col("minor")) & (drift <= pl.col("minor"))
    return small.all().over("contract_line_id")


def _shared_otherwise() -> pl.Expr:
    """Say whether several lines of a contract differ while their sum, to the minor unit of each, does not."""
    whole = pl.col("difference").sum().over("contract_id").abs()
    several = pl.col("contract_line_id").filter(pl.col("difference") != 0).n_unique().over("contract_id") > 1
    room = pl.col("minor") * pl.col("contract_line_id").n_unique().over("contract_id").cast(MONEY)
    return (several & (whole <= room)).fill_null(value=False)


def shadow_rows(judged: pl.DataFrame) -> pl.DataFrame:
    """Return the output `revenue_shadow` from explained rows."""
    return judged.select(pl.col(name).cast(dtype) for name, dtype in SHADOW.items()).sort("contract_line_id", "period")
