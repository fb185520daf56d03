"""Why an item was decided so: its inputs with their source rows, every rule with the cells that failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from engine.billing.eligibility import Version, compiled_table, judged_items
from engine.billing.ledger import counted_lines, item_links
from engine.billing.references import frame_of, golden_frames
from engine.billing.unblock import billable_flip
from engine.canonical.schema import ENTITIES
from engine.condition import attach_references
from engine.condition.scope import Unresolved, reach
from engine.decision import CompiledTable, RuleOutcome, explain_rules
from engine.policy.kinds.billing import BillingPolicy
from engine.policy.loaded import PolicySet
from engine.stage import Context, Facts

_ITEM: Final = {"billing_plan_line": "fee", "fee": "fee"}


@dataclass(frozen=True, slots=True)
class ItemExplanation:
    """Hold why an item was decided so.

    `inputs` are the table's inputs by name; `sources` the records they came from as (record, id,
    source rows); `invoiced` the lines that bill the item as (line, invoice, quantity, amount, source
    rows); `rules` every rule in the order it is looked at; `flip` what would make it billable.
    """

    policy: str
    inputs: tuple[tuple[str, object], ...]
    sources: tuple[tuple[str, str, tuple[str, ...]], ...]
    invoiced: tuple[dict[str, Any], ...]
    rules: tuple[RuleOutcome, ...]
    flip: str


def explain_item(facts: Facts, policies: PolicySet, context: Context, item_type: str, item_id: str) -> ItemExplanation | None:
    """Decide one item again and tell how; None when no billing policy decides it, or there is no such item."""
    frames = golden_frames(facts, context.as_of)
    item = _ITEM.get(item_type, item_type)
    ordered = sorted(policies.versions(BillingPolicy).items(), key=lambda each: (each[1][-1][1].where is None, each[0]))
    for _, versions in ordered:
        for version in versions:
            if version[1].item != item:
                continue
            found = _explained(version, frames, context, item, item_id)
            if found is not None:
                return found
    return None


def _explained(version: Version, frames: Mapping[str, pl.LazyFrame], context: Context, item: str, item_id: str) -> ItemExplanation | None:
    table = compiled_table(version, context)
    assert table.table is not None
    judged = judged_items([version], frames, context, trace=True).filter(pl.col("item.id") == item_id)
    computed = [
        (each.computed if each.computed is not None else pl.col(each.column)).alias(f"input.{number}")
        for number, each in enumerate(table.table.inputs)
    ]
    rows = judged.with_columns(computed).head(1).collect().to_dicts()
    if not rows:
        return None
    row = rows[0]
    names = [each.name for each in table.table.inputs]
    inputs = tuple((name, row[f"input.{number}"]) for number, name in enumerate(names))
    codes = [row["table.trace"][str(number)] for number in range(len(table.slots))]
    rules = tuple(explain_rules(table, codes, dict(inputs)))
    return ItemExplanation(
        version[1].id, inputs, _sources(version[1], table, frames, row), _invoiced(frames, item, item_id, row), rules,
        "" if row["table.decision"] == "billable" else _flip(table, codes),
    )  # fmt: skip


def _sources(
    policy: BillingPolicy, table: CompiledTable, frames: Mapping[str, pl.LazyFrame], row: Mapping[str, Any]
) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """Return the item and every record its inputs reach, each with its source rows."""
    found = [(policy.entity.replace("_", " "), str(row["item.id"]), tuple(row["evidence"] or ()))]
    prefixes = sorted({path.rpartition(".")[0] for path in table.paths if "." in path})
    for prefix in prefixes:
        entity = _entity(policy.entity, prefix.split("."))
        if entity is None:
            continue
        key = ENTITIES[entity].keys[0]
        plain = {name: value for name, value in row.items() if name in ENTITIES[policy.entity].fields}
        schema = {name: ENTITIES[policy.entity].fields[name].dtype for name in plain}
        own = pl.LazyFrame([plain], schema=schema)
        reached = attach_references(own, policy.entity, [f"{prefix}.{key}"], frames).select(f"{prefix}.{key}").collect().item()
        if reached is not None:
            places = frame_of(frames, entity).filter(pl.col(key) == reached).select("evidence").collect()["evidence"].to_list()
            found.append((prefix, str(reached), tuple(places[0] or ()) if places else ()))
    return tuple(found)


def _entity(entity: str, parts: Sequence[str]) -> str | None:
    for part in parts:
        step = reach(entity, part, ENTITIES)
        if isinstance(step, Unresolved):
            return None
        entity = step.entity
    return entity


def _invoiced(frames: Mapping[str, pl.LazyFrame], item: str, item_id: str, row: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    columns = ["invoice_line_id", "invoice_id", "quantity", "amount", "evidence"]
    if item == "fee":
        own = counted_lines(frames).filter(pl.col("contract_line_id") == row["item.line_id"])
        lines = own.with_columns(pl.col("net_amount").alias("amount"))
    else:
        lines = item_links(frames, item).filter(pl.col("item.id") == item_id)
    return tuple(lines.sort("invoice_date", "invoice_line_id").select(columns).collect().to_dicts())


def _flip(table: CompiledTable, codes: Sequence[int]) -> str:
    """Return the smallest change that would make the item billable, or nothing."""
    found = billable_flip(table, codes)
    if found is None:
        return ""
    by = "the default" if found.rule is None else found.rule
    return f"It would be billable by {by} if {found.condition()}."
