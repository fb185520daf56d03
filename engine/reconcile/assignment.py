"""The best one-to-one assignment inside a block, and whether another is equally good.

Blocks are the few places where a key does not decide; they are small. The best assignment pairs as
many lines as it can and, among those, costs least. It is found exactly (shortest augmenting paths
with whole-number costs) and does not depend on the order in which lines are given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

Edge = tuple[int, int]

LIMIT: Final = 40
"""Lines per side up to which a block is solved; a larger one is only suggested."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """Hold the pairs of the best assignment.

    `doubtful` are those pairs that another assignment, just as good, does without.
    """

    pairs: tuple[Edge, ...]
    doubtful: frozenset[Edge]


def best_assignment(costs: Mapping[Edge, int]) -> Assignment:
    """Pair lefts with rights: as many pairs as possible, at the least total cost.

    `costs` holds the cost (0 or more) of every pair that may be; other pairs may not.
    """
    lefts = sorted({left for left, _ in costs})
    rights = sorted({right for _, right in costs})
    if not costs:
        return Assignment((), frozenset())
    size = len(lefts) + len(rights)
    # Leaving a line alone costs more than any assignment of all lines can, so pairs come first.
    alone = 1 + max(costs.values()) * min(len(lefts), len(rights))
    matrix = _padded(costs, lefts, rights, alone)
    column_of, row_price, column_price = _solve(matrix, size)
    pairs = [
        (row, column) for row, column in enumerate(column_of) if row < len(lefts) and column < len(rights)
    ]
    free = _replaceable(matrix, column_of, row_price, column_price)
    named = [(lefts[row], rights[column]) for row, column in pairs]
    doubtful = frozenset((lefts[row], rights[column]) for row, column in pairs if row in free)
    return Assignment(tuple(sorted(named)), doubtful)


def _padded(costs: Mapping[Edge, int], lefts: Sequence[int], rights: Sequence[int], alone: int) -> list[list[int]]:
    """Return a square matrix in which every line may also stay alone: beside its own stand-in."""
    size = len(lefts) + len(rights)
    never = 4 * alone * size + 1
    matrix = [[never] * size for _ in range(size)]
    row_of = {left: index for index, left in enumerate(lefts)}
    column_of = {right: index for index, right in enumerate(rights)}
    for (left, right), cost in costs.items():
        matrix[row_of[left]][column_of[right]] = cost
        # The stand-ins of a paired left and right take each other.
        matrix[len(lefts) + column_of[right]][len(rights) + row_of[left]] = 0
    for index in range(len(lefts)):
        matrix[index][len(rights) + index] = alone
    for index in range(len(rights)):
        matrix[len(lefts) + index][index] = alone
    return matrix


def _solve(matrix: Sequence[Sequence[int]], size: int) -> tuple[list[int], list[int], list[int]]:
    """Return each row's column in a cheapest full assignment, and prices that prove it is one."""
    infinite = sum(max(row) for row in matrix) + 1
    row_price, column_price = [0] * (size + 1), [0] * (size + 1)
    row_at, before = [0] * (size + 1), [0] * (size + 1)
    for row in range(1, size + 1):
        row_at[0] = row
        column = 0
        least = [infinite] * (size + 1)
        seen = [False] * (size + 1)
        while row_at[column] != 0:
            seen[column] = True
            current, step, target = row_at[column], infinite, 0
            for other in range(1, size + 1):
                if seen[other]:
                    continue
                reduced = matrix[current - 1][other - 1] - row_price[current] - column_price[other]
                if reduced < least[other]:
                    least[other], before[other] = reduced, column
                if least[other] < step:
                    step, target = least[other], other
            for other in range(size + 1):
                if seen[other]:
                    row_price[row_at[other]] += step
                    column_price[other] -= step
                else:
                    least[other] -= step
            column = target
        while column:
            row_at[column] = row_at[before[column]]
            column = before[column]
    column_of = [0] * size
    for column in range(1, size + 1):
        column_of[row_at[column] - 1] = column - 1
    return column_of, row_price[1:], column_price[1:]


def _replaceable(
    matrix: Sequence[Sequence[int]], column_of: Sequence[int], row_price: Sequence[int], column_price: Sequence[int]
) -> frozenset[int]:
    """Return the rows that have another partner in some other cheapest assignment.

    All cheapest assignments use only pairs whose price is tight; a row can change its partner just
    when it lies on a cycle of tight pairs, alternately used and unused.
    """
    size = len(matrix)
    row_at = [0] * size
    for row, column in enumerate(column_of):
        row_at[column] = row
    follows = [
        [
            row_at[column] for column in range(size)
            if column != column_of[row] and matrix[row][column] == row_price[row] + column_price[column]
        ]
        for row in range(size)
    ]  # fmt: skip
    group = _strong_groups(follows)
    count: dict[int, int] = {}
    for each in group:
        count[each] = count.get(each, 0) + 1
    return frozenset(row for row in range(size) if count[group[row]] > 1)


def _strong_groups(follows: Sequence[Sequence[int]]) -> list[int]:
    """Return for each node the number of its group of nodes that reach one another."""
    size = len(follows)
    order: list[int] = []
    visited = [False] * size
    for start in range(size):
        _walk(start, follows, visited, order)
    backward: list[list[int]] = [[] for _ in range(size)]
    for node, targets in enumerate(follows):
        for target in targets:
            backward[target].append(node)
    group = [-1] * size
    assigned = [False] * size
    for start in reversed(order):
        members: list[int] = []
        _walk(start, backward, assigned, members)
        for node in members:
            group[node] = start
    return group


def _walk(start: int, follows: Sequence[Sequence[int]], visited: list[bool], order: list[int]) -> None:
    """Append to `order` every unvisited node reached from `start`, each after all it leads to."""
    if visited[start]:
        return
    visited[start] = True
    stack = [(start, iter(follows[start]))]
    while stack:
        node, rest = stack[-1]
        target = next((each for each in rest if not visited[each]), None)
        if target is None:
            order.append(node)
            stack.pop()
        else:
            visited[target] = True
            stack.append((target, iter(follows[target])))
