"""`tieout policy doc`: the policies in force as a manual people read; every rule in a sentence, with hits and money where known."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from adapters.authoring.sections import Section
from engine.impact import RuleWeight
from engine.policy.kinds.registry import KINDS
from engine.policy.kinds.table import TablePolicy, policy_grid
from engine.policy.loaded import LoadedPolicy, PolicySet, is_in_force

_OTHERS = ("rule", "note", "says", "reference")


def manual_sections(policies: PolicySet, on: dt.date | None = None, weights: Sequence[RuleWeight] = ()) -> list[Section]:
    """Return the policies in force on a day (None: all versions) as sections of a manual, by kind and id."""
    chosen = [each for each in policies.policies if on is None or is_in_force(each.policy, on)]
    day = "every version" if on is None else f"in force on {on}"
    head = Section("The policies", [f"{len(chosen):,} policies, {day}; fingerprint {policies.fingerprint}."])
    return [head, *(_policy(each, weights) for each in chosen)]


def _policy(loaded: LoadedPolicy, weights: Sequence[RuleWeight]) -> Section:
    policy = loaded.policy
    until = "" if policy.effective_to is None else f" to {policy.effective_to}"
    lines = [f"{policy.policy} policy {policy.id}, owned by the {policy.owner}, from {policy.effective_from}{until}."]
    lines += [f"Reference: {policy.reference}."] if policy.reference else []
    lines += [f"It holds only where {policy.where}."] if policy.where else []
    lines += [policy.note] if policy.note else []
    conditions = _conditions(loaded)
    own = {each.rule: each for each in weights if (each.policy, each.version, each.sort) == (policy.id, policy.effective_from, "decides")}
    rows = []
    for rule in KINDS[policy.policy].rules(policy, loaded.document, loaded.sheet):
        weight = own.get(rule.rule)
        told = [] if not own else ["" if weight is None else f"{weight.records:,}", "" if weight is None else weight.money]
        rows.append([rule.rule, rule.says, conditions.get(rule.rule, ""), rule.reference or "", *told])
    columns = ["rule", "says", "when", "reference", *(["records", "worth"] if own else [])]
    return Section(f"{policy.title} ({loaded.document.source.file})", lines, columns, rows)


def _conditions(loaded: LoadedPolicy) -> dict[str, str]:
    """Return by rule of a table its conditions and outputs as one sentence."""
    policy = loaded.policy
    if not isinstance(policy, TablePolicy):
        return {}
    grid, _ = policy_grid(policy, loaded.document, loaded.sheet)
    if grid is None:
        return {}
    found: dict[str, str] = {}
    names = [cell.text for cell in grid.header]
    for row in grid.rows:
        cells = {name: cell.text for name, cell in zip(names, row, strict=True)}
        said = {name: text for name, text in cells.items() if name not in _OTHERS and text not in ("", "-")}
        asked = [f"{name} is {text}" for name, text in said.items() if not _is_output(name)]
        given = [f"{_bare(name)} {text}" for name, text in said.items() if _is_output(name)]
        found[cells.get("rule", "")] = f"{'if ' + ' and '.join(asked) if asked else 'else'}: {', '.join(given)}"
    return found


def _is_output(name: str) -> bool:
    return name.startswith(("->", "→", "out:"))


def _bare(name: str) -> str:
    return name.removeprefix("->").removeprefix("→").removeprefix("out:").strip()
