"""A later version of the revenue policy for contracts signed before: caught up, through equity, restated, or not at all (ASC 250)."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from adapters.policy_tests import read_test_file
from engine.policy.load import load_policies
from engine.policy.loaded import PolicySet
from engine.policy.source import SourceText
from engine.revenue import decide_revenue, revenue_reach
from engine.stage import Context

ROOT = Path(__file__).parents[4]
SHIPPED = (ROOT / "policies" / "revenue" / "rev-treatment.yaml").read_text(encoding="utf-8")
# Six months of a service by the year: 365 a year by the day, so 31, 28, 31, 30, 31, 30; a twelfth of 365 a month by the even month.
GIVEN = """test: A year of service
as_of: 2026-06-30
given:
  contract:
    - {contract_id: OLD, currency: EUR, signed_date: 2026-01-01, status: active, enforceable: true, collectible: true}
    - {contract_id: NEW, currency: EUR, signed_date: 2026-04-15, status: active, enforceable: true, collectible: true}
  contract_line:
    - {contract_line_id: OLD, contract_id: OLD, offering: managed_service, amount: 365, start_date: 2026-01-01, end_date: 2026-12-31}
    - {contract_line_id: NEW, contract_id: NEW, offering: managed_service, amount: 365, start_date: 2026-05-01, end_date: 2027-04-30}
