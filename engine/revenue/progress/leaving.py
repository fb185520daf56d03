"""Lines that leave a promise of several: what they were still expected to take leaves its measure on the day (606-10-25-13, 25-31)."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.nothing import of_nothing
from engine.revenue.arithmetic.exact import GUARD, part_units, units_to_minor
from engine.revenue.arithmetic.numbers import whole_number, wide
from engine.revenue.contracts.amendments import stated_estimates
from engine.revenue.ground.finding_columns import finding_columns
from engine.revenue.ground.records import Records
from engine.revenue.progress.observed import HOURS, of_measure

_LEAVING: Final[dict[str, pl.DataType]] = {
    "contract_line_id": pl.String(), "okey": pl.String(), "→left": pl.Date(), "→ground": pl.List(pl.String())
}  # fmt: skip

_ESTIMATES: Final = {
    "cost_to_cost": ("estimated_cost", "cost_to_date", "estimated_total_cost", MONEY),
    "hours": ("estimated_hours", "hours_to_date", "estimated_total_hours", HOURS),
}
"""By measure: what a contract states of its whole, what a report says is done and expected, and their type."""


def leaving_lines(terms: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return lines that a modification takes out of a promise others stay in, with the day: contract_line_id, okey, →left, →ground."""
    gone = terms.filter(pl.col("action") == "remove")
    if not gone.height:
        return pl.DataFrame(schema=_LEAVING)
    first = gone.sort("place").unique("contract_line_id", keep="first", maintain_order=True)
    named = first.select("contract_line_id", pl.col("event_date").alias("→left"), pl.col("evidence").alias("→ground"))
    of = lines.select("contract_line_id", "okey").unique("contract_line_id")
    stays = of.join(named, on="contract_line_id", how="anti")["okey"].unique()
    return named.join(of, on="contract_line_id", how="inner").filter(pl.col("okey").is_in(stays.implode())).select(list(_LEAVING))


def without_left(rows: pl.DataFrame, left: pl.DataFrame, done: str, expected: str) -> pl.DataFrame:
    """Return what is known of lines by day, of those that leave (`leaving_lines`) nothing more expected than is done, from their day on.

    `rows`: contract_line_id, date, evidence and the columns named (null: not stated on that day).
    """
    own = rows.join(left.drop("okey"), on="contract_line_id", how="inner") if left.height else left
    if not own.height:
        return rows
    own = own.sort("contract_line_id", "date").with_columns(pl.col(done, expected).forward_fill().over("contract_line_id"))
    last = own.filter(pl.col("date") < pl.col("→left")).unique("contract_line_id", keep="last", maintain_order=True)
    last = last.with_columns(pl.col("→left").alias("date"), pl.col("→ground").alias("evidence"))
    last = last.join(own.select("contract_line_id", "date"), on=["contract_line_id", "date"], how="anti")
    both = pl.concat([own, last])
    after = pl.when(pl.col("date") >= pl.col("→left")).then(pl.col(done).fill_null(0)).otherwise(expected)
    both = both.with_columns(after.alias(expected)).select(rows.columns)
    rest = rows.join(left.select("contract_line_id"), on="contract_line_id", how="anti")
    return pl.concat([rest, both]).sort("contract_line_id", "date", done, nulls_last=False)


