"""Ownership on ten rows: who is one and the same, what drifts, who changed what, what is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from adapters.run import run_snapshot

POLICY = """policy: ownership
id: own-contract
title: Who owns the contract
owner: controller
effective_from: 1900-01-01
reference: AM 2.1
entity: contract
match: [contract_number]
owner_system: crm
rules:
  - {{id: value, field: total_value, owner: crm, consumers: [psa, billing], tolerance: 0.01, severity: high, says: CRM owns it{extra}}}
  - {{id: end, field: end_date, owner: [crm, psa], consumers: [billing], says: CRM else PSA owns the end}}
presence:
  - {{id: present, consumers: [billing], since: signed_date, within: 5 workdays, says: Signed contracts are billed}}
amended_total: {{id: amended, says: Totals follow from changes}}
amended_value: {{id: signed, severity: medium, says: The first total follows from the value as signed}}
"""

Snapshot = Callable[..., Path]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., pl.DataFrame]:
    def go(snapshot: Path, previous: Path | None = None, extra: str = "") -> pl.DataFrame:
        policies = tmp_path / "policies"
        policies.mkdir(exist_ok=True)
        (policies / "contract.yaml").write_text(POLICY.format(extra=extra))
        outcome = run_snapshot(snapshot, policies=policies, previous=previous, out=tmp_path / "runs")
        findings = pl.read_parquet(outcome.run_dir / "findings.parquet")
        assert findings["finding_id"].is_unique().all()
        return findings

    return go


def contracts(*rows: str, columns: str = "contract_id,contract_number,total_value,end_date") -> dict[str, str]:
    return {"contract": "\n".join([columns, *rows]) + "\n"}


def kinds(findings: pl.DataFrame) -> list[tuple[Any, ...]]:
    return findings.select("kind", "rule", "entity_id").sort("kind", "entity_id").rows()


def test_equal_copies_give_no_finding(snapshot: Snapshot, run: Callable[..., pl.DataFrame]) -> None:
    found = run(snapshot(crm=contracts("C1,N1,100,2026-12-31"), psa=contracts("C1,N1,100.00,2026-12-31")))
    assert found.height == 0


def test_a_copy_that_differs_drifts_and_says_both_values(snapshot: Snapshot, run: Callable[..., pl.DataFrame]) -> None:
    found = run(snapshot(crm=contracts("C1,N1,100,"), psa=contracts("C1,N1,90.5,"))).to_dicts()
    assert len(found) == 1
    assert found[0]["kind"] == "value_drift"
    assert (found[0]["owner_value"], found[0]["consumer_value"]) == ("100.00", "90.50")
    assert found[0]["systems"] == ["crm", "psa"]
    assert found[0]["evidence"] == ["crm/contract.csv:2", "psa/contract.csv:2"]
    assert str(found[0]["amount_at_risk"]) == "9.500000"


IN_CURRENCY = "contract_id,contract_number,total_value,end_date,currency"


def test_an_amount_in_another_currency_is_another_value(snapshot: Snapshot, run: Callable[..., pl.DataFrame]) -> None:
    psa = contracts("C1,N1,100,,USD", "C2,N2,0,,USD", "C3,N3,100,,", "C4,N4,99,,USD", columns=IN_CURRENCY)
    crm = contracts("C1,N1,100,,EUR", "C2,N2,0,,EUR", "C3,N3,100,,EUR", "C4,N4,100,,EUR", columns=IN_CURRENCY)
    found = run(snapshot(crm=crm, psa=psa)).sort("entity_id")
    assert found.select("entity_id", "owner_value", "consumer_value", pl.col("amount_at_risk").cast(pl.Float64)).rows() == [
        ("C1", "100.00 EUR", "100.00 USD", 100), ("C4", "100.00 EUR", "99.00 USD", 100),
    ]  # fmt: skip
    assert found["message"][0] == "Contract C1: total value is 100.00 EUR in crm, which owns it, but psa says 100.00 USD."


def test_a_currency_that_has_a_rule_of_its_own_is_told_by_that_alone(snapshot: Snapshot, run: Callable[..., pl.DataFrame]) -> None:
    extra = "}}\n  - {{id: unit, field: currency, owner: crm, consumers: [psa], says: CRM owns it".replace("{{", "{").replace("}}", "}")
    crm, psa = (contracts(f"C1,N1,100,,{unit}", columns=IN_CURRENCY) for unit in ("EUR", "USD"))
    assert run(snapshot(crm=crm, psa=psa), extra=extra)["rule"].to_list() == ["unit"]


def test_a_difference_within_the_tolerance_is_none(snapshot: Snapshot, run: Callable[..., pl.DataFrame]) -> None:
    assert run(snapshot(crm=contracts("C1,N1,100,"), psa=contracts("C1,N1,100.01,"))).height == 0
    assert run(snapshot(name="b", crm=contracts("C1,N1,100,"), psa=contracts("C1,N1,100.02,"))).height == 1


def test_a_stated_blank_drifts_and_an_absent_column_does_not(snapshot: Snapshot, run: Callable[..., pl.DataFrame]) -> None:
    assert run(snapshot(crm=contracts("C1,N1,100,"), psa=contracts("C1,N1,,"))).height == 1
    without = contracts("C1,N1", columns="contract_id,contract_number")
    assert run(snapshot(name="b", crm=contracts("C1,N1,100,"), psa=without)).height == 0


def test_a_blank_owner_value_is_nothing_to_differ_from(snapshot: Snapshot, run: Callable[..., pl.DataFrame]) -> None:
    assert run(snapshot(crm=contracts("C1,N1,,"), psa=contracts("C1,N1,90,"))).height == 0


def test_records_meet_by_the_match_key_where_ids_differ(snapshot: Snapshot, run: Callable[..., pl.DataFrame]) -> None:
    found = run(snapshot(crm=contracts("C1,N1,100,"), psa=contracts("P77,N1,90,")))
    assert kinds(found) == [("value_drift", "value", "C1")]


def test_a_match_key_that_two_contracts_bear_decides_nothing(snapshot: Snapshot, run: Callable[..., pl.DataFrame]) -> None:
    assert run(snapshot(crm=contracts("C1,N1,100,", "C2,N1,200,"), psa=contracts("P77,N1,90,"))).height == 0


def test_the_second_owner_counts_where_the_first_is_blank(snapshot: Snapshot, run: Callable[..., pl.DataFrame]) -> None:
    systems = {
        "crm": contracts("C1,N1,100,"),
        "psa": contracts("C1,N1,100,2026-06-30"),
        "billing": contracts("C1,N1,100,2026-07-31"),
    }
    found = run(snapshot(**systems)).to_dicts()
    assert [(each["rule"], each["systems"]) for each in found] == [("end", ["psa", "billing"])]


def test_a_consumer_that_changes_alone_is_unauthorized(snapshot: Snapshot, run: Callable[..., pl.DataFrame]) -> None:
    before = snapshot(name="a", as_of="2026-01-30", crm=contracts("C1,N1,100,"), psa=contracts("C1,N1,100,"))
    after = snapshot(name="b", as_of="2026-01-31", crm=contracts("C1,N1,100,"), psa=contracts("C1,N1,80,"))
    assert [each[0] for each in kinds(run(after, before))] == ["unauthorized_change", "value_drift"]


def test_a_consumer_that_follows_its_owner_is_not_unauthorized(snapshot: Snapshot, run: Callable[..., pl.DataFrame]) -> None:
    before = snapshot(name="a", crm=contracts("C1,N1,100,"), psa=contracts("C1,N1,80,"))
    after = snapshot(name="b", crm=contracts("C1,N1,100,"), psa=contracts("C1,N1,100,"))
    assert run(after, before).height == 0


def test_a_permitted_lag_runs_from_the_day_the_owner_changed(snapshot: Snapshot, run: Callable[..., pl.DataFrame]) -> None:
    lag = ", within: 2 workdays"
    before = snapshot(name="a", as_of="2026-01-29", crm=contracts("C1,N1,100,"), psa=contracts("C1,N1,100,"))
    within = snapshot(name="b", as_of="2026-02-02", crm=contracts("C1,N1,120,"), psa=contracts("C1,N1,100,"))
    late = snapshot(name="c", as_of="2026-02-03", crm=contracts("C1,N1,120,"), psa=contracts("C1,N1,100,"))
    assert run(within, before, lag).height == 0
    assert [each[0] for each in kinds(run(late, before, lag))] == ["value_drift"]


def test_a_contract_missing_in_a_consumer_is_found_after_the_lag(snapshot: Snapshot, run: Callable[..., pl.DataFrame]) -> None:
    columns = "contract_id,contract_number,total_value,end_date,signed_date"
    crm = contracts("C1,N1,100,,2026-01-02", "C2,N2,100,,2026-01-29", "C3,N3,100,,2026-01-02", columns=columns)
    found = run(snapshot(crm=crm, billing=contracts("C3,N3,100,")))
    assert kinds(found) == [("missing_in_consumer", "present", "C1")]


def test_a_consumer_that_supplies_no_contracts_misses_none(snapshot: Snapshot, run: Callable[..., pl.DataFrame]) -> None:
    crm = contracts("C1,N1,100,,2026-01-02", columns="contract_id,contract_number,total_value,end_date,signed_date")
    assert run(snapshot(crm=crm, billing={"customer": "customer_id\nK1\n"})).height == 0


AMENDMENTS = "amendment_id,contract_id,effective_date,status,amount_change,total_after\n"


@pytest.mark.parametrize(
    ("rows", "wrong"),
    [
        ("A1,C1,2026-01-05,approved,20,120\n", []),
        ("A1,C1,2026-01-05,approved,20,125\n", ["A1"]),
        ("A1,C1,2026-01-05,approved,20,120\nA2,C1,2026-01-09,approved,-30,90\n", []),
        ("A2,C1,2026-01-09,approved,-30,90\nA1,C1,2026-01-05,approved,20,120\n", []),
        ("A1,C1,2026-01-05,approved,20,120\nA2,C1,2026-01-09,approved,-30,99\n", ["A2"]),
        ("A1,C1,2026-01-05,draft,20,500\n", []),
        ("A1,C1,2026-01-05,approved,20,\n", []),
    ],
)
def test_an_amended_total_follows_from_the_change(
    rows: str, wrong: list[str], snapshot: Snapshot, run: Callable[..., pl.DataFrame]
) -> None:
    crm = {**contracts("C1,N1,100,"), "amendment": AMENDMENTS + rows}
    found = run(snapshot(crm=crm))
    assert found["related_id"].to_list() == wrong


def test_a_total_is_held_to_the_value_that_only_the_snapshot_before_told(snapshot: Snapshot, run: Callable[..., pl.DataFrame]) -> None:
    """C1 was signed at 100 and states 125 after a change of 20; C2's 200 + 20 = 220 holds; of C3 nobody knew a value."""
    before = snapshot(name="before", crm=contracts("C1,N1,100,", "C2,N2,200,", "C3,N3,,"))
    rows = "A1,C1,2026-01-05,approved,20,125\nA2,C2,2026-01-05,approved,20,220\nA3,C3,2026-01-05,approved,20,500\n"
    now = snapshot(crm={**contracts("C1,N1,,", "C2,N2,,", "C3,N3,,"), "amendment": AMENDMENTS + rows})
    found = run(now, before).filter(pl.col("field") == "total_after")
    assert found.select("kind", "rule", "severity", "related_id").rows() == [("amended_value_mismatch", "signed", "medium", "A1")]
    assert found["evidence"].to_list() == [["crm/amendment.csv:2", "previous:crm/contract.csv:2"]]


