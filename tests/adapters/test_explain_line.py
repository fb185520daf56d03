"""`tieout explain L1:2026-01`, `JE-1:2`, a match: the line, its rule in the author's words, its source rows."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from adapters.explain_line import explain_line, render_line

PLACE = {"file": "revenue/rev.yaml", "line": 19, "says": "Work is earned as it is billed", "reference": "606-10-55-18"}


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    rules = {"revenue/rev.yaml#RT-010": PLACE, "rec/rec-a.yaml#rec-a.exact": PLACE | {"says": "Line by line"}}
    (tmp_path / "manifest.json").write_text(json.dumps({"run_id": "r", "as_of": "2026-01-31", "rules": rules}))
    schedule = {
        "contract_line_id": ["L1", "L1", "L:2"], "period": ["2026-01", "2026-02", "2026-01"], "basis": ["as_invoiced"] * 3,
        "recognized_amount": [Decimal("10.50"), Decimal(20), Decimal(30)], "rule": ["RT-010"] * 3,
        "evidence": [["psa/time.csv:2"], [], []],
    }  # fmt: skip
    pl.DataFrame(schedule).write_parquet(tmp_path / "revenue_schedule.parquet")
    journal = {"journal_id": ["C1|2026-01-31|1"], "line": [2], "rule": ["606-10-45-4"], "evidence": [["psa/time.csv:2"]]}
    pl.DataFrame(journal).write_parquet(tmp_path / "journal.parquet")
    match = {"match_id": ["L:1"], "reconciliation": ["rec-a"], "pass": ["exact"], "status": ["confirmed"]}
    pl.DataFrame(match).write_parquet(tmp_path / "matches.parquet")
    return tmp_path


def test_a_schedule_line_names_its_rule_amount_and_source_row(run_dir: Path) -> None:
    (run_dir / "psa").mkdir()
    (run_dir / "psa" / "time.csv").write_text("id,hours\nT1,8\n")
    told = explain_line(run_dir, "L1:2026-01", run_dir)
    assert told is not None
    text = render_line(told)
    assert "revenue schedule L1:2026-01" in text and "RT-010: Work is earned as it is billed" in text
    assert "revenue/rev.yaml:19, 606-10-55-18" in text and "10.5" in text and "T1,8" in text


def test_an_entry_of_a_paragraph_and_a_match_of_a_pass_are_told(run_dir: Path) -> None:
    entry, match, odd = (explain_line(run_dir, name) for name in ("C1|2026-01-31|1:2", "L:1", "L:2:2026-01"))
    assert entry is not None and "606-10-45-4 (built in, a paragraph of the standard)" in render_line(entry)
    assert match is not None and "rec-a.exact: Line by line" in render_line(match)
    assert odd is not None and odd["output"] == "revenue_schedule"


def test_an_entry_of_revenue_leads_to_what_moved_its_line_in_the_period(run_dir: Path) -> None:
    entry = {
        "journal_id": ["J", "J"], "line": [1, 2], "rule": ["RT-010"] * 2, "evidence": [["crm/line.csv:2"]] * 2,
        "account_role": ["revenue", "receivable"], "contract_line_id": ["L1", "L1"], "period": ["2026-01", "2026-01"],
    }  # fmt: skip
    pl.DataFrame(entry).write_parquet(run_dir / "journal.parquet")
    revenue, receivable = (explain_line(run_dir, name) for name in ("J:1", "J:2"))
    assert revenue is not None and receivable is not None
    assert [row["place"] for row in revenue["lines"][0]["evidence"]] == ["crm/line.csv:2", "psa/time.csv:2"]
    assert [row["place"] for row in receivable["lines"][0]["evidence"]] == ["crm/line.csv:2"]


def test_what_is_no_line_is_left_to_others(run_dir: Path) -> None:
    assert explain_line(run_dir, "L1:2027-01") is None
    assert explain_line(run_dir, "abcdef") is None
