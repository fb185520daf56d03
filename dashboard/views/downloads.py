"""The rows of a table as a file: CSV and workbook, with exact values and no formula."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from dashboard.views.tables import Column


def to_csv(rows: pl.DataFrame, columns: Sequence[Column]) -> bytes:
    """Return rows as CSV with exact values; no cell can run as a formula in a spreadsheet."""
    return _safe(rows, columns).write_csv().encode("utf-8-sig")


def to_xlsx(rows: pl.DataFrame, columns: Sequence[Column], title: str) -> bytes:
    """Return rows as a workbook: amounts are numbers, texts are texts and never formulas."""
    from adapters.reading.workbook import write_workbook

    named = [each.name for each in columns]
    return write_workbook(title, named, _plain(rows, columns).iter_rows(), {each.name for each in columns if each.kind == "money"})


def _plain(rows: pl.DataFrame, columns: Sequence[Column]) -> pl.DataFrame:
    return rows.select(pl.col(each.name).cast(pl.List(pl.String)).list.join("; ") if each.kind == "list" else each.name for each in columns)


def _safe(rows: pl.DataFrame, columns: Sequence[Column]) -> pl.DataFrame:
    plain = _plain(rows, columns)
    texts = [name for name, dtype in plain.schema.items() if dtype == pl.String]
    return plain.with_columns(_safe_text(pl.col(name)).alias(name) for name in texts)


def _safe_text(text: pl.Expr) -> pl.Expr:
    """Return a text column with an apostrophe before what a spreadsheet would take for a formula."""
    from adapters.safe_cells import STARTS

    stripped = text.str.strip_chars_start()
    starts = pl.any_horizontal(*(stripped.str.starts_with(each) | text.str.starts_with(each) for each in STARTS))
    return pl.when(starts).then(pl.lit("'") + text).otherwise(text)
