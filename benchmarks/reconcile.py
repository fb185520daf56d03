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
started, used = time.perf_counter(), time.process_time()
result = compare(left, right, join_columns=["invoice_id"], abs_tol=0)
result.report()
print(time.perf_counter() - started, time.process_time() - used, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
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


Figures = tuple[float, float]


def reconcile(folder: Path) -> Figures:
    """Return the seconds of clock and processor that the whole stage takes over both sides."""
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
    started, used = time.perf_counter(), time.process_time()
    result = decide_reconciliation(facts, policies, Context(as_of))
    for frame in result.frames.values():
        frame.collect()
    figures = time.perf_counter() - started, time.process_time() - used
    assert sum(found.height for found in result.findings) > 0
    return figures


def full_join(folder: Path) -> Figures:
    """Return the seconds of clock and processor of a bare full join of both sides on the id."""
    left, right = (pl.read_parquet(folder / f"{name}.parquet") for name in ("left", "right"))
    started, used = time.perf_counter(), time.process_time()
    left.join(right, on="invoice_id", how="full")
    return time.perf_counter() - started, time.process_time() - used


def _child(what: str, folder: Path) -> tuple[float, ...]:
    """Return clock, processor and peak GiB of one measurement in its own process."""
    command = [sys.executable, "-m", "benchmarks.reconcile", "--measure", what, "--folder", str(folder)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return tuple(float(each) for each in output)


def main() -> None:
    """Measure in turn and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--datacompy", help="a Python interpreter that has datacompy")
    parser.add_argument("--measure", choices=("tieout", "join"))
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.measure:
        figures = reconcile(given.folder) if given.measure == "tieout" else full_join(given.folder)
        print(*figures, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
        return
    measured: dict[str, list[tuple[float, ...]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_sides(folder, given.rows)
        for _ in range(TIMES):
            measured.setdefault("Tieout: two passes, matches, tie-out, findings", []).append(_child("tieout", folder))
            measured.setdefault("Polars: full join on the id", []).append(_child("join", folder))
            if given.datacompy:
                command = [given.datacompy, "-c", DATACOMPY, str(folder)]
                output = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-3:]
                measured.setdefault("datacompy: PolarsCompare and its report", []).append(tuple(float(each) for each in output))
    ours = [min(run[place] for run in next(iter(measured.values()))) for place in (0, 1)]
    print(f"| {given.rows:,} by {given.rows:,} lines, least of {TIMES} | clock | processor | peak memory | ratio, clock | processor |")
    print("|---|---|---|---|---|---|")
    for label, runs in measured.items():
        clock, processor = (min(run[place] for run in runs) for place in (0, 1))
        memory = max(run[2] for run in runs)
        print(f"| {label} | {clock:.2f} s | {processor:.2f} s | {memory:.2f} GiB | {ours[0] / clock:.2f} | {ours[1] / processor:.2f} |")


if __name__ == "__main__":
    main()
