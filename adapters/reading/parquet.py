"""Parquet: columns keep their types; nested values become JSON text."""

from __future__ import annotations

import io

import polars as pl

from adapters.reading.header import column_names, duplicate_name
from adapters.reading.table import ROW, RawTable, Reading, failed, held_row


def read_parquet(data: bytes, shown_as: str) -> Reading:
    """Return the one table of a Parquet file, or why it failed."""
    if not data:
        return failed("empty_file", "The file is empty.")
    try:
        frame = pl.read_parquet(io.BytesIO(data))
    # A damaged file makes the decoder itself stop, which is no ordinary exception.
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError, MemoryError):
        return failed("broken_parquet", "The file is not a complete Parquet file.")
    header = tuple(frame.columns)
    name = duplicate_name(header)
    if name is not None:
        held = [held_row(shown_as, 1, "file_failed", rows=frame.height)] if frame.height else []
        return failed("duplicate_header", f"Two columns are named {name[:80]!r}.", held=held)
    frame.columns = column_names(header)
    frame = frame.with_columns(_plain(column, dtype) for column, dtype in frame.schema.items())
    frame = frame.with_columns((pl.int_range(pl.len(), dtype=pl.Int64) + 1).alias(ROW))
    return Reading((RawTable(shown_as, "", frame, header, typed=True),))


def _plain(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return the column with nested values and categories as text, and blank text as null."""
    column = pl.col(name)
    if isinstance(dtype, pl.Struct | pl.List | pl.Array):
        text = pl.struct(column.alias("v")).struct.json_encode()
        inner = text.str.strip_prefix('{"v":').str.strip_suffix("}")
        return pl.when(column.is_not_null()).then(inner).alias(name)
    if isinstance(dtype, pl.Categorical | pl.Enum):
        column = column.cast(pl.String)
    if isinstance(dtype, pl.Categorical | pl.Enum | pl.String):
        return pl.when(column.str.strip_chars().str.len_bytes() > 0).then(column).alias(name)
    return column
