"""Billing over whole runs: the sample firm's findings are the expected ones, and the decisions tie."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from adapters.run import run_snapshot
from adapters.sampling import FirmOptions, simulate_firm, write_vendor

ROOT = Path(__file__).parents[2]
FIRM = ROOT / "samples" / "firm"

DECISIONS = ("billed", "partially_billed", "billable", "on_hold", "not_billable", "billed_otherwise")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("firm")
    return run_snapshot(FIRM / "2026-10-31", previous=FIRM / "2026-10-30", policies=ROOT / "policies", out=out).run_dir


@pytest.fixture(scope="module")
def decisions(run: Path) -> pl.DataFrame:
    return pl.read_parquet(run / "billing_decisions.parquet")


def billing_findings(run: Path) -> list[tuple[str, str, str]]:
    found = pl.read_parquet(run / "findings.parquet").filter(pl.col("stage") == "billing")
    return sorted(found.select("kind", "entity", "entity_id").rows())


def test_the_sample_firms_findings_are_exactly_the_expected_ones(run: Path) -> None:
    expected = pl.read_csv(FIRM / "expected_findings.csv").filter(pl.col("stage") == "billing")
    assert expected.height >= 13
    assert billing_findings(run) == sorted(expected.select("kind", "entity", "entity_id").rows())


def test_every_finding_says_what_it_is_about_where_it_stands_and_who_acts(run: Path) -> None:
    found = pl.read_parquet(run / "findings.parquet").filter(pl.col("stage") == "billing")
    columns = ("rule", "severity", "contract_id", "message", "remedy", "owner", "policy_fingerprint")
    assert found.select(pl.col(columns).null_count()).row(0) == (0,) * len(columns)
    assert (found["evidence"].list.len() > 0).all()
    rules = json.loads((run / "manifest.json").read_text(encoding="utf-8"))["rules"]
    places = {name.partition("#")[2]: place for name, place in rules.items()}
    assert all(places[rule]["line"] > 1 and places[rule]["says"] for rule in found["rule"])


def test_a_clean_firm_has_no_finding_of_billing(tmp_path: Path) -> None:
    firm = simulate_firm(FirmOptions(contracts=16, months=8, nights=1, clean=True))
    write_vendor(firm, tmp_path / "firm", "parquet")
    snapshot = next(path.parent for path in (tmp_path / "firm").rglob("snapshot.yaml"))
    made = run_snapshot(snapshot, policies=ROOT / "policies", out=tmp_path / "runs").run_dir
    assert billing_findings(made) == []
    assert pl.read_parquet(made / "billing_decisions.parquet").height > 1000


def test_every_item_has_a_decision_and_its_whole_quantity(run: Path, decisions: pl.DataFrame) -> None:
    assert decisions.select("item_type", "item_id", "part").is_unique().all()
    assert set(decisions["decision"]) <= set(DECISIONS)
    keys = {"time_entry": "hours", "expense": None, "milestone": None, "billing_plan_line": None}
    for entity, hours in keys.items():
        golden = pl.read_parquet(run / "golden" / f"{entity}.parquet")
        own = decisions.filter(pl.col("item_type") == entity)
        assert own["item_id"].n_unique() == golden.height
        assert own["quantity"].sum() == (golden[hours].sum() if hours else golden.height)


@pytest.mark.parametrize("scope", [["item_type"], ["item_type", "contract_id"], ["item_type", "contract_id", "currency"]])
def test_delivered_is_billed_and_billable_and_held_and_not_billable(decisions: pl.DataFrame, scope: list[str]) -> None:
    """Hours and money tie by every scope: what is billed, and what is not, by the decision about the rest."""
    open_amount, open_hours = pl.col("amount_unbilled"), pl.col("quantity_unbilled")
    parts = {
        "billable": pl.col("decision").is_in(["billable", "partially_billed"]), "held": pl.col("decision") == "on_hold",
        "refused": pl.col("decision") == "not_billable", "otherwise": pl.col("decision") == "billed_otherwise",
        "difference": pl.col("decision") == "billed",
    }  # fmt: skip
    totals = decisions.filter(pl.col("amount").is_not_null()).group_by(scope).agg(
        pl.col("amount").sum().alias("delivered"), pl.col("amount_billed").sum().alias("billed"),
        pl.col("quantity").sum().alias("hours"), pl.col("quantity_billed").sum().alias("hours_billed"),
        *(open_amount.filter(where).sum().alias(name) for name, where in parts.items()),
        *(open_hours.filter(where).sum().alias(f"{name}_hours") for name, where in parts.items()),
    )  # fmt: skip
    money = pl.col("billed") + pl.sum_horizontal(*parts)
    hours = pl.col("hours_billed") + pl.sum_horizontal(*(f"{name}_hours" for name in parts))
    assert totals.filter(pl.col("delivered") != money).height == 0
    assert totals.filter(pl.col("hours") != hours).height == 0


def test_what_is_billed_is_what_the_invoices_say(run: Path, decisions: pl.DataFrame) -> None:
    lines = pl.read_parquet(run / "golden" / "invoice_line.parquet")
    assert decisions["amount_billed"].sum() == lines["net_amount"].sum()
    # Differences of billed items: 15.00 an hour too little on one line, one entry billed a second time.
    differences = decisions.filter((pl.col("decision") == "billed") & (pl.col("amount_unbilled") != 0))
    short = differences.filter(pl.col("amount_unbilled") > 0)
    assert short["amount_unbilled"].sum() == short["quantity"].sum() * 15
    assert differences.filter(pl.col("amount_unbilled") < 0).height == 1


def test_amounts_are_hours_at_the_rate_and_the_rate_is_the_cards(run: Path, decisions: pl.DataFrame) -> None:
    golden = pl.read_parquet(run / "golden" / "time_entry.parquet").select(pl.col("time_entry_id").alias("item_id"), "hours", "bill_rate")
    hourly = decisions.filter(pl.col("item_type") == "time_entry").group_by("item_id").agg(pl.col("amount").sum(), pl.col("rate").first())
    joined = hourly.join(golden, on="item_id").filter(pl.col("bill_rate").is_not_null())
    assert joined.height > 1000
    exact = [Decimal(hours) * rate for hours, rate in joined.select("hours", "bill_rate").rows()]
    assert [amount for (amount,) in joined.select("amount").rows()] == [value.quantize(Decimal("0.01")) for value in exact]


def test_tock_hours_tie_to_the_raw_dump(shared_data: Path, tmp_path: Path) -> None:
    raw = json.loads((shared_data / "tock" / "tock_test_data_data-update.json").read_text(encoding="utf-8"))
    codes = {row["pk"]: row["fields"]["billable"] for row in raw if row["model"] == "projects.accountingcode"}
    billable = {row["pk"]: codes[row["fields"]["accounting_code"]] for row in raw if row["model"] == "projects.project"}
    entries = [row["fields"] for row in raw if row["model"] == "hours.timecardobject"]
    hours = {
        flag: sum((Decimal(each["hours_spent"] or 0) for each in entries if billable[each["project"]] is flag), Decimal(0))
        for flag in (True, False)
    }
    made = run_snapshot(shared_data / "tock", policies=ROOT / "policies", out=tmp_path).run_dir
    decisions = pl.read_parquet(made / "billing_decisions.parquet")
    assert decisions.height == len(entries)
    by_decision = dict(decisions.group_by("decision").agg(pl.col("quantity").sum()).rows())
    # Tock knows no approval and no rates: client work waits, the rest is never billed.
    assert by_decision == {"not_billable": hours[False], "on_hold": hours[True]}
    projects: dict[str, Decimal] = {}
    for each in entries:
        projects[str(each["project"])] = projects.get(str(each["project"]), Decimal(0)) + Decimal(each["hours_spent"] or 0)
    assert dict(decisions.group_by("project_id").agg(pl.col("quantity").sum()).rows()) == projects


def test_harvest_amounts_tie_to_the_raw_export(shared_data: Path, tmp_path: Path) -> None:
    rows = [json.loads(line, parse_float=Decimal) for line in (shared_data / "harvest" / "expected_records.jsonl").read_text().splitlines()]
    entries = [row["data"] for row in rows if row["stream"] == "time_entries"]
    expenses = [row["data"] for row in rows if row["stream"] == "expenses"]
    made = run_snapshot(shared_data / "harvest", policies=ROOT / "policies", out=tmp_path).run_dir
    decisions = pl.read_parquet(made / "billing_decisions.parquet")
    time = decisions.filter(pl.col("item_type") == "time_entry")
    assert time["quantity"].sum() == sum(Decimal(str(each["hours"])) for each in entries)
    client_work = [each for each in entries if each["billable"]]
    assert time.filter(pl.col("decision") != "not_billable").height == len(client_work)
    expected = sum(
        (Decimal(str(each["hours"])) * Decimal(str(each["billable_rate"] or 0))).quantize(Decimal("0.01")) for each in client_work
    )
    assert time.filter(pl.col("decision") != "not_billable")["amount"].sum() == expected
    assert decisions.filter(pl.col("item_type") == "expense")["amount"].sum() == sum(Decimal(str(each["total_cost"])) for each in expenses)


def test_a_real_invoice_that_names_no_entry_ties_with_the_hours_of_its_period(shared_data: Path, tmp_path: Path) -> None:
    run = run_snapshot(shared_data / "harvest", out=tmp_path)
    tied = pl.read_parquet(run.run_dir / "reconciliations.parquet").filter(pl.col("reconciliation") == "rec-time-invoice")
    assert tied.select("left_total", "right_total", "status").rows() == [(Decimal("80.10"), Decimal("80.10"), "tied")]
