"""What the quality gate costs: a run of many time entries with and without it, `python -m benchmarks.quality [ENTRIES [TIMES]]`."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from adapters.policy_folder import SHIPPED
from benchmarks.entries import write_snapshot
from benchmarks.run import measured


def main() -> None:
    """Measure both in turn and print a table; the gate may take a quarter of the run."""
    count, repeats = (int(given) for given in (*sys.argv[1:3], *("1000000", "3")[len(sys.argv[1:3]) :]))
    tieout = [sys.executable, "-m", "adapters.cli", "run"]
    with tempfile.TemporaryDirectory() as folder:
        snapshot = write_snapshot(Path(folder) / "snapshot", count, "canonical")
        plain = Path(folder) / "plain"
        shutil.copytree(SHIPPED, plain, ignore=shutil.ignore_patterns("quality"))
        times: dict[str, list[tuple[float, float, float]]] = {"without": [], "with": []}
        # Taken in turn, so that a busy moment of the machine strikes both.
        for _ in range(repeats):
            for name, policies in (("without", plain), ("with", SHIPPED)):
                out = Path(folder) / "runs"
                shutil.rmtree(out, ignore_errors=True)
                times[name].append(measured([*tieout, str(snapshot), "--policies", str(policies), "--out", str(out), "--json"]))
    print(f"| a run of {count:,} time entries, least of {repeats} | without the gate | with it | the gate's share |")
    print("|---|---|---|---|")
    for place, name in enumerate(("clock", "processor")):
        without, gated = (min(each[place] for each in times[which]) for which in ("without", "with"))
        print(f"| {name} | {without:.2f} s | {gated:.2f} s | {100 * (gated - without) / gated:.0f} % |")


if __name__ == "__main__":
    main()
