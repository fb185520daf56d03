"""Expectations evaluated with Polars: one pass over an entity's columns, verdicts as Great Expectations gives them.

A missing value is not judged (but by those about missing values); `mostly` is the share of judged rows
that must pass; a row condition limits which rows are looked at.
"""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import polars as pl

from engine.canonical.schema import PROVENANCE, EntitySpec
from engine.policy.kinds.quality import Expectation, read_condition

_OPERATORS: Final = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """Hold what became of an expectation: rows looked at, missing among them, and unexpected; or what was observed."""

    expectation: Expectation
    success: bool
    elements: int
    missing: int
    unexpected: int
    observed: str | None = None


@dataclass(frozen=True, slots=True)
class _Judged:
    """Hold the expressions of an expectation about rows: which are looked at, missing, and unexpected."""

    looked_at: pl.Expr
    missing: pl.Expr
    unexpected: pl.Expr


def judged(suite: Sequence[Expectation], records: pl.LazyFrame, spec: EntitySpec) -> list[Verdict]:
    """Return the verdict of every expectation, from one pass over the records."""
    names = sorted({name for each in suite for name in _read(each, spec)})
    wanted: list[pl.Expr] = [pl.len().alias("rows")]
    for number, each in enumerate(suite):
        by_row = _by_row(each, spec)
        if by_row is not None:
            parts = {"elements": by_row.looked_at, "missing": by_row.missing, "unexpected": by_row.unexpected}
            wanted += [expr.sum().cast(pl.Int64).alias(f"{number} {name}") for name, expr in parts.items()]
        elif each.type not in ("expect_column_to_exist",) and "table" not in each.type:
            wanted.append(_observed(each, spec).alias(f"{number} observed"))
    row = (records.select(names) if names else records).select(wanted).collect().row(0, named=True)
    return [_verdict(number, each, row, spec) for number, each in enumerate(suite)]


def failing_rows(each: Expectation, records: pl.LazyFrame, spec: EntitySpec) -> pl.DataFrame | None:
    """Return the records that fail an expectation about rows, with provenance; None for one about the table."""
    by_row = _by_row(each, spec)
    if by_row is None:
        return None
    kept = list(dict.fromkeys([*spec.keys, *each.columns, "source_system", "source_file", "source_row"]))
    kept += ["contract_id"] if "contract_id" in spec.fields and "contract_id" not in kept else []
    return records.with_columns(by_row.unexpected.alias("@unexpected")).filter("@unexpected").select(kept).collect().sort(
        "source_system", "source_file", "source_row"
    )  # fmt: skip


def _read(each: Expectation, spec: EntitySpec) -> list[str]:
    known = {**spec.fields, **PROVENANCE}
    terms = read_condition(str(each.kwargs["row_condition"]), known) if "row_condition" in each.kwargs else []
    return [*each.columns, *[name for name, _, _ in terms or []]]


def _condition(each: Expectation, spec: EntitySpec) -> pl.Expr:
    """Return the rows an expectation looks at; as in pandas, a missing value differs from every value."""
    terms = read_condition(str(each.kwargs["row_condition"]), {**spec.fields, **PROVENANCE}) if "row_condition" in each.kwargs else []
    # A literal is one row, whatever the records: the condition must be as long as they are.
    kept: pl.Expr = pl.int_range(pl.len()) >= 0
    for name, test, value in terms or []:
        column = pl.col(name)
        if test in ("isnull", "notnull"):
            kept = kept & (column.is_null() if test == "isnull" else column.is_not_null())
            continue
        other = _literal(value, _dtype(name, spec))
        kept = kept & _OPERATORS[test](column, other).fill_null(value=test == "!=")
    return kept


def _dtype(name: str, spec: EntitySpec) -> pl.DataType:
    return {**spec.fields, **PROVENANCE}[name].dtype


def _literal(value: Any, dtype: pl.DataType) -> pl.Expr:
    """Return a value of a suite in a column's type; a text against a date is read as one."""
    if isinstance(value, str) and dtype == pl.Date():
        return pl.lit(dt.date.fromisoformat(value[:10]))
    if isinstance(value, str) and isinstance(dtype, pl.Datetime):
        moment = dt.datetime.fromisoformat(value)
        return pl.lit(moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).cast(dtype)
    if isinstance(dtype, pl.Decimal) and not isinstance(value, str):
        return pl.lit(Decimal(value)).cast(dtype)
    return pl.lit(value)


def _within(value: pl.Expr, each: Expectation, dtype: pl.DataType) -> pl.Expr:
    inside: pl.Expr = pl.lit(value=True)
    low, high = each.kwargs.get("min_value"), each.kwargs.get("max_value")
    if low is not None:
        inside = inside & (value > _literal(low, dtype) if each.kwargs.get("strict_min") else value >= _literal(low, dtype))
    if high is not None:
        inside = inside & (value < _literal(high, dtype) if each.kwargs.get("strict_max") else value <= _literal(high, dtype))
    return inside


def _by_row(each: Expectation, spec: EntitySpec) -> _Judged | None:
    """Return what an expectation about rows asks of each; None for one about the column or the table as a whole."""
    condition = _condition(each, spec)
    if each.type.startswith("expect_column_values_to_") or each.type.startswith("expect_column_value_lengths_to_"):
        return _of_column(each, spec, condition)
    if "column_pair" in each.type or "compound" in each.type:
        return _of_columns(each, condition)
    return None


