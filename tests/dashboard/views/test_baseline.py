"""A month beside the baseline: what is measured, what is stated, and what nobody knows."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from adapters.store import case_work
from adapters.store.database import Store
from adapters.store.tables import Case, PeriodClose
from dashboard.views.access import Person
from dashboard.views.baseline import against_baseline
from dashboard.views.workspace import Workspace, find_runs
from engine.policy.kinds.cases import Baseline


def close(store: Store, scope: str, period: str, locked: dt.date) -> None:
    at = dt.datetime.combine(locked, dt.time(12), dt.UTC)
    with store.write() as session:
        session.add(
            PeriodClose(scope=scope, period=period, state="locked", run_id="r", started_by="a", started_at=at, certificate={},
                        certificate_hash="0", locked_at=at)
        )  # fmt: skip


def test_each_figure_is_told_beside_the_baseline_with_its_difference(workspace: Workspace, local: Person) -> None:
    run = find_runs(workspace)[0]
    store = workspace.open_store()
    with store.write() as session:
        case_work.comment(session, local.actor(), session.query(Case).limit(1).one(), "Asked")
    today = dt.datetime.now(dt.UTC).date()
    run = replace(run, as_of=today)
    close(store, run.scope, "2026-01", dt.date(2026, 2, 13))
    close(store, run.scope, "2026-02", dt.date(2026, 3, 6))
    found = {row["figure"]: row for row in against_baseline(store, run, Baseline(period="2026-01", manual_acts=4)).to_dicts()}
    store.close()
    acts, cycle, lock, opened = found.values()
    assert (acts["was"], acts["now"], acts["difference"]) == ("4", "1", "(3) (-75 %)")
    assert (cycle["was"], cycle["difference"]) == ("–", "–")
    assert (lock["was"], lock["now"], lock["difference"], lock["told"]) == (
        "10 workdays", "5 workdays", "(5) workdays (-50 %)", "2026-01 and 2026-02",
    )  # fmt: skip
    assert opened["was"] == "0"
