"""`tieout policy fmt`: pipe tables aligned, everything else as its author wrote it."""

from __future__ import annotations

from pathlib import Path

from adapters.policy_folder import check_policies
from engine.decision.mutants import grid_as_pipes
from engine.policy.kinds.table import TablePolicy, policy_grid
from engine.policy.loaded import LoadedPolicy


def format_folder(folder: Path, *, write: bool) -> list[str]:
    """Return the files of a folder whose tables are not aligned, sorted; `write` aligns them."""
    found: list[str] = []
    for loaded in check_policies(folder)[0].policies:
        text = formatted(loaded)
        if text is None or text == loaded.document.source.text:
            continue
        found.append(loaded.document.source.file)
        if write:
            (folder / loaded.document.source.file).write_text(text, encoding="utf-8", newline="")
    return sorted(found)


def formatted(loaded: LoadedPolicy) -> str | None:
    """Return a policy's text with its table aligned; None where it has no table of its own, or one with comments or mistakes."""
    policy = loaded.policy
    if not isinstance(policy, TablePolicy) or policy.rules is None:
        return None
    grid, told = policy_grid(policy, loaded.document, loaded.sheet)
    written = [line for line in policy.rules.split("\n") if line.strip()]
    if grid is None or told or any(not line.strip().startswith("|") for line in written):
        return None
    lines = loaded.document.source.text.split("\n")
    anchor = loaded.document.anchor_of(("rules",))
    first, indent = anchor.line - 1, " " * anchor.indent
    last = first
    while last < len(lines) and (lines[last].strip().startswith("|") or not lines[last].strip()):
        last += 1
    while last > first and not lines[last - 1].strip():
        last -= 1
    table = [indent + line for line in grid_as_pipes(grid).rstrip("\n").split("\n")]
    return "\n".join([*lines[:first], *table, *lines[last:]])
