"""Lines that one text names together stand under one key, whatever way they hang together."""

from __future__ import annotations

import itertools

import polars as pl
from hypothesis import example, given
from hypothesis import strategies as st

from engine.reconcile.keys import with_shared_keys

NAMES = [f"N{number:02}" for number in range(12)]
TEXTS = st.lists(st.lists(st.sampled_from(NAMES), unique=True, max_size=4), max_size=12)


def by_walking(texts: list[list[str]]) -> dict[str, str]:
    """Return by name the first of its company, found text by text: what the frames must say."""
    companies: list[set[str]] = []
    for text in texts:
        if len(text) > 1:
            met = [each for each in companies if each & set(text)]
            companies = [each for each in companies if each not in met] + [set(text).union(*met)]
    return {name: min(company) for company in companies for name in company}


def keyed(keys: list[str | None], texts: list[list[str]] | None = None) -> pl.DataFrame:
    named = {} if texts is None else {"refs": pl.Series(texts, dtype=pl.List(pl.String))}
    return pl.DataFrame({"key": pl.Series(keys, dtype=pl.String), **named})


@given(TEXTS)
@example([[one, other] for one, other in itertools.pairwise(NAMES)])
@example([[one, other] for one, other in itertools.pairwise(NAMES[::-1])])
@example([["N05", "N00"], ["N05", "N09"], ["N09", "N01"], ["N01", "N11"]])
def test_every_key_becomes_the_first_of_those_it_hangs_together_with(texts: list[list[str]]) -> None:
    first = by_walking(texts)
    left, right = with_shared_keys([keyed([*NAMES, None]), keyed([text[0] if text else None for text in texts], texts)], "refs", "key")
    assert left["key"].to_list() == [*(first.get(name, name) for name in NAMES), None]
    assert right["key"].to_list() == [first.get(text[0], text[0]) if text else None for text in texts]
    assert right.columns == ["key"]


def test_texts_on_both_sides_hang_together() -> None:
    sides = [keyed(["B", "D"], [["B", "C"], ["D"]]), keyed(["C", "A"], [["C"], ["A", "B"]])]
    assert [side["key"].to_list() for side in with_shared_keys(sides, "refs", "key")] == [["A", "D"], ["A", "A"]]


def test_a_hundred_thousand_names_in_one_chain_are_one_company() -> None:
    names: list[str | None] = [f"{number * 7919 % 100_003:06}" for number in range(100_000)]
    texts = [[str(one), str(other)] for one, other in itertools.pairwise(names)]
    only = with_shared_keys([keyed(names), keyed(names[1:], texts)], "refs", "key")
    assert [side["key"].n_unique() for side in only] == [1, 1]
