"""What every canonical record shares: where it comes from, and how fields are declared.

An entity is a frozen pydantic model; each field says its kind by its annotation (`Money`, `Id`,
…) and its meaning through `key` or `field`. `schema.py` reads both into Polars and JSON Schema.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

import pydantic

from engine.canonical.kinds import Kind

Id = Annotated[str, Kind.ID]
Text = Annotated[str, Kind.TEXT]
Period = Annotated[str, Kind.PERIOD]
Int = Annotated[int, Kind.INT]
Bool = Annotated[bool, Kind.BOOL]
Money = Annotated[Decimal, Kind.MONEY]
Price = Annotated[Decimal, Kind.PRICE]
Qty = Annotated[Decimal, Kind.QTY]
Rate = Annotated[Decimal, Kind.RATE]
Hours = Annotated[Decimal, Kind.HOURS]
Pct = Annotated[Decimal, Kind.PCT]
Date = Annotated[dt.date, Kind.DATE]
Time = Annotated[dt.datetime, Kind.TIME]


def key(meaning: str, *, reference: str | None = None) -> Any:  # noqa: ANN401 - pydantic's own idiom
    """Declare a key field: required, part of the record's identity."""
    return pydantic.Field(
        description=meaning, json_schema_extra={"is_key": True, "reference": reference}
    )


def field(
    meaning: str, *, reference: str | None = None, currency: str | None = None
) -> Any:  # noqa: ANN401 - pydantic's own idiom
    """Declare an ordinary field: may be null, which means not known.

    `currency` says where the currency of an amount stands when it is not the record's `currency`.
    """
    return pydantic.Field(
        default=None,
        description=meaning,
        json_schema_extra={"reference": reference, "currency": currency},
    )


class Record(pydantic.BaseModel):
    """One canonical record: business fields of the entity plus where they come from."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    entity: ClassVar[str] = ""

    source_system: Text | None = field("System the record was exported from (crm, psa, erp, billing, revrec, or a name the snapshot defines).")
    source_id: Text | None = field("Id of the record in that system.")
    source_file: Text | None = field("File the record was read from, relative to the snapshot.")
    source_row: Int | None = field("Line (text files) or row (sheets, arrays) in the file, from 1, as a person sees it.")
    extracted_at: Time | None = field("When the source was exported.")
    record_hash: Text | None = field("Hash over the canonical business fields; equal content, equal hash.")
    recorded_at: Time | None = field("When the fact was first known in the source; what `as known on` uses.")
    modified_at: Time | None = field("When the source last changed the record.")
    created_by: Text | None = field("Who entered the record in the source.")
    entry_mode: Literal["system", "import", "manual"] | None = field("How the record was entered.")


PROVENANCE_FIELDS: tuple[str, ...] = tuple(Record.model_fields)