expect: {}
"""


def policies(change: str | None, first: str = "change: null\n") -> tuple[PolicySet, list[str]]:
    until = SHIPPED.replace("settings:\n", "effective_to: 2026-03-31\nsettings:\n", 1) + first
    later = SHIPPED.replace("effective_from: 1900-01-01", "effective_from: 2026-04-01").replace(
        "settings:\n", "settings:\n  proration: monthly_even\n", 1
    )
    texts = [SourceText("a.yaml", until), SourceText("b.yaml", later + (f"change: {change}\n" if change else ""))]
    made, told = load_policies(texts)
    return made, [each.message for each in told if each.is_error]


def recognized(tmp_path: Path, change: str | None, given: str = GIVEN) -> dict[str, pl.DataFrame]:
    (tmp_path / "t.yaml").write_text(given)
    ((test,), _) = read_test_file(tmp_path / "t.yaml")
    made, mistakes = policies(change)
    assert mistakes == []
    result = decide_revenue(test.agreed(), made, Context(dt.date(2026, 6, 30)))
    return {name: frame.collect() for name, frame in result.frames.items()}


def months(found: dict[str, pl.DataFrame], contract: str) -> list[tuple[str, str, str, Decimal]]:
    rows = found["revenue_schedule"].filter((pl.col("contract_id") == contract) & (pl.col("recognized_amount") != 0))
    rows = rows.sort("period", "relates_to_period", "nature")
    names = ["period", "relates_to_period", "nature", "recognized_amount"]
    return [(each[0], each[1], each[2], each[3].normalize()) for each in rows.select(names).rows()]


def money(*texts: str) -> list[Decimal]:
    return [Decimal(text).normalize() for text in texts]


def balance(found: dict[str, pl.DataFrame], period: str) -> Decimal:
    rows = found["contract_balances"].filter((pl.col("contract_id") == "OLD") & (pl.col("period") == period))
    return Decimal((rows["contract_asset"] - rows["contract_liability"] + rows["receivable"]).sum())


def test_new_facts_leave_contracts_of_before_alone(tmp_path: Path) -> None:
    for change in (None, "{kind: new_facts}"):
        found = recognized(tmp_path, change)
        assert [each[3] for each in months(found, "OLD")] == money("31", "28", "31", "30", "31", "30")
        assert [each[3] for each in months(found, "NEW")] == money("30.42", "30.41")
        assert "restatements" not in found


def test_a_change_in_an_estimate_is_caught_up_in_the_period_of_the_change(tmp_path: Path) -> None:
    found = recognized(tmp_path, "{kind: estimate, reason: Service is used by the month}")
    rows = months(found, "OLD")
    assert [each[:3] for each in rows[:3]] == [(f"2026-0{n}", f"2026-0{n}", "current") for n in (1, 2, 3)]
    assert [each[3] for each in rows] == money("31", "28", "31", "30.42", "1.25", "30.41", "30.42")
    assert rows[4][:3] == ("2026-04", "2026-04", "estimate_change")
    assert found["restatements"].height == 0 and found["out_of_period"].height == 0
    assert sum(each[3] for each in rows) == Decimal("182.5")


def test_a_change_of_principle_goes_through_opening_equity_and_restates_what_was_before(tmp_path: Path) -> None:
    found = recognized(tmp_path, "{kind: principle, transition: retrospective}")
    rows = months(found, "OLD")
    assert [each[3] for each in rows] == money("31", "28", "31", "30.42", "30.41", "30.42")
    equity = found["journal"].filter(pl.col("account_role") == "opening_equity")
    posted = equity.select("period", "posting_date", "credit", "rule").rows()
    assert posted == [("2026-04", dt.date(2026, 4, 1), Decimal("1.25"), "250-10-45-5")]
    told = found["restatements"].select("period", "change", "transition", "as_reported", "restated", "difference").rows()
    assert [(each[0], *(part.normalize() for part in each[3:])) for each in told] == [
        ("2026-01", *money("31", "30.42", "-0.58")),
        ("2026-02", *money("28", "30.41", "2.41")),
        ("2026-03", *money("31", "30.42", "-0.58")),
    ]  # fmt: skip
    assert {each[1:3] for each in told} == {("principle", "retrospective")}
    # What stands on the balance sheet is as if the new principle had always been used.
    assert balance(found, "2026-04") == Decimal("121.67")
    sums = found["journal"].group_by("journal_id").agg(pl.col("debit").sum(), pl.col("credit").sum())
    assert (sums["debit"] == sums["credit"]).all()


def test_a_modified_retrospective_transition_restates_no_period(tmp_path: Path) -> None:
    found = recognized(tmp_path, "{kind: principle, transition: modified_retrospective}")
    assert found["restatements"].height == 0
    assert found["journal"].filter(pl.col("account_role") == "opening_equity")["credit"].to_list() == [Decimal("1.25")]


def test_an_error_restates_its_periods_and_stands_in_the_register_as_one(tmp_path: Path) -> None:
    found = recognized(tmp_path, "{kind: error}")
    errors = [each for each in months(found, "OLD") if each[2] == "error"]
    amounts = zip(("2026-01", "2026-02", "2026-03"), money("-0.58", "2.41", "-0.58"), strict=True)
    assert [(each[0], each[1], each[3]) for each in errors] == [("2026-04", *each) for each in amounts]
    register = found["out_of_period"].select("relates_to_period", "period", "nature", "amount").rows()
    assert [(each[0], each[1], each[2]) for each in register] == [(f"2026-0{n}", "2026-04", "error") for n in (1, 2, 3)]
    assert found["restatements"]["change"].unique().to_list() == ["error"] and found["restatements"]["difference"].sum() == Decimal("1.25")


def test_the_preview_of_a_change_reaches_the_contracts_it_is_for(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(GIVEN)
    ((test,), _) = read_test_file(tmp_path / "t.yaml")

    def reached(one: str | None, other: str | None) -> list[str] | None:
        return revenue_reach(test.agreed(), policies(one)[0], policies(other)[0], Context(dt.date(2026, 6, 30)))

    assert reached(None, "{kind: new_facts}") == []
    assert reached(None, "{kind: estimate}") == ["OLD"]
    assert reached("{kind: estimate}", "{kind: error}") == ["OLD"]


def test_before_its_day_a_change_is_not_adopted(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(GIVEN.replace("as_of: 2026-06-30", "as_of: 2026-03-31"))
    ((test,), _) = read_test_file(tmp_path / "t.yaml")
    made, _ = policies("{kind: error}")
    frames = decide_revenue(test.agreed(), made, Context(dt.date(2026, 3, 31))).frames
    assert "restatements" not in frames


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("{kind: principle}", "names its transition"),
        ("{kind: error, transition: retrospective}", "names its transition"),
        ("{kind: fun}", "'kind'"),
    ],
)
def test_what_a_change_cannot_be_is_said(change: str, message: str) -> None:
    assert any(message in each for each in policies(change)[1])


def test_the_first_version_changes_nothing_that_was_before() -> None:
    assert any("no version of 'rev-treatment' stands before it" in each for each in policies(None, "change: {kind: error}\n")[1])


@pytest.mark.parametrize(
    ("held", "april"),
    [
        # Taken over with the 59 that its days show: 4 / 12 of 365 at the end of April, as if it had always been here.
        ("59", ("31", "30.42", "1.25")),
        # With 70: 295 over 306 days, 31 of them in March; by the even month 29.50 of March and April each.
        ("70", ("29.89", "29.5", "-0.39")),
    ],
)
def test_another_convention_keeps_what_a_position_taken_over_was(tmp_path: Path, held: str, april: tuple[str, ...]) -> None:
    opened = f"{{contract_line_id: OLD, as_of_date: 2026-02-28, allocated_amount: 365, recognized_amount: {held}, currency: EUR}}"
    found = recognized(tmp_path, "{kind: estimate}", GIVEN.replace("expect:", f"  opening_position:\n    - {opened}\nexpect:"))
    rows = [each for each in months(found, "OLD") if each[0] in ("2026-03", "2026-04")]
    assert [each[3] for each in rows] == money(*april)
    assert rows[-1][2] == "estimate_change"


def test_each_contract_is_decided_alike_whatever_else_there_is(tmp_path: Path) -> None:
    whole: Any = recognized(tmp_path, "{kind: estimate}")
    assert [each[3] for each in months(whole, "NEW")] == money("30.42", "30.41")


COSTS = """test: A commission over two years
as_of: 2026-06-30
given:
  contract:
    - {contract_id: OLD, currency: EUR, signed_date: 2026-01-01, start_date: 2026-01-01, end_date: 2027-12-31, status: active, enforceable: true, collectible: true}
  contract_line:
    - {contract_line_id: OLD, contract_id: OLD, offering: managed_service, amount: 7300, start_date: 2026-01-01, end_date: 2027-12-31}
  contract_cost:
    - {cost_id: K, contract_id: OLD, kind: obtain, incurred_date: 2026-01-01, amount: 730, currency: EUR, is_incremental: true}
