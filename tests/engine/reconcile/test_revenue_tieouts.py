"""The shipped tie-outs of revenue outputs, on frames made by hand."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from adapters.policy_folder import SHIPPED, require_policies
from engine.findings import finish_findings
from engine.policy.loaded import PolicySet
from engine.policy.outputs import READABLE
from engine.reconcile import decide_reconciliation
from engine.stage import Context, Facts, StageResult

AS_OF = dt.date(2026, 3, 31)
Rows = list[dict[str, Any]]
Sources = dict[tuple[str, str], Rows]


def frame(entity: str, rows: Rows, system: str | None = None) -> pl.LazyFrame:
    spec = READABLE[entity]
    schema: dict[str, Any] = spec.polars_schema(with_provenance=system is not None)
    origin = {"source_system": system, "source_file": f"{entity}.csv", "source_row": 1} if system else {}
    exact = {name for name, each in spec.fields.items() if each.dtype.is_decimal()}
    values = [{name: Decimal(value) if name in exact else value for name, value in row.items()} for row in rows]
    return pl.DataFrame([{**origin, **row} for row in values], schema=schema).lazy()


def reconcile(policy: str, outputs: dict[str, Rows], sources: Sources, as_of: dt.date = AS_OF) -> StageResult:
    """Run one shipped policy over outputs of the revenue stage and source records of systems."""
    loaded = require_policies(SHIPPED)
    chosen = PolicySet(tuple(each for each in loaded.policies if each.policy.id == policy), loaded.fingerprint)
    held = {entity: frame(entity, rows, system) for (entity, system), rows in sources.items()}
    records = {**held, **{name: frame(name, rows) for name, rows in outputs.items()}}
    stated = {(entity, system): frozenset(name for row in rows for name in row) for (entity, system), rows in sources.items()}
    return decide_reconciliation(Facts(records, stated, as_of, held), chosen, Context(as_of))


def kinds(result: StageResult) -> list[tuple[str, str]]:
    assert result.not_applicable == []
    return sorted((kind, name) for found in result.findings for kind, name in found.select("kind", "entity_id").iter_rows())


def schedule(line: str, period: str, amount: str, **more: Any) -> dict[str, Any]:
    return {"contract_id": line[:2], "contract_line_id": line, "obligation_id": line, "period": period, "currency": "EUR",
            "recognized_amount": amount, **more}  # fmt: skip


def held_by_engine(line: str, period: str, amount: str) -> dict[str, Any]:
    day = dt.date(2026, int(period[-2:]), 28)
    return {"schedule_line_id": f"{line}/{period}", "contract_id": line[:2], "contract_line_id": line, "period": period, "amount": amount,
            "currency": "EUR", "status": "recognized", "recognized_date": day}  # fmt: skip


def test_the_revenue_engine_is_held_to_policy_period_by_period() -> None:
    ours = [schedule("C1-1", "2026-01", "100.00"), schedule("C1-1", "2026-02", "50.00"), schedule("C2-1", "2026-02", "70.00")]
    theirs = [held_by_engine(*each) for each in (("C1-1", "2026-01", "100.00"), ("C1-1", "2026-02", "60.00"), ("C3-1", "2026-03", "5.00"))]
    result = reconcile("rec-schedule-revrec", {"revenue_schedule": ours}, {("revenue_schedule_line", "revrec"): theirs})
    assert kinds(result) == [
        ("revenue_not_recognized", "C2-1|C2-1|2026-02"), ("revenue_without_policy", "C3-1/2026-03"),
        ("schedule_differs_from_policy", "C1-1/2026-02"),
    ]  # fmt: skip


def test_the_period_that_still_runs_is_not_due_yet() -> None:
    ours = [schedule("C1-1", "2026-02", "50.00"), schedule("C1-1", "2026-03", "70.00")]
    frames = {"revenue_schedule": ours}, {("revenue_schedule_line", "revrec"): [held_by_engine("C1-1", "2026-02", "50.00")]}
    assert kinds(reconcile("rec-schedule-revrec", *frames, dt.date(2026, 3, 30))) == []
    assert kinds(reconcile("rec-schedule-revrec", *frames)) == [("revenue_not_recognized", "C1-1|C1-1|2026-03")]


def test_what_lies_in_another_period_of_the_same_promise_still_ties_in_total() -> None:
    ours = [schedule("C1-1", "2026-01", "100.00"), schedule("C1-1", "2026-02", "50.00")]
    theirs = [held_by_engine("C1-1", "2026-01", "90.00"), held_by_engine("C1-1", "2026-02", "60.00")]
    result = reconcile("rec-schedule-revrec", {"revenue_schedule": ours}, {("revenue_schedule_line", "revrec"): theirs})
    assert kinds(result) == []


def test_an_amended_contract_is_compared_in_total() -> None:
    amendment = [{"amendment_id": "A1", "contract_id": "C1", "status": "approved"}]
    ours = [schedule("C1-1", "2026-01", "100.00"), schedule("C1-1", "2026-02", "80.00"), schedule("C2-1", "2026-02", "9.00")]
    theirs = [held_by_engine(*each) for each in (("C1-1", "2026-01", "100.00"), ("C1-1", "2026-02", "50.00"), ("C2-1", "2026-02", "8.00"))]
    sources: Sources = {("revenue_schedule_line", "revrec"): theirs, ("amendment", "crm"): amendment}
    result = reconcile("rec-amendment-schedule", {"revenue_schedule": ours}, sources)
    # C2 has no amendment, so it is the other tie-out's business.
    assert [kind for kind, _ in kinds(result)] == ["amendment_not_recalculated"]
    row = result.frames["reconciliations"].collect().to_dicts()[0]
    assert (row["left_total"], row["right_total"], row["unexplained"]) == (180, 150, 30)


@pytest.mark.parametrize(("name", "side"), [("liability", "credit"), ("asset", "debit")])
def test_contract_balances_are_rolled_forward_to_the_ledger(name: str, side: str) -> None:
    field, policy = f"functional_contract_{name}", f"rec-contract-{name}-gl"
    balances = [
        {"contract_id": contract, "period": period, field: amount}
        for contract, period, amount in (
            ("C1", "2026-02", "500"), ("C1", "2026-03", "300"), ("C2", "2026-03", "40"), ("C3", "2026-03", "7"),
        )
    ]  # fmt: skip
    other = "debit" if side == "credit" else "credit"
    ledger = [
        {"journal_line_id": f"J{n}", "contract_id": contract, "posting_date": AS_OF, "account": "2400", "status": "posted",
         f"functional_{which}": amount}
        for n, (contract, which, amount) in enumerate(
            (("C1", side, "500"), ("C1", other, "200"), ("C2", side, "45"), ("C4", side, "10"), ("C5", side, "6"), ("C5", other, "6"))
        )
    ]  # fmt: skip
    accounts = [{"account": "2400", "control_for": f"contract_{name}"}]
    sources: Sources = {("journal_line", "erp"): ledger, ("account", "erp"): accounts}
    result = reconcile(policy, {"contract_balances": balances}, sources)
    # C1 ties at its closing balance, C5 nets to nothing in the ledger.
    assert kinds(result) == [
        (f"contract_{name}_differs", "C2|2026-03"), (f"contract_{name}_not_in_ledger", "C3|2026-03"),
        (f"contract_{name}_without_policy", "J3"),
    ]  # fmt: skip


def test_work_done_and_not_invoiced_is_held_to_the_ledgers_accrual() -> None:
    balances = [
        {"contract_id": contract, "period": period, "unbilled_receivable": amount, "currency": "EUR"}
        for contract, period, amount in (
            ("C1", "2026-02", "900"), ("C1", "2026-03", "300"), ("C2", "2026-03", "40"), ("C3", "2026-03", "7"),
        )
    ]  # fmt: skip
    amounts = (("C1", "debit", "500"), ("C1", "credit", "200"), ("C2", "debit", "15"), ("C4", "debit", "10"))
    ledger = [
        {"journal_line_id": f"J{n}", "contract_id": contract, "posting_date": AS_OF, "account": "1200", "status": "posted",
         "currency": "EUR", side: amount}
        for n, (contract, side, amount) in enumerate(amounts)
    ]  # fmt: skip
    sources: Sources = {("journal_line", "erp"): ledger, ("account", "erp"): [{"account": "1200", "control_for": "unbilled_receivable"}]}
    result = reconcile("rec-unbilled-gl", {"contract_balances": balances}, sources)
    assert kinds(result) == [
        ("unbilled_differs", "C2|2026-03"), ("unbilled_not_in_ledger", "C3|2026-03"), ("unbilled_without_policy", "J3")
    ]  # fmt: skip
    told = pl.concat(result.findings, how="diagonal").filter(pl.col("kind") == "unbilled_differs").to_dicts()[0]
    # What an accrual needs: both amounts and the day they are of.
    assert (told["owner_value"], told["consumer_value"], told["since"]) == ("40.00", "15.00", AS_OF)


@pytest.mark.parametrize(("name", "side"), [("liability", "credit"), ("asset", "debit")])
def test_a_contract_balance_that_the_ledger_carries_at_another_rate_differs_by_exchange_only(name: str, side: str) -> None:
    balance = {"contract_id": "C1", "period": "2026-03", "currency": "USD", f"contract_{name}": "100", f"functional_contract_{name}": "90"}
    ledger = [
        {"journal_line_id": "J1", "contract_id": "C1", "posting_date": AS_OF, "account": "2400", "status": "posted", "currency": "USD",
         "legal_entity_id": "LE1", side: "100", f"functional_{side}": "90"},
        {"journal_line_id": "J2", "contract_id": "C1", "posting_date": AS_OF, "account": "2400", "status": "posted", "currency": "USD",
         "legal_entity_id": "LE1", f"functional_{side}": "5"},
    ]  # fmt: skip
    sources: Sources = {
        ("journal_line", "erp"): ledger, ("account", "erp"): [{"account": "2400", "control_for": f"contract_{name}"}],
        ("legal_entity", "erp"): [{"legal_entity_id": "LE1", "functional_currency": "EUR"}],
        ("contract", "crm"): [{"contract_id": "C1", "legal_entity_id": "LE1"}],
    }  # fmt: skip
    result = reconcile(f"rec-contract-{name}-gl", {"contract_balances": [balance]}, sources)
    rows = result.frames["reconciliations"].collect()
    assert (rows["difference"].sum(), rows["explained_fx"].sum(), rows["unexplained"].sum()) == (-5, -5, 0)
    assert [kind for kind, _ in kinds(result)] == ["exchange_differs"]


@pytest.mark.parametrize(
    ("amount", "currency", "is_explained"),
    [(None, None, True), ("10", "EUR", True), ("8", "EUR", True), ("7", "EUR", False), ("7", "USD", True)],
)
def test_a_known_cause_of_the_contract_explains_no_more_than_it_is_about(
    amount: str | None, currency: str | None, *, is_explained: bool
) -> None:
    ours, theirs = [schedule("C1-1", "2026-02", "50.00")], [held_by_engine("C1-1", "2026-02", "60.00")]
    cause = {"kind": "missed_amendment", "rule": "x", "entity": "amendment", "entity_id": "A1", "contract_id": "C1", "currency": currency,
             "amount_at_risk": None if amount is None else Decimal(amount)}  # fmt: skip
    found = pl.DataFrame([cause], schema_overrides={"amount_at_risk": pl.Decimal(38, 6), "currency": pl.String})
    held = {"revenue_schedule_line": frame("revenue_schedule_line", theirs, "revrec")}
    records = {**held, "revenue_schedule": frame("revenue_schedule", ours), "findings": finish_findings(found).lazy()}
    stated = {("revenue_schedule_line", "revrec"): frozenset(theirs[0])}
    loaded = require_policies(SHIPPED)
    chosen = PolicySet(tuple(each for each in loaded.policies if each.policy.id == "rec-schedule-revrec"), loaded.fingerprint)
    result = decide_reconciliation(Facts(records, stated, AS_OF, held), chosen, Context(AS_OF))
    row = result.frames["reconciliations"].collect().to_dicts()[0]
    # A finding's amount may lack the tax of the break, so that 8 reaches to 10, and 7 does not.
    told = (row["explained_known_cause"], row["unexplained"], row["status"])
    assert told == ((-10, 0, "explained") if is_explained else (0, -10, "open"))
    assert len(kinds(result)) == (0 if is_explained else 1)


def test_the_lines_of_one_balance_that_policy_lacks_are_one_break() -> None:
    ledger = [
        {"journal_line_id": f"J{n}", "contract_id": "C4", "posting_date": AS_OF, "account": "1200", "status": "posted", "currency": "EUR",
         "debit": amount}
        for n, amount in enumerate(("10", "20", "-5"))
    ]  # fmt: skip
    sources: Sources = {("journal_line", "erp"): ledger, ("account", "erp"): [{"account": "1200", "control_for": "unbilled_receivable"}]}
    balance = [{"contract_id": "C1", "period": "2026-03", "unbilled_receivable": "7", "currency": "EUR"}]
    result = reconcile("rec-unbilled-gl", {"contract_balances": balance}, sources)
    assert kinds(result) == [("unbilled_not_in_ledger", "C1|2026-03"), ("unbilled_without_policy", "J0")]
    told = pl.concat(result.findings, how="diagonal").filter(pl.col("kind") == "unbilled_without_policy").to_dicts()[0]
    assert (told["amount_at_risk"], told["consumer_value"]) == (25, "25.00")
    assert "and 2 more" in told["message"]


@pytest.mark.parametrize(("contract", "amount", "found"), [
    ("C1", "100", []), ("C1", "90", ["ledger_revenue_without_schedule", "recognized_not_in_ledger"]),
    ("C2", "100", ["ledger_revenue_without_schedule", "recognized_not_in_ledger"]),
])  # fmt: skip
def test_revenue_that_another_journal_booked_ties_by_contract_and_month(contract: str, amount: str, found: list[str]) -> None:
    held = [{**held_by_engine("C1-1", "2026-03", "100.00"), "journal_id": "JE1"}]
    line = {"journal_line_id": "J1", "journal_id": "UPLOAD", "contract_id": contract, "posting_date": AS_OF, "account": "4000",
            "status": "posted", "currency": "EUR", "legal_entity_id": "LE1", "functional_credit": amount, "credit": amount}  # fmt: skip
    sources: Sources = {
        ("revenue_schedule_line", "revrec"): held, ("journal_line", "erp"): [line],
        ("account", "erp"): [{"account": "4000", "account_class": "revenue"}],
        ("legal_entity", "erp"): [{"legal_entity_id": "LE1", "functional_currency": "EUR"}],
        ("contract", "crm"): [{"contract_id": name, "legal_entity_id": "LE1"} for name in ("C1", "C2")],
    }  # fmt: skip
    assert sorted(kind for kind, _ in kinds(reconcile("rec-schedule-gl", {}, sources))) == found
