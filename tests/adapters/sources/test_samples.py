"""Small exports in each vendor's own format, with the canonical records expected of them beside them.

A folder here is one snapshot: `snapshot.yaml`, its files, and `expected/`: `<entity>.csv` names the
columns to compare, `held.csv` the held cells, `set_aside.csv` the rows set aside by file and reason.
"""

from __future__ import annotations

import csv
import datetime as dt
import functools
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.mapping.library import adapter_names
from adapters.snapshot import SnapshotRead, read_snapshot
from engine.canonical.kinds import DECIMAL_SCALE
from engine.canonical.schema import PROVENANCE, entity_spec

HERE = Path(__file__).parent
SAMPLES = sorted(path.parent for path in HERE.glob("*/snapshot.yaml"))
ACCOUNTS = ("held", "set_aside")

samples = pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)


@functools.cache
def read(sample: Path) -> SnapshotRead:
    return read_snapshot(sample)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def shown(value: Any) -> str:
    """Return a typed value as an expected file writes it; null is blank."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, dt.datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value)


def plain(number: Decimal) -> str:
    return f"{number.normalize():f}" if number else "0"


def expected_records(path: Path) -> Counter[tuple[str, ...]]:
    fields = {**entity_spec(path.stem).fields, **PROVENANCE}
    return Counter(
        tuple(plain(Decimal(text)) if text and fields[name].kind in DECIMAL_SCALE else text for name, text in row.items())
        for row in rows_of(path)
    )


@samples
def test_a_sample_gives_exactly_the_expected_records(sample: Path) -> None:
    found = {name: frame.collect() for name, frame in read(sample).facts.records.items()}
    expected = {path.stem: path for path in (sample / "expected").glob("*.csv") if path.stem not in ACCOUNTS}
    assert {name for name, frame in found.items() if frame.height} == set(expected)
    for entity, path in expected.items():
        columns = list(rows_of(path)[0])
        actual = Counter(tuple(map(shown, row)) for row in found[entity].select(columns).iter_rows())
        assert actual == expected_records(path), entity


@samples
def test_a_sample_holds_exactly_the_expected_cells(sample: Path) -> None:
    columns = ("file", "row", "entity", "field", "reason")
    held = Counter(tuple(map(shown, row)) for row in read(sample).held.select(columns).iter_rows())
    expected = rows_of(sample / "expected" / "held.csv")
    assert expected, "a sample shows at least one row that must be held"
    assert held == Counter(tuple(row[name] for name in columns) for row in expected)


@samples
def test_a_sample_accounts_for_every_row(sample: Path) -> None:
    files = read(sample).files
    assert not [each.failure for each in files if each.failure]
    for each in files:
        assert each.rows_read == each.rows_used + each.rows_held + sum(each.set_aside.values()), each.path
    assert sum(each.rows_held for each in files) > 0
    assert sum(sum(each.set_aside.values()) for each in files) > 0


@samples
def test_a_sample_sets_exactly_the_named_rows_aside(sample: Path) -> None:
    found = {(each.path, reason): str(rows) for each in read(sample).files for reason, rows in each.set_aside.items()}
    expected = {(row["file"], row["reason"]): row["rows"] for row in rows_of(sample / "expected" / "set_aside.csv")}
    assert found == expected


def test_every_adapter_has_a_sample() -> None:
    assert [path.name for path in SAMPLES] == adapter_names()
