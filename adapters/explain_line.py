"""Explaining a line a run published: of the revenue schedule, of a proposed entry, of a match."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import polars as pl

from adapters.explain import source_line
from adapters.publish import read_manifest
from engine.errors import StoreError

_SHOWN: Final[dict[str, tuple[str, ...]]] = {
    "revenue_schedule": (
        "contract_id", "obligation_id", "period", "relates_to_period", "nature", "basis", "planned_amount", "recognized_amount",
        "catch_up_amount", "progress", "currency",
    ),
    "journal": (
        "posting_date", "legal_entity_id", "account", "account_role", "debit", "credit", "currency", "functional_debit",
        "functional_credit", "contract_id", "contract_line_id", "reason", "status",
    ),
    "matches": ("reconciliation", "pass", "side", "entity", "entity_id", "amount", "currency", "residual", "status", "reason", "key"),
}  # fmt: skip


def explain_line(run_dir: Path, identity: str, snapshot: Path | None = None) -> dict[str, Any] | None:
    """Return what a run knows of the lines an identity names, or None when it names none.

    An identity is `contract_line_id:period`, `journal_id:line` or a `match_id`. Each line comes with
    the rule that made it, in its author's words and at its place, and the source rows. Raises StoreError.
    """
    name, _, place = identity.rpartition(":")
    wanted = {
        "revenue_schedule": (pl.col("contract_line_id") == name) & (pl.col("period") == place),
        "journal": (pl.col("journal_id") == name) & (pl.col("line").cast(pl.String) == place),
        "matches": pl.col("match_id") == identity,
    }
    manifest = read_manifest(run_dir)
    for output, condition in wanted.items():
        rows = _rows(run_dir / f"{output}.parquet", condition)
        if rows:
            rows = [_with_schedule(row, run_dir) for row in rows] if output == "journal" else rows
            lines = [_line(row, output, manifest, snapshot) for row in rows]
            return {"run_id": manifest["run_id"], "as_of": manifest["as_of"], "output": output, "identity": identity, "lines": lines}
    return None


def _with_schedule(entry: dict[str, Any], run_dir: Path) -> dict[str, Any]:
    """Return a proposed entry that names beside its own source rows those of the schedule it posts: revenue of a line's period."""
    if entry.get("account_role") != "revenue" or not entry.get("contract_line_id"):
        return entry
    of_line = (pl.col("contract_line_id") == entry["contract_line_id"]) & (pl.col("period") == entry["period"])
    places = {place for row in _rows(run_dir / "revenue_schedule.parquet", of_line) for place in row.get("evidence") or []}
    return entry | {"evidence": sorted(places.union(entry["evidence"] or []))}


def _rows(path: Path, condition: pl.Expr) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    try:
        return pl.scan_parquet(path).filter(condition).collect().to_dicts()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise StoreError(f"The results in {path.parent} cannot be read.", "Run the snapshot again.") from error


def _line(row: dict[str, Any], output: str, manifest: dict[str, Any], snapshot: Path | None) -> dict[str, Any]:
    places = {name.partition("#")[2]: place for name, place in manifest["rules"].items()}
    rule = f"{row['reconciliation']}.{row['pass']}" if output == "matches" else row["rule"]
    place = places.get(rule) or places.get(row.get("reconciliation") or "")
    return {
        "rule": rule, "place": place, "values": {each: row[each] for each in _SHOWN[output] if each in row},
        "evidence": [source_line(each, snapshot) for each in row.get("evidence") or []],
    }  # fmt: skip


def render_line(told: dict[str, Any]) -> str:
    """Return explained lines as text for people."""
    what = {"revenue_schedule": "revenue schedule", "journal": "proposed entry", "matches": "match"}[told["output"]]
    lines = [f"{what} {told['identity']}"]
    for each in told["lines"]:
        lines.append("")
        place = each["place"]
        says = f": {place['says']}" if place else " (built in, a paragraph of the standard)" if each["rule"] and "-" in each["rule"] else ""
        lines.append(f"  {'rule':<20} {each['rule'] or 'none'}{says}")
        if place:
            reference = f", {place['reference']}" if place.get("reference") else ""
            lines.append(f"  {'policy':<20} {place['file']}:{place['line']}{reference}")
        lines += [f"  {name:<20} {_shown(value)}" for name, value in each["values"].items() if value is not None]
        for row in each["evidence"]:
            lines.append(f"  {'source':<20} {row['place']}")
            lines += [f"      {row['line']}"] if row["line"] else []
    return "\n".join(lines)


def _shown(value: object) -> str:
    text = str(value)
    return text.rstrip("0").rstrip(".") if "." in text and text.replace(".", "").replace("-", "").isdigit() else text