def test_a_version_decides_the_records_of_its_own_dates(snapshot: Snapshot, tmp_path: Path) -> None:
    columns = "contract_id,contract_number,total_value,end_date,signed_date"
    crm = contracts("C1,N1,100,,2025-06-01", "C2,N2,100,,2026-01-05", columns=columns)
    psa = contracts("C1,N1,90,,", "C2,N2,90,,", columns=columns)
    policies = tmp_path / "policies"
    policies.mkdir()
    text = POLICY.format(extra="").replace("effective_from: 1900-01-01", "effective_from: 2026-01-01\napplies_by: signed_date")
    (policies / "contract.yaml").write_text(text)
    outcome = run_snapshot(snapshot(crm=crm, psa=psa), policies=policies, out=tmp_path / "runs")
    assert pl.read_parquet(outcome.run_dir / "findings.parquet")["entity_id"].to_list() == ["C2"]
    assert pl.read_parquet(outcome.run_dir / "golden/contract.parquet")["contract_id"].to_list() == ["C1", "C2"]


def test_a_rule_is_limited_by_its_condition(snapshot: Snapshot, run: Callable[..., pl.DataFrame]) -> None:
    columns = "contract_id,contract_number,total_value,end_date,legal_entity_id"
    crm = contracts("C1,N1,100,,LE1", "C2,N2,100,,LE2", "C3,N3,100,,", columns=columns)
    psa = contracts("C1,N1,90,", "C2,N2,90,", "C3,N3,90,")
    erp = {"legal_entity": "legal_entity_id,country\nLE1,DE\nLE2,US\n"}
    found = run(snapshot(crm=crm, psa=psa, erp=erp), None, ", where: \"legal_entity.country = 'DE'\"")
    assert found["entity_id"].to_list() == ["C1"]


