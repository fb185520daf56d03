"""A table that is browsed: filters, search, order and pages, pushed down to where the rows lie."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, Protocol

import polars as pl

from dashboard.views.formats import cell
from engine.errors import StoreError

Kind = Literal["text", "code", "money", "number", "count", "date", "list"]

NUMERIC: Final = ("money", "number", "count")
SIZES: Final = (25, 50, 100, 250)
MAX_OPTIONS: Final = 200
"""Values a filter offers; the search finds the rest."""

BLANK: Final = "(blank)"


@dataclass(frozen=True, slots=True)
class Column:
    """Say how a column is shown, and whether it is filtered by its values and searched."""

    name: str
    label: str
    kind: Kind = "text"
    filtered: bool = False
    searched: bool = False
    currency: str | None = "currency"
    """The column that holds an amount's currency."""
    ranks: tuple[str, ...] = ()
    """The order of its values where it is not the alphabet's, the gravest first."""
    shown: bool = True
    width: int | None = None
    """Pixels, where the content would take too many."""


@dataclass(frozen=True, slots=True)
class Query:
    """What a person asks of a table; the address of the page carries it."""

    search: str = ""
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sort: str = ""
    descending: bool = False
    page: int = 1
    size: int = 50

    def turned(self, page: int) -> Query:
        """Return the query for another page."""
        return replace(self, page=max(1, page))

    def sorted_by(self, name: str) -> Query:
        """Return the query ordered by a column; by the same column again, the other way round."""
        return replace(self, sort=name, descending=not self.descending if name == self.sort else False, page=1)


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of a page and how many there are in all."""

    rows: pl.DataFrame
    total: int
    query: Query

    @property
    def pages(self) -> int:
        """Return how many pages there are, at least one."""
        return max(1, math.ceil(self.total / self.query.size))

    @property
    def told(self) -> str:
        """Return which rows are shown, in words."""
        if not self.total:
            return "No rows"
        first = (self.query.page - 1) * self.query.size + 1
        return f"{first:,}–{first + self.rows.height - 1:,} of {self.total:,}"


class Rows(Protocol):
    """Rows that can be asked for by page, wherever they lie."""

    @property
    def columns(self) -> Sequence[Column]:
        """Return the columns there are."""
        ...

    def page(self, query: Query) -> Page:
        """Return the page a query asks for; the last one when it asks for more than there are."""
        ...

    def options(self, name: str) -> list[str]:
        """Return the values of a column that a filter offers, the most frequent first."""
        ...

    def export(self, query: Query) -> pl.DataFrame:
        """Return every row a query finds, in its order."""
        ...


_PLACE: Final = "_place"
_BY: Final = "_by"
_NEAR: Final = 5_000
"""Rows between two places that are read in one go."""

_FEW: Final = 1_500_000
"""Values of a column that a search asks instead of the rows."""

_COLUMNS_KEPT: Final = 16
"""Columns whose values are kept in memory at a time."""

_KEPT: Final = 256


@dataclass(frozen=True, slots=True)
class Names:
    """Names beside ids: by the column that shows them, the column of the id and the names by id (`id`, `name`; one row an id)."""

    of: Mapping[str, tuple[str, pl.LazyFrame]] = field(default_factory=dict)

    def beside(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Return a frame with every name beside its id: the id itself where it has none."""
        for shown_as, (key, names) in self.of.items():
            named = names.select(pl.col("id").alias(key), pl.col("name").alias(shown_as))
            frame = frame.join(named, on=key, how="left", maintain_order="left").with_columns(pl.coalesce(shown_as, key).alias(shown_as))
        return frame

    def where(self, shown_as: str, holds: Callable[[pl.Expr], pl.Expr], asked: Sequence[str] = ()) -> pl.Expr:
        """Return whether what is shown of a row holds: the names are asked, not the rows; nor the ids, where these are `asked` already."""
        key, names = self.of[shown_as]
        ids = _collect(names.filter(holds(pl.col("name"))).select("id"))["id"]
        named = pl.col(key).is_in(ids.implode()).fill_null(value=False) if ids.len() else pl.lit(value=False)
        return named if key in asked else named | holds(pl.col(key))


