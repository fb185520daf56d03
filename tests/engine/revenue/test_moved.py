"""A row of the schedule names every source row that moved its figure in the month, and none of another month."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from adapters.policy_folder import check_policies
from adapters.policy_tests import read_test_file, run_given
from engine.revenue.ground.sources import MOST, united

ROOT = Path(__file__).parents[3]

Places = dict[tuple[str, str], list[set[str]]]

GIVEN = """\
as_of: 2026-03-15
tests:
  - test: moved
    policies: {rev-treatment: {assign: {HOURS: {timing: over_time, measure: hours}, AWARD: {timing: over_time, measure: observed}}}}
    given:
      contract:
        - {contract_id: C1, currency: USD, signed_date: 2026-01-01, start_date: 2026-01-01, end_date: 2026-12-31, status: active, enforceable: true, collectible: true}
        - {contract_id: C2, currency: USD, signed_date: 2026-01-01, start_date: 2026-01-01, end_date: 2026-12-31, status: active, enforceable: true, collectible: true}
      contract_line:
        - {contract_line_id: HOURS, contract_id: C1, offering: fixed_fee, amount: 10000, standalone_selling_price: 10000, estimated_hours: 100}
        - {contract_line_id: TIME, contract_id: C2, offering: managed_service, amount: 12000, standalone_selling_price: 12000, end_date: 2026-12-31}
        - {contract_line_id: BILLED, contract_id: C1, offering: time_and_materials, unit_price: 100}
        - {contract_line_id: AWARD, contract_id: C1, offering: fixed_fee, amount: 1000, standalone_selling_price: 1000}
      time_entry:
        - {time_entry_id: T1, contract_line_id: HOURS, work_date: 2026-02-03, hours: 8, billable: true, status: approved}
        - {time_entry_id: T2, contract_line_id: HOURS, work_date: 2026-02-17, hours: 8, billable: true, status: approved}
        - {time_entry_id: T3, contract_line_id: HOURS, work_date: 2026-03-02, hours: 8, billable: true, status: approved}
        - {time_entry_id: T4, contract_line_id: BILLED, work_date: 2026-02-04, hours: 8, billable: true, status: approved}
        - {time_entry_id: T5, contract_line_id: BILLED, work_date: 2026-02-05, hours: 8, billable: true, status: approved}
      progress:
        - {progress_id: G1, contract_line_id: AWARD, as_of_date: 2026-02-28, percent_complete: 50}
      variable_estimate:
        - {estimate_id: E1, contract_line_id: AWARD, as_of_date: 2026-03-10, method: most_likely, amount: 200}
      amendment:
        - {amendment_id: M1, contract_id: C2, effective_date: 2026-02-10, approved_date: 2026-02-10, status: approved}
      amendment_line:
        - {amendment_line_id: M1-1, amendment_id: M1, contract_line_id: TIME, action: change, amount: 14000, standalone_selling_price: 14000, remaining_is_distinct: true}
    expect: {findings: none}
"""  # noqa: E501


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """The source rows of each line's months, as the first words of the lines of the file they name."""
    file = tmp_path_factory.mktemp("moved") / "moved.test.yaml"
    file.write_text(GIVEN, encoding="utf-8")
    (test,), mistakes = read_test_file(file)
    assert not mistakes
    frames, _ = run_given(test, check_policies(ROOT / "policies", test.policies)[0])
    lines = GIVEN.splitlines()
    found: Places = {}
    for row in frames["revenue_schedule"].filter(pl.col("recognized_amount") != 0).iter_rows(named=True):
        assert row["evidence"] == sorted(set(row["evidence"]))
        told = {lines[int(place.rpartition(":")[2]) - 1].split(": ")[1].split(",")[0] for place in row["evidence"]}
        found.setdefault((row["contract_line_id"], row["period"]), []).append(told)
    return found


def test_a_month_of_work_names_each_day_of_it_and_no_day_of_another(places: Places) -> None:
    assert places["HOURS", "2026-02"] == [{"HOURS", "T1", "T2"}]
    assert places["HOURS", "2026-03"] == [{"HOURS", "T3"}]
    assert places["BILLED", "2026-02"] == [{"T4", "T5"}]


def test_observations_and_estimates_are_named_in_the_month_they_moved(places: Places) -> None:
    assert places["AWARD", "2026-02"] == [{"AWARD", "G1"}]
    assert places["AWARD", "2026-03"] == [{"AWARD", "E1"}]


def test_what_time_alone_moves_names_the_promise_and_once_the_change_of_it(places: Places) -> None:
    assert places["TIME", "2026-01"] == places["TIME", "2026-03"] == [{"TIME"}]
    assert places["TIME", "2026-02"] == [{"TIME", "M1", "M1-1"}]


def test_a_row_names_a_bounded_number_of_places_the_first_in_order() -> None:
    rows = pl.DataFrame({"key": [1, 1], "evidence": [[f"f:{n:05}" for n in range(0, 4000, 2)], [f"f:{n:05}" for n in range(1, 4000, 2)]]})
    (named,) = rows.group_by("key").agg(united("evidence"))["evidence"].to_list()
    assert named == [f"f:{n:05}" for n in range(MOST)]
