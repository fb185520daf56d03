"""The registry of canonical entities, and what is derived from it: Polars and JSON Schema, the page.

One place turns a pydantic model into `FieldSpec`s; everything else reads these.
"""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import polars as pl

from engine.canonical import billing, contracts, delivery, ledger, observed, parties
from engine.canonical.base import PERIOD_PATTERN, PROVENANCE_FIELDS, Record
from engine.canonical.kinds import FieldSpec, Kind, is_decimal

SCHEMA_VERSION: Final = "1.0.0"

KEY_SEPARATOR: Final = "|"


@dataclass(frozen=True, slots=True)
class EntitySpec:
    """Describe one canonical entity: its business fields in order and its key."""

    name: str
    meaning: str
    model: type[Record]
    fields: Mapping[str, FieldSpec]
    keys: tuple[str, ...]

    @property
    def references(self) -> dict[str, str]:
        """Return the entity each referring field points at."""
        return {name: spec.reference for name, spec in self.fields.items() if spec.reference is not None}

    def polars_schema(self, *, with_provenance: bool = True) -> dict[str, pl.DataType]:
        """Return the Polars types of the fields, followed by those of the provenance fields."""
        specs = {**self.fields, **(PROVENANCE if with_provenance else {})}
        return {name: spec.dtype for name, spec in specs.items()}

    def display_key(self) -> pl.Expr:
        """Return the record's id as one text: composite keys joined by `|` in their order."""
        return pl.concat_str([pl.col(name).cast(pl.String) for name in self.keys], separator=KEY_SEPARATOR)


def _unwrap(annotation: Any) -> tuple[Kind, tuple[str, ...]]:
    """Return the kind of an annotation such as `Money | None`, and an enum's values."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        inner = [each for each in typing.get_args(annotation) if each is not type(None)]
        assert len(inner) == 1, annotation
        return _unwrap(inner[0])
    if origin is typing.Literal:
        return Kind.ENUM, tuple(typing.get_args(annotation))
    for extra in getattr(annotation, "__metadata__", ()):
        if isinstance(extra, Kind):
            return extra, ()
    raise TypeError(f"the annotation {annotation!r} has no kind")


def _field_specs(model: type[Record], names: list[str]) -> dict[str, FieldSpec]:
    hints = typing.get_type_hints(model, include_extras=True)
    has_currency = "currency" in model.model_fields
    specs: dict[str, FieldSpec] = {}
    for attribute in names:
        info = model.model_fields[attribute]
        kind, values = _unwrap(hints[attribute])
        extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
        currency = extra.get("currency") or ("currency" if has_currency else None)
        name = info.alias or attribute
        is_amount = kind in (Kind.MONEY, Kind.PRICE)
        specs[name] = FieldSpec(
            name=name,
            kind=kind,
            meaning=info.description or "",
            is_key=bool(extra.get("is_key")),
            reference=typing.cast("str | None", extra.get("reference")),
            currency=typing.cast("str | None", currency) if is_amount else None,
            values=values,
            own_currency=typing.cast("str | None", extra.get("own_currency")) if is_amount else None,
        )
    return specs


def _entity(model: type[Record]) -> EntitySpec:
    names = [name for name in model.model_fields if name not in PROVENANCE_FIELDS]
    fields = _field_specs(model, names)
    keys = tuple(name for name, spec in fields.items() if spec.is_key)
    return EntitySpec(model.entity, (model.__doc__ or "").strip(), model, fields, keys)


PROVENANCE: Final[Mapping[str, FieldSpec]] = _field_specs(Record, list(PROVENANCE_FIELDS))
"""Where a record comes from; every canonical record has these after its business fields."""


def file_and_row(field: Callable[[str], pl.Expr] = pl.col) -> pl.Expr:
    """Return where a record stands, as `evidence` names it: `file:row`. `field`: gives the provenance fields, where they are no columns."""
    return pl.concat_str(field("source_file"), field("source_row").cast(pl.String), separator=":")


_MODELS: Final[tuple[type[Record], ...]] = (
    parties.Customer, parties.LegalEntity, contracts.Opportunity, contracts.Contract, contracts.ContractLine,
    contracts.Amendment, contracts.AmendmentLine, contracts.VariableEstimate, billing.BillingPlanLine,
    delivery.Usage, delivery.ContractCost, contracts.Option, delivery.Project, parties.Resource,
    delivery.Assignment, delivery.RateLine, delivery.TimeEntry, delivery.Expense, delivery.Milestone,
    delivery.Progress, billing.Invoice, billing.InvoiceLine, parties.Vendor, billing.Bill, billing.BillLine,
    billing.InvoiceLineTime, billing.Payment, billing.PaymentApplication, contracts.OpeningPosition,
    contracts.Judgement, delivery.IntercompanyRate, ledger.RevenueScheduleLine, ledger.JournalLine,
    ledger.Account, ledger.ExchangeRate, ledger.FiscalPeriod, observed.IntegrationEvent,
    observed.ReportedMetric, contracts.VariableOutcome, contracts.PriceTier, contracts.FundingSource,
    contracts.FundingRule, contracts.IncentiveFee, delivery.CostEstimate, contracts.ConsiderationPayable,
    contracts.NoncashValue,
)  # fmt: skip

ENTITIES: Final[Mapping[str, EntitySpec]] = {spec.name: spec for spec in map(_entity, _MODELS)}
"""Every canonical entity by name, in the order of docs/canonical.md."""


def entity_spec(name: str) -> EntitySpec:
    """Return an entity of the canonical model; raises KeyError with a near name when there is none."""
    spec = ENTITIES.get(name)
    if spec is None:
        near = difflib.get_close_matches(name, ENTITIES, n=1)
        raise KeyError(f"there is no canonical entity '{name}'" + (f", did you mean '{near[0]}'?" if near else ""))
    return spec


def empty_frame(name: str) -> pl.DataFrame:
    """Return a frame of the entity's columns without rows."""
    return _empty(name).clone()


