"""The published revenue cases pass without tolerance beyond their own; the page names every treatment's scenario."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapters.policy_folder import SHIPPED
from adapters.policy_tests import run_tests
from tests.conformance import revenue

FILES = revenue.published()


NOT_AT_HAND = pytest.mark.skipif(not FILES, reason="the published cases are not at hand (set TIEOUT_SHARED)")


@NOT_AT_HAND
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_published_case_passes(path: Path) -> None:
    outcomes = run_tests([path], SHIPPED)[0]
    assert outcomes
    assert [(each.name, each.failure, each.differences) for each in outcomes if not each.passed] == []


@NOT_AT_HAND
def test_no_published_case_is_left_out() -> None:
    assert len(FILES) >= 77


def test_the_page_names_all_treatments_and_only_scenarios_that_exist() -> None:
    text = revenue.PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \|.*\| ([^|]+) \|$", text, flags=re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 106))
    own = {path.stem for path in revenue.OWN.glob("*.yaml")}
    known = own | {"test_conventions.py", "property tests"} | {"-".join(path.stem.split("-")[:2]) for path in FILES}
    named = {name.strip("` ") for _, column in rows for name in column.split(",")}
    missing = {name for name in named if name not in known and not any(each.startswith(name.rstrip("*")) for each in own if "*" in name)}
    assert not FILES or not missing
