"""Both folders decided over the same agreed records; only stages, policies and contracts that the change reaches."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final

import polars as pl

from engine.billing import billing_reach, decide_billing
from engine.findings import finish_findings
from engine.impact.reach import TYING, Reach, caused_policies, explaining_policies, only_tying, reading_policies, reads_revenue
from engine.impact.restrict import of_contracts
from engine.ownership import decide_ownership
from engine.pipeline import DECISIONS, GOLDEN
from engine.policy.loaded import PolicySet
from engine.reconcile import decide_reconciliation
from engine.revenue import decide_revenue, decided_reach, revenue_reach
from engine.stage import Context, Facts, StageResult

REVENUE_OUTPUTS: Final = (
    "revenue_schedule", "contract_balances", "contract_costs", "time_revenue", "journal", "obligations", "modifications",
)  # fmt: skip


@dataclass(slots=True)
class Sided:
    """Hold what one folder decides, as far as the change reaches: outputs by name, and findings."""

    frames: dict[str, pl.DataFrame] = field(default_factory=dict)
    findings: list[pl.DataFrame] = field(default_factory=list)

    def add(self, result: StageResult, contracts: Sequence[str] | None) -> None:
        """Add a stage's result, of these contracts only (None: all)."""
        frames = {name: frame.collect() for name, frame in result.frames.items()}
        self.frames |= {name: _of(frame, contracts) for name, frame in frames.items()}
        if contracts is not None and "time_revenue" in frames:
            lines = self.frames["revenue_schedule"]["contract_line_id"].unique().implode()
            self.frames["time_revenue"] = frames["time_revenue"].filter(pl.col("contract_line_id").is_in(lines))
        self.findings += [_of(each, contracts) for each in result.findings]

    def all_findings(self) -> pl.DataFrame:
        """Return the findings with their ids."""
        return finish_findings(*self.findings)


def _of(frame: pl.DataFrame, contracts: Sequence[str] | None) -> pl.DataFrame:
    if contracts is None or "contract_id" not in frame.columns:
        return frame
    return frame.filter(pl.col("contract_id").is_in(list(contracts)))


@dataclass(frozen=True, slots=True)
class Decided:
    """Hold both folders' decisions and which contracts were looked at (None: every one), by stage."""

    old: Sided
    new: Sided
    contracts: Mapping[str, Sequence[str] | None]


def decide_both(
    facts: Facts, old: PolicySet, new: PolicySet, context: Context, reach: Reach, published: Mapping[str, pl.LazyFrame] | None = None,
    earlier: pl.DataFrame | None = None,
) -> Decided:  # fmt: skip
    """Decide what a change reaches by the old and the new folder, over agreed records with the systems' own beside them.

    `published` are the outputs of a run of the old folder over the same records, its `findings` among
    them; what it tied out is then not tied out again. `earlier` are the findings of the stages before billing.
    """
    work = _Work(facts, old, new, context, reach, published or {}, earlier)
    billed = work.billing()
    recognized = work.revenue(billed)
    work.tying(billed, recognized)
    return Decided(work.left, work.right, work.contracts)


def decide_whole(facts: Facts, policies: PolicySet, context: Context, previous: Facts | None, found: Sequence[pl.DataFrame]) -> Sided:
    """Decide everything by one folder, from the systems' records on: for changes that reach the agreed records themselves."""
    side = Sided(findings=list(found))
    owned = decide_ownership(facts, policies, context, previous)
    agreed = {name.removeprefix(GOLDEN): frame for name, frame in owned.frames.items() if name.startswith(GOLDEN)}
    side.findings += owned.findings
    known = replace(facts, records=agreed, sources=owned.sources)
    for stage in DECISIONS.values():
        known = known.with_outputs({"findings": side.all_findings().lazy()})
        side.add(stage(known, policies, context), None)
        known = known.with_outputs({name: frame.lazy() for name, frame in side.frames.items()})
    return side


