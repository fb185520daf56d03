"""The canonical model says what CANONICAL.md says, exactly, and derives its schemas from that."""

from __future__ import annotations

import datetime as dt
import os
import re
from decimal import Decimal
from pathlib import Path

import jsonschema
import polars as pl
import pydantic
import pytest

from engine.canonical import ENTITIES, PROVENANCE, SCHEMA_VERSION, EntitySpec, entity_spec
from engine.canonical.billing import Invoice
from engine.canonical.kinds import Kind, is_decimal
from engine.canonical.observed import IntegrationEvent
from engine.canonical.schema import check_schema_version, empty_frame, json_schema

ROOT = Path(__file__).parents[3]

EVERY_ENTITY = [pytest.param(spec, id=name) for name, spec in ENTITIES.items()]


@pytest.fixture(scope="module")
def design() -> str:
    page = Path(os.environ.get("TIEOUT_SHARED", ROOT.parent / "shared")) / "CANONICAL.md"
    if not page.is_file():
        pytest.skip(f"{page} is not at hand (set TIEOUT_SHARED)")
    return page.read_text(encoding="utf-8")


def stated_entities(page: str) -> dict[str, list[tuple[str, bool]]]:
    """Read the page's table: by entity its fields in order and whether each is a key."""
    found: dict[str, list[tuple[str, bool]]] = {}
    for heads, cell in re.findall(r"^\| (`\w+`[^|]*) \| (.+) \|$", page, re.MULTILINE):
        body = cell
        while "(" in body:
            body = re.sub(r"\([^()]*\)", "", body)
        fields = [re.match(r"\s*(\w+)(\**)", part) for part in re.split(r",|;| or |the \*\*values after\*\*[^:]*:", body)]
        named = [(each[1], each[2] == "*") for each in fields if each and each[1] not in ("then", "as")]
        found[re.findall(r"`(\w+)`", heads)[0]] = named
    return found


def test_every_entity_and_field_of_the_design_is_there_in_its_order(design: str) -> None:
    stated = stated_entities(design)
    bill = stated.pop("bill")  # "as invoice with …": compared below
    assert len(stated) >= 36
    assert ("is_principal", False) in bill
    for name, fields in stated.items():
        have = list(entity_spec(name).fields)
        names = [each for each, _ in fields]
        assert [each for each in have if each in names] == list(dict.fromkeys(names)), name
        assert entity_spec(name).keys == tuple(each for each, is_key in fields if is_key), name


def test_bills_read_like_invoices() -> None:
    def without(name: str, *dropped: str) -> list[str]:
        return [each for each in entity_spec(name).fields if each not in dropped]

    assert without("bill", "bill_id", "vendor_id", "is_principal") == without("invoice", "invoice_id")
    own = ("bill_line_id", "bill_id", "vendor_id", "kind", "is_principal")
    assert without("bill_line", *own) == without("invoice_line", "invoice_line_id", "invoice_id")


ADDED_FIELDS = {
    "contract": "criteria_met_date ceiling_amount financing_exclusion exit_penalty cap_amount",
    "contract_line": "billing_method price_period anchor_day service_start_at service_end_at cash_selling_price currency "
    "list_price ssp_pct_of_list ssp_method ssp_low ssp_high variable_allocation commission_pct fee_pct fee_on_line_id "
    "repurchase_kind repurchase_price repurchase_until",
    "amendment": "is_enforceable",
    "amendment_line": "remaining_standalone_selling_price past_performance_amount",
    "variable_estimate": "contract_id quantity",
    "progress": "wasted_cost expected_breakage estimated_total_units",
    "option": "exercised_line_id start_date end_date estimated_cost exercised_quantity expected_purchase_amount",
    "payment": "contract_id",
    "billing_plan_line": "is_retention",
    "contract_cost": "governed_by paid_date",
    "variable_outcome": "outcome_id estimate_id amount probability_pct",
    "price_tier": "tier_id contract_line_id from_quantity to_quantity unit_price is_retrospective",
    "funding_source": "funding_source_id contract_id name limit_amount currency",
    "funding_rule": "funding_rule_id contract_id priority funding_source_id split_pct",
    "incentive_fee": "incentive_fee_id contract_line_id target_cost target_fee contractor_share_pct floor_fee ceiling_fee currency",
    "cost_estimate": "cost_estimate_id contract_line_id as_of_date kind amount currency",
    "consideration_payable": "payable_id contract_id agreed_date paid_date amount currency is_for_distinct_good description",
    "noncash_value": "noncash_value_id contract_line_id as_of_date quantity unit_fair_value currency",
}


@pytest.mark.parametrize("name", ADDED_FIELDS)
def test_the_revenue_vocabulary_is_there_after_the_fields_of_the_design(name: str) -> None:
    added = ADDED_FIELDS[name].split()
    assert list(entity_spec(name).fields)[-len(added) :] == added


@pytest.mark.parametrize("spec", EVERY_ENTITY)
def test_every_field_says_what_it_means_and_in_which_unit(spec: EntitySpec) -> None:
    assert spec.meaning.endswith(".")
    assert spec.keys
    for name, each in spec.fields.items():
        assert each.meaning.endswith("."), name
        unit = {Kind.MONEY: "currency|unit", Kind.PRICE: "currency", Kind.HOURS: "[Hh]our", Kind.PCT: "percent"}.get(each.kind)
        assert unit is None or re.search(unit, each.meaning), name


