"""`tieout policy diff`: two folders over one snapshot, told as text, JSON, Markdown and HTML; the same as two whole runs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from adapters import cli
from adapters.authoring.difference import Against, PolicyDifference, difference_as_json, policy_difference
from adapters.authoring.difference_report import difference_sections
from adapters.authoring.sections import as_html, as_markdown, as_text
from adapters.run import run_snapshot

ROOT = Path(__file__).parents[3]

FILES = {
    "customer": "customer_id,name\nK1,<b>Halden & Co</b>|GmbH\nK2,Ives\n",
    "contract": (
        "contract_id,customer_id,currency,status,signed_date,billing_frequency\n"
        "C1,K1,EUR,active,2025-11-01,monthly\nC2,K2,EUR,active,2025-12-01,monthly\n"
    ),
    "contract_line": (
        "contract_line_id,contract_id,offering,service_line,amount,start_date,end_date\n"
        "L1,C1,time_and_materials,Advisory,,,\nL2,C2,time_and_materials,Delivery,,,\n"
        "L3,C2,managed_service,Delivery,1200,2026-01-01,2026-06-30\n"
    ),
    "time_entry": (
        "time_entry_id,contract_line_id,work_date,hours,billable,status,bill_rate,currency\n"
        "T1,L1,2026-01-02,8,true,approved,100,EUR\nT2,L1,2026-01-28,2,true,approved,100,EUR\nT3,L2,2026-01-29,3,true,approved,100,EUR\n"
        "T4,L1,2025-11-03,1,true,approved,100,EUR\nT5,L2,2026-01-12,1,true,approved,100,EUR\n"
    ),
    "invoice": "invoice_id,kind,status,currency,invoice_date,contract_id\nI1,invoice,posted,EUR,2026-01-31,C2\n",
    "invoice_line": "invoice_line_id,invoice_id,time_entry_id,quantity,net_amount\nIL1,I1,T5,1,100\n",
}  # fmt: skip
POLICIES = ("billing/bill-time.yaml", "revenue/rev-treatment.yaml", "reconciliation/rec-time-invoice.yaml")


STALE = ("> 120    | on_hold", "> 20     | on_hold")
PRORATION = ("collectible: presumed}", "collectible: presumed}\n  proration: monthly_even")


def policies(folder: Path, *replaced: tuple[str, str]) -> Path:
    for file in POLICIES:
        text = (ROOT / "policies" / file).read_text(encoding="utf-8")
        for old, new in replaced:
            text = text.replace(old, new)
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("difference")
    (made / "psa").mkdir()
    for entity, text in FILES.items():
        (made / "psa" / f"{entity}.csv").write_text(text, encoding="utf-8")
    (made / "snapshot.yaml").write_text("as_of: 2026-01-31\nsources:\n  - {system: psa, adapter: canonical, path: psa}\n", encoding="utf-8")
    policies(made / "old")
    return made


@pytest.fixture(scope="module")
def stale(folder: Path) -> PolicyDifference:
    return policy_difference(folder / "old", policies(folder / "stale", STALE), Against(folder, out=folder / "none"))


def diff(*arguments: str) -> Any:
    cli._load_commands()
    return CliRunner().invoke(cli.app, ["policy", "diff", *arguments])


def test_a_changed_row_decides_only_the_contracts_it_reaches(stale: PolicyDifference) -> None:
    assert [each.subject for each in stale.changes] == ["rule BT-040"]
    assert stale.contracts is not None and stale.contracts["billing"] == 1
    assert stale.impact is not None
    assert stale.impact.decisions.select("item_id", "was_decision", "now_decision", "customer", "service_line").rows() == [
        (item, "billable", "on_hold", "<b>Halden & Co</b>|GmbH", "Advisory") for item in ("T1", "T4")
    ]
    assert [str(value) for value in stale.impact.billable.row(0)] == ["EUR", "900.000000", "0.000000", "-900.000000"]
    assert [row[:3] for row in stale.impact.groups.rows()] == [
        ("customer", "<b>Halden & Co</b>|GmbH", "open to bill"), ("service line", "Advisory", "open to bill"),
    ]  # fmt: skip


def test_what_is_told_is_what_two_whole_runs_differ_in(folder: Path) -> None:
    new = policies(folder / "both", ("| BT-900 | approved", "| BT-900 | submitted"), PRORATION)
    runs = [run_snapshot(folder, policies=each, out=folder / "runs").run_dir for each in (folder / "old", new)]
    found = policy_difference(folder / "old", new, Against(folder, out=folder / "runs"))
    assert found.run_id == runs[0].name
    assert found.impact is not None
    before, after = (set(pl.read_parquet(each / "findings.parquet")["finding_id"]) for each in runs)
    assert before != after
    assert set(found.impact.opened["finding_id"]) == after - before
    assert set(found.impact.closed["finding_id"]) == before - after
    said = ["item_id", "decision", "rule", "amount_unbilled"]
    decided = [pl.read_parquet(each / "billing_decisions.parquet").select(*said) for each in runs]
    differ = decided[0].join(decided[1], on=said, how="anti", nulls_equal=True)
    assert set(found.impact.decisions["item_id"]) == set(differ["item_id"]) == {"T1", "T2", "T3", "T4", "T5"}
    keys = ["period", "currency"]
    sums = [pl.read_parquet(each / "revenue_schedule.parquet").group_by(keys).agg(pl.col("recognized_amount").sum()) for each in runs]
    change = (pl.col("recognized_amount.new") - pl.col("recognized_amount")).alias("d")
    moved = sums[0].join(sums[1], on=keys, suffix=".new").with_columns(change)
    assert moved.filter(pl.col("d") != 0).height
    assert sorted(moved.filter(pl.col("d") != 0).select(*keys, "d").rows()) == sorted(found.impact.revenue.select(*keys, "change").rows())


def test_it_is_told_as_text_and_as_values(stale: PolicyDifference) -> None:
    text = as_text(difference_sections(stale, "old", "new", 10))
    assert "bill-time: rule BT-040 is changed (billing/bill-time.yaml:30): age_days > 120 → > 20." in text
    assert "2 billable → on hold" in text and "-900.00" in text
    told = json.loads(json.dumps(difference_as_json(stale, 10), default=str))
    assert told["changes"][0]["cells"] == [{"column": "age_days", "was": "> 120", "now": "> 20"}]
    assert told["counts"]["decisions"] == 2 and told["billable"][0]["change"] == "-900.000000"


def test_what_comes_from_data_forms_no_markup(stale: PolicyDifference) -> None:
    sections = difference_sections(stale, "old", "new", 10)
    page = as_html(sections, "<old> → new")
    assert "&lt;b&gt;Halden &amp; Co&lt;/b&gt;" in page and "<b>" not in page and "<old>" not in page
    text = as_markdown(sections)
    assert r"\<b\>Halden & Co\</b\>\|GmbH" in text and "## Open to bill" in text


def test_wording_moves_nothing_and_the_same_exits_0(folder: Path) -> None:
    old, worded = str(folder / "old"), str(policies(folder / "worded", ("Old time needs", "Stale time needs")))
    assert diff(old, old).exit_code == 0
    result = diff(old, worded, "--snapshot", str(folder), "--format", "markdown")
    assert result.exit_code == 1
    assert "0 changed in meaning, 1 in wording only" in result.output
    assert "Nothing moves" in result.output


def test_git_revisions_of_the_folder_are_compared(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    folder = policies(repo / "policies")

    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        subprocess.run(["git", "-C", str(repo), *identity, *arguments], check=True, capture_output=True)

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    path = folder / "billing" / "bill-time.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace(*STALE), encoding="utf-8")
    for old in ("HEAD", "HEAD:policies"):
        result = diff(old, str(folder), "--policies", str(folder))
        assert result.exit_code == 1 and "rule BT-040 is changed" in result.output
    for wrong in ("no-such-branch", "--output=x", "HEAD:nowhere"):
        result = diff("--policies", str(folder), "--", wrong, str(folder))
        assert type(result.exception).__name__ == "UsageError"
