"""A report as sections of lines and tables, written as text, Markdown or one HTML page."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

_STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1a1a1a}"
    "h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}h3{font-size:1rem}table{border-collapse:collapse;margin:.5rem 0}"
    "th,td{border-bottom:1px solid #ddd;padding:.25rem .75rem .25rem 0;text-align:left;vertical-align:top}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}code{font-size:.9em}"
)


@dataclass(frozen=True, slots=True)
class Section:
    """Hold a part of a report: a heading, sentences, and a table whose numbers stand right."""

    title: str
    lines: Sequence[str] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = field(default_factory=tuple)


def shown(value: object) -> str:
    """Return a value as people read it: money with two digits, nothing for a missing value."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:,.2f}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _is_number(value: object) -> bool:
    return isinstance(value, Decimal | int) and not isinstance(value, bool)


def as_text(sections: Sequence[Section]) -> str:
    """Return a report as text for a terminal."""
    parts: list[str] = []
    for each in sections:
        parts.append("\n".join([each.title, *(f"  {line}" for line in each.lines), *(f"  {line}" for line in _text_table(each))]))
    return "\n\n".join(parts)


def _text_table(section: Section) -> list[str]:
    if not section.rows:
        return []
    cells = [list(section.columns), *([shown(value) for value in row] for row in section.rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(section.columns))]
    right = _numeric(section)
    return [
        "  ".join(text.rjust(width) if is_number else text.ljust(width) for text, width, is_number in zip(row, widths, right, strict=True))
        .rstrip()
        for row in cells
    ]  # fmt: skip


def _numeric(section: Section) -> list[bool]:
    """Return which columns hold numbers alone."""
    found = []
    for place in range(len(section.columns)):
        values = [row[place] for row in section.rows if row[place] is not None]
        found.append(bool(values) and all(_is_number(value) for value in values))
    return found


def as_markdown(sections: Sequence[Section]) -> str:
    """Return a report as Markdown, for a pull request; what comes from data cannot form markup."""
    parts: list[str] = []
    for level, each in enumerate(sections):
        lines = [f"{'#' if level == 0 else '##'} {_marked(each.title)}", ""]
        lines += [f"- {_marked(line)}" for line in each.lines]
        if each.rows:
            right = _numeric(each)
            lines += ["", "| " + " | ".join(_marked(name) for name in each.columns) + " |"]
            lines.append("|" + "|".join("---:" if is_number else "---" for is_number in right) + "|")
            lines += ["| " + " | ".join(_marked(shown(value)) for value in row) + " |" for row in each.rows]
        parts.append("\n".join(lines).rstrip())
    return "\n\n".join(parts) + "\n"


def _marked(text: str) -> str:
    plain = " ".join(text.split()).replace("\\", "\\\\")
    for sign in "|*_`[]<>#!":
        plain = plain.replace(sign, f"\\{sign}")
    return plain


def as_html(sections: Sequence[Section], title: str) -> str:
    """Return a report as one HTML page without anything to load; every text is escaped."""
    body: list[str] = []
    for level, each in enumerate(sections):
        name = "h1" if level == 0 else "h2"
        body.append(f"<{name}>{html.escape(each.title)}</{name}>")
        body += [f"<p>{html.escape(line)}</p>" for line in each.lines]
        body += _html_table(each)
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(body)}</body></html>\n'


def _html_table(section: Section) -> list[str]:
    if not section.rows:
        return []
    marks = [' class="n"' if is_number else "" for is_number in _numeric(section)]
    head = "".join(f"<th{mark}>{html.escape(name)}</th>" for name, mark in zip(section.columns, marks, strict=True))
    rows = [
        "<tr>" + "".join(f"<td{mark}>{html.escape(shown(value))}</td>" for value, mark in zip(row, marks, strict=True)) + "</tr>"
        for row in section.rows
    ]
    return [f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"]
