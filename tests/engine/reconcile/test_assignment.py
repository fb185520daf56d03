"""The best assignment: most pairs first, then least cost, against trying every assignment."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from engine.reconcile.assignment import Edge, best_assignment

COSTS = st.dictionaries(st.tuples(st.integers(0, 3), st.integers(0, 3)), st.integers(0, 6), min_size=1, max_size=8)


def every_assignment(costs: dict[Edge, int]) -> list[tuple[int, int, frozenset[Edge]]]:
    """Return (pairs, cost, assignment) of every set of edges that uses no line twice."""
    found = []
    for size in range(len(costs) + 1):
        for edges in itertools.combinations(sorted(costs), size):
            if len({left for left, _ in edges}) == len({right for _, right in edges}) == size:
                found.append((size, sum(costs[edge] for edge in edges), frozenset(edges)))
    return found


@given(COSTS)
def test_no_assignment_has_more_pairs_or_costs_less(costs: dict[Edge, int]) -> None:
    answer = best_assignment(costs)
    size, cost, _ = min(every_assignment(costs), key=lambda each: (-each[0], each[1]))
    assert len(answer.pairs) == size
    assert sum(costs[pair] for pair in answer.pairs) == cost


@given(COSTS)
def test_a_pair_is_in_doubt_just_when_an_equally_good_assignment_lacks_it(costs: dict[Edge, int]) -> None:
    answer = best_assignment(costs)
    everything = every_assignment(costs)
    size, cost, _ = min(everything, key=lambda each: (-each[0], each[1]))
    best = [edges for pairs, total, edges in everything if (pairs, total) == (size, cost)]
    assert answer.doubtful == {pair for pair in answer.pairs if any(pair not in edges for edges in best)}


def test_the_nearest_pair_gives_way_when_all_can_then_be_paired() -> None:
    # 1 is nearest to 1, but 2 has no other partner.
    answer = best_assignment({(1, 1): 0, (1, 2): 3, (2, 1): 1})
    assert answer.pairs == ((1, 2), (2, 1))
    assert not answer.doubtful


def test_two_lines_alike_are_in_doubt() -> None:
    assert best_assignment({(1, 1): 0, (1, 2): 0}).doubtful
