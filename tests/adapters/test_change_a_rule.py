"""What policies/README.md shows of changing a rule is what the commands say."""

from __future__ import annotations

import shutil
from pathlib import Path

from adapters.policy_folder import SHIPPED
from tests.command import tieout

GUIDE = (SHIPPED / "README.md").read_text(encoding="utf-8")


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new), encoding="utf-8")


def shown(text: str) -> str:
    """The output as it stands between the guide's fences."""
    return f"```\n{text.rstrip()}\n```"


def said_of(folder: Path) -> str:
    return tieout("policy", "test", "mine/billing/bill-time_test.yaml", "--policies", "mine", cwd=folder, columns=110).stdout


def test_the_guide_to_changing_a_rule_tells_the_truth(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED, tmp_path / "mine")
    table, tests = tmp_path / "mine/billing/bill-time.yaml", tmp_path / "mine/billing/bill-time_test.yaml"
    replaced(table, "| > 120    | on_hold", "| > 6O     | on_hold")
    mistake = tieout("policy", "check", "mine", cwd=tmp_path, columns=110).stdout
    assert shown("\n".join(mistake.splitlines()[:4])) in GUIDE
    replaced(table, "| > 6O     | on_hold", "| > 60     | on_hold")
    assert shown(said_of(tmp_path)) in GUIDE
    first = tests.read_text(encoding="utf-8").index("Old time, and time without a price, wait")
    head, tail = tests.read_text(encoding="utf-8")[:first], tests.read_text(encoding="utf-8")[first:]
    tail = tail.replace("work_date: 2026-03-02", "work_date: 2026-05-01", 1).replace("work_date: 2026-03-01", "work_date: 2026-04-30", 1)
    tests.write_text(head + tail, encoding="utf-8")
    assert shown(said_of(tmp_path)) in GUIDE
    replaced(table, "after: 120 days", "after: 60 days")
    said = said_of(tmp_path)
    assert "FAILED" not in said
    assert shown(said) in GUIDE
