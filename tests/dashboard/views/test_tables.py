"""Filters, search, order, pages, addresses and exports of a table."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import openpyxl
import polars as pl
import pytest

from dashboard.views.address import from_params, to_params
from dashboard.views.downloads import to_csv, to_xlsx
from dashboard.views.tables import BLANK, Column, FrameRows, Names, Query, shown

COLUMNS = [
    Column("id", "Id", searched=True), Column("severity", "Severity", "code", filtered=True, ranks=("high", "low")),
    Column("amount", "Amount", "money"), Column("systems", "Systems", "list", filtered=True),
]  # fmt: skip

FRAME = pl.LazyFrame(
    {
        "id": ["A", "B", "C", "=1+1"],
        "severity": ["low", "high", None, "high"],
        "amount": [Decimal("-1234.5"), Decimal("20"), None, Decimal("3")],
        "currency": ["EUR", "USD", None, "EUR"],
        "systems": [["crm", "erp"], ["erp"], None, ["psa"]],
    },
    schema_overrides={"amount": pl.Decimal(38, 6)},
)
ROWS = FrameRows(FRAME, COLUMNS, ["id"])


def ids(query: Query) -> list[str]:
    return ROWS.page(query).rows["id"].to_list()


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[FrameRows, FrameRows]:
    """A published file of 60,000 rows read by places, and the same rows read whole."""
    count = 60_000
    frame = pl.DataFrame({"id": [f"T{each:05}" for each in range(count)], "of": [f"C{each % 7}" for each in range(count)]}).with_columns(
        pl.int_range(pl.len()).mul(7919).mod(1009).cast(pl.Decimal(38, 6)).alias("amount"),
        pl.when(pl.int_range(pl.len()).mod(20_000) == 5).then(pl.lit("high")).otherwise(pl.lit("low")).alias("severity"),
    )  # fmt: skip
    path = tmp_path_factory.mktemp("tables") / "rows.parquet"
    frame.write_parquet(path, row_group_size=5_000)
    names = Names({"firm": ("of", pl.LazyFrame({"id": ["C1", "C2"], "name": ["Alder", "Birch"]}))})
    columns = [*COLUMNS[:3], Column("firm", "Firm", filtered=True, searched=True)]
    by_places = FrameRows(pl.scan_parquet(path), columns, ["id"], names=names, lies=str(path))
    return by_places, FrameRows(frame.lazy(), columns, ["id"], names=names)


@pytest.mark.parametrize(
    "query",
    [
        Query(), Query(page=900), Query(filters={"severity": ("high",)}), Query(sort="amount", descending=True, page=3),
        Query(search="t0012"), Query(search="alder", sort="severity"), Query(filters={"firm": ("Birch",)}, sort="firm", descending=True),
        Query(filters={"firm": ("C3",)}), Query(sort="firm"), Query(search="nowhere"), Query(search="t", page=7),
        Query(search="t0", filters={"severity": ("low",)}, page=2), Query(search="t05999", page=4),
    ],
)  # fmt: skip
def test_a_large_file_is_read_by_places_and_shows_the_same(many: tuple[FrameRows, FrameRows], query: Query) -> None:
    by_places, whole = (each.page(query) for each in many)
    assert by_places.rows.equals(whole.rows)
    assert by_places.told == whole.told
    assert many[0].options("firm") == many[1].options("firm") == ["Alder", "Birch", "C0", "C3", "C4", "C5", "C6"]


def test_a_filter_keeps_the_rows_that_have_one_of_its_values() -> None:
    assert ids(Query(filters={"severity": ("high",)})) == ["=1+1", "B"]
    assert ids(Query(filters={"systems": ("erp",)})) == ["A", "B"]


def test_a_blank_is_found_only_by_its_own_name() -> None:
    assert ids(Query(filters={"severity": (BLANK,)})) == ["C"]
    assert ids(Query(filters={"systems": (BLANK, "psa")})) == ["=1+1", "C"]


def test_the_search_looks_for_the_text_itself_not_a_pattern() -> None:
    assert ids(Query(search="1+1")) == ["=1+1"]
    assert ids(Query(search=".*")) == []
    assert ids(Query(search="a")) == ["A"]


def test_the_order_follows_the_ranks_and_what_is_missing_comes_last() -> None:
    assert ids(Query(sort="severity")) == ["=1+1", "B", "A", "C"]
    assert ids(Query(sort="amount", descending=True)) == ["B", "=1+1", "A", "C"]


def test_a_page_beyond_the_last_is_the_last() -> None:
    page = ROWS.page(Query(page=9, size=3))
    assert (page.query.page, page.pages, page.told) == (2, 2, "4–4 of 4")


def test_options_are_the_values_there_are() -> None:
    assert ROWS.options("severity") == ["high", BLANK, "low"]
    assert ROWS.options("systems")[0] == "erp"


def test_cells_are_written_for_people() -> None:
    cells = shown(ROWS.page(Query(sort="id")).rows, COLUMNS)
    assert cells["amount"].to_list() == ["3.00 EUR", "(1,234.50) EUR", "20.00 USD", "–"]
    assert cells["systems"].to_list() == ["psa", "crm, erp", "erp", ""]


@pytest.mark.parametrize(
    "query",
    [
        Query(),
        Query("é&=?", {"severity": ("high", BLANK)}, "amount", descending=True, page=3, size=100),
        Query(filters={}),
    ],
)
def test_an_address_carries_a_query_there_and_back(query: Query) -> None:
    usual = Query(filters={"severity": ("low",)}, sort="id")
    assert from_params(to_params(query, "x.", usual), COLUMNS, "x.", usual) == query


@pytest.mark.parametrize(
    "params",
    [{"page": ["-1"]}, {"page": ["x"]}, {"size": ["7"]}, {"sort": ["nothing"]}, {"f.nothing": ["a"]}, {"f.amount": ["a"]}],
)
def test_an_address_that_cannot_be_opens_as_usual(params: dict[str, list[str]]) -> None:
    assert from_params(params, COLUMNS) == Query()


def test_an_export_holds_every_row_the_filter_finds_and_no_formula() -> None:
    query = Query(filters={"severity": ("high",)}, size=25)
    text = to_csv(ROWS.export(query), COLUMNS).decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(text))) == [
        ["id", "severity", "amount", "systems"], ["'=1+1", "high", "3.000000", "psa"], ["B", "high", "20.000000", "erp"],
    ]  # fmt: skip


def test_a_workbook_holds_texts_as_texts_and_amounts_as_numbers() -> None:
    sheet = openpyxl.load_workbook(io.BytesIO(to_xlsx(ROWS.export(Query(sort="id")), COLUMNS, "a/b"))).active
    assert [(each.value, each.data_type) for each in sheet["A"]][1] == ("=1+1", "s")
    assert [each.value for each in sheet["C"]] == ["amount", 3, -1234.5, 20, None]
    assert sheet["C2"].number_format == "#,##0.00;(#,##0.00)"
