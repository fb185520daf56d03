"""A period is closed on evidence: altered evidence voids the certificate by its line, and nobody closes alone."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy.orm import Session

from adapters.close.board import BoardLine, board, period_end
from adapters.close.bundle import write_bundle
from adapters.close.certificate import certificate_hash, late_amounts, told_otherwise
from adapters.close.period import altered_lines, latest_close, lock_close, reopen_close, sign_close, signatures, start_close
from adapters.close.verify import against_certificate, against_store, verify_bundle
from adapters.replay import replay_run
from adapters.run import RunOutcome, run_snapshot
from adapters.safe_cells import safe_cell
from adapters.store.audit import Actor, entry_hash, verify
from adapters.store.database import Store, open_store, store_url
from adapters.store.tables import AuditEntry, PeriodClose, Run
from engine.errors import UsageError
from engine.policy.kinds.close import ClosePolicy
from tests.command import tieout

Snapshot = Callable[..., Path]
PERIOD = "2026-01"
ANNA = Actor("anna", "signed_in", frozenset({"preparer"}))
BEN = Actor("ben", "signed_in", frozenset({"approver"}))
CARL = Actor("carl", "signed_in", frozenset({"admin"}))
CLEAN = {"contract": "contract_id,contract_number,total_value\nC1,N1,100\n"}
POLICY = ClosePolicy.model_validate(
    {"policy": "close", "id": "c", "title": "t", "owner": "o", "effective_from": "2026-01-01", "reference": "r"}
)
READY = [BoardLine("open cases, high", "0", blocks=False)]


class Closing:
    """A run of a small firm, and its store."""

    def __init__(self, snapshot: Path, out: Path) -> None:
        self.snapshot, self.out = snapshot, out
        self.outcome: RunOutcome = run_snapshot(snapshot, out=out)
        self.store: Store = open_store(store_url(out))

    def run(self, session: Session) -> Run:
        found = session.get(Run, self.outcome.run_id)
        assert found is not None
        return found

    def start(self) -> None:
        with self.store.write() as session:
            start_close(session, ANNA, self.run(session), self.outcome.run_dir, PERIOD, POLICY)

    def close(self, session: Session) -> PeriodClose:
        found = latest_close(session, "snapshot", PERIOD)
        assert found is not None
        return found

    def lock(self) -> None:
        with self.store.write() as session:
            for actor, role in ((ANNA, "preparer"), (BEN, "approver")):
                sign_close(session, actor, self.close(session), role, POLICY, [])
            lock_close(session, BEN, self.close(session), READY, POLICY, [])


@pytest.fixture
def closing(snapshot: Snapshot, tmp_path: Path) -> Iterator[Closing]:
    made = Closing(snapshot(crm=CLEAN, psa=CLEAN), tmp_path / "runs")
    yield made
    made.store.close()


def test_a_period_is_started_signed_by_both_roles_and_locked(closing: Closing) -> None:
    closing.start()
    closing.lock()
    with closing.store.read() as session:
        close = closing.close(session)
        assert close.state == "locked" and close.locked_at is not None
        assert [(each.role, each.name) for each in signatures(session, close)] == [("preparer", "anna"), ("approver", "ben")]
        assert altered_lines(session, close, closing.out) == []
        assert verify(session)[1] is None


@pytest.mark.parametrize(
    ("alter", "line"),
    [
        (lambda each: (each.outcome.run_dir / "findings.parquet").write_bytes(b"x"), "results findings.parquet: the file was altered"),
        (lambda each: (each.outcome.run_dir / "held.parquet").unlink(), "results held.parquet: the file is gone"),
        (lambda each: (each.outcome.run_dir / "more.txt").write_text("x"), "results more.txt: the file was added"),
        (lambda each: (each.outcome.run_dir / "inputs/policies/run.yaml").write_text("x"), "results inputs/policies/run.yaml: the file was altered"),  # noqa: E501
        (lambda each: (each.snapshot / "psa/contract.csv").write_text("x"), "snapshot_files psa/contract.csv: the file was altered"),
        (lambda each: shutil.rmtree(each.outcome.run_dir), "the run's folder is gone"),
    ],
)
def test_altered_evidence_voids_the_certificate_and_names_its_line(closing: Closing, alter: Callable[[Closing], object], line: str) -> None:
    closing.start()
    alter(closing)
    with closing.store.write() as session:
        altered = altered_lines(session, closing.close(session), closing.out)
        assert len(altered) == 1 and altered[0].endswith(line)
        with pytest.raises(UsageError, match="The certificate is void"):
            sign_close(session, ANNA, closing.close(session), "preparer", POLICY, altered)


def test_a_certificate_whose_own_text_was_changed_is_void(closing: Closing) -> None:
    closing.start()
    with closing.store.write() as session:
        close = closing.close(session)
        close.certificate = {**close.certificate, "as_of": "2026-01-30"}
    with closing.store.read() as session:
        assert altered_lines(session, closing.close(session), closing.out) == ["the certificate's own text was altered"]


def test_signatures_from_the_command_line_do_not_count(closing: Closing) -> None:
    closing.start()
    with closing.store.write() as session:
        sign_close(session, Actor("dora", roles=frozenset({"preparer", "admin"})), closing.close(session), "preparer", POLICY, [])
        sign_close(session, BEN, closing.close(session), "approver", POLICY, [])
        with pytest.raises(UsageError, match="The signatures of preparer are missing"):
            lock_close(session, BEN, closing.close(session), READY, POLICY, [])


def test_one_person_signs_once_and_only_in_a_role_they_have(closing: Closing) -> None:
    closing.start()
    both = Actor("ben", "signed_in", frozenset({"approver", "preparer"}))
    with closing.store.write() as session:
        sign_close(session, both, closing.close(session), "approver", POLICY, [])
        with pytest.raises(UsageError, match="signed this certificate already"):
            sign_close(session, both, closing.close(session), "preparer", POLICY, [])
        with pytest.raises(UsageError, match="does not have the role 'approver'"):
            sign_close(session, ANNA, closing.close(session), "approver", POLICY, [])
        with pytest.raises(UsageError, match="not signed as 'viewer'"):
            sign_close(session, ANNA, closing.close(session), "viewer", POLICY, [])


def test_a_blocked_period_is_not_locked_and_says_why(closing: Closing) -> None:
    closing.start()
    with closing.store.write() as session, pytest.raises(UsageError, match="open cases, high: 3"):
        lock_close(session, BEN, closing.close(session), [BoardLine("open cases, high", "3", blocks=True)], POLICY, [])


def test_starting_anew_makes_another_certificate_that_nobody_has_signed(closing: Closing) -> None:
    closing.start()
    with closing.store.write() as session:
        sign_close(session, ANNA, closing.close(session), "preparer", POLICY, [])
    (closing.snapshot / "psa/contract.csv").write_text(CLEAN["contract"].replace("100", "90"))
    closing.outcome = run_snapshot(closing.snapshot, out=closing.out)
    closing.start()
    with closing.store.read() as session:
        assert signatures(session, closing.close(session)) == []


def test_a_locked_period_is_reopened_by_two_roles_with_a_reason(closing: Closing) -> None:
    closing.start()
    closing.lock()
    with closing.store.write() as session:
        close = closing.close(session)
        with pytest.raises(UsageError, match="is locked"):
            start_close(session, ANNA, closing.run(session), closing.outcome.run_dir, PERIOD, POLICY)
        with pytest.raises(UsageError, match="without a reason"):
            reopen_close(session, BEN, close, "approver", " ", POLICY)
        assert not reopen_close(session, Actor("dora", roles=frozenset({"preparer", "admin"})), close, "admin", "Wrong rate", POLICY)
        assert not reopen_close(session, BEN, close, "approver", "Wrong rate", POLICY)
        with pytest.raises(UsageError, match="signed the reopening already"):
            reopen_close(session, BEN, close, "approver", "Wrong rate", POLICY)
        assert reopen_close(session, CARL, close, "admin", "Agreed", POLICY)
        assert close.state == "reopened"


def test_the_board_blocks_on_open_cases_held_rows_and_an_early_snapshot(snapshot: Snapshot, tmp_path: Path) -> None:
    bad = {"contract": "contract_id,contract_number,total_value\nC1,N1,90\nC2,N2,abc\n"}
    made = Closing(snapshot(crm=CLEAN, psa=bad, as_of="2026-01-20"), tmp_path / "runs")
    with made.store.read() as session:
        lines = {each.question: each for each in board(session, made.outcome.run_dir, "snapshot", PERIOD, POLICY)}
    assert lines["open cases, high"].blocks
    assert (lines["rows held"].answer, lines["rows held"].blocks) == ("1", True)
    assert lines["snapshot"].answer == "as of 2026-01-20, before the period ends on 2026-01-31" and lines["snapshot"].blocks
    assert not lines["audit log"].blocks
    made.store.close()


@pytest.fixture
def bundle(closing: Closing, tmp_path: Path) -> Path:
    closing.start()
    closing.lock()
    target = tmp_path / "close.zip"
    with closing.store.read() as session:
        write_bundle(session, closing.close(session), closing.out, target)
    return target


def test_a_bundle_can_be_performed_again_offline(closing: Closing, bundle: Path, tmp_path: Path) -> None:
    shutil.rmtree(closing.out)
    shutil.rmtree(closing.snapshot)
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(tmp_path / "audit")
    certificate = json.loads((tmp_path / "audit/certificate.json").read_text())
    assert [each["name"] for each in certificate["signatures"]] == ["anna", "ben"]
    assert replay_run(tmp_path / "audit/run", tmp_path / "audit/snapshot").is_same


def test_facts_that_came_after_the_lock_are_listed_by_where_they_were_posted(tmp_path: Path) -> None:
    schedule = pl.DataFrame(
        {
            "period": ["2026-01", "2026-02", "2026-02", "2026-03"], "relates_to_period": ["2026-01", "2026-01", "2026-02", "2026-01"],
            "nature": ["current", "out_of_period", "current", "error"], "currency": ["EUR"] * 4,
            "recognized_amount": ["1", "20", "3", "-4"],
        }
    ).with_columns(pl.col("recognized_amount").cast(pl.Decimal(38, 6)))  # fmt: skip
    schedule.write_parquet(tmp_path / "revenue_schedule.parquet")
    assert [(each["period"], each["nature"], int(each["recognized_amount"])) for each in late_amounts(tmp_path, PERIOD)] == [
        ("2026-02", "out_of_period", 20), ("2026-03", "error", -4),
    ]  # fmt: skip


def test_a_locked_period_that_a_later_run_tells_otherwise_is_told_with_both_sums(tmp_path: Path) -> None:
    def schedule(name: str, *amounts: str) -> Path:
        (tmp_path / name).mkdir()
        rows = {"contract_line_id": ["L1", "L1", "L2", "L3"], "period": ["2026-01"] * 3 + ["2026-02"], "currency": ["EUR"] * 4}
        frame = pl.DataFrame({**rows, "recognized_amount": amounts}).with_columns(pl.col("recognized_amount").cast(pl.Decimal(38, 6)))
        frame.write_parquet(tmp_path / name / "revenue_schedule.parquet")
        return tmp_path / name

    closed, same = schedule("closed", "1000", "19.18", "5", "7"), schedule("same", "1019.18", "0", "5", "9")
    assert told_otherwise(same, closed, PERIOD) == []
    found = told_otherwise(schedule("now", "1000", "0", "5", "7"), closed, PERIOD)
    assert found == [{"currency": "EUR", "closed": Decimal("1019.18"), "now": Decimal(1000), "lines": 1}]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", " =1"])
def test_a_cell_that_would_run_as_a_formula_is_text(text: str) -> None:
    assert safe_cell(text) == f"'{text}"
    assert safe_cell(-5) == "-5"


def test_a_name_written_otherwise_is_the_same_person(closing: Closing) -> None:
    closing.start()
    both = frozenset({"approver", "preparer", "admin"})
    with closing.store.write() as session:
        sign_close(session, Actor("Ben@Firm.example", "signed_in", both), closing.close(session), "approver", POLICY, [])
        with pytest.raises(UsageError, match="signed this certificate already"):
            sign_close(session, Actor("ben@firm.EXAMPLE ", "signed_in", both), closing.close(session), "preparer", POLICY, [])
        sign_close(session, ANNA, closing.close(session), "preparer", POLICY, [])
        lock_close(session, BEN, closing.close(session), READY, POLICY, [])
        reopen_close(session, Actor("BEN@firm.example", "signed_in", both), closing.close(session), "approver", "Wrong rate", POLICY)
        with pytest.raises(UsageError, match="signed the reopening already"):
            reopen_close(session, Actor("ben@firm.example", "signed_in", both), closing.close(session), "admin", "Wrong rate", POLICY)


def test_a_signature_asserted_in_ones_name_keeps_nobody_from_signing(closing: Closing) -> None:
    closing.start()
    with closing.store.write() as session:
        sign_close(session, Actor("anna", roles=frozenset({"preparer"})), closing.close(session), "preparer", POLICY, [])
        with pytest.raises(UsageError, match="signed this certificate already"):
            sign_close(session, Actor("Anna", roles=frozenset({"preparer"})), closing.close(session), "preparer", POLICY, [])
        sign_close(session, ANNA, closing.close(session), "preparer", POLICY, [])
        sign_close(session, BEN, closing.close(session), "approver", POLICY, [])
        lock_close(session, BEN, closing.close(session), READY, POLICY, [])


@pytest.mark.parametrize("period", ["2026-99", "2026-13", "banana", "", "2026-1"])
def test_what_is_no_period_is_not_closed(closing: Closing, period: str) -> None:
    with closing.store.write() as session, pytest.raises(UsageError, match="is no period"):
        start_close(session, ANNA, closing.run(session), closing.outcome.run_dir, period, POLICY)


def test_a_fiscal_period_ends_when_its_calendar_says(snapshot: Snapshot, tmp_path: Path) -> None:
    own = "LE,2026-01,2025-12-28,2026-01-24,open\nLE,2026-13,2026-12-01,2026-12-31,open\n"
    periods = f"legal_entity_id,period,start_date,end_date,status\n{own}"
    made = Closing(snapshot(crm=CLEAN, psa={**CLEAN, "fiscal_period": periods}, as_of="2026-01-27"), tmp_path / "runs")
    assert period_end(made.outcome.run_dir, PERIOD) == dt.date(2026, 1, 24)
    assert period_end(made.outcome.run_dir, "2026-13") == dt.date(2026, 12, 31)
    with made.store.read() as session:
        lines = {each.question: each for each in board(session, made.outcome.run_dir, "snapshot", PERIOD, POLICY)}
    assert (lines["snapshot"].answer, lines["snapshot"].blocks) == ("as of 2026-01-27, 3 days after the period's end", False)
    made.store.close()


def rewritten(bundle: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    """Write a bundle again with its files changed, as an archive without a fault."""
    with zipfile.ZipFile(bundle) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    with zipfile.ZipFile(bundle, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return bundle


def _lengthen(name: str, files: dict[str, bytes]) -> None:
    files[name] += b" "


def _take_out(name: str, files: dict[str, bytes]) -> None:
    del files[name]


def test_every_file_of_a_bundle_that_is_altered_or_taken_out_is_named(bundle: Path) -> None:
    whole = verify_bundle(bundle)
    assert whole.wrong == () and whole.state == "locked"
    content = bundle.read_bytes()
    with zipfile.ZipFile(bundle) as archive:
        names = archive.namelist()
    assert len(names) == whole.files > 20
    for name in names:
        if name not in ("contents.json", "certificate.json"):
            altered = verify_bundle(rewritten(bundle, partial(_lengthen, name))).wrong
            assert f"{name}: the file was altered" in altered
            bundle.write_bytes(content)
            assert f"{name}: the file is gone" in verify_bundle(rewritten(bundle, partial(_take_out, name))).wrong
            bundle.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda files: files.update({"run/more.csv": b"x"}), "run/more.csv: the file was added"),
        (lambda files: files.update({"../evil": b"x"}), "../evil: the file was added"),
        (lambda files: listed_anew(files, "run/findings.parquet", b"x"), "run/findings.parquet: the file was altered"),
        (lambda files: listed_anew(files, "snapshot/psa/contract.csv", b"x"), "snapshot/psa/contract.csv: the file was altered"),
        (lambda files: certified_anew(files, as_of="2026-01-30"), "certificate.json: its own text was altered"),
        (lambda files: certified_anew(files, signatures=[{"role": "approver", "name": "eve", "identity": "signed_in"}]), "certificate.json: the log knows no signature of eve as approver"),  # noqa: E501
        (lambda files: listed_anew(files, "audit.json", files["audit.json"].replace(b"anna", b"eve!", 1)), "was changed after it was written"),  # noqa: E501
        (lambda files: listed_anew(files, "audit.json", b""), "audit.json: it is empty or cannot be read"),
    ],
)
def test_whoever_lists_an_altered_file_anew_is_told_by_the_certificate_or_the_log(
    bundle: Path, change: Callable[[dict[str, bytes]], object], told: str
) -> None:
    assert any(told in each for each in verify_bundle(rewritten(bundle, change)).wrong)


def listed_anew(files: dict[str, bytes], name: str, content: bytes) -> None:
    files[name] = content
    contents = json.loads(files["contents.json"]) | {name: hashlib.sha256(content).hexdigest()}
    files["contents.json"] = json.dumps(contents).encode()


def certified_anew(files: dict[str, bytes], **changes: object) -> None:
    listed_anew(files, "certificate.json", json.dumps(json.loads(files["certificate.json"]) | changes).encode())


def forged(files: dict[str, bytes]) -> None:
    """Alter a result and write every hash anew: its own, the certificate's, and the whole log with it."""
    listed_anew(files, "run/findings.parquet", b"x")
    told = json.loads(files["certificate.json"])
    beside = {name: told.pop(name) for name in ("certificate_hash", "state", "signatures")}
    told["results"]["findings.parquet"] = hashlib.sha256(b"x").hexdigest()
    certified_anew(files, results=told["results"], certificate_hash=certificate_hash(told))
    before, lines = "", []
    for line in files["audit.json"].decode().splitlines():
        entry = json.loads(line)
        entry |= {"body": entry["body"].replace(beside["certificate_hash"], certificate_hash(told)), "previous_hash": before}
        before = entry["hash"] = entry_hash(AuditEntry(**entry))
        lines.append(json.dumps(entry) + "\n")
    listed_anew(files, "audit.json", "".join(lines).encode())


