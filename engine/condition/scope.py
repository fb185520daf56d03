"""What names mean in a condition: typed values of the record and of the records it refers to.

A `Scope` is a plain list of names. An `EntityScope` reads the canonical model: a path's first part
is the entity (or the referring field without `_id`) that the record points at.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import polars as pl

from engine.canonical.kinds import DECIMAL_PRECISION, DECIMAL_SCALE, FieldSpec, Kind
from engine.canonical.schema import ENTITIES, PROVENANCE, EntitySpec
from engine.condition.nodes import MAX_PATH_PARTS


class Category(StrEnum):
    """Group the kinds by what may be done with them."""

    TEXT = "text"
    BOOL = "yes or no"
    NUMBER = "number"
    DATE = "date"
    TIME = "time"
    SPAN = "length of time"
    NULL = "missing value"


_CATEGORY: Final = {
    Kind.ID: Category.TEXT, Kind.TEXT: Category.TEXT, Kind.ENUM: Category.TEXT, Kind.PERIOD: Category.TEXT,
    Kind.BOOL: Category.BOOL, Kind.DATE: Category.DATE, Kind.TIME: Category.TIME,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Type:
    """Describe a value: its category, decimals, currency and, for an enum, its values.

    `scale` counts the decimals of a number. `is_integer` says that it is stored as Int64.
    `currency` is the path of the currency of an amount, None for a bare number.
    """

    category: Category
    kind: Kind | None = None
    scale: int = 0
    is_integer: bool = False
    currency: str | None = None
    values: tuple[str, ...] = ()
    is_key: bool = False

    @property
    def dtype(self) -> pl.DataType:
        """Return the Polars type of the value."""
        if self.category is Category.NUMBER:
            return pl.Int64() if self.is_integer else pl.Decimal(DECIMAL_PRECISION, self.scale)
        return _DTYPE[self.category]

    @property
    def words(self) -> str:
        """Name the type in a message: `amount`, `text`, `date`, …"""
        if self.category is Category.NUMBER and self.currency is not None:
            return "an amount"
        return _WORDS[self.category]


_DTYPE: Final[dict[Category, pl.DataType]] = {
    Category.TEXT: pl.String(), Category.BOOL: pl.Boolean(), Category.DATE: pl.Date(),
    Category.TIME: pl.Datetime("us", "UTC"), Category.NULL: pl.Null(), Category.SPAN: pl.Int64(),
}  # fmt: skip
_WORDS: Final = {
    Category.TEXT: "text", Category.BOOL: "a yes-or-no value", Category.NUMBER: "a number", Category.DATE: "a date",
    Category.TIME: "a time", Category.SPAN: "a length of time", Category.NULL: "a missing value",
}  # fmt: skip

TEXT: Final = Type(Category.TEXT, Kind.TEXT)
BOOL: Final = Type(Category.BOOL, Kind.BOOL)
DATE: Final = Type(Category.DATE, Kind.DATE)
TIME: Final = Type(Category.TIME, Kind.TIME)
INT: Final = Type(Category.NUMBER, Kind.INT, is_integer=True)
NULL: Final = Type(Category.NULL)
SPAN: Final = Type(Category.SPAN)


def decimal(scale: int, currency: str | None = None) -> Type:
    """Return the type of an exact decimal with so many digits after the point."""
    return Type(Category.NUMBER, scale=scale, currency=currency)


def enum(*values: str) -> Type:
    """Return the type of a text that is always one of the values."""
    return Type(Category.TEXT, Kind.ENUM, values=values)


def type_of(value: Kind | FieldSpec | Type, prefix: str = "") -> Type:
    """Return the type of a kind or field; `prefix` is the path of the record that holds the field."""
    if isinstance(value, Type):
        return value
    if isinstance(value, FieldSpec):
        currency = prefix + value.currency if value.currency is not None else None
        # The key of a record that another refers to is missing where the reference leads nowhere.
        return replace(type_of(value.kind), currency=currency, values=value.values, is_key=value.is_key and not prefix)
    if value is Kind.INT:
        return INT
    if value in DECIMAL_SCALE:
        return Type(Category.NUMBER, value, DECIMAL_SCALE[value])
    return Type(_CATEGORY[value], value)


@dataclass(frozen=True, slots=True)
class Unresolved:
    """Say why a name means nothing here, and which names are near."""

    message: str
    near: tuple[str, ...] = ()
    is_ambiguous: bool = False


class Scope:
    """Resolve names to types from a plain mapping; a name is also the column it stands in."""

    def __init__(
        self,
        names: Mapping[str, Kind | FieldSpec | Type],
        *,
        same_currency: Iterable[tuple[str, str]] = (),
    ) -> None:
        self.names: dict[str, Type] = {name: type_of(value) for name, value in names.items()}
        self.same_currency: tuple[tuple[str, str], ...] = tuple(same_currency)

    def resolve(self, path: str) -> tuple[str, Type] | Unresolved:
        """Return the column and type of a path, or why it means nothing."""
        found = self.names.get(path)
        return (path, found) if found is not None else self.unknown(path, self.names)

    def extended(self, names: Mapping[str, Kind | FieldSpec | Type], columns: Mapping[str, str] | None = None) -> Scope:
        """Return this scope with further names, which come first; `columns` says where they stand."""
        return _Extended(self, names, columns or {})

    @staticmethod
    def unknown(path: str, candidates: Iterable[str]) -> Unresolved:
        """Return the answer for an unknown name, with the nearest known ones."""
        near = tuple(difflib.get_close_matches(path.lower(), sorted(candidates), n=3, cutoff=0.6))
        hint = f", did you mean '{near[0]}'?" if near else ""
        return Unresolved(f"unknown field '{path}'{hint}", near)


class _Extended(Scope):
    """A scope whose own names stand before those of another."""

    def __init__(self, base: Scope, names: Mapping[str, Kind | FieldSpec | Type], columns: Mapping[str, str]) -> None:
        super().__init__({**base.names, **names}, same_currency=base.same_currency)
        self._base = base
        self._own = frozenset(names)
        self._columns = columns

    def resolve(self, path: str) -> tuple[str, Type] | Unresolved:
        """Return the column and type of a path, own names first."""
        if path in self._own:
            return self._columns.get(path, path), self.names[path]
        found = self._base.resolve(path)
        return self.unknown(path, [*self._own, *found.near]) if isinstance(found, Unresolved) and not found.near else found


@dataclass(frozen=True, slots=True)
class Reach:
    """Say how a name is reached: the referring columns (first not missing wins) and the entity."""

    entity: str
    columns: tuple[str, ...]


# A record belongs to one contract and one customer, so several ways to them are one: the first
# that is filled. To other entities (whose legal entity: the project's or the resource's?) they differ.
_ONE_PER_RECORD: Final = frozenset({"contract", "customer"})


def reach(entity: str, part: str, registry: Mapping[str, EntitySpec]) -> Reach | Unresolved:
    """Return how a record of `entity` reaches the record called `part`."""
    fields = registry[entity].references
    by_name = [name for name in fields if name.removesuffix("_id") == part]
    if by_name:
        return _single_key(fields[by_name[0]], (by_name[0],), registry, part)
    by_entity = [name for name, target in fields.items() if target == part]
    if len(by_entity) == 1:
        return _single_key(part, (by_entity[0],), registry, part)
    if by_entity:
        options = " or ".join(f"'{name.removesuffix('_id')}'" for name in by_entity)
        return Unresolved(f"'{part}' could be {options}; write which", is_ambiguous=True)
    return _indirect(entity, part, registry)


def _single_key(entity: str, columns: tuple[str, ...], registry: Mapping[str, EntitySpec], part: str) -> Reach | Unresolved:
    if entity not in registry or len(registry[entity].keys) != 1:
        return Unresolved(f"'{part}' cannot be reached, since its key has several fields")
    return Reach(entity, columns)


def _indirect(entity: str, part: str, registry: Mapping[str, EntitySpec]) -> Reach | Unresolved:
    """Return the way over one record between, such as a time entry's contract over its contract line."""
    fields = registry[entity].references
    order = list(registry)
    ways: list[tuple[int, str]] = []
    for middle in sorted({name.removesuffix("_id") for name in fields}):
        step = reach_direct(entity, middle, registry)
        if step is None:
            continue
        ways += [
            (order.index(step.entity), f"{middle}.{name}")
            for name, target in registry[step.entity].references.items()
            if target == part and name.removesuffix("_id") == part
        ]
    if not ways or part not in registry or len(registry[part].keys) != 1:
        return Unresolved("")
    columns = tuple(path for _, path in sorted(ways))
    if len(columns) > 1 and part not in _ONE_PER_RECORD:
        options = " or ".join(f"'{path.rpartition('.')[0]}.{part}'" for path in columns)
        return Unresolved(f"'{part}' could be {options}; write which", is_ambiguous=True)
    return Reach(part, columns)


