"""A condition back to text: its canonical form, and a sentence for people who read no code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.condition.nodes import COMPARISONS, CONTRARY, Node, Op

_BINDING: Final = {
    Op.OR: 1, Op.AND: 2, Op.NOT: 3, Op.IN: 4, Op.BETWEEN: 4, Op.IS_NULL: 4, Op.LIKE: 4,
    Op.ADD: 6, Op.SUB: 6, Op.MUL: 7, Op.DIV: 7, Op.NEG: 8,
} | dict.fromkeys(COMPARISONS, 4)  # fmt: skip
_ATOM: Final = 9

_COMPARED: Final = {
    Op.EQ: "is", Op.NE: "is not", Op.LT: "is less than", Op.LE: "is at most", Op.GT: "is more than", Op.GE: "is at least",
}  # fmt: skip
_SIGNED: Final = {Op.ADD: "plus", Op.SUB: "minus", Op.MUL: "times", Op.DIV: "divided by"}


def render_text(node: Node) -> str:
    """Return the canonical text of a condition; parsing it gives the same tree."""
    if node.op in (Op.PATH, Op.NUMBER):
        return node.value
    if node.op is Op.TEXT:
        return _quoted(node.value)
    if node.op in (Op.BOOL, Op.NULL):
        return node.value.upper() or "NULL"
    if node.op is Op.PERIOD:
        return f"{node.args[0].value} {node.value}"
    if node.op is Op.CALL:
        return f"{node.value}({', '.join(render_text(arg) for arg in node.args)})"
    if node.op is Op.CASE:
        return _case_text(node)
    if node.op is Op.NOT:
        return _not_text(node.args[0])
    if node.op is Op.NEG:
        return f"-{_inside(node.args[0], _ATOM)}"
    if node.op in (Op.AND, Op.OR):
        level = _BINDING[node.op] + 1
        return f" {node.op.value} ".join(_inside(arg, level) for arg in node.args)
    return _operation_text(node)


def _operation_text(node: Node, negation: str = "") -> str:
    first = _inside(node.args[0], _BINDING[node.op] + (0 if node.op in _SIGNED else 1))
    if node.op is Op.IN:
        return f"{first} {negation}IN ({', '.join(render_text(arg) for arg in node.args[1:])})"
    if node.op is Op.BETWEEN:
        low, high = (_inside(arg, 5) for arg in node.args[1:])
        return f"{first} {negation}BETWEEN {low} AND {high}"
    if node.op is Op.LIKE:
        return f"{first} {negation}LIKE {render_text(node.args[1])}"
    if node.op is Op.IS_NULL:
        return f"{first} IS {negation}NULL"
    return f"{first} {node.op.value} {_inside(node.args[1], _BINDING[node.op] + 1)}"


def _not_text(inner: Node) -> str:
    if inner.op in (Op.IN, Op.BETWEEN, Op.LIKE, Op.IS_NULL):
        return _operation_text(inner, "NOT ")
    return f"NOT {_inside(inner, _BINDING[Op.NOT])}"


def _inside(node: Node, level: int) -> str:
    # NOT over one of these is written within it (`a NOT IN (…)`), and binds as tightly.
    inlined = node.op is Op.NOT and node.args[0].op in (Op.IN, Op.BETWEEN, Op.LIKE, Op.IS_NULL)
    binding = _BINDING[Op.IN] if inlined else _BINDING.get(node.op, _ATOM)
    text = render_text(node)
    return f"({text})" if binding < level else text


def _case_text(node: Node) -> str:
    pairs = len(node.args) // 2
    branches = [
        f"WHEN {render_text(node.args[2 * index])} THEN {render_text(node.args[2 * index + 1])}" for index in range(pairs)
    ]
    default = [f"ELSE {render_text(node.args[-1])}"] if len(node.args) % 2 else []
    return " ".join(["CASE", *branches, *default, "END"])


def _quoted(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def render_words(node: Node) -> str:
    """Return a condition or value as a plain English phrase, such as `status is approved`."""
    if node.op is Op.PATH:
        return _name(node.value)
    if node.op is Op.TEXT:
        return node.value or "an empty text"
    if node.op in (Op.NUMBER, Op.BOOL):
        return {"true": "yes", "false": "no"}.get(node.value, node.value)
    if node.op is Op.NULL:
        return "nothing"
    if node.op is Op.PERIOD:
        return _length(node)
    if node.op in (Op.AND, Op.OR):
        return _joined(node)
    if node.op is Op.NOT:
        return _negated(node.args[0])
    if node.op is Op.NEG:
        return f"minus {render_words(node.args[0])}"
    if node.op in _SIGNED:
        return _calculation(node)
    if node.op is Op.CALL:
        return _call(node)
    if node.op is Op.CASE:
        return _choice(node)
    return _test(node)


def _test(node: Node, negation: str = "") -> str:
    first = render_words(node.args[0])
    if node.op is Op.IS_NULL:
        return f"{first} is {'given' if negation else 'missing'}"
    if node.op is Op.IN:
        listed = [render_words(arg) for arg in node.args[1:]]
        return f"{first} is {negation}{'one of ' if len(listed) > 1 else ''}{', '.join(listed)}"
    if node.op is Op.BETWEEN:
        return f"{first} is {negation}between {render_words(node.args[1])} and {render_words(node.args[2])}"
    if node.op is Op.LIKE:
        return f"{first} {'does not look' if negation else 'looks'} like {node.args[1].value}"
    return f"{first} {_COMPARED[node.op]} {render_words(node.args[1])}"


def _negated(inner: Node) -> str:
    if inner.op in COMPARISONS:
        return _test(Node(CONTRARY[inner.op], inner.args))
    if inner.op in (Op.IN, Op.BETWEEN, Op.LIKE, Op.IS_NULL):
        return _test(inner, "not ")
    if inner.op is Op.PATH:
        return f"{_name(inner.value)} is no"
    return f"it is not so that {render_words(inner)}"


def _joined(node: Node) -> str:
    word = " and " if node.op is Op.AND else " or "
    parts = []
    for arg in node.args:
        words = f"{render_words(arg)} is yes" if arg.op is Op.PATH else render_words(arg)
        parts.append(f"({words})" if arg.op in (Op.AND, Op.OR) else words)
    return word.join(parts)


def _calculation(node: Node) -> str:
    left, right = node.args
    if right.op is Op.PERIOD:
        return f"{_length(right)} {'after' if node.op is Op.ADD else 'before'} {render_words(left)}"
    return f"{_part(left)} {_SIGNED[node.op]} {_part(right)}"


def _part(node: Node) -> str:
    words = render_words(node)
    return f"({words})" if node.op in _SIGNED else words


def _length(node: Node) -> str:
    count = node.args[0].value
    return f"{count} {node.value.removesuffix('s') if count == '1' else node.value}"


def _choice(node: Node) -> str:
    pairs = len(node.args) // 2
    parts = [f"{render_words(node.args[2 * index + 1])} when {render_words(node.args[2 * index])}" for index in range(pairs)]
    default = [f"otherwise {render_words(node.args[-1])}"] if len(node.args) % 2 else []
    return ", ".join([*parts, *default])


def _list(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]


_CALLS: Final[dict[str, Callable[[list[str]], str]]] = {
    "COALESCE": lambda args: f"the first given of {_list(args)}",
    "LEAST": lambda args: f"the least of {_list(args)}",
    "GREATEST": lambda args: f"the greatest of {_list(args)}",
    "ABS": lambda args: f"the size of {args[0]}",
    "ROUND": lambda args: f"{args[0]} rounded to {args[1] if len(args) > 1 else '0'} decimals",
    "ROUND_EVEN": lambda args: f"{args[0]} rounded half-even to {args[1] if len(args) > 1 else '0'} decimals",
    "UPPER": lambda args: f"{args[0]} in capitals",
    "LOWER": lambda args: f"{args[0]} in small letters",
    "TRIM": lambda args: f"{args[0]} without spaces around it",
    "LENGTH": lambda args: f"the length of {args[0]}",
    "STARTS_WITH": lambda args: f"{args[0]} starts with {args[1]}",
    "YEAR": lambda args: f"the year of {args[0]}",
    "MONTH": lambda args: f"the month of {args[0]}",
    "DAY": lambda args: f"the day of the month of {args[0]}",
    "LAST_DAY": lambda args: f"the last day of the month of {args[0]}",
    "ADD_MONTHS": lambda args: f"{args[1]} months after {args[0]}",
    "DATE_DIFF": lambda args: f"the {args[0].lower()}s from {args[1]} to {args[2]}",
    "WORKDAYS": lambda args: f"the workdays from {args[0]} to {args[1]}",
}


def _call(node: Node) -> str:
    if node.value == "IF":
        return _choice(node)
    args = [render_words(arg) for arg in node.args]
    told = _CALLS.get(node.value)
    return told(args) if told is not None else f"{node.value}({', '.join(args)})"


def _name(path: str) -> str:
    parts = [part.replace("_", " ") for part in path.split(".")]
    return parts[0] if len(parts) == 1 else "the " + "'s ".join(parts)