def test_references_are_told_in_the_ids_of_the_agreed_records(snapshot: Snapshot, tmp_path: Path) -> None:
    policies = tmp_path / "policies"
    policies.mkdir()
    (policies / "contract.yaml").write_text(POLICY.format(extra=""))
    psa = {**contracts("P77,N1,100,"), "project": "project_id,contract_id\nX1,P77\nX2,C1\nX3,\n"}
    outcome = run_snapshot(snapshot(crm=contracts("C1,N1,100,"), psa=psa), policies=policies, out=tmp_path / "runs")
    projects = pl.read_parquet(outcome.run_dir / "golden/project.parquet")
    assert projects.select("project_id", "contract_id").rows() == [("X1", "C1"), ("X2", "C1"), ("X3", None)]


def test_invoices_that_two_systems_hold_under_ids_of_their_own_are_told_once(snapshot: Snapshot, run: Callable[..., pl.DataFrame]) -> None:
    def invoices(*ids: str, amount: str = "100") -> dict[str, str]:
        rows = [f"{each},{number},2026-01-31,{amount},EUR" for number, each in enumerate(ids, start=1)]
        return {"invoice": "\n".join(["invoice_id,invoice_number,invoice_date,gross_amount,currency", *rows]) + "\n"}

    (found,) = run(snapshot(billing=invoices("I1", "I2", "I3"), erp=invoices("E1", "E2", "I3"))).to_dicts()
    assert (found["kind"], found["entity"], found["systems"]) == ("same_under_other_ids", "invoice", ["billing", "erp"])
    assert found["message"].startswith("2 invoices stand in billing and in erp under ids of their own, first number 1 (I1 and E1)")
    assert found["evidence"] == ["billing/invoice.csv:2", "erp/invoice.csv:2", "billing/invoice.csv:3", "erp/invoice.csv:3"]
    # The same ids, or the same number on another paper, are nothing.
    assert run(snapshot(name="b", billing=invoices("I1"), erp=invoices("I1"))).height == 0
    assert run(snapshot(name="c", billing=invoices("I1"), erp=invoices("E1", amount="101"))).height == 0


