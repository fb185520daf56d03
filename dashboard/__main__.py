"""`python -m dashboard`: the sample firm's nights that are not run yet, then the dashboard on this machine alone."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path

from adapters.store.database import STORE_VARIABLE
from dashboard.views.prepared import prepare
from dashboard.views.workspace import OUT_VARIABLE, POLICIES_VARIABLE, Workspace, find_runs
from engine.errors import TieoutError

ROOT = Path(__file__).parent.parent
NIGHTS = ROOT / "samples" / "firm"


def run_nights(folder: Path, out: Path) -> None:
    """Run every snapshot of a folder in order of its day, each after the one before; those that stand are left as they are."""
    from adapters.run import run_snapshot

    previous: Path | None = None
    for night in sorted(path.parent for path in folder.glob("*/snapshot.yaml")):
        outcome = run_snapshot(night, previous=previous, out=out)
        print(f"{night.name}  run {outcome.run_id}  {'made' if outcome.is_new else 'stands already'}", flush=True)
        previous = night


def _prepare() -> None:
    """Make the sums of the latest run, so that nobody waits for them; a run or store that fails tells so on its page."""
    with contextlib.suppress(TieoutError):
        for run in find_runs(Workspace.from_environment())[:1]:
            prepare(run)


def command(port: int, address: str) -> list[str]:
    """Return the command that serves the dashboard: no telemetry, no browser opened, no trace shown."""
    return [
        sys.executable, "-m", "streamlit", "run", str(ROOT / "dashboard" / "app.py"),
        f"--server.address={address}", f"--server.port={port}", "--server.headless=true", "--server.fileWatcherType=none",
        "--browser.gatherUsageStats=false", "--client.showErrorDetails=none", "--client.toolbarMode=minimal",
        # Looking at all objects after every page takes longer than most pages; Python looks by itself when many were made.
        "--client.showSidebarNavigation=true", "--runner.postScriptGC=false",
    ]  # fmt: skip


def main() -> int:
    """Run the nights when they are wanted, and serve until interrupted; returns only when it does not serve."""
    parser = argparse.ArgumentParser(prog="python -m dashboard", description="Serve the dashboard on the runs of a folder.")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder of results; the store lies in it")
    parser.add_argument("--store", help="address of the case store, if it is not beside the runs")
    parser.add_argument("--policies", type=Path, help="policy folder; default: the shipped policies")
    parser.add_argument("--nights", type=Path, help="run the snapshots of this folder first, in order, where they are not run yet")
    parser.add_argument("--sample", action="store_true", help="the same with the sample firm's three nights")
    parser.add_argument("--prepare", action="store_true", help="only run the nights, serve nothing")
    parser.add_argument("--port", type=int, default=8501)
    parser.add_argument("--address", default="localhost", help="localhost keeps it to this machine; open it to others only with sign-in")
    given = parser.parse_args()
    nights = NIGHTS if given.sample else given.nights
    if given.store:
        os.environ[STORE_VARIABLE] = given.store
    try:
        if nights is not None:
            run_nights(nights, given.out)
    except TieoutError as error:
        print(f"{error.message} {error.remedy}".rstrip(), file=sys.stderr)
        return error.exit_code
    if given.prepare:
        return 0
    os.environ[OUT_VARIABLE] = str(given.out.resolve())
    if given.policies:
        os.environ[POLICIES_VARIABLE] = str(given.policies.resolve())
    _prepare()
    print(f"The dashboard is at http://{given.address}:{given.port} (Ctrl+C ends it).", flush=True)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    # The server takes this process's place, so that whoever ends it ends the server.
    started = command(given.port, given.address)
    return os.execv(started[0], started)


if __name__ == "__main__":
    sys.exit(main())
