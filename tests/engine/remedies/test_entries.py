"""Entries as remedies: accruals at the period's end with their reversal, open periods only, nothing booked twice."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import pytest

from engine.errors import UsageError
from engine.findings import FINDING_SCHEMA, finish_findings
from engine.policy.load import load_policies
from engine.policy.source import SourceText
from engine.remedies import approver_role, propose_remedies
from engine.stage import Context

AS_OF = dt.date(2026, 11, 10)
END = dt.date(2026, 10, 31)
HEAD = "title: T\nowner: o\neffective_from: 1900-01-01\nreference: AM\n"
ACCRUAL = "entry: {debit: unbilled_receivable, credit: revenue, posts: period_end, reverses: next_period, only: lacking}"
REMEDY = f"policy: remedy\nid: rem\n{HEAD}remedies:\n  - {{id: RM-1, kinds: [unbilled_differs], action: journal_entry, target: erp, {ACCRUAL}, says: Accrue}}\n"  # noqa: E501
REVENUE = f"""policy: revenue
id: rev
{HEAD}item: obligation
hit: UNIQUE
inputs: [offering]
outputs: {{timing: [over_time], measure: [time_elapsed], convention: text}}
rules: |
  | rule | offering | -> timing | -> measure   | -> convention | note |
  |------|----------|-----------|--------------|---------------|------|
  | R1   | -        | over_time | time_elapsed | actual_days   | all  |
default: {{timing: over_time, measure: time_elapsed}}
accounts: {{unbilled_receivable: "1200", revenue: "4000"}}
"""


def finding(policy_gives: str, ledger_holds: str, contract: str = "C1") -> dict[str, Any]:
    return {"stage": "reconciliation", "kind": "unbilled_differs", "rule": "r", "severity": "high", "entity": "contract_balances",
            "entity_id": f"{contract}|2026-10", "contract_id": contract, "legal_entity_id": "LE1", "currency": "EUR", "since": END,
            "systems": ["tieout", "erp"], "owner_value": policy_gives, "consumer_value": ledger_holds, "remedy": "Look.",
            "evidence": ["a:1"]}  # fmt: skip


def proposed(*rows: dict[str, Any], statuses: tuple[str, ...] = (), approved: frozenset[str] = frozenset()) -> list[dict[str, Any]]:
    """Return the remedies; `statuses` are those of the months from October on."""
    found = finish_findings(pl.DataFrame(rows, schema=FINDING_SCHEMA)).with_columns(pl.col("finding_id").alias("cause_id"))
    policies, mistakes = load_policies([SourceText("m.yaml", REMEDY), SourceText("v.yaml", REVENUE)])
    assert not [each for each in mistakes if each.is_error]
    months = [dt.date(2026, 10 + n, 1) for n in range(len(statuses))]
    periods = pl.DataFrame({
        "legal_entity_id": ["LE1"] * len(months), "start_date": months, "status": list(statuses),
    }, schema_overrides={"start_date": pl.Date, "legal_entity_id": pl.String, "status": pl.String})  # fmt: skip
    periods = periods.with_columns(pl.col("start_date").dt.month_end().alias("end_date"))
    return propose_remedies(found, policies, Context(AS_OF), None, periods, approved).to_dicts()


def test_what_the_ledger_lacks_is_accrued_at_the_periods_end_and_taken_back_in_the_next() -> None:
    (row,) = proposed(finding("100.00", "30.00"))
    assert (row["debit_account"], row["credit_account"], row["amount"], row["legal_entity_id"]) == ("1200", "4000", 70, "LE1")
    assert (row["action"], row["posting_date"], row["reversal_date"]) == ("journal_entry", END, dt.date(2026, 11, 1))


@pytest.mark.parametrize(
    ("statuses", "posts", "reverses"),
    [
        (("open", "open"), END, dt.date(2026, 11, 1)),
        (("closed", "open"), dt.date(2026, 11, 1), dt.date(2026, 12, 1)),
        (("locked", "closed", "open"), dt.date(2026, 12, 1), dt.date(2027, 1, 1)),
        (("locked",), AS_OF, dt.date(2026, 12, 1)),
    ],
)
def test_an_accrual_never_posts_into_a_closed_period(statuses: tuple[str, ...], posts: dt.date, reverses: dt.date) -> None:
    (row,) = proposed(finding("100.00", "30.00"), statuses=statuses)
    assert (row["posting_date"], row["reversal_date"]) == (posts, reverses)


def test_what_the_ledger_holds_too_much_is_for_a_person_to_look_at() -> None:
    (row,) = proposed(finding("30.00", "100.00"))
    assert (row["action"], row["debit_account"], row["posting_date"], row["instruction"]) == ("request", None, None, "Look.")


def test_an_entry_whose_batch_is_approved_is_posted_from_there_and_not_a_second_time() -> None:
    rows = proposed(finding("100.00", "30.00"), finding("50.00", "0", "C2"), approved=frozenset({"C1"}))
    told = {row["contract_id"]: (row["action"], row["debit_account"]) for row in rows}
    assert told == {"C1": ("request", None), "C2": ("journal_entry", "1200")}
    assert next(row["instruction"] for row in rows if row["contract_id"] == "C1").startswith("Post what the ledger lacks")


def test_the_same_difference_is_the_same_entry_and_another_one_is_another() -> None:
    keys = [proposed(finding("100.00", there))[0]["remedy_key"] for there in ("30.00", "30.00", "0.00")]
    assert keys[0] == keys[1] != keys[2]


def test_who_releases_a_remedy_is_named_by_the_policy_that_drafted_it() -> None:
    other = REMEDY.replace("id: rem\n", "id: later\napprover_role: controller\n").replace("RM-1", "RM-2").replace("unbilled_differs", "x")
    policies, mistakes = load_policies([SourceText("m.yaml", REMEDY), SourceText("n.yaml", other), SourceText("v.yaml", REVENUE)])
    assert not [each for each in mistakes if each.is_error]
    assert approver_role(policies, AS_OF, ["RM-1"]) == "approver"
    assert approver_role(policies, AS_OF, ["RM-2"]) == "controller"
    assert approver_role(policies, AS_OF, ["RM-9"]) == "approver"
    with pytest.raises(UsageError, match="'later' names controller, 'rem' names approver"):
        approver_role(policies, AS_OF, ["RM-1", "RM-2"])
