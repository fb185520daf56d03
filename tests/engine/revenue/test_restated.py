"""What is told again, in parts, of nobody or beside others changes no figure of a scenario, and twice the lines are twice the contract.

By day some published cases are told otherwise, at night (`HYPOTHESIS_PROFILE=nightly`) all scenarios.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Final

import polars as pl
import pytest
import yaml

from adapters.policy_folder import SHIPPED, check_policies
from adapters.policy_tests import read_test_file, run_given
from engine.policy.testing import PolicyTest
from tests.conformance.revenue import OWN, published
from tests.engine.revenue.figures import Figures, told_figures
from tests.engine.revenue.restatements import RESTATED, TWIN, beside_itself, in_twice_the_lines
from tests.nights import IS_NIGHT

ROOT: Final = Path(__file__).parents[3]

RIGHTLY: Final[dict[str, dict[str, str]]] = yaml.safe_load((ROOT / "tests" / "cases" / "restated.yaml").read_text(encoding="utf-8"))
"""By file the scenarios whose figures move rightly, and why."""

FILES = [*sorted(OWN.glob("*.yaml")), *published()] if IS_NIGHT else published()[5::24]

Apart = list[tuple[tuple[str, ...], Decimal, Decimal]]


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_what_is_told_otherwise_is_the_same(file: Path) -> None:
    tests, _ = read_test_file(file)
    told = {test.name: dict(differences(test)) for test in tests}
    rightly = RIGHTLY.get(file.stem, {})
    assert rightly.keys() <= told.keys()
    assert {name: apart for name, apart in told.items() if apart and name not in rightly} == {}
    # Nothing is excused that stands still.
    assert all(told[name] for name in rightly)


def differences(test: PolicyTest) -> Iterator[tuple[str, Apart]]:
    """Yield for each way to tell a scenario otherwise in which figures are others the first of them, with both amounts."""
    own, cent = figures(test), minor_unit(test)
    for name, restate in RESTATED.items():
        given = restate(dict(test.given))
        if any(frame.height != test.given[each].height for each, frame in given.items()):
            # What is rounded entry by entry may move by that.
            yield from named(name, differing(own, figures(replace(test, given=given)), 2 * cent if name == "in_halves" else Decimal(0)))
    for told in of_each(figures(beside_itself(test))):
        yield from named("beside_itself", differing(own, told))
    doubled = in_twice_the_lines(test)
    if doubled is not None:
        twice = {key: 2 * amount for key, amount in by_contract(own).items()}
        yield from named("in_twice_the_lines", differing(twice, by_contract(figures(doubled)), 5 * cent))


def named(name: str, apart: Apart) -> Iterator[tuple[str, Apart]]:
    """Yield figures that differ under a name."""
    if apart:
        yield name, apart


def minor_unit(test: PolicyTest) -> Decimal:
    """Return a cent, or a yen where a contract of the scenario is in yen."""
    currencies = set(test.given["contract"]["currency"]) if "contract" in test.given else set()
    return Decimal(1) if "JPY" in currencies else Decimal("0.01")


def of_each(both: Figures) -> tuple[Figures, Figures]:
    """Return the figures of the contracts, and of their twins under the names of the contracts."""
    twice: tuple[Figures, Figures] = ({}, {})
    for key, amount in both.items():
        is_twin = any(TWIN in each for each in key)
        twice[is_twin][tuple(each.replace(TWIN, "") for each in key)] = amount
    return twice


def by_contract(figures: Figures) -> Figures:
    """Return the figures with those of a contract's lines together."""
    summed: Figures = {}
    for (name, contract, *rest), amount in figures.items():
        key = (name, contract, *(rest[1:] if name == "earned" else rest))
        summed[key] = summed.get(key, Decimal(0)) + amount
    return summed


def differing(own: Figures, told: Figures, most: Decimal = Decimal(0)) -> Apart:
    """Return the first figures that are further apart than by so much, each with both amounts."""
    none = Decimal(0)
    both = ((key, own.get(key, none), told.get(key, none)) for key in sorted(own.keys() | told.keys()))
    return [(key, one, other) for key, one, other in both if abs(one - other) > most][:4]


def figures(test: PolicyTest) -> Figures:
    """Return what is recognized, booked and held by month, by what it is; what is nothing is left out."""
    policies, _ = check_policies(SHIPPED, test.policies)
    frames, _ = run_given(test, policies, "revenue")
    amounts = [name for name, kind in frames["contract_balances"].schema.items() if isinstance(kind, pl.Decimal)]
    return told_figures(frames, amounts, ("contract_id", "contract_line_id", "nature"))
