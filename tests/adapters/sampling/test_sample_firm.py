"""The sample firm: every planted ownership defect is found and nothing else; a clean firm has no finding."""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl
import pytest

from adapters.run import run_snapshot
from adapters.sampling import FirmOptions, simulate_firm, write_canonical

FIRM = Path(__file__).parents[3] / "samples" / "firm"


def test_every_planted_ownership_defect_is_found_and_nothing_else(tmp_path: Path) -> None:
    outcome = run_snapshot(FIRM / "2026-10-31", previous=FIRM / "2026-10-30", out=tmp_path)
    findings = pl.read_parquet(outcome.run_dir / "findings.parquet")
    with (FIRM / "expected_findings.csv").open(encoding="utf-8") as handle:
        expected = sorted((row["kind"], row["entity"], row["entity_id"]) for row in csv.DictReader(handle) if row["stage"] == "ownership")
    assert sorted(findings.select("kind", "entity", "entity_id").rows()) == expected


@pytest.mark.parametrize(("contracts", "seed"), [(40, 2026), (7, 5), (120, 11)])
def test_a_clean_firm_of_any_size_has_no_finding(contracts: int, seed: int, tmp_path: Path) -> None:
    firm = simulate_firm(FirmOptions(contracts=contracts, months=4, seed=seed, nights=2, clean=True))
    write_canonical(firm, tmp_path / "firm")
    days = sorted(path for path in (tmp_path / "firm").iterdir() if path.is_dir())
    outcome = run_snapshot(days[-1], previous=days[0], out=tmp_path / "runs")
    assert outcome.manifest["findings"] == []
    assert outcome.manifest["counts"]["held"] == 0


def test_the_committed_firm_is_what_the_generator_makes(tmp_path: Path) -> None:
    write_canonical(simulate_firm(FirmOptions()), tmp_path)
    for path in sorted(FIRM.rglob("*.parquet")):
        assert pl.read_parquet(path).equals(pl.read_parquet(tmp_path / path.relative_to(FIRM))), path.name
    assert (FIRM / "expected_findings.csv").read_text() == (tmp_path / "expected_findings.csv").read_text()


def test_the_same_seed_makes_the_same_firm_and_another_seed_another() -> None:
    one, two, other = (simulate_firm(FirmOptions(contracts=8, months=3, seed=seed)) for seed in (1, 1, 2))
    left, right, third = (each.nights[-1].systems["psa"]["time_entry"] for each in (one, two, other))
    assert left.equals(right)
    assert not left.equals(third)


def test_the_books_of_a_clean_firm_balance_and_invoices_equal_their_lines() -> None:
    systems = simulate_firm(FirmOptions(clean=True)).nights[-1].systems
    journals = systems["erp"]["journal_line"].group_by("journal_id").agg(
        (pl.col("functional_debit").fill_null(0) - pl.col("functional_credit").fill_null(0)).sum().alias("difference")
    )  # fmt: skip
    assert journals.filter(pl.col("difference") != 0).height == 0
    lines = systems["billing"]["invoice_line"].group_by("invoice_id").agg(pl.col("net_amount").sum().alias("lines"))
    joined = systems["billing"]["invoice"].join(lines, on="invoice_id", how="full")
    assert joined.filter(pl.col("net_amount").ne_missing(pl.col("lines"))).height == 0
