"""Policy tables as a workbook for finance, and the edits of one back as the cells that changed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adapters.policy_folder import check_policies
from adapters.reading.workbook import HIDDEN, TableSheet, sheet_rows, write_tables
from engine.decision.rules import NOTE_COLUMNS, REFERENCE_COLUMN, RULE_COLUMN
from engine.diagnostics import Diagnostic
from engine.errors import UsageError
from engine.impact import RuleWeight
from engine.policy.kinds.table import TablePolicy, policy_grid
from engine.policy.loaded import LoadedPolicy

WEIGHTS: Final = ("# records", "# worth")
"""Columns that say what a rule decides; they are read by people and never imported."""

OUTPUT_SIGN: Final = re.compile(r"(?:->|→|out:)\s*", re.IGNORECASE)
"""What stands before the name of an output in a header."""

_NAME: Final = 31
_CHOICES: Final = 250


@dataclass(frozen=True, slots=True)
class CellEdit:
    """Hold what a workbook changes in one row: `cells` by column (was, now); a new row stands `after` another, a gone one has no cells."""

    file: str
    rule: str
    did: str
    cells: Mapping[str, tuple[str, str]]
    after: str | None = None


def export_workbook(folder: Path, weights: Sequence[RuleWeight] = ()) -> tuple[bytes, int]:
    """Return a workbook with a sheet for each table of a policy folder, and how many there are; raises UsageError when there is none."""
    policies, diagnostics = check_policies(folder)
    tables = [each for each in policies.policies if isinstance(each.policy, TablePolicy)]
    if not tables:
        raise UsageError(f"No policy of {folder} has a table.", "Only decision tables are edited as workbooks.")
    sheets: list[TableSheet] = []
    kept: list[list[str]] = [["sheet", "policy", "file", "version", "rule", "column", "text"]]
    for loaded in tables:
        sheet, cells = _sheet(loaded, [each.name for each in sheets], weights, diagnostics)
        sheets.append(sheet)
        policy, file = loaded.policy, loaded.document.source.file
        kept += [[sheet.name, policy.id, file, str(policy.effective_from), *cell] for cell in cells]
    return write_tables(sheets, kept), len(sheets)


def _sheet(
    loaded: LoadedPolicy, taken: Sequence[str], weights: Sequence[RuleWeight], diagnostics: Sequence[Diagnostic]
) -> tuple[TableSheet, list[list[str]]]:
    policy = loaded.policy
    assert isinstance(policy, TablePolicy)
    grid, _ = policy_grid(policy, loaded.document, loaded.sheet)
    assert grid is not None, "a policy that loaded has a table"
    header = [OUTPUT_SIGN.sub("out: ", cell.text) for cell in grid.header]
    rows = [[cell.text for cell in row] for row in grid.rows]
    place = header.index(RULE_COLUMN)
    own = {each.rule: each for each in weights if (each.policy, each.version, each.sort) == (policy.id, policy.effective_from, "decides")}
    extra = [[f"{own[row[place]].records:,}", own[row[place]].money] if row[place] in own else ["", ""] for row in rows]
    remarks = {(0, column): _meaning(policy, name) for column, name in enumerate(header)}
    lines = {row[place].span().line: (number + 1, place) for number, row in enumerate(grid.rows)}
    for each in diagnostics:
        if each.span.file == grid.header[0].anchor.file and each.span.line in lines:
            remarks[lines[each.span.line]] = f"{each.code.level} {each.code.name}: {each.message}"
    listed = {f"out: {name}": list(kind) for name, kind in policy.outputs.items() if not isinstance(kind, str)}
    choices = {name: kind for name, kind in listed.items() if len(",".join(kind)) < _CHOICES}
    name = policy.id[:_NAME]
    name = name if name not in taken else f"{policy.id[: _NAME - 11]} {policy.effective_from}"
    sheet = TableSheet(
        name, [*header, *(WEIGHTS if own else ())], [[*row, *(extra[number] if own else ())] for number, row in enumerate(rows)],
        {RULE_COLUMN, *WEIGHTS}, choices, {spot: text for spot, text in remarks.items() if text},
    )  # fmt: skip
    return sheet, [[row[place], column, text] for row in rows for column, text in zip(header, row, strict=True) if column != RULE_COLUMN]


def _meaning(policy: TablePolicy, name: str) -> str:
    if name.startswith("out: "):
        kind = policy.outputs[name.removeprefix("out: ")]
        return f"Output: {kind if isinstance(kind, str) else ', '.join(kind)}"
    if name in (RULE_COLUMN, *NOTE_COLUMNS, REFERENCE_COLUMN):
        return {RULE_COLUMN: f"{policy.title}. Rules are looked at by {policy.hit}; ids stay as they are."}.get(name, "")
    return "Input: a value, A, B, not(x), > 0, [1..5], null for missing, - for any"


def read_edits(data: bytes) -> list[CellEdit]:
    """Return what a workbook changes against what was exported into it; raises UsageError when it was not exported here."""
    sheets, problem = sheet_rows(data)
    if problem or HIDDEN not in sheets:
        message = problem or "This workbook was not made by `tieout policy export`."
        raise UsageError(message, "Export the tables again and edit that workbook.")
    base: dict[str, dict[str, dict[str, str]]] = {}
    files: dict[str, str] = {}
    for row in sheets[HIDDEN][1:]:
        name, _, file, _, rule, column, text = (cell or "" for cell in (*row, *[""] * (7 - len(row))))
        files[name] = file
        base.setdefault(name, {}).setdefault(rule, {})[column] = text
    missing = sorted(set(base) - set(sheets))
    if missing:
        raise UsageError(f"The sheet {missing[0]} is gone from the workbook.", "Keep every sheet; delete rows instead.")
    return [edit for name, rules in base.items() for edit in _edits(files[name], rules, sheets[name])]


def _edits(file: str, base: Mapping[str, Mapping[str, str]], rows: Sequence[Sequence[str | None]]) -> list[CellEdit]:
    header = [(cell or "").strip() for cell in rows[0]]
    place = header.index(RULE_COLUMN) if RULE_COLUMN in header else 0
    found: list[CellEdit] = []
    seen: list[str] = []
    for row in rows[1:]:
        texts = [(cell or "").strip() for cell in (*row, *[None] * (len(header) - len(row)))]
        if not any(texts):
            continue
        rule = texts[place]
        cells = {name: text for name, text in zip(header, texts, strict=False) if name and name not in (RULE_COLUMN, *WEIGHTS)}
        if rule not in base:
            new = {name: ("", text) for name, text in cells.items()}
            found.append(CellEdit(file, rule, "added", new, seen[-1] if seen else None))
        else:
            changed = {name: (base[rule].get(name, ""), text) for name, text in cells.items() if text != base[rule].get(name, "")}
            found += [CellEdit(file, rule, "changed", changed)] if changed else []
        seen.append(rule)
    found += [CellEdit(file, rule, "removed", {}) for rule in base if rule not in seen]
    return found
