"""One processor for each process of tests: what a query over ten rows costs is mostly the way from one processor to another."""

from __future__ import annotations

import os


def keep_to_one_processor(place: int) -> None:
    """Keep this process, and the commands that it starts, to one of the processors it has, the `place`-th in turn.

    Each query passes from Python's thread to Polars' own and back. Between processors that passing takes longer than a query
    over ten rows; on one of them a scenario of revenue takes a little over half of the time. Systems that know no such
    setting (macOS, Windows) are left as they are.
    """
    if hasattr(os, "sched_setaffinity"):
        processors = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {processors[place % len(processors)]})
