"""YAML text to plain values with exact places: every key and value knows its line and column.

Values are read from their text, never through YAML's own guesses: `1.10` becomes a Decimal and
`2026-01-01` stays text. Duplicate keys, anchors, aliases, tags and merge keys are refused with a
diagnostic. The only module of the engine that imports YAML libraries: a sound file is read by
PyYAML's compiled parser, and whatever it stumbles on by ruamel.yaml, which explains.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import yaml as fast_yaml
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.scanner import RoundTripScanner, ScannerError

from engine.diagnostics import Anchor, Diagnostic, Span
from engine.policy.codes import (
    ALIAS_NOT_ALLOWED,
    DUPLICATE_KEY,
    FILE_TOO_LARGE,
    HIDDEN_CHARACTER,
    INVALID_YAML,
    KEY_NOT_TEXT,
    NOT_UTF8,
)

Value = Any
Location = tuple[str | int, ...]

# A policy file is written by people; beyond this it is not one.
MAX_CHARACTERS: Final = 2_000_000
MAX_LINE: Final = 20_000
MAX_DEPTH: Final = 40
MAX_SHOWN: Final = 200

_BRACKET: Final = re.compile(r"[\[\]{}]")
_DEEP_LINE: Final = re.compile(r"(?:[-?:] ){40}")
_EXPLAINED: Final = (fast_yaml.AnchorToken, fast_yaml.AliasToken, fast_yaml.TagToken, fast_yaml.DirectiveToken)
_MAPPINGS: Final = (MappingNode, fast_yaml.MappingNode)
_SEQUENCES: Final = (SequenceNode, fast_yaml.SequenceNode)
_SCALARS: Final = (ScalarNode, fast_yaml.ScalarNode)

# A number has at most 40 digits on either side of its point; more stays text, which no setting takes for one.
_INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,39})\Z")
_DECIMAL: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,39})\.[0-9]{1,40}\Z")

# They change the order in which a line is shown, or show nothing: what is read is not what is seen.
_HIDDEN: Final = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")


@lru_cache(maxsize=256)
def _lines(text: str) -> tuple[str, ...]:
    return tuple(text.split("\n"))


@dataclass(frozen=True, slots=True)
class SourceText:
    """Hold one policy file as read: its name for people and its text.

    `unreadable` is the line and column of the first byte that is not UTF-8; the text has `\ufffd` in its place.
    """

    file: str
    text: str
    unreadable: tuple[int, int] | None = None

    def line(self, number: int) -> str:
        """Return a line by its 1-based number, or "" past the end."""
        lines = _lines(self.text)
        return lines[number - 1].rstrip("\r") if 0 < number <= len(lines) else ""


@dataclass(frozen=True, slots=True)
class Document:
    """Hold the plain value of a file with the place of every key and value.

    `keys` and `values` map a location (`("rules", 0, "id")`) to its span; `blocks` maps the
    location of a literal block to the anchor of its first content character.
    """

    source: SourceText
    value: Value
    keys: Mapping[Location, Span] = field(default_factory=dict)
    values: Mapping[Location, Span] = field(default_factory=dict)
    blocks: Mapping[Location, Anchor] = field(default_factory=dict)

    def span_of(self, location: Sequence[str | int], *, prefer_key: bool = False) -> Span:
        """Return the place of a location, or of the nearest part of it that stands in the file."""
        path = tuple(location)
        while True:
            if prefer_key and path in self.keys:
                return self.keys[path]
            if path in self.values:
                return self.values[path]
            if not path:
                return Span(self.source.file, 1, 1)
            path = path[:-1]

    def anchor_of(self, location: Sequence[str | int]) -> Anchor:
        """Return where the first character of a text value stands."""
        path = tuple(location)
        block = self.blocks.get(path)
        if block is not None:
            return block
        span = self.span_of(path)
        text = self.source.line(span.line)
        quoted = text[span.column - 1 : span.column] in {'"', "'"}
        return Anchor(span.file, span.line, span.column + int(quoted), line_text=text)

    def diagnostic(self, code: Any, location: Sequence[str | int], message: str, *, prefer_key: bool = False, remedy: str = "") -> Diagnostic:  # noqa: E501
        """Return a diagnostic at a location, with the author's line."""
        span = self.span_of(location, prefer_key=prefer_key)
        return Diagnostic(code, span, message, self.source.line(span.line), remedy)


