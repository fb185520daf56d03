"""`tieout policy test --mutate --conditions`: small wrong changes of conditions and limits outside tables, held to the tests."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import polars as pl

from adapters.authoring.mutation import read_all_reasons, unnoticed
from adapters.policy_folder import check_policies, require_policies
from adapters.policy_tests import given_facts, read_test_file, run_given
from engine.billing import decide_billing
from engine.condition.neighbours import neighbours, next_value
from engine.findings import finish_findings
from engine.kpi import measure_kpis
from engine.pipeline import Stage
from engine.policy.kinds.billing import BillingPolicy
from engine.policy.kinds.checks import CheckPolicy
from engine.policy.kinds.ownership import OwnershipPolicy
from engine.policy.kinds.reconciliation import ReconciliationPolicy
from engine.policy.load import load_policies
from engine.policy.loaded import LoadedPolicy, PolicySet
from engine.policy.source import Location
from engine.policy.testing import PolicyTest, differences
from engine.policy.testing.compare import STAGE_OF
from engine.reconcile import decide_reconciliation
from engine.revenue import decide_revenue
from engine.stage import Context, Facts, StageResult
from engine.triage import decide_triage

KINDS: Final = (OwnershipPolicy, ReconciliationPolicy, CheckPolicy, BillingPolicy)
"""The kinds of policies whose conditions and limits are changed."""

_TYING: Final = (ReconciliationPolicy, CheckPolicy)
_CONDITIONS: Final = ("where", "must")
_LIMITS: Final = ("tolerance", "absolute", "percent", "days", "within", "after", "amount", "severity")
# Lists whose items are rules of their own, known by id in the whole folder; a pass is known in its policy alone.
_RULES: Final = ("rules", "checks", "presence")
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Change:
    """Hold one wrong change of a policy: where, in whose rule, in words, and the policy as it would be."""

    rule: str
    place: str
    change: str
    loaded: LoadedPolicy
    reason: str | None = None

    def sentence(self) -> str:
        """Return the change as a sentence: `Nobody would notice if chk-late must had 61 instead of 60`."""
        return unnoticed(f"{self.rule} {self.change}", self.place, self.reason)


def changes_of(loaded: LoadedPolicy) -> list[Change]:
    """Return every small change of a policy's conditions and limits that still is a sound policy, in the order of its text."""
    value = loaded.document.value
    if not isinstance(loaded.policy, KINDS) or not isinstance(value, dict):
        return []
    found: list[Change] = []
    for location, text in _settings(value, ()):
        rule, label = _named(value, location, loaded.policy.id)
        for was, now, instead in _others(str(location[-1]), text):
            changed = _with(loaded, location, instead)
            if changed is not None:
                found.append(Change(rule, _place(loaded, location), f"{label} had {now} instead of {was}", changed))
    return found


