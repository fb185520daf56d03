"""Every expected finding has its defect in the exports, and nothing else differs from the clean firm."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from adapters.sampling import Firm, FirmOptions
from engine.canonical.schema import entity_spec

Systems = Mapping[str, Mapping[str, pl.DataFrame]]

_ZERO = Decimal(0)


def _row(systems: Systems, system: str, entity: str, key: str) -> dict[str, Any]:
    found = systems[system][entity].filter(entity_spec(entity).display_key() == key)
    assert found.height == 1, f"{system} {entity} {key}"
    return found.to_dicts()[0]


def _billed(systems: Systems, entry: str) -> pl.DataFrame:
    return systems["billing"]["invoice_line_time"].filter(pl.col("time_entry_id") == entry)


def _journal(systems: Systems, journal: str) -> pl.DataFrame:
    found = systems["erp"]["journal_line"].filter(pl.col("journal_id") == journal)
    assert found.height == 2
    return found


def _drifted(systems: Systems, entity: str, key: str) -> bool:
    copies = [records[entity].filter(pl.col(f"{entity}_id") == key) for records in systems.values() if entity in records]
    columns = {name for copy in copies for name in copy.columns} - {"recorded_at", "modified_at", "created_by"}
    stated = [{value for copy in copies if name in copy.columns for value in copy[name].to_list()} for name in sorted(columns)]
    return sum(len(values) > 1 for values in stated) == 1


def _is_unbilled(systems: Systems, key: str, as_of: dt.date, *, stale: bool) -> bool:
    entry = _row(systems, "psa", "time_entry", key)
    age = (as_of - entry["work_date"]).days
    is_due = entry["status"] == "approved" and entry["billable"] and _billed(systems, key).height == 0
    return bool(is_due) and (age > 120 if stale else 45 < age <= 120)


def _is_billed_unapproved(systems: Systems, key: str) -> bool:
    entry = _row(systems, "psa", "time_entry", key)
    return entry["status"] == "submitted" and entry["approved_at"] is None and _billed(systems, key).height == 1


def _is_below_card(systems: Systems, key: str) -> bool:
    line = _row(systems, "billing", "invoice_line", key)
    entry = systems["billing"]["invoice_line_time"].filter(pl.col("invoice_line_id") == key)["time_entry_id"][0]
    rate = _row(systems, "psa", "time_entry", entry)["bill_rate"]
    return line["unit_price"] == rate - 15 and line["net_amount"] == line["quantity"] * line["unit_price"]


def _is_over_cap(systems: Systems, key: str) -> bool:
    cap = _row(systems, "crm", "contract_line", key)["cap_amount"]
    amounts = systems["billing"]["invoice_line"].filter(pl.col("contract_line_id") == key).sort("service_start")
    months = amounts.group_by("service_start", maintain_order=True).agg(pl.col("net_amount").sum())["net_amount"].to_list()
    earned = systems["revrec"]["revenue_schedule_line"].filter(pl.col("contract_line_id") == key)["amount"].sum()
    return sum(months[:-1]) < cap < sum(months) and earned == cap


def _is_unaccepted(systems: Systems, key: str) -> bool:
    milestone = _row(systems, "psa", "milestone", key)
    billed = systems["billing"]["invoice_line"].filter(pl.col("milestone_id") == key)
    return milestone["accepted_date"] is None and milestone["status"] == "completed" and billed.height == 1


def _has_wrong_tax(systems: Systems, key: str) -> bool:
    line = _row(systems, "billing", "invoice_line", key)
    return line["tax_code"] == "EU-RC-0" and line["tax_amount"] != 0


def _is_duplicate(systems: Systems, key: str) -> bool:
    entry = _row(systems, "psa", "time_entry", key)
    names = ("resource_id", "project_id", "work_date", "hours", "note")
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.lit(entry[name])) for name in names)
    return systems["psa"]["time_entry"].filter(same).height == 2


def _is_missed(systems: Systems, key: str) -> bool:
    amendment = _row(systems, "crm", "amendment", key)
    lines = systems["revrec"]["revenue_schedule_line"].filter(pl.col("contract_id") == amendment["contract_id"])
    signed = _row(systems, "crm", "contract", str(amendment["contract_id"]))["total_value"]
    return not lines["is_catch_up"].any() and lines["amount"].sum() <= signed


def _has_late_estimate(systems: Systems, key: str) -> bool:
    """Say whether the revenue engine catches up a month after the estimate of cost was made, and then stands where it should."""
    own = pl.col("contract_line_id") == key
    reports = systems["erp"]["progress"].filter(own).sort("as_of_date")
    made = reports.filter(pl.col("estimated_total_cost") != pl.col("estimated_total_cost").first())["as_of_date"][0]
    schedule, last = systems["revrec"]["revenue_schedule_line"].filter(own), reports.to_dicts()[-1]
    caught_up = schedule.filter("is_catch_up")["recognized_date"].to_list()
    price = _row(systems, "crm", "contract_line", key)["amount"]
    off = schedule["amount"].sum() - price * last["cost_to_date"] / last["estimated_total_cost"]
    return len(caught_up) == 1 and 28 <= (caught_up[0] - made).days <= 31 and abs(off) < Decimal("0.006")


def _is_unevidenced(systems: Systems, key: str) -> bool:
    line = _row(systems, "revrec", "revenue_schedule_line", key)
    month = pl.col("work_date").dt.strftime("%Y-%m") == line["period"]
    worked = systems["psa"]["time_entry"].filter((pl.col("contract_line_id") == line["contract_line_id"]) & month)
    return line["status"] == "recognized" and line["amount"] > 0 and worked.height == 0


def _is_applied_twice(systems: Systems, key: str) -> bool:
    applied = systems["billing"]["payment_application"].filter(pl.col("payment_id") == key)
    payment = _row(systems, "billing", "payment", key)
    return applied.height == 2 and applied["amount"].sum() == 2 * payment["amount"]


def _is_unposted(systems: Systems, key: str) -> bool:
    billed, booked = (_row(systems, system, "invoice", key) for system in ("billing", "erp"))
    journal = systems["erp"]["journal_line"].filter(pl.col("source_document_id") == key)
    return billed["status"] == "posted" and booked["status"] == "draft" and journal.height == 0


def _is_keyed_wrong(systems: Systems, key: str) -> bool:
    billed, booked = (_row(systems, system, "invoice", key) for system in ("billing", "erp"))
    return booked["net_amount"] - billed["net_amount"] == 900


def _is_backdated(systems: Systems, key: str) -> bool:
    line = _journal(systems, key).to_dicts()[0]
    period = _row(systems, "erp", "fiscal_period", f"{line['legal_entity_id']}|{line['period']}")
    return period["status"] == "closed" and line["created_at"] > period["closed_at"]


def _is_unbalanced(systems: Systems, key: str) -> bool:
    lines = _journal(systems, key)
    return lines["debit"].sum() != lines["credit"].sum()


def _is_self_approved(systems: Systems, key: str) -> bool:
    lines = _journal(systems, key)
    return lines.filter(pl.col("posted_by") == pl.col("approved_by")).height == 2


def _is_manual_revenue(systems: Systems, key: str) -> bool:
    lines = _journal(systems, key)
    return lines["entry_mode"].to_list() == ["manual"] * 2 and lines["account"].to_list() == ["4000"] * 2


def _is_repeated_event(systems: Systems, key: str) -> bool:
    event = _row(systems, "warehouse", "integration_event", key)
    log = systems["warehouse"]["integration_event"]
    return log.filter((pl.col("correlation_id") == event["correlation_id"]) & (pl.col("to_system") == event["to_system"])).height == 2


def _disagrees(systems: Systems, key: str) -> bool:
    metric, _, period, dimension = key.split("|")
    told = systems["warehouse"]["reported_metric"].filter(
        (pl.col("metric") == metric) & (pl.col("period") == period) & (pl.col("dimension") == dimension)
    )
    return told["value"].n_unique() == 2


def _is_late(systems: Systems, key: str) -> bool:
    project = _row(systems, "psa", "project", key)
    return (project["activated_date"] - project["start_date"]).days > 30


def _is_wrong_total(systems: Systems, key: str) -> bool:
    amendment = systems["crm"]["amendment"].filter(pl.col("contract_id") == key).to_dicts()[0]
    return bool(amendment["total_after"] != _row(systems, "crm", "contract", key)["total_value"] + amendment["amount_change"])


AS_OF = FirmOptions().as_of

CHECKS: dict[str, Callable[[Systems, str, str], bool]] = {
    "value_drift": _drifted,
    "unauthorized_change": _drifted,
    "missing_in_consumer": lambda systems, _, key: key not in systems["billing"]["contract"]["contract_id"].to_list(),
    "late_activation": lambda systems, _, key: _is_late(systems, key),
    "amended_total_mismatch": lambda systems, _, key: _is_wrong_total(systems, key),
    "over_cap": lambda systems, _, key: _is_over_cap(systems, key),
    "not_billed": lambda systems, _, key: _is_unbilled(systems, key, AS_OF, stale=False),
    "stale_unbilled": lambda systems, _, key: _is_unbilled(systems, key, AS_OF, stale=True),
    "billed_twice": lambda systems, _, key: _billed(systems, key)["invoice_line_id"].n_unique() == 2,
    "billed_unapproved": lambda systems, _, key: _is_billed_unapproved(systems, key),
    "rate_below_card": lambda systems, _, key: _is_below_card(systems, key),
    "milestone_not_accepted": lambda systems, _, key: _is_unaccepted(systems, key),
    "expense_without_receipt": lambda systems, _, key: _row(systems, "psa", "expense", key)["has_receipt"] is False,
    "wrong_tax_code": lambda systems, _, key: _has_wrong_tax(systems, key),
    "duplicate_time_entry": lambda systems, _, key: _is_duplicate(systems, key),
    "self_approved_time": lambda systems, _, key: (
        len({_row(systems, "psa", "time_entry", key)[name] for name in ("approved_by", "resource_id")}) == 1
    ),
    "missed_amendment": lambda systems, _, key: _is_missed(systems, key),
    "schedule_differs": lambda systems, _, key: _has_late_estimate(systems, key),
    "recognition_without_evidence": lambda systems, _, key: _is_unevidenced(systems, key),
    "payment_applied_twice": lambda systems, _, key: _is_applied_twice(systems, key),
    "invoice_not_posted": lambda systems, _, key: _is_unposted(systems, key),
    "invoice_amount_mismatch": lambda systems, _, key: _is_keyed_wrong(systems, key),
    "unbalanced_journal": lambda systems, _, key: _is_unbalanced(systems, key),
    "self_approved_journal": lambda systems, _, key: _is_self_approved(systems, key),
    "backdated_journal": lambda systems, _, key: _is_backdated(systems, key),
    "manual_revenue_journal": lambda systems, _, key: _is_manual_revenue(systems, key),
    "failed_event": lambda systems, _, key: _row(systems, "warehouse", "integration_event", key)["status"] == "failed",
    "duplicate_event": lambda systems, _, key: _is_repeated_event(systems, key),
    "metric_disagrees": lambda systems, _, key: _disagrees(systems, key),
}


def test_every_kind_of_defect_is_planted(firm: Firm) -> None:
    assert set(firm.expected_findings["kind"]) == set(CHECKS)
    assert firm.expected_findings["defect"].n_unique() >= 30
    assert firm.expected_findings.select("kind", "entity", "entity_id").is_duplicated().sum() == 0
    assert set(firm.expected_findings["stage"]) == {"ownership", "billing", "revenue", "reconciliation"}


@pytest.mark.parametrize("kind", sorted(CHECKS))
def test_every_expected_finding_has_its_defect(firm: Firm, kind: str) -> None:
    systems = firm.nights[-1].systems
    for row in firm.expected_findings.filter(pl.col("kind") == kind).to_dicts():
        assert CHECKS[kind](systems, row["entity"], row["entity_id"]), row


def test_a_clean_firm_expects_nothing(clean_firm: Firm) -> None:
    assert clean_firm.expected_findings.height == 0


@pytest.mark.parametrize("kind", sorted(set(CHECKS) - {"missing_in_consumer", "failed_event", "duplicate_event"}))
def test_the_clean_firm_has_none_of_the_defects(firm: Firm, clean_firm: Firm, kind: str) -> None:
    systems = clean_firm.nights[-1].systems
    added = {"JE-MAN-0001", "JE-MAN-0002"}
    rows = firm.expected_findings.filter((pl.col("kind") == kind) & ~pl.col("entity_id").is_in(added)).to_dicts()
    for row in rows:
        known = {
            key for records in systems.values() if row["entity"] in records
            for key in records[row["entity"]].select(entity_spec(row["entity"]).display_key().alias("key"))["key"].to_list()
        }  # fmt: skip
        if row["entity"] != "journal" and row["entity_id"] not in known:
            continue  # a record that exists only because of the defect
        assert not CHECKS[kind](systems, row["entity"], row["entity_id"]), row


def test_an_unauthorized_change_happens_between_the_last_two_nights(firm: Firm) -> None:
    key = firm.expected_findings.filter(pl.col("kind") == "unauthorized_change")["entity_id"][0]
    ends = [_row(night.systems, "billing", "contract", key)["end_date"] for night in firm.nights]
    assert ends[0] == ends[1] != ends[2]
    assert {_row(night.systems, "crm", "contract", key)["end_date"] for night in firm.nights} == {ends[0]}


def test_other_drifts_stand_from_the_first_night_on(firm: Firm) -> None:
    late = set(firm.expected_findings.filter(pl.col("kind") == "unauthorized_change")["entity_id"])
    drifts = firm.expected_findings.filter((pl.col("kind") == "value_drift") & ~pl.col("entity_id").is_in(list(late)))
    for row in drifts.to_dicts():
        for night in firm.nights:
            assert _drifted(night.systems, row["entity"], row["entity_id"]), (night.date, row)


def test_no_contract_bears_two_defects(firm: Firm) -> None:
    homes: dict[str, set[str]] = {}
    contract_of = _contracts_by_record(firm)
    for row in firm.expected_findings.to_dicts():
        home = contract_of.get((row["entity"], row["entity_id"]))
        if home is not None:
            homes.setdefault(home, set()).add(row["defect"])
    assert len(homes) >= 20
    assert {home: defects for home, defects in homes.items() if len(defects) > 1} == {}


def _contracts_by_record(firm: Firm) -> dict[tuple[str, str], str]:
    """Return the contract of every record that belongs to one, by entity and display key."""
    systems = firm.nights[-1].systems
    found: dict[tuple[str, str], str] = {}
    order = (
        ("crm", "contract"), ("crm", "contract_line"), ("crm", "amendment"), ("crm", "amendment_line"), ("psa", "project"),
        ("billing", "invoice"), ("psa", "milestone"), ("psa", "time_entry"), ("psa", "expense"), ("psa", "assignment"),
        ("psa", "rate"), ("billing", "billing_plan_line"), ("billing", "invoice_line"), ("billing", "payment_application"),
        ("billing", "invoice_line_time"), ("revrec", "revenue_schedule_line"), ("erp", "journal_line"), ("erp", "bill"),
        ("erp", "bill_line"), ("crm", "opportunity"), ("billing", "payment"),
    )  # fmt: skip
    for system, entity in order:
        frame = systems[system][entity]
        keys = frame.select(entity_spec(entity).display_key().alias("key"))["key"].to_list()
        references = [(name, target) for name, target in entity_spec(entity).references.items() if name in frame.columns]
        for key, row in zip(keys, frame.iter_rows(named=True), strict=True):
            if row.get("contract_id"):
                found[entity, key] = row["contract_id"]
                continue
            homes = [found[target, row[name]] for name, target in references if row[name] and (target, row[name]) in found]
            if homes:
                found[entity, key] = homes[0]
    added = systems["crm"]["amendment_line"].filter(pl.col("action") == "add")
    for line, amendment in added.select("contract_line_id", "amendment_id").rows():
        found["contract_line", line] = found["amendment", amendment]
    return found


def test_nothing_but_the_listed_defects_differs_from_the_clean_firm(firm: Firm, clean_firm: Firm) -> None:
    contract_of = {**_contracts_by_record(clean_firm), **_contracts_by_record(firm)}
    listed = {(row["entity"], row["entity_id"]) for row in firm.expected_findings.to_dicts()}
    contracts = {contract_of[each] for each in listed if each in contract_of}
    # Documents that gather several contracts: a customer's payment, a month's labour.
    gathered = {key for entity, key in listed if entity == "journal"}
    for each in (firm, clean_firm):
        systems = each.nights[-1].systems
        booked = systems["erp"]["journal_line"].filter(pl.col("contract_id").is_in(list(contracts)))
        gathered |= {*booked["journal_id"], *booked["source_document_id"]}
        # A month's labour is paid by a journal of its own.
        gathered |= set(systems["erp"]["journal_line"].filter(pl.col("source_document_id").is_in(list(gathered)))["journal_id"])
    strays: set[str] = set()
    for dirty, clean in zip(firm.nights, clean_firm.nights, strict=True):
        for system, records in dirty.systems.items():
            # Reports add up the whole firm: what a defect does to a contract shows in them.
            for entity in set(records) - {"reported_metric"}:
                for key, journal in _differences(records[entity], clean.systems[system][entity], entity):
                    is_listed = (entity, key) in listed or contract_of.get((entity, key)) in contracts
                    if not is_listed and key not in gathered and journal not in gathered:
                        strays.add(f"{system} {entity} {key}")
    assert strays == set()


def _differences(dirty: pl.DataFrame, clean: pl.DataFrame, entity: str) -> list[tuple[str, str | None]]:
    """Return display key and journal of every record that only one firm has or that differs.

    An added journal moves the running numbers of those after it; that is no difference.
    """
    key = entity_spec(entity).display_key().alias("_key")
    one, other = (frame.with_columns(key).drop("journal_number", strict=False) for frame in (dirty, clean))
    columns = one.columns
    apart = pl.concat(
        [one.join(other, on=columns, how="anti", nulls_equal=True), other.join(one, on=columns, how="anti", nulls_equal=True)]
    )
    journal = pl.col("journal_id") if "journal_id" in columns else pl.lit(None, dtype=pl.String)
    return apart.select("_key", journal.alias("_journal")).unique().rows()
