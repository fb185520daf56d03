"""Many contracts take memory in proportion: no step holds a list of all of them for each of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

# The most memory a process held, in KiB: before the stage and after it. Its own, where `getrusage` counts that of the process it came from.
_PEAK = """
import sys
from pathlib import Path
from benchmarks.revenue import records, stage
def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
folder = Path(sys.argv[2])
for name, frame in records(int(sys.argv[1])).items():
    frame.write_parquet(folder / f"{name}.parquet")
before = peak()
stage(folder)
print(peak() - before)
"""


def taken(contracts: int, folder: Path) -> int:
    """Return the KiB that the revenue stage of so many contracts takes, in a process of its own."""
    folder.mkdir()
    command = [sys.executable, "-c", _PEAK, str(contracts), str(folder)]
    return int(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="this system does not tell what memory a process held")
def test_four_times_the_contracts_take_no_more_than_four_times_the_memory(tmp_path: Path) -> None:
    few, many = taken(2_000, tmp_path / "few"), taken(8_000, tmp_path / "many")
    assert many <= 4 * few
