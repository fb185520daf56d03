"""Policies: the files of a folder, their mistakes in place, and their tables."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Final

import polars as pl

from adapters.policy_folder import check_policies, policy_files
from dashboard.views.tables import Column
from engine.diagnostics import Diagnostic
from engine.errors import PolicyError
from engine.policy.kinds.registry import KINDS
from engine.policy.loaded import LoadedPolicy, PolicySet

COLUMNS: Final = (
    Column("title", "Policy", searched=True), Column("kind", "Kind", "code", filtered=True), Column("owner", "Owner", filtered=True),
    Column("rules", "Rules", "count"), Column("effective_from", "From", "date"), Column("effective_to", "To", "date"),
    Column("reference", "Reference", searched=True), Column("file", "File", searched=True), Column("id", "Id", searched=True),
    Column("fingerprint", "Fingerprint", shown=False),
)  # fmt: skip

RULES: Final = (
    Column("rule", "Rule", searched=True), Column("says", "Says", searched=True), Column("line", "Line", "count"),
    Column("reference", "Reference", searched=True),
)  # fmt: skip


def _stamps(folder: Path) -> tuple[tuple[str, int], ...]:
    return tuple((name, (folder / name).stat().st_mtime_ns) for name in policy_files(folder))


@functools.lru_cache(maxsize=8)
def _checked(folder: Path, _: tuple[tuple[str, int], ...]) -> tuple[PolicySet, list[Diagnostic]]:
    return check_policies(folder)


def load_policies(folder: Path) -> PolicySet:
    """Return the policies of a folder, read again only when a file of it changed. Raises PolicyError when they have mistakes."""
    policies, diagnostics = _checked(folder, _stamps(folder))
    if any(each.is_error for each in diagnostics):
        raise PolicyError(f"The policies in {folder} have mistakes.", diagnostics, "Correct them and run again.")
    return policies


def checked_policies(folder: Path) -> tuple[PolicySet, list[dict[str, Any]]]:
    """Return what could be loaded, and every diagnostic with its place and remedy."""
    policies, diagnostics = _checked(folder, _stamps(folder))
    return policies, [told_diagnostic(each) for each in diagnostics]


def policies_frame(policies: PolicySet) -> pl.LazyFrame:
    """Return the policies as rows."""
    rows = [
        {"title": each.policy.title, "kind": each.policy.policy, "owner": each.policy.owner, "rules": len(rules_of(each)),
         "effective_from": each.policy.effective_from, "effective_to": each.policy.effective_to, "reference": each.policy.reference,
         "file": each.document.source.file, "id": each.policy.id, "fingerprint": each.fingerprint}
        for each in policies.policies
    ]  # fmt: skip
    texts = dict.fromkeys(("title", "kind", "owner", "reference", "file", "id", "fingerprint"), pl.String())
    dates = dict.fromkeys(("effective_from", "effective_to"), pl.Date())
    return pl.LazyFrame(rows, schema_overrides=pl.Schema({**texts, **dates, "rules": pl.Int64()}))


def find_policy(policies: PolicySet, file: str) -> LoadedPolicy | None:
    """Return the policy of a file, or None."""
    return next((each for each in policies.policies if each.document.source.file == file), None)


def rules_of(loaded: LoadedPolicy) -> list[dict[str, Any]]:
    """Return the rules of a policy with their line and sentence."""
    found = KINDS[loaded.policy.policy].rules(loaded.policy, loaded.document, loaded.sheet)
    return [{"rule": each.rule, "says": each.says, "line": each.span.line, "reference": each.reference} for each in found]


def table_of(loaded: LoadedPolicy) -> pl.DataFrame | None:
    """Return a policy's decision table as a person reads it: a row for each rule; None without one."""
    value = loaded.document.value
    rules = value.get("rules") if isinstance(value, dict) else None
    if not isinstance(rules, list) or not rules or not all(isinstance(each, dict) for each in rules):
        return None
    flat = [_flat(each) for each in rules]
    names = list(dict.fromkeys(name for each in flat for name in each))
    return pl.DataFrame([{name: each.get(name, "") for name in names} for each in flat], schema=dict.fromkeys(names, pl.String))


def _flat(rule: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in rule.items():
        if isinstance(value, dict):
            found |= {str(inner): _text(each) for inner, each in value.items()}
        else:
            found[str(name)] = _text(value)
    return found


def _text(value: Any) -> str:
    return ", ".join(str(each) for each in value) if isinstance(value, list) else str(value)


def told_diagnostic(each: Diagnostic) -> dict[str, Any]:
    """Return a diagnostic as the pages show it."""
    return {
        "severity": "error" if each.is_error else "warning", "place": f"{each.span.file}:{each.span.line}:{each.span.column}",
        "code": each.code.name, "message": each.message, "remedy": each.remedy or each.code.remedy,
        "line": each.span.line, "column": each.span.column, "text": each.line_text,
    }  # fmt: skip


def text_of(loaded: LoadedPolicy) -> str:
    """Return the text of a policy's file."""
    return loaded.document.source.text