@lru_cache(maxsize=256)
def _empty(name: str) -> pl.DataFrame:
    # Making forty typed columns takes longer than most of what is done with none of their rows.
    return pl.DataFrame(schema=entity_spec(name).polars_schema())


def check_schema_version(text: str) -> str | None:
    """Return why a snapshot's schema version cannot be read, or None when it can."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", text):
        return f"schema_version '{text}' is not of the form 1.0.0"
    if text.split(".", maxsplit=1)[0] != SCHEMA_VERSION.split(".")[0]:
        return f"schema_version {text} is not known; this version of Tieout reads {SCHEMA_VERSION}"
    return None


def json_schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of an entity's records."""
    spec = entity_spec(name)
    properties = {each.name: _json_property(each) for each in (*spec.fields.values(), *PROVENANCE.values())}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"tieout:{SCHEMA_VERSION}:{name}",
        "title": name,
        "description": spec.meaning,
        "type": "object",
        "properties": properties,
        "required": list(spec.keys),
        "additionalProperties": False,
    }


def _json_property(spec: FieldSpec) -> dict[str, Any]:
    nullable = [] if spec.is_key else [{"type": "null"}]
    shapes: dict[Kind, dict[str, Any]] = {
        Kind.BOOL: {"type": "boolean"},
        Kind.INT: {"type": "integer"},
        Kind.DATE: {"type": "string", "format": "date"},
        Kind.TIME: {"type": "string", "format": "date-time"},
        Kind.PERIOD: {"type": "string", "pattern": PERIOD_PATTERN},
        Kind.ENUM: {"enum": list(spec.values)},
    }
    decimal = {"type": ["string", "number"], "pattern": r"^[+-]?\d+(\.\d+)?$"}
    shape = shapes.get(spec.kind, decimal if is_decimal(spec.kind) else {"type": "string", "minLength": 1})
    body = {"anyOf": [shape, *nullable]} if nullable else shape
    return {"title": spec.name, "description": spec.meaning, **body}


def canonical_document() -> str:
    """Return docs/canonical.md: every entity with its fields, keys, references and meanings."""
    lines = [
        "# The canonical model",
        "",
        f"Schema version {SCHEMA_VERSION}. Generated from `engine/canonical/`; do not edit.",
        "A blank is null, never zero and never an empty string. `*` marks the key, `→` a reference.",
        "Money has 6 decimals, prices of one unit and quantities 10, hours and percent 8, exchange rates 12;",
        "a value with more is held, never rounded.",
        "",
        "## Every record",
        "",
        *_field_table(PROVENANCE.values()),
    ]
    for spec in ENTITIES.values():
        lines += ["", f"## {spec.name}", "", spec.meaning, "", *_field_table(spec.fields.values())]
    return "\n".join(lines) + "\n"


def _field_table(fields: typing.Iterable[FieldSpec]) -> list[str]:
    lines = ["| field | type | meaning |", "|---|---|---|"]
    for spec in fields:
        kind = f"{spec.kind}: {', '.join(spec.values)}" if spec.values else str(spec.kind)
        reference = f" → {spec.reference}" if spec.reference else ""
        places = spec.currency_paths if spec.currency_paths != ("currency",) else ()
        currency = f" ({', else '.join(places)})" if places else ""
        lines.append(f"| {spec.name}{'*' if spec.is_key else ''} | {kind}{reference}{currency} | {spec.meaning} |")
    return lines
