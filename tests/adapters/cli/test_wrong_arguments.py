"""Commands with arguments that cannot be: a place, a reason, a remedy and the exit code, never a failure of the program."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.policy_folder import SHIPPED
from adapters.run import run_snapshot
from tests.command import tieout

POLICIES = ("run.yaml", "calendar.yaml", "cases.yaml", "close.yaml", "alerts.yaml")


@pytest.fixture(scope="module")
def firm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two rows with its store, a file that is no folder, an empty folder."""
    place = tmp_path_factory.mktemp("firm")
    for name in ("snapshot/psa", "policies", "empty"):
        (place / name).mkdir(parents=True)
    for name in POLICIES:
        (place / "policies" / name).write_text((SHIPPED / name).read_text())
    (place / "snapshot" / "snapshot.yaml").write_text("as_of: 2026-01-31\nsources:\n  - {system: psa, adapter: canonical, path: psa}\n")
    (place / "snapshot" / "psa" / "project.csv").write_text("project_id,name\nP1,A\nP1,B\n")
    (place / "snapshot" / "psa" / "customer.csv").write_text("")
    (place / "a-file").write_text("x")
    run_snapshot(place / "snapshot", policies=place / "policies", out=place / "runs")
    return place


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (f"policy export a-file/x.xlsx {SHIPPED}", 3, "a-file/x.xlsx: Not a directory."), ("sample a-file", 3, "a-file: Not a directory."),
        ("init a-file", 3, "a-file: Not a directory."), ("policy check empty", 2, "There is no policy in empty."),
        ("run snapshot --policies empty --out none", 2, "There is no policy in empty."),
        ("case list --state waved", 2, "'waved' is no state of a case, did you mean 'waived'."),
        ("case list --severity grave", 2, "'grave' is no severity."), ("case list --limit 0", 2, "Invalid value for '--limit'"),
        ("case show --", 2, "Missing argument"), ("alert list --state zzz", 2, "'zzz' is no state of an alert."),
        ("close status 2026-13", 2, "'2026-13' is no period."), ("close start banana", 2, "'banana' is no period."),
        ("close verify a-file", 2, "a-file cannot be read: it is damaged, or no bundle of a close."),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told(firm: Path, arguments: str, code: int, told: str) -> None:
    words = arguments.split()
    if words[0] in ("case", "alert", "close") and words[1] != "verify":
        words[2:2] = ["--out", "runs"] + (["--policies", "policies"] if words[1] in ("list", "show", "status", "start") else [])
        words = [each for each in words if words[0] != "alert" or each not in ("--policies", "policies")]
    found = tieout(*words, cwd=firm)
    assert (found.returncode, told in found.stderr) == (code, True), found.stderr
    assert "unexpectedly" not in found.stderr
    assert "Traceback" not in found.stderr


def test_a_file_that_cannot_be_read_is_named_in_its_finding(firm: Path) -> None:
    found = tieout("case", "list", "--out", "runs", "--policies", "policies", cwd=firm)
    assert "psa/customer.csv was not read: The file is empty." in found.stdout


def test_no_case_is_named_by_nothing(firm: Path) -> None:
    assert "No case is named." in tieout("case", "show", " ", "--out", "runs", "--policies", "policies", cwd=firm).stderr
