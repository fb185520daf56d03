"""The shadow check: every planted difference gets the cause that made it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from engine.canonical.kinds import MONEY
from engine.findings import finish_findings
from engine.revenue.controls.shadow import SHADOW, compared, shadow_rows
from engine.revenue.controls.shadow_causes import explained
from engine.revenue.controls.shadow_findings import shadow_findings
from engine.revenue.controls.shadow_posted import posted_differences, posted_findings, posted_revenue

DAY = dt.date
Make = Callable[..., pl.DataFrame]
AS_OF = pl.lit(DAY(2026, 3, 31))
ENDS = {"2026-01": DAY(2026, 1, 31), "2026-02": DAY(2026, 2, 28), "2026-03": DAY(2026, 3, 31), "2026-04": DAY(2026, 4, 30)}


@pytest.fixture
def check(records: Make, performance: Make, lines: Make, months: Callable[[int, int], pl.DataFrame]) -> Callable[..., pl.DataFrame]:
    """Compare amounts by line and period: `check(theirs={("L1", "2026-01"): 10}, ours={…}, measure="hours")`."""

    def go(
        theirs: dict[tuple[str, str], Any], ours: dict[tuple[str, str], Any], *, catch_up: tuple[str, str] | None = None,
        amended: tuple[str, dt.date, str] | None = None, as_of: pl.Expr = AS_OF, **line: Any,
    ) -> pl.DataFrame:  # fmt: skip
        held = [
            {
                "schedule_line_id": f"{key}-{period}", "contract_id": "C1", "contract_line_id": key, "period": period, "amount": amount,
                "currency": "USD", "status": "recognized" if ENDS[period] <= DAY(2026, 3, 31) else "planned",
                "is_catch_up": (key, period) == catch_up, "evidence": ["revrec.csv:2"],
            }
            for (key, period), amount in theirs.items()
        ]  # fmt: skip
        earned = [
            {
                "contract_line_id": key,
                "obligation_id": key,
                "posting_date": ENDS[period],
                "amount": amount,
                "is_planned": ENDS[period] > DAY(2026, 3, 31),
            }
            for (key, period), amount in ours.items()
        ]
        known = {key for key, _ in (*theirs, *ours)}
        term = {"start_date": DAY(2026, 1, 1), "end_date": DAY(2026, 4, 30), "measure": "hours"} | line
        promised = lines(*({"contract_line_id": key, "obligation_id": key, **term} for key in sorted(known)))
        schema: dict[str, pl.DataType | type[pl.DataType]] = {
            "amendment_id": pl.String,
            "contract_line_id": pl.String,
            "action": pl.String,
            "date": pl.Date,
            "evidence": pl.List(pl.String),
        }
        changes = [] if amended is None else [("A1", amended[0], amended[2], amended[1], ["crm.csv:9"])]
        rows = compared(records("revenue_schedule_line", *held), performance(*earned), promised, months(2026, 2026))
        amendments = pl.DataFrame(changes, schema=schema, orient="row")
        go.amendments = amendments  # type: ignore[attr-defined]
        return explained(rows, amendments, as_of)

    return go


def causes(found: pl.DataFrame) -> dict[tuple[str, str], str]:
    return {(line, period): cause for line, period, cause in found.select("contract_line_id", "period", "cause").rows()}


def test_equal_schedules_differ_in_nothing(check: Callable[..., pl.DataFrame]) -> None:
    same = {("L1", "2026-01"): 10, ("L1", "2026-04"): 30}
    found = check(same, same)
    assert found.height == 0
    assert shadow_rows(found).schema == SHADOW


def test_a_cent_that_does_not_drift_is_rounding(check: Callable[..., pl.DataFrame]) -> None:
    found = check({("L1", "2026-01"): "33.34", ("L1", "2026-02"): "33.33"}, {("L1", "2026-01"): "33.33", ("L1", "2026-02"): "33.34"})
    assert set(causes(found).values()) == {"rounding"}


def test_cents_that_drift_are_no_rounding(check: Callable[..., pl.DataFrame]) -> None:
    periods = list(ENDS)[:3]
    found = check({("L1", each): "33.34" for each in periods}, {("L1", each): "33.33" for each in periods})
    assert set(causes(found).values()) == {"unexplained"}


def test_another_day_count_that_gives_every_amount_is_named(check: Callable[..., pl.DataFrame]) -> None:
    # 1,200 over January to April: 300 a month, or 310, 280, 310, 300 by the day
    theirs = {("L1", period): 300 for period in ENDS}
    ours = dict(zip((("L1", period) for period in ENDS), (310, 280, 310, 300), strict=True))
    found = check(theirs, ours, measure="time_elapsed", convention="actual_days", amount=1200)
    assert found.select("cause", "detail").unique().rows() == [("day_count", "thirty_360")]
    assert found["period"].to_list() == ["2026-01", "2026-02", "2026-03"]


def test_cost_taken_a_month_early_is_cut_off(check: Callable[..., pl.DataFrame]) -> None:
    found = check({("L1", "2026-01"): 70, ("L1", "2026-02"): 30}, {("L1", "2026-01"): 50, ("L1", "2026-02"): 50}, measure="cost_to_cost")
    assert set(causes(found).values()) == {"cost_cut_off"}


def test_lines_that_differ_while_their_sum_does_not_are_another_allocation(check: Callable[..., pl.DataFrame]) -> None:
    found = check(
        {("L1", "2026-01"): 60, ("L2", "2026-01"): 40}, {("L1", "2026-01"): 55, ("L2", "2026-01"): 45}, measure="time_elapsed",
        convention="actual_days",
    )  # fmt: skip
    assert set(causes(found).values()) == {"ssp_version"}


def test_an_amendment_of_which_their_schedule_shows_nothing_is_missed(check: Callable[..., pl.DataFrame]) -> None:
    theirs = {("L1", "2026-01"): 20, ("L1", "2026-02"): 30, ("L1", "2026-03"): 30}
    ours = {("L1", "2026-01"): 20, ("L1", "2026-02"): 24, ("L1", "2026-03"): 42}
    found = check(theirs, ours, amended=("L1", DAY(2026, 2, 10), "change"))
    assert set(causes(found).values()) == {"missed_amendment"}
    told = finish_findings(*shadow_findings(found, check.amendments))  # type: ignore[attr-defined]
    assert told.select("kind", "entity", "entity_id", "amount_at_risk").rows() == [("missed_amendment", "amendment", "A1", Decimal(6))]
    assert told["evidence"].to_list() == [["crm.csv:9", "revrec.csv:2"]]


def test_an_amendment_they_caught_up_for_is_not_missed(check: Callable[..., pl.DataFrame]) -> None:
    theirs = {("L1", "2026-01"): 20, ("L1", "2026-02"): 30}
    found = check(theirs, {**theirs, ("L1", "2026-02"): 24}, amended=("L1", DAY(2026, 2, 10), "change"), catch_up=("L1", "2026-02"))
    assert set(causes(found).values()) == {"unexplained"}


def test_a_difference_from_before_the_amendment_has_another_cause(check: Callable[..., pl.DataFrame]) -> None:
    theirs = {("L1", "2026-01"): 20, ("L1", "2026-02"): 30}
    found = check(theirs, {("L1", "2026-01"): 25, ("L1", "2026-02"): 24}, amended=("L1", DAY(2026, 2, 10), "change"))
    assert set(causes(found).values()) == {"unexplained"}


def test_a_line_that_an_amendment_added_and_they_do_not_have(check: Callable[..., pl.DataFrame]) -> None:
    found = check(
        {("L1", "2026-01"): 5}, {("L1", "2026-01"): 5, ("L2", "2026-02"): 7, ("L2", "2026-03"): 7}, amended=("L2", DAY(2026, 2, 1), "add")
    )
    assert causes(found) == {("L2", "2026-02"): "missed_amendment", ("L2", "2026-03"): "missed_amendment"}


def test_revenue_of_a_month_without_evidence_and_evidence_without_revenue(check: Callable[..., pl.DataFrame]) -> None:
    found = check({("L1", "2026-01"): 12, ("L1", "2026-02"): 8}, {("L1", "2026-02"): 8, ("L1", "2026-03"): 9}, measure="as_invoiced")
    assert causes(found) == {("L1", "2026-01"): "no_evidence", ("L1", "2026-03"): "missed_evidence"}
    told = finish_findings(*shadow_findings(found, check.amendments))  # type: ignore[attr-defined]
    assert set(told.select("kind", "entity_id", "period").rows()) == {
        ("recognition_without_evidence", "L1-2026-01", "2026-01"), ("evidence_without_recognition", "L1", "2026-03"),
    }  # fmt: skip
    assert set(told["currency"]) == {"USD"}
    assert "9.00 USD earned on L1 in 2026-03 by the evidence at hand, and nothing recognized." in told["message"].to_list()


def test_what_the_running_month_has_earned_is_not_missed_before_it_ends(check: Callable[..., pl.DataFrame]) -> None:
    ours = {("L1", "2026-02"): 8, ("L1", "2026-03"): 9}
    running = check({("L1", "2026-02"): 8}, ours, measure="as_invoiced", as_of=pl.lit(DAY(2026, 3, 30)))
    assert causes(running) == {("L1", "2026-03"): "not_yet"}
    assert not any(found.height for found in shadow_findings(running, check.amendments))  # type: ignore[attr-defined]
    ended = check({("L1", "2026-02"): 8}, ours, measure="as_invoiced")
    assert causes(ended) == {("L1", "2026-03"): "missed_evidence"}


def test_one_finding_tells_all_periods_of_a_cause(check: Callable[..., pl.DataFrame]) -> None:
    periods = list(ENDS)[:3]
    found = check({("L1", each): 40 for each in periods}, {("L1", each): 33 for each in periods})
    told = finish_findings(*shadow_findings(found, check.amendments))  # type: ignore[attr-defined]
    assert told.select("kind", "field", "severity", "amount_at_risk").rows() == [("schedule_differs", "unexplained", "high", Decimal(7))]
    assert told.schema["amount_at_risk"] == MONEY


def test_posted_revenue_is_explained_by_the_schedule_or_told(records: Make, performance: Make) -> None:
    line = {"status": "posted", "contract_id": "C1", "currency": "USD", "account": "4000", "evidence": ["erp.csv:5"]}
    journals = records(
        "journal_line",
        {**line, "journal_line_id": "1", "period": "2026-01", "credit": 120},
        {**line, "journal_line_id": "2", "period": "2026-02", "credit": 90, "debit": 0},
        {**line, "journal_line_id": "3", "period": "2026-02", "debit": 5},
        {**line, "journal_line_id": "4", "period": "2026-03", "credit": 70, "status": "draft"},
        {**line, "journal_line_id": "5", "period": "2026-03", "credit": 70, "account": "1100"},
    )
    accounts = records("account", {"account": "4000", "account_class": "revenue"}, {"account": "1100", "account_class": "asset"})
    earned = performance({"posting_date": ENDS["2026-01"], "amount": 100}, {"posting_date": ENDS["2026-02"], "amount": 80})
    judged = pl.DataFrame(
        {"contract_id": ["C1"], "period": ["2026-01"], "difference": [Decimal(20)], "is_past": [True], "currency": ["USD"]},
        schema_overrides={"difference": MONEY},
    )
    rows = posted_differences(posted_revenue(journals, accounts), earned, judged)
    assert rows.select("period", "difference", "by_schedule", "unexplained").rows() == [("2026-01", 20, 20, 0), ("2026-02", 5, 0, 5)]
    told = finish_findings(posted_findings(rows))
    assert told.select("kind", "period", "amount_at_risk").rows() == [("posted_revenue_differs", "2026-02", Decimal(5))]
