"""Findings about the reading itself: failed files, held rows, control totals, missing or stale sources."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import polars as pl

from engine.findings import FINDING_SCHEMA
from engine.policy.kinds.run import RunPolicy
from engine.stage import Context
from engine.workdays import elapsed

_RENAME: Final = "Leave it out, or name it as docs/canonical.md does."
_DEEPER: Final = "Give its folder, or a pattern such as '**/contract.csv', as the path of a source in snapshot.yaml."

HELD_SCHEMA: Final[dict[str, pl.DataType]] = {
    "file": pl.String(), "row": pl.Int64(), "entity": pl.String(), "field": pl.String(), "value": pl.String(), "reason": pl.String(),
    "remedy": pl.String(),
}  # fmt: skip
"""One row for each row that was read and is not used, whether it cannot be read, mapped, or be of the quality asked for."""

VALUE_SHOWN: Final = 200
"""Characters of a held value that are shown, not kept: a cell of 10 MB would only hide the reason."""

_SHOWN: Final = 20
"""Files that a finding names as its evidence; the rest is counted."""


def reading_findings(
    held: pl.DataFrame,
    failures: Sequence[Mapping[str, Any]],
    expectations: Sequence[Mapping[str, Any]],
    sources: Sequence[tuple[str, dt.datetime | None]],
    empty_sources: Sequence[tuple[str, str]],
    mappings: Mapping[str, str],
    policy: RunPolicy | None,
    context: Context,
    earlier_sources: Collection[str] = (),
    unknown: Sequence[Mapping[str, Any]] = (),
    misnamed: Mapping[str, str] = MappingProxyType({}),
    gone: Mapping[tuple[str, str], str] = MappingProxyType({}),
) -> pl.DataFrame:
    """Return the findings about what was read; one for each file and reason, not one a row.

    `failures` give path, source, reason, message, remedy; `expectations` what snapshot.yaml states
    and what was found; `sources` each system with the time of its export; `empty_sources` each
    system and path where no file was found; `mappings` the fingerprint of each adapter used;
    `earlier_sources` the systems of the previous snapshot. What a source without files states
    differs from nothing: that it is missing is said once. `unknown` are columns and files of canonical sources that bear no
    canonical name: source, path, entity (None: the file itself), name, near, is_deeper (it bears a name, and lies too deep to be read).
    `misnamed` are systems of the snapshot that no policy names, each with the one that is meant. `gone` says, by system and
    entity, why a file should be there that is not.
    """
    rows: list[dict[str, Any]] = []
    rows += [_failed(each) for each in failures]
    rows += list(_held(held))
    rows += list(_unknown(unknown))
    empty = set(empty_sources)
    rows += [_differs(each, policy) for each in expectations if not each["equal"] and (each["source"], each["path"]) not in empty]
    rows += [_empty(system, path) for system, path in empty_sources]
    rows += [_misnamed(system, meant) for system, meant in misnamed.items()]
    rows += list(_absent(sources, policy, earlier_sources))
    rows += [_gone(system, entity, why) for (system, entity), why in gone.items()]
    if policy is not None:
        rows += list(_stale(sources, policy, context))
        rows += list(_mappings(mappings, policy))
    complete = [{"stage": "read", **row} for row in rows]
    return pl.DataFrame(complete, schema=dict(FINDING_SCHEMA))


def _failed(failure: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "kind": "unreadable_file", "rule": "unreadable_file", "severity": "high", "entity": "file",
        "entity_id": failure["path"], "systems": [failure["source"]], "field": failure["reason"],
        "message": f"{failure['path']} was not read: {failure['message']}", "remedy": failure["remedy"], "evidence": [failure["path"]],
    }  # fmt: skip


def _of_source(kind: str, system: str, field: str | None, message: str, remedy: str) -> dict[str, Any]:
    """Return a finding about what the snapshot should hold of a system and does not."""
    return {
        "kind": kind, "rule": kind, "severity": "high", "entity": "source", "entity_id": system, "systems": [system], "field": field,
        "message": message, "remedy": remedy, "evidence": ["snapshot.yaml"],
    }  # fmt: skip


def _empty(system: str, path: str) -> dict[str, Any]:
    message = f"The snapshot names {path} as the export of {system}, but there is no file its adapter reads."
    remedy = "Put the export there, or correct the path and the adapter in snapshot.yaml."
    return _of_source("missing_source", system, path, message, remedy)


def _gone(system: str, entity: str, why: str) -> dict[str, Any]:
    message = f"The export of {system} has no file of {entity}, {why}; no policy holds anything to it."
    remedy = "Export it again and run on the new snapshot; an export without records has a header all the same."
    return _of_source("missing_records", system, entity, message, remedy)


def _misnamed(system: str, meant: str) -> dict[str, Any]:
    message = f"The snapshot has no export of {meant}, which policies name, but one of '{system}', which none does."
    return _of_source("missing_source", meant, system, message, f"Write '{meant}' in snapshot.yaml, if that is meant.")


def _held(held: pl.DataFrame) -> Iterable[dict[str, Any]]:
    groups = (
        held.group_by("file", "entity", "field", "reason")
        .agg(pl.len().alias("rows"), pl.col("row").min().alias("first"), pl.col("value").first(), pl.col("remedy").first())
        .sort("file", "entity", "field", "reason", nulls_last=True)
    )
    for each in groups.to_dicts():
        name = f"{each['entity']}.{each['field']}" if each["entity"] and each["field"] else each["entity"] or "row"
        count = "1 row is" if each["rows"] == 1 else f"{each['rows']:,} rows are"
        # A file that failed as a whole has one line in held.parquet for all its rows.
        count = "Every row is" if each["reason"] == "file_failed" else count
        yield {
            "kind": "rows_held", "rule": "rows_held", "severity": "high", "entity": "file", "entity_id": each["file"],
            "field": f"{name}:{each['reason']}",
            "message": f"{count} held in {each['file']}: {name} {each['reason'].replace('_', ' ')}"
            + (f" (first at row {each['first']})" if each["first"] is not None else "") + ".",
            "remedy": each["remedy"], "evidence": [f"{each['file']}:{each['first']}"],
        }  # fmt: skip


def _unknown(unknown: Sequence[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    """Give one finding for each name, however many files of a source have it; graver where a known name is near: it was meant."""
    files: dict[tuple[str, str | None, str], list[Mapping[str, Any]]] = {}
    for each in unknown:
        files.setdefault((each["source"], each["entity"], each["name"]), []).append(each)
    for (source, entity, name), found in sorted(files.items(), key=lambda item: tuple(part or "" for part in item[0])):
        first, meant = found[0], found[0]["near"]
        more = "" if len(found) == 1 else " and 1 more file" if len(found) == 2 else f" and {len(found) - 1:,} more files"
        hint = f"; '{meant}' is near, and not there" if meant and entity else f"; '{meant}' is near" if meant else ""
        deeper = bool(first.get("is_deeper"))
        why = "lies in a folder that the source's path does not read" if deeper else "bears no name of an entity"
        remedy = f"Name it '{meant}', if that is meant; docs/canonical.md has every name." if meant else _RENAME
        kind, what, rest = (
            ("unknown_file", f"The file {first['path']}{more} {why}", "so none of its rows is used")
            if entity is None
            else ("unknown_column", f"The column '{name}' of {first['path']}{more} is no field of {entity}", "so it is not read")
        )
        yield {
            "kind": kind, "rule": kind, "severity": "medium" if meant or deeper else "low", "entity": "source", "entity_id": source,
            "systems": [source], "field": name if entity is None else f"{entity}.{name}", "message": f"{what}, {rest}{hint}.",
            "remedy": _DEEPER if deeper else remedy,
            "evidence": [each["path"] for each in found[:_SHOWN]],
        }  # fmt: skip


def _differs(each: Mapping[str, Any], policy: RunPolicy | None) -> dict[str, Any]:
    is_rows = each["kind"] == "expected_rows"
    kind = "row_count_differs" if is_rows else "control_total_differs"
    unit = " rows" if is_rows else f" {each['currency']}" if each["currency"] else ""
    return {
        "kind": kind, "rule": kind, "severity": "high" if policy is None else policy.control_total_severity,
        "entity": "source", "entity_id": each["source"], "systems": [each["source"]],
        "field": each["name"] + (f":{each['currency']}" if each["currency"] else ""), "currency": each["currency"],
        "owner_value": each["stated"], "consumer_value": each["found"],
        "message": f"{each['source']} states {each['stated']}{unit} for {each['name']}, but {each['found']}{unit} were read.",
        "remedy": "Export the source again, or correct what snapshot.yaml states.", "evidence": ["snapshot.yaml"],
    }  # fmt: skip


def _absent(
    sources: Sequence[tuple[str, dt.datetime | None]], policy: RunPolicy | None, earlier: Collection[str]
) -> Iterable[dict[str, Any]]:
    there = {system for system, _ in sources}
    why = dict.fromkeys(sorted(earlier), "which the previous snapshot had")
    why |= dict.fromkeys(() if policy is None else (*policy.required_sources, *policy.required_records), "which the run policy requires")
    for system, reason in why.items():
        if system not in there:
            message = f"The snapshot has no export of {system}, {reason}."
            yield _of_source("missing_source", system, None, message, "Add the export to the snapshot and run again.")


def _stale(
    sources: Sequence[tuple[str, dt.datetime | None]], policy: RunPolicy, context: Context
) -> Iterable[dict[str, Any]]:
    if policy.freshness is None:
        return
    lag = policy.freshness.within
    # A system may export in several parts: the oldest of them counts.
    oldest: dict[str, dt.datetime] = {}
    for system, extracted in sources:
        if extracted is not None:
            oldest[system] = min(oldest.get(system, extracted), extracted)
    for system, extracted in oldest.items():
        days = pl.select(elapsed(pl.lit(extracted.date()), pl.lit(context.as_of), lag.unit, context.holidays)).item()
        if days is not None and days > lag.count:
            yield {
                "kind": "stale_source", "rule": "stale_source", "severity": policy.freshness.severity,
                "entity": "source", "entity_id": system, "systems": [system], "since": extracted.date(),
                "message": f"The export of {system} is of {extracted.date()}, {days} {lag.unit} before {context.as_of}.",
                "remedy": "Export the source again and run on the new snapshot.", "evidence": ["snapshot.yaml"],
            }  # fmt: skip


def _mappings(mappings: Mapping[str, str], policy: RunPolicy) -> Iterable[dict[str, Any]]:
    for adapter, fingerprint in sorted(mappings.items()):
        approved = policy.approved_mappings.get(adapter)
        if approved is not None and not fingerprint.startswith(approved):
            yield {
                "kind": "mapping_changed", "rule": "mapping_changed", "severity": policy.mapping_changed_severity,
                "entity": "mapping", "entity_id": adapter, "owner_value": approved,
                "consumer_value": fingerprint[: len(approved)],
                "message": f"The mapping of {adapter} is not the approved one ({approved}).",
                "remedy": "Review the change, then record its fingerprint in the run policy.",
            }  # fmt: skip
