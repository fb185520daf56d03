"""A policy is changed only without mistakes, by who may, over the text it was read as; the log has the difference."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.policy_edit import changes_of, check_text, digest, read_text, save_text, table_rows, with_table
from adapters.policy_folder import SHIPPED
from adapters.store.audit import Actor
from adapters.store.database import Store, open_store
from engine.errors import PolicyError, UsageError

FILE = "cases.yaml"
ANNA = Actor("anna", "signed_in", frozenset({"preparer"}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two policies: enough to check, and quick."""
    found = tmp_path / "policies"
    found.mkdir()
    for name in (FILE, "calendar.yaml"):
        shutil.copy(SHIPPED / name, found / name)
    return found


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'tieout.db'}")
    yield opened
    opened.close()


def test_a_change_is_written_and_its_difference_is_logged(folder: Path, store: Store) -> None:
    before = read_text(folder, FILE)
    after = before.replace("warn_at_percent: 75", "warn_at_percent: 50")
    with store.write() as session:
        save_text(session, ANNA, folder, FILE, after, digest(before))
    assert (folder / FILE).read_text(encoding="utf-8") == after
    assert [path.name for path in folder.iterdir() if path.suffix == ".partial"] == []
    with store.read() as session:
        change = changes_of(session, FILE)[0]
    assert (change["actor"], change["identity"]) == ("anna", "signed_in")
    assert "-warn_at_percent: 75" in change["difference"]
    assert "+warn_at_percent: 50" in change["difference"]


def test_a_mistake_is_told_with_its_line_and_nothing_is_written(folder: Path, store: Store) -> None:
    before = read_text(folder, FILE)
    wrong = before.replace("warn_at_percent", "warn_at_per_cent")
    line = next(number for number, text in enumerate(wrong.splitlines(), 1) if "warn_at_per_cent" in text)
    assert line in [each.span.line for each in check_text(folder, FILE, wrong) if each.is_error]
    with pytest.raises(PolicyError), store.write() as session:
        save_text(session, ANNA, folder, FILE, wrong, digest(before))
    assert read_text(folder, FILE) == before


@pytest.mark.parametrize(
    ("actor", "file", "read_as", "message"),
    [
        (Actor("v", "signed_in", frozenset({"viewer", "approver"})), FILE, None, "may not change a policy"),
        (ANNA, FILE, "another text", "changed by somebody else"), (ANNA, "../secret.yaml", None, "no policy file"),
        (ANNA, FILE, "same", "says that already"),
    ],
)  # fmt: skip
def test_what_may_not_be_written_is_refused(folder: Path, store: Store, actor: Actor, file: str, read_as: str | None, message: str) -> None:
    before = read_text(folder, FILE)
    text = before if read_as == "same" else before + "# more\n"
    basis = digest(before) if read_as in (None, "same") else str(read_as)
    with pytest.raises(UsageError, match=message), store.write() as session:
        save_text(session, actor, folder, file, text, basis)
    assert read_text(folder, FILE) == before


def test_a_table_is_read_edited_and_written_back_aligned() -> None:
    text = (SHIPPED / "billing" / "bill-time.yaml").read_text(encoding="utf-8")
    rows = table_rows(text)
    assert rows is not None
    assert (rows[0][0], rows[1][:2]) == ("rule", ["BT-010", "rejected"])
    rows[1][1] = "rejected, a|b"
    again = with_table(text, rows)
    assert table_rows(again) == rows
    lines = [line for line in again.splitlines() if line.startswith(("  | BT-9", "  | rule"))]
    bars = [[place for place, sign in enumerate(line) if sign == "|"] for line in lines]
    assert bars[0] == bars[1]

    def around(policy: str) -> tuple[str, str]:
        return policy[: policy.index("rules: |")], policy[policy.index("default:") :]

    assert around(again) == around(text)


def test_a_policy_without_bars_has_no_grid(folder: Path) -> None:
    assert table_rows(read_text(folder, FILE)) is None
    with pytest.raises(UsageError, match="no table"):
        with_table("policy: cases\n", [["a"]])
