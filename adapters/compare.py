"""Two runs beside each other: what changed in data, policies and engine, and what came of it."""

from __future__ import annotations

import datetime as dt
import filecmp
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from adapters.publish import INPUTS, read_manifest
from adapters.snapshot_file import SNAPSHOT_FILE
from engine.canonical.kinds import MONEY
from engine.errors import StoreError
from engine.kpi.measure import TOTAL
from engine.kpi.moved import beyond, limit_of
from engine.policy.kinds.kpi import KpiPolicy
from engine.policy.load import load_policies
from engine.policy.source import SourceText

_FINDING: Final = ("finding_id", "rule", "severity", "entity", "entity_id", "amount_at_risk", "currency", "message")
_PLACES: Final = ("evidence", "record_hash", "source_file", "source_row", "extracted_at", "policy_fingerprint")
"""Where a row came from and by which text of the policy: it may be told otherwise of a row that is the same."""


def compare_runs(earlier: Path, later: Path) -> dict[str, Any]:
    """Return what differs between two runs: causes (files, policies, mappings, decisions, days, engine) and effects.

    Effects are findings opened, closed and changed, KPIs of the whole firm that moved, the number of rows of every output, and
    the rows that are new in it or no longer as they were. `why` says data, policy, decisions, date, engine, or several of them.
    """
    before, after = read_manifest(earlier), read_manifest(later)
    told = changed_inputs(before, after)
    files = {name: change for name, change in told.items() if not name.startswith(_PREVIOUS)}
    policies = _changed(_fingerprints(before), _fingerprints(after))
    mappings = _changed(before["mappings"], after["mappings"])
    decisions = _changed(*({} if "inputs" not in each else each["inputs"]["decided"] for each in (before, after)))
    engine = any(before[name] != after[name] for name in ("engine_version", "schema_version"))
    days = {name: [before[name], after[name]] for name in ("as_of", "known_on")}
    causes = {
        "data": told, "policy": policies or mappings, "decisions": decisions, "date": any(was != now for was, now in days.values()),
        "engine": engine,
    }  # fmt: skip
    opened, closed = _findings(earlier, later)
    return {
        "earlier": before["run_id"], "later": after["run_id"], **days, "previous_snapshot": _previous(before, after, told),
        "why": [name for name, changed in causes.items() if changed],
        "files": files, "policies": policies, "mappings": mappings, "decisions": decisions, "engine_changed": engine,
        "opened": opened, "closed": closed, "changed": _changed_findings(earlier, later), "kpis": _kpis(earlier, later),
        "rows": _rows(before["counts"], after["counts"]),
        "contents": _contents(earlier, later, sorted(set(before["counts"]) & set(after["counts"]))),
    }  # fmt: skip


_PREVIOUS: Final = "previous: "


def changed_inputs(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    """Return the files of two runs' snapshots, snapshot.yaml among them, that are not the same, by how they differ.

    Those of the previous snapshot that a run was made with stand under `previous: …`. Manifests of runs before these were kept tell less.
    """
    found = []
    whole = all("inputs" in each for each in (before, after))
    for each in (before, after):
        files = {one["path"]: one["sha256"] for one in each["files"]}
        if whole:
            files |= {SNAPSHOT_FILE: each["inputs"]["snapshot"]}
            files |= {f"{_PREVIOUS}{path}": sha for path, sha in (each["inputs"]["previous"] or {}).items()}
        found.append(files)
    return _changed(*found)


def _previous(before: Mapping[str, Any], after: Mapping[str, Any], told: Mapping[str, str]) -> list[str | None] | None:
    """Return the previous snapshots that two runs were made with, where they are not the same."""
    names = []
    for each in (before, after):
        there = each["previous_snapshot"] is not None or bool(each.get("inputs", {}).get("previous"))
        names.append((each["previous_snapshot"] or "one without a name") if there else None)
    return names if names[0] != names[1] or any(name.startswith(_PREVIOUS) for name in told) else None


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


def _changed_findings(earlier: Path, later: Path) -> list[dict[str, Any]]:
    """Return the findings that both runs have, where severity, amount or message moved, with what they were."""
    told = ["severity", "amount_at_risk", "message"]
    before = _read(earlier / "findings.parquet").select("finding_id", *(pl.col(name).alias(f"was_{name}") for name in told))
    both = _read(later / "findings.parquet").select(_FINDING).join(before, on="finding_id", how="inner")
    moved = both.filter(pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"was_{name}")) for name in told))
    return moved.sort("rule", "entity_id", nulls_last=True).to_dicts()