def _of_column(each: Expectation, spec: EntitySpec, condition: pl.Expr) -> _Judged:
    name = str(each.kwargs["column"])
    column, dtype = pl.col(name), _dtype(name, spec)
    word = each.type.removeprefix("expect_column_values_to_").removeprefix("expect_column_value_")
    if word in ("not_be_null", "be_null"):
        # Nothing is passed over here: missing values are what is judged.
        return _Judged(condition, pl.lit(value=False), condition & (column.is_null() if word == "not_be_null" else column.is_not_null()))
    missing = condition & column.is_null()
    seen = condition & column.is_not_null()
    passes: pl.Expr
    if word in ("be_in_set", "not_be_in_set"):
        inside = _in_set(column, each.kwargs.get("value_set") or [], dtype)
        passes = inside if word == "be_in_set" else ~inside
    elif word == "be_between":
        passes = _within(column, each, dtype)
    elif word == "be_unique":
        passes = ~pl.when(seen).then(column).is_duplicated()
    elif word in ("match_regex", "not_match_regex"):
        inside = column.str.contains(str(each.kwargs["regex"]))
        passes = inside if word == "match_regex" else ~inside
    elif word == "lengths_to_equal":
        passes = column.str.len_chars() == int(each.kwargs["value"])
    else:
        passes = _within(column.str.len_chars().cast(pl.Int64), each, pl.Int64())
    return _Judged(condition, missing, seen & ~passes.fill_null(value=True))


def _in_set(column: pl.Expr, values: Sequence[Any], dtype: pl.DataType) -> pl.Expr:
    """Return whether a value is one of a set; a value of another type than the column's is none of it."""
    is_text = dtype == pl.String()
    fit = [value for value in values if isinstance(value, str) == is_text or isinstance(dtype, pl.Date | pl.Datetime)]
    return pl.any_horizontal([column == _literal(value, dtype) for value in fit]) if fit else pl.lit(value=False)


def _of_columns(each: Expectation, condition: pl.Expr) -> _Judged:
    columns = [pl.col(name) for name in each.columns]
    ignored = {
        "both_values_are_missing": pl.all_horizontal(column.is_null() for column in columns),
        "all_values_are_missing": pl.all_horizontal(column.is_null() for column in columns),
        "either_value_is_missing": pl.any_horizontal(column.is_null() for column in columns),
        "any_value_is_missing": pl.any_horizontal(column.is_null() for column in columns),
        "never": pl.lit(value=False),
    }
    default = "all_values_are_missing" if "compound" in each.type else "both_values_are_missing"
    out = ignored[str(each.kwargs.get("ignore_row_if", default))]
    seen = condition & ~out
    if "compound" in each.type:
        passes = ~pl.struct(pl.when(seen).then(column) for column in columns).is_duplicated()
    elif "greater" in each.type:
        passes = columns[0] >= columns[1] if each.kwargs.get("or_equal") else columns[0] > columns[1]
    else:
        passes = columns[0] == columns[1]
    return _Judged(condition, condition & out, seen & ~passes.fill_null(value=False))


def _observed(each: Expectation, spec: EntitySpec) -> pl.Expr:
    """Return what is measured of a column as a whole; for sets, the values that are not where they should be."""
    name = str(each.kwargs["column"])
    seen = pl.col(name).filter(_condition(each, spec) & pl.col(name).is_not_null())
    if "distinct_values" in each.type:
        return seen.unique().sort().implode()
    measure = each.type.removeprefix("expect_column_").removesuffix("_to_be_between")
    return {"min": seen.min, "max": seen.max, "sum": seen.sum, "unique_value_count": seen.n_unique}[measure]()


def _verdict(number: int, each: Expectation, row: dict[str, Any], spec: EntitySpec) -> Verdict:
    if f"{number} elements" in row:
        elements, missing, unexpected = (int(row[f"{number} {name}"] or 0) for name in ("elements", "missing", "unexpected"))
        considered = elements - missing
        mostly = Decimal(str(each.kwargs.get("mostly", 1)))
        success = considered == 0 or considered - unexpected >= mostly * considered
        return Verdict(each, success, elements, missing, unexpected)
    rows = int(row["rows"])
    if each.type == "expect_column_to_exist":
        return Verdict(each, each.columns[0] in {**spec.fields, **PROVENANCE}, rows, 0, 0, each.columns[0])
    if each.type == "expect_table_row_count_to_equal":
        return Verdict(each, rows == int(each.kwargs["value"]), rows, 0, 0, str(rows))
    observed: Any = rows if "table" in each.type else row[f"{number} observed"]
    if "distinct_values" in each.type:
        return _of_set(each, rows, list(observed or []))
    dtype = pl.Int64() if isinstance(observed, int) else _dtype(each.columns[0], spec)
    if observed is None:
        return Verdict(each, success=False, elements=rows, missing=0, unexpected=0, observed=None)
    inside = bool(pl.select(_within(pl.lit(observed), each, dtype)).item())
    return Verdict(each, inside, rows, 0, 0, f"{observed.normalize():f}" if isinstance(observed, Decimal) else str(observed))


def _of_set(each: Expectation, rows: int, observed: list[Any]) -> Verdict:
    values = set(each.kwargs.get("value_set") or [])
    seen = {str(value) if isinstance(value, dt.date) else value for value in observed}
    success = {"in": seen <= values, "contain": values <= seen, "equal": seen == values}[
        "in" if each.type.endswith("be_in_set") else "contain" if "contain" in each.type else "equal"
    ]
    return Verdict(each, success, rows, 0, 0, ", ".join(sorted(map(str, observed)))[:200])
