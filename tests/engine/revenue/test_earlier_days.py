"""A run of an earlier day told of the months it closed what a run of a later day tells of them.

By day some published cases are run again as of one earlier day, at night (`HYPOTHESIS_PROFILE=nightly`) all scenarios as of three.
"""

from __future__ import annotations

import calendar
import datetime as dt
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
import yaml

from adapters.policy_folder import SHIPPED, check_policies
from adapters.policy_tests import read_test_file, run_given
from engine.policy.testing import PolicyTest
from tests.conformance.revenue import OWN, published
from tests.engine.revenue.figures import Figures, told_figures
from tests.nights import IS_NIGHT

ROOT = Path(__file__).parents[3]

MOVES: dict[str, dict[str, str]] = yaml.safe_load((ROOT / "tests" / "cases" / "earlier_days.yaml").read_text(encoding="utf-8"))
"""By file the scenarios whose earlier months move rightly, and why."""

FILES = [*sorted(OWN.glob("*.yaml")), *published()] if IS_NIGHT else published()[::12]
BACK = (1, 3, 7) if IS_NIGHT else (1,)
"""So many months before the last day of a scenario it is run again."""

BALANCES = ("recognized", "contract_asset", "contract_liability", "receivable", "refund_liability", "loss_provision", "interest")

OF_MONTHS = ("revenue_schedule", "journal", "contract_balances")

Moved = tuple[dt.date, tuple[str, ...], Decimal | None, Decimal | None]


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_a_closed_month_stands_as_the_run_of_its_day_told_it(file: Path) -> None:
    tests, _ = read_test_file(file)
    told = {test.name: moved_figures(test) for test in tests if test.known_on is None}
    rightly = MOVES.get(file.stem, {})
    assert rightly.keys() <= told.keys()
    assert {name: moved for name, moved in told.items() if moved and name not in rightly} == {}
    # Nothing is excused that stands still, as far back as the nights go.
    assert not IS_NIGHT or all(told[name] for name in rightly)


def moved_figures(test: PolicyTest) -> list[Moved]:
    """Return figures of which the run of an earlier day tells another amount (named first) than the scenario's own."""
    policies, _ = check_policies(SHIPPED, test.policies)
    whole, _ = run_given(test, policies, "revenue")
    moved: list[Moved] = []
    for end, day in earlier_days(test):
        own = figures(whole, f"{end:%Y-%m}")
        found: list[Moved] = []
        # Facts say on which day they hold, and some on which day they became known.
        for known_on in (None, day):
            early = figures(run_given(replace(test, as_of=day, known_on=known_on), policies, "revenue")[0], f"{end:%Y-%m}")
            told = ((day, key, early.get(key), own.get(key)) for key in sorted(early.keys() | own.keys()))
            found = [each for each in told if each[2] != each[3]]
            if not found:
                break
        moved += found[:4]
    return moved


def earlier_days(test: PolicyTest) -> list[tuple[dt.date, dt.date]]:
    """Return ends of months before the scenario's day, each with the day on which its month was closed, or else itself."""
    periods = test.given.get("fiscal_period")
    closed: dict[dt.date, dt.date] = {}
    if periods is not None and "closed_at" in periods.columns:
        rows = periods.select("end_date", pl.col("closed_at").dt.date()).drop_nulls()
        closed = {end: day for end, day in rows.iter_rows() if day >= end}
    ends = [month_end(test.as_of, back) for back in BACK]
    opened = [frame["as_of_date"].max() for name, frame in test.given.items() if name == "opening_position"]
    first = max((day for day in opened if isinstance(day, dt.date)), default=dt.date.min)
    return [(end, closed.get(end, end)) for end in ends if first <= end and closed.get(end, end) < test.as_of]


def month_end(day: dt.date, back: int) -> dt.date:
    """Return the last day of the month so many months before a day's."""
    year, month = divmod(day.year * 12 + day.month - 1 - back, 12)
    return dt.date(year, month + 1, calendar.monthrange(year, month + 1)[1])


def figures(frames: dict[str, pl.DataFrame], period: str) -> Figures:
    """Return what is recognized, booked and held through a period, by what it is; what is nothing is left out."""
    by_then = {name: frame.filter(pl.col("period") <= period) for name, frame in frames.items() if name in OF_MONTHS}
    return told_figures(by_then, BALANCES, ("contract_id", "contract_line_id"))
