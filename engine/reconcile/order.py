"""The order of texts, found from their bytes as whole numbers: several times faster than comparing texts."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

# Texts longer than this are compared as they are; ids seldom are.
_LONGEST: Final = 48
_WORD: Final = 8


def text_order(texts: pl.Series) -> np.ndarray | None:
    """Return the places of texts in ascending order of their bytes; None where two are equal or one is long.

    Each text is filled up with zeros and read as big-endian words of eight bytes, of which the last
    is sorted first. Filling can only make texts equal, never change which of two comes first.
    """
    longest = texts.str.len_bytes().max() or 0
    if not isinstance(longest, int) or longest > _LONGEST or texts.null_count():
        return None
    width = max(-(-longest // _WORD), 1) * _WORD
    filled = pl.concat_str(pl.col("text"), pl.lit("\0" * width)).cast(pl.Binary).bin.slice(0, width)
    told = pl.DataFrame({"text": texts}).select(filled.bin.reinterpret(dtype=pl.Array(pl.UInt8, width))).to_series()
    words = np.ascontiguousarray(told.to_numpy()).view(">u8")
    columns = [words[:, place].astype(np.uint64) for place in range(width // _WORD)]
    order: np.ndarray | None = None
    for column in reversed(columns):
        if texts.len() and column.min() == column.max():
            continue
        order = np.argsort(column) if order is None else order[np.argsort(column[order], kind="stable")]
    if order is None:
        return np.arange(texts.len()) if texts.len() < 2 else None
    alike = np.ones(max(texts.len() - 1, 0), dtype=bool)
    for column in columns:
        ordered = column[order]
        alike &= ordered[1:] == ordered[:-1]
    return None if alike.any() else order


def number_order(numbers: np.ndarray) -> np.ndarray:
    """Return places of unsigned 64-bit numbers so that equal ones stand together, in the order of their places.

    The leading bits are sorted with the place behind them, as one number; where two numbers differ only
    behind those bits, all are sorted whole.
    """
    behind = np.uint64((1 << max(numbers.size - 1, 1).bit_length()) - 1)
    packed = (numbers & ~behind) | np.arange(numbers.size, dtype=np.uint64)
    packed.sort()
    order = (packed & behind).astype(np.int64)
    ordered = numbers[order]
    mixed = ((packed[1:] ^ packed[:-1]) <= behind) & (ordered[1:] != ordered[:-1])
    return np.argsort(numbers, kind="stable") if mixed.any() else order
