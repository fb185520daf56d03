"""Reconciling 1 M left with 1 M right lines: beside a bare Polars full join and datacompy's comparison.

`python -m benchmarks.reconcile [--rows N] [--datacompy PYTHON]`: datacompy pins an older Polars, so it
runs in an environment of its own, whose interpreter is named; without one it is left out.
"""

from __future__ import annotations

import argparse
import datetime as dt
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

POLICY = """policy: reconciliation
id: rec-bench
title: Invoices in two systems
owner: ar
effective_from: 1900-01-01
reference: benchmark
says: Every invoice stands in both
left: {entity: invoice, system: billing, amount: gross_amount, date: invoice_date}
right: {entity: invoice, system: erp, amount: gross_amount, date: invoice_date}
passes:
  - {id: exact, match: one_to_one, on: invoice_id}
  - {id: grouped, match: many_to_one, on: contract_id, tolerance: {absolute: 0.05}}
"""

# What datacompy does with the same two frames, in its own interpreter.
DATACOMPY = """
import sys, time, resource
import polars as pl, datacompy
left, right = (pl.read_parquet(f"{sys.argv[1]}/{side}.parquet") for side in ("left", "right"))
compare = getattr(datacompy, "PolarsCompare")
started = time.perf_counter()
result = compare(left, right, join_columns=["invoice_id"], abs_tol=0)
result.report()
print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""

TIMES = 3


def write_sides(folder: Path, rows: int) -> None:
    """Write both sides: 98 % tie by id; of the rest half differ, a quarter each is missing or booked in sum."""
    draws = np.random.default_rng(20261031)
    number = np.arange(rows)
    cents = draws.integers(1_00, 50_000_00, rows)
    fate = draws.permutation(rows)
    differs = fate < rows // 100
    summed = (fate >= rows // 100) & (fate < rows // 100 + rows // 200)
    missing = (fate >= rows // 100 + rows // 200) & (fate < rows // 50)
    day = np.datetime64("2026-01-01") + draws.integers(0, 300, rows).astype("timedelta64[D]")
    left = pl.DataFrame(
        {
            "invoice_id": pl.Series([f"INV-{each:09}" for each in number]),
            "contract_id": pl.Series([f"CON-{each:07}" for each in number // 2]),
            "currency": pl.Series(["EUR", "USD"])[(number // 2 % 2).tolist()], "invoice_date": pl.Series(day), "cents": pl.Series(cents),
        }
    )  # fmt: skip
    # Two lines of a contract that the ERP books in one.
    together = pl.Series(summed[number ^ 1] | summed) if rows % 2 == 0 else pl.Series(summed)
    alone = left.filter(~together & ~pl.Series(missing)).with_columns(
        pl.col("cents") + pl.Series(np.where(differs, 1_00, 0)).filter(~together & ~pl.Series(missing))
    )
    joined = (
        left.filter(together).group_by("contract_id", maintain_order=True)
        .agg(pl.concat_str(pl.lit("SUM-"), pl.col("contract_id").first()).alias("invoice_id"), pl.col("currency", "invoice_date").first(),
             pl.col("cents").sum())
        .select(left.columns)
    )  # fmt: skip
    right = pl.concat([alone, joined]).sample(fraction=1, shuffle=True, seed=1)
    money = (pl.col("cents").cast(pl.Decimal(38, 6)) / 100).alias("gross_amount")
    for name, side in (("left", left), ("right", right)):
        side.with_columns(money).drop("cents").write_parquet(folder / f"{name}.parquet")


def reconcile(folder: Path) -> tuple[float, int]:
    """Return the seconds that the whole stage takes over both sides, and how many findings it makes."""
    from engine.canonical.schema import entity_spec
    from engine.policy.load import load_policies
    from engine.policy.source import SourceText
    from engine.reconcile import decide_reconciliation
    from engine.stage import Context, Facts

    schema = entity_spec("invoice").polars_schema()
    frames = []
    for name, system in (("left", "billing"), ("right", "erp")):
        side = pl.read_parquet(folder / f"{name}.parquet").with_row_index("source_row", offset=2).with_columns(
            pl.lit(system).alias("source_system"), pl.lit(f"{system}/invoice.csv").alias("source_file")
        )
        missing = [pl.lit(None, dtype=dtype).alias(each) for each, dtype in schema.items() if each not in side.columns]
        frames.append(side.with_columns(missing).select(pl.col(each).cast(dtype) for each, dtype in schema.items()))
    records = pl.concat(frames)
    stated = {("invoice", system): frozenset(schema) for system in ("billing", "erp")}
    policies, mistakes = load_policies([SourceText("bench.yaml", POLICY)])
    assert not [each for each in mistakes if each.is_error], mistakes
    as_of = dt.date(2026, 12, 31)
    facts = Facts({"invoice": records.lazy()}, stated, as_of, {"invoice": records.lazy()})
    started = time.perf_counter()
    result = decide_reconciliation(facts, policies, Context(as_of))
    for frame in result.frames.values():
        frame.collect()
    seconds = time.perf_counter() - started
    return seconds, sum(found.height for found in result.findings)


def full_join(folder: Path) -> float:
    """Return the seconds of a bare full join of both sides on the id."""
    left, right = (pl.read_parquet(folder / f"{name}.parquet") for name in ("left", "right"))
    started = time.perf_counter()
    left.join(right, on="invoice_id", how="full")
    return time.perf_counter() - started


def _child(what: str, folder: Path) -> tuple[float, float]:
    """Return seconds and peak GiB of one measurement in its own process."""
    command = [sys.executable, "-m", "benchmarks.reconcile", "--measure", what, "--folder", str(folder)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(output[0]), float(output[1])


def main() -> None:
    """Measure in turn and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--datacompy", help="a Python interpreter that has datacompy")
    parser.add_argument("--measure", choices=("tieout", "join"))
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.measure:
        seconds = reconcile(given.folder)[0] if given.measure == "tieout" else full_join(given.folder)
        print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_sides(folder, given.rows)
        figures: dict[str, list[tuple[float, float]]] = {}
        for _ in range(TIMES):
            figures.setdefault("Tieout, two passes, findings and matches", []).append(_child("tieout", folder))
            figures.setdefault("Polars full join on the id", []).append(_child("join", folder))
            if given.datacompy:
                output = subprocess.run([given.datacompy, "-c", DATACOMPY, str(folder)], check=True, capture_output=True, text=True).stdout
                seconds, memory = output.split()[-2:]
                figures.setdefault("datacompy, PolarsCompare and its report", []).append((float(seconds), float(memory)))
    ours = min(seconds for seconds, _ in next(iter(figures.values())))
    print(f"| {given.rows:,} by {given.rows:,} lines | time (least of {TIMES}) | peak memory | Tieout takes |\n|---|---|---|---|")
    for label, runs in figures.items():
        least = min(seconds for seconds, _ in runs)
        print(f"| {label} | {least:.2f} s | {max(memory for _, memory in runs):.2f} GiB | {ours / least:.2f} times |")


if __name__ == "__main__":
    main()
