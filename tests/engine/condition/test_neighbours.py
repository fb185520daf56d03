"""Small changes of conditions: each is another condition, and what can be changed is."""

from __future__ import annotations

import pytest

from engine.condition.neighbours import neighbours


@pytest.mark.parametrize(
    ("text", "others"),
    [
        ("hours <= 12", {"hours < 12", "hours <= 13"}),
        ("hours = 1.50", {"hours <> 1.50", "hours = 1.51"}),
        ("work_date > '2026-02-28'", {"work_date >= '2026-02-28'", "work_date > '2026-03-01'"}),
        ("status IN ('a', 'b')", {"status IN ('a')", "status IN ('b')", "status NOT IN ('a', 'b')"}),
        ("status IN ('a')", {"status NOT IN ('a')"}),
        ("status IS NOT NULL", {"status IS NULL"}),
        ("status IS NULL", {"status IS NOT NULL"}),
        ("NOT billable", {"billable"}),
        ("a = 1 OR b", {"a = 1", "b", "a = 1 AND b", "a <> 1 OR b", "a = 2 OR b"}),
        ("due < as_of + 5 workdays", {"due <= as_of + 5 workdays", "due < as_of + 6 workdays"}),
        ("hours <=", set()),
    ],
)
def test_every_part_of_a_condition_is_changed_once(text: str, others: set[str]) -> None:
    found = [changed for _, _, changed in neighbours(text)]
    assert (set(found), len(found)) == (others, len(others))


def test_a_change_says_what_stood_there_and_what_stands_there_instead() -> None:
    assert next(iter(neighbours("posted AND hours > 1")))[:2] == ("posted", "nothing")
    assert ("1", "2", "posted AND hours > 2") in list(neighbours("posted AND hours > 1"))
