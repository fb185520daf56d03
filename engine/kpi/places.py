"""Where a fact belongs: service line, legal entity, customer and contract, told from what it refers to."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY, Kind, polars_dtype
from engine.canonical.schema import empty_frame
from engine.policy.facts import PLACES
from engine.stage import Facts

HOURS: Final = polars_dtype(Kind.HOURS)

_BUCKETS: Final = (30, 60, 90)


def records(facts: Facts, entity: str) -> pl.LazyFrame:
    """Return an entity's agreed records; none when no source supplies it."""
    frame = facts.frame(entity)
    return empty_frame(entity).lazy() if frame is None else frame


def with_places(frame: pl.LazyFrame, facts: Facts) -> pl.LazyFrame:
    """Add the columns that say where a fact belongs, from the contract line, project and contract it names.

    What the fact itself states wins; then its contract line, its project, its contract. Rows and
    their order stay.
    """
    present = frame.collect_schema()
    text = pl.String()
    missing = [name for name in ("contract_line_id", *PLACES) if name not in present]
    frame = frame.with_columns([pl.lit(None, dtype=pl.Date() if name == "date" else text).alias(name) for name in missing])
    line = _looked_up(facts, "contract_line", "contract_id", "service_line", "project_id", prefix="line")
    project = _looked_up(facts, "project", "contract_id", "customer_id", "legal_entity_id", "service_line", "currency")
    contract = _looked_up(facts, "contract", "customer_id", "legal_entity_id", "currency")
    frame = frame.join(line, on="contract_line_id", how="left", maintain_order="left")
    frame = frame.with_columns(project_id=_first("project_id", "line.project_id"))
    frame = frame.join(project, on="project_id", how="left", maintain_order="left")
    frame = frame.with_columns(contract_id=_first("contract_id", "line.contract_id", "project.contract_id"))
    frame = frame.join(contract, on="contract_id", how="left", maintain_order="left")
    frame = frame.with_columns(
        service_line=_first("service_line", "line.service_line", "project.service_line"),
        legal_entity_id=_first("legal_entity_id", "contract.legal_entity_id", "project.legal_entity_id"),
        customer_id=_first("customer_id", "contract.customer_id", "project.customer_id"),
        currency=_first("currency", "contract.currency", "project.currency"),
    )
    added = [name for name in missing if name in PLACES]
    return frame.select(*present.names(), *added)


def _looked_up(facts: Facts, entity: str, *names: str, prefix: str = "") -> pl.LazyFrame:
    """Return fields of an entity by its id, as columns `entity.field`."""
    columns = (pl.col(name).alias(f"{prefix or entity}.{name}") for name in names)
    return records(facts, entity).select(f"{entity}_id", *columns).unique(f"{entity}_id", keep="any")


def _first(*names: str) -> pl.Expr:
    return pl.coalesce([pl.col(name) for name in names])


def aged(frame: pl.LazyFrame, since: str, as_of: dt.date) -> pl.LazyFrame:
    """Add the days since a date and the bucket they fall in: 0-30, 31-60, 61-90, over 90."""
    days = (pl.lit(as_of) - pl.col(since)).dt.total_days()
    first, second, third = (days <= limit for limit in _BUCKETS)
    bucket = pl.when(first).then(pl.lit("0-30")).when(second).then(pl.lit("31-60")).when(third).then(pl.lit("61-90"))
    return frame.with_columns(days.alias("age_days"), bucket.when(days.is_not_null()).then(pl.lit("over 90")).alias("age"))


def amount_of(above: pl.Expr, below: pl.Expr) -> pl.Expr:
    """Return the product of two decimals as money, computed with 18 digits and rounded half away from zero."""
    wide = pl.Decimal(38, 18)
    product = above.cast(wide) * below.cast(wide)
    return product.round(6, mode="half_away_from_zero").cast(MONEY)
