"""Shadow check: the revenue engine's own schedule beside ours, each difference with what explains it."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.ground.frames import in_words

SHADOW: Final[dict[str, pl.DataType]] = {
    "contract_id": pl.String(), "contract_line_id": pl.String(), "obligation_id": pl.String(), "period": pl.String(),
    "theirs": MONEY, "ours": MONEY, "difference": MONEY, "currency": pl.String(), "cause": pl.String(), "detail": pl.String(),
}  # fmt: skip
"""One row per contract line and period in which the engine's schedule and ours differ (theirs less ours).

`cause`: rounding, day_count, cost_cut_off, ssp_version, missed_amendment, missed_evidence (evidence they did not
recognize), no_evidence (recognized without any), not_yet (earned in the period that still runs), unexplained.
`detail`: the convention, amendment or entries that explain it. A difference of two causes has a row for each: from theirs
to what the first alone would give, and from there to ours.
"""

_HELD: Final = ("recognized", "planned")


def plans(theirs: pl.DataFrame) -> bool:
    """Say whether the revenue engine exports what it plans to recognize."""
    return bool((theirs["status"] == "planned").any())


def on_their_line(theirs: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Name the line of schedule lines that name a contract alone, where it has exactly one; without a line nothing is compared."""
    only = lines.group_by("contract_id").agg(
        pl.col("contract_line_id").unique().alias("→lines"), pl.col("contract_line_id").first().alias("→only")
    ).filter(pl.col("→lines").list.len() == 1)  # fmt: skip
    placed = theirs.join(only.drop("→lines"), on="contract_id", how="left", maintain_order="left")
    return placed.with_columns(pl.coalesce("contract_line_id", "→only").alias("contract_line_id")).drop("→only")


WHOLE_CONTRACT: Final = "→"
"""What the id of a contract begins with where it stands for a line: its schedule names no lines."""


def told_whole(frame: pl.DataFrame, theirs: pl.DataFrame) -> pl.DataFrame:
    """Let a contract stand for its lines where `theirs` has schedule lines of it that name none (columns contract_id, contract_line_id)."""
    whole = theirs.filter(pl.col("status").is_in(_HELD) & pl.col("contract_line_id").is_null() & pl.col("contract_id").is_not_null())
    if whole.is_empty():
        return frame
    is_whole = pl.col("contract_id").is_in(whole["contract_id"].unique().implode())
    told = pl.when(is_whole).then(pl.lit(WHOLE_CONTRACT) + pl.col("contract_id")).otherwise("contract_line_id")
    return frame.with_columns(told.alias("contract_line_id"))


def in_their_currency(theirs: pl.DataFrame, performance: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return both schedules in one currency by line, and the lines that cannot be told in theirs.

    An engine that keeps a contract in its company's own currency is compared with what we translated (`functional_amount`,
    `functional_currency`), through as_of: a plan has no rate. `performance`: with these columns where anything is translated.
    """
    key = "contract_line_id"
    told = theirs.filter(pl.col("status").is_in(_HELD) & pl.col("currency").is_not_null() & pl.col(key).is_not_null())
    held = told.group_by(key).agg(pl.col("currency").unique().alias("→held"))
    ours = in_words(performance).join(held, on=key, how="left", maintain_order="left")
    is_other = (~pl.col("→held").list.contains(pl.col("currency"))).fill_null(value=False)
    if not ours.select(is_other.any()).item():
        return theirs, ours.drop("→held"), held.clear().drop("→held").with_columns(pl.lit(None, dtype=pl.String).alias("own"))
    is_own = (pl.col("→held") == pl.concat_list("functional_currency")).fill_null(value=False)
    foreign = ours.filter(is_other & ~is_own).select(key, pl.col("currency").alias("own")).unique()
    translated = is_other & is_own
    ours = ours.filter(~translated | ~pl.col("is_planned")).with_columns(
        pl.when(translated).then("functional_amount").otherwise("amount").alias("amount"),
        pl.when(translated).then("functional_currency").otherwise("currency").alias("currency"),
        translated.alias("→told"),
    )
    in_own = ours.filter("→told").select(key).unique().with_columns(pl.lit(value=True).alias("→no_plan"))
    theirs = theirs.join(foreign, on=key, how="anti").join(in_own, on=key, how="left", maintain_order="left")
    theirs = theirs.filter(pl.col("→no_plan").is_null() | (pl.col("status") != "planned")).drop("→no_plan")
    return theirs, ours.join(foreign, on=key, how="anti").drop("→held", "→told"), foreign


def compared(theirs: pl.DataFrame, performance: pl.DataFrame, lines: pl.DataFrame, periods: pl.DataFrame) -> pl.DataFrame:
    """Return contract line × period with both amounts, where either has one.

    `theirs`: golden revenue_schedule_line; reversed lines count for nothing. A period planned on both sides is compared
    as well: a plan nobody recognizes yet is wrong before it is booked. Through as_of recognized amounts are compared. An
    engine that exports no plan at all states none: ours is then not compared.
    """
    key = ["contract_line_id", "period"]
    held = theirs.filter(pl.col("status").is_in(_HELD))
    has_plan = plans(theirs)
    performance = performance if has_plan else performance.filter(~pl.col("is_planned"))
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
        pl.col("amount").sum().alias("ours"),
        pl.col("currency").drop_nulls().first().alias("our_currency"), pl.col("contract_id").first().alias("our_contract"),
    ))  # fmt: skip
    terms = lines.select(
        "contract_line_id", "contract_id", "obligation_id", "measure", "convention", "start_date", "end_date", "amount",
        "is_as_invoiced", "added_by", "from_date", "service_line", pl.lit(has_plan).alias("has_plan"),
    ).unique("contract_line_id", keep="last", maintain_order=True)  # fmt: skip
    both = left.join(right, on=key, how="full", coalesce=True).join(terms, on="contract_line_id", how="left")
    ends = periods.group_by("period").agg(pl.col("end_date").max().alias("period_end"), pl.col("start_date").min().alias("period_start"))
    return both.join(ends, on="period", how="left").with_columns(
        pl.col("theirs", "ours").fill_null(ZERO),
        pl.coalesce("contract_id", "their_contract", "our_contract").alias("contract_id"),
        pl.coalesce("their_currency", "our_currency").alias("currency"),
        (pl.col("theirs").fill_null(ZERO) - pl.col("ours").fill_null(ZERO)).alias("difference"),
    ).drop("their_contract", "our_contract", "their_currency", "our_currency").sort("contract_line_id", "period")  # fmt: skip


def shadow_rows(judged: pl.DataFrame) -> pl.DataFrame:
    """Return the output `revenue_shadow` from explained rows; one of a whole contract names no line."""
    line = pl.when(~pl.col("contract_line_id").str.starts_with(WHOLE_CONTRACT)).then("contract_line_id")
    rows = judged.with_columns(line.alias("contract_line_id"))
    return rows.select(pl.col(name).cast(dtype) for name, dtype in SHADOW.items()).sort("contract_id", "contract_line_id", "period")
