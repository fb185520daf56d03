"""What a policy says and nothing can hold: names nobody knows, limits nothing can meet, rules that speak twice."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapters.policy_folder import SHIPPED, read_policy_texts, read_sheets
from engine.policy.finding_kinds import FINDING_KINDS
from engine.policy.load import load_policies
from engine.policy.source import SourceText

ROOT = Path(__file__).parents[3]
CONTRACT, TIME, DSO = "ownership/contract.yaml", "reconciliation/rec-time-invoice.yaml", "kpi/dso.yaml"
FLOW = "reconciliation/flow-integrations.yaml"
REMEDY, TRIAGE, TREATMENT = "remedies/rem-drafts.yaml", "triage/tri-causes.yaml", "revenue/rev-treatment.yaml"
CASE = "THEN 'high' ELSE 'medium'"


def told(file: str, old: str, new: str) -> list[tuple[str, str, str]]:
    """Return level, code and message of what the shipped folder says with one change, beside what it says without."""
    texts = read_policy_texts(SHIPPED)
    assert any(each.file == file and old in each.text for each in texts)
    changed = [SourceText(each.file, each.text.replace(old, new, 1)) if each.file == file else each for each in texts]
    before, after = (load_policies(sources, read_sheets(SHIPPED))[1] for sources in (texts, changed))
    known = {each.message for each in before}
    return [(str(each.code.level), each.code.name, each.message) for each in after if each.message not in known]


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (CONTRACT, "field: total_value, owner: crm,", "field: total_value, owner: crmm,",
         "'crmm' is no system that other policies name, did you mean 'crm'?"),
        (CONTRACT, "consumers: [psa, billing, erp]", "consumers: [psa, biling, erp]",
         "'biling' is no system that other policies name, did you mean 'billing'?"),
        (TIME, "system: psa\n", "system: pas\n", "'pas' is no system that other policies name, did you mean 'psa'?"),
        (FLOW, "from: crm, to: psa", "from: cmr, to: psa", "'cmr' is no system that other policies name, did you mean 'crm'?"),
        (REMEDY, "target: consumer", "target: consumr", "'consumr' is no system and no side of a finding, did you mean 'consumer'?"),
        (REMEDY, "kinds: [value_drift,", "kinds: [value_drfit,", "'value_drfit' is no kind of finding, did you mean 'value_drift'?"),
        (TIME, "- not_billed\n", "- not_biled\n", "'not_biled' is no kind of finding, did you mean 'not_billed'?"),
        (TRIAGE, "kinds: [failed_event,", "kinds: [faild_event,", "'faild_event' is no kind of finding, did you mean 'failed_event'?"),
        (TRIAGE, "entities: [contract]", "entities: [contracts]", "'contracts' is no canonical entity, did you mean 'contract'?"),
        (REMEDY, "debit: contract_asset,", "debit: contract_aset,",
         "'contract_aset' is no role of an account, did you mean 'contract_asset'?"),
        ("close.yaml", "[preparer, approver]", "[preparr, approver]",
         "'preparr' is no role; the roles are viewer, project_manager, preparer, approver, admin, did you mean 'preparer'?"),
        ("run.yaml", "fail_on: high", "fail_on: high\nminimum_coverage: {billng: 100}",
         "'billng' is no folder with policies, did you mean 'billing'?"),
        (DSO, "unit: days", "unit: days\napplies_by: signed_date",
         "'applies_by' changes nothing: of a kpi policy the version of the run's day counts"),
    ],
)  # fmt: skip
def test_what_never_holds_is_a_warning(file: str, old: str, new: str, message: str) -> None:
    found = [(level, text) for level, code, text in told(file, old, new) if code in ("unknown-name", "without-effect")]
    assert found == [("warning", message)]


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (CONTRACT, "tolerance: 0.01", "tolerance: -5", "'tolerance' cannot be -5: write 0 or more"),
        (CONTRACT, "says: CRM owns the signed value", "says: CRM, else PSA owns it",
         "unknown setting 'else PSA owns it'; in { } a comma begins another setting: put the text that has the comma in quotes"),
        (CONTRACT, "since: signed_date", "since: currency", "'currency' is no day; here a date is needed"),
        (CONTRACT, "id: own-contract-present", "id: own-contract-value", "the rule id 'own-contract-value' is given twice"),
        (CONTRACT, "field: currency, owner: crm", "field: total_value, owner: erp",
         "'own-contract-value' and 'own-contract-currency' both say who owns total_value"),
        (TIME, CASE, "THEN 'hgh' ELSE 'medium'",
         "'hgh' is no severity, did you mean 'high'?; the severities are low, medium, high, critical"),
        (TIME, "+ 40 workdays", "+ 2 workdays",
         "what is due by earliest_bill_date + 5 workdays cannot be breached by earliest_bill_date + 2 workdays"),
        (DSO, "{at_most: 60, warn: 15}", "{at_most: 60, at_least: 90}",
         "no figure is both at least and at most this: `at_least` is no more than `at_most`"),
        (CONTRACT, "consumers: [psa, erp, billing, revrec], severity: high", "consumers: [crm], severity: high", "crm owns "),
        (DSO, "unit: days", "unit: EUR", "the unit 'EUR' adds amounts of all currencies, did you mean 'currency'?"),
        (DSO, "unit: days", "unit: day", "the unit 'day' is none of pct, days, hours, count, currency, did you mean 'days'?"),
        (DSO, "unit: days", "unit: curency", "the unit 'curency' adds amounts of all currencies, did you mean 'currency'?"),
        (DSO, "kpi: dso", "kpi: backlog", "'kpi-backlog' and 'kpi-dso' both say what the KPI 'backlog' is from 1900-01-01"),
        (FLOW, "from: crm, to: psa", "from: crm, to: crm", "the flow leads from crm to itself"),
        (REMEDY, "debit: contract_asset, credit: revenue", "debit: revenue, credit: revenue",
         "an entry that debits and credits the same account books nothing"),
        ("cases.yaml", "sla:\n", "sla:\n  - {severity: high, within: 9 days}\n",
         "cases of the severity high have a promise already from this amount on"),
        ("close.yaml", "[preparer, approver]", "[]", "a period is locked when every role has signed; name at least one"),
        ("alerts.yaml", "severity_at_least: high", "severity_at_least: high, amount_at_least: -5",
         "'amount_at_least' cannot be -5: write 0 or more"),
        (TREATMENT, "applies_by: contract.signed_date", "applies_by: contract.sign_date",
         "a revenue policy is chosen by the day the contract was signed: write `applies_by: contract.signed_date`, or leave it out"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_an_error(file: str, old: str, new: str, message: str) -> None:
    assert any(level == "error" and message in text for level, _, text in told(file, old, new))


def test_a_system_of_the_firms_own_is_no_mistake_where_several_policies_name_it() -> None:
    sources = [
        SourceText(f"{name}.yaml", f"policy: ownership\nid: {name}\ntitle: t\nowner: o\nreference: r\neffective_from: 1900-01-01\n"
                   f"entity: {entity}\nowner_system: [erp2, payroll]\n")
        for name, entity in (("a", "vendor"), ("b", "bill"))
    ]  # fmt: skip
    assert load_policies(sources)[1] == []
    assert [each.message for each in load_policies(sources[:1])[1]] == ["'erp2' is no system that other policies name, did you mean 'erp'?"]


def test_the_kinds_of_findings_are_those_that_are_documented() -> None:
    page = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
    kinds = set(re.findall(r"^\| `([a-z_]+)` \|", page, re.MULTILINE))
    kinds |= {name for more in re.findall(r"\(likewise ([^)]*)\)", page) for name in re.findall(r"`([a-z_]+)`", more)}
    assert kinds == FINDING_KINDS


def test_records_that_a_run_requires_are_of_known_entities() -> None:
    text = "policy: run\nid: r\ntitle: t\nowner: o\neffective_from: 2026-01-01\nreference: r\nrequired_records: {erp: [journal_lines]}\n"
    _, diagnostics = load_policies([SourceText("run.yaml", text)])
    assert [each.message for each in diagnostics] == ["'journal_lines' is no canonical entity, did you mean 'journal_line'?"]
