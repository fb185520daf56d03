"""`tieout policy test --mutate`: every small wrong change of a table that no test of the folder notices."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from adapters.authoring.trying import Changed, Held, Trying
from adapters.policy_folder import check_policies, require_policies
from adapters.policy_tests import read_document, read_test_file
from engine.condition import Scope
from engine.decision.mutants import Mutant, mutants
from engine.decision.trial import Trial, trial_of
from engine.diagnostics import Diagnostic, render_diagnostic
from engine.policy.kinds.billing import BillingPolicy, billing_scope
from engine.policy.kinds.registry import KINDS
from engine.policy.kinds.revenue import RevenuePolicy, treatment_scope
from engine.policy.kinds.table import TablePolicy, decision_table, table_rules
from engine.policy.kinds.tax import tax_scope
from engine.policy.loaded import LoadedPolicy, PolicySet
from engine.policy.testing import PolicyTest, Reason, read_reasons

# A test that overrides these of a policy tries another table.
_TABLE: Final = frozenset({"rules", "rules_file", "inputs", "outputs", "hit", "default"})


def unnoticed(change: str, place: str, reason: str | None) -> str:
    """Return a change that no test notices as a sentence, with the reason written for it, if there is one."""
    told = f"Nobody would notice if {change} ({place})"
    return f"{told}." if reason is None else f"{told}, and that is meant: {reason}"


@dataclass(frozen=True, slots=True)
class Survivor:
    """Hold a change that no test notices, with the policy, the place of its rule and the written reason, if there is one."""

    policy: str
    place: str
    mutant: Mutant
    reason: str | None = None

    def sentence(self) -> str:
        """Return the survivor as a sentence: `Nobody would notice if in BT-040 age_days were > 121 instead of > 120`."""
        return unnoticed(f"in {self.mutant.rule} {self.mutant.change}", self.place, self.reason)

    def suggestion(self) -> str:
        """Return the case that would notice it, as a question to the author."""
        told = f"{self.policy} gives it {self.mutant.said}, not {self.mutant.says}"
        return f"Take {self.mutant.record}: {told}. Is that meant? ({self.place})"


@dataclass(frozen=True, slots=True)
class Mutation:
    """Hold how many changes were tried by policy, those that survived without and with a written reason, and reasons for nothing."""

    tried: dict[str, int]
    survivors: tuple[Survivor, ...]
    reasoned: tuple[Survivor, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Say whether every survivor has its reason and every reason its survivor."""
        return not self.survivors and not self.diagnostics


def mutate_folder(
    files: Sequence[Path], policies: Path, progress: Callable[[str], None] = lambda _: None, only: str | None = None
) -> Mutation:  # fmt: skip
    """Try every mutant of every table in a folder against the tests; raises PolicyError when the folder has mistakes.

    A test counts where it passes as it stands and does not override the table itself. A mutant that decides every record of
    every test as the table does is noticed by none; others are run. `only` limits the work to one policy.
    """
    base = require_policies(policies)
    tests = [(path, each) for path in files for each in read_test_file(path)[0]]
    chosen = {id(test): check_policies(policies, test.policies)[0] if test.policies else base for _, test in tests}
    reasons, told = read_all_reasons(files)
    tried: dict[str, int] = {}
    survivors: list[Survivor] = []
    rules: set[str] = set()
    for loaded in base.policies:
        if not isinstance(loaded.policy, TablePolicy) or only not in (None, loaded.policy.id):
            continue
        places = {each.rule: f"{each.span.file}:{each.span.line}" for each in table_rules(loaded.policy, loaded.document, loaded.sheet)}
        rules |= places.keys()
        made = mutants_of(loaded)
        trials = [
            (path, Trying(test, chosen[id(test)], own)) for path, test in tests if (own := _same_policy(test, chosen[id(test)], loaded))
        ]
        progress(f"{loaded.policy.id}: {len(made):,} changes, {len(trials):,} tests")
        tried[loaded.policy.id] = tried.get(loaded.policy.id, 0) + len(made)
        beside = policies / loaded.document.source.file
        near = [each for path, each in trials if path.resolve().parent == beside.resolve().parent]
        far = [each for _, each in trials if each not in near]
        for mutant in _unnoticed(loaded, _unnoticed(loaded, made, near), far):
            reason = reasons.get((mutant.rule, mutant.change))
            place = places.get(mutant.rule, loaded.place("id"))
            survivors.append(Survivor(loaded.policy.id, place, mutant, None if reason is None else reason.why))
    explained = {(each.mutant.rule, each.mutant.change) for each in survivors}
    # A reason about a condition outside tables is not judged here.
    tables = rules if only is not None else rules | {each.rule for each in reasons.values()} - _of_conditions(base)
    told += [each.unused() for key, each in reasons.items() if key not in explained and each.rule in tables]
    return Mutation(
        tried, tuple(each for each in survivors if each.reason is None), tuple(each for each in survivors if each.reason), tuple(told)
    )


