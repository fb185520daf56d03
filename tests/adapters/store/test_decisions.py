"""People's word on matches and estimates: by role, with a reason, once; and what a run is given of it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from adapters.store.attestations import HOURS, attest, attested_estimates
from adapters.store.audit import Actor, verify
from adapters.store.database import Store
from adapters.store.match_decisions import Suggestion, decide_match, decided_lines, revoke_match, suggestion_of
from adapters.store.runs import register_run
from adapters.store.tables import Run
from engine.errors import UsageError

ANNA = Actor("anna", "signed_in", frozenset({"preparer"}))
LEAD = Actor("lead", "signed_in", frozenset({"project_manager"}))
DAY = dt.date(2026, 1, 30)
LINES = [{"side": "left", "entity": "invoice", "entity_id": "I1"}, {"side": "right", "entity": "invoice", "entity_id": "E1"}]
SUGGESTED = Suggestion("rec-test", "L:I1", Decimal("0.50"), LINES)


@pytest.fixture
def known(store: Store, night: Any) -> Store:
    with store.write() as session:
        register_run(session, night("r1", str(DAY), A={}))
    return store


def run_of(session: Any) -> Run:
    found = session.get(Run, "r1")
    assert found is not None
    return found


def test_a_match_is_decided_once_with_a_reason_and_may_be_taken_back(known: Store) -> None:
    with known.write() as session:
        run = run_of(session)
        with pytest.raises(UsageError, match="without a reason"):
            decide_match(session, ANNA, run, SUGGESTED, "confirmed", " ")
        with pytest.raises(UsageError, match="may not decide a match"):
            decide_match(session, LEAD, run, SUGGESTED, "confirmed", "seen")
        decision = decide_match(session, ANNA, run, SUGGESTED, "confirmed", "The bank says so")
        with pytest.raises(UsageError, match="decided already"):
            decide_match(session, ANNA, run, SUGGESTED, "refused", "no")
        assert decided_lines(session, run.scope, DAY - dt.timedelta(days=1)) is None
        rows = decided_lines(session, run.scope, DAY)
        assert rows is not None
        assert rows.select("verdict", "by", "residual", "side", "entity_id").rows() == [
            ("confirmed", "anna", Decimal("0.5"), "left", "I1"), ("confirmed", "anna", Decimal("0.5"), "right", "E1"),
        ]  # fmt: skip
        revoke_match(session, ANNA, decision.decision_id, "The wrong line")
        assert decided_lines(session, run.scope, DAY) is None
        with pytest.raises(UsageError, match="no decision"):
            revoke_match(session, ANNA, decision.decision_id, "again")
        assert verify(session)[1] is None


def test_only_what_a_run_suggests_is_decided_and_the_tie_out_is_named_where_several_do() -> None:
    row = {"match_id": "L:I1", "status": "suggested", "residual": Decimal(0), "side": "left", "entity": "invoice", "entity_id": "I1"}
    matches = pl.LazyFrame([{**row, "reconciliation": name} for name in ("rec-a", "rec-b")])
    assert suggestion_of(matches, "L:I1", "rec-a").reconciliation == "rec-a"
    for name, told in (("L:I1", "Several tie-outs"), ("L:I2", "suggests no match")):
        with pytest.raises(UsageError, match=told):
            suggestion_of(matches, name)


def test_an_estimate_is_attested_as_the_systems_have_it_once_a_day(known: Store) -> None:
    with known.write() as session:
        run = run_of(session)
        with pytest.raises(UsageError, match="may not attest"):
            attest(session, Actor("eve"), run, "L1", Decimal(100), "EUR", amount=Decimal(100))
        with pytest.raises(UsageError, match=r"not 90\.00"):
            attest(session, LEAD, run, "L1", Decimal(100), "EUR", amount=Decimal(90))
        with pytest.raises(UsageError, match="No system gives an estimate"):
            attest(session, LEAD, run, "L1", None, "EUR", amount=Decimal(90))
        attest(session, LEAD, run, "L1", Decimal(100), "EUR", amount=Decimal(100), comment="Plan of January")
        with pytest.raises(UsageError, match="already"):
            attest(session, LEAD, run, "L1", Decimal(100), "EUR", amount=Decimal(100))
        assert attested_estimates(session, run.scope, DAY - dt.timedelta(days=1)) is None
        rows = attested_estimates(session, run.scope, DAY)
        assert rows is not None
        assert rows.rows() == [("L1", DAY, Decimal(100), "lead", None)]
        # The same number of hours is another word.
        attest(session, LEAD, run, "L1", Decimal(100), None, amount=Decimal(100), measure=HOURS)
        rows = attested_estimates(session, run.scope, DAY)
        assert rows is not None
        assert rows.rows() == [("L1", DAY, Decimal(100), "lead", None), ("L1", DAY, None, "lead", Decimal(100))]
        assert verify(session)[1] is None