class _Work:
    def __init__(
        self, facts: Facts, old: PolicySet, new: PolicySet, context: Context, reach: Reach, published: Mapping[str, pl.LazyFrame],
        earlier: pl.DataFrame | None,
    ) -> None:  # fmt: skip
        self.facts, self.old, self.new, self.context, self.reach = facts, old, new, context, reach
        self.published = published
        # The old folder's findings of whole stages, where they are known: what explains a difference may be any of them.
        self.known = [] if earlier is None else [earlier]
        if "findings" in self.published:
            self.known = [self.published["findings"].collect()]
        self.left, self.right = Sided(), Sided()
        self.contracts: dict[str, Sequence[str] | None] = {}
        # The kinds of items of which some are decided differently.
        self.items: set[str] = set()
        # What stands beside the records for the stages that follow, by side.
        self.outputs: list[dict[str, pl.LazyFrame]] = [dict(self.published), dict(self.published)]

    def billing(self) -> list[str] | None:
        """Decide items where billing policies changed; return the contracts whose decisions differ (None: unknown, look at all)."""
        if not self.reach.billing:
            return []
        contracts = None if self.reach.taxes else billing_reach(self.facts, self.old, self.new, self.context)
        self.contracts["billing"] = contracts
        if contracts is not None and not contracts:
            return []
        restricted = self.facts if contracts is None else of_contracts(self.facts, contracts)
        # What follows reads the old folder's decisions of every contract: where no run stands they are made here, once.
        is_whole = contracts is not None and "billing_decisions" not in self.published
        given = (self.facts if is_whole else restricted, restricted)
        old, new = self._both(lambda policies, facts: decide_billing(facts, policies, self.context), given)
        if is_whole:
            self._keep(old)
        self.left.add(old, contracts)
        self.right.add(new, contracts)
        apart = _rows_apart(self.left.frames["billing_decisions"], self.right.frames["billing_decisions"])
        self.items = set(apart["item_type"].to_list())
        differ = apart["contract_id"].unique().sort()
        return None if differ.null_count() else differ.to_list()

    def _both(self, decide: Callable[[PolicySet, Facts], StageResult], given: tuple[Facts, Facts]) -> list[StageResult]:
        """Decide by both folders, each over what is given for it; the outputs are made."""
        folders = (self.old, self.new)
        return _at_a_time(lambda index: _collected(decide(folders[index], given[index])))

    def revenue(self, billed: list[str] | None) -> list[str] | None:
        """Recognize the contracts whose treatment or decisions differ; return those whose figures differ."""
        if not self.reach.revenue and billed is not None and not billed:
            return []
        own = revenue_reach(self.facts, self.old, self.new, self.context) if self.reach.revenue else []
        worked: list[str] | None = None if billed is None else []
        if billed:
            worked = decided_reach(self.left.frames["billing_decisions"], self.right.frames["billing_decisions"])
        contracts = None if own is None or worked is None else sorted({*own, *worked})
        self.contracts["revenue"] = contracts
        if contracts is not None and not contracts:
            return []
        self._complete("billing_decisions")
        known = [self.facts.with_outputs({"billing_decisions": self._whole(each, "billing_decisions", "billing")}) for each in (0, 1)]
        is_whole = contracts is not None and "revenue_schedule" not in self.published
        given = known[0] if contracts is None or is_whole else of_contracts(known[0], contracts)
        restricted = known[1] if contracts is None else of_contracts(known[1], contracts)
        old, new = self._both(lambda policies, facts: decide_revenue(facts, policies, self.context), (given, restricted))
        if is_whole:
            self._keep(old)
        self.left.add(old, contracts)
        self.right.add(new, contracts)
        names = [name for name in REVENUE_OUTPUTS if name in self.left.frames and name in self.right.frames]
        differ = [_contracts_that_differ(self.left.frames[name], self.right.frames[name]) for name in names if name != "time_revenue"]
        found = pl.concat(differ).unique() if differ else pl.Series(dtype=pl.String)
        return None if found.null_count() and contracts is None else found.drop_nulls().sort().to_list()

    def tying(self, billed: list[str] | None, recognized: list[str] | None) -> None:
        """Tie out by the policies that changed, that read what changed, or that explain differences by findings that changed."""
        items: Collection[str] = self.items if billed is None or billed else ()
        revenue = recognized is None or bool(recognized)
        if not self.facts.sources or not (self.reach.tying or items or revenue):
            return
        reading = [reading_policies(each, items=items, revenue=revenue) for each in (self.old, self.new)]
        names = set(self.reach.tying).union(*reading)
        self.contracts["reconciliation"] = None
        self._tie(names)
        caused = (caused_policies(self.old, self._kinds()) | caused_policies(self.new, self._kinds())) - names
        if caused:
            self._tie(caused)

    def _kinds(self) -> set[str]:
        """Return the kinds of findings that one folder makes and the other does not."""
        one, other = self.left.all_findings(), self.right.all_findings()
        both = [one.join(other, on="finding_id", how="anti"), other.join(one, on="finding_id", how="anti")]
        return {kind for each in both for kind in each["kind"].to_list()}

    def _tie(self, names: set[str]) -> None:
        asks = False
        if "findings" in self.published:
            self.left.findings.append(self._published_ties(names))
        else:
            sides = [explaining_policies(each, names) for each in (self.old, self.new)]
            names, asks = set().union(*(each for each, _ in sides)), any(each for _, each in sides)
        reads = any(reads_revenue(each, names) for each in (self.old, self.new))
        outputs = ["billing_decisions", *(REVENUE_OUTPUTS if asks or reads else ())]
        for name in outputs:
            self._complete(name)
        stage = {name: "billing" if name == "billing_decisions" else "revenue" for name in outputs}

        def tied(index: int) -> StageResult:
            side, policies = ((self.left, self.old), (self.right, self.new))[index]
            given = {name: self._whole(index, name, stage[name]) for name in outputs if self._has(name)}
            facts = self.facts.with_outputs({**given, "findings": self._findings_before(side).lazy()})
            result = decide_reconciliation(facts, only_tying(policies, names), self.context)
            result.frames = {}
            return result

        if "findings" in self.published:
            self.right.add(tied(1), None)
            return
        for side, each in zip((self.left, self.right), _at_a_time(tied), strict=True):
            side.add(each, None)

    def _findings_before(self, side: Sided) -> pl.DataFrame:
        """Return every finding that may explain a difference, as a folder has them: what was looked at, and the rest."""
        mine = self.left.all_findings().select("finding_id")
        rest = [each.join(mine, on="finding_id", how="anti") for each in self.known]
        return finish_findings(*(each.drop("finding_id", "cause_id", "cause_rule") for each in rest), *side.findings)

    def _published_ties(self, names: set[str]) -> pl.DataFrame:
        """Return what the old folder's reconciliation policies and checks of these names found in the published run."""
        known = [each.fingerprint for each in self.old.policies if isinstance(each.policy, TYING) and each.policy.id in names]
        rows = self.published["findings"].filter((pl.col("stage") == "reconciliation") & pl.col("policy_fingerprint").is_in(known))
        return rows.collect().drop("finding_id", "cause_id", "cause_rule")

    def _has(self, name: str) -> bool:
        return name in self.published or any(name in each for each in self.outputs)

    def _complete(self, name: str) -> None:
        """Have the old folder's whole output at hand, where the change was looked at for some contracts only."""
        stage = "billing" if name == "billing_decisions" else "revenue"
        if self._has(name) or (name in self.left.frames and self.contracts.get(stage, ()) is None):
            return
        if stage == "billing":
            made = decide_billing(self.facts, self.old, self.context)
        else:
            decisions = {"billing_decisions": self._whole(0, "billing_decisions", "billing")}
            made = decide_revenue(self.facts.with_outputs(decisions), self.old, self.context)
        self._keep(_collected(made))

    def _keep(self, made: StageResult) -> None:
        """Have a whole stage of the old folder stand beside the records for both sides."""
        self.known.append(finish_findings(*made.findings))
        self.outputs = [{**each, **made.frames} for each in self.outputs]

    def _whole(self, index: int, name: str, stage: str) -> pl.LazyFrame:
        """Return a side's whole output: what was decided for it, and the old folder's for the contracts not looked at."""
        side = (self.left, self.right)[index]
        own = side.frames.get(name)
        contracts = self.contracts.get(stage, ())
        if own is not None and contracts is None:
            return own.lazy()
        whole = self.outputs[index][name]
        if own is None:
            return whole
        if "contract_id" not in own.columns:
            lines = pl.concat([own.lazy().select("contract_line_id"), (self.left.frames[name]).lazy().select("contract_line_id")]).unique()
            rest = whole.join(lines, on="contract_line_id", how="anti", nulls_equal=True)
        else:
            rest = whole.filter(~pl.col("contract_id").is_in(list(contracts or ())).fill_null(value=False))
        return pl.concat([rest.select(own.columns), own.lazy()], how="vertical_relaxed")