def test_whoever_writes_every_hash_anew_is_told_by_what_the_firm_has_itself(closing: Closing, bundle: Path) -> None:
    whole = verify_bundle(bundle)
    with closing.store.read() as session:
        assert against_store(session, whole) == []
    altered = verify_bundle(rewritten(bundle, forged))
    assert altered.wrong == ()
    assert against_certificate(whole, whole.certificate) == []
    assert "not the one held against it" in against_certificate(altered, whole.certificate)[0]
    with closing.store.read() as session:
        told = against_store(session, altered)
        assert told == [f"certificate.json: the store knows a close of {PERIOD}, and not with the certificate {altered.certificate}"]
        assert against_store(session, dataclasses.replace(whole, period="2026-02")) is None
        cut = dataclasses.replace(whole, log_end=altered.log_end)
        assert against_store(session, cut) == [f"audit.json: its end, {altered.log_end}, is no entry of the store's log"]


def test_the_command_compares_a_bundle_with_the_store_at_hand(closing: Closing, bundle: Path, tmp_path: Path) -> None:
    def verified(*more: str) -> tuple[int, str]:
        result = tieout("close", "verify", str(bundle), *more)
        return result.returncode, result.stdout

    digest = verify_bundle(bundle).certificate
    assert verified("--out", str(closing.out))[0] == 0
    assert "It agrees with the store." in verified("--out", str(closing.out))[1]
    assert "It agrees with the certificate given." in verified("--certificate", digest, "--out", str(tmp_path / "none"))[1]
    rewritten(bundle, forged)
    assert verified("--out", str(tmp_path / "none"))[0] == 0
    assert verified("--out", str(closing.out))[0] == 1
    assert verified("--certificate", digest, "--out", str(tmp_path / "none"))[0] == 1


