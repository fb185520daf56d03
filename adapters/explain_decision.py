"""Explaining a published billing decision: decided again from the run's own agreed records and policies."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import polars as pl

from adapters.explain import source_line
from adapters.policy_folder import require_policies
from adapters.publish import MANIFEST
from engine.billing import ItemExplanation, explain_item
from engine.decision import RuleOutcome
from engine.errors import StoreError, UsageError
from engine.policy.loaded import PolicySet
from engine.stage import Context, Facts

ITEMS = ("time_entry", "expense", "milestone", "billing_plan_line", "fee")


def names_decision(identity: str) -> bool:
    """Say whether an identity is that of a billed item: `time_entry:T1`, `fee:L1|2026-03`."""
    return identity.partition(":")[0] in ITEMS and ":" in identity


def billed_item(finding: dict[str, Any]) -> str | None:
    """Return the identity of the item that a finding of billing is about; None for any other finding."""
    if finding["stage"] != "billing" or finding["entity"] not in ITEMS:
        return None
    return f"{finding['entity']}:{finding['entity_id']}"


def explain_decision(run_dir: Path, identity: str, policies: Path, snapshot: Path | None = None) -> dict[str, Any]:
    """Return everything that decided an item; raises UsageError when the run has no such item."""
    item_type, _, item_id = identity.partition(":")
    try:
        manifest = json.loads((run_dir / MANIFEST).read_text(encoding="utf-8"))
        key = (pl.col("item_type") == item_type) & (pl.col("item_id") == item_id)
        rows = pl.scan_parquet(run_dir / "billing_decisions.parquet").filter(key).sort("part").collect()
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise StoreError(f"The decisions in {run_dir} cannot be read.", "Run the snapshot again.") from error
    if not rows.height:
        raise UsageError(f"The run {run_dir.name} has no decision on {item_type} {item_id}.", "Take an id from billing_decisions.parquet.")
    loaded = require_policies(policies)
    again = None
    if not _changed(rows, loaded):
        again = explain_item(golden_of(run_dir, manifest), loaded, run_context(manifest, loaded), item_type, item_id)
    places = {name.partition("#")[2]: place for name, place in manifest["rules"].items()}
    return {
        "run_id": manifest["run_id"], "as_of": manifest["as_of"], "item": identity,
        "decisions": [_decision(row, places) for row in rows.to_dicts()],
        "policy_changed": again is None,
        **({} if again is None else _told(again, snapshot)),
    }  # fmt: skip


def _changed(rows: pl.DataFrame, policies: PolicySet) -> bool:
    """Say whether the policy that decided is no longer the one in the folder."""
    known = {each.fingerprint for each in policies.policies}
    return not set(rows["policy_fingerprint"].drop_nulls().to_list()) <= known


def golden_of(run_dir: Path, manifest: dict[str, Any]) -> Facts:
    """Return the agreed records of a published run."""
    frames = {path.stem: pl.scan_parquet(path) for path in sorted((run_dir / "golden").glob("*.parquet"))}
    return Facts(frames, {}, dt.date.fromisoformat(manifest["as_of"]))


def run_context(manifest: dict[str, Any], policies: PolicySet) -> Context:
    """Return the context a published run decided in."""
    known_on = manifest.get("known_on")
    known = None if known_on is None else dt.date.fromisoformat(known_on)
    return Context(dt.date.fromisoformat(manifest["as_of"]), known, policies.holidays())


def _decision(row: dict[str, Any], places: dict[str, Any]) -> dict[str, Any]:
    return {**row, "place": places.get(row["rule"])}


def _told(explained: ItemExplanation, snapshot: Path | None) -> dict[str, Any]:
    return {
        "inputs": dict(explained.inputs),
        "sources": [
            {"record": record, "id": identity, "rows": [source_line(place, snapshot) for place in places]}
            for record, identity, places in explained.sources
        ],
        "invoiced": [
            {**line, "evidence": [source_line(place, snapshot) for place in line["evidence"] or []]} for line in explained.invoiced
        ],
        "rules": [_rule(each) for each in explained.rules],
        "flip": explained.flip,
    }  # fmt: skip


def _rule(outcome: RuleOutcome) -> dict[str, Any]:
    return {
        "rule": outcome.rule, "file": outcome.place.file, "line": outcome.place.line, "says": outcome.note, "reference": outcome.reference,
        "holds": outcome.holds, "failed": [{"input": cell.input, "needs": cell.needed, "was": cell.was} for cell in outcome.failed],
    }  # fmt: skip


def render_decision(told: dict[str, Any]) -> str:
    """Return an explained decision as text for people."""
    lines: list[str] = []
    for row in told["decisions"]:
        lines += _head(row)
    if told["policy_changed"]:
        lines += ["", "The policy has changed since this run, so its rules cannot be told cell by cell."]
        lines.append("Give the folder it was run with: --policies.")
        return "\n".join(lines)
    lines += ["", "inputs"]
    lines += [f"  {name:<30} {_value(value)}" for name, value in told["inputs"].items()]
    lines += ["", "from"]
    for each in told["sources"]:
        lines += [f"  {each['record']:<30} {each['id']}  {', '.join(row['place'] for row in each['rows'])}".rstrip()]
        lines += [f"      {row['line']}" for row in each["rows"] if row["line"]]
    for line in told["invoiced"]:
        where = ", ".join(row["place"] for row in line["evidence"])
        billed = f"{_value(line['quantity'])} for {_value(line['amount'])}"
        lines.append(f"  {'billed by ' + line['invoice_line_id']:<30} {billed}  {where}".rstrip())
    lines += ["", "rules, in order"]
    for rule in told["rules"]:
        lines += _rule_lines(rule)
    if told["flip"]:
        lines += ["", f"{told['flip']} {_released(told['decisions'])}".rstrip()]
    return "\n".join(lines)


def _released(rows: list[dict[str, Any]]) -> str:
    """Return what the change would release: the amount not yet billed."""
    open_amounts = [row["amount_unbilled"] for row in rows if row["amount_unbilled"] is not None and row["amount_unbilled"] > 0]
    if not open_amounts:
        return ""
    return f"That would release {sum(open_amounts):,.2f} {rows[0]['currency'] or ''}".rstrip() + "."


def _head(row: dict[str, Any]) -> list[str]:
    place = row["place"]
    amount = "no amount" if row["amount"] is None else f"{row['amount']:,.2f} {row['currency'] or ''}".rstrip()
    funded = f", funded by {row['funding_source_id']}" if row["funding_source_id"] else ""
    item, decision = row["item_type"].replace("_", " "), row["decision"].replace("_", " ")
    lines = [f"{item} {row['item_id']}: {decision}, {amount}{funded} ({row['reason']})"]
    if row["amount_billed"]:
        lines.append(f"  billed    {row['amount_billed']:,.2f}, not billed {row['amount_unbilled'] or 0:,.2f}")
    if place is None:
        lines.append(f"  rule      {row['rule'] or 'none'}")
        return lines
    lines.append(f"  rule      {row['rule']}: {place['says']}")
    lines.append(f"  policy    {place['file']}:{place['line']}" + (f", {place['reference']}" if place.get("reference") else ""))
    return lines


def _rule_lines(rule: dict[str, Any]) -> list[str]:
    head = f"  {'yes' if rule['holds'] else 'no ':<3} {rule['rule']:<10} {rule['says']}  ({rule['file']}:{rule['line']})"
    return [head, *(f"      {cell['input']} needs {cell['needs']} but was {cell['was']}" for cell in rule["failed"])]


def _value(value: object) -> str:
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    return text.rstrip("0").rstrip(".") if "." in text and text.replace(".", "").replace("-", "").isdigit() else text
