"""`tieout policy test --mutate`: every small wrong change of a table that no test of the folder notices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from adapters.policy_folder import require_policies
from adapters.policy_tests import read_test_file, run_given
from engine.decision.mutants import Mutant, grid_as_pipes, mutants
from engine.policy.kinds.billing import BillingPolicy, billing_scope
from engine.policy.kinds.revenue import RevenuePolicy, treatment_scope
from engine.policy.kinds.run import CalendarPolicy
from engine.policy.kinds.table import TablePolicy, decision_table, table_rules
from engine.policy.kinds.tax import TaxPolicy, tax_scope
from engine.policy.load import load_policies
from engine.policy.loaded import LoadedPolicy, PolicySet
from engine.policy.testing import PolicyTest, differences

# Outputs that billing alone makes: tests of these need no other stage.
_BILLING_ONLY: Final = frozenset({"billing_decisions", "findings"})
_BILLING_KINDS: Final = (BillingPolicy, TaxPolicy, CalendarPolicy)


@dataclass(frozen=True, slots=True)
class Survivor:
    """Hold a change that no test notices, with the policy and the place of its rule."""

    policy: str
    place: str
    mutant: Mutant

    def sentence(self) -> str:
        """Return the survivor as a sentence: `Nobody would notice if in BT-040 age_days were > 121 instead of > 120`."""
        return f"Nobody would notice if in {self.mutant.rule} {self.mutant.change} ({self.place})."

    def suggestion(self) -> str:
        """Return the case that would notice it, as a question to the author."""
        told = f"{self.policy} gives it {self.mutant.said}, not {self.mutant.says}"
        return f"Take {self.mutant.record}: {told}. Is that meant? ({self.place})"


@dataclass(frozen=True, slots=True)
class Mutation:
    """Hold how many changes were tried by policy, and those that survived."""

    tried: dict[str, int]
    survivors: tuple[Survivor, ...]


def mutate_folder(
    files: Sequence[Path], policies: Path, progress: Callable[[str], None] = lambda _: None, only: str | None = None
) -> Mutation:  # fmt: skip
    """Try every mutant of every table in a folder against the tests; raises PolicyError when the folder has mistakes.

    A test counts for a policy where it makes a rule of it decide, passes as it stands, and overrides
    no policy. `only` limits the work to one policy.
    """
    base = require_policies(policies)
    tests = [each for path in files for each in read_test_file(path)[0] if not each.policies]
    baseline = [(test, _reduced(base, test)) for test in tests]
    hit = [(test, chosen, _rules_decided(test, chosen)) for test, chosen in baseline]
    tried: dict[str, int] = {}
    survivors: list[Survivor] = []
    for loaded in base.policies:
        if not isinstance(loaded.policy, TablePolicy) or only not in (None, loaded.policy.id):
            continue
        rules = {each.rule: f"{each.span.file}:{each.span.line}" for each in table_rules(loaded.policy, loaded.document, loaded.sheet)}
        concerned = [(test, chosen, decided) for test, chosen, decided in hit if decided is not None and decided & rules.keys()]
        made = mutants_of(loaded)
        progress(f"{loaded.policy.id}: {len(made):,} changes, {len(concerned):,} tests")
        tried[loaded.policy.id] = len(made)
        for mutant in made:
            ordered = sorted(concerned, key=lambda each: mutant.rule not in each[2])
            if not any(_notices(test, _with_grid(chosen, loaded, mutant)) for test, chosen, _ in ordered):
                survivors.append(Survivor(loaded.policy.id, rules.get(mutant.rule, loaded.place("id")), mutant))
    return Mutation(tried, tuple(survivors))


def mutants_of(loaded: LoadedPolicy) -> list[Mutant]:
    """Return the mutants of a policy's table."""
    policy = loaded.policy
    assert isinstance(policy, TablePolicy)
    table, _ = decision_table(policy, loaded.document, loaded.sheet)
    if isinstance(policy, BillingPolicy):
        scope = billing_scope(policy.item)
    else:
        scope = treatment_scope() if isinstance(policy, RevenuePolicy) else tax_scope()
    return [] if table is None else mutants(table, scope)


def _reduced(base: PolicySet, test: PolicyTest) -> PolicySet:
    """Return the policies a test needs: of billing alone where it expects nothing else."""
    if not set(test.expect) <= _BILLING_ONLY or "billing_decisions" not in test.expect:
        return base
    return replace(base, policies=tuple(each for each in base.policies if isinstance(each.policy, _BILLING_KINDS)))


def _rules_decided(test: PolicyTest, policies: PolicySet) -> set[str] | None:
    """Return the rules a passing test makes decide; None for one that does not pass as it stands."""
    frames, findings = run_given(test, policies)
    if differences(test, frames, findings):
        return None
    hit = set(findings["rule"].drop_nulls().to_list())
    for frame in frames.values():
        if "rule" in frame.columns:
            hit |= set(frame["rule"].drop_nulls().to_list())
    return hit


def _with_grid(policies: PolicySet, loaded: LoadedPolicy, mutant: Mutant) -> PolicySet:
    changed = {loaded.policy.id: {"rules": grid_as_pipes(mutant.grid), "rules_file": None}}
    made, _ = load_policies([loaded.document.source], [] if loaded.sheet is None else [loaded.sheet], changed)
    return replace(policies, policies=tuple(made.policies[0] if each is loaded else each for each in policies.policies))


def _notices(test: PolicyTest, policies: PolicySet) -> bool:
    frames, findings = run_given(test, policies)
    return bool(differences(test, frames, findings))


def render_mutation(mutation: Mutation) -> str:
    """Return what became of the mutants as text for people."""
    tried, left = sum(mutation.tried.values()), len(mutation.survivors)
    lines = [each.sentence() for each in mutation.survivors]
    lines.append(f"{tried:,} small changes of the tables were tried; the tests notice {tried - left:,} of them, {left:,} pass unseen.")
    return "\n".join(lines)


def mutation_as_json(mutation: Mutation) -> dict[str, Any]:
    """Return what became of the mutants as plain values."""
    survivors = [
        {"policy": each.policy, "rule": each.mutant.rule, "place": each.place, "change": each.mutant.change, "record": each.mutant.record,
         "says": each.mutant.said, "would_say": each.mutant.says}
        for each in mutation.survivors
    ]  # fmt: skip
    return {"tried": mutation.tried, "survivors": survivors}
