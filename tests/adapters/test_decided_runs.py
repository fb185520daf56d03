"""What people stand behind reaches the next run: an attested estimate closes its finding, while the systems say the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

from tests.command import ROOT, tieout

FILES = {
    "customer": "customer_id,name\nK1,Halden\n",
    "legal_entity": "legal_entity_id,name,functional_currency\nLE,Firm,EUR\n",
    "contract": (
        "contract_id,customer_id,legal_entity_id,currency,status,signed_date,start_date,end_date\n"
        "C1,K1,LE,EUR,active,2026-01-01,2026-01-01,2026-12-31\n"
    ),
}  # fmt: skip
LINE = (
    "contract_line_id,contract_id,offering,amount,start_date,end_date,estimated_cost,currency\n"
    "L1,C1,cost_plus,100000,2026-01-01,2026-12-31,{cost},EUR\n"
)
NEVER = "estimate_never_attested"


@pytest.fixture
def firm(tmp_path: Path) -> Path:
    """A firm of one contract measured by cost, whose estimate nobody looked at since it was signed."""
    (tmp_path / "psa").mkdir()
    for entity, text in FILES.items():
        (tmp_path / "psa" / f"{entity}.csv").write_text(text, encoding="utf-8")
    for kept in ("revenue/rev-treatment.yaml", "cases.yaml"):
        (tmp_path / "policies" / kept).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "policies" / kept, tmp_path / "policies" / kept)
    return tmp_path


def found(firm: Path, day: str, cost: str) -> list[str]:
    """Run the firm as of a day and return what the run finds of estimates."""
    (firm / "psa" / "contract_line.csv").write_text(LINE.format(cost=cost), encoding="utf-8")
    text = f"snapshot: night-{day}\nas_of: {day}\nsources:\n  - {{system: psa, adapter: canonical, path: psa}}\n"
    (firm / "snapshot.yaml").write_text(text, encoding="utf-8")
    run = tieout("run", str(firm), "--policies", str(firm / "policies"), "--out", str(firm / "runs"), "--json")
    assert run.returncode in (0, 1), run.stderr
    newest = max((firm / "runs").glob("*/manifest.json"), key=lambda path: path.stat().st_mtime_ns).parent
    kinds: list[str] = pl.read_parquet(newest / "findings.parquet").filter(pl.col("kind").str.starts_with("estimate"))["kind"].to_list()
    return kinds


def test_an_attested_estimate_closes_its_finding_in_the_next_run_until_the_systems_say_another(firm: Path) -> None:
    out = ("--out", str(firm / "runs"))
    assert found(firm, "2026-07-31", "60000") == [NEVER]
    refused = tieout("estimate", "attest", "L1", "59999", *out, "--as", "lena")
    assert refused.returncode == 2
    assert "60,000.00" in refused.stderr
    attested = tieout("estimate", "attest", "L1", "60,000.00", *out, "--as", "lena", "--comment", "Plan of July")
    assert attested.returncode == 0, attested.stderr
    assert found(firm, "2026-08-03", "60000") == []
    assert "0 cases" in tieout("case", "list", *out).stdout
    assert "attested by lena" in tieout("estimate", "list", *out).stdout
    assert found(firm, "2026-08-04", "61000") == [NEVER]
