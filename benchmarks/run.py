"""`make bench`: whole runs as their own processes, with clock and processor seconds and peak memory."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import billing, tables
from benchmarks.entries import write_snapshot

RESULTS = Path(__file__).parent / "results.md"
TIMES = 3


def measured(command: list[str]) -> tuple[float, float, float]:
    """Return the clock seconds, processor seconds and peak GiB of a command run as its own process."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) in (0, 1), command
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20


def best(command: list[str], *, fresh: Path | None = None) -> tuple[float, float, float]:
    """Return the least times of several runs and the greatest memory; `fresh` is emptied before each."""
    figures = []
    for _ in range(TIMES):
        if fresh is not None:
            subprocess.run(["rm", "-rf", str(fresh)], check=True)
        figures.append(measured(command))
    clocks, processors, memories = zip(*figures, strict=True)
    return min(clocks), min(processors), max(memories)


def main() -> None:
    """Measure and write results.md."""
    tieout = [sys.executable, "-m", "adapters.cli"]
    rows: list[tuple[str, float, float, float]] = [("`tieout --help`", *best([*tieout, "--help"]))]
    with tempfile.TemporaryDirectory() as folder:
        for form in ("canonical", "vendor"):
            for count in (100_000, 1_000_000):
                snapshot = write_snapshot(Path(folder) / f"{form}{count}", count, form)
                out = Path(folder) / "runs"
                figures = best([*tieout, "run", str(snapshot), "--out", str(out), "--json"], fresh=out)
                rows.append((f"`tieout run`, {count:,} time entries, {form}", *figures))
    lines = [f"| {name} | {clock:.2f} s | {processor:.2f} s | {memory:.2f} GiB |" for name, clock, processor, memory in rows]
    table = "\n".join(["| what | clock (least of 3) | processor (least of 3) | peak memory |", "|---|---|---|---|", *lines])
    table += f"\n\nA decision table over {tables.ROWS:,} rows, best of {tables.TIMES}:\n\n" + "\n".join(tables.lines())
    table += f"\n\nThe billing stage without its checks, best of {billing.TIMES}:\n\n" + "\n".join(billing.lines())
    print(table)
    text = RESULTS.read_text(encoding="utf-8")
    head, _, rest = text.partition("<!-- measured -->\n")
    tail = rest.partition("<!-- end -->\n")[2]
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {resource.getpagesize()} byte pages."
    RESULTS.write_text(f"{head}<!-- measured -->\n{machine}\n\n{table}\n<!-- end -->\n{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