def _settings(value: Any, at: Location) -> Iterator[tuple[Location, Any]]:
    """Yield the place of every condition and limit below a place, with what stands there."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            if isinstance(each, Mapping | list):
                yield from _settings(each, (*at, name))
            # What a side's lines amount to is no limit; what a budget lets through is one.
            elif name in _CONDITIONS or (name in _LIMITS and (name != "amount" or "per" in value)):
                yield (*at, name), each
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from _settings(each, (*at, place))


def _named(value: Any, location: Location, policy: str) -> tuple[str, str]:
    """Return the rule a place belongs to, by its id, and what the place is called within it."""
    rule, words = policy, []
    for part in location:
        value = value[part]
        if not isinstance(part, int):
            words.append(str(part))
        elif isinstance(value, Mapping) and "id" in value and location[0] in _RULES:
            rule, words = str(value["id"]), []
        else:
            words.append(str(value.get("id", part + 1) if isinstance(value, Mapping) else part + 1))
    return rule, ".".join(words)


def _others(setting: str, value: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield what stood there, what stands there instead, and the setting with it."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | Decimal):
        text = next_value(str(value))
        yield str(value), text, type(value)(text)
    elif setting in _CONDITIONS or (setting == "severity" and " " in str(value)):
        yield from neighbours(str(value))
    elif setting != "severity":
        for match in _NUMBER.finditer(str(value)):
            text = f"{value[: match.start()]}{next_value(match[0])}{value[match.end() :]}"
            yield str(value), text, text


def _with(loaded: LoadedPolicy, location: Location, instead: Any) -> LoadedPolicy | None:
    """Return the policy with another value at a place; None where that is no sound policy."""
    assert isinstance(loaded.document.value, dict)
    top = location[0]
    changed = {top: _replaced(loaded.document.value[top], location[1:], instead)}
    made, told = load_policies([loaded.document.source], () if loaded.sheet is None else (loaded.sheet,), {loaded.policy.id: changed})
    return made.policies[0] if made.policies and not any(each.is_error for each in told) else None


def _replaced(value: Any, location: Location, instead: Any) -> Any:
    if not location:
        return instead
    if isinstance(value, list):
        return [_replaced(each, location[1:], instead) if place == location[0] else each for place, each in enumerate(value)]
    return {name: _replaced(each, location[1:], instead) if name == location[0] else each for name, each in value.items()}


def _place(loaded: LoadedPolicy, location: Location) -> str:
    span = loaded.document.span_of(location)
    return f"{span.file}:{span.line}"


@dataclass(frozen=True, slots=True)
class _Before:
    """Hold what a test's stages before reconciliation made, and the policies that do not reach it."""

    facts: Facts
    context: Context
    made: StageResult
    unreached: frozenset[str]


