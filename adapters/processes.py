"""How a process uses the machine: Polars' memory, Python's collector, and processors where the work is many small queries."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.sharedctypes import Synchronized
from typing import Final, TypeVar

_ALLOCATOR: Final = "_RJEM_MALLOC_CONF"
_KEEPS: Final = "dirty_decay_ms:-1,muzzy_decay_ms:-1"

_COLLECTED: Final = (50_000, 20, 50)
"""How often Python looks for objects that only know each other: seldom, as each time it looks at all that lives and finds few."""

_SEVERAL: Final = 2

Given = TypeVar("Given")
Made = TypeVar("Made")


def keeping_memory() -> dict[str, str]:
    """Return the environment in which Polars' allocator keeps the memory that is freed; it is read when Polars is first imported.

    A command ends soon: memory it has freed is better used again than handed back and fetched anew page by page, which takes
    a tenth of a run. Other settings of the allocator stand; a program that has imported Polars hands its own down to a command.
    """
    return {_ALLOCATOR: ",".join(filter(None, (os.environ.get(_ALLOCATOR), _KEEPS)))}


def collect_seldom() -> None:
    """Let Python look seldom for objects that only know each other."""
    gc.set_threshold(*_COLLECTED)


def keep_to_one_processor(place: int = 0) -> None:
    """Keep this process, and the commands that it starts, to one of the processors it has, the `place`-th in turn.

    Each query passes from Python's thread to Polars' own and back. Between processors that passing takes longer than a query
    over ten rows; on one of them a scenario of revenue takes a little over half of the time. Systems that know no such
    setting (macOS, Windows) are left as they are.
    """
    if hasattr(os, "sched_setaffinity"):
        own = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {own[place % len(own)]})


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_processes(make: Callable[[Given], Made], given: Sequence[Given]) -> list[Made]:
    """Return what `make` gives for each, in their order: as many processes as there are processors work, each on its own.

    For work of many small queries, seconds at a time: a process takes two seconds to begin. What is given and made is pickled.
    One process alone does the work itself, and so does one on a system that gives processes nothing to share.
    """
    begun, places = multiprocessing.get_context("spawn"), None
    if min(len(given), processors()) >= _SEVERAL:
        with contextlib.suppress(OSError, ImportError):
            places = begun.Value("i", 0)
    if places is None:
        keep_to_one_processor()
        return [make(each) for each in given]
    many, others = min(processors(), len(given)), multiprocessing.active_children()
    with ProcessPoolExecutor(many, begun, initializer=_begin, initargs=(places,)) as pool:
        promised = [pool.submit(make, each) for each in given]
        try:
            return [each.result() for each in promised]
        except BaseException:
            # Nobody waits for what they are at. What they have not begun is not called off one by one: it falls with them.
            for child in multiprocessing.active_children():
                if child not in others:
                    child.terminate()
            raise


def _begin(places: Synchronized[int]) -> None:
    # Who interrupts a command speaks to the process that began the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Polars reads it when it is first imported; threads of several processes would wait for one another.
    os.environ["POLARS_MAX_THREADS"] = "1"
    os.environ.update(keeping_memory())
    collect_seldom()
    with places.get_lock():
        keep_to_one_processor(places.value)
        places.value += 1