def parse_document(source: SourceText) -> tuple[Document, list[Diagnostic]]:
    """Parse YAML text; on a syntax error the value is None and the diagnostics say where."""
    document, diagnostics = _parsed(source)
    return document, list(diagnostics)


@lru_cache(maxsize=1_000)
def _parsed(source: SourceText) -> tuple[Document, Sequence[Diagnostic]]:
    refused = _refused(source)
    if refused is not None:
        return Document(source, None), [refused]
    text = source.text.removeprefix("\ufeff")
    try:
        node = _composed_fast(text)
        if node is None:
            yaml = YAML(typ="rt", pure=True)
            yaml.Scanner = _ShallowScanner
            node = yaml.compose(text)
    except MarkedYAMLError as error:
        return Document(source, None), [_syntax_diagnostic(source, error)]
    except (YAMLError, RecursionError, ValueError) as error:
        span = Span(source.file, 1, 1)
        return Document(source, None), [Diagnostic(INVALID_YAML, span, _first_line(str(error)))]
    reader = _Reader(source)
    value = None if node is None else reader.read(node, (), 0)
    return Document(source, value, reader.keys, reader.values, reader.blocks), reader.diagnostics


def _composed_fast(text: str) -> Any:
    """Return the composed tree by the compiled parser, or None when another must look: mistakes, anchors, tags, depth."""
    depth = deepest = 0
    for bracket in _BRACKET.finditer(text):
        depth += 1 if bracket[0] in "[{" else -1
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH or _DEEP_LINE.search(text):
        return None
    try:
        loader = getattr(fast_yaml, "CSafeLoader", None)
        if loader is None or any(isinstance(token, _EXPLAINED) for token in fast_yaml.scan(text, Loader=loader)):
            return None
        return fast_yaml.compose(text, Loader=loader)
    except (fast_yaml.YAMLError, ValueError):
        return None


def _refused(source: SourceText) -> Diagnostic | None:
    """Return why a text is not even parsed: not UTF-8, larger than people write, or with characters nobody sees."""
    if source.unreadable is not None:
        line, column = source.unreadable
        return Diagnostic(NOT_UTF8, Span(source.file, line, column), f"line {line} is not UTF-8", source.line(line)[:MAX_SHOWN])
    if len(source.text) > MAX_CHARACTERS:
        message = f"the file has {len(source.text):,} characters; a policy file has at most {MAX_CHARACTERS:,}"
        return Diagnostic(FILE_TOO_LARGE, Span(source.file, 1, 1), message)
    for number, each in enumerate(_lines(source.text), start=1):
        if len(each) > MAX_LINE:
            message = f"the line has {len(each):,} characters; a line of a policy has at most {MAX_LINE:,}"
            return Diagnostic(FILE_TOO_LARGE, Span(source.file, number, 1), message)
    hidden = _HIDDEN.search(source.text, 1)
    if hidden is None:
        return None
    line = source.text.count("\n", 0, hidden.start()) + 1
    column = hidden.start() - source.text.rfind("\n", 0, hidden.start())
    message = f"the character U+{ord(hidden[0]):04X} cannot be seen"
    return Diagnostic(HIDDEN_CHARACTER, Span(source.file, line, column), message, _HIDDEN.sub("\ufffd", source.line(line)))


class _ShallowScanner(RoundTripScanner):  # type: ignore[misc]
    """Refuse brackets nested deeper than any policy, at once: the library takes quadratic time over them."""

    def fetch_flow_collection_start(self, *arguments: Any, **named: Any) -> None:
        if len(self.flow_context) >= MAX_DEPTH:
            raise ScannerError(None, None, f"the file is nested deeper than {MAX_DEPTH} levels", self.reader.get_mark())
        super().fetch_flow_collection_start(*arguments, **named)


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0] or "the file cannot be read as YAML"


# The library's commonest complaints, in the words of who writes policies.
_TOLD: Final = (
    ("character '\\t'", "a tab stands where only spaces may"),
    ("mapping values are not allowed", "a colon and a space stand within a text (then it needs quotes), or a line is indented too far"),
    ("found another document", "a second document begins here; a file holds one policy"),
    ("stream end", "a bracket, a brace or a quote that was opened is not closed"),
    ("end of stream", "a bracket, a brace or a quote that was opened is not closed"),
    ("expected ',' or", "a comma is missing, or a bracket or brace is not closed"),
    ("could not find expected ':'", "a name stands without a colon after it"),
    ("expected <block end>", "a line is indented otherwise than those it belongs to"),
    ("cannot start any token", "a text cannot begin with this character without quotes"),
    ("expected the node content", "a value is missing here"),
)


