"""What every kind of policy file has, and the small values they share.

Unknown settings are refused. What a name means (an entity, a field, a condition) is checked by
the kind's own check, where the canonical model is known.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import pydantic

from engine.diagnostics import Diagnostic, Span
from engine.policy import codes
from engine.policy.source import Document

Severity = Literal["low", "medium", "high", "critical"]
OnFinding = Literal["finding", "ignore"]

_LAG = re.compile(r"(\d+)\s+(workdays?|days?)\Z")


class Lag(pydantic.BaseModel):
    """A permitted delay: so many workdays, or calendar days."""

    model_config = pydantic.ConfigDict(frozen=True)

    WRITTEN: ClassVar[tuple[dict[str, Any], ...]] = ({"type": "string", "pattern": r"^\s*\d+\s+(workdays?|days?)\s*$"},)
    """The short forms an author may write, as JSON Schemas."""

    count: int
    unit: Literal["workdays", "days"]

    @pydantic.model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return value
        match = _LAG.match(str(value).strip())
        if match is None:
            raise ValueError("write a delay as '2 workdays' or '10 days'")
        return {"count": int(match[1]), "unit": "workdays" if match[2].startswith("work") else "days"}


def as_tuple(value: Any) -> Any:
    """Return a text that stands where several may as the one of a list; anything else as it is."""
    return (value,) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], pydantic.BeforeValidator(as_tuple)]


class Strict(pydantic.BaseModel):
    """Refuse settings that a policy does not know."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")


class PolicyFile(Strict):
    """What every policy file has: kind, id, title, owner and the dates it is in force."""

    policy: str
    id: str = pydantic.Field(pattern=r"^[a-z][a-z0-9-]*$")
    title: str
    owner: str
    effective_from: dt.date
    effective_to: dt.date | None = None
    applies_by: str | None = None
    reference: str | None = None
    where: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class RulePlace:
    """Say where a rule is written, its sentence and its reference."""

    rule: str
    span: Span
    says: str
    reference: str | None = None


def refuse_where(policy: PolicyFile, document: Document) -> list[Diagnostic]:
    """Return the diagnostic of a condition on a policy that speaks of no entity."""
    if policy.where is None:
        return []
    message = f"a {policy.policy} policy holds for the whole run; it cannot be limited by a condition"
    return [document.diagnostic(codes.CONDITION_NOT_ALLOWED, ("where",), message)]
