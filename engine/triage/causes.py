"""Causes out of conclusions: every finding gets exactly one, with the chain that leads to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.findings import FINDING_SCHEMA, SEVERITIES, finish_findings, severity_rank
from engine.hashing import SEPARATOR
from engine.policy.kinds.triage import TriageRule
from engine.triage.rollup import Conclusion, Gathered, Policies
from engine.triage.rules import Concluded

CAUSE_SCHEMA: Final[dict[str, pl.DataType]] = {
    "cause_id": pl.String(), "cause": pl.String(), "rule": pl.String(), "severity": pl.String(), "entity": pl.String(),
    "entity_id": pl.String(), "contract_id": pl.String(), "owner": pl.String(), "remedy": pl.String(), "findings": pl.Int64(),
    "amounts": pl.List(pl.Struct({"currency": pl.String(), "amount": MONEY})), "symptoms": pl.List(pl.String()),
    "chain": pl.List(pl.String()), "message": pl.String(),
}  # fmt: skip
"""Columns of `causes.parquet`. `cause_id` is the finding that is the cause; `symptoms` are the findings it
explains, itself left out; `amounts` count the same money once: of each kind of finding the sum, of the kinds the largest."""

_ENTITIES: Final = {"system": "source", "file": "file", "rule": "rule", "owner": "owner"}


@dataclass(frozen=True, slots=True)
class Caused:
    """Hold all findings with their causes, and the causes."""

    findings: pl.DataFrame
    causes: pl.DataFrame


@dataclass(frozen=True, slots=True)
class _Link:
    """Say that a finding is explained by another, and by which rule."""

    head: str
    explained: str
    rule: TriageRule
    gathered: bool

    @property
    def order(self) -> tuple[int, str, str, str]:
        return (self.rule.priority, self.rule.id, self.head, self.explained)


@dataclass(slots=True)
class _Forest:
    """Hold for each explained finding the link that explains it; there is no circle."""

    parent: dict[str, _Link] = field(default_factory=dict)

    def top(self, finding: str) -> str:
        while finding in self.parent:
            finding = self.parent[finding].head
        return finding

    def grow(self, links: Iterable[_Link]) -> None:
        """Take links in their order: the first that explains a finding wins, and none closes a circle."""
        for link in sorted(links, key=lambda each: each.order):
            if link.explained not in self.parent and link.head != link.explained and self.top(link.head) != link.explained:
                self.parent[link.explained] = link


def causes_of(findings: pl.DataFrame, gathered: Gathered, concluded: Sequence[Concluded], policies: Policies) -> Caused:
    """Return every finding with `cause_id` and `cause_rule`, the findings triage made, and the causes."""
    rows = {each["finding_id"]: each for each in findings.to_dicts()} if concluded else {}
    made = _made(gathered, concluded, rows)
    links = _links(gathered, concluded, {fact: frame["finding_id"][0] for fact, frame in made.items()})
    forest, heads = _settled(links)
    kept = [frame for frame in made.values() if frame["finding_id"][0] in heads]
    whole = finish_findings(findings, *kept)
    pairs = {each: forest.top(each) for each in (*forest.parent, *heads)}
    first: dict[str, str] = {}
    for link in sorted(forest.parent.values(), key=lambda each: each.order):
        first.setdefault(link.head, link.rule.id)
    rules = {each: forest.parent[each].rule.id if each in forest.parent else first.get(each) for each in pairs}
    known = pl.DataFrame(
        {"finding_id": list(pairs), "cause_id": list(pairs.values()), "cause_rule": list(rules.values())},
        schema={"finding_id": pl.String(), "cause_id": pl.String(), "cause_rule": pl.String()},
    )
    whole = whole.drop("cause_id", "cause_rule").join(known, on="finding_id", how="left", maintain_order="left")
    whole = whole.with_columns(pl.coalesce("cause_id", "finding_id").alias("cause_id")).select(list(FINDING_SCHEMA))
    return Caused(whole, _causes(whole, forest, {rule.id: rule for _, policy in policies for rule in policy.rules}))


def _settled(links: list[_Link]) -> tuple[_Forest, set[str]]:
    """Return the forest after what gathers too few findings has let go of them, and the heads that stay."""
    dropped: set[str] = set()
    while True:
        forest = _Forest()
        forest.grow(each for each in links if each.head not in dropped)
        counts: dict[str, int] = {}
        for link in forest.parent.values():
            counts[link.head] = counts.get(link.head, 0) + 1
        least = {each.head: each.rule.gather.at_least for each in links if each.rule.gather is not None}
        fallen = {head for head, number in least.items() if head not in dropped and counts.get(head, 0) < number}
        if not fallen:
            return forest, {each for each in counts if each not in dropped}
        dropped |= fallen


def _links(gathered: Gathered, concluded: Sequence[Concluded], made: dict[str, str]) -> list[_Link]:
    found: dict[tuple[str, str, str], _Link] = {}
    for each in concluded:
        rule = each.conclusion.rule
        for head in [made[each.explained]] if each.start is None else _findings(each.start, gathered, made):
            for explained in _findings(each.explained, gathered, made):
                found.setdefault((head, explained, rule.id), _Link(head, explained, rule, each.start is None))
    return list(found.values())


def _findings(fact: str, gathered: Gathered, made: dict[str, str]) -> tuple[str, ...]:
    if not fact.startswith("cause "):
        return gathered.members[fact]
    name = fact.split(" ")[1]
    return (made.get(name, name),)


def _made(gathered: Gathered, concluded: Sequence[Concluded], rows: dict[str, dict[str, Any]]) -> dict[str, pl.DataFrame]:
    """Return by fact the finding that triage makes of the findings it gathers."""
    keys = {each["id"]: each["key"] for each in gathered.facts}
    made: dict[str, pl.DataFrame] = {}
    for each in concluded:
        if each.start is None:
            members = [rows[name] for name in gathered.members[each.explained]]
            made[each.explained] = finish_findings(_gathering(each.conclusion, keys[each.explained], members))
    return made


def _gathering(conclusion: Conclusion, key: str, members: list[dict[str, Any]]) -> pl.DataFrame:
    rule = conclusion.rule
    assert rule.gather is not None, "only rules that gather make findings"
    shared = dict(zip(rule.gather.per, key.split(SEPARATOR), strict=True))
    named = next((name for name in shared if name not in ("period", "day", "field")), rule.gather.per[0])
    entity, entity_id = _ENTITIES.get(named, named), shared[named]
    if named == "record":
        entity, _, entity_id = entity_id.partition(" ")
    contracts = {each["contract_id"] for each in members}
    currencies, amounts = {each["currency"] for each in members}, [each["amount_at_risk"] for each in members]
    total = sum(map(abs, amounts), Decimal(0)) if len(currencies) == 1 and None not in amounts else None
    told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in shared.items())
    row = {
        "stage": "triage", "kind": rule.cause, "rule": rule.id, "severity": rule.severity or _worst(members), "entity": entity,
        "entity_id": entity_id, "contract_id": contracts.pop() if len(contracts) == 1 else None,
        "systems": sorted({name for each in members for name in each["systems"] or ()}),
        "field": shared.get("field"), "period": shared.get("period"), "amount_at_risk": total,
        "currency": currencies.pop() if len(currencies) == 1 else None,
        "since": min((each["since"] for each in members if each["since"] is not None), default=None),
        "message": f"{len(members)} findings share {told}: {rule.says}.", "remedy": rule.remedy, "owner": rule.owner,
        "evidence": sorted({place for each in members for place in (each["evidence"] or ())[:1]}),
        "policy_fingerprint": conclusion.loaded.fingerprint,
    }  # fmt: skip
    return pl.DataFrame([row], schema=FINDING_SCHEMA)


def _worst(members: list[dict[str, Any]]) -> str:
    return SEVERITIES[max(severity_rank(each["severity"]) for each in members)]


def _causes(findings: pl.DataFrame, forest: _Forest, rules: dict[str, TriageRule]) -> pl.DataFrame:
    """Return one row for each finding that explains itself, with what it explains."""
    rank = pl.col("severity").replace_strict(list(SEVERITIES), list(range(len(SEVERITIES))), return_dtype=pl.Int8)
    grouped = findings.group_by("cause_id").agg(
        pl.col("finding_id").filter(pl.col("finding_id") != pl.col("cause_id")).sort().alias("symptoms"),
        (pl.col("stage") != "triage").sum().cast(pl.Int64).alias("findings"),
        rank.max().replace_strict(list(range(len(SEVERITIES))), list(SEVERITIES), return_dtype=pl.String).alias("worst"),
    )
    heads = findings.filter(pl.col("finding_id") == pl.col("cause_id")).drop("severity")
    joined = heads.join(grouped, on="cause_id", how="left").join(_amounts(findings), on="cause_id", how="left")
    chains = _chains(findings, forest, rules)
    owner, remedy = ({name: getattr(rule, part) for name, rule in rules.items() if getattr(rule, part)} for part in ("owner", "remedy"))
    rows = joined.with_columns(
        pl.col("kind").alias("cause"), pl.col("cause_rule").alias("rule"), pl.col("worst").alias("severity"),
        pl.coalesce(_of_rule(owner), "owner").alias("owner"), pl.coalesce(_of_rule(remedy), "remedy").alias("remedy"),
        pl.col("cause_id").replace_strict(chains, default=None, return_dtype=pl.List(pl.String)).alias("chain")
        if chains else pl.lit(None, dtype=pl.List(pl.String())).alias("chain"),
        pl.col("amounts").fill_null(pl.lit([], dtype=CAUSE_SCHEMA["amounts"])),
    )  # fmt: skip
    # A cause by a rule is told under the cause's name; a lone finding under its kind.
    named = {name: rule.cause for name, rule in rules.items()}
    no_chain = pl.lit([], dtype=pl.List(pl.String()))
    rows = rows.with_columns(pl.coalesce(_of_rule(named), "cause").alias("cause"), pl.col("chain").fill_null(no_chain))
    return rows.select(pl.col(name).cast(dtype) for name, dtype in CAUSE_SCHEMA.items()).sort("cause_id")


def _of_rule(values: dict[str, Any]) -> pl.Expr:
    if not values:
        return pl.lit(None, dtype=pl.String)
    return pl.col("cause_rule").replace_strict(values, default=None, return_dtype=pl.String)


def _amounts(findings: pl.DataFrame) -> pl.DataFrame:
    """Return the money of each cause by currency: of each kind the sum, of the kinds the largest."""
    told = findings.filter((pl.col("stage") != "triage") & pl.col("amount_at_risk").is_not_null())
    by_kind = told.group_by("cause_id", "currency", "kind").agg(pl.col("amount_at_risk").abs().sum().cast(MONEY).alias("amount"))
    largest = by_kind.group_by("cause_id", "currency").agg(pl.col("amount").max()).sort("cause_id", "currency", nulls_last=True)
    return largest.group_by("cause_id", maintain_order=True).agg(pl.struct("currency", "amount").alias("amounts"))


def _chains(findings: pl.DataFrame, forest: _Forest, rules: dict[str, TriageRule]) -> dict[str, list[str]]:
    """Return by cause the steps that led to its findings: rule, from what, to how many of what."""
    if not forest.parent:
        return {}
    names = {each[0]: f"{each[1]} of {each[2].replace('_', ' ')} {each[3]}" for each in findings.select(
        "finding_id", "kind", pl.col("entity").fill_null("run"), pl.col("entity_id").fill_null("")).iter_rows()}  # fmt: skip
    kinds = dict(findings.select("finding_id", "kind").iter_rows())
    steps: dict[str, dict[tuple[str, str, str], int]] = {}
    for explained, link in sorted(forest.parent.items()):
        step = (link.rule.id, link.head, kinds[explained])
        counted = steps.setdefault(forest.top(explained), {})
        counted[step] = counted.get(step, 0) + 1
    return {cause: [_step(step, count, names, rules) for step, count in sorted(counted.items())] for cause, counted in steps.items()}


def _step(step: tuple[str, str, str], count: int, names: dict[str, str], rules: dict[str, TriageRule]) -> str:
    rule, head, kind = step
    return f"{rule} ({rules[rule].says}): {names[head]} explains {count} of {kind}"
