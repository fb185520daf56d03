"""One walk over all cases of a table: inputs in turn, the state being the set of rules still alive.

States that are equal are walked once, and rules that ask for nothing more cut the walk short, so a
table of hundreds of rules takes milliseconds. A budget of states keeps the worst table from taking
for ever; beyond it the question stays unproven, and that is said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from engine.decision.proof.universe import Axis, TooManyCasesError

BUDGET: Final = 200_000
"""States one walk may look at."""

Leaf = Callable[[int], int]
"""Take the rules alive at the end (bits) and return what is found there (bits)."""

Cut = Callable[[int, int], int]
"""Take the rules alive and those among them that hold whatever follows; return the alive that still matter."""


class Sweep:
    """Walk the cases of a table, those of few-valued inputs first."""

    def __init__(self, axes: Sequence[Axis], rules: int, budget: int = BUDGET) -> None:
        self.everything = (1 << rules) - 1
        self._steps = 0
        self._budget = budget
        self.order = sorted(range(len(axes)), key=lambda index: len({case.rules for case in axes[index].cases}))
        self.masks = [sorted({case.rules for case in axes[index].cases}) for index in self.order]
        # Rules whose cells admit every case of this input and all that follow.
        self.free = [self.everything]
        for masks in reversed(self.masks):
            held = self.free[-1]
            for mask in masks:
                held &= mask
            self.free.append(held)
        self.free.reverse()

    def gather(self, leaf: Leaf, cut: Cut, *, until: int | None = None) -> int:
        """Return the union of what the leaves give; stop early when it is `until`."""
        known: dict[tuple[int, int], int] = {}

        def walk(depth: int, alive: int) -> int:
            """Walk a state that is cut already and not known yet."""
            if depth == len(self.masks):
                return leaf(alive)
            self._step()
            found, after = 0, depth + 1
            free = self.free[after]
            for following in {alive & mask for mask in self.masks[depth]}:
                left = cut(following, following & free)
                key = (after, left)
                if key not in known:
                    known[key] = walk(after, left)
                found |= known[key]
                if found == until:
                    break
            return found

        return walk(0, cut(self.everything, self.free[0]))

    def uncovered(self) -> list[int] | None:
        """Return for each input of the order one rule set that together leave no rule alive; None when there is none."""
        covered: set[tuple[int, int]] = set()

        def walk(depth: int, alive: int, taken: list[int]) -> list[int] | None:
            if alive & self.free[depth] or (depth, alive) in covered:
                return None
            if depth == len(self.masks):
                return taken
            self._step()
            tried: set[int] = set()
            for mask in self.masks[depth]:
                if alive & mask in tried:
                    continue
                tried.add(alive & mask)
                found = walk(depth + 1, alive & mask, [*taken, mask])
                if found is not None:
                    return found
            covered.add((depth, alive))
            return None

        return walk(0, self.everything, [])

    def _step(self) -> None:
        self._steps += 1
        if self._steps > self._budget:
            raise TooManyCasesError


def lowest(bits: int) -> int:
    """Return the lowest of the bits, or none."""
    return bits & -bits


def numbers_of(bits: int) -> list[int]:
    """Return the places of the set bits."""
    found = []
    while bits:
        found.append(lowest(bits).bit_length() - 1)
        bits &= bits - 1
    return found
