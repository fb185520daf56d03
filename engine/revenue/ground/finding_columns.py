"""What every finding of the revenue stage has, and how a finding writes an amount."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.nothing import of_nothing

OWNER: Final = "revenue accounting"


def finding_columns(
    kind: pl.Expr | str, severity: pl.Expr | str, entity: pl.Expr | str, message: pl.Expr, remedy: pl.Expr | str, owner: str = OWNER
) -> list[pl.Expr]:
    """Return the columns every finding of the revenue stage has; a built-in check's code stands in kind and rule."""
    code = _text(kind)
    return [
        pl.lit("revenue").alias("stage"), code.alias("kind"), code.alias("rule"), _text(severity).alias("severity"),
        _text(entity).alias("entity"), message.alias("message"), _text(remedy).alias("remedy"), pl.lit(owner).alias("owner"),
    ]  # fmt: skip


@of_nothing
def findings_of(
    hit: pl.DataFrame, entity: str, amount: str, kind: str, severity: str, message: pl.Expr, remedy: pl.Expr | str
) -> pl.DataFrame:
    """Return a finding for each row that a check hit: of its `entity`, with the size of its `amount` at risk."""
    return hit.select(
        *finding_columns(kind, severity, entity, message, remedy),
        pl.col(f"{entity}_id").alias("entity_id"),
        "contract_id",
        pl.col(amount).abs().alias("amount_at_risk"),
        "currency",
        "evidence",
    )


def amount_text(value: pl.Expr) -> pl.Expr:
    """Return an amount as people write it, with two decimals."""
    return value.cast(MONEY).round(2, mode="half_away_from_zero").cast(pl.Decimal(38, 2)).cast(pl.String)


def plain_text(value: pl.Expr) -> pl.Expr:
    """Return a number as text with the decimals it needs and no more."""
    text = value.cast(pl.String)
    return pl.when(text.str.contains(".", literal=True)).then(text.str.strip_chars_end("0").str.strip_chars_end(".")).otherwise(text)


def _text(value: pl.Expr | str) -> pl.Expr:
    return pl.lit(value) if isinstance(value, str) else value
