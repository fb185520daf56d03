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
LINES = (
    "contract_line_id,contract_id,offering,amount,standalone_selling_price,start_date,end_date,estimated_cost,estimated_hours,currency\n"
    "L1,C1,cost_plus,100000,100000,2026-01-01,2026-12-31,{cost},,EUR\nL2,C1,fixed_fee,50000,50000,2026-01-01,2026-12-31,,{hours},EUR\n"
)
NEVER = "estimate_never_attested"


@pytest.fixture
def firm(tmp_path: Path) -> Path:
    """A firm of one contract measured by cost and by hours, whose estimates nobody looked at since it was signed."""
    (tmp_path / "psa").mkdir()
    for entity, text in FILES.items():
        (tmp_path / "psa" / f"{entity}.csv").write_text(text, encoding="utf-8")
    for kept in ("revenue/rev-treatment.yaml", "cases.yaml"):
        (tmp_path / "policies" / kept).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "policies" / kept, tmp_path / "policies" / kept)
    treatment = tmp_path / "policies" / "revenue" / "rev-treatment.yaml"
    asked = "  standard: us_gaap\n  controls: {estimate_hours: true}\n"
    treatment.write_text(treatment.read_text(encoding="utf-8").replace("  standard: us_gaap\n", asked), encoding="utf-8")
    return tmp_path


def found(firm: Path, day: str, cost: str, hours: str) -> list[tuple[str, str]]:
    """Run the firm as of a day and return what the run finds of estimates."""
    (firm / "psa" / "contract_line.csv").write_text(LINES.format(cost=cost, hours=hours), encoding="utf-8")
    text = f"snapshot: night-{day}\nas_of: {day}\nsources:\n  - {{system: psa, adapter: canonical, path: psa}}\n"
    (firm / "snapshot.yaml").write_text(text, encoding="utf-8")
    run = tieout("run", str(firm), "--policies", str(firm / "policies"), "--out", str(firm / "runs"), "--json")
    assert run.returncode in (0, 1), run.stderr
    newest = max((firm / "runs").glob("*/manifest.json"), key=lambda path: path.stat().st_mtime_ns).parent
    rows = pl.read_parquet(newest / "findings.parquet").filter(pl.col("kind").str.starts_with("estimate"))
    return sorted(rows.select("entity_id", "kind").rows())


def test_an_attested_estimate_closes_its_finding_in_the_next_run_until_the_systems_say_another(firm: Path) -> None:
    out = ("--out", str(firm / "runs"))
    assert found(firm, "2026-07-31", "60000", "400") == [("L1", NEVER), ("L2", NEVER)]
    for line, other, said in (("L1", "59999", "60,000.00 EUR"), ("L2", "401", "400.00 hours")):
        refused = tieout("estimate", "attest", line, other, *out, "--as", "lena")
        assert refused.returncode == 2
        assert said in refused.stderr
        attested = tieout("estimate", "attest", line, said.split(" ")[0], *out, "--as", "lena", "--comment", "Plan of July")
        assert attested.returncode == 0, attested.stderr
    assert found(firm, "2026-08-03", "60000", "400") == []
    assert "0 cases" in tieout("case", "list", *out).stdout
    listed = tieout("estimate", "list", *out).stdout
    assert "60,000.00 EUR, of the signing; 60,000.00 attested by lena" in listed
    assert "400.00 hours, of the signing; 400.00 attested by lena" in listed
    assert found(firm, "2026-08-04", "61000", "450") == [("L1", NEVER), ("L2", NEVER)]