class FrameRows:
    """Rows of a lazy frame; of a large published file only what a page shows is read.

    There the places of the page's rows are found by the columns that are asked, then the rows at these places are read.
    """

    def __init__(
        self, frame: pl.LazyFrame, columns: Sequence[Column], key: Sequence[str] = (), *, where: pl.Expr | None = None,
        names: Names | None = None, lies: Hashable = None,
    ) -> None:  # fmt: skip
        """Take a frame, the columns of it to show, the key that settles ties of the order, which rows are meant, and names beside ids.

        `lies` names the published file whose rows these are, all of them, in the order of the key: such a file never changes.
        """
        self.frame, self._names, self._where, self._lies = frame, names or Names(), where, lies
        there = frame.collect_schema().names()
        self._columns = [each for each in columns if each.name in there or each.name in self._names.of]
        self._key = [each for each in key if each in there]

    @property
    def columns(self) -> Sequence[Column]:
        """Return the columns the frame has."""
        return self._columns

    def page(self, query: Query) -> Page:
        """Return the page a query asks for."""
        found = self._found(query)
        by = self._by(query)
        if self._lies is not None and by is None and self._asks(query):
            # In the order they lie, their places are both how many there are and where the page is.
            places = _collect(found.select(_PLACE))[_PLACE]
            query = _within(query, places.len())
            rows = self._read(places.slice((query.page - 1) * query.size, query.size).to_list())
            return Page(_collect(self._names.beside(rows)), places.len(), query)
        total = int(_collect(found.select(pl.len())).item())
        query = _within(query, total)
        first = (query.page - 1) * query.size
        if self._lies is None:
            rows = self._ordered(found, query).slice(first, query.size).drop(_PLACE)
        elif by is not None:
            ordered = self._ordered(found.select(_PLACE, by.alias(_BY)), query)
            rows = self._read(_collect(ordered.slice(first, query.size))[_PLACE].to_list())
        else:
            rows = self.frame.slice(first, query.size)
        return Page(_collect(self._names.beside(rows)), total, query)

    def options(self, name: str) -> list[str]:
        """Return the values of a column that a filter offers."""
        if self._lies is None:
            return self._options(name)
        asked = (self._lies, str(self._where), name)
        if asked not in _offered:
            while len(_offered) >= _KEPT:
                _offered.pop(next(iter(_offered)))
            _offered[asked] = self._options(name)
        return _offered[asked]

    def _options(self, name: str) -> list[str]:
        column = next(each for each in self.columns if each.name == name)
        meant = self.frame if self._where is None else self.frame.filter(self._where)
        key, names = self._names.of.get(name, (name, None))
        values = meant.select(pl.col(key).alias(name))
        if column.kind == "list":
            values = values.explode(name, empty_as_null=True, keep_nulls=True)
        counted = values.select(pl.col(name).cast(pl.String)).group_by(name).len()
        if names is not None:
            named = names.select(pl.col("id").alias(name), "name")
            counted = counted.join(named, on=name, how="left").group_by(pl.coalesce("name", name).alias(name)).agg(pl.col("len").sum())
        most = counted.sort("len", name, descending=[True, False]).head(MAX_OPTIONS)
        return [BLANK if each is None else each for each in _collect(most)[name].to_list()]

    def export(self, query: Query) -> pl.DataFrame:
        """Return every row a query finds."""
        return _collect(self._names.beside(self._ordered(self._found(query), query).drop(_PLACE)))

    def _asks(self, query: Query) -> bool:
        """Say whether a query leaves rows out."""
        return self._where is not None or bool(query.search.strip()) or any(query.filters.get(each.name) for each in self.columns)

    def _found(self, query: Query) -> pl.LazyFrame:
        """Return the rows a query finds, each with its place."""
        frame = self.frame.with_row_index(_PLACE)
        if self._where is not None:
            frame = frame.filter(self._where)
        for column in self.columns:
            values = query.filters.get(column.name)
            if values and column.name in self._names.of:
                frame = frame.filter(self._names.where(column.name, functools.partial(_is_among, values=values)))
            elif values:
                frame = frame.filter(_among(column, values))
        if query.search.strip():
            holds = functools.partial(_holds, text=query.search.strip())
            searched = [each.name for each in self.columns if each.searched]
            held = [self._names.where(each, holds, searched) if each in self._names.of else self._holding(each, holds) for each in searched]
            frame = frame.filter(pl.any_horizontal(*held) if held else pl.lit(value=False))
        return frame

    def _holding(self, name: str, holds: Callable[[pl.Expr], pl.Expr]) -> pl.Expr:
        """Return whether a column holds what is searched: of a published file its values are asked, where it has few, not its rows."""
        values = None if self._lies is None else self._values(name)
        if values is None:
            return holds(pl.col(name))
        found = values.to_frame(name).with_columns(holds(pl.col(name)).alias(_BY))
        has, has_not = (found.filter(each)[name] for each in (pl.col(_BY), ~pl.col(_BY)))
        if has.len() > has_not.len():
            return ~pl.col(name).is_in(has_not.implode()).fill_null(value=True)
        return pl.col(name).is_in(has.implode()).fill_null(value=False) if has.len() else pl.lit(value=False)

    def _values(self, name: str) -> pl.Series | None:
        """Return the values of a column of a published file as text; None where there are too many to keep."""
        asked = (self._lies, name)
        if asked not in _distinct:
            while len(_distinct) >= _COLUMNS_KEPT:
                _distinct.pop(next(iter(_distinct)))
            found = _collect(self.frame.select(pl.col(name).unique()))[name].drop_nulls()
            _distinct[asked] = found if found.dtype == pl.String and found.len() <= _FEW else None
        return _distinct[asked]

    def _by(self, query: Query) -> pl.Expr | None:
        """Return what rows are ordered by; None where that is their key alone."""
        column = next((each for each in self.columns if each.name == query.sort), None)
        if column is None:
            return None
        if column.name in self._names.of:
            key, names = self._names.of[column.name]
            known = _collect(names)
            return pl.col(key).replace_strict(known["id"], known["name"], default=pl.col(key), return_dtype=pl.String)
        by = pl.col(column.name)
        if column.ranks:
            return by.replace_strict(list(column.ranks), list(range(len(column.ranks))), default=len(column.ranks))
        return by.list.join(",") if column.kind == "list" else by

    def _ordered(self, frame: pl.LazyFrame, query: Query) -> pl.LazyFrame:
        """Return rows in the order a query asks for, ties in the order of their key."""
        by = self._by(query)
        ties = self._key if self._lies is None else [_PLACE]
        if by is None:
            return frame.sort(ties, nulls_last=True) if self._lies is None and ties else frame
        if _BY in frame.collect_schema().names():
            by = pl.col(_BY)
        return frame.sort([by, *(pl.col(each) for each in ties)], descending=[query.descending, *(False for _ in ties)], nulls_last=True)

    def _read(self, places: list[int]) -> pl.LazyFrame:
        """Return the rows at places, in their order."""
        wanted = pl.LazyFrame({_PLACE: places}, schema={_PLACE: pl.UInt32})
        parts = [self._part(each) for each in _neighbours(places)] or [self.frame.head(0).with_row_index(_PLACE)]
        return wanted.join(pl.concat(parts), on=_PLACE, how="left", maintain_order="left").drop(_PLACE)

    def _part(self, places: list[int]) -> pl.LazyFrame:
        first, last = places[0], places[-1]
        return self.frame.slice(first, last - first + 1).with_row_index(_PLACE, offset=first).filter(pl.col(_PLACE).is_in(places))