class Bench:
    """Hold one test, tried with as few stages as can tell what it expects, each run once before anything is changed."""

    def __init__(self, test: PolicyTest, policies: PolicySet) -> None:
        self.test, self.policies = test, policies
        self._alone: dict[tuple[str, dt.date], str] = {}

    def can_tell(self, loaded: LoadedPolicy) -> bool:
        """Say whether the test reaches a policy, and passes as it stands."""
        if self._same(loaded) is None:
            return False
        if isinstance(loaded.policy, BillingPolicy):
            expected = {STAGE_OF.get(name, name) for name in self.test.expect}
            return bool(expected & {"billing", "findings"}) and self._has_items(loaded.policy) and (self._billed or self._whole)
        if not self.test.sources:
            return False
        return self._whole if isinstance(loaded.policy, OwnershipPolicy) else self._reaches(loaded)

    def notices(self, change: Change) -> bool:
        """Say whether the test fails with a policy changed."""
        old = self._same(change.loaded)
        policies = PolicySet(
            tuple(change.loaded if each is old else each for each in self.policies.policies), self.policies.fingerprint
        )
        if isinstance(change.loaded.policy, OwnershipPolicy) and _as_text(self._run((), policies)[2]) == self._agreed_text:
            return False
        if isinstance(change.loaded.policy, BillingPolicy):
            made = self._run((decide_billing,), policies)
            # What billing says the same of, every later stage does.
            if _as_text(made[2]) == self._billed_text:
                return False
            if self._billed:
                return self._differs(made)
        if isinstance(change.loaded.policy, _TYING):
            key = (change.loaded.policy.id, change.loaded.policy.effective_from)
            if key not in self._alone:
                assert old is not None, "who is tried is among the policies"
                self._alone[key] = self._told_alone(self._before, old)
            # What says the same by itself says the same among the others.
            if self._told_alone(self._before, change.loaded) == self._alone[key]:
                return False
            return self._differs(self._tie(self._before, policies) if self._tied else self._end(self._before, policies))
        return bool(differences(self.test, *run_given(self.test, policies)))

    def _same(self, loaded: LoadedPolicy) -> LoadedPolicy | None:
        if loaded.policy.id in self.test.policies:
            return None
        key = (loaded.policy.id, loaded.policy.effective_from)
        return next((each for each in self.policies.policies if (each.policy.id, each.policy.effective_from) == key), None)

    def _reaches(self, loaded: LoadedPolicy) -> bool:
        return loaded.policy.id not in self._before.unreached and (self._tied or self._whole)

    def _has_items(self, policy: BillingPolicy) -> bool:
        """Say whether the test has an item of the kind that a policy decides."""
        kinds = self._billing[2].frames["billing_decisions"].select(pl.col("item_type").unique()).collect().to_series()
        return bool({policy.item} & set(kinds) if policy.item != "fee" else set(kinds) - {"time_entry", "expense", "milestone"})

    @cached_property
    def _billing(self) -> tuple[Facts, Context, StageResult]:
        return self._run((decide_billing,), self.policies)

    @cached_property
    def _billed_text(self) -> str:
        return _as_text(self._billing[2])

    @cached_property
    def _agreed_text(self) -> str:
        return _as_text(self._run((), self.policies)[2])

    @cached_property
    def _whole(self) -> bool:
        return not self._differs(self._end(self._before, self.policies))

    @cached_property
    def _billed(self) -> bool:
        enough = {STAGE_OF.get(name, name) for name in self.test.expect} <= {"billing", "findings"}
        return enough and not self._differs(self._billing)

    @cached_property
    def _tied(self) -> bool:
        """Say whether the test passes by what stands after the tie-outs, before anything gathers it."""
        return set(self.test.expect) <= {"findings", *STAGE_OF} and not self._differs(self._tie(self._before, self.policies))

    @cached_property
    def _before(self) -> _Before:
        """Return what stands before the tie-outs."""
        facts, context, whole = self._run((decide_billing, decide_revenue), self.policies)
        made = decide_reconciliation(facts, self.policies, context)
        whole.not_applicable = []
        return _Before(facts, context, whole, frozenset(name for name, _ in made.not_applicable))

    def _run(self, stages: Sequence[Stage], policies: PolicySet) -> tuple[Facts, Context, StageResult]:
        facts, context, whole = given_facts(self.test, policies)
        facts = facts.with_outputs({"findings": finish_findings(*whole.findings).lazy()})
        for stage in stages:
            made = stage(facts, policies, context)
            made.frames = {name: frame.collect().lazy() for name, frame in made.frames.items()}
            whole.add(made)
            facts = facts.with_outputs({**made.frames, "findings": finish_findings(*whole.findings).lazy()})
        return facts, context, whole

    def _tie(self, before: _Before, policies: PolicySet) -> tuple[Facts, Context, StageResult]:
        """Tie out by the policies that reach the test: the others say nothing of it."""
        kept = tuple(each for each in policies.policies if not isinstance(each.policy, _TYING) or each.policy.id not in before.unreached)
        whole = StageResult(dict(before.made.frames), list(before.made.findings), [])
        whole.add(decide_reconciliation(before.facts, PolicySet(kept, policies.fingerprint), before.context))
        return before.facts, before.context, whole

    def _end(self, before: _Before, policies: PolicySet) -> tuple[Facts, Context, StageResult]:
        """Tie out by all policies and go on to the end, as a run does."""
        whole = StageResult(dict(before.made.frames), list(before.made.findings), [])
        made = decide_reconciliation(before.facts, policies, before.context)
        whole.add(made)
        facts = before.facts.with_outputs({**made.frames, "findings": finish_findings(*whole.findings).lazy()})
        if "kpis" in self.test.expect:
            whole.add(measure_kpis(facts, policies, before.context))
            facts = facts.with_outputs({"findings": finish_findings(*whole.findings).lazy()})
        whole.findings = []
        whole.add(decide_triage(facts, policies, before.context))
        return before.facts, before.context, whole

    def _told_alone(self, before: _Before, loaded: LoadedPolicy) -> str:
        """Return all that a policy writes and finds without the others, as text."""
        others = tuple(each for each in self.policies.policies if not isinstance(each.policy, _TYING))
        return _as_text(decide_reconciliation(before.facts, PolicySet((*others, loaded), self.policies.fingerprint), before.context))

    def _differs(self, made: tuple[Facts, Context, StageResult]) -> bool:
        frames, findings = made[2].frames, finish_findings(*made[2].findings)
        return bool(differences(self.test, {name: frame.collect() for name, frame in frames.items()}, findings))


