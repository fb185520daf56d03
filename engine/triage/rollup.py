"""Step one: findings rolled up to few facts, each a number of findings that share the same.

A fact bears codes, counts, whole cents and day numbers only: nothing that would need arithmetic on
money where the rules run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from engine.hashing import SEPARATOR
from engine.policy.kinds.triage import Explained, Symptom, TriagePolicy, TriageRule
from engine.policy.loaded import LoadedPolicy
from engine.triage.dimensions import ROW, Dimensions

Policies = Sequence[tuple[LoadedPolicy, TriagePolicy]]

_FINDING: Final = "finding"

_FACTS: Final[dict[str, pl.DataType]] = {
    "finding_id": pl.List(pl.String()), "count": pl.Int64(), "cents": pl.Int64(), "currency": pl.String(), "first": pl.Date(),
    "last": pl.Date(), "day": pl.Int64(),
}  # fmt: skip
"""What each fact bears beside its key and what it is split by."""


@dataclass(frozen=True, slots=True)
class Conclusion:
    """One thing the rules may conclude: which facts meet, and what they must share.

    `start` and `explained` name groups of facts; a group without `start` is gathered.
    """

    name: str
    rule: TriageRule
    loaded: LoadedPolicy
    start: str | None
    explained: str
    part: Explained | None


@dataclass(slots=True)
class Gathered:
    """Hold the facts, which findings each stands for, and the conclusions to be tried over them.

    `of_cause` gives by dimensions the keys under which a finding, once it is a cause, is asserted.
    """

    facts: list[dict[str, Any]] = field(default_factory=list)
    members: dict[str, tuple[str, ...]] = field(default_factory=dict)
    conclusions: list[Conclusion] = field(default_factory=list)
    of_cause: dict[tuple[str, ...], dict[str, list[str]]] = field(default_factory=dict)
    per: dict[str, tuple[str, ...]] = field(default_factory=dict)


def cause_group(cause: str, same: Sequence[str]) -> str:
    """Return the name of the facts of a cause by what it shares."""
    return f"cause {cause} by {'+'.join(same)}"


def rolled_up(findings: pl.DataFrame, dimensions: Dimensions, policies: Policies) -> Gathered:
    """Return the facts that can meet under the policies in force; facts that meet nothing are left out."""
    rolled = _Rolled(findings.with_row_index(ROW), dimensions)
    for loaded, policy in policies:
        for rule in policy.rules:
            rolled.add(loaded, policy, rule)
    return rolled.finished()


class _Rolled:
    """Gather groups of facts while the rules are read; a group that two rules need is made once."""

    def __init__(self, findings: pl.DataFrame, dimensions: Dimensions) -> None:
        self.findings = findings
        self.dimensions = dimensions
        self.result = Gathered()
        self.groups: dict[str, pl.DataFrame] = {}
        self.kept: dict[str, list[pl.DataFrame]] = {}

    def add(self, loaded: LoadedPolicy, policy: TriagePolicy, rule: TriageRule) -> None:
        if rule.gather is not None:
            group = self.group(policy.symptoms[rule.gather.symptom], rule.gather.symptom, loaded, rule.gather.per)
            self.result.conclusions.append(Conclusion(rule.id, rule, loaded, None, group, None))
            self.keep(group, self.groups[group].filter(pl.col("count") >= rule.gather.at_least))
            return
        assert rule.root is not None, "a rule has a root or gathers"
        for index, part in enumerate(rule.explains):
            if part.one_each:
                self.pair(loaded, policy, rule, index, part)
                continue
            start = self.start(loaded, policy, rule, part)
            explained = cause_group(part.cause, part.same) if part.cause is not None else self.explained(loaded, policy, part)
            for name in (start, explained):
                if name.startswith("cause "):
                    self.note_cause(part.same)
            self.result.conclusions.append(Conclusion(f"{rule.id} {index}", rule, loaded, start, explained, part))
            self.meet(start, explained)

    def pair(self, loaded: LoadedPolicy, policy: TriagePolicy, rule: TriageRule, index: int, part: Explained) -> None:
        """Let each finding of the root meet one of what it explains, where there are no more of these than of those."""
        assert rule.root is not None and rule.root.symptom is not None and part.symptom is not None, "findings are counted, not causes"
        names = (rule.root.symptom, part.symptom)
        called = [f"{rule.id} {index} {name} one each" for name in names]
        sides = [self.rolled(policy.symptoms[name], list(part.same), [_FINDING]) for name in names]
        roots, explained = (side.group_by("key").len(name) for name, side in zip(("roots", "explained"), sides, strict=True))
        enough = roots.join(explained, on="key", how="inner").filter(pl.col("explained") <= pl.col("roots"))
        place = pl.int_range(pl.len()).over("key").cast(pl.String)
        for name, side in zip(called, sides, strict=True):
            paired = side.join(enough.select("key"), on="key", how="semi").sort("key", _FINDING)
            self.groups[name] = paired.with_columns(pl.concat_str("key", place, separator=SEPARATOR).alias("key"))
            self.result.per[name] = part.same
        self.result.conclusions.append(Conclusion(f"{rule.id} {index}", rule, loaded, called[0], called[1], part))
        self.meet(*called)

    def start(self, loaded: LoadedPolicy, policy: TriagePolicy, rule: TriageRule, part: Explained) -> str:
        assert rule.root is not None, "a rule has a root or gathers"
        if rule.root.symptom is None:
            return cause_group(rule.cause, part.same)
        return self.group(policy.symptoms[rule.root.symptom], rule.root.symptom, loaded, part.same, apart=True)

    def explained(self, loaded: LoadedPolicy, policy: TriagePolicy, part: Explained) -> str:
        assert part.symptom is not None, "what is explained is a symptom or a cause"
        return self.group(policy.symptoms[part.symptom], part.symptom, loaded, part.same, by_day=part.after)

    def group(
        self, symptom: Symptom, name: str, loaded: LoadedPolicy, per: Sequence[str], *, apart: bool = False, by_day: bool = False
    ) -> str:  # fmt: skip
        """Make a group of facts; `apart` keeps every finding a fact of its own, `by_day` one for each day."""
        split = [*([_FINDING] if apart else []), *(["day"] if by_day and "day" not in per else [])]
        called = f"{loaded.policy.id} {name} by {'+'.join(per)}{' each' if apart else ''}{' daily' if by_day else ''}"
        if called not in self.groups:
            self.groups[called] = self.rolled(symptom, list(per), split)
            self.result.per[called] = tuple(per)
        return called

    def rolled(self, symptom: Symptom, per: list[str], split: list[str]) -> pl.DataFrame:
        chosen = self.findings.filter(_fits(symptom)).select(ROW, "finding_id", "amount_at_risk", "currency", "since")
        if chosen.is_empty():
            # Most findings fit few symptoms: what comes of none of them is known.
            parts = {name: self.dimensions[name].schema[name] for name in split}
            return pl.DataFrame(schema={"key": pl.String, **parts, **_FACTS})
        for name in dict.fromkeys([*per, *split]):
            chosen = chosen.join(self.dimensions[name], on=ROW, how="inner")
        key = pl.concat_str([pl.col(name) for name in per], separator=SEPARATOR)
        cents = (pl.col("amount_at_risk").abs() * 100).sum().round(0).cast(pl.Int64)
        one_currency = pl.col("currency").n_unique() == 1
        return (
            chosen.with_columns(key.alias("key"))
            .group_by("key", *split)
            .agg(
                pl.col("finding_id").unique().sort(),
                pl.col(ROW).n_unique().cast(pl.Int64).alias("count"),
                pl.when(one_currency & pl.col("amount_at_risk").is_not_null().all()).then(cents).alias("cents"),
                pl.when(one_currency).then(pl.col("currency").first()).alias("currency"),
                pl.col("since").min().alias("first"),
                pl.col("since").max().alias("last"),
            )
            .with_columns(pl.col("first").cast(pl.Int32).cast(pl.Int64).alias("day"))
        )

    def note_cause(self, same: Sequence[str]) -> None:
        """Note under which keys a finding can be asserted as a cause."""
        if tuple(same) in self.result.of_cause:
            return
        whole = Symptom(stages=("read", "quality", "ownership", "billing", "revenue", "reconciliation"))
        rows = self.rolled(whole, list(same), [])
        pairs = rows.select("key", "finding_id").explode("finding_id").sort("finding_id", "key")
        keys: dict[str, list[str]] = {}
        for key, finding in pairs.iter_rows():
            keys.setdefault(finding, []).append(key)
        self.result.of_cause[tuple(same)] = keys

    def meet(self, start: str, explained: str) -> None:
        """Keep of two groups the facts that share a key with the other; a cause is not known yet and limits nothing."""
        for name, other in ((start, explained), (explained, start)):
            if name in self.groups:
                frame = self.groups[name]
                beside = self.groups.get(other)
                if beside is not None and frame.height:
                    frame = frame.join(beside.select("key").unique(), on="key", how="semi")
                self.keep(name, frame)

    def keep(self, name: str, frame: pl.DataFrame) -> None:
        if frame.height:
            self.kept.setdefault(name, []).append(frame)

    def finished(self) -> Gathered:
        number = 0
        for name in sorted(self.kept):
            frame = pl.concat(self.kept[name]).with_columns(pl.col("finding_id").list.join(SEPARATOR).alias("ids"))
            for each in frame.unique(["key", "ids"]).sort("key", "ids").iter_rows(named=True):
                number += 1
                known = f"f{number}"
                self.result.members[known] = tuple(each["finding_id"])
                self.result.facts.append(_fact(known, name, each))
        return self.result


def _fact(known: str, group: str, each: Mapping[str, Any]) -> dict[str, Any]:
    fact = {"id": known, "any": 1, "group": group, "key": each["key"], "count": each["count"]}
    for name in ("cents", "currency", "day"):
        if each[name] is not None:
            fact[name] = each[name]
    for name in ("first", "last"):
        if each[name] is not None:
            fact[name] = str(each[name])
    return fact


def _fits(symptom: Symptom) -> pl.Expr:
    tests: Iterable[tuple[str, tuple[str, ...]]] = (
        ("kind", symptom.kinds), ("stage", symptom.stages), ("entity", symptom.entities), ("field", symptom.fields),
    )  # fmt: skip
    return pl.all_horizontal(pl.col(column).is_in(list(words)).fill_null(value=False) for column, words in tests if words)
