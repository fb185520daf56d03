"""Entries of a locked period are posted: later runs propose what is left, and a replay knows them."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from adapters.approved import approved_entries
from adapters.decided import kept_decisions
from adapters.publish import INPUTS
from adapters.replay import replay_run
from adapters.run import run_snapshot
from adapters.store.database import open_store, store_url
from adapters.store.tables import PeriodClose
from engine.errors import UsageError

Snapshot = Callable[..., Path]
JANUARY, FEBRUARY = dt.date(2026, 1, 31), dt.date(2026, 2, 28)


def lock(out: Path, run_id: str, state: str = "locked", journal: str | None = None) -> None:
    certificate = {"results": {"journal.parquet": journal}}
    store = open_store(store_url(out))
    with store.write() as session:
        session.add(
            PeriodClose(
                scope="snapshot", period="2026-01", state=state, run_id=run_id, started_by="anna",
                started_at=dt.datetime(2026, 2, 3, tzinfo=dt.UTC), certificate=certificate, certificate_hash="0",
            )
        )  # fmt: skip
    store.close()


def test_a_locked_period_is_not_proposed_again(snapshot: Snapshot, tmp_path: Path) -> None:
    contract = "contract_id,currency,signed_date,start_date,end_date,status,enforceable,collectible\n"
    line = "contract_line_id,contract_id,offering,amount\nL1,C1,managed_service,3650\n"
    folder = snapshot(crm={"contract": contract + "C1,USD,2026-01-01,2026-01-01,2026-12-31,active,true,true\n", "contract_line": line})
    out = tmp_path / "runs"
    first = run_snapshot(folder, out=out, as_of=JANUARY)
    posted = pl.read_parquet(first.run_dir / "journal.parquet")
    assert posted["period"].unique().to_list() == ["2026-01"]
    assert approved_entries(store_url(out), out, "snapshot", FEBRUARY) is None
    lock(out, first.run_id)
    later = run_snapshot(folder, out=out, as_of=FEBRUARY)
    proposed = pl.read_parquet(later.run_dir / "journal.parquet")
    assert proposed["period"].unique().to_list() == ["2026-02"]
    revenue = proposed.filter(pl.col("account_role") == "revenue")
    assert revenue["credit"].sum() == 280
    kept = kept_decisions(later.run_dir / INPUTS)
    assert kept["approved_entries"].height == posted.height
    assert replay_run(later.run_dir, folder).is_same
    lock(out, first.run_id, state="reopened")
    assert approved_entries(store_url(out), out, "snapshot", FEBRUARY) is None


def test_a_close_whose_run_is_gone_is_told(tmp_path: Path) -> None:
    from adapters.store.tables import Run

    out = tmp_path / "runs"
    out.mkdir()
    store = open_store(store_url(out))
    with store.write() as session:
        session.add(
            Run(
                run_id="r1", scope="snapshot", as_of=JANUARY, policies_fingerprint="", engine_version="", schema_version="",
                manifest_sha256="", findings=0, moved_cases=False, came_from={}, published_at=dt.datetime(2026, 2, 3, tzinfo=dt.UTC),
            )
        )  # fmt: skip
    store.close()
    lock(out, "r1")
    with pytest.raises(UsageError, match="r1"):
        approved_entries(store_url(out), out, "snapshot", FEBRUARY)


@pytest.mark.parametrize("what", ["altered", "gone"])
def test_a_journal_that_is_not_as_it_was_signed_is_told(snapshot: Snapshot, tmp_path: Path, what: str) -> None:
    out = tmp_path / "runs"
    contract = "contract_id,currency,signed_date,start_date,end_date,status,enforceable,collectible\n"
    line = "contract_line_id,contract_id,offering,amount\nL1,C1,managed_service,3650\n"
    folder = snapshot(crm={"contract": contract + "C1,USD,2026-01-01,2026-01-01,2026-12-31,active,true,true\n", "contract_line": line})
    first = run_snapshot(folder, out=out, as_of=JANUARY)
    journal = first.run_dir / "journal.parquet"
    lock(out, first.run_id, journal=hashlib.sha256(journal.read_bytes()).hexdigest())
    assert approved_entries(store_url(out), out, "snapshot", FEBRUARY) is not None
    if what == "gone":
        journal.unlink()
    else:
        pl.read_parquet(journal).with_columns(pl.col("credit") * 2).write_parquet(journal)
    with pytest.raises(UsageError, match=f"2026-01 rests on (is|was) {what}"):
        approved_entries(store_url(out), out, "snapshot", FEBRUARY)
