"""Time and expenses that were rejected after they had counted: since when that is known, and what nobody dates (250-10, VOCABULARY 15)."""

from __future__ import annotations

from typing import Final, Protocol

import polars as pl

from engine.canonical.schema import entity_spec
from engine.revenue.ground.finding_columns import finding_columns
from engine.revenue.ground.frames import Books, setting
from engine.revenue.ground.periods import first_open, with_period
from engine.revenue.ground.sources import united

ACCRUED: Final = {"time_entry": "accrual", "expense": "accrual_expenses"}
"""What the policy accrues of work nobody approved yet counts from the day it was submitted: it is known by then."""

REJECTED: Final = "{} rejected"
"""Name of the fact that time or an expense was rejected after it had counted: it happened on its own day, and is known since then."""


class Agreed(Protocol):
    """The agreed records: `frame` gives an entity's with every canonical column and `evidence`, empty when there are none."""

    def frame(self, entity: str) -> pl.DataFrame:
        """Return an entity's records."""
        ...


_DAYS: Final = {"time_entry": "work_date", "expense": "incurred_date"}


def of_submitted(entity: str, lines: pl.DataFrame) -> pl.Expr:
    """Tell whether what is submitted counts on the line of a row."""
    if ACCRUED[entity] not in lines.columns:
        return pl.lit(value=False)
    accrued = lines.filter(pl.col(ACCRUED[entity]).ne_missing("none"))["contract_line_id"].unique()
    return pl.col("contract_line_id").is_in(accrued.implode()).fill_null(value=False)


def rejections(records: Agreed, entity: str, lines: pl.DataFrame, day: str) -> pl.DataFrame:
    """Return as facts that time or expenses which had counted were rejected: on their own `day`, known when they were last modified.

    Columns: entity, key, day, known_at, contract_line_id, and `stood_at`: where no system says when they were rejected, when they were
    approved (`after_a_close`).
    """
    is_approved = pl.col("approved_at").is_not_null()
    counted = is_approved | (pl.col("submitted_at").is_not_null() & of_submitted(entity, lines))
    known = pl.coalesce("modified_at", "approved_at").is_not_null()
    rows = records.frame(entity).filter((pl.col("status") == "rejected") & known & counted)
    return rows.select(
        pl.lit(REJECTED.format(entity)).alias("entity"), pl.col(entity_spec(entity).keys[0]).alias("key"), pl.col(day).alias("day"),
        pl.col("modified_at").alias("known_at"), pl.when(pl.col("modified_at").is_null()).then("approved_at").alias("stood_at"),
        "contract_line_id",
    )  # fmt: skip


def after_a_close(rows: pl.DataFrame, closes: pl.DataFrame) -> pl.DataFrame:
    """Let what nobody dates be known right after the first close at which it stood approved, so that no closed month moves by it."""
    if "stood_at" not in rows.columns or not rows["stood_at"].count():
        return rows
    ends = closes.select("calendar", pl.col("closed_at").alias("→closed")).unique().sort("→closed")
    made = rows.sort("stood_at").join_asof(
        ends, left_on="stood_at", right_on="→closed", by="calendar", strategy="forward", check_sortedness=False
    )
    after = pl.when(pl.col("stood_at").is_not_null()).then(pl.col("→closed").dt.offset_by("1us"))
    return made.with_columns(pl.coalesce("known_at", after).alias("known_at")).drop("→closed")


def known_rejected(rows: pl.DataFrame, books: Books) -> pl.DataFrame:
    """Add to approved rows of contracts that are rejected since when that is known (`→rejected`), in contracts that catch up."""
    closes = books.periods.filter(pl.col("closed_at").is_not_null())
    own = books.contracts.select("contract_id", "calendar", (setting("late.closed_period") == "catch_up").alias("→catches"))
    own = books.lines.select("contract_line_id", "contract_id").join(own, on="contract_id", how="inner").drop("contract_id")
    undated = pl.when(pl.col("modified_at").is_null() & pl.col("→catches")).then("approved_at")
    asked = rows.drop("known_at").join(own.unique("contract_line_id"), on="contract_line_id", how="left", maintain_order="left")
    made = after_a_close(asked.with_columns(pl.col("modified_at").alias("known_at"), undated.alias("stood_at")), closes)
    return made.rename({"known_at": "→rejected"}).with_columns(pl.col("approved_at").alias("known_at"))


def rejection_findings(books: Books, records: Agreed) -> pl.DataFrame:
    """Return a finding for every line and closed month with time or expenses that stood approved at its close and are rejected undated."""
    closes = books.periods.filter(pl.col("closed_at").is_not_null())
    own = books.contracts.filter(setting("late.closed_period") == "catch_up").select("contract_id", "calendar")
    about = books.lines.select("contract_line_id", "contract_id").join(own, on="contract_id", how="inner")
    found = [each for name in _DAYS if (each := _undated(records, name, about, closes, books)).height]
    return pl.concat(found) if found else pl.DataFrame()


def _undated(records: Agreed, entity: str, about: pl.DataFrame, closes: pl.DataFrame, books: Books) -> pl.DataFrame:
    if not closes.height or not (records.frame(entity)["status"] == "rejected").any():
        return pl.DataFrame()
    evidence = records.frame(entity).select(pl.col(entity_spec(entity).keys[0]).alias("key"), "evidence").unique("key", keep="first")
    rows = rejections(records, entity, books.lines, _DAYS[entity]).filter(pl.col("stood_at").is_not_null() & pl.col("day").is_not_null())
    rows = rows.join(about, on="contract_line_id", how="inner").join(evidence, on="key", how="left")
    dated = with_period(after_a_close(rows, closes), books.periods, "day").filter(pl.col("known_at") > pl.col("closed_at"))
    taken = with_period(first_open(dated, books.periods, "day", "known_at"), books.periods, "→closes", prefix="→")
    summed = taken.group_by("contract_id", "contract_line_id", "period", "→period").agg(pl.len().alias("→count"), united("evidence"))
    what = {"time_entry": "time entries", "expense": "expenses"}[entity]
    message = pl.format(
        f"{{}} {what} on line {{}} stood approved when {{}} was closed and are rejected since, nobody says when: taken back in {{}}.",
        "→count", "contract_line_id", "period", "→period",
    )  # fmt: skip
    remedy = "Export when the rows were last modified (`modified_at`); of those rejected before the close leave the approval blank."
    return summed.sort("contract_line_id", "period").select(
        *finding_columns("rejection_undated", "low", "contract_line", message, remedy), pl.col("contract_line_id").alias("entity_id"),
        "contract_id", "period", "evidence",
    )  # fmt: skip
