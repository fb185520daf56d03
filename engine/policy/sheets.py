"""Tables that stand in a sheet beside their policy: CSV text, or the rows of a workbook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.decision.reading import read_csv, read_rows
from engine.decision.table import Grid
from engine.diagnostics import Diagnostic

Rows = Sequence[Sequence[str | None]]


@dataclass(frozen=True, slots=True)
class Sheet:
    """Hold a sheet file as read: its name for people, and CSV text or a workbook's rows by sheet name.

    `problem` says why the file could not be read.
    """

    file: str
    text: str | None = None
    workbook: Mapping[str, Rows] = field(default_factory=dict)
    problem: str = ""

    def __hash__(self) -> int:
        """Return a hash over what the sheet says; a workbook's rows have none of their own."""
        return hash((self.file, self.content, self.problem))

    @property
    def content(self) -> str:
        """Return everything the sheet says as one text, for fingerprints."""
        if self.text is not None:
            return self.text
        return "\x1e".join(
            name + "\x1f" + "\x1d".join("\x1f".join(cell or "" for cell in row) for row in rows)
            for name, rows in sorted(self.workbook.items())
        )

    def grid(self, name: str) -> tuple[Grid | None, list[Diagnostic]]:
        """Return the table of a policy: the CSV's, or the sheet of that name; None when there is no such sheet."""
        if self.text is not None:
            return read_csv(self.text, self.file)
        if name not in self.workbook:
            return None, []
        return read_rows(self.workbook[name], self.file)
