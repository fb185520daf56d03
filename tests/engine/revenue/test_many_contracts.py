"""Many contracts take memory in proportion: no step holds a list of all of them for each of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

# The most memory a process held, in KiB: before the stage and after it, over so many contracts.
_PEAK = """
import resource, sys
from pathlib import Path
from benchmarks.revenue import records, stage
folder = Path(sys.argv[2])
for name, frame in records(int(sys.argv[1])).items():
    frame.write_parquet(folder / f"{name}.parquet")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
stage(folder)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def taken(contracts: int, folder: Path) -> int:
    """Return the KiB that the revenue stage of so many contracts takes, in a process of its own."""
    folder.mkdir()
    command = [sys.executable, "-c", _PEAK, str(contracts), str(folder)]
    return int(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


def test_four_times_the_contracts_take_no_more_than_four_times_the_memory(tmp_path: Path) -> None:
    few, many = taken(2_000, tmp_path / "few"), taken(8_000, tmp_path / "many")
    assert many <= 4 * few
