"""Deterministic chance: the same seed and name give the same numbers on every machine and version.

Numbers come from a counter (SplitMix64), not from a stream: the n-th draw of a name never depends
on how many others were taken, so a change in one corner of the firm leaves the rest as it was.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True, slots=True)
class Draws:
    """Give random whole numbers by name, from one seed."""

    seed: int

    def many(self, name: str, count: int, low: int, high: int) -> Ints:
        """Return `count` numbers with low <= number < high."""
        digest = hashlib.sha256(f"{self.seed}:{name}".encode()).digest()
        start = np.uint64(int.from_bytes(digest[:8], "little"))
        with np.errstate(over="ignore"):
            state = start + np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN
            state = (state ^ (state >> np.uint64(30))) * _FIRST
            state = (state ^ (state >> np.uint64(27))) * _SECOND
            state = state ^ (state >> np.uint64(31))
        # 63 bits stay positive as signed numbers; the bias of the remainder is below 1e-12 here.
        return (state >> np.uint64(1)).astype(np.int64) % np.int64(high - low) + np.int64(low)

    def one(self, name: str, low: int, high: int) -> int:
        """Return one number with low <= number < high."""
        return int(self.many(name, 1, low, high)[0])
