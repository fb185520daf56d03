"""Flow policies: which system tells which, of what, how soon, and how much it matters."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Literal

import pydantic

from engine.canonical.schema import ENTITIES
from engine.diagnostics import Diagnostic
from engine.policy import codes
from engine.policy.kinds.base import PolicyFile, RulePlace, Severity, Strict, refuse_where
from engine.policy.names import near
from engine.policy.sheets import Sheet
from engine.policy.source import Document

_SPAN = re.compile(r"(\d+)\s+(seconds?|minutes?|hours?|days?)\Z")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}


class Latency(pydantic.BaseModel):
    """How long a fact may take from one system to the other."""

    model_config = pydantic.ConfigDict(frozen=True)

    WRITTEN: ClassVar[tuple[dict[str, Any], ...]] = (
        {"type": "string", "pattern": r"^\s*\d+\s+(seconds?|minutes?|hours?|days?)\s*$"},
    )  # fmt: skip
    """The short forms an author may write, as JSON Schemas."""

    seconds: int

    @pydantic.model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return value
        match = _SPAN.match(str(value).strip())
        if match is None:
            raise ValueError("write a latency as '15 minutes', '4 hours' or '1 day'")
        return {"seconds": int(match[1]) * _SECONDS[match[2].rstrip("s")]}


class Flow(Strict):
    """Say how one system hears of an entity from another.

    `expects` says whether every new record of the sender, or every changed one too, must have sent
    an event. `criticality` is the severity of an event that failed.
    """

    id: str
    sender: str = pydantic.Field(alias="from")
    receiver: str = pydantic.Field(alias="to")
    entity: str
    criticality: Severity = "medium"
    pattern: Literal["event", "batch", "request"] = "event"
    within: Latency
    expects: Literal["created", "changed", "nothing"] = "nothing"
    owner: str | None = None
    says: str


class FlowPolicy(PolicyFile):
    """Every integration between the systems."""

    policy: Literal["flow"]
    flows: tuple[Flow, ...]


def check_flow(policy: FlowPolicy, document: Document, _: Sheet | None) -> list[Diagnostic]:
    """Check the entities and ids of the flows; one pair of systems has one flow an entity."""
    found = refuse_where(policy, document)
    ids: set[str] = set()
    ways: set[tuple[str, str, str]] = set()
    for index, flow in enumerate(policy.flows):
        place = ("flows", index)
        if flow.entity not in ENTITIES:
            message = f"'{flow.entity}' is no canonical entity{near(flow.entity, ENTITIES)}"
            found.append(document.diagnostic(codes.UNKNOWN_ENTITY, (*place, "entity"), message))
        if flow.sender == flow.receiver:
            message = f"the flow leads from {flow.sender} to itself"
            found.append(document.diagnostic(codes.INVALID_VALUE, (*place, "to"), message))
        way = (flow.sender, flow.receiver, flow.entity)
        if flow.id in ids or way in ways:
            what = f"the flow id '{flow.id}'" if flow.id in ids else f"the flow of {flow.entity} from {flow.sender} to {flow.receiver}"
            found.append(document.diagnostic(codes.DUPLICATE_ID, (*place, "id"), f"{what} is given twice"))
        ids.add(flow.id)
        ways.add(way)
    return found


def flow_rules(policy: FlowPolicy, document: Document, _: Sheet | None) -> list[RulePlace]:
    """Return every flow with its place and sentence."""
    return [RulePlace(each.id, document.span_of(("flows", index)), each.says, policy.reference) for index, each in enumerate(policy.flows)]
