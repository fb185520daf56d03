"""A whole run over a firm of five systems, beside a script that does its bare core.

The script decides the time entries, matches them with invoice lines through the link file, makes monthly totals and
writes the three; it holds no broken row, proves nothing, knows nothing of revenue, ledger, cases or causes.
`python -m benchmarks.whole` prints the table; the benchmark stops when the two do not decide alike.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import polars as pl

from benchmarks.run import best

ENTRIES: Final = int(os.environ.get("TIEOUT_BENCH_ENTRIES", "1000000"))
# As many contracts as keep so many people busy for a year.
ENTRIES_PER_CONTRACT: Final = 380
MONEY: Final = pl.Decimal(38, 6)
WIDE: Final = pl.Decimal(38, 18)


def write_firm(folder: Path, entries: int = ENTRIES) -> Path:
    """Write a firm without defects as canonical Parquet and return its one night."""
    numbers = ["--contracts", str(entries // ENTRIES_PER_CONTRACT), "--entries", str(entries), "--nights", "1"]
    command = [sys.executable, "-m", "adapters.cli", "sample", str(folder), "--clean", "--format", "canonical", *numbers]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return next(each for each in folder.iterdir() if each.is_dir())


def decided(night: Path) -> pl.LazyFrame:
    """Decide each time entry: its rate, amount, what invoices hold of it, and whether it may be billed."""
    psa, crm, billing = night / "psa", night / "crm", night / "billing"
    lines = pl.scan_parquet(crm / "contract_line.parquet").select("contract_line_id", "contract_id", "offering", "cap_amount")
    contracts = pl.scan_parquet(crm / "contract.parquet").select("contract_id", "currency", contract_status="status")
    people = pl.scan_parquet(psa / "resource.parquet").select("resource_id", "role")
    assigned = pl.scan_parquet(psa / "assignment.parquet").select("project_id", "resource_id", assigned_rate="bill_rate")
    cards = pl.scan_parquet(psa / "rate.parquet").select("contract_id", "role", "effective_from", "effective_to", card="bill_rate")
    posted = pl.scan_parquet(billing / "invoice.parquet").filter(pl.col("status").is_in(["posted", "paid"])).select("invoice_id")
    standing = pl.scan_parquet(billing / "invoice_line.parquet").join(posted, on="invoice_id", how="semi").select("invoice_line_id")
    link = pl.scan_parquet(billing / "invoice_line_time.parquet").join(standing, on="invoice_line_id", how="semi")
    settled = link.group_by("time_entry_id").agg(settled=pl.col("hours").sum())
    holds = (pl.col("work_date") >= pl.col("effective_from")) & (pl.col("work_date") <= pl.col("effective_to"))
    rate = pl.coalesce("bill_rate", "assigned_rate", pl.when(holds).then("card"))
    amount = (pl.col("hours").cast(WIDE) * pl.col("rate").cast(WIDE)).round(2, mode="half_away_from_zero").cast(MONEY)
    by_hours = pl.col("offering") == "time_and_materials"
    decision = (
        pl.when(pl.col("status") == "rejected").then(pl.lit("not_billable"))
        .when(~pl.col("billable")).then(pl.lit("not_billable"))
        .when(pl.col("status") != "approved").then(pl.lit("on_hold"))
        .when(pl.col("contract_status") == "draft").then(pl.lit("on_hold"))
        .when(~by_hours).then(pl.lit("billed_otherwise"))
        .when(pl.col("settled") >= pl.col("hours")).then(pl.lit("billed"))
        .when(pl.col("rate").is_null()).then(pl.lit("on_hold"))
        .otherwise(pl.lit("billable"))
    )  # fmt: skip
    return (
        pl.scan_parquet(psa / "time_entry.parquet")
        .select("time_entry_id", "resource_id", "project_id", "contract_line_id", "work_date", "hours", "billable", "status", "bill_rate")
        .join(lines, on="contract_line_id", how="left").join(contracts, on="contract_id", how="left")
        .join(people, on="resource_id", how="left").join(assigned, on=["project_id", "resource_id"], how="left")
        .join(cards, on=["contract_id", "role"], how="left").join(settled, on="time_entry_id", how="left")
        .with_columns(rate=rate).with_columns(amount=amount, decision=decision)
    )  # fmt: skip


def bare_core(night: Path, out: Path) -> None:
    """Decide, match, total, and write the three as Parquet."""
    decisions = decided(night).collect()
    billing = night / "billing"
    lines = pl.scan_parquet(billing / "invoice_line.parquet").select("invoice_line_id", "invoice_id", "net_amount")
    matches = (
        pl.scan_parquet(billing / "invoice_line_time.parquet")
        .join(decisions.lazy().select("time_entry_id", "amount"), on="time_entry_id", how="left")
        .group_by("invoice_line_id").agg(delivered=pl.col("amount").sum(), entries=pl.len())
        .join(lines, on="invoice_line_id", how="left").with_columns(difference=pl.col("net_amount") - pl.col("delivered"))
    )  # fmt: skip
    month = pl.col("work_date").dt.truncate("1mo")
    totals = decisions.lazy().group_by("contract_id", "decision", month=month).agg(pl.col("hours", "amount").sum(), entries=pl.len())
    out.mkdir(parents=True, exist_ok=True)
    decisions.sort("time_entry_id").write_parquet(out / "decisions.parquet")
    for name, frame, key in (("matches", matches, ["invoice_line_id"]), ("totals", totals, ["contract_id", "month", "decision"])):
        frame.collect().sort(key).write_parquet(out / f"{name}.parquet")


def lines() -> list[str]:
    """Measure both and return the table's lines."""
    with tempfile.TemporaryDirectory() as folder:
        night = write_firm(Path(folder) / "firm")
        runs, core = Path(folder) / "runs", Path(folder) / "core"
        whole = best([sys.executable, "-m", "adapters.cli", "run", str(night), "--out", str(runs), "--json"], fresh=runs)
        bare = best([sys.executable, "-m", "benchmarks.whole", str(night), str(core)], fresh=core)
        _agree(next(runs.glob("*/billing_decisions.parquet")), core / "decisions.parquet")
    told = [
        f"| {name} | {clock:.2f} s | {processor:.2f} s | {memory:.2f} GiB |"
        for name, (clock, processor, memory) in (("whole run", whole), ("bare core", bare))
    ]
    ratio = f"| whole run / bare core | {whole[0] / bare[0]:.2f} | {whole[1] / bare[1]:.2f} | |"
    return ["| | clock | processor | peak memory |", "|---|---|---|---|", *told, ratio]


def _agree(run: Path, script: Path) -> None:
    ours = pl.scan_parquet(run).filter(pl.col("item_type") == "time_entry").select("item_id", "decision", "amount")
    theirs = pl.scan_parquet(script).select(item_id="time_entry_id", decision="decision", amount="amount")
    same = pl.col("decision").eq_missing(pl.col("decision_script")) & pl.col("amount").eq_missing(pl.col("amount_script"))
    apart = ours.join(theirs, on="item_id", how="full", suffix="_script").filter(~same).collect()
    assert apart.is_empty(), f"the two do not decide alike: {apart.head(5)}"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        bare_core(Path(sys.argv[1]), Path(sys.argv[2]))
    else:
        print("\n".join(lines()))
