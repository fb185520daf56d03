"""Edits of a workbook merged into policy files, cell by cell: nothing but the edited cells changes in the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adapters.authoring.workbook import OUTPUT_SIGN, CellEdit
from adapters.policy_folder import check_policies
from engine.decision import Grid
from engine.decision.rules import RULE_COLUMN
from engine.policy.kinds.table import TablePolicy, policy_grid
from engine.policy.loaded import LoadedPolicy


@dataclass(slots=True)
class Merged:
    """Hold the texts that edits make of policy files, by their path, and the edits that could not be merged, as sentences."""

    texts: dict[str, str] = field(default_factory=dict)
    conflicts: list[str] = field(default_factory=list)


def merge_edits(folder: Path, edits: Sequence[CellEdit]) -> Merged:
    """Merge edits into a folder three ways: an edited cell that somebody changed meanwhile, to something else, is a conflict."""
    merged = Merged()
    by_file: dict[str, list[CellEdit]] = {}
    for each in edits:
        by_file.setdefault(each.file, []).append(each)
    loaded = {each.document.source.file: each for each in check_policies(folder)[0].policies}
    for file, own in by_file.items():
        policy = loaded.get(file)
        if policy is None or not isinstance(policy.policy, TablePolicy):
            merged.conflicts.append(f"{file} is gone, or has mistakes of its own.")
        else:
            _merge_file(policy, policy.policy, own, merged)
    return merged


def _merge_file(loaded: LoadedPolicy, policy: TablePolicy, edits: Sequence[CellEdit], merged: Merged) -> None:
    grid, _ = policy_grid(policy, loaded.document, loaded.sheet)
    if grid is None or (policy.rules is None and (loaded.sheet is None or loaded.sheet.text is None)):
        merged.conflicts.append(f"{loaded.document.source.file} keeps its table in a workbook of its own: edit that one.")
        return
    in_file = loaded.document.source.text if policy.rules is not None else (loaded.sheet.text if loaded.sheet else "") or ""
    name = loaded.document.source.file if policy.rules is not None or loaded.sheet is None else loaded.sheet.file
    writer = _Writer(in_file.split("\n"), grid, is_pipes=policy.rules is not None)
    for each in edits:
        merged.conflicts += [f"{each.file}, rule {each.rule}: {problem}" for problem in writer.apply(each)]
    merged.texts[name] = "\n".join(writer.lines)


class _Writer:
    """Change single cells of a table's text; rows are addressed by the lines they stood on."""

    def __init__(self, lines: list[str], grid: Grid, *, is_pipes: bool) -> None:
        self.lines = lines
        self.is_pipes = is_pipes
        self.names = [_plain(cell.text) for cell in grid.header]
        place = self.names.index(RULE_COLUMN)
        self.rows: dict[str, list[str]] = {row[place].text: [cell.text for cell in row] for row in grid.rows}
        self.at: dict[str, int] = {row[place].text: row[place].anchor.line - 1 for row in grid.rows}
        self.header_line = grid.header[0].anchor.line - 1

    def apply(self, edit: CellEdit) -> list[str]:
        """Make one edit; return why it cannot be made."""
        if edit.did == "added":
            return self._add(edit)
        if edit.rule not in self.rows:
            return [] if edit.did == "removed" else ["the row is gone from the folder."]
        if edit.did == "removed":
            self._delete(edit.rule)
            return []
        problems: list[str] = []
        row = self.rows[edit.rule]
        for name, (was, now) in edit.cells.items():
            if name not in self.names:
                problems.append(f"the column {name} is gone from the folder.")
                continue
            current = row[self.names.index(name)]
            if _bare(current) == _bare(now):
                continue
            if _bare(current) != _bare(was):
                problems.append(f"{name} was {was or '-'}, is {current or '-'} in the folder and {now or '-'} in the workbook.")
                continue
            row[self.names.index(name)] = now
        self._write(edit.rule)
        return problems

    def _add(self, edit: CellEdit) -> list[str]:
        if not edit.rule:
            return ["a new row needs an id in the column rule."]
        if edit.rule in self.rows:
            return ["somebody added a row of the same id."]
        values = {name: now for name, (_, now) in edit.cells.items()}
        self.rows[edit.rule] = [edit.rule if name == RULE_COLUMN else values.get(name, "") for name in self.names]
        after = self.at.get(edit.after or "", self.header_line + (1 if self.is_pipes else 0))
        self._shift(after, 1)
        self.at[edit.rule] = after + 1
        like = self.lines[after]
        self.lines.insert(after + 1, like)
        self._write(edit.rule)
        return []

    def _delete(self, rule: str) -> None:
        line = self.at.pop(rule)
        self.rows.pop(rule)
        del self.lines[line]
        self._shift(line, -1)

    def _shift(self, after: int, count: int) -> None:
        self.at = {name: line + count if line > after else line for name, line in self.at.items()}

    def _write(self, rule: str) -> None:
        """Write a row again; cells that stay keep their width, so that an edit is one line of a diff and no more than its cell."""
        line = self.at[rule]
        row = self.rows[rule]
        if not self.is_pipes:
            self.lines[line] = ",".join(_quoted(text) for text in row) + ("\r" if self.lines[line].endswith("\r") else "")
            return
        text = self.lines[line]
        lead = text[: len(text) - len(text.lstrip())]
        widths = [len(part) for part in _parts(text)]
        written = []
        for place, value in enumerate(row):
            shown = value.replace("|", r"\|") or "-"
            width = widths[place] if place < len(widths) else 0
            written.append(f" {shown} ".ljust(width))
        self.lines[line] = lead + "|" + "|".join(written) + "|"


def _parts(line: str) -> list[str]:
    """Return the cells of a row of pipes as written, blanks included."""
    body = line.strip().strip("|").replace(r"\|", "\x00\x00")
    return body.split("|")


def _bare(text: str) -> str:
    return " ".join(text.split()) or "-"


def _plain(name: str) -> str:
    return OUTPUT_SIGN.sub("out: ", name)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in ',"\n;') else text
