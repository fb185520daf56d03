"""Every mistake of a mapping is reported at its place, and none is a stack trace."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.mapping.library import read_mapping

WHOLE = """adapter: own
title: A system of our own
streams: {people: {files: [people.csv]}, bills: {files: [bills.json], children: [bills.lines]}}
entities:
  - entity: customer
    from: people
    fields:
      customer_id: id
"""


def mistakes(folder: Path, text: str) -> list[tuple[int, str, str]]:
    """Return line, code and message of each mistake in a mapping."""
    path = folder / "own.yaml"
    path.write_text(text, encoding="utf-8")
    _, found, _ = read_mapping(path)
    assert all(each.code.remedy for each in found)
    return [(each.span.line, each.code.name, each.message) for each in found]


def test_a_mapping_without_mistakes_has_none(tmp_path: Path) -> None:
    assert mistakes(tmp_path, WHOLE) == []
    assert mistakes(tmp_path, WHOLE.replace("from: people", "from: bills.lines")) == []


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("nam: Name", "unknown-field-name", "'customer' has no field 'nam', did you mean 'name'?"),
        ("name: {from: N, unit: cents}", "invalid-value", "'unit' does nothing on 'name', which is text"),
        ("name: {from: N, trim: yes}", "unknown-setting", "unknown setting 'trim', did you mean 'time'?"),
        ("name: {from: N, known: Q}", "invalid-value", "'known': write 'K'"),
        ("name: {lookup: {stream: peple, on: {id: id}, take: n}}", "invalid-value",
         "'peple' is no declared stream, did you mean 'people'?"),
        ("name: {lookup: {stream: people, on: {id: id}, take: n, then: {stream: x, on: {value: id}, take: n}}}", "invalid-value",
         "'x' is no declared stream"),
        ("status: {from: S, map: {A: activ}}", "invalid-value", "'activ' is none of active, inactive, did you mean 'active'?"),
        ("status: {const: gone}", "invalid-value", "'gone' is none of active, inactive"),
        ("payment_terms_days: {from: T, fallback: thirty}", "invalid-value", "'thirty' cannot be read as int"),
        ("modified_at: {from: M, fallback: '2026-01-01'}", "invalid-value", "'fallback' does nothing on 'modified_at', which is time"),
        ("modified_at: {from: M, time: HH:MM}", "invalid-value",
         "'HH:MM' is no format: write the day %d, the month %m, the year %Y, or epoch_s, epoch_ms, sheet_days"),
        ("modified_at: {from: M, time: '%d.%m.%y'}", "invalid-value",
         "'%d.%m.%y' leaves the century open; write the year with four digits (%Y)"),
        ("name: {from: N, pattern: '('}", "invalid-value", "the pattern '(' is no regular expression"),
        ("name: {from: N, pattern: 'a+'}", "invalid-value", "the pattern 'a+' has no group in parentheses that says what counts"),
        ("name: {from: N, first_of: [A]}", "invalid-value",
         "'name': give exactly one of from, first_of, join, const, lookup, header, from_header"),
        ("name: {from: N, otherwise: x}", "invalid-value", "'name': otherwise stands beside a map, for the words the map does not list"),
    ],
)  # fmt: skip
def test_a_field_that_cannot_work_is_reported_at_its_line(line: str, code: str, message: str, tmp_path: Path) -> None:
    assert mistakes(tmp_path, f"{WHOLE}      {line}\n") == [(9, code, message)]


def test_a_key_that_is_not_mapped_is_reported(tmp_path: Path) -> None:
    assert mistakes(tmp_path, WHOLE.replace("customer_id: id", "name: id")) == [
        (7, "missing-setting", "the key 'customer_id' of 'customer' is not mapped")
    ]


def test_names_are_checked_beside_settings_without_shape(tmp_path: Path) -> None:
    text = WHOLE.replace("from: people", "from: persons") + "      nam: Name\n      status: {from: S, unit: cent}\n"
    assert sorted(line for line, _, _ in mistakes(tmp_path, text)) == [6, 9, 10]


@pytest.mark.parametrize(
    "text",
    [
        "", "- a\n", "adapter\n", "adapter: {a: {b\n", "adapter: x\nadapter: y\n",
        WHOLE.replace("  - entity: customer", "  - entity: customers"),
        WHOLE + "zone: Atlantis\n", WHOLE + "date: DD/MM/YYYY\n", WHOLE.replace("fields:", "fields: [id]\n    when:"),
        WHOLE.replace("[people.csv]", "{a: b}"), "adapter: x\ntitle: y\nstreams: []\nentities: 5\n", WHOLE + "version: one\n",
        WHOLE.replace("customer_id: id", "customer_id: {lookup: people}"),
        WHOLE.replace("customer_id: id", "customer_id: {from: {a: [b]}}"), WHOLE.replace("customer_id: id", "customer_id:"),
    ],
)  # fmt: skip
def test_whatever_is_written_gives_diagnostics_and_no_exception(text: str, tmp_path: Path) -> None:
    assert mistakes(tmp_path, text)


@pytest.mark.parametrize(
    ("conditions", "told"),
    [
        ("{state: open}", []),
        ("{state: {in: [open, shut], not: shut}}", []),
        ("{state: {in: [Open], not: [open]}}", [(6, "condition-never-true", "no row meets these conditions")]),
        ("{state: {in: [open], blank: true}}", [(6, "condition-never-true", "no row meets these conditions")]),
        ("{state: {in: []}}", [(6, "condition-never-true", "no row meets these conditions")]),
        ("{state: {}}", [(6, "condition-always-true", "every row meets these conditions")]),
    ],
)
def test_a_condition_that_no_row_can_change_is_told(conditions: str, told: list[tuple[int, str, str]], tmp_path: Path) -> None:
    text = WHOLE.replace("    from: people\n", f"    from: people\n    when: {conditions}\n")
    assert mistakes(tmp_path, text) == [(line + 1, *rest) for line, *rest in told]
