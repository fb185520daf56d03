"""A run can be performed again from what it kept, and two runs say what changed between them."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from adapters.compare import compare_runs, render_comparison
from adapters.policy_folder import SHIPPED
from adapters.publish import INPUTS
from adapters.replay import replay_run
from adapters.run import run_snapshot
from engine.errors import UsageError

Snapshot = Callable[..., Path]
CONTRACTS = {"contract": "contract_id,contract_number,total_value\nC1,N1,100\nC2,N2,200\n"}
COPIES = {"contract": "contract_id,contract_number,total_value\nC2,N2,200\nC1,N1,90\n"}


def test_a_run_performed_again_is_the_same_to_the_byte(snapshot: Snapshot, tmp_path: Path) -> None:
    folder = snapshot(crm=CONTRACTS, psa=COPIES)
    run = run_snapshot(folder, out=tmp_path / "runs", known_on=dt.date(2026, 2, 3))
    result = replay_run(run.run_dir, folder)
    assert result.is_same and not result.engine_changed
    assert {"manifest.json", "findings.parquet", "golden/contract.parquet", "inputs/policies/run.yaml"} <= set(result.same)


def test_a_replay_uses_the_policies_of_that_day_whatever_became_of_them(snapshot: Snapshot, tmp_path: Path) -> None:
    policies = tmp_path / "policies"
    shutil.copytree(SHIPPED, policies)
    folder = snapshot(crm=CONTRACTS, psa=COPIES)
    run = run_snapshot(folder, policies=policies, out=tmp_path / "runs")
    (policies / "ownership" / "contract.yaml").unlink()
    assert replay_run(run.run_dir, folder).is_same


@pytest.mark.parametrize(
    ("file", "problem"),
    [("findings.parquet", "1 rows, the replay has {rows}"), ("held.parquet", "the file is damaged"), ("manifest.json", "the bytes differ")],
)
def test_a_result_that_was_altered_is_named(snapshot: Snapshot, tmp_path: Path, file: str, problem: str) -> None:
    folder = snapshot(crm=CONTRACTS, psa={"contract": COPIES["contract"].replace("C2,N2,200", "C2,N2,201")})
    run = run_snapshot(folder, out=tmp_path / "runs")
    path = run.run_dir / file
    rows = pl.read_parquet(run.run_dir / "findings.parquet").height
    assert rows > 1
    if file == "findings.parquet":
        pl.read_parquet(path).head(1).write_parquet(path)
    elif file == "held.parquet":
        path.write_bytes(path.read_bytes()[:40])
    else:
        path.write_text(path.read_text().replace('"as_of"', '"as_of" '))
    assert replay_run(run.run_dir, folder).different == ((file, problem.format(rows=rows)),)


def test_a_changed_snapshot_is_another_run_and_its_files_differ(snapshot: Snapshot, tmp_path: Path) -> None:
    folder = snapshot(crm=CONTRACTS, psa=COPIES)
    run = run_snapshot(folder, out=tmp_path / "runs")
    (folder / "psa" / "contract.csv").write_text(CONTRACTS["contract"])
    result = replay_run(run.run_dir, folder)
    assert {"findings.parquet", "manifest.json"} <= {name for name, _ in result.different}
    assert result.inputs_changed == (("psa/contract.csv", "changed"),)
    with (folder / "snapshot.yaml").open("a") as file:
        file.write("# exported again\n")
    (folder / "psa" / "contract.csv").write_text(COPIES["contract"])
    assert replay_run(run.run_dir, folder).inputs_changed == (("snapshot.yaml", "changed"),)


def test_a_run_that_kept_nothing_or_lacks_its_previous_snapshot_says_so(snapshot: Snapshot, tmp_path: Path) -> None:
    folder, earlier = snapshot(crm=CONTRACTS, psa=COPIES), snapshot(name="earlier-night", crm=CONTRACTS)
    (earlier / "snapshot.yaml").write_text("snapshot: firm-2026-01-30\n" + (earlier / "snapshot.yaml").read_text())
    run = run_snapshot(folder, out=tmp_path / "runs", previous=earlier)
    with pytest.raises(UsageError, match="previous snapshot firm-2026-01-30"):
        replay_run(run.run_dir, folder)
    assert replay_run(run.run_dir, folder, earlier).is_same
    shutil.rmtree(run.run_dir / INPUTS)
    with pytest.raises(UsageError, match="kept no policies"):
        replay_run(run.run_dir, folder, earlier)


def test_two_runs_say_what_changed_in_the_data_and_what_came_of_it(snapshot: Snapshot, tmp_path: Path) -> None:
    one = run_snapshot(snapshot(name="a", crm=CONTRACTS, psa=COPIES), out=tmp_path / "runs")
    fixed = COPIES["contract"].replace("C1,N1,90", "C1,N1,100").replace("C2,N2,200", "C2,N2,250")
    two = run_snapshot(snapshot(name="b", crm=CONTRACTS, psa={"contract": fixed}), out=tmp_path / "runs")
    found = compare_runs(one.run_dir, two.run_dir)
    assert found["why"] == ["data"]
    assert found["files"] == {"psa/contract.csv": "changed"}
    drift = [[each["entity_id"] for each in found[side] if each["rule"] == "own-contract-value"] for side in ("opened", "closed")]
    assert drift == [["C2"], ["C1"]]
    assert f"{len(found['opened'])} opened, {len(found['closed'])} closed, 0 changed." in render_comparison(found)
    assert found["contents"]["matches"] == [2, 2] and "golden/contract" not in found["contents"]


def test_two_runs_of_the_same_data_say_that_a_policy_changed(snapshot: Snapshot, tmp_path: Path) -> None:
    folder, policies = snapshot(crm=CONTRACTS, psa=COPIES), tmp_path / "policies"
    shutil.copytree(SHIPPED, policies)
    one = run_snapshot(folder, policies=policies, out=tmp_path / "runs")
    path = policies / "ownership" / "contract.yaml"
    path.write_text(path.read_text().replace("tolerance: 0.01", "tolerance: 20"))
    two = run_snapshot(folder, policies=policies, out=tmp_path / "runs")
    found = compare_runs(one.run_dir, two.run_dir)
    assert found["why"] == ["policy"]
    assert found["policies"] == {"own-contract (ownership/contract.yaml)": "changed"}
    assert [each["entity_id"] for each in found["closed"]] == ["C1"]


def test_a_finding_that_is_told_otherwise_shows_what_it_was(snapshot: Snapshot, tmp_path: Path) -> None:
    copies = [{"contract": COPIES["contract"].replace("90", copy)} for copy in ("90", "80")]
    folders = [snapshot(name=f"night-{at}", crm=CONTRACTS, psa=copy) for at, copy in enumerate(copies)]
    one, two = (run_snapshot(folder, out=tmp_path / "runs") for folder in folders)
    found = compare_runs(one.run_dir, two.run_dir)
    assert [(each["entity_id"], each["was_amount_at_risk"], each["amount_at_risk"]) for each in found["changed"]] == [("C1", 10, 20)]
    text = render_comparison(found)
    assert "changed  high, own-contract-value, 10.00 → 20.00: Contract C1" in text


def test_what_a_run_was_made_with_beside_its_snapshot_is_a_cause(snapshot: Snapshot, tmp_path: Path) -> None:
    """The same night with another night before it, known on another day and as of another one: each is told."""
    folder, runs = snapshot(crm=CONTRACTS, psa=COPIES), tmp_path / "runs"
    before = snapshot(name="before", crm=CONTRACTS, psa=COPIES)
    plain = run_snapshot(folder, out=runs).run_dir
    after = compare_runs(plain, run_snapshot(folder, previous=before, out=runs).run_dir)
    assert (after["why"], "Previous snapshot: none → one without a name" in render_comparison(after)) == (["data"], True)
    known = compare_runs(plain, run_snapshot(folder, known_on=dt.date(2026, 2, 3), out=runs).run_dir)
    assert (known["why"], "Known on: none → 2026-02-03" in render_comparison(known)) == (["date"], True)
    assert compare_runs(plain, run_snapshot(folder, as_of=dt.date(2026, 2, 28), out=runs).run_dir)["why"] == ["date"]


def test_two_runs_say_which_figures_moved_beyond_the_limit_of_their_policy(snapshot: Snapshot, tmp_path: Path) -> None:
    """Backlog of 300,000 becomes 320,000, up by 6.7 %: beyond 5 %, within 10 %."""
    policies, runs = tmp_path / "policies", tmp_path / "runs"
    shutil.copytree(SHIPPED, policies)
    path = policies / "kpi" / "backlog.yaml"
    path.write_text(path.read_text().replace("at_most: 10,", "at_most: 5,"))
    low = {"contract": "contract_id,contract_number,currency,signed_date,status,total_value\nC1,N1,EUR,2026-01-05,active,300000\n"}
    high = {"contract": low["contract"].replace("300000", "320000")}
    line = {"contract_line": "contract_line_id,contract_id,offering,amount\nL1,C1,fixed_fee,300000\n"}
    one = run_snapshot(snapshot(name="a", crm={**low, **line}), policies=policies, out=runs)
    two = run_snapshot(snapshot(name="b", crm={**high, **line}), policies=policies, out=runs)
    text = render_comparison(compare_runs(one.run_dir, two.run_dir))
    assert "KPI backlog of 2026-01: 300,000 → 320,000 EUR, beyond the 5 % that is usual" in text
    shipped = [run_snapshot(tmp_path / name, policies=SHIPPED, out=runs).run_dir for name in ("a", "b")]
    assert "KPI backlog of 2026-01: 300,000 → 320,000 EUR\n" in render_comparison(compare_runs(*shipped)) + "\n"
