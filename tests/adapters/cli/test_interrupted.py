"""Ctrl-C: a sentence and its exit code, whatever the command is at."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.command import ROOT

# What was begun in the background may have been told not to hear it.
_COMMAND = """import signal
from adapters.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
print("begun", flush=True)
main()
"""

_HALF_LOADED = """import os, signal
import adapters.cli as cli
def load():
    try:
        os.kill(os.getpid(), signal.SIGINT)
        signal.pause()
    except BaseException:
        raise ImportError("half of it is loaded") from None
cli._load_commands = load
signal.signal(signal.SIGINT, signal.default_int_handler)
cli.main()
"""


@pytest.mark.parametrize("arguments", [("policy", "test"), ("run", "samples/firm/2026-10-31", "--out")], ids=["tests", "a run"])
def test_an_interrupted_command_says_so(arguments: tuple[str, ...], tmp_path: Path) -> None:
    given = [*arguments, str(tmp_path)] if arguments[-1] == "--out" else arguments
    command = [sys.executable, "-c", _COMMAND, *given]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    time.sleep(1.5)
    told = _interrupted(process)
    assert process.returncode == 130
    assert "Traceback" not in told
    assert told.splitlines()[-1] == "Interrupted; nothing was published."
    assert not list(tmp_path.glob("*/manifest.json"))


def test_an_error_that_a_library_makes_of_an_interruption_is_one(tmp_path: Path) -> None:
    process = subprocess.run([sys.executable, "-c", _HALF_LOADED], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (process.returncode, process.stderr) == (130, "Interrupted; nothing was published.\n")


def _interrupted(process: subprocess.Popen[str]) -> str:
    """Press Ctrl-C, and once more where nothing came of it; return what the process said.

    Python drops an interruption that reaches it within a callback of its own, as it has one for every module that it loads.
    """
    process.send_signal(signal.SIGINT)
    try:
        return process.communicate(timeout=10)[1]
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        return process.communicate(timeout=60)[1]
