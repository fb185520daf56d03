"""What a run demands, and the workdays of the firm."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

import pydantic

from engine.canonical.schema import ENTITIES
from engine.diagnostics import Diagnostic
from engine.policy.codes import UNKNOWN_ENTITY
from engine.policy.kinds.base import Lag, PolicyFile, Severity, Strict, Words, refuse_where
from engine.policy.names import near
from engine.policy.sheets import Sheet
from engine.policy.source import Document


class Freshness(Strict):
    """Say how old a source's export may be."""

    within: Lag
    severity: Severity = "high"


class RunPolicy(PolicyFile):
    """What a run demands: when it fails, which sources it needs, how fresh they are.

    `approved_policies` demands that the folder is the one approved last, by anybody of the role or by a person who was signed in;
    `approved_adapters` demands the same of the mappings that the snapshot is read with. `approved_mappings` gives fingerprints by
    adapter that are held against those used, without anybody's approval.
    `required_records` gives by system the entities of which every export must have a file, with rows or with its header alone.
    `minimum_coverage` gives by folder the percentage of table rules that tests must make decide.
    """

    policy: Literal["run"]
    fail_on: Severity = "high"
    required_sources: Words = ()
    required_records: dict[str, Words] = pydantic.Field(default_factory=dict)
    freshness: Freshness | None = None
    control_total_severity: Severity = "high"
    mapping_changed_severity: Severity = "medium"
    approved_mappings: dict[str, str] = pydantic.Field(default_factory=dict)
    approved_policies: Literal["any", "signed_in"] | None = None
    approved_adapters: Literal["any", "signed_in"] | None = None
    minimum_coverage: dict[str, Annotated[int, pydantic.Field(ge=0, le=100)]] = pydantic.Field(default_factory=dict)


class CalendarPolicy(PolicyFile):
    """Workdays: Monday to Friday without the holidays listed."""

    policy: Literal["calendar"]
    holidays: tuple[dt.date, ...] = ()


def check_whole_run(policy: PolicyFile, document: Document, _: Sheet | None) -> list[Diagnostic]:
    """Check a policy that holds for the whole run: no condition can limit it."""
    return refuse_where(policy, document)


def check_run(policy: PolicyFile, document: Document, sheet: Sheet | None) -> list[Diagnostic]:
    """Check what a run demands: the records it requires are entities."""
    found = check_whole_run(policy, document, sheet)
    if isinstance(policy, RunPolicy):
        for system, entities in policy.required_records.items():
            for each in entities:
                if each not in ENTITIES:
                    message = f"'{each}' is no canonical entity{near(each, ENTITIES)}"
                    found.append(document.diagnostic(UNKNOWN_ENTITY, ("required_records", system), message))
    return found