@pytest.mark.parametrize("spec", EVERY_ENTITY)
def test_references_point_at_entities_and_amounts_know_their_currency(spec: EntitySpec) -> None:
    for field, target in spec.references.items():
        assert target in ENTITIES, field
    for name, each in spec.fields.items():
        assert bool(each.currency_paths) == (each.kind in (Kind.MONEY, Kind.PRICE)), name
        for path in each.currency_paths:
            assert path_ends_in_a_text_field(spec, path), (name, path)


def path_ends_in_a_text_field(spec: EntitySpec, path: str) -> bool:
    *steps, last = path.split(".")
    for step in steps:
        assert step in spec.references.values(), step
        spec = entity_spec(step)
    return spec.fields[last].kind is Kind.TEXT


@pytest.mark.parametrize("spec", EVERY_ENTITY)
def test_no_column_is_binary_floating_point(spec: EntitySpec) -> None:
    schema = spec.polars_schema()
    assert list(schema) == [*spec.fields, *PROVENANCE]
    assert not [name for name, dtype in schema.items() if dtype.is_float()]
    assert all(schema[name].is_decimal() for name, each in spec.fields.items() if is_decimal(each.kind))
    assert empty_frame(spec.name).schema == pl.Schema(schema)


def test_each_kind_has_the_type_the_design_names() -> None:
    schema = entity_spec("time_entry").polars_schema(with_provenance=False)
    assert schema["time_entry_id"] == pl.String
    assert schema["hours"] == pl.Decimal(38, 8)
    assert schema["bill_rate"] == pl.Decimal(38, 10)
    assert schema["work_date"] == pl.Date
    assert schema["approved_at"] == pl.Datetime("us", "UTC")
    assert entity_spec("invoice").polars_schema()["net_amount"] == pl.Decimal(38, 6)
    assert entity_spec("exchange_rate").polars_schema()["rate"] == pl.Decimal(38, 12)
    assert "source_row" not in schema


def test_a_composite_key_is_written_with_bars_in_its_order() -> None:
    frame = pl.DataFrame(
        {"from_currency": ["USD"], "to_currency": ["EUR"], "rate_date": [dt.date(2026, 1, 31)], "rate_type": ["spot"]}
    )
    shown = frame.select(entity_spec("exchange_rate").display_key()).item()
    assert shown == "USD|EUR|2026-01-31|spot"


def test_an_unknown_entity_is_named_with_a_near_one() -> None:
    with pytest.raises(KeyError, match="no canonical entity 'contrct', did you mean 'contract'"):
        entity_spec("contrct")


@pytest.mark.parametrize("spec", EVERY_ENTITY)
def test_the_json_schema_is_one_and_names_every_field(spec: EntitySpec) -> None:
    schema = json_schema(spec.name)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert set(schema["properties"]) == {*spec.fields, *PROVENANCE}
    assert schema["required"] == list(spec.keys)


@pytest.mark.parametrize(
    ("record", "is_valid"),
    [
        ({"invoice_id": "I1", "net_amount": "1234.50", "kind": "invoice", "invoice_date": "2026-01-31"}, True),
        ({"invoice_id": "I1", "net_amount": 1234.5, "net_amount_": None}, False),
        ({"invoice_id": "I1", "net_amount": 1234.5, "posted_by": None}, True),
        ({"invoice_id": "I1", "net_amount": "1.234,50"}, False),
        ({"invoice_id": "I1", "kind": "bill"}, False),
        ({"invoice_id": None}, False),
        ({"net_amount": "1"}, False),
    ],
)
def test_the_json_schema_takes_and_refuses_records(record: dict[str, object], is_valid: bool) -> None:
    assert jsonschema.Draft202012Validator(json_schema("invoice")).is_valid(record) is is_valid


def test_a_record_keeps_decimals_and_refuses_binary_numbers() -> None:
    assert Invoice(invoice_id="00123", net_amount=Decimal("0.10")).net_amount == Decimal("0.10")
    with pytest.raises(pydantic.ValidationError, match="binary number"):
        Invoice.model_validate({"invoice_id": "I1", "net_amount": 0.1})
    with pytest.raises(pydantic.ValidationError, match="decimal places"):
        Invoice.model_validate({"invoice_id": "I1", "net_amount": "0.1234567"})
    with pytest.raises(pydantic.ValidationError, match="at least 1 character"):
        Invoice.model_validate({"invoice_id": "I1", "invoice_number": ""})


def test_an_event_names_its_entity_although_the_class_has_one_too() -> None:
    event = IntegrationEvent.model_validate({"event_id": "E1", "entity": "contract"})
    assert event.entity_name == "contract"
    assert event.model_dump(exclude_none=True) == {"event_id": "E1", "entity": "contract"}
    assert "entity" in entity_spec("integration_event").fields


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (SCHEMA_VERSION, None),
        ("1.7.3", None),
        ("2.0.0", "schema_version 2.0.0 is not known"),
        ("0.9.0", "schema_version 0.9.0 is not known"),
        ("1.0", "not of the form"),
        ("one", "not of the form"),
        ("", "not of the form"),
    ],
)
def test_only_the_known_major_version_is_read(text: str, problem: str | None) -> None:
    found = check_schema_version(text)
    assert found is None if problem is None else problem in (found or "")
