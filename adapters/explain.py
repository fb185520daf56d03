"""Explaining a published finding: the rule and its line, both sides, the source rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from adapters.publish import MANIFEST
from engine.errors import StoreError, UsageError

# Characters of a source line that help to recognize it.
_LINE_SHOWN = 400


def explain_finding(run_dir: Path, identity: str, snapshot: Path | None = None) -> dict[str, Any]:
    """Return everything a run knows of one finding; raises UsageError when there is no such finding."""
    try:
        findings = pl.read_parquet(run_dir / "findings.parquet")
        manifest = json.loads((run_dir / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise StoreError(f"The results in {run_dir} cannot be read.", "Run the snapshot again.") from error
    found = findings.filter(pl.col("finding_id").str.starts_with(identity))
    if found.height == 0:
        raise UsageError(f"The run {run_dir.name} has no finding {identity}.", "Take an id from findings.parquet.")
    if found.height > 1:
        raise UsageError(f"{found.height} findings begin with {identity}.", "Give more of the id.")
    finding = found.to_dicts()[0]
    policy = next((each for each in manifest["policies"] if each["fingerprint"] == finding["policy_fingerprint"]), None)
    return {
        "finding": finding,
        "policy": None if policy is None else {**policy, **_rule_line(manifest, policy, finding["rule"])},
        "evidence": [source_line(place, snapshot) for place in finding["evidence"] or []],
        "run_id": manifest["run_id"],
        "as_of": manifest["as_of"],
    }


def _rule_line(manifest: dict[str, Any], policy: dict[str, Any], rule: str) -> dict[str, Any]:
    place = manifest["rules"].get(f"{policy['file']}#{rule}")
    return {} if place is None else place


def source_line(place: str, snapshot: Path | None) -> dict[str, Any]:
    """Return a source row's place and, from a text file of the snapshot, the line itself."""
    file, _, row = place.rpartition(":")
    shown = None
    if snapshot is not None and row.isdigit() and Path(file).suffix.lower() in (".csv", ".tsv", ".txt", ".jsonl", ".ndjson"):
        path = snapshot / file
        if path.is_file():
            with path.open(encoding="utf-8-sig", errors="replace") as handle:
                shown = next((line.rstrip("\n")[:_LINE_SHOWN] for number, line in enumerate(handle, 1) if number == int(row)), None)
    return {"place": place, "line": shown}


def render_explanation(explanation: dict[str, Any]) -> str:
    """Return an explanation as text for people."""
    finding, policy = explanation["finding"], explanation["policy"]
    lines = [finding["message"], ""]
    lines.append(f"finding   {finding['finding_id']} ({finding['kind']}, {finding['severity']})")
    if policy is None:
        lines.append(f"rule      {finding['rule']} (built in)")
    else:
        line = f":{policy['line']}" if "line" in policy else ""
        lines.append(f"rule      {finding['rule']}: {policy.get('says', '')}".rstrip(": "))
        lines.append(f"policy    {policy['file']}{line}" + (f", {policy['reference']}" if policy.get("reference") else ""))
    if finding["owner_value"] is not None or finding["consumer_value"] is not None:
        lines.append(f"owner     {finding['owner_value'] or 'blank'}")
        lines.append(f"other     {finding['consumer_value'] or 'blank'}")
    if finding["since"] is not None:
        lines.append(f"since     {finding['since']}")
    if finding["amount_at_risk"] is not None:
        lines.append(f"at risk   {finding['amount_at_risk']:,.2f} {finding['currency'] or ''}".rstrip())
    for each in explanation["evidence"]:
        lines.append(f"source    {each['place']}")
        if each["line"]:
            lines.append(f"          {each['line']}")
    if finding["remedy"]:
        lines.append(f"remedy    {finding['remedy']}")
    if finding["owner"]:
        lines.append(f"for       {finding['owner']}")
    return "\n".join(lines)