def estimates_of_leaving(records: Records, lines: pl.DataFrame, terms: pl.DataFrame, worked: pl.DataFrame) -> pl.DataFrame:
    """Return of each line that leaves a promise measured by cost or hours what was known of it the day before.

    Columns: contract_line_id, okey, →left, →ground, done, expected (whole numbers in one unit; null: nobody said).
    """
    left = leaving_lines(terms, lines)
    made = []
    for measure, (stated, done, expected, kind) in _ESTIMATES.items():
        about = of_measure(lines, measure).join(left.select("contract_line_id", "→left"), on="contract_line_id", how="inner")
        if not about.height:
            continue
        about = about.select("contract_line_id", "signed_date", "→left", "okey")
        said = stated_estimates(terms, about, stated, "expected").drop_nulls("expected")
        told = records.frame("progress").join(about, on="contract_line_id", how="semi")
        rows = [
            said.select("contract_line_id", "date", whole_number("expected", kind).alias("expected")),
            told.select(
                "contract_line_id", pl.col("as_of_date").alias("date"), whole_number(expected, kind).alias("expected"),
                whole_number(done, kind).alias("done"),
            ),
        ]  # fmt: skip
        if measure == "hours":
            entries = worked.join(about, on="contract_line_id", how="inner").filter(pl.col("date") < pl.col("→left"))
            summed = entries.group_by("contract_line_id").agg(
                pl.col("→left").first().dt.offset_by("-1d").alias("date"), whole_number("hours", HOURS).sum().alias("done")
            )
            rows.append(summed)
        every = pl.concat(rows, how="diagonal").join(about, on="contract_line_id", how="inner").filter(pl.col("date") < pl.col("→left"))
        made.append(
            every.sort("contract_line_id", "date").group_by("contract_line_id").agg(pl.col("done", "expected").drop_nulls().last())
        )
        made[-1] = left.join(about.select("contract_line_id"), on="contract_line_id", how="semi").join(
            made[-1], on="contract_line_id", how="left", maintain_order="left"
        )
    none = pl.DataFrame(schema={**_LEAVING, "done": pl.Int128, "expected": pl.Int128})
    return pl.concat([none, *(frame.select(none.columns) for frame in made)])


def with_own_remains(changes: pl.DataFrame, leaving: pl.DataFrame) -> pl.DataFrame:
    """Return changes whose removals without an amount take along what of their line itself is still to be done, where that is known.

    `leaving`: of `estimates_of_leaving`. Elsewhere it stays the part of the promise that is still to be served.
    """
    known = leaving.filter(pl.col("expected") > 0).select(
        "contract_line_id", pl.min_horizontal(pl.col("done").fill_null(0), "expected").alias("→done"), pl.col("expected").alias("→of")
    )
    if not known.height:
        return changes
    made = changes.join(known, on="contract_line_id", how="left", maintain_order="left")
    takes = ((pl.col("lifted") != 0) & pl.col("→of").is_not_null()).fill_null(value=False)
    own = units_to_minor(part_units(pl.col("lifted"), pl.col("→of") - pl.col("→done"), pl.col("→of"))) * GUARD
    return made.with_columns(
        pl.when(takes).then(own).otherwise("price_change").alias("price_change"),
        pl.when(takes).then(wide(0)).otherwise("lifted").alias("lifted"),
    ).drop("→done", "→of")


@of_nothing
def leaving_findings(leaving: pl.DataFrame, observed: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for every line that left a promise without anybody saying how much of its estimate goes with it.

    Told until a new estimate of the promise is reported. `observed`: observations (`observed.OBSERVED`).
    """
    open_lines = leaving.filter(pl.col("expected").fill_null(0) <= 0)
    after = observed.filter("is_reestimate").select("okey", "date").join(open_lines.select("okey", "→left"), on="okey", how="inner")
    told = after.filter(pl.col("date") >= pl.col("→left"))["okey"].unique()
    about = lines.select("contract_line_id", "contract_id", "amount", "currency").unique("contract_line_id")
    hit = open_lines.filter(~pl.col("okey").is_in(told.implode())).join(about, on="contract_line_id", how="inner")
    text = "{} left its promise on {} and nothing tells how much of the estimate goes with it; progress counts all of it until a new one."
    message = pl.format(text, "contract_line_id", pl.col("→left").dt.strftime("%Y-%m-%d"))
    remedy = "Report the cost or hours expected of what remains, dated on the change, or state the removed line's own estimate."
    return hit.sort("contract_line_id").select(
        *finding_columns("removed_estimate_unknown", "medium", "contract_line", message, remedy),
        pl.col("contract_line_id").alias("entity_id"), "contract_id",
        pl.col("amount").cast(MONEY).alias("amount_at_risk"), "currency", pl.col("→ground").alias("evidence"),
    )  # fmt: skip
