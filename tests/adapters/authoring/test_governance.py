"""`tieout policy propose | approve | reject | log | rollback | at`: two people, roles and money, a log that shows any change."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from adapters import cli
from adapters.policy_folder import require_policies
from adapters.store.audit import Actor
from adapters.store.database import open_store
from adapters.store.policy_versions import decide, find_proposal, require_approved
from engine.errors import UsageError
from engine.policy.kinds.access import AccessPolicy

ROOT = Path(__file__).parents[3]
HEAD = "owner: controller\neffective_from: 1900-01-01\nreference: r\n"
ACCESS = (
    f"policy: access\nid: access\ntitle: Who may do what\n{HEAD}policy_approvals: [{{role: approver, up_to: 1000}}, {{role: admin}}]\n"
    "people:\n  - {person: Ada, roles: [preparer]}\n  - {person: Ben, roles: [approver]}\n"
    "  - {person: Cleo, roles: [preparer, approver, admin]}\n"
)
RUN = f"policy: run\nid: run\ntitle: Run\n{HEAD}fail_on: high\n"
REVENUE = (ROOT / "policies" / "revenue" / "rev-treatment.yaml").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "policies"
    made.mkdir()
    (made / "access.yaml").write_text(ACCESS)
    (made / "run.yaml").write_text(RUN)
    return made


@pytest.fixture
def policy(tmp_path: Path) -> Any:
    cli._load_commands()

    def call(*arguments: str) -> Any:
        return CliRunner().invoke(cli.app, ["policy", *arguments, "--out", str(tmp_path / "runs")])

    return call


def approved(policy: Any, folder: Path) -> None:
    assert policy("propose", str(folder), "--as", "Ada").exit_code == 0
    assert policy("approve", "1", "--as", "Cleo").exit_code == 0


def test_a_change_is_proposed_by_one_and_approved_by_another(policy: Any, folder: Path) -> None:
    said = policy("propose", str(folder), "--as", "Ada", "--comment", "To begin with").stdout
    assert "The first version." in said and "waits for the role admin, not Ada" in said
    for who, refused in (("Ada", "may not decide"), ("Ben", "needs the role 'admin'"), ("Dan", "may not decide")):
        assert refused in str(policy("approve", "1", "--as", who).exception)
    assert "is approved by Cleo, asserted" in policy("approve", "1", "--as", "Cleo").stdout
    assert "approved already" in str(policy("reject", "1", "--as", "Cleo").exception)
    lines = policy("log").stdout.splitlines()
    assert "proposed by Ada (asserted): To begin with" in lines[0] and "approved by Cleo (asserted)" in lines[1]
    assert lines[-1] == "The log is whole."


def test_nobody_approves_what_they_proposed(policy: Any, folder: Path) -> None:
    policy("propose", str(folder), "--as", "Cleo")
    assert "Nobody approves what they proposed" in str(policy("approve", "1", "--as", " CLEO ").exception)


def test_who_may_approve_is_what_the_approved_version_says(policy: Any, folder: Path) -> None:
    approved(policy, folder)
    (folder / "access.yaml").write_text(ACCESS.replace("Ada, roles: [preparer]", "Ada, roles: [preparer, approver, admin]"))
    said = policy("propose", str(folder), "--as", "Ada").stdout
    assert "setting people.Ada.roles is changed" in said and "The money it moves is not known" in said
    policy("reject", "2", "--as", "Cleo", "--comment", "Not herself")
    assert "may not decide" in str(policy("approve", "1", "--as", "Ada").exception)


def test_money_decides_the_role() -> None:
    from decimal import Decimal

    from engine.policy.load import load_policies
    from engine.policy.source import SourceText

    ((_, access),) = load_policies([SourceText("access.yaml", ACCESS)])[0].of_kind(AccessPolicy)
    roles = [access.policy_approver(each) for each in (Decimal(0), Decimal(1000), Decimal("1000.01"), None)]
    assert roles == ["approver", "approver", "admin", "admin"]


def test_a_revenue_change_says_as_what(policy: Any, folder: Path) -> None:
    (folder / "rev.yaml").write_text(REVENUE)
    approved(policy, folder)
    (folder / "rev.yaml").write_text(REVENUE.replace("collectible: presumed}", "collectible: presumed}\n  proration: monthly_even"))
    assert "does not say as what" in str(policy("propose", str(folder), "--as", "Ada").exception)
    refused = policy("propose", str(folder), "--as", "Ada", "--change", "estimate").exception
    assert "says estimate, and the revenue policy does not: it is altered in place, as if it had always been so." in str(refused)


def test_what_a_revenue_change_is_said_to_be_stands_in_the_policy(policy: Any, folder: Path) -> None:
    (folder / "rev.yaml").write_text(REVENUE)
    approved(policy, folder)
    (folder / "rev.yaml").write_text(REVENUE.replace("item: obligation", "item: obligation\neffective_to: 2026-06-30"))
    later = REVENUE.replace("effective_from: 1900-01-01", "effective_from: 2026-07-01")
    (folder / "rev-2.yaml").write_text(later.replace("presumed}\n", "presumed}\n  proration: monthly_even\n"))

    def propose(*more: str) -> Any:
        return policy("propose", str(folder), "--as", "Ada", *more)

    assert "says error, and the revenue policy does not: new_facts." in str(propose("--change", "error").exception)
    (folder / "rev-2.yaml").write_text((folder / "rev-2.yaml").read_text() + "change: {kind: principle, transition: retrospective}\n")
    wrong = propose("--change", "principle", "--transition", "modified_retrospective").exception
    assert "says principle, modified_retrospective, and the revenue policy does not: principle." in str(wrong)
    assert propose("--change", "principle", "--transition", "retrospective").exit_code == 0


def test_a_run_may_demand_the_version_approved_last(policy: Any, folder: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'runs' / 'tieout.db'}"
    approved(policy, folder)
    require_approved(url, require_policies(folder), signed_in=False)
    with pytest.raises(UsageError, match="only said who they are"):
        require_approved(url, require_policies(folder), signed_in=True)
    (folder / "run.yaml").write_text(RUN.replace("fail_on: high", "fail_on: low\napproved_policies: any"))
    with pytest.raises(UsageError, match="are not approved"):
        require_approved(url, require_policies(folder), signed_in=False)
    (tmp_path / "crm").mkdir()
    (tmp_path / "crm" / "contract.csv").write_text("contract_id\nC1\n")
    (tmp_path / "snapshot.yaml").write_text("as_of: 2026-01-31\nsources: [{system: crm, adapter: canonical, path: crm}]\n")
    run = CliRunner().invoke(cli.app, ["run", str(tmp_path), "--policies", str(folder), "--out", str(tmp_path / "runs")])
    assert "are not approved" in str(run.exception)
    policy("propose", str(folder), "--as", "Ada")
    store = open_store(url)
    with store.write() as session:
        decide(session, Actor("Cleo", "signed_in", frozenset({"admin"})), find_proposal(session, "2"), approve=True, text="")
    store.close()
    require_approved(url, require_policies(folder), signed_in=True)


def test_a_rollback_is_a_new_version_and_the_folder_of_a_day_can_be_had(policy: Any, folder: Path, tmp_path: Path) -> None:
    approved(policy, folder)
    first = (folder / "run.yaml").read_text()
    (folder / "run.yaml").write_text(RUN.replace("fail_on: high", "fail_on: low"))
    (folder / "more.yaml").write_text(f"policy: calendar\nid: calendar\ntitle: Days\n{HEAD}holidays: [2026-01-01]\n")
    assert policy("propose", str(folder), "--as", "Ada").exit_code == 0
    assert "was never approved" in str(policy("rollback", "2", "--to", str(folder), "--as", "Ada").exception)
    policy("approve", "2", "--as", "Cleo")
    said = policy("rollback", "1", "--to", str(folder), "--as", "Ada").stdout
    assert "setting fail_on is changed" in said and "Proposal 3" in said
    assert (folder / "run.yaml").read_text() == first and not (folder / "more.yaml").exists()
    policy("approve", "3", "--as", "Cleo")
    assert policy("at", "2999-12-31", "--to", str(tmp_path / "then")).exit_code == 0
    assert (tmp_path / "then" / "run.yaml").read_text() == first
    assert "No policies were approved by" in str(policy("at", "2000-01-01", "--to", str(tmp_path / "then")).exception)


def test_the_log_shows_that_it_was_changed(policy: Any, folder: Path, tmp_path: Path) -> None:
    approved(policy, folder)
    with sqlite3.connect(tmp_path / "runs" / "tieout.db") as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.execute("UPDATE audit_entry SET actor = 'Ada' WHERE sequence = 2")
    result = policy("log")
    assert result.exit_code == 1 and "The log is broken: entry 2" in result.stdout
