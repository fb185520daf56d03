"""A sound file reads the same by the compiled parser as by the one that explains: values, keys and every place.

By day some files of ours are read by both, at night (`HYPOTHESIS_PROFILE=nightly`) all.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.policy import source
from engine.policy.source import Document, SourceText, parse_document
from tests.nights import IS_NIGHT

ROOT = Path(__file__).parents[3]
SHARED = Path(os.environ.get("TIEOUT_SHARED", ROOT.parent / "shared"))
EACH = 1 if IS_NIGHT else 5


def read(text: str, monkeypatch: pytest.MonkeyPatch, *, fast: bool) -> Document:
    source._parsed.cache_clear()
    with monkeypatch.context() as patched:
        if not fast:
            patched.setattr(source, "_composed_fast", lambda _: None)
        return parse_document(SourceText("x.yaml", text))[0]


@pytest.mark.parametrize("folder", ["policies", "adapters/sources", "tests/cases"])
def test_both_parsers_read_files_of_ours_the_same(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in sorted((ROOT / folder).rglob("*.yaml"))[::EACH]:
        text = path.read_text(encoding="utf-8", errors="replace")
        one, two = read(text, monkeypatch, fast=True), read(text, monkeypatch, fast=False)
        assert (one.value, one.keys, one.values, one.blocks) == (two.value, two.keys, two.values, two.blocks), path


ODD = [
    "a: {b:1, c: [x:y, 'z ']}\n", "a: |\n  x\n\n   y\nb: >\n  folded\n  text\n", "a: \"tab\\t\u00fc\"\nb: 'it''s'\n",
    "? a\n: b\n",
    "a:\n- b\n-\n  - c\n", "ä: ü # note\n", "\ufeffa: 1\n", "a: 1.10\nb: 0x1F\nc: 1_000\nd: yes\ne: ~\n",
    "a:\r\n  b: c\r\n", "", "# nothing\n",
    "a: {b: 1, c}\n", "- [1..5]\n- > 3\n", "a: x: y\n", "a: 'open\n", "a: [1, 2\n", "a: 1\n b: 2\n",
    "a: !!str 1\n", "a: &x 1\nb: *x\n", "--- 1\n--- 2\n",
]  # fmt: skip


@pytest.mark.parametrize("is_fast", [True, False])
def test_a_folded_text_is_one_line(is_fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read("a: >\n  two\n  lines\n", monkeypatch, fast=is_fast).value == {"a": "two lines\n"}


@pytest.mark.parametrize("text", ODD)
def test_both_parsers_agree_on_what_is_odd(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = read(text, monkeypatch, fast=True), read(text, monkeypatch, fast=False)
    assert (one.value, one.keys, one.values, one.blocks) == (two.value, two.keys, two.values, two.blocks)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("policy: run\n\tid: x\n", (2, 1), "a tab stands where only spaces may"),
        ("policy: run\ntitle: a: b\n", (2, 9), "a colon and a space stand within a text"),
        ("policy: run\n---\npolicy: run\n", (2, 1), "a second document begins here"),
        ("policy: [run\n", (2, 1), "a bracket, a brace or a quote that was opened is not closed"),
        ("policy: 'run\n", (2, 1), "a bracket, a brace or a quote that was opened is not closed"),
        ("policy: {a: 1]\n", (1, 14), "a comma is missing, or a bracket or brace is not closed"),
        ("policy: run\nid\n", (3, 1), "a name stands without a colon after it"),
        ("- policy\nid: x\n", (2, 1), "a line is indented otherwise than those it belongs to"),
        ("policy: @run\n", (1, 9), "a text cannot begin with this character without quotes"),
        ("policy: ]\n", (1, 9), "a value is missing here"),
    ],
)
def test_what_yaml_refuses_is_told_in_plain_words(text: str, place: tuple[int, int], message: str) -> None:
    _, (told,) = parse_document(SourceText("x.yaml", text))
    assert ((told.span.line, told.span.column), told.message[: len(message)]) == (place, message)
