"""Mappings are approved as policies are: proposed with what changes, by two people; a run refuses others by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters.mapping.library import SOURCES
from adapters.run import run_snapshot
from engine.errors import UsageError
from tests.command import tieout

HEAD = "owner: controller\neffective_from: 1900-01-01\nreference: r\n"
ACCESS = (
    f"policy: access\nid: access\ntitle: Who may do what\n{HEAD}"
    "people:\n  - {person: Ada, roles: [preparer]}\n  - {person: Ben, roles: [approver]}\n"
)
RUN = f"policy: run\nid: run\ntitle: Run\n{HEAD}"
NAME = "xero"


@pytest.fixture
def firm(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "access.yaml").write_text(ACCESS)
    (tmp_path / "mappings").mkdir()
    return tmp_path


def adapter(firm: Path, *arguments: str) -> Any:
    return tieout("adapter", *arguments, cwd=firm)


def approved(firm: Path) -> None:
    assert adapter(firm, "propose", "mappings", "--as", "Ada").returncode == 0
    assert adapter(firm, "approve", "1", "--as", "Ben").returncode == 0


def shipped() -> str:
    return (SOURCES / f"{NAME}.yaml").read_text(encoding="utf-8")


def test_a_changed_mapping_is_proposed_field_by_field_and_approved_by_another(firm: Path) -> None:
    approved(firm)
    title = next(line for line in shipped().splitlines() if line.startswith("title:"))
    (firm / "mappings" / f"{NAME}.yaml").write_text(shipped().replace(title, "title: Ours"), encoding="utf-8")
    said = adapter(firm, "propose", "mappings", "--as", "Ada", "--comment", "Our own words")
    assert f"  {NAME}: title: " in said.stdout and "→ Ours." in said.stdout and "waits for the role approver, not Ada" in said.stdout
    assert "may not decide" in adapter(firm, "approve", "2", "--as", "Ada").stderr
    assert "is approved by Ben, asserted" in adapter(firm, "approve", "2", "--as", "Ben").stdout
    assert "approved ones already" in adapter(firm, "propose", "mappings", "--as", "Ada").stderr
    log = adapter(firm, "log").stdout.splitlines()
    assert len(log) == 5 and "proposed by Ada (asserted): Our own words" in log[2] and log[-1] == "The log is whole."
    assert "There is no proposal 2" in tieout("policy", "approve", "2", "--as", "Ben", cwd=firm).stderr


def test_a_rollback_is_a_new_version_and_sets_the_folder_back(firm: Path) -> None:
    approved(firm)
    own = firm / "mappings" / f"{NAME}.yaml"
    own.write_text(shipped() + "# ours\n", encoding="utf-8")
    assert f"{NAME}: only its wording is changed." in adapter(firm, "propose", "mappings", "--as", "Ada").stdout
    adapter(firm, "approve", "2", "--as", "Ben")
    back = adapter(firm, "rollback", "1", "--to", "mappings", "--as", "Ada")
    assert back.returncode == 0 and "Proposal 3" in back.stdout and not own.exists()
    assert "Back to proposal 1" in adapter(firm, "log").stdout
    assert "never approved" in adapter(firm, "rollback", "3", "--to", "mappings", "--as", "Ada").stderr


def test_a_run_refuses_mappings_that_nobody_approved_and_names_them(firm: Path, snapshot: Any) -> None:
    facts = snapshot(erp={"contract": "contract_id,currency\nC1,EUR\n"})
    (firm / "policies" / "run.yaml").write_text(RUN + "approved_adapters: any\n")

    def run() -> Any:
        return run_snapshot(facts, policies=firm / "policies", mappings=firm / "mappings", out=firm / "runs")

    with pytest.raises(UsageError, match="No adapter mappings are approved yet"):
        run()
    approved(firm)
    assert run().is_new
    # What the snapshot is read with counts, not what else lies in the folder.
    (firm / "mappings" / "other.yaml").write_text(shipped().replace(f"adapter: {NAME}", "adapter: other"), encoding="utf-8")
    assert not run().is_new
    changed = (facts / "snapshot.yaml").read_text().replace("adapter: canonical", "adapter: other")
    (facts / "snapshot.yaml").write_text(changed)
    with pytest.raises(UsageError, match=r"1 mapping is not as approved in proposal 1: other \(none is approved, [0-9a-f]{12} is used\)"):
        run()


def test_who_only_said_their_name_does_not_count_where_sign_in_is_asked_for(firm: Path, snapshot: Any) -> None:
    facts = snapshot(erp={"contract": "contract_id,currency\nC1,EUR\n"})
    (firm / "policies" / "run.yaml").write_text(RUN + "approved_adapters: signed_in\n")
    approved(firm)
    with pytest.raises(UsageError, match="only said who they are"):
        run_snapshot(facts, policies=firm / "policies", out=firm / "runs")
