"""The difference in money of a small change of policies, beside a whole run over the same firm.

A row of the billing table is changed, and a row of the revenue table; each is told twice: where no run of the old policies
stands, and where one does. `python -m benchmarks.difference` prints the table.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from adapters.policy_folder import SHIPPED
from benchmarks.run import best
from benchmarks.whole import write_firm

CHANGES: Final = {
    "a row of the billing table": ("billing/bill-time.yaml", "| > 120    | on_hold", "| > 20     | on_hold"),
    "a row of the revenue table": (
        "revenue/rev-treatment.yaml", "| -           | over_time     | hours        |", "| -           | over_time     | time_elapsed |",
    ),
}  # fmt: skip
"""By name: the file of the shipped policies, what it says and what it says then."""

ENTRIES: Final = int(os.environ.get("TIEOUT_BENCH_ENTRIES", "1000000"))


def changed_policies(folder: Path, name: str) -> Path:
    """Write the shipped policies with one change into a folder."""
    file, old, new = CHANGES[name]
    shutil.copytree(SHIPPED, folder)
    text = (folder / file).read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{file} does not say '{old}' once"
    (folder / file).write_text(text.replace(old, new), encoding="utf-8")
    return folder


def lines() -> list[str]:
    """Measure a run and each difference; return the table's lines."""
    told = ["| | clock | processor | peak memory | of a whole run, clock | processor |", "|---|---|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        night, runs, nothing = write_firm(folder / "firm", ENTRIES), folder / "runs", folder / "none"
        whole = best([sys.executable, "-m", "adapters.cli", "run", str(night), "--out", str(runs), "--json"], fresh=runs)
        told.append(f"| a whole run | {whole[0]:.1f} s | {whole[1]:.1f} s | {whole[2]:.2f} GiB | 1.00 | 1.00 |")
        for number, name in enumerate(CHANGES):
            new = changed_policies(folder / f"policies-{number}", name)
            for where, out in (("no run stands", nothing), ("a run of the old policies stands", runs)):
                command = [sys.executable, "-m", "adapters.cli", "policy", "diff", str(SHIPPED), str(new), "--snapshot", str(night)]
                clock, processor, memory = best([*command, "--out", str(out), "--json"], fresh=nothing)
                shares = f"{clock / whole[0]:.2f} | {processor / whole[1]:.2f}"
                told.append(f"| {name}, {where} | {clock:.1f} s | {processor:.1f} s | {memory:.2f} GiB | {shares} |")
    return told


if __name__ == "__main__":
    print("\n".join(lines()))
