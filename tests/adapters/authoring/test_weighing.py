"""`tieout policy check --snapshot`: rules, gaps and overlaps with the records and money that meet them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from adapters import cli

ROOT = Path(__file__).parents[3]
TIME = (
    "time_entry_id,contract_line_id,work_date,hours,billable,status,bill_rate,currency\n"
    "T1,L1,2026-01-12,8,true,approved,100,EUR\nT2,L1,2026-01-13,2,,approved,100,EUR\n"
)


@pytest.fixture
def told(snapshot: Any, tmp_path: Path) -> Any:
    facts = snapshot(
        psa={
            "contract": "contract_id,currency,status,signed_date\nC1,EUR,active,2025-12-01\n",
            "contract_line": "contract_line_id,contract_id,offering,amount\nL1,C1,time_and_materials,500\n", "time_entry": TIME,
        }
    )  # fmt: skip
    for file in ("billing/bill-time.yaml", "revenue/rev-treatment.yaml"):
        (tmp_path / "policies" / file).parent.mkdir(parents=True)
        (tmp_path / "policies" / file).write_text((ROOT / "policies" / file).read_text(encoding="utf-8"), encoding="utf-8")
    cli._load_commands()
    return lambda *more: CliRunner().invoke(cli.app, ["policy", "check", str(tmp_path / "policies"), "--snapshot", str(facts), *more])


def test_rules_that_never_fire_and_records_that_meet_none_are_told_with_money(told: Any) -> None:
    result = told()
    assert result.exit_code == 0
    text = result.stdout
    assert "bill-time: BT-900 decides 1 record worth 800.00 EUR, from 2026-01-12 to 2026-01-12 (billing/bill-time.yaml:33)" in text
    assert "bill-time: 1 record worth 200.00 EUR, from 2026-01-13 to 2026-01-13 is decided by the default: " in text
    assert "billable missing" in text and "such as T2" in text
    assert "BT-040 never fires (billing/bill-time.yaml:30)" in text and "none of 2 records from 2026-01-12 to 2026-01-13" in text
    assert "rev-treatment: RT-010 decides 1 record worth 500.00 EUR, from 2025-12-01" in text


def test_it_is_told_as_values(told: Any) -> None:
    rules = {(each["policy"], each["rule"]): each for each in json.loads(told("--json").stdout)["rules"] if each["rule"]}
    assert rules["bill-time", "BT-900"]["amounts"] == {"EUR": "800.000000"}
    assert rules["bill-time", "BT-010"]["records"] == 0


def test_the_tax_table_is_weighed_with_the_lines_it_judges(snapshot: Any, tmp_path: Path) -> None:
    facts = snapshot(
        billing={
            "legal_entity": "legal_entity_id,country\nDE1,DE\n", "customer": "customer_id,country\nKDE,DE\nKJP,JP\n",
            "invoice": "invoice_id,kind,legal_entity_id,customer_id,invoice_date,currency,status\n"
            "I1,invoice,DE1,KDE,2026-01-12,EUR,posted\nI2,invoice,DE1,KJP,2026-01-13,EUR,posted\n",
            "invoice_line": "invoice_line_id,invoice_id,net_amount,tax_code\nI1-1,I1,300,DE-S-19\nI2-1,I2,50,ANY\n",
        }
    )  # fmt: skip
    (tmp_path / "policies").mkdir()
    folder = tmp_path / "policies"
    (folder / "tax-codes.yaml").write_text((ROOT / "policies/tax/tax-codes.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    cli._load_commands()
    text = CliRunner().invoke(cli.app, ["policy", "check", str(folder), "--snapshot", str(facts)]).stdout
    assert "tax-codes: TX-010 decides 1 record worth 300.00 EUR, from 2026-01-12 to 2026-01-12 (tax-codes.yaml:18)" in text
    assert "tax-codes: TX-020 never fires (tax-codes.yaml:19)" in text and "none of 2 records from 2026-01-12 to 2026-01-13" in text
    assert "tax-codes: 1 record worth 50.00 EUR, from 2026-01-13 to 2026-01-13 is decided by the default: " in text
