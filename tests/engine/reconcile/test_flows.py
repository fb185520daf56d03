"""The integration log on ten rows: failed, twice, late, waiting, never sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

Reconcile = Callable[..., Any]

POLICY = """policy: flow
id: flow-test
title: Integrations
owner: systems
effective_from: 1900-01-01
reference: AM 9
flows:
  - id: flow-invoice
    from: billing
    to: erp
    entity: invoice
    criticality: critical
    within: 1 hour
    expects: EXPECTS
    says: The ERP hears of invoices
"""

HEAD = "event_id,from_system,to_system,entity,entity_id,event_type,occurred_at,received_at,processed_at,status,attempts,error\n"


TEN = "2026-01-10T10:00"


def event(name: str, invoice: str, *, at: str = TEN, done: str = "2026-01-10T10:01", status: str = "processed", sent: str = "") -> str:
    finished = f"{done}:00Z" if done else ""
    return f"{name},billing,erp,invoice,{invoice},posted,{at}:00Z,{sent or at}:30Z,{finished},{status},1,why\n"


def log(*events: str) -> dict[str, str]:
    return {"integration_event": HEAD + "".join(events)}


def policy(expects: str = "nothing") -> str:
    return POLICY.replace("EXPECTS", expects)


def test_an_event_that_failed_is_as_grave_as_its_flow_unless_it_was_made_good(reconcile: Reconcile) -> None:
    run = reconcile(
        policy(),
        warehouse=log(
            event("E1", "I1", done="", status="failed"), event("E2", "I2", done="", status="failed"),
            event("E3", "I2", sent="2026-01-10T11:00"), event("E4", "I3", done="", status="dead_letter"),
        ),
    )  # fmt: skip
    assert run.kinds() == [("dead_letter_event", "E4"), ("failed_event", "E1")]
    assert set(run.frame("findings")["severity"]) == {"critical"}


def test_a_fact_told_twice_is_told_of_the_later_event(reconcile: Reconcile) -> None:
    events = event("E2", "I1", sent="2026-01-10T10:05"), event("E1", "I1"), event("E3", "I1", at="2026-01-11T10:00")
    run = reconcile(policy(), warehouse=log(*events))
    # E3 is another fact about the same invoice.
    assert ("duplicate_event", "E2") in run.kinds()
    assert run.frame("flows")["duplicated"].to_list() == [1]


def test_what_takes_longer_than_permitted_is_late_and_what_waits_longer_is_told(reconcile: Reconcile) -> None:
    run = reconcile(
        policy(), warehouse=log(event("E1", "I1", done="2026-01-10T12:00"), event("E2", "I2", done="", status="pending"), event("E3", "I3"))
    )
    assert run.kinds() == [("late_event", "E1"), ("waiting_event", "E2")]
    row = run.frame("flows").to_dicts()[0]
    assert (row["latency_median_seconds"], row["latency_longest_seconds"], row["pending"]) == (60, 7200, 1)


def test_a_record_of_which_nobody_was_told(reconcile: Reconcile) -> None:
    invoices = "invoice_id,recorded_at\nI1,2026-01-10T10:00:00Z\nI2,2026-01-11T10:00:00Z\nI0,2025-01-11T10:00:00Z\n"
    systems = {"warehouse": log(event("E1", "I1")), "billing": {"invoice": invoices}}
    # I0 is older than the log.
    assert reconcile(policy("created"), **systems).kinds() == [("event_not_sent", "I2")]


def test_a_change_of_which_nobody_was_told(reconcile: Reconcile) -> None:
    invoices = "invoice_id,recorded_at,modified_at\nI1,2026-01-10T10:00:00Z,2026-01-20T10:00:00Z\n"
    run = reconcile(policy("changed"), warehouse=log(event("E1", "I1")), billing={"invoice": invoices})
    assert run.kinds() == [("event_not_sent", "I1")]


def test_events_of_which_no_policy_speaks_are_told_once(reconcile: Reconcile) -> None:
    other = event("E1", "I1").replace(",billing,erp,", ",psa,erp,")
    run = reconcile(policy(), warehouse=log(other, other.replace("E1", "E2"), event("E3", "I3")))
    assert run.frame("findings").filter(pl.col("kind") == "flow_without_policy")["entity_id"].to_list() == ["psa|erp|invoice"]
