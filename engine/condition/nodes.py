"""The tree a condition is read into: a closed list of operations, each with its place in the text.

Nothing here knows types, fields or Polars; whatever is not an `Op` is no part of the language.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Op(StrEnum):
    """Name an operation of the language."""

    PATH = "path"
    TEXT = "text"
    NUMBER = "number"
    BOOL = "bool"
    NULL = "null"
    AND = "AND"
    OR = "OR"
    NOT = "NOT"
    EQ = "="
    NE = "<>"
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    IN = "IN"
    BETWEEN = "BETWEEN"
    IS_NULL = "IS NULL"
    LIKE = "LIKE"
    ADD = "+"
    SUB = "-"
    MUL = "*"
    DIV = "/"
    NEG = "negative"
    CASE = "CASE"
    CALL = "call"
    PERIOD = "length of time"


COMPARISONS: Final = (Op.EQ, Op.NE, Op.LT, Op.LE, Op.GT, Op.GE)

TURNED: Final = {Op.LT: Op.GT, Op.LE: Op.GE, Op.GT: Op.LT, Op.GE: Op.LE}
"""The comparison that says the same with its sides exchanged."""

CONTRARY: Final = {Op.EQ: Op.NE, Op.NE: Op.EQ, Op.LT: Op.GE, Op.GE: Op.LT, Op.GT: Op.LE, Op.LE: Op.GT}
"""The comparison that holds where the other does not."""

MAX_CHARACTERS: Final = 4_000
MAX_DEPTH: Final = 50

# Names of one record's references and field, at most three references deep.
MAX_PATH_PARTS: Final = 4


@dataclass(frozen=True, slots=True)
class Node:
    """Hold one operation, its operands, and where it stands in the text.

    `value` is the path, the literal's text, the function's name in capitals, or the unit of a
    length of time. The arguments of a CASE are condition, result, …, and a last odd one for ELSE.
    """

    op: Op
    args: tuple[Node, ...] = ()
    value: str = ""
    start: int = 0
    length: int = 1

    @property
    def end(self) -> int:
        """Return the offset just after the node's text."""
        return self.start + self.length

    def walk(self) -> Iterator[Node]:
        """Yield the node and everything below it."""
        yield self
        for each in self.args:
            yield from each.walk()
