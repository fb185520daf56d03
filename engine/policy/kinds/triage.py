"""Triage policies: which findings are symptoms, and of what; one cause with one owner and one remedy."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic

from engine.diagnostics import Diagnostic
from engine.findings import STAGES
from engine.policy import codes
from engine.policy.kinds.base import PolicyFile, RulePlace, Severity, Strict, Words, as_tuple, refuse_where
from engine.policy.names import near
from engine.policy.sheets import Sheet
from engine.policy.source import Document, Location

Dimension = Literal[
    "finding", "record", "contract", "project", "customer", "legal_entity", "system", "file", "period", "month", "day",
    "field", "owner", "rule",
]
"""What findings can share: `record` is either side a finding is about, `file` every file of its evidence,
`day` the day it began, `month` the calendar month of that day."""


Dimensions = Annotated[tuple[Dimension, ...], pydantic.BeforeValidator(as_tuple)]


class Symptom(Strict):
    """Say which findings are meant: those that fit every list given."""

    kinds: Words = ()
    stages: Words = ()
    entities: Words = ()
    fields: Words = ()

    @pydantic.model_validator(mode="after")
    def _something(self) -> Symptom:
        if not (self.kinds or self.stages or self.entities or self.fields):
            raise ValueError("a symptom names kinds, stages, entities or fields")
        return self


class Root(Strict):
    """Name the finding that is the cause itself, or a cause that another rule concludes."""

    symptom: str | None = None
    cause: str | None = None

    @pydantic.model_validator(mode="after")
    def _one(self) -> Root:
        if (self.symptom is None) == (self.cause is None):
            raise ValueError("name either a symptom or a cause")
        return self


class Explained(Root):
    """Say what the cause explains: findings, or another cause, that share everything in `same` with it.

    `after` asks that they began later than the cause; `amount: equal` that their money is the cause's
    to the cent; `at_least` how many of them there must be. With `one_each` every cause explains one of them, in their
    order, and none where there are more of them than causes: which of them would be left over is not known.
    """

    same: Dimensions
    after: bool = False
    amount: Literal["any", "equal"] = "any"
    at_least: int = pydantic.Field(default=1, ge=1)
    one_each: bool = False

    @pydantic.model_validator(mode="after")
    def _findings_counted(self) -> Explained:
        if self.one_each and (self.symptom is None or self.at_least > 1 or self.after):
            raise ValueError("`one_each` counts findings of a symptom; it goes with neither `cause`, `at_least` nor `after`")
        return self


class Gathered(Strict):
    """Say which findings have a cause of their own because so many share the same."""

    symptom: str
    per: Dimensions
    at_least: int = pydantic.Field(default=2, ge=2)


class TriageRule(Strict):
    """One conclusion from findings to their cause.

    With `root` the cause is a finding, and explains others. With `gather` it is what many findings
    share: a finding of the stage triage is made of it, of its kind `cause`. A lower `priority` is
    tried first; a finding has one cause.
    """

    id: str = pydantic.Field(pattern=r"^[A-Za-z][A-Za-z0-9-]*$")
    cause: str = pydantic.Field(pattern=r"^[a-z][a-z0-9_]*$")
    says: str
    root: Root | None = None
    gather: Gathered | None = None
    explains: tuple[Explained, ...] = ()
    priority: int = pydantic.Field(default=100, ge=0)
    owner: str | None = None
    remedy: str | None = None
    severity: Severity | None = None
    reference: str | None = None

    @pydantic.model_validator(mode="after")
    def _one_start(self) -> TriageRule:
        if (self.root is None) == (self.gather is None):
            raise ValueError("a rule has either `root` or `gather`")
        if self.root is not None and not self.explains:
            raise ValueError("a rule with a `root` says what it explains")
        if self.gather is not None and (self.explains or self.owner is None or self.remedy is None):
            raise ValueError("a rule that gathers names owner and remedy, and explains only what it gathers")
        if self.root is not None and self.root.cause is not None and self.root.cause != self.cause:
            raise ValueError("a rule that begins with a cause adds to that cause: `cause` and `root` name the same one")
        return self


class TriagePolicy(PolicyFile):
    """Findings to causes; all triage policies in force make one set of rules."""

    policy: Literal["triage"]
    symptoms: dict[str, Symptom]
    rules: tuple[TriageRule, ...]


def check_triage(policy: TriagePolicy, document: Document, _: Sheet | None) -> list[Diagnostic]:
    """Check a file by itself: ids, symptoms that rules name, words of stages."""
    found = refuse_where(policy, document)
    for name, symptom in policy.symptoms.items():
        for stage in symptom.stages:
            if stage not in STAGES:
                message = f"'{stage}' is no stage{near(stage, STAGES)}; the stages are {', '.join(STAGES)}"
                found.append(document.diagnostic(codes.INVALID_VALUE, ("symptoms", name, "stages"), message))
    seen: set[str] = set()
    used: set[str] = set()
    for index, rule in enumerate(policy.rules):
        if rule.id in seen:
            found.append(document.diagnostic(codes.DUPLICATE_ID, ("rules", index, "id"), f"the rule id '{rule.id}' is given twice"))
        seen.add(rule.id)
        for place, name in named_symptoms(rule, ("rules", index)):
            used.add(name)
            if name not in policy.symptoms:
                message = f"there is no symptom '{name}'{near(name, policy.symptoms)}"
                found.append(document.diagnostic(codes.UNKNOWN_SYMPTOM, place, message))
    for name in policy.symptoms:
        if name not in used:
            message = f"no rule speaks of the symptom '{name}'"
            found.append(document.diagnostic(codes.SYMPTOM_NOT_USED, ("symptoms", name), message, prefer_key=True))
    return found


def named_symptoms(rule: TriageRule, place: Location) -> list[tuple[Location, str]]:
    """Return every symptom a rule names with its place."""
    found: list[tuple[Location, str]] = []
    if rule.root is not None and rule.root.symptom is not None:
        found.append(((*place, "root", "symptom"), rule.root.symptom))
    if rule.gather is not None:
        found.append(((*place, "gather", "symptom"), rule.gather.symptom))
    for index, each in enumerate(rule.explains):
        if each.symptom is not None:
            found.append(((*place, "explains", index, "symptom"), each.symptom))
    return found


def triage_rules(policy: TriagePolicy, document: Document, _: Sheet | None) -> list[RulePlace]:
    """Return every rule with its place and sentence."""
    return [
        RulePlace(each.id, document.span_of(("rules", index)), each.says, each.reference or policy.reference)
        for index, each in enumerate(policy.rules)
    ]
