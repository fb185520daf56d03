"""Text from data is shown as it stands, whatever marks it holds."""

from __future__ import annotations

import pytest

from dashboard.views.plain import plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("![x](http://evil/p.png)", "\\!\\[x\\]\\(http\\://evil/p\\.png\\)"),
        ("# a\n* b", "\\# a \\* b"),
        ("<script>", "\\<script\\>"),
        (":red[x] $y$ `z`", "\\:red\\[x\\] \\$y\\$ \\`z\\`"),
        ("1,000.00 EUR", "1,000\\.00 EUR"),
        (None, ""),
    ],
)
def test_marks_of_markdown_are_only_signs(text: str | None, shown: str) -> None:
    assert plain(text) == shown
