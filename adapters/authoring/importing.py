"""`tieout policy import`: the edits of a workbook merged, checked, tested and compared before anything is written."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from adapters.authoring.difference import Against, policy_difference
from adapters.authoring.difference_report import difference_sections
from adapters.authoring.patch import merge_edits
from adapters.authoring.sections import as_text
from adapters.authoring.workbook import read_edits
from adapters.policy_folder import check_policies
from adapters.policy_tests import find_test_files, run_tests
from engine.diagnostics import render_diagnostic
from engine.errors import UsageError


def import_workbook(data: bytes, folder: Path, snapshot: Path | None, out: Path, *, write: bool) -> tuple[str, bool]:
    """Return what an edited workbook changes, as text, and whether nothing stands against it; `write` then changes the folder.

    Raises UsageError when the workbook was not exported here.
    """
    edits = read_edits(data)
    if not edits:
        return "The workbook changes nothing.", True
    merged = merge_edits(folder, edits)
    lines = [f"conflict  {each}" for each in merged.conflicts]
    with tempfile.TemporaryDirectory(prefix="policies-") as made:
        patched = Path(made) / "policies"
        shutil.copytree(folder, patched)
        for name, text in merged.texts.items():
            (patched / name).write_text(text, encoding="utf-8", newline="")
        _, diagnostics = check_policies(patched)
        mistakes = [each for each in diagnostics if each.is_error]
        known = {(each.code.name, each.message) for each in check_policies(folder)[1]}
        lines += [render_diagnostic(each) for each in diagnostics if each.is_error or (each.code.name, each.message) not in known]
        failed = 0
        if not mistakes:
            failed, told = _tested(patched)
            lines += told
            against = None if snapshot is None else Against(snapshot, out=out)
            difference = policy_difference(folder, patched, against)
            lines.append(as_text(difference_sections(difference, "the folder", "the workbook", 10)))
    is_sound = not (merged.conflicts or mistakes or failed)
    if write and is_sound:
        for name, text in merged.texts.items():
            (folder / name).write_text(text, encoding="utf-8", newline="")
        lines.append(f"Written: {', '.join(sorted(merged.texts))}.")
    elif write:
        lines.append("Nothing was written.")
    return "\n".join(lines), is_sound


def _tested(folder: Path) -> tuple[int, list[str]]:
    try:
        files = find_test_files([folder])
    except UsageError:
        return 0, ["The folder has no tests."]
    outcomes, _ = run_tests(files, folder)
    failed = [each for each in outcomes if not each.passed]
    told = [f"FAILED  {Path(each.file).relative_to(folder)}: {each.name}" for each in failed]
    return len(failed), [*told, f"{len(outcomes) - len(failed)} tests passed, {len(failed)} failed."]
