"""Two runs beside each other: what changed in data, policies and engine, and what came of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl

from adapters.publish import INPUTS, read_manifest
from engine.canonical.kinds import MONEY
from engine.errors import StoreError
from engine.kpi.measure import TOTAL
from engine.kpi.moved import beyond, limit_of
from engine.policy.kinds.kpi import KpiPolicy
from engine.policy.load import load_policies
from engine.policy.source import SourceText

_FINDING: Final = ("finding_id", "rule", "severity", "entity", "entity_id", "amount_at_risk", "currency", "message")


def compare_runs(earlier: Path, later: Path) -> dict[str, Any]:
    """Return what differs between two runs: causes (files, policies, mappings, engine) and effects.

    Effects are findings opened and closed, KPIs of the whole firm that moved, and the rows of every
    output. `why` says data, policy, engine, or several of them.
    """
    before, after = read_manifest(earlier), read_manifest(later)
    files = _changed({each["path"]: each["sha256"] for each in before["files"]}, {each["path"]: each["sha256"] for each in after["files"]})
    policies = _changed(_fingerprints(before), _fingerprints(after))
    mappings = _changed(before["mappings"], after["mappings"])
    engine = before["engine_version"] != after["engine_version"]
    causes = {"data": files or before["as_of"] != after["as_of"], "policy": policies or mappings, "engine": engine}
    opened, closed = _findings(earlier, later)
    return {
        "earlier": before["run_id"], "later": after["run_id"], "as_of": [before["as_of"], after["as_of"]],
        "why": [name for name, changed in causes.items() if changed],
        "files": files, "policies": policies, "mappings": mappings, "engine_changed": engine,
        "opened": opened, "closed": closed, "kpis": _kpis(earlier, later), "rows": _rows(before["counts"], after["counts"]),
    }  # fmt: skip


def _fingerprints(manifest: dict[str, Any]) -> dict[str, str]:
    return {f"{each['id']} ({each['file']})": each["fingerprint"] for each in manifest["policies"]}


def _changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, str]:
    found = {name: "added" for name in after if name not in before} | {name: "removed" for name in before if name not in after}
    found |= {name: "changed" for name in after if name in before and before[name] != after[name]}
    return dict(sorted(found.items()))


def _read(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise StoreError(f"The results in {path.parent} cannot be read.", "Run the snapshot again.") from error


def _findings(earlier: Path, later: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    before, after = (pl.scan_parquet(each / "findings.parquet") for each in (earlier, later))
    try:
        opened, closed = pl.collect_all([_without(after, before), _without(before, after)])
    except (OSError, pl.exceptions.PolarsError) as error:
        raise StoreError(f"The findings of {earlier.name} or {later.name} cannot be read.", "Run the snapshot again.") from error
    return opened.to_dicts(), closed.to_dicts()


def _without(these: pl.LazyFrame, those: pl.LazyFrame) -> pl.LazyFrame:
    """Return the findings of one run that another does not have; of the others only the id is read."""
    own = these.select("finding_id").join(those.select("finding_id"), on="finding_id", how="anti").collect()["finding_id"]
    return these.filter(pl.col("finding_id").is_in(own.implode())).select(_FINDING).sort("rule", "entity_id", nulls_last=True)


def _kpis(earlier: Path, later: Path) -> list[dict[str, Any]]:
    """Return the KPIs of the whole firm whose value moved, and those of its parts that moved beyond their policy's limit.

    Months are compared with themselves, figures as of a day with those of the other day. `beyond` is the limit in percent that was
    left, else None.
    """
    paths = [each / "kpis.parquet" for each in (earlier, later)]
    if not all(path.is_file() for path in paths):
        return []
    policies = _kpi_policies(later)
    of_a_day = [name for name, policy in policies.items() if policy.period == "as_of"]
    month = pl.when(pl.col("rule").is_in(of_a_day)).then(None).otherwise("period").alias("month")
    on = ["kpi", "dimension", "unit", "month"]
    before, after = (_read(path).with_columns(month).select(*on, "rule", "period", "value") for path in paths)
    both = before.join(after, on=on, how="full", coalesce=True, suffix="_later", nulls_equal=True)
    moved = both.filter(~pl.col("value").eq_missing(pl.col("value_later"))).with_columns(_limit_left(policies).alias("beyond"))
    shown = moved.filter((pl.col("dimension") == TOTAL) | pl.col("beyond").is_not_null())
    told = shown.select(
        "kpi", pl.coalesce("period_later", "period").alias("period"), "dimension", "unit", pl.col("value").alias("earlier"),
        pl.col("value_later").alias("later"), "beyond",
    )  # fmt: skip
    return told.sort("kpi", "period", pl.col("dimension") != TOTAL, "dimension", "unit").to_dicts()


def _kpi_policies(run: Path) -> dict[str, KpiPolicy]:
    """Return the KPI policies that a run kept and that held on its day, by rule."""
    manifest, folder = read_manifest(run), run / INPUTS / "policies"
    files = [folder / each["file"] for each in manifest["policies"] if each["kind"] == "kpi"]
    texts = [SourceText(path.name, path.read_text(encoding="utf-8")) for path in files if path.is_file()]
    loaded, _ = load_policies(texts)
    return {policy.id: policy for _, policy in loaded.in_force(KpiPolicy, dt.date.fromisoformat(manifest["as_of"]))}


def _limit_left(policies: Mapping[str, KpiPolicy]) -> pl.Expr:
    """Return the limit that a figure's move leaves behind, in percent; null where there is none or it is kept."""
    found = pl.lit(None, dtype=MONEY)
    for name, policy in policies.items():
        if policy.change is not None:
            left = (pl.col("rule_later") == name) & beyond(policy.change, pl.col("value"), pl.col("value_later"))
            found = pl.when(left).then(limit_of(policy.change)).otherwise(found)
    return found


def _rows(before: dict[str, int], after: dict[str, int]) -> dict[str, list[int]]:
    names = sorted(set(before) | set(after))
    return {name: [before.get(name, 0), after.get(name, 0)] for name in names if before.get(name) != after.get(name)}


def render_comparison(found: dict[str, Any]) -> str:
    """Return a comparison as text for people."""
    why = " and ".join(found["why"]) or "nothing"
    lines = [f"From {found['earlier']} ({found['as_of'][0]}) to {found['later']} ({found['as_of'][1]}): {why} changed."]
    for name, title in (("files", "File"), ("policies", "Policy"), ("mappings", "Mapping")):
        lines += [f"{title} {change}: {each}" for each, change in found[name].items()]
    if found["engine_changed"]:
        lines.append("The engine itself changed.")
    lines.append(f"Findings: {len(found['opened'])} opened, {len(found['closed'])} closed.")
    for name in ("opened", "closed"):
        for each in found[name]:
            amount = "" if each["amount_at_risk"] is None else f", {each['amount_at_risk']:,.2f} {each['currency'] or ''}".rstrip()
            lines.append(f"  {name}  {each['severity']}, {each['rule']}{amount}: {each['message']}")
    for each in found["kpis"]:
        shown = ["none" if each[side] is None else f"{each[side].normalize():,f}" for side in ("earlier", "later")]
        part = "" if each["dimension"] == TOTAL else f" ({each['dimension']})"
        left = "" if each["beyond"] is None else f", beyond the {each['beyond'].normalize():f} % that is usual"
        lines.append(f"KPI {each['kpi']}{part} of {each['period']}: {shown[0]} → {shown[1]} {each['unit']}{left}")
    lines += [f"Rows of {name}: {before:,} → {after:,}" for name, (before, after) in found["rows"].items()]
    return "\n".join(lines)