_offered: dict[tuple[Hashable, str, str], list[str]] = {}
"""What filters offer, by published file and column."""

_distinct: dict[tuple[Hashable, str], pl.Series | None] = {}
"""The values a search asks, by published file and column; None for a column that has too many."""


def _within(query: Query, total: int) -> Query:
    """Return a query for the last page where it asks for one behind it."""
    return query.turned(min(query.page, max(1, math.ceil(total / query.size))))


def _neighbours(places: Sequence[int]) -> list[list[int]]:
    """Return places in parts that lie near each other, each sorted."""
    found: list[list[int]] = []
    for each in sorted(places):
        if found and each - found[-1][-1] <= _NEAR:
            found[-1].append(each)
        else:
            found.append([each])
    return found


def _holds(shown: pl.Expr, text: str) -> pl.Expr:
    return shown.cast(pl.String).str.contains("(?i)" + pl.escape_regex(text)).fill_null(value=False)


def _among(column: Column, values: tuple[str, ...]) -> pl.Expr:
    if column.kind != "list":
        return _is_among(pl.col(column.name).cast(pl.String), values)
    named = [each for each in values if each != BLANK]
    held = pl.any_horizontal(*(pl.col(column.name).list.contains(each) for each in named)) if named else pl.lit(value=False)
    # A missing value is held only where the blank itself was chosen.
    held = held.fill_null(value=False)
    return held | pl.col(column.name).is_null() if BLANK in values else held


def _is_among(shown: pl.Expr, values: tuple[str, ...]) -> pl.Expr:
    held = shown.is_in([each for each in values if each != BLANK]).fill_null(value=False)
    return held | shown.is_null() if BLANK in values else held


def _collect(frame: pl.LazyFrame) -> pl.DataFrame:
    try:
        return frame.collect()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise StoreError("The results of this run cannot be read.", "Run its snapshot again.") from error


def shown(rows: pl.DataFrame, columns: Sequence[Column]) -> pl.DataFrame:
    """Return the cells of a page as text, one column for each that is shown."""
    found: dict[str, list[str]] = {}
    for column in columns:
        if not column.shown:
            continue
        values = rows[column.name].to_list()
        beside = column.kind == "money" and column.currency in rows.columns
        currencies = rows[column.currency].to_list() if beside and column.currency else [None] * len(values)
        found[column.name] = [cell(value, column.kind, currency) for value, currency in zip(values, currencies, strict=True)]
    return pl.DataFrame(found, schema=dict.fromkeys(found, pl.String))


def record_of(rows: pl.DataFrame, position: int, key: str) -> Any:
    """Return the key of the row at a position of a page, or None when there is none."""
    return rows[key][position] if 0 <= position < rows.height else None