def reach_direct(entity: str, part: str, registry: Mapping[str, EntitySpec]) -> Reach | None:
    """Return how `part` is reached by a field of the entity itself, or None."""
    for name, target in registry[entity].references.items():
        if name.removesuffix("_id") == part and target in registry and len(registry[target].keys) == 1:
            return Reach(target, (name,))
    return None


class EntityScope(Scope):
    """Resolve names over the canonical model, seen from one entity's record."""

    def __init__(
        self,
        entity: str,
        registry: Mapping[str, EntitySpec],
        extra: Mapping[str, Kind | FieldSpec | Type],
        *,
        same_currency: Iterable[tuple[str, str]] = (),
    ) -> None:
        super().__init__(extra, same_currency=same_currency)
        self.entity = entity
        self.registry = registry

    def resolve(self, path: str) -> tuple[str, Type] | Unresolved:
        """Return the column and type of a path, walking the references it names."""
        if path in self.names:
            return path, self.names[path]
        parts = path.split(".")
        own = self.registry[self.entity]
        names_itself = parts[0] == self.entity and reach_direct(self.entity, self.entity, self.registry) is None
        if len(parts) > 1 and names_itself:
            parts = parts[1:]
        entity = self.entity
        for depth, part in enumerate(parts[:-1]):
            step = reach(entity, part, self.registry)
            if isinstance(step, Unresolved):
                return step if step.message else self._unknown_reference(".".join(parts), entity, parts[: depth + 1])
            entity = step.entity
        spec = self._field(entity, parts[-1])
        if spec is None:
            return self._unknown_field(parts, own if len(parts) == 1 else self.registry[entity])
        if len(parts) > MAX_PATH_PARTS:
            return Unresolved(f"'{path}' reaches through more than three references")
        prefix = ".".join(parts[:-1])
        return ".".join(parts), type_of(spec, f"{prefix}." if prefix else "")

    def _field(self, entity: str, name: str) -> FieldSpec | None:
        return self.registry[entity].fields.get(name) or PROVENANCE.get(name)

    def _unknown_field(self, parts: list[str], spec: EntitySpec) -> Unresolved:
        prefix = ".".join(parts[:-1])
        known = [f"{prefix}.{name}" if prefix else name for name in (*spec.fields, *PROVENANCE)]
        return self.unknown(".".join(parts), [*known, *self.names])

    def _unknown_reference(self, path: str, entity: str, parts: list[str]) -> Unresolved:
        spec = self.registry[entity]
        prefix = ".".join(parts[:-1])
        tail = path[len(".".join(parts)) :]
        names = {name.removesuffix("_id") for name in spec.references} | set(spec.references.values())
        near = difflib.get_close_matches(parts[-1].lower(), sorted(names), n=3, cutoff=0.6)
        full = tuple((f"{prefix}." if prefix else "") + name + tail for name in near)
        hint = f", did you mean '{full[0]}'?" if full else ""
        return Unresolved(f"unknown field '{path}': {entity} has no reference '{parts[-1]}'{hint}", full)


def entity_scope(
    entity: str,
    registry: Mapping[str, EntitySpec] = ENTITIES,
    extra: Mapping[str, Kind | FieldSpec | Type] | None = None,
    *,
    same_currency: Iterable[tuple[str, str]] = (),
) -> Scope:
    """Return the scope of an entity's records: own fields, fields of referenced records, extra names.

    `same_currency` names pairs of currency paths that are known to hold equal values.
    """
    return EntityScope(entity, registry, extra or {}, same_currency=same_currency)