def _syntax_diagnostic(source: SourceText, error: MarkedYAMLError) -> Diagnostic:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    problem = error.problem or error.context or "the file cannot be read as YAML"
    if "alias" in problem:
        return Diagnostic(ALIAS_NOT_ALLOWED, Span(source.file, line, column), problem, source.line(line))
    told = next((words for sign, words in _TOLD if sign in problem), problem)
    return Diagnostic(INVALID_YAML, Span(source.file, line, column), told, source.line(line))


class _Reader:
    """Walk a composed tree once, collecting values, places and diagnostics."""

    def __init__(self, source: SourceText) -> None:
        self.source = source
        self.lines = source.text.split("\n")
        self.keys: dict[Location, Span] = {}
        self.values: dict[Location, Span] = {}
        self.blocks: dict[Location, Anchor] = {}
        self.diagnostics: list[Diagnostic] = []
        self._seen: set[int] = set()

    def read(self, node: Node, path: Location, depth: int) -> Value:
        self.values[path] = self._span(node)
        if depth > MAX_DEPTH:
            self._report(INVALID_YAML, node, f"the file is nested deeper than {MAX_DEPTH} levels")
            return None
        if id(node) in self._seen or getattr(node, "anchor", None):
            self._report(ALIAS_NOT_ALLOWED, node, "anchors and aliases (& and *) are not allowed in policy files")
            return None
        self._seen.add(id(node))
        if self._is_tagged(node):
            self._report(ALIAS_NOT_ALLOWED, node, "tags (words that begin with !) are not allowed in policy files")
            return None
        if isinstance(node, _MAPPINGS):
            return self._mapping(node, path, depth)
        if isinstance(node, _SEQUENCES):
            return [self.read(child, (*path, index), depth + 1) for index, child in enumerate(node.value)]
        assert isinstance(node, _SCALARS)
        if node.style == "|":
            self.blocks[path] = self._block_anchor(node)
        return self._scalar(node)

    def _is_tagged(self, node: Node) -> bool:
        """Say whether a tag stands before the value; the library gives one to every node."""
        mark = node.start_mark
        return bool(mark.line < len(self.lines)) and self.lines[mark.line][mark.column : mark.column + 1] == "!"

    def _mapping(self, node: MappingNode, path: Location, depth: int) -> dict[str, Value]:
        result: dict[str, Value] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, _SCALARS) or key_node.value == "<<":
                self._report(KEY_NOT_TEXT, key_node, "a key must be a plain word")
                continue
            name = str(key_node.value)
            if name in result:
                first = self.keys[(*path, name)]
                self._report(DUPLICATE_KEY, key_node, f"'{name}' is given twice in the same place", first)
                continue
            self.keys[(*path, name)] = self._span(key_node)
            result[name] = self.read(value_node, (*path, name), depth + 1)
        return result

    def _scalar(self, node: ScalarNode) -> Value:
        # The explaining library marks the folds of a folded text with a bell.
        text = str(node.value).replace("\a", "") if node.style == ">" else str(node.value)
        if node.style:
            return text
        if text in {"", "~", "null", "Null", "NULL"}:
            return None
        if text in {"true", "True", "TRUE", "false", "False", "FALSE"}:
            return text.lower() == "true"
        if _INTEGER.match(text):
            return int(text)
        if _DECIMAL.match(text):
            return Decimal(text)
        return text

    def _block_anchor(self, node: ScalarNode) -> Anchor:
        first = node.start_mark.line + 1
        indent = 0
        for offset, text in enumerate(self.lines[first : first + 50]):
            if text.strip():
                indent = len(text) - len(text.lstrip(" "))
                return Anchor(self.source.file, first + offset + 1, indent + 1, indent, text)
        return Anchor(self.source.file, first + 1, 1, indent)

    def _span(self, node: Node) -> Span:
        start, end = node.start_mark, node.end_mark
        same_line = end.line == start.line
        length = max(end.column - start.column, 1) if same_line else 1
        return Span(self.source.file, start.line + 1, start.column + 1, length)

    def _report(self, code: Any, node: Node, message: str, *related: Span) -> None:
        span = self._span(node)
        self.diagnostics.append(
            Diagnostic(code, span, message, self.source.line(span.line), related=tuple(related))
        )