def test_a_damaged_archive_is_told_and_what_is_no_bundle_refused(bundle: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(bundle) as archive:
        place = archive.getinfo("snapshot/psa/contract.csv")
    content = bytearray(bundle.read_bytes())
    content[place.header_offset + 30 + len(place.filename) + 3] ^= 0xFF
    (tmp_path / "damaged.zip").write_bytes(content)
    assert "snapshot/psa/contract.csv: the file was altered" in verify_bundle(tmp_path / "damaged.zip").wrong
    for broken in (b"", b"PK", b"x" * 100):
        (tmp_path / "other.zip").write_bytes(broken)
        with pytest.raises(UsageError, match="damaged, or no bundle"):
            verify_bundle(tmp_path / "other.zip")
    rewritten(bundle, lambda files: files.pop("contents.json"))
    with pytest.raises(UsageError, match=r"no readable contents\.json"):
        verify_bundle(bundle)


def test_no_bundle_is_written_of_evidence_that_was_altered(closing: Closing, tmp_path: Path) -> None:
    closing.start()
    (closing.outcome.run_dir / "findings.parquet").write_bytes(b"x")
    with closing.store.read() as session, pytest.raises(UsageError, match="The certificate is void"):
        write_bundle(session, closing.close(session), closing.out, tmp_path / "close.zip")
    assert list(tmp_path.glob("close.zip*")) == []
