"""Causes of the shadow check: what explains that the revenue engine's schedule differs from ours."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.minor_units import minor_digits, minor_unit
from engine.revenue.arithmetic.conventions import CONVENTIONS, TermColumns, with_earned
from engine.revenue.arithmetic.numbers import ZERO, whole_number
from engine.revenue.arithmetic.rounding import round_quotient
from engine.revenue.controls.shadow_entries import with_entries

_BY_TIME: Final = "time_elapsed"
_BY_EVIDENCE: Final = ("as_invoiced", "hours", "units", "milestones", "usage", "cost_to_cost", "cost_recovery", "observed")
_BY_INPUT: Final = ("cost_to_cost", "hours")

# Cost is cut off a period or two late; what takes longer to even out has another reason.
_CUT_OFF: Final = 3

WHOLE: Final[dict[str, pl.DataType]] = {"contract_line_id": pl.String(), "price": MONEY, "signed_start": pl.Date(), "signed_end": pl.Date()}
"""What a line is as a whole: its price, null where it shares an obligation, and its term as signed."""


def explained(
    rows: pl.DataFrame, amendments: pl.DataFrame, as_of: pl.Expr, whole: pl.DataFrame | None = None, entries: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Return the rows that differ, each with the first cause that explains it.

    `rows`: from `shadow.compared`. `amendments`: amendment_id, contract_line_id, action, date (in effect), evidence, of approved
    ones. `whole`: WHOLE. `entries`: work that a period's revenue rests on (`shadow_entries.ENTRIES`).
    Order: not yet (nothing recognized of the period that still runs),
    missed amendment (they agree before it, but for the count of days, and show no catch-up after), rounding (never more than a
    minor unit, and no drift but what rounding each period leaves to the last), day count (another convention gives all
    their amounts), cost cut-off (the difference evens out in the next periods), no evidence and missed evidence (one side has
    nothing for the period, or differs by single entries), SSP version (the prices that the lines of a contract seem to have
    differ, their sum does not), rounding of single periods, unexplained.
    """
    minor = minor_unit(pl.col("currency"))
    whole = pl.DataFrame(schema=WHOLE) if whole is None else whole
    judged = rows.with_columns(minor.alias("minor"), (pl.col("period_start") <= as_of).alias("is_past"))
    judged = judged.join(whole, on="contract_line_id", how="left", maintain_order="left")
    judged = _with_amendment(_with_day_count(judged, amendments), amendments)
    judged = with_entries(_with_runs(_with_shares(judged)), entries).with_columns(
        _only_rounds().alias("only_rounds"), _rounds_here().alias("rounds_here")
    )
    cause = _cause(as_of)
    by_entries = pl.col("theirs").ne(0) & pl.col("entries").is_not_null()
    detail = (
        pl.when(cause == "missed_amendment").then(pl.col("amendment_id")).when(cause == "day_count").then(pl.col("day_count"))
        .when(cause.is_in(["missed_evidence", "no_evidence"]) & by_entries).then(pl.col("entries"))
    )  # fmt: skip
    found = judged.filter(pl.col("difference") != 0).with_columns(cause.alias("cause"), detail.alias("detail"))
    return _of_two_causes(found).sort("contract_line_id", "period", "cause")


def _cause(as_of: pl.Expr) -> pl.Expr:
    has_none = (pl.col("difference") != 0) & pl.col("is_past") & pl.col("measure").is_in(_BY_EVIDENCE)
    # What a period earns is recognized when it ends.
    awaited = pl.col("is_past") & (pl.col("period_end") > as_of).fill_null(value=False) & (pl.col("theirs") == 0)
    by_entries = pl.col("entries").is_not_null()
    return (
        pl.when(awaited).then(pl.lit("not_yet"))
        .when(pl.col("amendment_id").is_not_null() & pl.col("is_after")).then(pl.lit("missed_amendment"))
        .when(pl.col("only_rounds")).then(pl.lit("rounding"))
        .when(pl.col("day_count").is_not_null()).then(pl.lit("day_count"))
        .when(pl.col("evens_out") & pl.col("measure").is_in(_BY_INPUT)).then(pl.lit("cost_cut_off"))
        .when(has_none & (((pl.col("ours") == 0) & pl.col("is_recognized")) | (by_entries & (pl.col("difference") > 0))))
        .then(pl.lit("no_evidence"))
        .when(has_none & ((pl.col("theirs") == 0) | by_entries)).then(pl.lit("missed_evidence"))
        .when(pl.col("shared_otherwise")).then(pl.lit("ssp_version"))
        .when(pl.col("rounds_here")).then(pl.lit("rounding"))
        .otherwise(pl.lit("unexplained"))
    )  # fmt: skip


