"""The gate's verdicts equal Great Expectations' own on the full data: missing values, mostly, row conditions."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from engine.canonical.schema import entity_spec
from engine.policy.kinds.quality import SUPPORTED, Expectation
from engine.quality.expectations import failing_rows, judged

SPEC = entity_spec("invoice")

VALUES = "expect_column_values_to_"

CASES: list[tuple[str, dict[str, Any]]] = [
    (VALUES + "not_be_null", {"column": "invoice_number"}),
    (VALUES + "not_be_null", {"column": "invoice_number", "mostly": 0.5}),
    (VALUES + "not_be_null", {"column": "contract_id", "row_condition": "status == 'posted'", "condition_parser": "pandas"}),
    (VALUES + "be_null", {"column": "corrects_invoice_id"}),
    (VALUES + "be_null", {"column": "corrects_invoice_id", "row_condition": "kind != 'credit_note'", "condition_parser": "pandas"}),
    (VALUES + "be_in_set", {"column": "status", "value_set": ["posted", "paid"]}),
    (VALUES + "be_in_set", {"column": "status", "value_set": ["posted", "paid", "draft"]}),
    (VALUES + "be_in_set", {"column": "status", "value_set": ["posted", "paid"], "mostly": 0.5}),
    (VALUES + "not_be_in_set", {"column": "status", "value_set": ["void"]}),
    (VALUES + "not_be_in_set", {"column": "status", "value_set": ["draft"]}),
    (VALUES + "be_between", {"column": "net_amount", "min_value": 0}),
    (VALUES + "be_between", {"column": "net_amount", "min_value": -100, "max_value": 100}),
    (VALUES + "be_between", {"column": "net_amount", "max_value": 50, "strict_max": True, "mostly": 0.7}),
    (VALUES + "be_between", {"column": "fully_paid_date", "min_value": "2026-01-01", "max_value": "2026-01-20"}),
    (VALUES + "be_unique", {"column": "invoice_number"}),
    (VALUES + "be_unique", {"column": "invoice_id"}),
    (VALUES + "be_unique", {"column": "invoice_number", "row_condition": "kind == 'invoice'", "condition_parser": "pandas"}),
    (VALUES + "match_regex", {"column": "currency", "regex": "^[A-Z]{3}$"}),
    (VALUES + "match_regex", {"column": "invoice_number", "regex": "^N-"}),
    (VALUES + "not_match_regex", {"column": "invoice_number", "regex": "9$"}),
    ("expect_column_value_lengths_to_equal", {"column": "currency", "value": 3}),
    ("expect_column_value_lengths_to_equal", {"column": "invoice_number", "value": 4, "mostly": 0.8}),
    ("expect_column_value_lengths_to_be_between", {"column": "invoice_number", "min_value": 4, "max_value": 5}),
    ("expect_column_value_lengths_to_be_between", {"column": "invoice_number", "min_value": 4, "strict_min": True}),
    ("expect_column_pair_values_a_to_be_greater_than_b",
     {"column_A": "due_date", "column_B": "invoice_date", "or_equal": True, "ignore_row_if": "either_value_is_missing"}),
    ("expect_column_pair_values_a_to_be_greater_than_b",
     {"column_A": "due_date", "column_B": "invoice_date", "ignore_row_if": "either_value_is_missing", "mostly": 0.9}),
    ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "due_date", "column_B": "invoice_date", "or_equal": True}),
    ("expect_column_pair_values_to_be_equal",
     {"column_A": "posted_by", "column_B": "approved_by", "ignore_row_if": "either_value_is_missing"}),
    ("expect_column_pair_values_to_be_equal", {"column_A": "posted_by", "column_B": "approved_by", "mostly": 0.2}),
    ("expect_compound_columns_to_be_unique", {"column_list": ["invoice_number", "customer_id"]}),
    ("expect_compound_columns_to_be_unique", {"column_list": ["invoice_id", "customer_id"]}),
    ("expect_column_to_exist", {"column": "status"}),
    ("expect_table_row_count_to_equal", {"value": 120}),
    ("expect_table_row_count_to_be_between", {"min_value": 121}),
    ("expect_table_row_count_to_be_between", {"min_value": 1, "max_value": 120}),
    ("expect_column_min_to_be_between", {"column": "net_amount", "min_value": -60, "max_value": 0}),
    ("expect_column_max_to_be_between", {"column": "net_amount", "min_value": 0, "max_value": 10}),
    ("expect_column_sum_to_be_between", {"column": "net_amount", "min_value": 0, "max_value": 100000}),
    ("expect_column_unique_value_count_to_be_between", {"column": "status", "min_value": 3, "max_value": 3}),
    ("expect_column_unique_value_count_to_be_between", {"column": "status", "min_value": 4}),
    ("expect_column_distinct_values_to_be_in_set", {"column": "status", "value_set": ["posted", "paid", "draft", "void"]}),
    ("expect_column_distinct_values_to_be_in_set", {"column": "status", "value_set": ["posted"]}),
    ("expect_column_distinct_values_to_contain_set", {"column": "status", "value_set": ["posted", "void"]}),
    ("expect_column_distinct_values_to_equal_set", {"column": "status", "value_set": ["posted", "paid", "draft"]}),
]  # fmt: skip


def invoices(count: int = 120, seed: int = 5) -> pl.DataFrame:
    draw = random.Random(seed)

    def maybe(value: Any, share: float = 0.15) -> Any:
        return None if draw.random() < share else value

    day = dt.date(2026, 1, 1)
    rows = [
        {"invoice_id": f"I{n}", "invoice_number": maybe(f"N-{draw.randint(10, 120)}"), "kind": draw.choice(["invoice", "credit_note"]),
         "status": maybe(draw.choice(["posted", "paid", "draft"])), "customer_id": maybe(f"C{draw.randint(1, 9)}"),
         "contract_id": maybe(f"K{draw.randint(1, 9)}"), "currency": maybe(draw.choice(["EUR", "USD", "EUR ", "usd"])),
         "net_amount": maybe(Decimal(draw.randint(-500, 2000)) / 10), "invoice_date": maybe(day + dt.timedelta(draw.randint(0, 30))),
         "due_date": maybe(day + dt.timedelta(draw.randint(5, 60))), "corrects_invoice_id": maybe("I0", 0.8),
         "fully_paid_date": maybe(day + dt.timedelta(draw.randint(0, 30))),
         "posted_by": maybe(draw.choice(["ann", "bob"])), "approved_by": maybe(draw.choice(["ann", "bob"])),
         "source_system": "billing", "source_file": "i.csv", "source_row": n}
        for n in range(count)
    ]  # fmt: skip
    schema = SPEC.polars_schema()
    frame = pl.DataFrame(rows, schema={name: schema[name] for name in rows[0]})
    return frame.select(pl.col(name) if name in frame.columns else pl.lit(None, dtype=dtype).alias(name) for name, dtype in schema.items())


@pytest.fixture(scope="module")
def theirs() -> list[tuple[bool, int | None]]:
    """Return Great Expectations' own verdicts and counts, through its pandas engine."""
    import os

    os.environ["GX_ANALYTICS_ENABLED"] = "False"
    import pandas as pd
    from great_expectations.execution_engine import PandasExecutionEngine
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.validator.validator import Validator

    frame = invoices().select(sorted({name for _, kwargs in CASES for name in columns(kwargs)} | {"kind", "status"}))
    data = frame.to_pandas()
    for name in ("invoice_date", "due_date"):
        data[name] = data[name].astype("datetime64[ns]")
    # It compares a text bound with dates only where they are Python's own.
    data["fully_paid_date"] = pd.Series(frame["fully_paid_date"].to_list(), dtype=object)
    data["net_amount"] = data["net_amount"].astype("float64")
    for name, dtype in frame.schema.items():
        if dtype == pl.String:
            data[name] = data[name].astype(object).where(frame[name].is_not_null().to_numpy(), None)
    validator = Validator(PandasExecutionEngine(batch_data_dict={"b": data}))
    found = validator.graph_validate([ExpectationConfiguration(type=name, kwargs=dict(kwargs)) for name, kwargs in CASES])
    assert not [each.exception_info for each in found if each.exception_info.get("raised_exception", True)]
    return [(bool(each.success), each.result.get("unexpected_count")) for each in found]


