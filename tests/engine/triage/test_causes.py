"""Findings to causes: one cause each, chains, priorities, gathering, mining; the same whatever the order."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from engine.canonical.schema import entity_spec
from engine.findings import FINDING_SCHEMA, finish_findings
from engine.policy.load import load_policies
from engine.policy.loaded import PolicySet
from engine.policy.source import SourceText
from engine.stage import Context, Facts, StageResult
from engine.triage import decide_triage

AS_OF = dt.date(2026, 10, 31)

HEAD = "policy: triage\nid: tri-test\ntitle: T\nowner: controller\neffective_from: 1900-01-01\nreference: AM 1\n"

POLICY = (
    HEAD
    + """
symptoms:
  missed: {kinds: [missed_amendment]}
  schedule: {kinds: [schedule_differs]}
  ledger: {kinds: [schedule_differs_from_ledger]}
  failed: {kinds: [failed_event]}
  stale: {kinds: [stale_source]}
  all: {stages: [ownership, billing, revenue]}
  unbilled: {kinds: [not_billed]}
  unposted: {kinds: [invoice_not_posted]}
  control: {kinds: [control_account_differs]}
  lacking: {kinds: [unbilled_not_in_ledger]}
  number: {kinds: [journal_number_missing]}
rules:
  - {id: R1, cause: amendment_missed, root: {symptom: missed}, explains: [{symptom: schedule, same: contract}], priority: 50, says: missed}
  - {id: R2, cause: amendment_missed, root: {cause: amendment_missed}, explains: [{symptom: ledger, same: contract}],
     priority: 60, says: goes on}
  - {id: R3, cause: event_failed, root: {symptom: failed}, explains: [{cause: amendment_missed, same: record}],
     priority: 40, says: failed, owner: systems}
  - {id: R4, cause: export_stale, root: {symptom: stale}, explains: [{symptom: all, same: system, after: true}], priority: 10, says: stale}
  - {id: R5, cause: left_out, gather: {symptom: unbilled, per: [contract, period], at_least: 3}, priority: 90,
     says: left out, owner: clerk, remedy: Bill.}
  - {id: R6, cause: invoice_not_posted, root: {symptom: unposted}, explains: [{symptom: control, same: legal_entity,
     amount: equal}], priority: 70, says: unposted}
  - {id: R7, cause: journal_deleted, root: {symptom: lacking}, explains: [{symptom: number, same: [legal_entity, month],
     one_each: true}], priority: 80, says: deleted}
