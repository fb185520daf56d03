"""The mutants of one table held to one test: which of them the test notices, with as few runs as can tell."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import polars as pl

from adapters.policy_tests import given_facts, run_given
from engine.billing import billing_held
from engine.decision.mutants import grid_as_pipes
from engine.decision.table import Grid, HitPolicy
from engine.decision.trial import Trial, Verdict
from engine.findings import finish_findings
from engine.pipeline import DECISIONS
from engine.policy.kinds.billing import BillingPolicy
from engine.policy.kinds.revenue import RevenuePolicy
from engine.policy.kinds.run import CalendarPolicy
from engine.policy.kinds.table import TablePolicy
from engine.policy.kinds.tax import TaxPolicy
from engine.policy.loaded import LoadedPolicy, PolicySet
from engine.policy.testing import PolicyTest, differences
from engine.policy.testing.compare import STAGE_OF
from engine.revenue import revenue_held

_BILLING_KINDS: Final = (BillingPolicy, TaxPolicy, CalendarPolicy)
_REVENUE_KINDS: Final = (*_BILLING_KINDS, RevenuePolicy)
# The output whose rows bear the table's rule, and the column that names the record.
_BEARS: Final[dict[type[TablePolicy], tuple[str, str]]] = {
    BillingPolicy: ("billing_decisions", "item_id"), RevenuePolicy: ("obligations", "obligation_id"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Held:
    """Hold which rows of a trial hold for a record, and the record's contract."""

    rows: frozenset[int]
    contract: str | None


Changed = Mapping[str, tuple[Verdict, Verdict]]
"""By record what the table says of it, and what a mutant says."""