expect: {}
"""  # noqa: E501


@pytest.mark.parametrize(
    ("change", "april", "closing"),
    [
        # 640 of 730 are left on 1 April, over 21 months
        ("{kind: estimate}", "30.48", "609.52"),
        ("{kind: principle, transition: retrospective}", "30.48", "609.52"),
        # 20 of 24 months are left at the end of April
        ("{kind: error}", "31.67", "608.33"),
    ],
)
def test_another_way_of_amortizing_leaves_ended_periods_alone(tmp_path: Path, change: str, april: str, closing: str) -> None:
    (tmp_path / "t.yaml").write_text(COSTS)
    ((test,), _) = read_test_file(tmp_path / "t.yaml")
    result = decide_revenue(test.agreed(), policies(change)[0], Context(dt.date(2026, 6, 30)))
    rows = result.frames["contract_costs"].collect().sort("period")
    assert [each.normalize() for each in rows["amortized"][:4]] == money("31", "28", "31", april)
    assert rows["closing"][3] == Decimal(closing)


def test_combined_contracts_follow_one_version_of_the_policy(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(
        GIVEN.replace("signed_date: 2026-01-01", "signed_date: 2026-03-20").replace(
            "NEW, currency: EUR,", "NEW, currency: EUR, combined_with_contract_id: OLD,"
        ).replace("amount: 365,", "amount: 365, standalone_selling_price: 365,").replace("start_date: 2026-01-01, end_date: 2026-12-31",
                                                                                      "start_date: 2026-05-01, end_date: 2027-04-30")
    )  # fmt: skip
    ((test,), _) = read_test_file(tmp_path / "t.yaml")
    result = decide_revenue(test.agreed(), policies(None)[0], Context(dt.date(2026, 6, 30)))
    found = {name: frame.collect() for name, frame in result.frames.items()}
    # The first would be earned by the day, 31 and 30, had it been signed alone.
    assert [each[3] for each in months(found, "OLD")] == money("30.42", "30.41")
    assert [each[3] for each in months(found, "NEW")] == money("30.42", "30.41")
