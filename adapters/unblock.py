"""What releases most money: the held items of a run by what somebody would have to do, and who."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import polars as pl

from adapters.explain_decision import golden_of, run_context
from adapters.policy_folder import require_policies
from adapters.publish import INPUTS, read_manifest
from engine.billing import unblocking_actions
from engine.errors import StoreError

_WAITS: Final = "Wait until they are due"
_EXAMPLES: Final = 5


def unblock(run_dir: Path, top: int, policies: Path | None = None) -> list[dict[str, Any]]:
    """Return the actions that release most money in a run, the most first: action, who, where, items and amounts by currency.

    One action is what is to be done in one project (one contract where an item has no project) and
    currency. Actions are ranked by functional amount. `policies` are by default those the run kept.
    What only time brings is left out. Raises StoreError when the run cannot be read.
    """
    manifest = read_manifest(run_dir)
    loaded = require_policies(run_dir / INPUTS / "policies" if policies is None else policies)
    try:
        decisions = pl.read_parquet(run_dir / "billing_decisions.parquet").filter(pl.col("decision") == "on_hold")
    except (OSError, pl.exceptions.PolarsError) as error:
        raise StoreError(f"The decisions in {run_dir} cannot be read.", "Run the snapshot again.") from error
    actions = unblocking_actions(golden_of(run_dir, manifest), loaded, run_context(manifest, loaded))
    actions = actions.filter(~pl.col("action").str.contains(_WAITS, literal=True)).drop("project_id", "contract_id")
    keys = ["item_type", "item_id"]
    rank = pl.coalesce("functional_amount", "amount").filter(pl.col("amount_unbilled") != 0).sum().alias("rank")
    grouped = (
        decisions.join(actions, on=keys, how="inner").sort(*keys, "part")
        .group_by("action", "needed", "item_type", "project_id", "contract_id", "manager", "currency", maintain_order=True)
        .agg(
            pl.col("item_id").n_unique().alias("items"), pl.col("amount_unbilled").sum().alias("amount"), rank,
            pl.col("item_id").unique(maintain_order=True).head(_EXAMPLES).alias("such_as"), pl.col("rule").unique().sort().alias("held_by"),
        )
    )  # fmt: skip
    ordered = grouped.filter(pl.col("amount") > 0).sort("rank", "action", "project_id", descending=[True, False, False], nulls_last=True)
    return ordered.drop("rank").head(top).to_dicts()


def render_actions(actions: list[dict[str, Any]]) -> str:
    """Return ranked actions as text for people."""
    if not actions:
        return "Nothing that somebody could do would release money: no item waits for a person."
    lines = []
    for number, each in enumerate(actions, start=1):
        where = f"project {each['project_id']}" if each["project_id"] else f"contract {each['contract_id'] or 'unknown'}"
        who = f", for {each['manager']}" if each["manager"] else ""
        name = each["item_type"].replace("_", " ").replace("entry", "entries" if each["items"] != 1 else "entry")
        plural = "" if each["items"] == 1 or name.endswith("entries") else "s"
        lines.append(f"{number:>3}. {each['amount']:>14,.2f} {each['currency'] or '':<3}  {each['action']}: {where}{who}")
        more = f" and {each['items'] - len(each['such_as']):,} more" if each["items"] > len(each["such_as"]) else ""
        lines.append(f"     {each['items']:,} {name}{plural} held by {', '.join(each['held_by'])}: {', '.join(each['such_as'])}{more}")
    return "\n".join(lines)
