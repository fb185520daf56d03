"""The register of what was posted for earlier periods: by origin period and nature, weighed against materiality (250-10-45, SAB 99)."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.revenue.ground.finding_columns import amount_text, finding_columns
from engine.revenue.ground.frames import TEXT, TEXTS, Books, in_words, setting

REGISTER: Final[dict[str, pl.DataType]] = {
    "legal_entity_id": TEXT, "relates_to_period": TEXT, "period": TEXT, "nature": TEXT, "increase": MONEY, "decrease": MONEY,
    "amount": MONEY, "currency": TEXT, "contracts": pl.Int64(), "materiality": MONEY, "so_far": MONEY, "is_material": pl.Boolean(),
    "rule": TEXT, "evidence": TEXTS,
}  # fmt: skip
"""Columns of `out_of_period.parquet`, in the legal entity's functional currency.

`period` is where it was posted, `relates_to_period` where it belongs; natures stand apart and never net. Increases and
decreases of revenue are summed apart too: two errors that cancel are two errors. `so_far`: the greater of both of all that was
posted for the origin period through `period`, which materiality is held against: a period is misstated by the whole of it.
"""

_RULE: Final = "250-10-45-23"


def out_of_period_register(books: Books) -> pl.DataFrame:
    """Return what was recognized for earlier periods, by entity, origin period, period and nature (REGISTER)."""
    told = books.extra.get("translated", books.performance)
    value = pl.col("functional_amount") if "functional_amount" in told.columns else pl.col("amount")
    late = in_words(told.filter(~pl.col("is_planned") & (pl.col("relates_to_period") != pl.col("period"))))
    about = books.contracts.select(
        "contract_id", "legal_entity_id", pl.col("functional_currency").alias("book"), setting("late.materiality").alias("materiality")
    )
    rows = late.drop("currency").join(about, on="contract_id", how="inner").with_columns(value.alias("value"))
    keys = ["legal_entity_id", "relates_to_period", "period", "nature", "book"]
    # What cancels within a contract's line is no error of two.
    by_line = rows.group_by(*keys, "contract_id", "contract_line_id").agg(
        pl.col("value").sum(), pl.col("materiality").min(), pl.col("evidence").explode().drop_nulls().unique().sort()
    )
    summed = by_line.group_by(keys).agg(
        pl.col("value").filter(pl.col("value") > 0).sum().alias("increase"),
        (pl.col("value").filter(pl.col("value") < 0).sum() * -1).alias("decrease"),
        pl.col("value").sum().alias("amount"),
        pl.col("contract_id").n_unique().cast(pl.Int64).alias("contracts"),
        pl.col("materiality").min(),
        pl.col("evidence").explode().drop_nulls().unique().sort(),
    )
    corrects = pl.col("nature").is_in(["out_of_period", "error"])
    origin = ["legal_entity_id", "relates_to_period", "nature", "book"]
    both = [pl.col(name).cum_sum().over(origin, order_by="period") for name in ("increase", "decrease")]
    summed = summed.with_columns(pl.max_horizontal(*both).alias("so_far"))
    beyond = (pl.col("so_far") > pl.col("materiality")).fill_null(value=False)
    made = summed.rename({"book": "currency"}).with_columns((corrects & beyond).alias("is_material"), pl.lit(_RULE).alias("rule"))
    order = ["legal_entity_id", "relates_to_period", "period", "nature", "currency"]
    return made.select(pl.col(name).cast(kind) for name, kind in REGISTER.items()).sort(order, nulls_last=True)


def register_findings(register: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for every origin period whose late facts or errors are material: it is restated, not caught up."""
    hit = register.filter("is_material")
    amounts = {name: amount_text(pl.col(name)) for name in ("increase", "decrease", "so_far", "materiality")}
    message = pl.format(
        "Of {} {} of revenue up and {} down were posted in {} ({}), with earlier months {} one way, more than {}.", "relates_to_period",
        amounts["increase"], amounts["decrease"], "period", "nature", amounts["so_far"], amounts["materiality"],
    )  # fmt: skip
    remedy = "Judge whether the period must be restated (250-10-45-23, SAB 99); reopen it, or enter why not."
    return hit.select(
        *finding_columns("out_of_period_material", "high", "fiscal_period", message, remedy, "controller"),
        pl.concat_str(pl.col("legal_entity_id").fill_null(""), "relates_to_period", separator="|").alias("entity_id"),
        pl.col("period"), pl.lit(None, dtype=TEXT).alias("contract_id"),
        pl.col("so_far").alias("amount_at_risk"), "currency", "evidence",
    )  # fmt: skip