def _with_amendment(rows: pl.DataFrame, amendments: pl.DataFrame) -> pl.DataFrame:
    """Add the amendment that the line's differences begin with and of which their schedule shows nothing, and where it `is_after`.

    Nothing: before the period it takes effect in both agree (or differ by the count of days alone, which the term as signed
    then shows), from then on they differ and no line of theirs catches up; a line that it added is not in their schedule at all.
    """
    differs = (pl.col("difference").abs() > pl.col("minor")) & pl.col("as_signed").is_null()
    lines = rows.group_by("contract_line_id").agg(
        pl.col("period_end").filter(differs).min().alias("first_difference"),
        pl.col("as_signed").is_not_null().any().alias("counts_as_signed"),
        pl.col("period_end").filter(pl.col("has_catch_up").fill_null(value=False)).max().alias("last_catch_up"),
        (pl.col("theirs") == 0).all().alias("is_absent"), pl.col("contract_id").first().alias("of_contract"),
    )  # fmt: skip
    on_line = amendments.join(lines, on="contract_line_id", how="inner")
    # From the period it takes effect in: the first one that ends on or after the day.
    begins = pl.col("counts_as_signed") | (pl.col("first_difference") >= pl.col("date")).fill_null(value=False)
    silent = pl.col("last_catch_up").is_null() | (pl.col("last_catch_up") < pl.col("date"))
    is_missed = begins & silent & ((pl.col("action") != "add") | pl.col("is_absent"))
    missed = on_line.filter(is_missed).sort("date", "amendment_id").unique("contract_line_id", keep="first", maintain_order=True)
    missed = missed.select("contract_line_id", "amendment_id", pl.col("date").alias("amended_on"))
    found = rows.join(missed, on="contract_line_id", how="left", maintain_order="left")
    is_after = (pl.col("period_end") >= pl.col("amended_on")) | pl.col("as_signed").is_null()
    return found.with_columns(is_after.fill_null(value=False).alias("is_after"))


def _with_day_count(rows: pl.DataFrame, amendments: pl.DataFrame) -> pl.DataFrame:
    """Add the convention, other than ours, under which a line's total gives every amount of theirs (`day_count`).

    The total is ours, or, where an amendment changes the line, theirs over the term as signed: then `as_signed` is what our
    convention gives in the period for that total.
    """
    total, ours = pl.col("theirs").sum().over("contract_line_id"), pl.col("ours").sum().over("contract_line_id")
    price = pl.when(pl.col("has_plan")).then(total).otherwise(pl.coalesce("price", total))
    differs = (pl.col("difference").abs() > pl.col("minor")).any().over("contract_line_id")
    asked = rows.filter((pl.col("measure") == _BY_TIME) & differs & pl.col("currency").is_not_null() & pl.col("convention").is_not_null())
    asked = asked.with_columns(price.alias("total"), minor_digits(pl.col("currency")).alias("digits"))
    whole = pl.when(pl.col("has_plan")).then(ours).otherwise(pl.coalesce("price", ours))
    is_whole = (pl.col("total") - whole).abs() <= pl.col("minor")
    changed = amendments.filter(pl.col("action") == "change").select("contract_line_id").unique()
    as_signed = asked.join(changed, on="contract_line_id", how="semi").filter(
        ~is_whole & pl.col("has_plan") & pl.col("signed_end").is_not_null()
    )
    now, then = _convention(asked.filter(is_whole), "start_date", "end_date"), _convention(as_signed, "signed_start", "signed_end")
    made = pl.concat([now.with_columns(pl.lit(None, dtype=MONEY).alias("as_signed")), then])
    return rows.join(made, on=["contract_line_id", "period"], how="left", maintain_order="left")


def _convention(asked: pl.DataFrame, start: str, end: str) -> pl.DataFrame:
    """Return by line and period the first other convention that gives all amounts (day_count), and what ours gives (as_signed)."""
    others = pl.DataFrame({"other": CONVENTIONS}).with_row_index("place")
    terms = TermColumns(start=start, end=end, convention="other")
    tried = with_earned(
        asked.join(others, how="cross").lazy(), "so_far", amount="total", at="period_end", digits="digits", terms=terms
    ).collect()
    key = ["contract_line_id", "other"]
    amount = pl.col("so_far") - pl.col("so_far").shift(1).over(key, order_by="period_end").fill_null(ZERO)
    tried = tried.with_columns(amount.cast(MONEY).alias("amount_so"), (pl.col("other") == pl.col("convention")).alias("is_ours"))
    fits = tried.with_columns(((pl.col("amount_so") - pl.col("theirs")).abs() <= pl.col("minor")).alias("fits"))
    found = fits.group_by(*key, "place", "is_ours").agg(pl.col("fits").all()).filter(pl.col("fits") & ~pl.col("is_ours"))
    first = found.sort("contract_line_id", "place").unique("contract_line_id", keep="first", maintain_order=True)
    ours = tried.filter("is_ours").select("contract_line_id", "period", pl.col("amount_so").alias("as_signed"))
    return ours.join(first.select("contract_line_id", pl.col("other").alias("day_count")), on="contract_line_id", how="inner")