def _contents(earlier: Path, later: Path, outputs: Sequence[str]) -> dict[str, list[int]]:
    """Return by output how many rows of the earlier run the later one has no longer as they were, and how many of its own are new."""
    found = {}
    for name in outputs:
        paths = [each / f"{name}.parquet" for each in (earlier, later)]
        if name == "findings" or not all(path.is_file() for path in paths) or filecmp.cmp(paths[0], paths[1], shallow=False):
            continue
        before, after = (_hashes(path) for path in paths)
        both = before.join(after, on="row", how="full", coalesce=True, suffix="_later")
        was, now = (pl.col(count).fill_null(0).cast(pl.Int64) for count in ("len", "len_later"))
        less = was - now
        gone, new = both.select(less.clip(lower_bound=0).sum().alias("gone"), (-less).clip(lower_bound=0).sum().alias("new")).row(0)
        if gone or new:
            found[name] = [gone, new]
    return found


def _hashes(path: Path) -> pl.DataFrame:
    """Return the hash of every row's content with the number of such rows."""
    rows = pl.scan_parquet(path).select(pl.struct(pl.exclude(_PLACES)).hash().alias("row")).group_by("row").len()
    try:
        return rows.collect(engine="streaming")
    except (OSError, pl.exceptions.PolarsError) as error:
        raise StoreError(f"The results in {path.parent} cannot be read.", "Run the snapshot again.") from error


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
    for name, title in (("known_on", "Known on"), ("previous_snapshot", "Previous snapshot")):
        was, now = found[name] or (None, None)
        if was != now or (name == "previous_snapshot" and found[name]):
            lines.append(f"{title}: {was or 'none'} → {now or 'none'}" + (", with other files" if was == now else ""))
    for name, title in (("files", "File"), ("policies", "Policy"), ("mappings", "Mapping"), ("decisions", "Decisions of people")):
        lines += [f"{title} {change}: {each}" for each, change in found[name].items()]
    if found["engine_changed"]:
        lines.append("The engine itself changed.")
    lines.append(f"Findings: {len(found['opened'])} opened, {len(found['closed'])} closed, {len(found['changed'])} changed.")
    for name in ("opened", "closed", "changed"):
        for each in found[name]:
            severity, amount = (_moved(each, part) for part in ("severity", "amount_at_risk"))
            before = each.get("was_message", each["message"])
            was = "" if before == each["message"] else f" (before: {before})"
            lines.append(f"  {name}  {severity}, {each['rule']}{amount and ', '}{amount}: {each['message']}{was}")
    for each in found["kpis"]:
        shown = ["none" if each[side] is None else f"{each[side].normalize():,f}" for side in ("earlier", "later")]
        part = "" if each["dimension"] == TOTAL else f" ({each['dimension']})"
        left = "" if each["beyond"] is None else f", beyond the {each['beyond'].normalize():f} % that is usual"
        lines.append(f"KPI {each['kpi']}{part} of {each['period']}: {shown[0]} → {shown[1]} {each['unit']}{left}")
    for name in sorted({*found["rows"], *found["contents"]}):
        number = "" if name not in found["rows"] else ": {:,} → {:,}".format(*found["rows"][name])
        lines.append(f"Rows of {name}{number}{_differing(found['contents'].get(name))}")
    return "\n".join(lines)


def _moved(finding: Mapping[str, Any], part: str) -> str:
    """Return the severity or amount of a finding, of a changed one with what it was."""
    unit = "" if part == "severity" else f" {finding['currency'] or ''}".rstrip()
    sides = [finding.get(f"was_{part}", finding[part]), finding[part]]
    shown = ["none" if side is None else side if part == "severity" else f"{side:,.2f}{unit}" for side in sides]
    return " → ".join(dict.fromkeys(shown)) if any(side is not None for side in sides) else ""


def _differing(counts: list[int] | None) -> str:
    if counts is None:
        return ""
    gone, new = counts
    return f": {new:,} changed" if gone == new else f", {gone:,} gone or changed, {new:,} new or changed"
