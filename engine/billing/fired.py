"""How often each rule of the billing and tax tables decides, and the money it decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from engine.billing.eligibility import compiled_table, judged_items
from engine.billing.references import golden_frames
from engine.billing.tax import ask_tax
from engine.decision import CompiledTable
from engine.decision.weigh import HELD, weigh_table
from engine.policy.kinds.billing import ITEM_ENTITY, BillingPolicy
from engine.policy.kinds.table import TablePolicy, compile_rules
from engine.policy.kinds.tax import ENTITY, TaxPolicy, tax_scope
from engine.policy.loaded import PolicySet
from engine.stage import Context, Facts


def billing_fired(facts: Facts, policies: PolicySet, context: Context) -> pl.DataFrame:
    """Return what every billing and tax rule decides (`WEIGHED` of the tables, with `policy` and `version`).

    Money is what items are worth, and the net amount of the invoice lines that a tax rule decides.
    """
    found: list[pl.DataFrame] = []
    for policy, compiled, rows in _judged(facts, policies, context):
        weighed = weigh_table(compiled, rows, "table.trace")
        found.append(
            weighed.select(pl.lit(policy.id).alias("policy"), pl.lit(policy.effective_from).cast(pl.Date).alias("version"), pl.all())
        )
    return pl.concat(found) if found else pl.DataFrame()


def billing_held(facts: Facts, policies: PolicySet, context: Context) -> pl.DataFrame:
    """Return by item or invoice line the rules that hold for it (`HELD`), of tables that list all of them."""
    parts = [rows.select(list(HELD)).collect() for _, _, rows in _judged(facts, policies, context)]
    return pl.concat(parts) if parts else pl.DataFrame(schema=HELD)


def _judged(facts: Facts, policies: PolicySet, context: Context) -> Iterator[tuple[TablePolicy, CompiledTable, pl.LazyFrame]]:
    frames = golden_frames(facts, context.as_of)
    for loaded, policy in policies.of_kind(BillingPolicy):
        if ITEM_ENTITY[policy.item] not in frames:
            continue
        compiled = compiled_table((loaded, policy), context)
        judged = judged_items([(loaded, policy)], frames, context, trace=True)
        yield policy, compiled, _told(judged, "item.id", "item.contract_id", "item.amount", "item.currency", "item.date")
    yield from _taxed(frames, policies, context)


def _taxed(
    frames: Mapping[str, pl.LazyFrame], policies: PolicySet, context: Context
) -> Iterator[tuple[TablePolicy, CompiledTable, pl.LazyFrame]]:
    versions = policies.versions(TaxPolicy).values() if ENTITY in frames else ()
    for each in versions:
        asked = ask_tax(each, frames, context, trace=True)
        for number, (loaded, policy) in enumerate(each):
            compiled, _ = compile_rules(policy, loaded.document, loaded.sheet, tax_scope(), context.holidays)
            assert compiled is not None, "a policy set with errors does not run"
            rows = asked.filter(pl.col("table.version") == policy.effective_from).with_columns(
                pl.col(f"table.trace_{number}").alias("table.trace")
            )
            yield policy, compiled, _told(rows, "invoice_line_id", "invoice.contract_id", "net_amount", "currency", "→day")


def _told(rows: pl.LazyFrame, key: str, contract: str, amount: str, currency: str, day: str) -> pl.LazyFrame:
    names = rows.collect_schema().names()
    listed = pl.col("table.rules") if "table.rules" in names else pl.lit(None, dtype=pl.List(pl.String))
    return rows.select(
        "table.trace", pl.col(key).alias("id"), pl.col(contract).alias("contract_id"), pl.col(amount).alias("amount"),
        pl.col(currency).alias("currency"), pl.col(day).alias("day"), listed.alias("rules"),
    )  # fmt: skip
