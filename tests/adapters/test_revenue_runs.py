"""Revenue over whole runs: the sample firm's findings are the expected ones, its schedules tie but for the planted defects."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from adapters.run import run_snapshot
from adapters.sampling import FirmOptions, simulate_firm, write_vendor

ROOT = Path(__file__).parents[2]
FIRM = ROOT / "samples" / "firm"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("firm")
    return run_snapshot(FIRM / "2026-10-31", previous=FIRM / "2026-10-30", policies=ROOT / "policies", out=out).run_dir


def revenue_findings(run: Path) -> pl.DataFrame:
    return pl.read_parquet(run / "findings.parquet").filter(pl.col("stage") == "revenue")


def test_the_sample_firms_findings_are_exactly_the_expected_ones(run: Path) -> None:
    expected = pl.read_csv(FIRM / "expected_findings.csv", infer_schema=False).filter(pl.col("stage") == "revenue")
    assert expected.height >= 2
    found = revenue_findings(run).select("kind", "entity", "entity_id").rows()
    assert sorted(found) == sorted(expected.select("kind", "entity", "entity_id").rows())


def test_every_finding_says_what_it_is_about_where_it_stands_and_who_acts(run: Path) -> None:
    found = revenue_findings(run)
    columns = ("rule", "severity", "contract_id", "message", "remedy", "owner", "policy_fingerprint", "amount_at_risk", "currency")
    assert found.select(pl.col(columns).null_count()).row(0) == (0,) * len(columns)
    assert (found["evidence"].list.len() > 0).all()


def test_schedules_and_the_ledger_tie_but_for_the_planted_defects(run: Path) -> None:
    shadow = pl.read_parquet(run / "revenue_shadow.parquet")
    assert set(shadow.select("contract_line_id", "cause").rows()) == {
        ("CON-0002-L1", "missed_amendment"), ("CON-0019-L1", "no_evidence"), ("CON-0035-L1", "cost_cut_off"),
    }  # fmt: skip
    posted = pl.read_parquet(run / "posted_shadow.parquet")
    assert posted.height > 0
    assert (posted["unexplained"] == 0).all()


def test_work_measured_by_cost_catches_up_when_its_cost_is_estimated_anew(run: Path) -> None:
    own = pl.col("contract_line_id") == "CON-0035-L1"
    schedule = pl.read_parquet(run / "revenue_schedule.parquet").filter(own)
    assert set(schedule["rule"]) == {"RT-031"}
    # 286,000.00 x 29,819.00 / 176,473.14 = 48,325.96, of which 59,847.26 (over 142,500.00 until then) was earned.
    changed = schedule.filter(pl.col("nature") == "estimate_change")
    assert changed.select("period", "catch_up_amount").rows() == [("2026-06", Decimal("-11521.30"))]
    # 286,000.00 x 121,409.00 / 176,473.14: to the cent what the revenue engine has in all, which got the estimate a month late.
    assert schedule["recognized_amount"].sum() == Decimal("196760.67")
    shadow = pl.read_parquet(run / "revenue_shadow.parquet").filter(own).sort("period")
    assert shadow.select("period", "difference").rows() == [("2026-06", Decimal("18566.83")), ("2026-07", Decimal("-18566.83"))]


def test_disclosures_tie_to_the_schedule(run: Path) -> None:
    told = pl.read_parquet(run / "disclosures.parquet")
    schedule = pl.read_parquet(run / "revenue_schedule.parquet")
    recognized = told.filter((pl.col("disclosure") == "waterfall") & (pl.col("dimension_value") == "recognized"))
    assert recognized["amount"].sum() == schedule["recognized_amount"].sum()
    forward = told.filter(pl.col("disclosure") == "roll_forward")
    closing = forward.filter(pl.col("dimension_value") == "closing")["amount"].sum()
    assert forward.filter(pl.col("dimension_value") != "closing")["amount"].sum() == closing
    liability = pl.read_parquet(run / "contract_balances.parquet").filter(pl.col("period") == "2026-10")["contract_liability"].sum()
    deferred = told.filter(pl.col("dimension_value").is_in(["deferred", "deferred_undated"]))["amount"].sum()
    assert deferred == liability


def test_a_clean_firm_has_no_finding_of_revenue(tmp_path: Path) -> None:
    firm = simulate_firm(FirmOptions(contracts=16, months=8, nights=1, clean=True))
    write_vendor(firm, tmp_path / "firm", "parquet")
    snapshot = next(path.parent for path in (tmp_path / "firm").rglob("snapshot.yaml"))
    made = run_snapshot(snapshot, policies=ROOT / "policies", out=tmp_path / "runs").run_dir
    assert revenue_findings(made).height == 0
    assert pl.read_parquet(made / "revenue_shadow.parquet").height == 0
