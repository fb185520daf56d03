"""Real processes: runs killed at any moment, runs beside each other, folders that cannot be written, full disks.

The nightly profile (HYPOTHESIS_PROFILE=nightly) kills twenty times over the sample firm's size.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.policy_folder import SHIPPED
from adapters.publish import MANIFEST
from adapters.sampling import SAMPLE, FirmOptions, simulate_firm, write_canonical

ROOT = Path(__file__).parents[2]
IS_NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
SMALL = FirmOptions(contracts=5, months=2, nights=1)

# Killed when so much of the run's time is over, or when so many files stand in its partial folder.
FRACTIONS = (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9) if IS_NIGHTLY else (0.5,)
FILES = (0, 1, 2, 3, 5, 8, 12, 16, 20, 25, 30, 35, 39) if IS_NIGHTLY else (0, 8, 39)


@dataclass(frozen=True)
class Case:
    """Hold a snapshot, its policies, and what an undisturbed run of it gives in how many seconds."""

    snapshot: Path
    policies: Path
    result: dict[str, str]
    seconds: float

    def start(self, out: Path) -> subprocess.Popen[str]:
        return start(self.snapshot, self.policies, out)


def start(snapshot: Path, policies: Path, out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "adapters.cli", "run", str(snapshot), "--policies", str(policies), "--out", str(out), "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def digests(out: Path) -> dict[str, str]:
    """Return the hashes of the runs' files; the store beside them tells when things happened and is none of them."""
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*")) if path.is_file() and not path.name.startswith("tieout.db")
    }  # fmt: skip


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("policies")
    for name in ("run.yaml", "calendar.yaml"):
        shutil.copy(SHIPPED / name, folder)
    shutil.copytree(SHIPPED / "ownership", folder / "ownership")
    return folder


@pytest.fixture(scope="module")
def case(policies: Path, tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("firm")
    snapshot = write_canonical(simulate_firm(SAMPLE if IS_NIGHTLY else SMALL), folder / "nights")[-1]
    started = time.perf_counter()
    process = start(snapshot, policies, folder / "runs")
    process.communicate()
    assert process.returncode in (0, 1)
    return Case(snapshot, policies, digests(folder / "runs"), time.perf_counter() - started)


def partial_files(out: Path) -> int:
    """Return how many files stand in a partial folder; -1 when there is none."""
    folders = list(out.glob(".partial-*"))
    return sum(len(files) for folder in folders for _, _, files in os.walk(folder)) if folders else -1


def kill_when(process: subprocess.Popen[str], out: Path, *, after: float | None = None, files: int | None = None) -> None:
    """Kill a process at its moment, or let it end before."""
    deadline = time.perf_counter() + (after if after is not None else 600)
    while process.poll() is None and time.perf_counter() < deadline:
        if files is not None and partial_files(out) >= files:
            break
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def assert_nothing_half_written(out: Path, case: Case) -> None:
    """What stands under a run's name is the whole run; anything else is a partial folder."""
    for folder in runs_in(out):
        assert (folder / MANIFEST).is_file()
        assert {f"{folder.name}/{name}": text for name, text in digests(folder).items()} == case.result


def runs_in(out: Path) -> list[Path]:
    return [each for each in out.iterdir() if each.is_dir() and not each.name.startswith(".")] if out.exists() else []


def test_a_run_killed_at_any_moment_leaves_nothing_half_written_and_the_next_gives_the_same_bytes(case: Case, tmp_path: Path) -> None:
    out, killed = tmp_path / "runs", 0
    moments = [{"after": share * case.seconds} for share in FRACTIONS] + [{"files": number} for number in FILES]
    for moment in moments:
        process = case.start(out)
        kill_when(process, out, **moment)  # type: ignore[arg-type] # a share or a number
        killed += process.returncode == -signal.SIGKILL
        assert_nothing_half_written(out, case)
        if runs_in(out):
            shutil.rmtree(out)  # it was done before its moment came; the next one starts anew
    assert killed >= len(moments) // 2
    process = case.start(out)
    process.communicate()
    assert process.returncode in (0, 1)
    assert digests(out) == case.result
    assert not list(out.glob(".partial-*"))


def test_two_runs_at_once_in_one_folder_do_not_disturb_each_other(case: Case, policies: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    other = Path(shutil.copytree(case.snapshot, tmp_path / "other"))
    text = (other / "snapshot.yaml").read_text(encoding="utf-8")
    (other / "snapshot.yaml").write_text(text.replace("meridian-", "meridian "), encoding="utf-8")
    processes = [case.start(out), start(other, policies, out)]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode in (0, 1), errors
    assert len(runs_in(out)) == 2
    for name, text in case.result.items():
        assert digests(out)[name] == text


def refused(case: Case, out: Path) -> str:
    """Return what a run says that cannot be written: exit 3, one message, no trace, nothing left behind."""
    process = case.start(out)
    printed, errors = process.communicate()
    assert process.returncode == 3, errors
    assert "Traceback" not in errors + printed
    return errors + printed


def test_an_output_folder_that_cannot_be_written_is_said_with_what_to_do(case: Case, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    said = refused(case, tmp_path / "file" / "runs")
    assert "could not be written" in said
    assert "choose another --out" in said


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {made.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_said_with_what_to_do_and_nothing_is_left_on_it(case: Case, disk: Path) -> None:
    said = refused(case, disk / "runs")
    assert "No space left on device" in said
    assert "Free space" in said
    assert digests(disk) == {}


def test_a_folder_on_a_read_only_file_system_is_said_with_what_to_do(case: Case, disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    said = refused(case, disk / "runs")
    assert "Read-only file system" in said
    assert "choose another --out" in said
