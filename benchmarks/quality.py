"""What the quality gate costs: a run of many time entries with and without it, `python -m benchmarks.quality [ENTRIES]`."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from adapters.policy_folder import SHIPPED
from benchmarks.entries import write_snapshot
from benchmarks.run import measured


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    tieout = [sys.executable, "-m", "adapters.cli", "run"]
    with tempfile.TemporaryDirectory() as folder:
        snapshot = write_snapshot(Path(folder) / "snapshot", count, "canonical")
        plain = Path(folder) / "plain"
        shutil.copytree(SHIPPED, plain, ignore=shutil.ignore_patterns("quality"))
        times: dict[str, list[float]] = {"without": [], "with": []}
        # Taken in turn, so that a busy moment of the machine strikes both.
        for _ in range(3):
            for name, policies in (("without", plain), ("with", SHIPPED)):
                out = Path(folder) / "runs"
                shutil.rmtree(out, ignore_errors=True)
                times[name].append(measured([*tieout, str(snapshot), "--policies", str(policies), "--out", str(out), "--json"])[0])
    without, gated = min(times["without"]), min(times["with"])
    share = 100 * (gated - without) / gated
    print(f"{count:,} entries: {without:.2f} s without, {gated:.2f} s with the gate; it is {share:.0f} % of the run")


if __name__ == "__main__":
    main()
