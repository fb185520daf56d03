"""Stable hashes over columns, computed inside Polars.

SHA-256 of the columns' text joined by the unit separator, so that an auditor can recompute one
by hand. The only module that imports `polars_hash`.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable

import polars as pl
import polars_hash as plh

# Cannot stand in an id, so two different lists of values never join to the same text.
SEPARATOR = "\x1f"

# 128 bits are enough that two identities of one firm never meet.
ID_LENGTH = 32


def hash_columns(columns: Iterable[pl.Expr], *, length: int | None = None) -> pl.Expr:
    """Return the hex SHA-256 of the columns' text joined by the unit separator; null counts as "".

    The columns must be text already: how a number or a date is written is the caller's decision.
    """
    joined = pl.concat_str([column.fill_null("") for column in columns], separator=SEPARATOR)
    digest = plh.concat_str(joined).chash.sha2_256()
    return typing.cast("pl.Expr", digest if length is None else digest.str.slice(0, length))
