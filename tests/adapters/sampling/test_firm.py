from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from adapters.sampling import Firm, FirmOptions, simulate_firm
from adapters.sampling.claims import CLAIMS
from adapters.sampling.draws import Draws
from engine.canonical.schema import PROVENANCE, entity_spec

# SplitMix64 from the first eight bytes of SHA-256("1:x"), computed once.
DRAWN = [297, 286, 50, 715, 125]


def test_draws_are_the_same_on_every_machine() -> None:
    assert Draws(1).many("x", 5, 0, 1000).tolist() == DRAWN
    assert Draws(1).many("x", 2, 0, 1000).tolist() == DRAWN[:2]
    assert Draws(2).many("x", 5, 0, 1000).tolist() != DRAWN


def test_the_same_options_give_the_same_records() -> None:
    options = FirmOptions(contracts=25, nights=2)
    first, second = simulate_firm(options), simulate_firm(options)
    assert_frame_equal(first.expected_findings, second.expected_findings)
    for one, other in zip(first.nights, second.nights, strict=True):
        for system, records in one.systems.items():
            for entity in records:
                assert_frame_equal(records[entity], other.systems[system][entity])


def test_another_seed_gives_another_firm() -> None:
    one = simulate_firm(FirmOptions(contracts=5, seed=1)).frames["time_entry"]
    other = simulate_firm(FirmOptions(contracts=5, seed=2)).frames["time_entry"]
    assert not one.equals(other)


def test_exports_hold_canonical_columns_in_canonical_types(firm: Firm) -> None:
    for system, records in firm.nights[-1].systems.items():
        for entity in records:
            spec = entity_spec(entity)
            frame = records[entity]
            for name, dtype in frame.schema.items():
                field = spec.fields.get(name) or PROVENANCE[name]
                assert dtype == field.dtype, f"{system} {entity} {name}"
            assert tuple(frame.columns) == CLAIMS[system][entity]


def test_keys_are_given_and_unique(firm: Firm) -> None:
    for system, records in firm.nights[-1].systems.items():
        for entity in records:
            key = records[entity].select(entity_spec(entity).display_key().alias("key"))["key"]
            assert key.null_count() == 0, f"{system} {entity}"
            assert key.is_duplicated().sum() == 0, f"{system} {entity}"


def test_enum_values_are_canonical(firm: Firm) -> None:
    for system, records in firm.nights[-1].systems.items():
        for entity in records:
            frame = records[entity]
            for name, field in entity_spec(entity).fields.items():
                if field.values and name in frame.columns:
                    unknown = set(frame[name].drop_nulls().unique()) - set(field.values)
                    assert not unknown, f"{system} {entity} {name}"


def test_every_reference_leads_to_a_record(firm: Firm) -> None:
    night = firm.nights[-1]
    known: dict[str, set[str]] = {}
    for records in night.systems.values():
        for entity in records:
            keys = entity_spec(entity).keys
            if len(keys) == 1:
                known.setdefault(entity, set()).update(records[entity][keys[0]].to_list())
    # A line that an amendment adds stands in the amendment alone.
    known["contract_line"].update(night.systems["crm"]["amendment_line"]["contract_line_id"].drop_nulls().to_list())
    for system, records in night.systems.items():
        for entity in records:
            frame = records[entity]
            for name, target in entity_spec(entity).references.items():
                if name in frame.columns:
                    orphans = set(frame[name].drop_nulls().unique()) - known[target]
                    assert not orphans, f"{system} {entity} {name}: {sorted(orphans)[:3]}"


def test_nights_are_consecutive_and_end_on_the_day_asked_for(firm: Firm) -> None:
    as_of = firm.options.as_of
    assert [night.date for night in firm.nights] == [as_of - dt.timedelta(days=back) for back in (2, 1, 0)]


def test_a_night_knows_nothing_of_the_days_after(firm: Firm) -> None:
    for night in firm.nights:
        for system, records in night.systems.items():
            for entity in records:
                frame = records[entity]
                for name in set(frame.columns) & {"recorded_at", "submitted_at", "approved_at", "posted_at", "closed_at"}:
                    late = frame.filter(pl.col(name) > night.extracted_at).height
                    assert late == 0, f"{night.date} {system} {entity} {name}"
                for name in set(frame.columns) & {"accepted_date", "activated_date", "fully_paid_date", "recognized_date"}:
                    assert frame.filter(pl.col(name) > night.date).height == 0, f"{night.date} {system} {entity} {name}"


def test_a_record_once_known_is_known_on_the_next_night(firm: Firm) -> None:
    for before, after in zip(firm.nights, firm.nights[1:], strict=False):
        for system, records in before.systems.items():
            for entity in records:
                key = entity_spec(entity).display_key().alias("key")
                lost = set(records[entity].select(key)["key"]) - set(after.systems[system][entity].select(key)["key"])
                assert not lost, f"{after.date} {system} {entity}"


def test_the_nights_differ_as_work_goes_on(firm: Firm) -> None:
    heights = [night.systems["psa"]["time_entry"].height for night in firm.nights]
    assert heights[0] < heights[1]
    invoices = [night.systems["billing"]["invoice"].height for night in firm.nights]
    assert invoices[1] < invoices[2]
    first = firm.nights[0].systems["psa"]["time_entry"]["status"].unique().to_list()
    assert {"draft", "approved"} <= set(first)


@pytest.mark.parametrize("wanted", [1_500, 60_000])
def test_the_number_of_time_entries_comes_close_to_what_was_asked(wanted: int) -> None:
    made = simulate_firm(FirmOptions(entries=wanted, nights=1)).frames["time_entry"].height
    assert abs(made - wanted) <= wanted // 20


@pytest.mark.parametrize("options", [FirmOptions(contracts=1), FirmOptions(contracts=3, months=1, nights=1), FirmOptions(months=2)])
def test_a_small_firm_is_a_firm_too(options: FirmOptions) -> None:
    firm = simulate_firm(options)
    assert firm.nights[-1].systems["crm"]["contract"].height == options.contracts
    assert firm.nights[-1].systems["psa"]["time_entry"].height > 0


@pytest.mark.parametrize("wrong", [{"contracts": 0}, {"months": 0}, {"nights": 0}, {"entries": 0}])
def test_numbers_that_make_no_firm_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be 1 or more"):
        FirmOptions(**wrong)  # type: ignore[arg-type]