def _of_conditions(policies: PolicySet) -> set[str]:
    """Return the names of rules, and of policies, that stand outside tables; the checks of a policy with a table are such."""
    named = {each.policy.id for each in policies.policies}
    for each in policies.policies:
        rules = {place.rule for place in KINDS[each.policy.policy].rules(each.policy, each.document, each.sheet)}
        if isinstance(each.policy, TablePolicy):
            rules -= {place.rule for place in table_rules(each.policy, each.document, each.sheet)}
        named |= rules
    return named


def read_all_reasons(files: Sequence[Path]) -> tuple[dict[tuple[str, str], Reason], list[Diagnostic]]:
    """Return the written reasons of test files by rule and change, and what is wrong with them."""
    found: dict[tuple[str, str], Reason] = {}
    told: list[Diagnostic] = []
    for path in files:
        reasons, diagnostics = read_reasons(read_document(path)[0])
        found |= {(each.rule, each.change): each for each in reasons}
        told += diagnostics
    return found, told


def _same_policy(test: PolicyTest, policies: PolicySet, loaded: LoadedPolicy) -> LoadedPolicy | None:
    """Return the policy among those a test runs with; None where the test tries another table."""
    override = test.policies.get(loaded.policy.id)
    if isinstance(override, Mapping) and _TABLE & override.keys():
        return None
    key = (loaded.policy.id, loaded.policy.effective_from)
    return next((each for each in policies.policies if (each.policy.id, each.policy.effective_from) == key), None)


def _unnoticed(loaded: LoadedPolicy, made: Sequence[Mutant], tests: Sequence[Trying]) -> list[Mutant]:
    """Return the mutants that no test notices: first what tests expect by name decides, then runs do."""
    if not made:
        return []
    trial = _trial(loaded, made)
    alive = set(range(len(made)))
    open_tests: list[tuple[Trying, dict[str, Held]]] = []
    for trying in tests:
        if not alive or not trying.can_tell:
            continue
        held = trying.held(trial)
        changed = _changed(trial, alive, held)
        ready = next((each for each in trying.with_fewer_stages() if each.passes()), None) if changed else None
        if ready is not None:
            alive -= ready.named(changed)
            open_tests.append((ready, held))
    for ready, held in open_tests:
        changed = _changed(trial, alive, held)
        if changed:
            alive -= ready.noticed(trial, changed, held)
    return [made[number] for number in sorted(alive)]


def _changed(trial: Trial, numbers: Collection[int], held: Mapping[str, Held]) -> dict[int, Changed]:
    """Return by mutant the records that it decides differently."""
    said = {name: trial.verdict(trial.base, each.rows) for name, each in held.items()}
    found: dict[int, Changed] = {}
    for number in sorted(numbers):
        says = {name: trial.verdict(trial.mutants[number], each.rows) for name, each in held.items()}
        differ = {name: (said[name], says[name]) for name in held if said[name] != says[name]}
        if differ:
            found[number] = differ
    return found


def mutants_of(loaded: LoadedPolicy) -> list[Mutant]:
    """Return the mutants of a policy's table."""
    assert isinstance(loaded.policy, TablePolicy)
    table, _ = decision_table(loaded.policy, loaded.document, loaded.sheet)
    return [] if table is None else mutants(table, _scope(loaded.policy))


def _trial(loaded: LoadedPolicy, made: Sequence[Mutant]) -> Trial:
    assert isinstance(loaded.policy, TablePolicy)
    table, _ = decision_table(loaded.policy, loaded.document, loaded.sheet)
    assert table is not None, "a policy set with errors has no mutants"
    return trial_of(table, _scope(loaded.policy), made)


def _scope(policy: TablePolicy) -> Scope:
    if isinstance(policy, BillingPolicy):
        return billing_scope(policy.item)
    return treatment_scope() if isinstance(policy, RevenuePolicy) else tax_scope()


def render_mutation(mutation: Mutation) -> str:
    """Return what became of the mutants as text for people."""
    tried, left, meant = sum(mutation.tried.values()), len(mutation.survivors), len(mutation.reasoned)
    lines = [each.sentence() for each in (*mutation.survivors, *mutation.reasoned)]
    lines += [render_diagnostic(each) for each in mutation.diagnostics]
    told = f"the tests notice {tried - left - meant:,} of them, {left:,} pass unseen"
    lines.append(f"{tried:,} small changes of the tables were tried; {told}{f', {meant:,} for a written reason' if meant else ''}.")
    return "\n".join(lines)


def mutation_as_json(mutation: Mutation) -> dict[str, Any]:
    """Return what became of the mutants as plain values."""
    return {
        "tried": mutation.tried, "survivors": list(_values(mutation.survivors)), "reasoned": list(_values(mutation.reasoned)),
        "diagnostics": [
            {"code": each.code.name, "file": each.span.file, "line": each.span.line, "message": each.message}
            for each in mutation.diagnostics
        ],
    }  # fmt: skip


def _values(survivors: Sequence[Survivor]) -> Iterator[dict[str, Any]]:
    for each in survivors:
        yield {
            "policy": each.policy, "rule": each.mutant.rule, "place": each.place, "change": each.mutant.change,
            "record": each.mutant.record, "says": each.mutant.said, "would_say": each.mutant.says, "reason": each.reason,
        }  # fmt: skip