def columns(kwargs: dict[str, Any]) -> list[str]:
    return [kwargs[name] for name in ("column", "column_A", "column_B") if name in kwargs] + list(kwargs.get("column_list", ()))


def test_the_cases_show_every_supported_expectation() -> None:
    assert {name for name, _ in CASES} == set(SUPPORTED)


@pytest.mark.filterwarnings("ignore")
def test_the_verdict_on_every_expectation_is_great_expectations_own(theirs: list[tuple[bool, int | None]]) -> None:
    suite = [Expectation(f"q-{n}", name, kwargs) for n, (name, kwargs) in enumerate(CASES)]
    ours = judged(suite, invoices().lazy(), SPEC)
    wrong = [
        (each.expectation.type, dict(each.expectation.kwargs), (each.success, each.unexpected), other)
        for each, other in zip(ours, theirs, strict=True)
        if each.success != other[0] or (other[1] is not None and "distinct" not in each.expectation.type and each.unexpected != other[1])
    ]
    assert wrong == [], wrong
    assert {each.success for each in ours} == {True, False}


def test_the_failing_rows_are_as_many_as_were_counted() -> None:
    suite = [Expectation(f"q-{n}", name, kwargs) for n, (name, kwargs) in enumerate(CASES)]
    for verdict in judged(suite, invoices().lazy(), SPEC):
        rows = failing_rows(verdict.expectation, invoices().lazy(), SPEC)
        assert rows is None or rows.height == verdict.unexpected
