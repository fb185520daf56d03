"""Where the time of a run goes: `python -m benchmarks.phases SNAPSHOT`, one row a phase."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from adapters import run, snapshot
from engine import pipeline

_PHASES: tuple[tuple[str, Any, str], ...] = (
    ("policies read", run, "require_policies"), ("files read", snapshot, "read_file"), ("rows cast", snapshot, "map_entity"),
    ("ownership", pipeline, "decide_ownership"), ("KPIs", pipeline, "measure_kpis"), ("agreed records made", run, "_outputs"),
    ("results written", run, "publish_run"), ("cases moved", run, "enter_run"),
)  # fmt: skip


class Phases:
    """Add up the clock and processor seconds of functions while a run calls them."""

    def __init__(self) -> None:
        self.seconds: dict[str, tuple[float, float]] = {}

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with its time added to a phase."""

        def call(*arguments: Any, **named: Any) -> Any:
            clock, processor = time.perf_counter(), time.process_time()
            try:
                return function(*arguments, **named)
            finally:
                before = self.seconds.get(name, (0.0, 0.0))
                self.seconds[name] = before[0] + time.perf_counter() - clock, before[1] + time.process_time() - processor

        return call


def measure(folder: Path) -> dict[str, tuple[float, float]]:
    """Run a snapshot once and return the clock and processor seconds of each phase, and of the whole."""
    phases = Phases()
    for name, module, function in _PHASES:
        setattr(module, function, phases.timed(name, getattr(module, function)))
    stages = {name: phases.timed(name, stage) for name, stage in pipeline.DECISIONS.items()}
    setattr(pipeline, "DECISIONS", stages)  # noqa: B010 # a constant, replaced for the measurement
    with tempfile.TemporaryDirectory() as out:
        phases.timed("whole run", run.run_snapshot)(folder, out=Path(out))
    return phases.seconds


def main() -> None:
    """Print the phases of one run as a table."""
    print("| phase | clock | processor |\n|---|---|---|")
    for name, (clock, processor) in measure(Path(sys.argv[1])).items():
        print(f"| {name} | {clock:.2f} s | {processor:.2f} s |")


if __name__ == "__main__":
    main()
