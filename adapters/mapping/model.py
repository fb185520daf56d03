"""The mapping file of one source system, as written in `adapters/sources/<system>.yaml`.

A mapping says which files and streams a system exports and how each canonical entity is made of
them. Nothing is executed: every conversion is one of the declared ones below.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pydantic


def _names(value: Any) -> tuple[str, ...]:
    """Read one name as a list of one."""
    names = tuple(value) if isinstance(value, list | tuple) else (value,)
    if not all(isinstance(name, str | int | float) for name in names):
        raise ValueError("write a name or a list of names")
    return tuple(map(str, names))


Names = Annotated[tuple[str, ...], pydantic.BeforeValidator(_names)]
"""A column name, or several that different exports use for the same column (aliases)."""


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Condition(_Strict):
    """Test one column of a row: one of some words, none of some words, or blank or not."""

    any_of: Names | None = pydantic.Field(default=None, alias="in")
    none_of: Names | None = pydantic.Field(default=None, alias="not")
    blank: bool | None = None

    @pydantic.model_validator(mode="before")
    @classmethod
    def _from_words(cls, value: Any) -> Any:
        """Read `column: word` and `column: [word, word]` as `in`."""
        return value if isinstance(value, dict) else {"in": value}


Conditions = dict[str, Condition]
"""Conditions on columns; all must hold. A key may list aliases separated by ` | `."""


class Related(_Strict):
    """Point at rows of another stream: its name, how keys meet, and which of its rows count.

    `reason` names why a row is set aside that `exists` or `missing` keeps out.
    """

    stream: str
    on: dict[str, str]
    when: Conditions = {}
    reason: str | None = None


class Lookup(Related):
    """Take a value from another stream: the first row there whose keys equal ours.

    With `then`, the value taken is itself looked up (its `on` names our side `value`). With `else`,
    rows for which nothing is found are looked up there.
    """

    take: Names
    then: Lookup | None = None
    otherwise: Lookup | None = pydantic.Field(default=None, alias="else")

    def alternatives(self) -> list[Lookup]:
        """Return the lookup and those that follow it where it finds nothing."""
        return [self, *(self.otherwise.alternatives() if self.otherwise else [])]

    def streams(self) -> list[str]:
        """Return the streams the lookup goes through."""
        return [name for each in self.alternatives() for name in (each.stream, *(each.then.streams() if each.then else []))]


class Unpivot(_Strict):
    """Make one record for each of several columns (weekdays), with the column's offset in days.

    `start` is the row's date column, `columns` maps each column to its offset; zero and blank
    cells make no record. The cell becomes `value`, the day becomes `day`, the id gets `|offset`.
    A row whose cells do not add up to its column `total` is held.
    """

    start: Names
    columns: dict[str, int]
    value: str
    day: str
    identity: str
    total: Names = ()


class Latest(_Strict):
    """Keep the last version of each record: the greatest `order` among rows of equal `by`."""

    by: Names
    order: Names


class SetAside(_Strict):
    """Name a filter: rows that meet it are set aside and counted under `reason`."""

    reason: str
    when: Conditions


class FieldRule(_Strict):
    """Say where a canonical field comes from and how its text is read.

    Exactly one of `from`, `first_of`, `join`, `const`, `lookup`, `header` gives the text. `prefer`
    names columns that win over the lookup where they are filled, `if_not_found` those that count
    where the lookup finds nothing.
    """

    source: Names | None = pydantic.Field(default=None, alias="from")
    first_of: Names | None = None
    join: Names | None = None
    const: str | None = None
    lookup: Lookup | None = None
    prefer: Names = ()
    if_not_found: Names = ()
    header: str | None = None            # regex over header names; group 1 of the match is the text
    from_header: str | None = None       # regex naming the column that holds the value

    pattern: str | None = None           # regex; group 1 is what counts
    template: str | None = None          # what the match becomes instead, as in "${1}-${2}"
    null_values: Names = ()
    date: Names | None = None
    time: Names | None = None
    exclusive_end: Names = ()            # the cell says when the next period begins, these when this one did
    decimal: str = "."
    thousands: str = ""
    strip: str = ""                      # characters removed from a number (currency signs)
    unit: Literal["cents", "minutes", "seconds", "fraction"] | None = None
    plus: Names = ()                     # columns added to the amount
    minus: Names = ()                    # columns taken off the amount
    divide_by: Names | None = None       # a column that holds the divisor (currency base unit)
    reciprocal: bool = False             # the rate is quoted the other way round
    sign: Literal["positive", "negative", "absolute"] | None = None
    negate_when: Conditions | None = None
    only_when: Conditions | None = None  # null where the conditions do not hold
    true: Names | None = None
    false: Names | None = None
    map: dict[str, str] | None = None
    otherwise: str | None = None         # canonical value of words that `map` does not list
    fallback: str | None = None          # canonical value where the cell is blank
    separator: str = "|"
    known: Literal["K"] | None = None    # the column name is from general knowledge, not seen in a file
    note: str | None = None

    @pydantic.model_validator(mode="before")
    @classmethod
    def _from_names(cls, value: Any) -> Any:
        """Read `field: column` and `field: [column, alias]` as `from`."""
        return value if isinstance(value, dict) else {"from": value}

    @pydantic.model_validator(mode="after")
    def _one_origin(self) -> FieldRule:
        origins = [self.source, self.first_of, self.join, self.const, self.lookup, self.header, self.from_header]
        if sum(origin is not None for origin in origins) != 1:
            raise ValueError("give exactly one of from, first_of, join, const, lookup, header, from_header")
        if (self.prefer or self.if_not_found) and self.lookup is None:
            raise ValueError("prefer and if_not_found go with lookup; for columns alone write first_of")
        return self

    @pydantic.model_validator(mode="after")
    def _words_that_belong_together(self) -> FieldRule:
        if self.template is not None and self.pattern is None:
            raise ValueError("a template needs the pattern whose groups it names")
        if self.otherwise is not None and self.map is None:
            raise ValueError("otherwise stands beside a map, for the words the map does not list")
        return self


class EntityRule(_Strict):
    """Say how records of one canonical entity are made from the rows of one stream."""

    entity: str
    stream: str = pydantic.Field(alias="from")
    when: Conditions = {}
    exists: Related | None = None
    missing: Related | None = None
    set_aside: tuple[SetAside, ...] = ()
    latest: Latest | None = None
    distinct: bool = False               # several rows may name the same record: the first counts
    unpivot: Unpivot | None = None
    fields: dict[str, FieldRule]
    note: str | None = None


class StreamRule(_Strict):
    """Say which files hold a stream and how they are laid out."""

    files: Names
    envelope: Literal["none", "airbyte", "django", "keyed", "list"] = "none"
    name: str | None = None              # stream or model name inside the envelope
    path: str | None = None              # where the list stands in a JSON document
    children: Names = ()
    sheet: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    skip_rows: int = 0
    note: str | None = None


class Mapping(_Strict):
    """One source system's mapping file."""

    adapter: str
    title: str
    version: int = 1
    encoding: str = "utf-8"
    date: Names = ("%Y-%m-%d",)
    time: Names = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.fZ")
    zone: str = "UTC"                    # zone of instants written without one
    true: Names = ("true",)
    false: Names = ("false",)
    set_aside: tuple[SetAside, ...] = ()  # filters that hold for every entity whose stream has the column
    ignore: dict[str, Names] = {}        # reason -> files the system exports that Tieout does not read
    streams: dict[str, StreamRule]
    entities: tuple[EntityRule, ...]
    note: str | None = None

    def stream_names(self) -> list[str]:
        """Return every stream that rules may read: the declared ones and the lists inside their records."""
        names = list(self.streams)
        for name, rule in self.streams.items():
            names += [f"{name}.{child.removeprefix(f'{rule.name or name}.')}" for child in rule.children]
        return names
