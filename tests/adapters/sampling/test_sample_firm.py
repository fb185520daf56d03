"""The sample firm: every planted ownership defect is found and nothing else; a clean firm has no finding."""

from __future__ import annotations

import csv
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from adapters.run import run_snapshot
from adapters.sampling import SAMPLE, FirmOptions, simulate_firm, write_canonical, write_vendor
from adapters.snapshot import read_snapshot
from engine.canonical.schema import entity_spec
from tests.nights import IS_NIGHT

FIRM = Path(__file__).parents[3] / "samples" / "firm"


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_snapshot(FIRM / "2026-10-31", previous=FIRM / "2026-10-30", out=tmp_path_factory.mktemp("runs")).run_dir


@pytest.fixture(scope="module")
def found(run_dir: Path) -> pl.DataFrame:
    return pl.read_parquet(run_dir / "findings.parquet")


@pytest.mark.parametrize("stage", ["read", "ownership", "billing"])
def test_every_planted_defect_is_found_by_its_stage_and_nothing_else(found: pl.DataFrame, stage: str) -> None:
    with (FIRM / "expected_findings.csv").open(encoding="utf-8") as handle:
        expected = sorted((row["kind"], row["entity"], row["entity_id"]) for row in csv.DictReader(handle) if row["stage"] == stage)
    assert sorted(found.filter(pl.col("stage") == stage).select("kind", "entity", "entity_id").rows()) == expected


def test_each_planted_defect_leads_to_exactly_one_cause(found: pl.DataFrame) -> None:
    with (FIRM / "expected_findings.csv").open(encoding="utf-8") as handle:
        rows = [(row["defect"], row["kind"], row["entity"], row["entity_id"]) for row in csv.DictReader(handle)]
    expected = pl.DataFrame(rows, schema=["defect", "kind", "entity", "entity_id"], orient="row")
    causes = expected.join(found, on=["kind", "entity", "entity_id"]).group_by("defect").agg(pl.col("cause_id").n_unique())
    assert causes.filter(pl.col("cause_id") != 1).height == 0
    assert causes.height >= 30


def test_the_matrix_ties_once_the_expected_findings_are_set_aside(found: pl.DataFrame, run_dir: Path) -> None:
    with (FIRM / "expected_findings.csv").open(encoding="utf-8") as handle:
        planted = {(row["kind"], row["entity"], row["entity_id"]) for row in csv.DictReader(handle)}
    tie_outs = pl.read_parquet(run_dir / "reconciliations.parquet")
    assert set(tie_outs["status"]) <= {"tied", "explained", "review", "open"}
    open_rows = tie_outs.filter(pl.col("status") == "open").group_by("reconciliation").agg(pl.col("breaks", "break_amount").sum())
    assert open_rows.height >= 4
    for name, breaks, amount in open_rows.rows():
        own = found.filter(pl.col("rule") == name)
        assert set(own.select("kind", "entity", "entity_id").rows()) <= planted
        assert (own.height, own["amount_at_risk"].sum()) == (breaks, amount)


@pytest.mark.parametrize(("contracts", "seed"), [(40, 2026), (7, 5), (120, 11), (1, 3)] if IS_NIGHT else [(40, 2026), (1, 3)])
def test_a_clean_firm_of_any_size_has_no_finding(contracts: int, seed: int, tmp_path: Path) -> None:
    firm = simulate_firm(FirmOptions(contracts=contracts, months=4, seed=seed, nights=2, clean=True))
    write_vendor(firm, tmp_path / "firm")
    days = sorted(path for path in (tmp_path / "firm").iterdir() if path.is_dir())
    outcome = run_snapshot(days[-1], previous=days[0], out=tmp_path / "runs")
    assert outcome.manifest["findings"] == []
    assert outcome.manifest["counts"]["held"] == 0


def test_the_committed_firm_is_what_the_generator_makes_to_the_byte(tmp_path: Path) -> None:
    write_vendor(simulate_firm(SAMPLE), tmp_path)
    assert digests(FIRM) == digests(tmp_path)


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file; Parquet by its records, since its bytes are the library's."""
    found: dict[str, str] = {}
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        content = pl.read_parquet(path).write_csv().encode() if path.suffix == ".parquet" else path.read_bytes()
        found[path.relative_to(folder).as_posix()] = hashlib.sha256(content).hexdigest()
    return found


def test_the_same_command_writes_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    written = []
    for seed in ("1", "2"):
        out = tmp_path / seed
        command = [sys.executable, "-m", "adapters.cli", "sample", str(out), "--contracts", "8", "--months", "3", "--nights", "2"]
        environment = {**os.environ, "PYTHONHASHSEED": seed, "POLARS_MAX_THREADS": seed}
        subprocess.run(command, check=True, capture_output=True, env=environment, cwd=FIRM.parents[1])
        written.append({path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()})
    assert written[0] == written[1]
    assert len(written[0]) > 60


@pytest.mark.parametrize("seed", [2026, 7] if IS_NIGHT else [7])
def test_the_vendors_exports_say_what_the_canonical_files_say(seed: int, tmp_path: Path) -> None:
    firm = simulate_firm(FirmOptions(contracts=12, entries=600, seed=seed))
    folders = zip(write_vendor(firm, tmp_path / "vendor"), write_canonical(firm, tmp_path / "canonical"), strict=True)
    findings = []
    for vendor, canonical in folders:
        one, other = read_snapshot(vendor), read_snapshot(canonical)
        assert one.held.height == other.held.height == 0
        assert all(each["equal"] for each in one.expectations)
        assert one.facts.records.keys() == other.facts.records.keys()
        for entity, records in one.facts.records.items():
            spec = entity_spec(entity)
            # Where a record stands in its file is all that may differ.
            columns = [*spec.fields, "source_system", "recorded_at", "modified_at", "created_by", "entry_mode", "extracted_at"]
            order = ["source_system", *spec.keys]
            same = other.facts.records[entity].select(columns).sort(order).collect()
            assert_frame_equal(records.select(columns).sort(order).collect(), same)
    for form in ("vendor", "canonical"):
        nights = sorted(path for path in (tmp_path / form).iterdir() if path.is_dir())
        run = run_snapshot(nights[-1], previous=nights[-2], out=tmp_path / "runs")
        findings.append(pl.read_parquet(run.run_dir / "findings.parquet").drop("evidence"))
    assert findings[0].height > 5
    assert_frame_equal(findings[0], findings[1])


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
