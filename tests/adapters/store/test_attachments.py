"""Files of a case lie once by their hash, are what their ending says, and go with the case."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from adapters.retention import purge
from adapters.store.attachments import FOLDER, LARGEST, attach, attachments_of, read_attachment
from adapters.store.audit import Actor, verify
from adapters.store.case_work import history
from adapters.store.database import Store
from adapters.store.runs import register_run
from adapters.store.tables import Case
from engine.errors import StoreError, UsageError
from engine.policy.kinds.retention import RetentionPolicy

ANNA = Actor("anna", "signed_in", frozenset({"preparer"}))
PDF = b"%PDF-1.7 the signed acceptance"


@pytest.fixture
def cases(store: Store, night: Any) -> Store:
    with store.write() as session:
        register_run(session, night("r1", "2026-01-30", A={}, B={}))
    return store


def case(session: Any, name: str) -> Case:
    found: Case = session.execute(sa.select(Case).where(Case.entity_id == name)).scalar_one()
    return found


def test_a_file_is_kept_once_by_its_hash_and_told_in_the_history(cases: Store, tmp_path: Path) -> None:
    with cases.write() as session:
        attach(session, ANNA, case(session, "A"), tmp_path, "../../C:\\mail\\Acceptance <signed>.PDF", PDF)
        attach(session, ANNA, case(session, "B"), tmp_path, "copy.pdf", PDF)
        with pytest.raises(UsageError, match="has this file already"):
            attach(session, ANNA, case(session, "A"), tmp_path, "again.pdf", PDF)
    kept = [path for path in (tmp_path / FOLDER).rglob("*") if path.is_file()]
    assert len(kept) == 1
    with cases.read() as session:
        found = attachments_of(session, case(session, "A"))
        assert [(each.name, each.size) for each in found] == [("Acceptance _signed_.pdf", len(PDF))]
        assert read_attachment(tmp_path, found[0]) == PDF
        last = history(session, case(session, "A"))[-1]
        assert (last.action, last.actor, (last.after or {})["file"]) == ("attached", "anna", "Acceptance _signed_.pdf")
        assert verify(session)[1] is None
        kept[0].write_bytes(PDF + b" altered")
        with pytest.raises(StoreError, match="was altered"):
            read_attachment(tmp_path, found[0])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tool.exe", b"MZ"), ("book.xlsm", b"PK\x03\x04"), ("page.html", b"<script>"), ("page.svg", b"<svg/>"),
        (".pdf", PDF), ("empty.txt", b""),
        ("fake.pdf", b"MZ..."), ("binary.csv", b"a,b\x00"), ("large.txt", b"x" * (LARGEST + 1)),
    ],
)  # fmt: skip
def test_what_is_no_such_file_is_not_taken(cases: Store, tmp_path: Path, name: str, content: bytes) -> None:
    with cases.write() as session, pytest.raises(UsageError):
        attach(session, ANNA, case(session, "A"), tmp_path, name, content)
    assert not (tmp_path / FOLDER).exists()


def test_who_may_not_work_a_case_attaches_nothing(cases: Store, tmp_path: Path) -> None:
    with cases.write() as session, pytest.raises(UsageError, match="may not attach a file"):
        attach(session, Actor("eve", "signed_in", frozenset({"viewer"})), case(session, "A"), tmp_path, "a.pdf", PDF)


def test_a_file_goes_with_the_last_case_that_has_it(cases: Store, night: Any, tmp_path: Path) -> None:
    with cases.write() as session:
        for name in ("A", "B"):
            attach(session, ANNA, case(session, name), tmp_path, "acceptance.pdf", PDF)
        attach(session, ANNA, case(session, "A"), tmp_path, "note.txt", b"seen by phone")
    with cases.write() as session:
        register_run(session, night("r2", "2026-01-31", B={}))
        register_run(session, night("r3", "2027-06-30", B={}))
    keep = {
        "policy": "retention",
        "id": "r",
        "title": "t",
        "owner": "o",
        "effective_from": "2026-01-01",
        "reference": "law",
        "cases": {"days": 90},
    }
    policy = RetentionPolicy.model_validate(keep)
    gone = purge(cases, tmp_path, Actor("ada", "signed_in", frozenset({"admin"})), policy)
    assert [each.what for each in gone] == ["case"]
    assert [path.read_bytes() for path in (tmp_path / FOLDER).rglob("*") if path.is_file()] == [PDF]
    assert dt.date(2026, 1, 31) in {each.since for each in gone}
