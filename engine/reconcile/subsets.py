"""Subsets of amounts that sum to a target, in whole minor units, within a stated limit."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import Final

LIMIT: Final = 16
"""Lines up to which every subset is considered; beyond it nothing is claimed."""

FEW: Final = 2
"""Lines that may be left out of a block larger than the limit."""

# So many pairs are not one answer, whichever of them is nearest.
_MANY: Final = 1_000

Subset = tuple[int, ...]


def closest_subsets(amounts: Sequence[int], target: int, allowance: int, *, wanted: int = 2) -> list[Subset]:
    """Return up to `wanted` subsets (places, ascending) that sum to `target` within `allowance`.

    Only those nearest to the target are returned, so two subsets in the answer are equally good. At
    most LIMIT amounts; the empty subset never counts.
    """
    assert len(amounts) <= LIMIT, "a larger block is not searched"
    half = len(amounts) // 2
    first, second = _sums(amounts[:half], 0), _sums(amounts[half:], half)
    second.sort()
    totals = [total for total, _ in second]
    best = allowance + 1
    found: list[Subset] = []
    for total, places in first:
        low = bisect.bisect_left(totals, target - allowance - total)
        high = bisect.bisect_right(totals, target + allowance - total)
        for other, more in second[low:high]:
            chosen = places + more
            if not chosen:
                continue
            gap = abs(total + other - target)
            if gap < best:
                best, found = gap, [chosen]
            elif gap == best:
                found.append(chosen)
    return sorted(found)[:wanted]


def _sums(amounts: Sequence[int], offset: int) -> list[tuple[int, Subset]]:
    sums: list[tuple[int, Subset]] = [(0, ())]
    for place, amount in enumerate(amounts):
        sums += [(total + amount, (*places, offset + place)) for total, places in sums]
    return sums


def few_left_out(amounts: Sequence[int], target: int, allowance: int, *, wanted: int = 2) -> list[Subset]:
    """Return up to `wanted` subsets of at most FEW lines that sum to `target`; one line before two.

    For blocks of any size: what must be left out so that the rest ties.
    """
    singles = [(place,) for place, amount in enumerate(amounts) if abs(amount - target) <= allowance]
    if singles:
        return _least(amounts, singles, target)[:wanted]
    order = sorted(range(len(amounts)), key=lambda place: (amounts[place], place))
    values = [amounts[place] for place in order]
    pairs: list[Subset] = []
    for index, place in enumerate(order):
        low = bisect.bisect_left(values, target - allowance - values[index], index + 1)
        high = bisect.bisect_right(values, target + allowance - values[index], index + 1)
        pairs += [(min(place, other), max(place, other)) for other in order[low:high]]
        if len(pairs) > _MANY:
            break
    return _least(amounts, pairs, target)[:wanted]


def _least(amounts: Sequence[int], subsets: Sequence[Subset], target: int) -> list[Subset]:
    gap = {each: abs(sum(amounts[place] for place in each) - target) for each in subsets}
    least = min(gap.values(), default=0)
    return sorted(each for each in gap if gap[each] == least)
