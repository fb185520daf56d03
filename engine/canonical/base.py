"""What every canonical record shares: where it comes from, and how fields are declared.

An entity is a frozen pydantic model; each field says its kind by its annotation (`Money`, `Id`,
…) and its meaning through `key` or `field`. `schema.py` reads both into Polars and JSON Schema.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

import pydantic

from engine.canonical.kinds import DECIMAL_SCALE, Kind

# Fiscal periods may run to more than twelve, so only the form is fixed.
PERIOD_PATTERN = r"^\d{4}-\d{2}$"

Id = Annotated[str, Kind.ID, pydantic.Field(min_length=1)]
Text = Annotated[str, Kind.TEXT, pydantic.Field(min_length=1)]
Period = Annotated[str, Kind.PERIOD, pydantic.Field(pattern=PERIOD_PATTERN)]
Int = Annotated[int, Kind.INT]
Bool = Annotated[bool, Kind.BOOL]
Money = Annotated[Decimal, Kind.MONEY, pydantic.Field(decimal_places=DECIMAL_SCALE[Kind.MONEY])]
Price = Annotated[Decimal, Kind.PRICE, pydantic.Field(decimal_places=DECIMAL_SCALE[Kind.PRICE])]
Qty = Annotated[Decimal, Kind.QTY, pydantic.Field(decimal_places=DECIMAL_SCALE[Kind.QTY])]
Rate = Annotated[Decimal, Kind.RATE, pydantic.Field(decimal_places=DECIMAL_SCALE[Kind.RATE])]
Hours = Annotated[Decimal, Kind.HOURS, pydantic.Field(decimal_places=DECIMAL_SCALE[Kind.HOURS])]
Pct = Annotated[Decimal, Kind.PCT, pydantic.Field(decimal_places=DECIMAL_SCALE[Kind.PCT])]
Date = Annotated[dt.date, Kind.DATE]
Time = Annotated[dt.datetime, Kind.TIME]


def key(meaning: str, *, reference: str | None = None) -> Any:
    """Declare a key field: required, part of the record's identity."""
    return pydantic.Field(description=meaning, json_schema_extra={"is_key": True, "reference": reference})


def field(
    meaning: str,
    *,
    reference: str | None = None,
    currency: str | None = None,
    own_currency: str | None = None,
    alias: str | None = None,
) -> Any:
    """Declare an ordinary field: may be null, which means not known.

    `currency` says where the currency of an amount stands when it is not the record's `currency`;
    `own_currency` names the place that wins over it where filled. `alias` is the canonical name of a
    field whose name the class needs for itself.
    """
    return pydantic.Field(
        default=None,
        alias=alias,
        description=meaning,
        json_schema_extra={"reference": reference, "currency": currency, "own_currency": own_currency},
    )


class Record(pydantic.BaseModel):
    """One canonical record: business fields of the entity plus where they come from."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", validate_by_name=True, serialize_by_alias=True, defer_build=True)

    entity: ClassVar[str] = ""

    source_system: Text | None = field(
        "System the record was exported from (crm, psa, erp, billing, revrec, or a name the snapshot defines)."
    )
    source_id: Text | None = field("Id of the record in that system.")
    source_file: Text | None = field("File the record was read from, relative to the snapshot.")
    source_row: Int | None = field(
        "Line (text files) or row (sheets, arrays) in the file, from 1, as a person sees it."
    )
    extracted_at: Time | None = field("When the source was exported, UTC.")
    record_hash: Text | None = field("Hash over the canonical business fields; equal content, equal hash.")
    recorded_at: Time | None = field("When the fact was first known in the source, UTC; what `as known on` uses.")
    modified_at: Time | None = field("When the source last changed the record, UTC.")
    created_by: Text | None = field("Who entered the record in the source.")
    entry_mode: Literal["system", "import", "manual"] | None = field("How the record was entered.")

    @pydantic.model_validator(mode="before")
    @classmethod
    def _refuse_binary_numbers(cls, values: Any) -> Any:
        """Refuse floats, which pydantic would turn into decimals that only look exact."""
        if isinstance(values, Mapping):
            for name, value in values.items():
                if isinstance(value, float):
                    raise ValueError(f"{name} is a binary number ({value}); give it as text or as a decimal")
        return values


PROVENANCE_FIELDS: tuple[str, ...] = tuple(Record.model_fields)
"""What every record carries beside its business fields, in order."""
