"""What billing, reconciliation, projects and records show, on outputs of a few rows."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dashboard.views import billing, integrations, projects, reconciliation, record, revenue
from dashboard.views.kpis import by_dimension, figures, over_runs
from dashboard.views.tables import Query
from dashboard.views.workspace import RunEntry

DAY = dt.date(2026, 10, 31)
MONEY = pl.Decimal(38, 6)


@pytest.fixture
def run(tmp_path: Path) -> RunEntry:
    return RunEntry("r1", "firm", "firm", DAY, 0, None, tmp_path)


def write(run: RunEntry, name: str, rows: list[dict[str, Any]], **schema: Any) -> None:
    path = run.folder / f"{name}.parquet"
    path.parent.mkdir(exist_ok=True, parents=True)
    pl.DataFrame(rows, schema_overrides=schema).write_parquet(path)


def decision(item: str, decided: str, amount: int, day: dt.date, **more: Any) -> dict[str, Any]:
    row = {"item_type": "time_entry", "item_id": item, "decision": decided, "reason": "approved", "contract_id": "C1", "project_id": "P1",
           "currency": "EUR", "amount_unbilled": Decimal(amount), "amount_billed": Decimal(0), "item_date": day}  # fmt: skip
    return row | more


def write_decisions(run: RunEntry) -> None:
    rows = [
        decision("T1", "billable", 100, DAY),
        decision("T2", "on_hold", 50, dt.date(2026, 7, 1), reason="not approved"),
        decision("T3", "on_hold", 900, dt.date(2027, 1, 1), reason="not due"),
        decision("T4", "billed", 0, DAY, amount_billed=Decimal(70)),
    ]
    write(run, "billing_decisions", rows, amount_unbilled=MONEY, amount_billed=MONEY)


def test_without_outputs_every_view_says_none(run: RunEntry) -> None:
    views = (billing.decisions, reconciliation.matrix, reconciliation.tie_outs, projects.projects, integrations.flows)
    assert [view(run) for view in views] == [None] * len(views)
    assert not revenue.has_revenue(run)
    assert figures(run) == []


def test_ready_and_held_are_told_apart_and_what_holds_the_most_comes_first(run: RunEntry) -> None:
    write_decisions(run)
    write(run, "golden/project", [{"project_id": "P1", "name": "Rollout"}])
    frame = billing.decisions(run)
    assert frame is not None
    rows = billing.items(run, frame, billing.READY, billing.is_ready()).page(Query()).rows
    assert rows.select("item_id", "project", "contract", "age").row(0) == ("T1", "Rollout", "C1", 0)
    assert billing.reasons(frame).rows() == [("not due", "EUR", 1, Decimal(900)), ("not approved", "EUR", 1, Decimal(50))]


def test_what_is_not_due_yet_is_no_old_work(run: RunEntry) -> None:
    write_decisions(run)
    frame = billing.decisions(run)
    assert frame is not None
    assert billing.ageing(frame).select("days", "amount_unbilled").rows() == [("0–30", Decimal(100)), ("over 90", Decimal(50))]


def test_a_project_knows_its_hours_money_and_what_blocks_it(run: RunEntry) -> None:
    write_decisions(run)
    write(run, "golden/project", [{"project_id": "P1", "name": "Rollout", "manager": "R1", "status": "active", "service_line": "Data",
                                   "budget_hours": Decimal(10)}])  # fmt: skip
    write(run, "golden/resource", [{"resource_id": "R1", "name": "Tara"}])
    write(run, "golden/time_entry", [{"project_id": "P1", "hours": Decimal(3), "status": "approved"},
                                     {"project_id": "P1", "hours": Decimal(2), "status": "draft"}])  # fmt: skip
    frame = projects.projects(run)
    assert frame is not None
    row = frame.collect().to_dicts()[0]
    assert (row["manager_name"], row["hours"], row["hours_approved"]) == ("Tara", 5, 3)
    assert (row["ready"], row["on_hold"], row["billed"]) == (100, 950, 70)
    assert row["blocked_by"] == ["not approved", "not due"]


def test_a_pair_of_systems_stands_as_its_worst_tie_out(run: RunEntry) -> None:
    base = {"left_system": "crm", "right_system": "erp", "breaks": 2, "review": 0, "not_comparable": 0}
    euros = {**base, "currency": "EUR", "open": 0, "explained": 1, "tied": 3}
    dollars = {**base, "currency": "USD", "open": 1, "explained": 0, "tied": 0}
    write(run, "tieout_matrix", [euros, dollars])
    cells = reconciliation.matrix(run)
    assert cells is not None
    assert cells.select("status", "tie_outs", "breaks").row(0) == ("open", 5, 4)


def test_a_record_is_found_by_id_and_by_a_part_of_its_name(run: RunEntry) -> None:
    write(run, "golden/customer", [{"customer_id": "K1", "name": "Alder Logistics", "evidence": ["crm/a.csv:2"]}])
    write_decisions(run)
    assert record.find_records(run, "K1")[0][0] == "customer"
    assert record.search_records(run, "alder") == [("customer", "K1", "Alder Logistics")]
    assert record.search_records(run, ".*") == []
    assert list(record.told_of(run, "T1")) == ["billing_decisions"]
    assert record.source_rows(run, ["crm/a.csv:2"]) == [{"system": "crm", "place": "crm/a.csv:2", "line": None}]


def test_figures_are_the_firms_with_their_months_and_what_each_run_said(run: RunEntry) -> None:
    base = {"kpi": "wip", "dimension": "total", "unit": "EUR", "target": None, "status": "no_target", "formula": "f", "rule": "kpi-wip"}
    rows = [{**base, "period": period, "value": Decimal(value)} for period, value in (("2026-09", 5), ("2026-10", 7), ("2026-11", 9))]
    write(run, "kpis", rows, value=MONEY, target=pl.String)
    figure = figures(run)[0]
    assert (figure.title, figure.period, figure.value, figure.before) == ("WIP", "2026-10", 7, 5)
    assert (figure.missing, figure.missing_of) == (0, None)
    assert over_runs([run], "wip", "2026-10")["value"].to_list() == [7]


def test_a_figure_tells_what_its_value_leaves_out(run: RunEntry) -> None:
    base: dict[str, Any] = {"kpi": "wip", "unit": "EUR", "target": None, "status": "no_target", "formula": "f", "rule": "kpi-wip"}
    base |= {"period": "2026-10"}
    base |= {"value": Decimal(5), "numerator": Decimal(5), "denominator": None, "missing": 2, "missing_of": "2 of 9"}
    rows = [{**base, "dimension": name} for name in ("total", "service_line=audit")]
    write(run, "kpis", rows, value=MONEY, target=pl.String)
    figure = figures(run)[0]
    assert (figure.missing, figure.missing_of) == (2, "2 of 9")
    parts = by_dimension(run, "wip", "2026-10")
    assert parts is not None and parts.collect()["missing"].to_list() == [2]
