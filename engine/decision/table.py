"""A decision table as its author wrote it: inputs, outputs, hit policy, and a grid of cells with places."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from engine.condition.scope import BOOL, DATE, INT, TEXT, Type, decimal, enum
from engine.diagnostics import Anchor, Span


class HitPolicy(StrEnum):
    """Say what happens when several rules of a table hold, in the words of DMN."""

    UNIQUE = "UNIQUE"
    FIRST = "FIRST"
    ANY = "ANY"
    PRIORITY = "PRIORITY"
    COLLECT = "COLLECT"
    RULE_ORDER = "RULE ORDER"
    OUTPUT_ORDER = "OUTPUT ORDER"

    @property
    def is_multiple(self) -> bool:
        """Say whether a record gets the outputs of every rule that holds."""
        return self in (HitPolicy.COLLECT, HitPolicy.RULE_ORDER, HitPolicy.OUTPUT_ORDER)


class Aggregation(StrEnum):
    """Say how COLLECT makes one value of many."""

    NONE = ""
    SUM = "SUM"
    MIN = "MIN"
    MAX = "MAX"
    COUNT = "COUNT"


def parse_hit(text: str) -> tuple[HitPolicy, Aggregation] | None:
    """Read `FIRST`, `COLLECT SUM`, `RULE ORDER`, …; None when it is no hit policy."""
    words = " ".join(text.upper().replace("(", " ").replace(")", " ").split())
    for aggregation in Aggregation:
        if aggregation and words == f"COLLECT {aggregation}":
            return HitPolicy.COLLECT, aggregation
    return (HitPolicy(words), Aggregation.NONE) if words in {policy.value for policy in HitPolicy} else None


@dataclass(frozen=True, slots=True)
class GridCell:
    """Hold one cell's text and where it stands; in a workbook the place is the whole cell."""

    text: str
    anchor: Anchor
    is_sheet: bool = False

    def span(self, offset: int = 0, length: int = 0) -> Span:
        """Return the place of a part of the cell."""
        if self.is_sheet:
            return Span(self.anchor.file, self.anchor.line, self.anchor.column)
        return self.anchor.span(self.text, offset, length or max(len(self.text) - offset, 1))


@dataclass(frozen=True, slots=True)
class Grid:
    """Hold a table's header and rows as cells."""

    header: tuple[GridCell, ...] = ()
    rows: tuple[tuple[GridCell, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class TableInput:
    """Name one input of a table: a field's path, or a name with the expression that computes it."""

    name: str
    expression: str = ""
    anchor: Anchor = field(default_factory=lambda: Anchor("", 1, 1))


@dataclass(frozen=True, slots=True)
class DecisionTable:
    """Hold a table as written.

    `inputs` may be empty: then every column that is no output is an input named by its header.
    `outputs` are typed by `output_type`. `default` gives output cells for records that no rule
    matches; without it they have the status no_match.
    """

    id: str
    outputs: Mapping[str, Type]
    grid: Grid
    inputs: tuple[TableInput, ...] = ()
    hit: HitPolicy = HitPolicy.UNIQUE
    aggregation: Aggregation = Aggregation.NONE
    default: Mapping[str, GridCell] | None = None
    anchor: Anchor = field(default_factory=lambda: Anchor("", 1, 1))


_DECIMAL: Final = re.compile(r"decimal\s*\(\s*(\d{1,2})\s*\)\Z")


def output_type(setting: str | Sequence[str]) -> Type | None:
    """Return the type an output is declared with, or None when it is none.

    A list names the values an output can have, in order of priority; else `text`, `bool`, `int`,
    `decimal(digits)`, `money` (2 digits) or `date`.
    """
    if not isinstance(setting, str):
        values = tuple(str(value) for value in setting)
        return enum(*values) if values and len(set(values)) == len(values) else None
    words = setting.strip().lower()
    plain = {"text": TEXT, "bool": BOOL, "int": INT, "date": DATE, "money": decimal(2)}
    found = _DECIMAL.match(words)
    if found and int(found[1]) <= 12:
        return decimal(int(found[1]))
    return plain.get(words)
