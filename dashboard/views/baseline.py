"""The return on the tool: effort, invoice cycle, close and exceptions of a month beside those of the baseline."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, Final

import polars as pl
import sqlalchemy as sa
from sqlalchemy.orm import Session

from adapters.store.database import Store
from adapters.store.tables import IDENTITIES, Case, CaseEvent, PeriodClose
from dashboard.views.formats import measure
from dashboard.views.kpis import TOTAL
from dashboard.views.tables import Column
from dashboard.views.workspace import RunEntry, output
from engine.policy.kinds.cases import Baseline, workdays_between

COLUMNS: Final = (
    Column("figure", "Figure", width=330), Column("was", "Baseline", "count"), Column("now", "Now", "count"),
    Column("difference", "Difference", "count"), Column("told", "Of"),
)  # fmt: skip

_CYCLE: Final = "invoice_latency"


def against_baseline(store: Store, run: RunEntry, baseline: Baseline, holidays: tuple[dt.date, ...] = ()) -> pl.DataFrame:
    """Return each figure of the baseline's month and of the run's, with the difference; what is not known is told as such.

    The close is that of the last month that was locked by the run's day. What the policy states of the baseline goes before
    what is measured of it.
    """
    month = f"{run.as_of:%Y-%m}"
    with store.read() as session:
        locked = _closes(session, run.scope, run.as_of)
        last = max((each for each in locked if each > baseline.period), default=None)
        rows: list[tuple[str, str, Any, Any, str]] = [
            ("manual_acts", "Acts of people on exceptions", _acts(session, run, baseline.period), _acts(session, run, month), "count"),
            ("invoice_days", "From work to invoice", _cycle(run, baseline.period), _cycle(run, month), "days"),
            ("close_workdays", "From the month's end to its lock", _close_days(locked, baseline.period, holidays),
             None if last is None else _close_days(locked, last, holidays), "workdays"),
            ("exceptions", "Exceptions that were opened", _opened(session, run, baseline.period), _opened(session, run, month), "count"),
        ]  # fmt: skip
    stated = baseline.model_dump(exclude={"period"})
    return pl.DataFrame(
        [_row(title, stated[name] if stated[name] is not None else was, now, unit, baseline.period, (last or "no locked month")
              if name == "close_workdays" else month) for name, title, was, now, unit in rows],
        infer_schema_length=None,
    )  # fmt: skip


def _row(title: str, was: Any, now: Any, unit: str, then: str, month: str) -> dict[str, str]:
    before, after = (None if each is None else Decimal(each) for each in (was, now))
    difference = None if before is None or after is None else after - before
    percent = "" if difference is None or not before else f" ({difference / before * 100:+.0f} %)"
    return {
        "figure": title, "was": measure(before, unit), "now": measure(after, unit), "difference": measure(difference, unit) + percent,
        "told": f"{then} and {month}",
    }  # fmt: skip


def _days(period: str) -> tuple[dt.date, dt.date]:
    first = dt.date.fromisoformat(f"{period}-01")
    return first, (first + dt.timedelta(days=31)).replace(day=1)


def _acts(session: Session, run: RunEntry, period: str) -> int | None:
    """Return how often people acted on cases in a month; None before the case log begins."""
    start, end = (dt.datetime.combine(each, dt.time(), dt.UTC) for each in _days(period))
    mine = sa.select(Case.case_id).where(Case.scope == run.scope)
    within = (CaseEvent.at >= start, CaseEvent.at < end, CaseEvent.case_id.in_(mine))
    people = [each for each in IDENTITIES if each != "run"]
    query = sa.select(sa.func.count()).where(CaseEvent.identity.in_(people), *within)
    # Asked of each, the first of them is the first entry of an index.
    firsts = [session.execute(sa.select(sa.func.min(CaseEvent.at)).where(CaseEvent.identity == each)).scalar() for each in IDENTITIES]
    begins = min((each for each in firsts if each is not None), default=None)
    return None if begins is None or begins >= end else int(session.execute(query).scalar_one())


def _opened(session: Session, run: RunEntry, period: str) -> int:
    first, end = _days(period)
    query = sa.select(sa.func.count()).where(Case.scope == run.scope, Case.opened_on >= first, Case.opened_on < end)
    return int(session.execute(query).scalar_one())


def _cycle(run: RunEntry, period: str) -> Decimal | None:
    frame = output(run, "kpis")
    if frame is None:
        return None
    wanted = (pl.col("kpi") == _CYCLE) & (pl.col("dimension") == TOTAL) & (pl.col("period") == period) & (pl.col("unit") == "days")
    rows = frame.filter(wanted).select("value").collect()
    return None if rows.is_empty() else rows["value"][0]


def _closes(session: Session, scope: str, day: dt.date) -> dict[str, dt.date]:
    """Return by period the day its last close was locked."""
    query = sa.select(PeriodClose.period, PeriodClose.locked_at).where(PeriodClose.scope == scope, PeriodClose.locked_at.is_not(None))
    rows = session.execute(query.order_by(PeriodClose.close_id)).all()
    return {str(period): at.date() for period, at in rows if at is not None and str(period) <= f"{day:%Y-%m}"}


def _close_days(locked: dict[str, dt.date], period: str, holidays: tuple[dt.date, ...]) -> int | None:
    if period not in locked:
        return None
    return workdays_between(_days(period)[1] - dt.timedelta(days=1), locked[period], holidays)
