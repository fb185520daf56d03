"""The real ledger ties to the cent, and the sample firm's planted defects are found, all and only they."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from adapters.run import run_snapshot

SAMPLES = Path(__file__).parents[3] / "samples" / "firm"


@pytest.fixture(scope="module")
def xero(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_snapshot(shared_data / "xero", out=tmp_path_factory.mktemp("xero")).run_dir


@pytest.mark.parametrize(
    ("policy", "left", "right"),
    [
        ("rec-ar-control", "60596.18", "60596.16"),
        ("rec-ap-control", "88.45", "88.46"),
        ("rec-revenue-gl", "566973.76", "566973.74"),
    ],
)
def test_totals_of_the_ledger_are_told_to_the_cent_and_the_rest_is_rounding(xero: Path, policy: str, left: str, right: str) -> None:
    rows = pl.read_parquet(xero / "reconciliations.parquet").filter(pl.col("reconciliation") == policy).to_dicts()
    assert [(row["left_total"], row["right_total"]) for row in rows] == [(Decimal(left), Decimal(right))]
    assert (rows[0]["explained_rounding"], rows[0]["unexplained"]) == (rows[0]["difference"], 0)
    assert (rows[0]["currency"], rows[0]["status"]) == ("CAD", "explained")


def test_every_document_is_its_lines_and_every_journal_balances(xero: Path) -> None:
    rows = pl.read_parquet(xero / "reconciliations.parquet")
    matched = rows.group_by("reconciliation").agg(pl.col("matched").sum(), pl.col("breaks").sum())
    counts = {name: (done, breaks) for name, done, breaks in matched.iter_rows()}
    assert counts["rec-invoice-lines"] == (601, 0)
    assert counts["rec-journal-balance"] == (1685, 0)


def test_the_findings_of_the_ledger_are_those_recomputed_from_its_files(xero: Path) -> None:
    findings = pl.read_parquet(xero / "findings.parquet").filter(pl.col("stage") == "reconciliation")
    assert dict(findings.group_by("kind").len().iter_rows()) == {
        "backdated_journal": 145, "edited_after_posting": 102, "paid_late": 43, "overdue": 5, "manual_journal": 9,
        "journal_without_source": 14, "invoice_without_number": 1,
    }  # fmt: skip
    checks = pl.read_parquet(xero / "checks.parquet")
    assert checks.filter(pl.col("check") == "chk-journal-number").select("records", "status").row(0) == (1685, "passed")


@pytest.fixture(scope="module")
def firm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    nights = sorted(path for path in SAMPLES.iterdir() if path.is_dir())
    return run_snapshot(nights[-1], previous=nights[-2], out=tmp_path_factory.mktemp("firm")).run_dir


def test_planted_defects_of_the_books_are_found_and_nothing_else(firm: Path) -> None:
    columns = ["kind", "entity", "entity_id"]
    expected = pl.read_csv(SAMPLES / "expected_findings.csv", infer_schema=False).filter(pl.col("stage") == "reconciliation")
    found = pl.read_parquet(firm / "findings.parquet").filter(pl.col("stage") == "reconciliation")
    assert found.select(columns).sort(columns).rows() == expected.select(columns).sort(columns).rows()


def test_the_matrix_ties_but_for_the_planted_defects(firm: Path) -> None:
    rows = pl.read_parquet(firm / "reconciliations.parquet")
    still_open = rows.filter(pl.col("status") == "open")
    findings = pl.read_parquet(firm / "findings.parquet").filter(pl.col("stage") == "reconciliation")
    assert set(still_open["reconciliation"]) <= set(findings["rule"])
    assert rows.height > 60
    # Every cent of every difference is put under what became of it.
    assert rows.filter(pl.col("difference") != pl.col("explained") + pl.col("unexplained")).height == 0
