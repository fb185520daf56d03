"""The shape of each kind of policy file, as finance writes it.

Unknown settings are refused. What a name means (an entity, a field, a condition) is checked in
`load.py`, where the canonical model is known.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Annotated, Any, Literal

import pydantic

Severity = Literal["low", "medium", "high", "critical"]
OnFinding = Literal["finding", "ignore"]

_LAG = re.compile(r"(\d+)\s+(workdays?|days?)\Z")


class Lag(pydantic.BaseModel):
    """A permitted delay: so many workdays, or calendar days."""

    model_config = pydantic.ConfigDict(frozen=True)

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


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], pydantic.BeforeValidator(_as_tuple)]


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")


class PolicyFile(_Strict):
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


class OwnershipRule(_Strict):
    """Say which system owns a field, which systems copy it, and what a difference means."""

    id: str
    field: str
    owner: Words
    consumers: Words = ()
    within: Lag | None = None
    tolerance: Decimal = Decimal(0)
    on_drift: OnFinding = "finding"
    severity: Severity = "medium"
    steward: str | None = None
    says: str
    reference: str | None = None
    where: str | None = None
    remedy: str | None = None


class Presence(_Strict):
    """Say in which systems a record of the owner must stand too, and how soon."""

    id: str
    consumers: Words
    within: Lag | None = None
    since: str | None = None
    severity: Severity = "high"
    steward: str | None = None
    says: str
    where: str | None = None
    remedy: str | None = None


class AmendedTotal(_Strict):
    """Say that an amended total is the total before it plus the stated change."""

    id: str
    tolerance: Decimal = Decimal(0)
    severity: Severity = "high"
    steward: str | None = None
    says: str
    remedy: str | None = None


class OwnershipPolicy(PolicyFile):
    """Source of record, field by field, for one entity."""

    policy: Literal["ownership"]
    entity: str
    match: Words = ()
    suggest_by: Words = ()
    owner_system: Words
    rules: tuple[OwnershipRule, ...] = ()
    presence: tuple[Presence, ...] = ()
    amended_total: AmendedTotal | None = None
    unauthorized_change: OnFinding = "finding"

    def conditions(self) -> list[tuple[tuple[str | int, ...], str]]:
        """Return every condition of the policy with its place."""
        found: list[tuple[tuple[str | int, ...], str]] = []
        if self.where is not None:
            found.append((("where",), self.where))
        found += [(("rules", i, "where"), each.where) for i, each in enumerate(self.rules) if each.where is not None]
        found += [(("presence", i, "where"), each.where) for i, each in enumerate(self.presence) if each.where is not None]
        return found


class Freshness(_Strict):
    """Say how old a source's export may be."""

    within: Lag
    severity: Severity = "high"


class RunPolicy(PolicyFile):
    """What a run demands: when it fails, which sources it needs, how fresh they are."""

    policy: Literal["run"]
    fail_on: Severity = "high"
    required_sources: Words = ()
    freshness: Freshness | None = None
    control_total_severity: Severity = "high"
    mapping_changed_severity: Severity = "medium"
    approved_mappings: dict[str, str] = {}


class CalendarPolicy(PolicyFile):
    """Workdays: Monday to Friday without the holidays listed."""

    policy: Literal["calendar"]
    holidays: tuple[dt.date, ...] = ()


AnyPolicy = OwnershipPolicy | RunPolicy | CalendarPolicy

POLICY_MODELS: dict[str, type[PolicyFile]] = {
    "ownership": OwnershipPolicy,
    "run": RunPolicy,
    "calendar": CalendarPolicy,
}
"""Every kind of policy by the word its files bear in `policy:`."""
