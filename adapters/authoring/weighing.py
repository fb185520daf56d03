"""A policy folder held to a snapshot's records before it decides anything: rules that never fire, gaps and overlaps with money."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adapters.authoring.difference import agreed_records, context_of
from adapters.policy_folder import require_policies
from adapters.snapshot import read_snapshot
from engine.impact import RuleWeight, weigh_rules

_MOST = 20


def weigh_folder(policies: Path, snapshot: Path, mappings: Path | None = None) -> list[RuleWeight]:
    """Return every table rule with the records it decides in a snapshot; raises PolicyError when the folder has mistakes."""
    loaded = require_policies(policies)
    read = read_snapshot(snapshot, mappings)
    context = context_of(loaded, read.file.as_of)
    facts, _ = agreed_records(read, None, loaded, context, None)
    return weigh_rules(facts, loaded, context)


def render_weights(weights: list[RuleWeight]) -> str:
    """Return weighed rules as text: gaps and overlaps first, then rules that never fire, then every rule."""
    lines: list[str] = []
    for title, sort in (("Records that meet no rule", "unmatched"), ("Records for which two rules hold", "overlap")):
        these = sorted((each for each in weights if each.sort == sort), key=lambda each: -sum(each.amounts.values()))
        if these:
            lines += [title, *(f"  {_sentence(each)}" for each in these[:_MOST])]
            lines += [f"  and {len(these) - _MOST:,} sorts more"] if len(these) > _MOST else []
    decided = [each for each in weights if each.sort == "decides"]
    never = [each for each in decided if not each.records]
    if never:
        lines += ["Rules that no record of the snapshot meets", *(f"  {_sentence(each)}{_among(each, weights)}" for each in never)]
    lines += ["Rules by what they decide", *(f"  {_sentence(each)}" for each in decided if each.records)]
    return "\n".join(lines)


def _among(rule: RuleWeight, weights: list[RuleWeight]) -> str:
    """Return what a rule was asked about in vain: ` (none of 12 records from 2026-01-05 to 2026-03-30)`."""
    same = [each for each in weights if (each.policy, each.version) == (rule.policy, rule.version) and each.first and each.last]
    if not same:
        return " (no record is of this version)"
    first, last = min(each.first for each in same if each.first), max(each.last for each in same if each.last)
    return f" (none of {sum(each.records for each in same):,} records from {first} to {last})"


def _sentence(each: RuleWeight) -> str:
    count = f"{each.records:,} records worth {each.money}" if each.records != 1 else f"1 record worth {each.money}"
    days = f", from {each.first} to {each.last}" if each.first is not None else ""
    if each.sort == "unmatched":
        one = each.records == 1
        ends = f"{'is' if one else 'are'} decided by the default" if each.is_default else f"{'meets' if one else 'meet'} no rule"
        return f"{each.policy}: {count}{days} {ends}: {each.other} (such as {each.example}; {each.place})"
    if each.sort == "overlap":
        return f"{each.policy}: {each.rule} and {each.other} both hold for {count}{days} (such as {each.example}; {each.place})"
    if not each.records:
        return f"{each.policy}: {each.rule} never fires ({each.place}): {each.says}"
    return f"{each.policy}: {each.rule} decides {count}{days} ({each.place})"


def weights_as_json(weights: list[RuleWeight]) -> list[dict[str, Any]]:
    """Return weighed rules as plain values."""
    return [
        {"policy": each.policy, "version": each.version, "sort": each.sort, "rule": each.rule, "other": each.other, "place": each.place,
         "records": each.records, "amounts": dict(each.amounts), "first": each.first, "last": each.last, "example": each.example}
        for each in weights
    ]  # fmt: skip
