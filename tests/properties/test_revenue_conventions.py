"""Twelve time conventions, over calendar months and weeks, changed or not: the engine earns what a count on paper says."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path

import hypothesis
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from adapters.policy_folder import check_policies
from engine.canonical.schema import entity_spec
from engine.revenue.atoms import performance
from engine.revenue.core import run_core
from engine.revenue.ground.records import read_records
from engine.revenue.ground.settings import Versions, revenue_versions
from engine.stage import Context, Facts
from tests.oracle.conditions import round_exactly
from tests.oracle.conventions import BY_DAY, COUNTED, DAY, Term, months_of, weeks_of
from tests.properties.test_revenue import Rows

ROOT = Path(__file__).parents[2]
SOME = max(hypothesis.settings().max_examples // 100, 1)
CONVENTIONS = (*BY_DAY, *COUNTED)
TOGETHER = 4 * len(CONVENTIONS)
FIRST, LAST = dt.date(2025, 12, 29), dt.date(2030, 12, 31)
CENT = Decimal("0.01")


@cache
def versions() -> Versions:
    lines = {f"L{number}": CONVENTIONS[number % len(CONVENTIONS)] for number in range(TOGETHER)}
    assigned = {line: {"timing": "over_time", "measure": "time_elapsed", "convention": each} for line, each in lines.items()}
    return revenue_versions(check_policies(ROOT / "policies", {"rev-treatment": {"assign": assigned}})[0])


def earned(rows: Rows) -> dict[str, list[tuple[dt.date, Decimal]]]:
    """Return what each line earns by the day it is posted on."""
    frames = {}
    for entity, records in rows.items():
        schema = entity_spec(entity).polars_schema()
        full = [{**dict.fromkeys(schema), **each, "evidence": ["x:1"]} for each in records]
        frames[entity] = pl.DataFrame(full, schema={**schema, "evidence": pl.List(pl.String)}, orient="row").lazy()
    core = run_core(read_records(Facts(frames, {}, LAST), Context(LAST)), versions(), LAST)
    found: dict[str, list[tuple[dt.date, Decimal]]] = {}
    for line, day, amount in performance(core).select("contract_line_id", "posting_date", "amount").iter_rows():
        found.setdefault(line, []).append((day, amount))
    return found


def drawn(number: int, chance: random.Random, rows: Rows, by_weeks: bool) -> tuple[Term, Term, Fraction, Fraction, dt.date | None]:
    """Add a contract to the rows; return its term and amount, those after a change, and the change's day."""
    name, months = f"C{number}", weeks_of(FIRST, 6) if by_weeks else months_of(FIRST, LAST)
    begins = dt.date(2026, 1, 1) + dt.timedelta(days=chance.randint(0, 800))
    if chance.random() < 0.4:
        # Months' ends and firsts are where conventions differ.
        begins = next(last for first, last in months_of(FIRST, LAST) if first <= begins <= last) + dt.timedelta(days=chance.randint(-2, 1))
    ends = begins + dt.timedelta(days=chance.choice([0, chance.randint(0, 40), chance.randint(20, 600)]))
    amount = Fraction(chance.randint(1, 10**7), 100) * chance.choice([1, 1, -1])
    convention = CONVENTIONS[number % len(CONVENTIONS)]
    anchor = chance.choice([None, 1, 15, 29, 31]) if convention == "anchored_months" else None
    rows["contract"].append(
        {"contract_id": name, "currency": "USD", "signed_date": begins, "start_date": begins, "end_date": ends, "status": "active",
         "enforceable": True, "collectible": True, "legal_entity_id": "E" if by_weeks else "F"}
    )  # fmt: skip
    rows["contract_line"].append(
        {"contract_line_id": f"L{number}", "contract_id": name, "offering": "retainer", "amount": decimal(amount),
         "standalone_selling_price": abs(decimal(amount)), "start_date": begins, "end_date": ends, "anchor_day": anchor}
    )  # fmt: skip
    term = Term(convention, begins, ends, months, anchor or begins.day)
    if chance.random() < 0.5 or (ends - begins).days < 3:
        return term, term, amount, amount, None
    day = begins + dt.timedelta(days=chance.randint(1, (ends - begins).days))
    until = ends + dt.timedelta(days=chance.choice([0, chance.randint(1, 200)]))
    after = Fraction(round(amount * 100) * chance.randint(20, 190) // 100, 100)
    rows["amendment"].append({"amendment_id": name, "contract_id": name, "effective_date": day, "approved_date": day, "status": "approved"})
    rows["amendment_line"].append(
        {"amendment_line_id": name, "amendment_id": name, "contract_line_id": f"L{number}", "action": "change", "amount": decimal(after),
         "end_date": until, "remaining_is_distinct": True}
    )  # fmt: skip
    return term, Term(convention, begins, until, months, term.anchor), amount, after, day


def decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


@hypothesis.settings(max_examples=SOME)
@given(st.integers(0, 2**32 - 1))
def test_time_passes_by_every_convention_as_it_is_counted_on_paper(seed: int) -> None:
    chance, by_weeks = random.Random(seed), bool(seed % 2)
    rows: Rows = {entity: [] for entity in ("contract", "contract_line", "amendment", "amendment_line", "fiscal_period")}
    for number, (first, last) in enumerate(weeks_of(FIRST, 6)):
        period = {"period": f"{2026 + number // 12}-{number % 12 + 1:02}", "start_date": first, "end_date": last, "status": "open"}
        rows["fiscal_period"].append({"legal_entity_id": "E", **period})
    cases = [drawn(number, chance, rows, by_weeks) for number in range(TOGETHER)]
    told = earned(rows)
    for number, (term, later, amount, after, day) in enumerate(cases):
        # A change rounds what is left to cents, which the fractions do not.
        near = CENT if day else Decimal(0)
        for _, end in term.months:
            if end >= LAST:
                break
            exact = amount * term.part(end)
            if day and end >= day:
                gone = amount * term.part(day - DAY)
                exact = gone + (after - gone) * later.part(end, day - DAY)
            found = sum((value for posted, value in told.get(f"L{number}", []) if posted <= end), Decimal(0))
            assert abs(found - round_exactly(exact, 2, half_even=False)) <= near, (term, day, end, found, exact)
