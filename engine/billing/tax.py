"""Tax codes: what seller, customer and place of service lead to, against what the invoice line bears."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from engine.billing.ledger import counted_lines
from engine.billing.telling import plain
from engine.condition import attach_references
from engine.policy.kinds.table import versioned_table
from engine.policy.kinds.tax import ENTITY, TaxPolicy, tax_scope
from engine.policy.loaded import LoadedPolicy, PolicySet
from engine.policy.where import AS_OF, compile_where
from engine.stage import Context

_DAY = "→day"


def tax_findings(frames: Mapping[str, pl.LazyFrame], policies: PolicySet, context: Context) -> list[pl.DataFrame]:
    """Return the invoice lines whose tax code is not the one the tax policies give; unjudged where they give none."""
    if ENTITY not in frames:
        return []
    found = [_judged(versions, frames, context) for versions in policies.versions(TaxPolicy).values()]
    return [each for each in found if each.height]


def ask_tax(
    versions: Sequence[tuple[LoadedPolicy, TaxPolicy]], frames: Mapping[str, pl.LazyFrame], context: Context, *, trace: bool = False
) -> pl.LazyFrame:
    """Return the invoice lines that a tax policy speaks of with what its table says of each, as `table.` columns."""
    loaded, policy = versions[-1]
    table = versioned_table(versions, _DAY, lambda _: tax_scope(), context.holidays)
    lines = counted_lines(frames)
    own = lines.drop("invoice.status", "invoice.kind", "invoice.currency", "invoice.contract_id", "customer_id", "legal_entity_id")
    day = pl.coalesce(pl.col("invoice_date"), pl.lit(context.as_of)).alias(_DAY)
    frame = own.with_columns(day, pl.lit(context.as_of).alias(AS_OF))
    paths = [path for path in table.paths if path not in (_DAY, AS_OF)]
    condition = None if policy.where is None else compile_where(ENTITY, policy.where, loaded.document, ("where",))
    paths += [path for path in (condition.paths if condition is not None else ()) if path != AS_OF]
    frame = attach_references(frame, ENTITY, [*paths, "invoice.contract_id"], frames)
    if condition is not None:
        frame = frame.filter(condition.expression.fill_null(value=False))
    return table.apply(frame, prefix="table.", trace=trace)


def _judged(versions: Sequence[tuple[LoadedPolicy, TaxPolicy]], frames: Mapping[str, pl.LazyFrame], context: Context) -> pl.DataFrame:
    loaded, policy = versions[-1]
    decided = ask_tax(versions, frames, context).collect()
    # A source that states no tax code at all is not judged; one that leaves it blank here and there is.
    system = pl.col("source_system").fill_null("")
    stated = decided.filter(pl.col("tax_code").is_not_null()).select(system.unique()).to_series()
    wrong = decided.filter(
        pl.col("table.tax_code").is_not_null() & (pl.col("tax_code").ne_missing(pl.col("table.tax_code")))
        & system.is_in(stated.implode())
    ).sort("invoice_line_id")  # fmt: skip
    message = pl.concat_str(
        pl.lit("Line "), pl.col("invoice_line_id"), pl.lit(" bears the tax code "), pl.coalesce("tax_code", pl.lit("none")),
        pl.lit("; seller, customer and place of service lead to "), pl.col("table.tax_code"), pl.lit(" ("), plain(pl.col("net_amount")),
        pl.concat_str(pl.lit(" "), pl.col("currency")), pl.lit(" net)."), ignore_nulls=True,
    )  # fmt: skip
    return wrong.select(
        pl.lit("billing").alias("stage"), pl.lit("wrong_tax_code").alias("kind"), pl.col("table.rule").alias("rule"),
        pl.lit(policy.severity).alias("severity"), pl.lit(ENTITY).alias("entity"), pl.col("invoice_line_id").alias("entity_id"),
        pl.lit("invoice").alias("related_entity"), pl.col("invoice_id").alias("related_id"),
        pl.col("invoice.contract_id").alias("contract_id"),
        pl.col("net_amount").alias("amount_at_risk"), "currency", message.alias("message"),
        pl.lit(policy.remedy, dtype=pl.String).alias("remedy"),
        pl.lit(policy.owner).alias("owner"), "evidence", pl.lit(loaded.fingerprint).alias("policy_fingerprint"),
        pl.col("tax_code").alias("consumer_value"), pl.col("table.tax_code").alias("owner_value"), pl.lit("tax_code").alias("field"),
        pl.col("invoice_date").alias("since"),
    )  # fmt: skip