@dataclass(frozen=True)
class Trying:
    """Hold a test, the policies it runs with, and which of them is changed."""

    test: PolicyTest
    policies: PolicySet
    loaded: LoadedPolicy
    stages: tuple[str, ...] = ()
    """The stages that the test's expectations can do with; none: all."""

    @property
    def table(self) -> TablePolicy:
        """Return the policy whose table is changed."""
        assert isinstance(self.loaded.policy, TablePolicy)
        return self.loaded.policy

    @property
    def can_tell(self) -> bool:
        """Say whether anything that the test expects can come of the table: what is billed does not come of the revenue table."""
        if not isinstance(self.table, RevenuePolicy):
            return True
        expected = {STAGE_OF.get(name, name) for name in self.test.expect}
        findings = self.test.expect.get("findings")
        looks_at_all = isinstance(findings, dict) and "exactly" not in findings
        return expected != {"billing"} and (expected != {"billing", "findings"} or looks_at_all)

    def held(self, trial: Trial) -> dict[str, Held]:
        """Return by record the rows of the trial that hold for it, and its contract."""
        update = {"rules": grid_as_pipes(trial.grid), "rules_file": None, "hit": str(HitPolicy.RULE_ORDER), "default": None}
        calendar = tuple(each for each in self.policies.policies if isinstance(each.policy, CalendarPolicy))
        changed = replace(self.loaded, policy=self.table.model_copy(update=update))
        policies = replace(self.policies, policies=(changed, *calendar))
        facts, context, _ = given_facts(self.test, self.policies)
        frame = (revenue_held if isinstance(self.table, RevenuePolicy) else billing_held)(facts, policies, context)
        rows = frame.filter(pl.col("rules").is_not_null()).iter_rows()
        return {name: Held(frozenset(map(int, rules)), contract) for name, contract, rules in rows}

    def with_rows(self, trial: Trial, rows: Sequence[int]) -> PolicySet:
        """Return the policies with the table made of these rows of a trial."""
        place = [cell.text for cell in trial.grid.header].index("rule")
        named = tuple(
            tuple(replace(cell, text=trial.names[row]) if column == place else cell for column, cell in enumerate(trial.grid.rows[row]))
            for row in rows
        )
        update = {"rules": grid_as_pipes(Grid(trial.grid.header, named)), "rules_file": None}
        changed = replace(self.loaded, policy=self.table.model_copy(update=update))
        return replace(self.policies, policies=tuple(changed if each is self.loaded else each for each in self.policies.policies))

    def with_fewer_stages(self) -> Iterator[Trying]:
        """Yield this test with the policies that its expectations can do with, then with all of them."""
        expected = {STAGE_OF.get(name, name) for name in self.test.expect}
        for kinds, stages in ((_BILLING_KINDS, ("billing",)), (_REVENUE_KINDS, ("billing", "revenue"))):
            if expected <= {*stages, "findings"} and isinstance(self.table, kinds):
                kept = tuple(each for each in self.policies.policies if isinstance(each.policy, kinds))
                yield replace(self, policies=replace(self.policies, policies=kept), stages=stages)
                break
        yield self

    def passes(self) -> bool:
        """Say whether the test passes with the policies as they are."""
        return not differences(self.test, *self._run(self.policies))

    def _run(self, policies: PolicySet) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
        """Return outputs and findings of the stages that the test needs."""
        if not self.stages:
            return run_given(self.test, policies)
        facts, context, result = given_facts(self.test, policies)
        for name in self.stages:
            made = DECISIONS[name](facts, policies, context)
            made.frames = {output: frame.collect().lazy() for output, frame in made.frames.items()}
            facts = facts.with_outputs(made.frames)
            result.add(made)
        return {name: frame.collect() for name, frame in result.frames.items()}, finish_findings(*result.findings)

    def noticed(self, trial: Trial, changed: Mapping[int, Changed], held: Mapping[str, Held]) -> set[int]:
        """Return which mutants, of those that decide some record of the test differently, the test fails with."""
        if isinstance(self.table, RevenuePolicy) and "findings" not in self.test.expect:
            return self._in_batches(trial, changed, held)
        return {number for number in changed if self._fails(trial, trial.mutants[number])}

    def _fails(self, trial: Trial, rows: Sequence[int]) -> bool:
        return bool(differences(self.test, *self._run(self.with_rows(trial, rows))))

    def named(self, changed: Mapping[int, Changed]) -> set[int]:
        """Return which mutants take from a record a rule or an output that the test expects of it by name: it fails with these."""
        return {number for number, each in changed.items() if self._names(each)}

    def _names(self, changed: Changed) -> bool:
        """Say whether what a mutant changes is expected by name.

        What is published of an item bears the rule of the table, or of the cap that overrides it: a row that names its rule fails
        with another. Named beside the rule, so does an output, where nothing but the table decides it.
        """
        output, key = _BEARS.get(type(self.table), ("", ""))
        for row in self.test.expect.get(output) or ():
            said, says = changed.get(str(row.get(key)), (None, None))
            if said is None or says is None or row.get("rule") != said[0]:
                continue
            if said[0] != says[0]:
                return True
            outputs = zip(self.table.outputs, said[1], says[1], strict=False)
            taken = any(name in row and _same(row[name], one) and one != other for name, one, other in outputs)
            if taken and self._decides(said, says, row):
                return True
        return False

    def _decides(self, said: Verdict, says: Verdict, row: Mapping[str, Any]) -> bool:
        """Say whether the table alone decides what is published of a record.

        What a table calls billable may still wait, for a price or for funds. A promise may be given its treatment elsewhere, and at a
        point in time it passes by what is counted or accepted, whatever the measure says.
        """
        if not isinstance(self.table, RevenuePolicy):
            return "billable" not in says[1]
        timing = dict(zip(self.table.outputs, said[1], strict=False)).get("timing")
        return timing == row.get("timing") == "over_time" and str(row.get("obligation_id")) not in self.table.assign

    def _in_batches(self, trial: Trial, changed: Mapping[int, Changed], held: Mapping[str, Held]) -> set[int]:
        """Return which mutants the test fails with, several tried in one run where they change different contracts.

        Contracts are recognized apart, so what differs about a contract is the doing of the mutant that changes it.
        """
        noticed: set[int] = set()
        waiting = dict(changed)
        while waiting:
            members, rows = self._batch(trial, waiting, held)
            frames, findings = self._run(self.with_rows(trial, rows))
            found = {number for number in members if self._differs_about(self._ids(waiting[number], held), frames, findings)}
            if len(members) > 1 and not found and differences(self.test, frames, findings):
                # What differs names no contract: each for itself.
                found = {number for number in members if self._fails(trial, trial.mutants[number])}
            noticed |= found
            waiting = {number: each for number, each in waiting.items() if number not in members}
        return noticed

    def _batch(
        self, trial: Trial, waiting: Mapping[int, Changed], held: Mapping[str, Held]
    ) -> tuple[list[int], tuple[int, ...]]:  # fmt: skip
        members: list[int] = []
        rows, wanted, contracts = trial.base, dict[str, Verdict](), set[str | None]()
        for number, changed in waiting.items():
            own = {held[name].contract for name in changed}
            if members and (contracts & own or len(trial.mutants[number]) != len(rows)):
                continue
            merged = tuple(new if new != old else kept for new, old, kept in zip(trial.mutants[number], trial.base, rows, strict=True))
            expected = wanted | {name: says for name, (_, says) in changed.items()}
            as_wanted = all(
                trial.verdict(merged, each.rows) == expected.get(name, trial.verdict(trial.base, each.rows)) for name, each in held.items()
            )
            if members and not as_wanted:
                continue
            members.append(number)
            rows, wanted, contracts = merged, expected, contracts | own
        return members, rows

    def _ids(self, changed: Changed, held: Mapping[str, Held]) -> set[str]:
        """Return the ids of what a mutant changes: promises, their contracts and the contracts' lines."""
        contracts = {held[name].contract for name in changed} - {None}
        lines = self.test.given.get("contract_line")
        theirs = [] if lines is None else lines.filter(pl.col("contract_id").is_in([*contracts]))["contract_line_id"].to_list()
        return {*changed, *map(str, contracts), *theirs}

    def _differs_about(self, ids: Collection[str], frames: Mapping[str, pl.DataFrame], findings: pl.DataFrame) -> bool:
        expect = {
            output: [row for row in rows if any(isinstance(value, str) and value in ids for value in row.values())]
            for output, rows in self.test.expect.items() if isinstance(rows, list)
        }  # fmt: skip
        return bool(differences(replace(self.test, expect=expect), frames, findings))


def _same(expected: Any, value: object) -> bool:
    return expected == value or str(expected) == str(value)