def _at_a_time(decide: Callable[[int], StageResult]) -> list[StageResult]:
    """Decide by both folders, the old (0) and the new (1), at a time: what one does alone leaves a processor to the other."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(decide, (0, 1)))


def _collected(made: StageResult) -> StageResult:
    """Return a stage's result with its outputs made, so that none is made twice."""
    made.frames = {name: frame.collect().lazy() for name, frame in made.frames.items()}
    return made


def _rows_apart(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """Return contract and item type of every billing decision that only one of the folders makes."""
    names = [name for name, dtype in old.schema.items() if name not in ("policy_fingerprint", "evidence") and dtype != pl.List]
    sides = ((old, new), (new, old))
    apart = [one.join(other, on=names, how="anti", nulls_equal=True).select("contract_id", "item_type") for one, other in sides]
    return pl.concat(apart).unique()


def _contracts_that_differ(old: pl.DataFrame, new: pl.DataFrame, left_out: Sequence[str] = ("policy_fingerprint",)) -> pl.Series:
    """Return the contracts that have a row in one frame which the other lacks, sorted."""
    if "contract_id" not in old.columns:
        return pl.Series("contract_id", [], dtype=pl.String)
    names = [name for name, dtype in old.schema.items() if name in new.columns and name not in (*left_out, "evidence") and dtype != pl.List]
    hashed = [frame.select("contract_id", pl.struct(names).hash().alias("→row")) for frame in (old, new)]
    one, other = (each.group_by("contract_id").agg(pl.col("→row").sort()) for each in hashed)
    both = one.join(other, on="contract_id", how="full", coalesce=True, nulls_equal=True, suffix=".new")
    return both.filter(~pl.col("→row").eq_missing(pl.col("→row.new")))["contract_id"].sort()
