"""Condition text to a whitelisted tree; the only module that imports sqlglot.

The grammar is frozen twice. Before parsing, every token must be of a listed kind, and each word
that is no keyword of ours becomes a plain name, so a new sqlglot keyword changes nothing. After
parsing, every node must be of a listed class and every word of the text must stand in the tree,
because sqlglot is lenient: it reads `@a` as ABS(a), `a b` as an alias, and skips empty list items.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Final

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ParseError, TokenError
from sqlglot.parser import Parser
from sqlglot.tokenizer_core import Token, TokenType

from engine.condition.codes import (
    CONDITION_SYNTAX,
    CONDITION_TOO_DEEP,
    CONDITION_TOO_LONG,
    CONSTRUCT_NOT_ALLOWED,
)
from engine.condition.nodes import MAX_CHARACTERS, MAX_DEPTH, MAX_PATH_PARTS, Node, Op
from engine.diagnostics import Anchor, Code, Diagnostic

_KEYWORDS: Final[dict[str, TokenType]] = {
    "AND": TokenType.AND, "OR": TokenType.OR, "NOT": TokenType.NOT, "IN": TokenType.IN,
    "BETWEEN": TokenType.BETWEEN, "IS": TokenType.IS, "NULL": TokenType.NULL, "LIKE": TokenType.LIKE,
    "TRUE": TokenType.TRUE, "FALSE": TokenType.FALSE, "CASE": TokenType.CASE, "WHEN": TokenType.WHEN,
    "THEN": TokenType.THEN, "ELSE": TokenType.ELSE, "END": TokenType.END,
}  # fmt: skip
_SIGNS: Final = {
    "(": TokenType.L_PAREN, ")": TokenType.R_PAREN, ",": TokenType.COMMA, ".": TokenType.DOT, "-": TokenType.DASH,
    "+": TokenType.PLUS, "*": TokenType.STAR, "/": TokenType.SLASH, "=": TokenType.EQ, "<>": TokenType.NEQ,
    "!=": TokenType.NEQ, "<": TokenType.LT, "<=": TokenType.LTE, ">": TokenType.GT, ">=": TokenType.GTE,
}  # fmt: skip
# Words of SQL that authors may try, and what to call them in the message.
_FOREIGN_WORDS: Final = {
    "SELECT": "Subquery", "WITH": "Subquery", "UNION": "Subquery", "EXISTS": "Subquery", "OVER": "Window function",
    "CAST": "CAST", "TRY_CAST": "CAST", "DISTINCT": "DISTINCT", "INTERVAL": "INTERVAL", "DROP": "SQL statement",
    "DELETE": "SQL statement", "INSERT": "SQL statement", "UPDATE": "SQL statement", "CREATE": "SQL statement",
    "ESCAPE": "ESCAPE", "ILIKE": "ILIKE", "LAMBDA": "Lambda", "ANY": "ANY", "ALL": "ALL",
}  # fmt: skip
_UNITS: Final = {
    "DAY": "days", "DAYS": "days", "WORKDAY": "workdays", "WORKDAYS": "workdays", "MONTH": "months",
    "MONTHS": "months", "YEAR": "years", "YEARS": "years",
}  # fmt: skip
_WORD: Final = re.compile(r"[^\W\d]\w*\Z")
_NUMBER: Final = re.compile(r"\d+(\.\d+)?\Z")

# Stands in the token list for `5 workdays`, which sqlglot would read as a number with an alias.
_LENGTH_OF_TIME: Final = "__LENGTH_OF_TIME"

_BINARY: Final[dict[type[exp.Expr], Op]] = {
    exp.EQ: Op.EQ, exp.NEQ: Op.NE, exp.LT: Op.LT, exp.LTE: Op.LE, exp.GT: Op.GT, exp.GTE: Op.GE,
    exp.Add: Op.ADD, exp.Sub: Op.SUB, exp.Mul: Op.MUL, exp.Div: Op.DIV, exp.And: Op.AND, exp.Or: Op.OR,
}  # fmt: skip
_KNOWN_CONSTRUCTS: Final[dict[type[exp.Expr], str]] = {
    exp.Alias: "A second word after a value", exp.Aliases: "A second word after a value",
    exp.Subquery: "Subquery", exp.Select: "Subquery", exp.Tuple: "A list outside IN", exp.Star: "*",
    exp.Kwarg: "=>", exp.PropertyEQ: "=>", exp.Is: "IS with anything but NULL", exp.Dot: "This use of a dot",
}  # fmt: skip


class _ConditionParser(Parser):
    """Parse scalar expressions with every built-in function switched off: calls stay plain names."""

    FUNCTIONS: ClassVar = {}
    FUNCTION_PARSERS: ClassVar = {}
    NO_PAREN_FUNCTIONS: ClassVar = {}
    NO_PAREN_FUNCTION_PARSERS: ClassVar = {"CASE": Parser.NO_PAREN_FUNCTION_PARSERS["CASE"]}


_DIALECT: Final = Dialect()


@dataclass(frozen=True, slots=True)
class Parsed:
    """Hold a parsed condition: its tree, or None and the diagnostics that say why not."""

    text: str
    anchor: Anchor
    node: Node | None
    diagnostics: tuple[Diagnostic, ...] = ()


class _RefusedError(Exception):
    """A place in the text that the language does not admit; never leaves this module."""

    def __init__(self, code: Code, message: str, start: int, length: int = 1) -> None:
        super().__init__(message)
        self.code, self.message, self.start, self.length = code, message, start, length


def parse_condition(text: str, anchor: Anchor) -> Parsed:
    """Parse a condition or value expression; what cannot be read is a diagnostic, never an error."""
    try:
        return Parsed(text, anchor, _parse(text))
    except _RefusedError as refused:
        span = anchor.span(text, refused.start, refused.length)
        return Parsed(text, anchor, None, (Diagnostic(refused.code, span, refused.message, anchor.line_text),))
    except RecursionError:
        message = f"the condition is nested deeper than {MAX_DEPTH} levels"
        return Parsed(text, anchor, None, (Diagnostic(CONDITION_TOO_DEEP, anchor.span(text), message, anchor.line_text),))


# A policy's texts are read when it is checked and again when it decides.
@lru_cache(maxsize=4_000)
def _parse(text: str) -> Node:
    if len(text) > MAX_CHARACTERS:
        message = f"the condition has {len(text):,} characters; {MAX_CHARACTERS:,} is the most"
        raise _RefusedError(CONDITION_TOO_LONG, message, 0)
    tokens = _tokens(text)
    if not tokens:
        raise _RefusedError(CONDITION_SYNTAX, "the condition is empty", 0)
    _check_sequence(tokens)
    words = sum(token.token_type in (TokenType.VAR, TokenType.STRING, TokenType.NUMBER) for token in tokens)
    try:
        trees = _ConditionParser(dialect=_DIALECT, error_message_context=MAX_CHARACTERS).parse(tokens, text)
    except ParseError as error:
        raise _syntax(error, text) from None
    if len(trees) != 1 or trees[0] is None:
        raise _RefusedError(CONDITION_SYNTAX, "the condition is not one expression", 0, len(text))
    reader = _Reader(text, tokens)
    node = reader.read(trees[0], 1)
    if reader.words != words:
        raise _RefusedError(CONDITION_SYNTAX, "part of the condition cannot be read", 0, len(text))
    return node


def _tokens(text: str) -> list[Token]:
    """Split the text; refuse every token outside the language; write lengths of time as calls."""
    try:
        tokens = _DIALECT.tokenize(text)
    except (TokenError, ValueError):
        quote = text.rfind("'") if text.count("'") % 2 else max(text.rfind('"'), text.rfind("/*"), 0)
        raise _RefusedError(CONDITION_SYNTAX, "a quote is not closed", max(quote, 0)) from None
    covered = 0
    for token in tokens:
        _refuse_comment(text, covered, token.start)
        covered = token.end + 1
        _admit(token, text)
    _refuse_comment(text, covered, len(text))
    return _with_lengths_of_time(tokens)


def _refuse_comment(text: str, start: int, end: int) -> None:
    between = text[start:end]
    if between.strip():
        offset = start + len(between) - len(between.lstrip())
        raise _RefusedError(CONSTRUCT_NOT_ALLOWED, "Comment is not allowed in policy expressions", offset, end - offset)


def _admit(token: Token, text: str) -> None:
    written = text[token.start : token.end + 1]
    length = len(written)
    if token.token_type is TokenType.STRING and written.startswith("'"):
        return
    if token.token_type is TokenType.NUMBER and _NUMBER.match(written):
        return
    if written.startswith('"'):
        message = f"text is written in single quotes: '{token.text}'"
        raise _RefusedError(CONDITION_SYNTAX, message, token.start, length)
    if _WORD.match(written):
        upper = written.upper()
        if upper in _FOREIGN_WORDS:
            message = f"{_FOREIGN_WORDS[upper]} is not allowed in policy expressions"
            raise _RefusedError(CONSTRUCT_NOT_ALLOWED, message, token.start, length)
        token.token_type = _KEYWORDS.get(upper, TokenType.VAR)
        return
    if _SIGNS.get(written) is not None:
        token.token_type = _SIGNS[written]
        return
    if token.token_type is TokenType.NUMBER:
        message = f"'{written}' is not a number (write digits, and a point before the decimals)"
        raise _RefusedError(CONDITION_SYNTAX, message, token.start, length)
    raise _RefusedError(CONSTRUCT_NOT_ALLOWED, f"'{written}' is not allowed in policy expressions", token.start, length)


def _with_lengths_of_time(tokens: list[Token]) -> list[Token]:
    result: list[Token] = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        unit = tokens[index + 1] if index + 1 < len(tokens) else None
        after = tokens[index + 2] if index + 2 < len(tokens) else None
        called = after is not None and after.token_type is TokenType.L_PAREN
        is_length = token.token_type is TokenType.NUMBER and unit is not None and unit.token_type is TokenType.VAR
        if is_length and unit is not None and unit.text.upper() in _UNITS and not called:
            name = Token(TokenType.VAR, _LENGTH_OF_TIME, start=token.start, end=token.start)
            opening = Token(TokenType.L_PAREN, "(", start=token.start, end=token.start)
            comma = Token(TokenType.COMMA, ",", start=token.end, end=token.end)
            closing = Token(TokenType.R_PAREN, ")", start=unit.end, end=unit.end)
            result += [name, opening, token, comma, unit, closing]
            index += 2
            continue
        result.append(token)
        index += 1
    return result


def _check_sequence(tokens: list[Token]) -> None:
    """Refuse nesting beyond the limit, and empty list items, before sqlglot sees the tokens."""
    depth = prefixes = 0
    before: Token | None = None
    for token in tokens:
        kind = token.token_type
        if kind in (TokenType.L_PAREN, TokenType.CASE):
            depth += 1
        elif kind in (TokenType.R_PAREN, TokenType.END):
            depth -= 1
        prefixes = prefixes + 1 if kind in (TokenType.NOT, TokenType.DASH, TokenType.PLUS) else 0
        if max(depth, prefixes) > MAX_DEPTH:
            message = f"the condition is nested deeper than {MAX_DEPTH} levels"
            raise _RefusedError(CONDITION_TOO_DEEP, message, token.start)
        opened = before is not None and before.token_type in (TokenType.L_PAREN, TokenType.COMMA)
        empty = kind is TokenType.COMMA and opened
        after_comma = kind is TokenType.R_PAREN and before is not None and before.token_type is TokenType.COMMA
        if empty or after_comma:
            raise _RefusedError(CONDITION_SYNTAX, "empty list item (stray comma)", token.start)
        before = token


def _syntax(error: ParseError, text: str) -> _RefusedError:
    first = error.errors[0] if error.errors else {}
    start = min(len(str(first.get("start_context", ""))), max(len(text) - 1, 0))
    marked = str(first.get("highlight", ""))
    problem = str(first.get("description", ""))
    if "missing" in problem:
        message = f"something is missing next to '{marked}'"
    elif problem.startswith("Expecting"):
        message = f"'{problem.removeprefix('Expecting ').strip()}' is missing after '{marked}'"
    else:
        message = f"'{marked}' is not expected here"
    return _RefusedError(CONDITION_SYNTAX, message, start, max(len(marked), 1))


class _Reader:
    """Turn one sqlglot tree into nodes, counting the words it uses."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self.text = text
        self.tokens = tokens
        self.words = 0

    def read(self, tree: exp.Expr, depth: int) -> Node:
        if depth > MAX_DEPTH:
            start, length = self._place(tree)
            raise _RefusedError(CONDITION_TOO_DEEP, f"the condition is nested deeper than {MAX_DEPTH} levels", start, length)
        if isinstance(tree, exp.Paren):
            return self.read(tree.this, depth + 1)
        if isinstance(tree, (exp.And, exp.Or)):
            return self._chain(tree, depth)
        op = _BINARY.get(type(tree))
        if op is not None:
            return self._over(op, (self.read(tree.this, depth + 1), self.read(tree.expression, depth + 1)))
        if isinstance(tree, (exp.Literal, exp.Boolean, exp.Null)):
            return self._literal(tree)
        if isinstance(tree, exp.Column):
            return self._path(tree)
        if isinstance(tree, exp.Anonymous):
            return self._call(tree, depth)
        if isinstance(tree, exp.Case):
            return self._case(tree, depth)
        return self._predicate(tree, depth)

    def _predicate(self, tree: exp.Expr, depth: int) -> Node:
        if isinstance(tree, exp.Not):
            return self._over(Op.NOT, (self.read(tree.this, depth + 1),))
        if isinstance(tree, exp.Neg):
            return self._over(Op.NEG, (self.read(tree.this, depth + 1),))
        if isinstance(tree, exp.Between) and set(filter(tree.args.get, tree.args)) == {"this", "low", "high"}:
            parts = (tree.this, tree.args["low"], tree.args["high"])
            return self._over(Op.BETWEEN, tuple(self.read(part, depth + 1) for part in parts))
        if isinstance(tree, exp.In) and set(filter(tree.args.get, tree.args)) == {"this", "expressions"}:
            parts = (tree.this, *tree.expressions)
            return self._over(Op.IN, tuple(self.read(part, depth + 1) for part in parts))
        if isinstance(tree, exp.Is) and isinstance(tree.expression, exp.Null):
            return self._over(Op.IS_NULL, (self.read(tree.this, depth + 1),))
        if isinstance(tree, exp.Like) and isinstance(tree.expression, exp.Literal) and tree.expression.is_string:
            like = self._over(Op.LIKE, (self.read(tree.this, depth + 1), self._literal(tree.expression)))
            return self._over(Op.NOT, (like,)) if tree.args.get("negate") else like
        raise self._refusal(tree)

    def _refusal(self, tree: exp.Expr) -> _RefusedError:
        start, length = self._place(tree)
        if isinstance(tree, exp.Alias):
            start, length = self._place(tree.args["alias"])
        if isinstance(tree, exp.In) and tree.args.get("field") is not None:
            return _RefusedError(CONDITION_SYNTAX, "IN needs a list in brackets", start, length)
        if isinstance(tree, exp.In):
            return _RefusedError(CONDITION_SYNTAX, "IN needs at least one value", start, length)
        if isinstance(tree, exp.Like):
            return _RefusedError(CONDITION_SYNTAX, "LIKE needs a pattern in single quotes", start, length)
        what = _KNOWN_CONSTRUCTS.get(type(tree), type(tree).__name__)
        return _RefusedError(CONSTRUCT_NOT_ALLOWED, f"{what} is not allowed in policy expressions", start, length)

    def _chain(self, tree: exp.Expr, depth: int) -> Node:
        """Read a chain of one connective as one node, however long, without recursing on it."""
        kind = type(tree)
        parts: list[exp.Expr] = []
        waiting = [tree]
        while waiting:
            each = waiting.pop()
            if type(each) is kind:
                waiting += [each.expression, each.this]
            else:
                parts.append(each)
        return self._over(_BINARY[kind], tuple(self.read(part, depth + 1) for part in parts))

    def _over(self, op: Op, args: tuple[Node, ...], value: str = "") -> Node:
        start, end = min(arg.start for arg in args), max(arg.end for arg in args)
        return Node(op, args, value, start, end - start)

    def _literal(self, tree: exp.Expr) -> Node:
        if isinstance(tree, exp.Null):
            return Node(Op.NULL, (), "", *self._place(tree))
        if isinstance(tree, exp.Boolean):
            return Node(Op.BOOL, (), "true" if tree.this else "false", *self._place(tree))
        self.words += 1
        start, length = self._place(tree)
        return Node(Op.TEXT if tree.args.get("is_string") else Op.NUMBER, (), str(tree.this), start, length)

    def _path(self, tree: exp.Column) -> Node:
        parts = tree.parts
        places = [self._place(part) for part in parts]
        start, end = places[0][0], sum(places[-1])
        plain = all(isinstance(part, exp.Identifier) and not part.args.get("quoted") for part in parts)
        if not plain:
            raise _RefusedError(CONSTRUCT_NOT_ALLOWED, "* is not allowed in policy expressions", start, end - start)
        if len(parts) > MAX_PATH_PARTS:
            raise _RefusedError(CONSTRUCT_NOT_ALLOWED, "a name reaches through at most three references", start, end - start)
        self.words += len(parts)
        return Node(Op.PATH, (), ".".join(part.name for part in parts), start, end - start)

    def _call(self, tree: exp.Anonymous, depth: int) -> Node:
        name = str(tree.this)
        start, length = self._place(tree)
        self.words += 1
        args = tree.expressions
        if name == _LENGTH_OF_TIME:
            count = self._literal(args[0])
            unit_start, unit_length = self._place(args[1].this)
            self.words += 1
            unit = _UNITS[str(args[1].name).upper()]
            return Node(Op.PERIOD, (count,), unit, count.start, unit_start + unit_length - count.start)
        nodes = tuple(self.read(arg, depth + 1) for arg in args)
        end = max((node.end for node in nodes), default=start + length)
        closing = self.text.find(")", end)
        return Node(Op.CALL, nodes, name.upper(), start, (closing + 1 if closing >= 0 else end) - start)

    def _case(self, tree: exp.Case, depth: int) -> Node:
        subject = self.read(tree.this, depth + 1) if tree.this is not None else None
        args: list[Node] = []
        for branch in tree.args.get("ifs") or []:
            condition = self.read(branch.this, depth + 1)
            if subject is not None:
                condition = Node(Op.EQ, (subject, condition), "", condition.start, condition.length)
            args += [condition, self.read(branch.args["true"], depth + 1)]
        if not args:
            raise _RefusedError(CONDITION_SYNTAX, "CASE needs at least one WHEN … THEN …", 0, len(self.text))
        default = tree.args.get("default")
        if default is not None:
            args.append(self.read(default, depth + 1))
        return self._over(Op.CASE, tuple(args))

    def _place(self, tree: exp.Expr) -> tuple[int, int]:
        """Return offset and length of a tree: from its first to its last word with a known place."""
        places = [node.meta for node in tree.walk() if "start" in node.meta]
        if not places:
            return 0, len(self.text)
        start = min(int(place["start"]) for place in places)
        end = max(int(place["end"]) for place in places) + 1
        return start, end - start
