"""Utilization of real timesheets, recomputed row by row from the raw files."""

from __future__ import annotations

import collections
import datetime as dt
import json
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import polars as pl

from adapters.run import run_snapshot


def kpis(snapshot: Path, out: Path, kpi: str) -> dict[str, tuple[Decimal | None, Decimal, Decimal]]:
    run = run_snapshot(snapshot, out=out)
    frame = pl.read_parquet(run.run_dir / "kpis.parquet").filter((pl.col("kpi") == kpi) & (pl.col("dimension") == "total"))
    return {row[0]: row[1:] for row in frame.select("period", "value", "numerator", "denominator").rows()}


def workdays(first: dt.date, last: dt.date) -> int:
    return sum((first + dt.timedelta(days=each)).weekday() < 5 for each in range((last - first).days + 1))


def month_end(day: dt.date) -> dt.date:
    return (day.replace(day=1) + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)


def capacity(people: list[tuple[dt.date | None, dt.date | None, Decimal]], first: dt.date, as_of: dt.date) -> Iterator[tuple[str, Decimal]]:
    month = first.replace(day=1)
    while month <= as_of:
        total = Decimal(0)
        for start, end, week in people:
            begin, stop = max(month, start or month), min(month_end(month), end or as_of, as_of)
            total += week / 5 * (workdays(begin, stop) if begin <= stop else 0)
        yield month.strftime("%Y-%m"), total
        month = month_end(month) + dt.timedelta(days=1)


def pct(above: Decimal, below: Decimal) -> Decimal:
    return (above * 100 / below).quantize(Decimal("0.01"), ROUND_HALF_UP)


def test_tock_utilization_is_what_the_raw_tables_say(shared_data: Path, tmp_path: Path) -> None:
    tables: dict[str, dict[int, dict[str, Any]]] = collections.defaultdict(dict)
    for row in json.loads((shared_data / "tock" / "tock_test_data_data-update.json").read_text(), parse_float=Decimal):
        tables[row["model"]][row["pk"]] = row["fields"]
    billable: dict[str, Decimal] = collections.defaultdict(Decimal)
    recorded: dict[str, Decimal] = collections.defaultdict(Decimal)
    for entry in tables["hours.timecardobject"].values():
        period = tables["hours.reportingperiod"][tables["hours.timecard"][entry["timecard"]]["reporting_period"]]
        month = period["end_date"][:7]
        hours = Decimal(str(entry["hours_spent"] or 0))
        recorded[month] += hours
        code = tables["projects.project"][entry["project"]]["accounting_code"]
        if tables["projects.accountingcode"][code]["billable"]:
            billable[month] += hours
    found = kpis(shared_data / "tock", tmp_path, "utilization_recorded")
    assert {month: row[1:] for month, row in found.items()} == {month: (billable[month], recorded[month]) for month in recorded}
    assert all(row[0] == pct(billable[month], recorded[month]) for month, row in found.items())
    service = {row["user"]: row for row in tables["employees.userdata"].values()}
    people = [
        (_day(service.get(user, {}).get("start_date")), _day(service.get(user, {}).get("end_date")), Decimal(40))
        for user in tables["auth.user"]
    ]
    as_of = dt.date.fromisoformat(_as_of(shared_data / "tock"))
    available = dict(capacity(people, dt.date.fromisoformat(min(recorded) + "-01"), as_of))
    found = kpis(shared_data / "tock", tmp_path, "utilization")
    assert {month: row[2] for month, row in found.items()} == available
    assert all(row[0] == pct(billable[month], available[month]) for month, row in found.items())
    assert sum(billable.values()) > 90_000


def test_harvest_utilization_is_what_the_raw_records_say(shared_data: Path, tmp_path: Path) -> None:
    lines = (shared_data / "harvest" / "expected_records.jsonl").read_text().splitlines()
    records = [json.loads(line, parse_float=Decimal) for line in lines if line.strip()]
    streams = collections.defaultdict(list)
    for each in records:
        streams[each["stream"]].append(each["data"])
    worked: dict[str, Decimal] = collections.defaultdict(Decimal)
    for entry in streams["time_entries"]:
        if entry["billable"]:
            worked[entry["spent_date"][:7]] += Decimal(str(entry["hours"]))
    people: list[tuple[dt.date | None, dt.date | None, Decimal]]
    people = [(None, None, Decimal(user["weekly_capacity"]) / 3600) for user in streams["users"]]
    first = dt.date.fromisoformat(min(entry["spent_date"] for entry in streams["time_entries"]))
    available = dict(capacity(people, first, dt.date.fromisoformat(_as_of(shared_data / "harvest"))))
    found = kpis(shared_data / "harvest", tmp_path, "utilization")
    assert {month: row[1:] for month, row in found.items()} == {month: (worked[month], hours) for month, hours in available.items()}
    assert all(row[0] == pct(worked[month], available[month]) for month, row in found.items())


def _as_of(snapshot: Path) -> str:
    line = next(each for each in (snapshot / "snapshot.yaml").read_text().splitlines() if each.startswith("as_of:"))
    return line.split(":", 1)[1].strip()


def _day(text: str | None) -> dt.date | None:
    return dt.date.fromisoformat(text) if text else None