def _as_text(made: StageResult) -> str:
    """Return all that stages wrote and found, as text."""
    frames = {**{name: frame.collect() for name, frame in made.frames.items()}, "findings": finish_findings(*made.findings)}
    return "".join(f"{name}\n{frame.write_json()}" for name, frame in sorted(frames.items()))


@dataclass(frozen=True, slots=True)
class Tried:
    """Hold how many changes of a policy were tried, how many tests reach it, and the changes that none notices."""

    policy: str
    place: str
    changes: int
    tests: int
    survivors: tuple[Change, ...]

    @property
    def is_clean(self) -> bool:
        """Say whether every change that no test notices has its written reason."""
        return all(each.reason for each in self.survivors)


def mutate_conditions(
    files: Sequence[Path], folder: Path, progress: Callable[[str], None] = lambda _: None, only: str | None = None
) -> list[Tried]:  # fmt: skip
    """Try every small change of the conditions and limits of a folder's ownership, reconciliation, check and billing policies.

    Raises PolicyError when the folder has mistakes. A test counts where it passes as it stands, reaches the policy and does not
    override it. `only` limits the work to one policy.
    """
    base = require_policies(folder)
    reasons = read_all_reasons(files)[0]
    tests = [each for path in files for each in read_test_file(path)[0]]
    benches = [Bench(test, check_policies(folder, test.policies)[0] if test.policies else base) for test in tests]
    found: list[Tried] = []
    for loaded in base.policies:
        if only not in (None, loaded.policy.id) or not (made := changes_of(loaded)):
            continue
        able = [each for each in benches if each.can_tell(loaded)]
        progress(f"{loaded.policy.id}: {len(made):,} changes of conditions and limits, {len(able):,} tests")
        survivors: list[Change] = []
        for change in made:
            noticed = next((each for each in able if each.notices(change)), None)
            if noticed is None:
                reason = reasons.get((change.rule, change.change))
                survivors.append(change if reason is None else replace(change, reason=reason.why))
            else:
                # Who noticed one change notices the next most likely.
                able.remove(noticed)
                able.insert(0, noticed)
        found.append(Tried(loaded.policy.id, loaded.place("id"), len(made), len(able), tuple(survivors)))
    return found


def render_conditions(tried: Sequence[Tried]) -> str:
    """Return what became of the changes as text for people; a policy that no test reaches is one line."""
    lines: list[str] = []
    for each in tried:
        if each.tests:
            lines += [change.sentence() for change in each.survivors]
        elif not each.is_clean:
            lines.append(f"No test reaches {each.policy}: none of {each.changes:,} changes would be noticed ({each.place}).")
    total, left = sum(each.changes for each in tried), [change for each in tried for change in each.survivors]
    unseen = sum(change.reason is None for change in left)
    told = f"the tests notice {total - len(left):,} of them, {unseen:,} pass unseen"
    meant = f", {len(left) - unseen:,} for a written reason" if len(left) > unseen else ""
    lines.append(f"{total:,} small changes of conditions and limits were tried; {told}{meant}.")
    return "\n".join(lines)


def conditions_as_json(tried: Sequence[Tried]) -> list[dict[str, Any]]:
    """Return what became of the changes as plain values."""
    return [
        {
            "policy": each.policy, "tried": each.changes, "tests": each.tests,
            "survivors": [
                {"rule": change.rule, "place": change.place, "change": change.change, "reason": change.reason} for change in each.survivors
            ],
        }
        for each in tried
    ]  # fmt: skip
