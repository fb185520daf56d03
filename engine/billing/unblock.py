"""What people could do so that held items may be billed: the smallest change for each, and whose turn it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl

from engine.billing.eligibility import Version, compiled_table, judged_items
from engine.billing.references import frame_of, golden_frames
from engine.decision import CompiledTable
from engine.decision.flip import Flip, smallest_flip
from engine.decision.rules import OutputValue
from engine.policy.kinds.billing import ITEM_ENTITY, BillingPolicy
from engine.policy.loaded import PolicySet
from engine.stage import Context, Facts

KEPT: Final = frozenset({"billed", "value"})
"""Inputs that say what invoices hold or what an item is worth: nobody changes them to have an item billed."""

ACTIONS: Final[Mapping[tuple[str, str], str]] = {
    ("time_entry", "status"): "Approve the time", ("expense", "status"): "Approve the expenses",
    ("milestone", "status"): "Have the milestones accepted", ("milestone", "accepted_date"): "Have the milestones accepted",
    ("fee", "milestone.status"): "Have the milestones accepted", ("expense", "has_receipt"): "Get the receipts",
    ("time_entry", "rate"): "Give the time a rate", ("fee", "amount"): "Give the plan lines an amount",
    ("fee", "due_date"): "Wait until they are due", ("time_entry", "age_days"): "Decide about the old time",
    ("expense", "age_days"): "Decide about the old expenses",
}  # fmt: skip
"""What a person does to change an input, by item and input; `contract.status` is the same for every item."""

_SIGN: Final = "Have the contract signed"

UNBLOCKED: Final[dict[str, pl.DataType]] = {
    "item_type": pl.String(), "item_id": pl.String(), "action": pl.String(), "needed": pl.String(), "would_decide": pl.String(),
    "project_id": pl.String(), "contract_id": pl.String(), "manager": pl.String(),
}  # fmt: skip
"""One row a held item: what to do, which inputs it changes, and the rule that would then make it billable."""


def billable_flip(table: CompiledTable, codes: Sequence[int], *, keeps_agreement: bool = False) -> Flip | None:
    """Return the fewest changes that would make an item of these classes billable.

    With `keeps_agreement` what was agreed (the contract line, whether work is client work) stays as it is.
    """
    assert table.table is not None
    place = list(table.table.outputs).index("decision")

    def is_billable(outputs: Sequence[OutputValue]) -> bool:
        return outputs[place].value == "billable"

    agreed = {each.name for each in table.table.inputs if each.name == "billable" or each.name.startswith("contract_line.")}
    return smallest_flip(table, codes, is_billable, KEPT | agreed if keeps_agreement else KEPT)


def unblocking_actions(facts: Facts, policies: PolicySet, context: Context) -> pl.DataFrame:
    """Return for every item on hold what would make it billable (`UNBLOCKED`); items that three changes do not help are left out."""
    frames = golden_frames(facts, context.as_of)
    parts = [
        _of_version(version, frames, context)
        for version in policies.of_kind(BillingPolicy)
        if ITEM_ENTITY[version[1].item] in frames
    ]
    found = [each for each in parts if each.height]
    return pl.concat(found).unique(["item_type", "item_id"], keep="first", maintain_order=True) if found else pl.DataFrame(schema=UNBLOCKED)


def _of_version(version: Version, frames: Mapping[str, pl.LazyFrame], context: Context) -> pl.DataFrame:
    table = compiled_table(version, context)
    held = judged_items([version], frames, context, trace=True).filter(pl.col("table.decision") == "on_hold")
    rows = held.select("item.type", "item.id", "item.project_id", "item.contract_id", "table.trace").collect()
    actions = [_action(version[1].item, table, row) for row in rows.select("table.trace").unique().to_dicts()]
    schema = {"table.trace": rows.schema["table.trace"], "action": pl.String(), "needed": pl.String(), "would_decide": pl.String()}
    known = pl.DataFrame(actions, schema=schema, orient="row").drop_nulls("action")
    managers = frame_of(frames, "project").select(pl.col("project_id").alias("item.project_id"), "manager")
    projects = managers.unique("item.project_id", keep="first", maintain_order=True).collect()
    joined = rows.join(known, on="table.trace", how="inner").join(projects, on="item.project_id", how="left")
    return joined.select(
        pl.col("item.type").alias("item_type"), pl.col("item.id").alias("item_id"), "action", "needed", "would_decide",
        pl.col("item.project_id").alias("project_id"), pl.col("item.contract_id").alias("contract_id"), "manager",
    ).sort("item_type", "item_id")  # fmt: skip


def _action(item: str, table: CompiledTable, row: dict[str, Any]) -> dict[str, Any]:
    trace = row["table.trace"]
    found = billable_flip(table, [int(trace[str(number)]) for number in range(len(table.slots))], keeps_agreement=True)
    if found is None:
        return {"table.trace": trace, "action": None, "needed": None, "would_decide": None}
    told = [_SIGN if name == "contract.status" else ACTIONS.get((item, name), f"Make {name} {value}") for name, value in found.changes]
    return {
        "table.trace": trace, "action": "; ".join(dict.fromkeys(told)), "needed": found.condition().replace(" were ", " is "),
        "would_decide": found.rule,
    }  # fmt: skip
