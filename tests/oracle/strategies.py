"""Random conditions and records for the properties, written independently of the compiler."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import polars as pl
from hypothesis import strategies as st

from engine.canonical.kinds import Kind
from engine.condition import Scope, enum
from tests.oracle.conditions import Tree

FIELDS = Scope(
    {
        "amount": Kind.MONEY, "cost": Kind.MONEY, "hours": Kind.HOURS, "count": Kind.INT, "begun": Kind.DATE, "ended": Kind.DATE,
        "status": enum("draft", "approved", "rejected"), "name": Kind.TEXT, "billable": Kind.BOOL,
    }
)  # fmt: skip

STATUSES = ("draft", "approved", "rejected")
NAMES = ("", "SUB-1", "SUB-22", "Ann's", "a%b", " x ", "50_50", "Ä")
HOLIDAYS = (dt.date(2024, 1, 1), dt.date(2024, 5, 1), dt.date(2024, 12, 25))
_DAYS = st.dates(dt.date(2023, 12, 20), dt.date(2025, 3, 3))


def _decimals(places: int) -> st.SearchStrategy[Decimal]:
    wide = st.integers(-(10**7), 10**7).map(lambda whole: Decimal(whole).scaleb(-places))
    round_ones = st.integers(-40, 40).map(lambda half: Decimal(half) / 8)
    return wide | round_ones


RECORDS = st.fixed_dictionaries(
    {
        "amount": st.none() | _decimals(6), "cost": st.none() | _decimals(2), "hours": st.none() | _decimals(3),
        "count": st.none() | st.integers(-5, 5), "begun": st.none() | _DAYS, "ended": st.none() | _DAYS,
        "status": st.none() | st.sampled_from(STATUSES), "name": st.none() | st.sampled_from(NAMES),
        "billable": st.none() | st.booleans(),
    }
)  # fmt: skip


def frame_of(records: list[dict[str, Any]]) -> pl.LazyFrame:
    """Return records as a frame with the fields' types."""
    return pl.LazyFrame(records, schema={name: kind.dtype for name, kind in FIELDS.names.items()})


def _written_numbers() -> st.SearchStrategy[Tree]:
    return st.sampled_from(["0", "1", "2", "0.5", "2.50", "100", "0.125", "7"]).map(lambda text: ("number", text))


_DECIMAL_FIELDS = st.sampled_from(["amount", "cost", "hours"]).map(lambda name: ("field", name))
_NUMBER_LEAF = _DECIMAL_FIELDS | st.just(("field", "count")) | _written_numbers()


def _sums(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    calls = st.sampled_from(["LEAST", "GREATEST", "COALESCE"])
    rounds = st.tuples(st.just("call"), st.sampled_from(["ROUND", "ROUND_EVEN"]), _fractions(), st.sampled_from(["0", "1", "2", "4"]))
    return (
        st.tuples(st.sampled_from(["+", "-"]), inner, inner)
        | st.tuples(st.just("*"), _NUMBER_LEAF, _NUMBER_LEAF)
        | st.tuples(st.just("negative"), inner)
        | st.tuples(st.just("call"), st.just("ABS"), inner)
        | st.tuples(st.just("call"), calls, inner, inner)
        | rounds
    )


def _fractions() -> st.SearchStrategy[Tree]:
    divided = st.tuples(st.just("/"), _NUMBER_LEAF, _NUMBER_LEAF)
    return (
        _NUMBER_LEAF
        | divided
        | st.tuples(st.sampled_from(["+", "-", "*"]), divided, _NUMBER_LEAF)
        | st.tuples(st.just("/"), st.tuples(st.just("*"), _NUMBER_LEAF, _written_numbers()), _NUMBER_LEAF)
    )


NUMBERS = st.recursive(_NUMBER_LEAF, _sums, max_leaves=4)

_DATE_LEAF = st.sampled_from(["begun", "ended"]).map(lambda name: ("field", name))
_WRITTEN_DATES = _DAYS.map(lambda day: ("date", day.isoformat()))


def _moved(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    units = st.sampled_from(["days", "workdays", "months", "years"])
    months = st.integers(-14, 14).map(lambda count: ("number", str(count)) if count >= 0 else ("negative", ("number", str(-count))))
    return (
        st.tuples(st.just("later"), inner, st.integers(-15, 15), units)
        | st.tuples(st.just("call"), st.just("LAST_DAY"), inner)
        | st.tuples(st.just("call"), st.just("ADD_MONTHS"), inner, months | st.just(("field", "count")))
        | st.tuples(st.just("call"), st.sampled_from(["LEAST", "GREATEST", "COALESCE"]), inner, inner)
    )


DATES = st.recursive(_DATE_LEAF, _moved, max_leaves=3)

_COUNTS = (
    st.tuples(st.just("call"), st.just("DATE_DIFF"), st.sampled_from(["'day'", "'month'", "'year'"]), DATES, DATES)
    | st.tuples(st.just("call"), st.just("WORKDAYS"), DATES, DATES | _WRITTEN_DATES)
    | st.tuples(st.just("call"), st.sampled_from(["YEAR", "MONTH", "DAY"]), DATES)
    | st.tuples(st.just("call"), st.just("LENGTH"), st.just(("field", "name")))
)
_TEXTS = st.just(("field", "name")) | st.tuples(
    st.just("call"), st.sampled_from(["UPPER", "LOWER", "TRIM"]), st.just(("field", "name"))
)
_COMPARE = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
_PATTERNS = st.text(alphabet="SUB-1%_a", max_size=5).map(lambda text: ("text", text))
_STATUS = st.sampled_from(STATUSES).map(lambda text: ("text", text))

TESTS = st.one_of(
    st.tuples(_COMPARE, NUMBERS, NUMBERS),
    st.tuples(_COMPARE, _COUNTS, _NUMBER_LEAF),
    st.tuples(_COMPARE, DATES, DATES | _WRITTEN_DATES),
    st.tuples(st.just("between"), DATES, _WRITTEN_DATES, DATES),
    st.tuples(st.just("between"), NUMBERS, _written_numbers(), NUMBERS),
    st.tuples(st.just("in"), NUMBERS, _written_numbers(), _written_numbers()),
    st.tuples(st.sampled_from(["=", "<>"]), st.just(("field", "status")), _STATUS),
    st.tuples(st.just("in"), st.just(("field", "status")), _STATUS, _STATUS),
    st.tuples(_COMPARE, _TEXTS, st.sampled_from(NAMES).map(lambda text: ("text", text))),
    st.tuples(st.just("like"), _TEXTS, _PATTERNS),
    st.tuples(st.just("call"), st.just("STARTS_WITH"), _TEXTS, _TEXTS),
    st.tuples(st.just("missing"), NUMBERS | DATES | _TEXTS),
    st.just(("field", "billable")),
    st.booleans().map(lambda value: ("bool", value)),
)


def _logic(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return (
        st.tuples(st.just("and"), inner, inner)
        | st.tuples(st.just("or"), inner, inner, inner)
        | st.tuples(st.just("not"), inner)
        | st.tuples(st.just("missing"), inner)
        | st.tuples(st.just("case"), inner, inner, inner)
        | st.tuples(st.just("case"), inner, inner)
        | st.tuples(st.just("call"), st.just("IF"), inner, inner, inner)
    )


CONDITIONS = st.recursive(TESTS, _logic, max_leaves=6)