"""
)  # fmt: skip


def policies(text: str = POLICY) -> PolicySet:
    found, diagnostics = load_policies([SourceText("tri.yaml", text)])
    assert not [each.message for each in diagnostics if each.is_error]
    return found


def finding(kind: str, entity: str, key: str, **more: Any) -> dict[str, Any]:
    stage = {"not_billed": "billing", "stale_source": "read"}.get(kind, "revenue")
    return {"stage": stage, "kind": kind, "rule": kind, "severity": "high", "entity": entity, "entity_id": key, "message": f"{kind} {key}",
            "owner": "someone", "remedy": "Do it.", "evidence": [f"{entity}.csv:{key[1:]}"], **more}  # fmt: skip


def triaged(rows: list[dict[str, Any]], text: str = POLICY, **records: pl.DataFrame) -> StageResult:
    findings = finish_findings(pl.DataFrame(rows, schema=FINDING_SCHEMA))
    frames = {name: frame.lazy() for name, frame in records.items()}
    return decide_triage(Facts({**frames, "findings": findings.lazy()}, {}, AS_OF), policies(text), Context(AS_OF))


def completed(frame: pl.DataFrame, entity: str) -> pl.DataFrame:
    """Return records with every canonical column."""
    schema = entity_spec(entity).polars_schema()
    return frame.select(pl.col(name) if name in frame.columns else pl.lit(None, dtype=dtype).alias(name) for name, dtype in schema.items())


def causes(result: StageResult) -> dict[str, list[str]]:
    """Return by cause (kind and entity id of its finding) what it explains."""
    findings = result.findings[0]
    names = {row["finding_id"]: f"{row['kind']} {row['entity_id']}" for row in findings.to_dicts()}
    return {
        names[row["cause_id"]]: sorted(names[each] for each in row["symptoms"]) for row in result.frames["causes"].collect().to_dicts()
    }


def test_a_missed_amendment_explains_the_schedule_of_its_contract_and_no_other() -> None:
    rows = [
        finding("missed_amendment", "amendment", "A1", contract_id="C1"),
        finding("schedule_differs", "contract_line", "L1", contract_id="C1"),
        finding("schedule_differs", "contract_line", "L2", contract_id="C2"),
    ]
    assert causes(triaged(rows)) == {"missed_amendment A1": ["schedule_differs L1"], "schedule_differs L2": []}


def test_rules_chain_and_the_first_of_the_chain_is_the_cause() -> None:
    rows = [
        finding("failed_event", "integration_event", "E1", related_entity="amendment", related_id="A1"),
        finding("missed_amendment", "amendment", "A1", contract_id="C1"),
        finding("schedule_differs", "contract_line", "L1", contract_id="C1"),
        finding("schedule_differs_from_ledger", "journal", "J1", contract_id="C1"),
    ]
    result = triaged(rows)
    assert causes(result) == {"failed_event E1": ["missed_amendment A1", "schedule_differs L1", "schedule_differs_from_ledger J1"]}
    cause = result.frames["causes"].collect().to_dicts()[0]
    assert [step.split(" ")[0] for step in cause["chain"]] == ["R1", "R2", "R3"]
    assert (cause["owner"], cause["cause"], cause["findings"]) == ("systems", "event_failed", 4)


def numbers(*missing: tuple[str, int]) -> list[dict[str, Any]]:
    said = {"legal_entity_id": "LE1"}
    return [finding("journal_number_missing", "journal", key, since=dt.date(2026, month, 30), **said) for key, month in missing]


def lacking(*contracts: str) -> list[dict[str, Any]]:
    return [finding("unbilled_not_in_ledger", "contract", key, legal_entity_id="LE1", since=dt.date(2026, 9, 30)) for key in contracts]


def test_each_posting_that_is_lacking_explains_one_missing_number_of_its_company_and_month() -> None:
    found = causes(triaged(lacking("C1", "C2") + numbers(("N1", 9), ("N2", 9), ("N3", 8))))
    explained = sorted(len(each) for name, each in found.items() if name.startswith("unbilled"))
    assert (explained, found["journal_number_missing N3"]) == ([1, 1], [])


def test_more_missing_numbers_than_lacking_postings_are_all_told() -> None:
    found = causes(triaged(lacking("C1") + numbers(("N1", 9), ("N2", 9))))
    assert found == {"unbilled_not_in_ledger C1": [], "journal_number_missing N1": [], "journal_number_missing N2": []}


def test_a_cause_begins_only_where_its_first_rule_holds() -> None:
    rows = [
        finding("missed_amendment", "amendment", "A1", contract_id="C1"),
        finding("schedule_differs_from_ledger", "journal", "J1", contract_id="C1"),
    ]
    assert causes(triaged(rows)) == {"missed_amendment A1": [], "schedule_differs_from_ledger J1": []}


def test_a_stale_export_explains_only_what_began_after_it() -> None:
    rows = [
        finding("stale_source", "source", "psa", systems=["psa"], since=dt.date(2026, 10, 20)),
        finding("not_billed", "time_entry", "T1", systems=["psa"], since=dt.date(2026, 10, 21)),
        finding("not_billed", "time_entry", "T2", systems=["psa"], since=dt.date(2026, 10, 20)),
        finding("not_billed", "time_entry", "T3", systems=["psa"]),
        finding("not_billed", "time_entry", "T4", systems=["erp"], since=dt.date(2026, 10, 25)),
    ]
    found = causes(triaged(rows))
    assert found["stale_source psa"] == ["not_billed T1"]
    assert {name for name, explained in found.items() if not explained} == {"not_billed T2", "not_billed T3", "not_billed T4"}


def test_many_of_one_invoice_are_one_finding_of_triage_and_too_few_stand_alone() -> None:
    rows = [finding("not_billed", "time_entry", f"T{n}", contract_id="C1", period="2026-08", amount_at_risk=Decimal(100), currency="EUR")
            for n in range(3)]  # fmt: skip
    rows += [finding("not_billed", "time_entry", f"U{n}", contract_id="C2", period="2026-08") for n in range(2)]
    result = triaged(rows)
    assert causes(result)["left_out C1"] == ["not_billed T0", "not_billed T1", "not_billed T2"]
    made = result.findings[0].filter(pl.col("stage") == "triage").to_dicts()[0]
    assert (made["kind"], made["entity"], made["entity_id"], made["period"], made["amount_at_risk"]) == (
        "left_out", "contract", "C1", "2026-08", Decimal(300),
    )  # fmt: skip
    assert (made["owner"], made["remedy"], made["cause_rule"]) == ("clerk", "Bill.", "R5")


def test_what_an_earlier_rule_takes_is_not_gathered_again() -> None:
    rows = [finding("stale_source", "source", "psa", systems=["psa"], since=dt.date(2026, 10, 1))]
    rows += [finding("not_billed", "time_entry", f"T{n}", contract_id="C1", period="2026-08", systems=["psa"],
                     since=dt.date(2026, 10, 2) if n else dt.date(2026, 9, 1)) for n in range(3)]  # fmt: skip
    assert causes(triaged(rows)) == {"stale_source psa": ["not_billed T1", "not_billed T2"], "not_billed T0": []}


@pytest.mark.parametrize(("amount", "explained"), [("500.00", ["control_account_differs 1100"]), ("500.01", [])])
def test_an_unposted_invoice_explains_a_control_account_to_the_cent_only(amount: str, explained: list[str]) -> None:
    invoice = pl.DataFrame(
        {"invoice_id": ["I1"], "legal_entity_id": ["LE1"]}, schema={"invoice_id": pl.String, "legal_entity_id": pl.String}
    )  # fmt: skip
    invoice = completed(invoice, "invoice")
    rows = [
        finding("invoice_not_posted", "invoice", "I1", amount_at_risk=Decimal("500.00"), currency="EUR"),
        finding("control_account_differs", "account", "1100", related_entity="legal_entity", related_id="LE1",
                amount_at_risk=Decimal(amount), currency="EUR"),
    ]  # fmt: skip
    assert causes(triaged(rows, invoice=invoice))["invoice_not_posted I1"] == explained
    # As a tie-out tells it: of a company's books, and of no record.
    rows[1] = finding("control_account_differs", "tie_out", "1100", legal_entity_id="LE1", amount_at_risk=Decimal(amount), currency="EUR")
    assert causes(triaged(rows, invoice=invoice))["invoice_not_posted I1"] == explained


def test_the_same_money_told_by_several_checks_counts_once() -> None:
    rows = [finding("missed_amendment", "amendment", "A1", contract_id="C1", amount_at_risk=Decimal(900), currency="EUR")]
    rows += [finding("schedule_differs", "contract_line", f"L{n}", contract_id="C1", amount_at_risk=Decimal(500), currency="EUR")
             for n in range(2)]  # fmt: skip
    cause = triaged(rows).frames["causes"].collect().to_dicts()[0]
    assert cause["amounts"] == [{"currency": "EUR", "amount": Decimal(1000)}]


def test_every_finding_has_one_cause_and_identity_does_not_change() -> None:
    rows = mixed(200)
    before = finish_findings(pl.DataFrame(rows, schema=FINDING_SCHEMA))
    after = triaged(rows).findings[0]
    assert after["cause_id"].null_count() == 0
    assert set(before["finding_id"]) == set(after.filter(pl.col("stage") != "triage")["finding_id"])
    heads = after.filter(pl.col("finding_id") == pl.col("cause_id"))["finding_id"]
    assert set(after["cause_id"]) == set(heads)


def test_the_order_of_findings_does_not_matter() -> None:
    rows = mixed(120)
    one = triaged(rows)
    random.Random(3).shuffle(rows)
    other = triaged(rows)
    assert one.findings[0].equals(other.findings[0])
    assert one.frames["causes"].collect().equals(other.frames["causes"].collect())


def mixed(count: int) -> list[dict[str, Any]]:
    kinds = ("missed_amendment", "schedule_differs", "schedule_differs_from_ledger", "not_billed", "failed_event")
    return [
        finding(kinds[n % 5], "amendment" if n % 5 in (0, 4) else "thing", f"X{n}", contract_id=f"C{n % 17}", period=f"2026-0{n % 3 + 1}",
                systems=[("psa", "erp")[n % 2]], related_entity="amendment", related_id=f"X{n - n % 5}")
        for n in range(count)
    ]  # fmt: skip


def test_findings_without_triage_policies_stand_alone() -> None:
    findings = finish_findings(pl.DataFrame([finding("not_billed", "time_entry", "T1")], schema=FINDING_SCHEMA))
    result = decide_triage(Facts({"findings": findings.lazy()}, {}, AS_OF), PolicySet((), ""), Context(AS_OF))
    assert causes(result) == {"not_billed T1": []}


def test_what_unexplained_findings_share_and_their_records_do_not_is_suggested() -> None:
    people = ["R9" if n < 8 else f"R{n % 7}" for n in range(100)]
    entries = pl.DataFrame({"time_entry_id": [f"T{n}" for n in range(100)], "resource_id": people,
                            "project_id": [f"P{n % 2}" for n in range(100)]})  # fmt: skip
    entries = completed(entries, "time_entry")
    rows = [finding("billed_unapproved", "time_entry", f"T{n}", amount_at_risk=Decimal(10), currency="EUR", since=dt.date(2026, 9, 9 + n))
            for n in range(6)]  # fmt: skip
    found = triaged(rows, time_entry=entries).frames["cause_suggestions"].collect().to_dicts()
    assert [(row["attribute"], row["value"], row["findings"], row["records"]) for row in found] == [("resource_id", "R9", 6, 8)]
    assert (found[0]["lift"], found[0]["amount"], found[0]["score"]) == (Decimal("12.50"), Decimal(60), Decimal(750))
    assert found[0]["first_seen"] == dt.date(2026, 9, 9)