OWNED = (
    "policy: ownership\nid: {id}\ntitle: t\nowner: o\neffective_from: 1900-01-01\nreference: r\nentity: contract\n"
    "match: [contract_number]\nowner_system: {owner}\n{where}"
    "rules:\n  - {{id: v-{id}, field: total_value, owner: {owner}, consumers: [{other}], says: s}}\n"
)


def test_a_policy_with_a_condition_excepts_from_one_without_and_two_with_one_are_told(snapshot: Snapshot, tmp_path: Path) -> None:
    folder = snapshot(
        crm=contracts("C1,N1,100,2026-12-31", "C2,N2,200,2026-12-31", "C3,N3,300,2026-12-31"),
        psa=contracts("C1,N1,110,2026-12-31", "C2,N2,220,2026-12-31", "C3,N3,330,2026-12-31"),
    )
    crm, psa = {"owner": "crm", "other": "psa"}, {"owner": "psa", "other": "crm"}
    texts = {
        # By its id the policy for all comes first; the exceptions go before it all the same.
        "all": OWNED.format(id="all", where="", **crm), "big": OWNED.format(id="big", where="where: ABS(total_value) > 150\n", **psa),
        "huge": OWNED.format(id="huge", where="where: ABS(total_value) > 250\n", **crm),
    }  # fmt: skip
    policies = tmp_path / "policies"
    policies.mkdir()
    for name, text in texts.items():
        (policies / f"{name}.yaml").write_text(text)
    run = run_snapshot(folder, policies=policies, out=tmp_path / "runs").run_dir
    golden = pl.read_parquet(run / "golden/contract.parquet").sort("contract_id")
    assert [f"{each:.0f}" for each in golden["total_value"]] == ["100", "220", "330"]
    findings = pl.read_parquet(run / "findings.parquet").sort("kind", "entity_id")
    assert findings.select("kind", "rule", "entity_id").rows() == [
        ("policies_overlap", "policies_overlap", "big"), ("value_drift", "v-all", "C1"), ("value_drift", "v-big", "C2"),
        ("value_drift", "v-big", "C3"),
    ]  # fmt: skip
    assert findings["message"][0].endswith("both 'big' and 'huge', and 'big' counts: C3.")