def _of_two_causes(found: pl.DataFrame) -> pl.DataFrame:
    """Split what days counted otherwise and a missed amendment make together: by the count, and by the amendment."""
    both = (pl.col("cause") == "missed_amendment") & pl.col("as_signed").is_not_null()
    if not found.select(both.any()).item():
        return found
    first = found.filter(both).with_columns(
        pl.col("as_signed").alias("ours"), (pl.col("theirs") - pl.col("as_signed")).cast(MONEY).alias("difference"),
        pl.lit("day_count").alias("cause"), pl.col("day_count").alias("detail"),
    )  # fmt: skip
    second = found.filter(both).with_columns(
        pl.col("as_signed").alias("theirs"), (pl.col("as_signed") - pl.col("ours")).cast(MONEY).alias("difference")
    )
    return pl.concat([found.filter(~both), *(part.filter(pl.col("difference") != 0) for part in (first, second))])


def _over_line(expr: pl.Expr) -> pl.Expr:
    return expr.over("contract_line_id", order_by="period_end")


def _with_runs(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `evens_out`: a difference belongs to a run of a few periods whose sum is none."""
    so_far = _over_line(pl.col("difference").cum_sum())
    rows = rows.with_columns((so_far.abs() <= pl.col("minor")).alias("→even"))
    # The run of a row: as many as are even before it.
    rows = rows.with_columns(_over_line(pl.col("→even").cum_sum().shift(1).fill_null(0)).alias("→run"))
    run = ["contract_line_id", "→run"]
    differs = pl.col("difference") != 0
    is_short = differs.sum().over(run).is_between(2, _CUT_OFF)
    return rows.with_columns((differs & is_short & pl.col("→even").any().over(run)).alias("evens_out")).drop("→even", "→run")


def _only_rounds() -> pl.Expr:
    """Say whether a line differs by rounding alone.

    By no more than a minor unit in any period, and in all so far by no more than half a unit for each period; the last
    period of a whole schedule may take what the others left (`last_period_plug`).
    """
    drift, place = _over_line(pl.col("difference").cum_sum()).abs(), _over_line(pl.col("period").cum_count())
    # Twice the room, since half a unit is none.
    room = pl.col("minor") * pl.max_horizontal(place, pl.lit(2)).cast(MONEY)
    small = (pl.col("difference").abs() <= pl.col("minor")) & (drift * 2 <= room)
    is_last = pl.col("period_end") == pl.col("period_end").max().over("contract_line_id")
    plug = is_last & (pl.col("difference").abs() * 2 <= room) & (drift <= pl.col("minor"))
    return (small | plug.fill_null(value=False)).all().over("contract_line_id")


def _rounds_here() -> pl.Expr:
    """Say whether a difference is a minor unit, and the line's differences of that size do not drift."""
    small = pl.col("difference").abs() <= pl.col("minor")
    drift = pl.when(small).then(pl.col("difference")).otherwise(ZERO).sum().over("contract_line_id")
    return small & (drift.abs() <= pl.col("minor"))


def _with_shares(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `shared_otherwise`: the lines of a contract have other parts of one price.

    Either what differs on them comes to nothing, or each is a constant part more or less in every period, and the prices that
    this would give come to the price of all.
    """
    key = "contract_line_id"
    whole = pl.col("difference").sum().over("contract_id").abs()
    several = pl.col(key).filter(pl.col("difference") != 0).n_unique().over("contract_id") > 1
    room = pl.col("minor") * pl.col(key).n_unique().over("contract_id").cast(MONEY)
    sums = rows.group_by(key, "contract_id").agg(
        pl.col("theirs").sum().alias("→theirs"), pl.col("ours").sum().alias("→ours"), pl.col("price").first(), pl.col("minor").first()
    )
    by_line = rows.select(key, "theirs", "ours", "minor").join(sums.select(key, "→theirs", "→ours"), on=key, how="inner")
    off = (_units("theirs") * _units("→ours") - _units("ours") * _units("→theirs")).abs()
    steady = by_line.group_by(key).agg((off <= _units("minor") * _units("→ours").abs()).all().alias("→steady"))
    sums = sums.filter(pl.col("→ours") != 0).join(steady, on=key, how="left").with_columns(
        round_quotient((_units("→theirs") - _units("→ours")) * _units("price"), _units("→ours")).alias("→more"),
        round_quotient(_units("minor") * _units("price").abs(), _units("→ours").abs()).alias("→room"),
    )  # fmt: skip
    of_contract = sums.group_by("contract_id").agg(
        (pl.col("→steady") & pl.col("→more").is_not_null()).all().alias("→all"), pl.col("→more").sum(), pl.col("→room").sum()
    )
    steadily = of_contract.select(
        "contract_id", (pl.col("→all") & (pl.col("→more").abs() <= pl.col("→room"))).fill_null(value=False).alias("→apart")
    )
    found = rows.join(steadily, on="contract_id", how="left", maintain_order="left")
    apart = pl.col("→apart").fill_null(value=False)
    return found.with_columns((several & ((whole <= room) | apart)).fill_null(value=False).alias("shared_otherwise")).drop("→apart")


def _units(name: str) -> pl.Expr:
    return whole_number(name, MONEY)
