"""Ownership does not depend on the order of rows, and finds what a plain comparison finds."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from engine.canonical.schema import entity_spec
from engine.findings import finish_findings
from engine.ownership import decide_ownership
from engine.policy.load import load_policies
from engine.policy.source import SourceText
from engine.stage import Context, Facts

POLICY = """policy: ownership
id: own-contract
title: t
owner: o
effective_from: 1900-01-01
reference: r
entity: contract
match: [contract_number]
owner_system: crm
rules:
  - {id: value, field: total_value, owner: crm, consumers: [psa], says: CRM owns the value}
"""

value = st.none() | st.integers(0, 3).map(lambda number: Decimal(number) / 2)
side = st.dictionaries(st.integers(1, 6), value, max_size=6)
STATED = frozenset({"contract_id", "contract_number", "total_value"})


def facts(crm: dict[int, Decimal | None], psa: dict[int, Decimal | None], order: list[int]) -> Facts:
    rows = [("crm", f"C{n}", f"N{n}", each) for n, each in crm.items()] + [("psa", f"P{n}", f"N{n}", each) for n, each in psa.items()]
    rows = [rows[position % len(rows)] for position in _permuted(len(rows), order)]
    schema = entity_spec("contract").polars_schema()
    data = [
        {"source_system": system, "contract_id": key, "contract_number": number, "total_value": each,
         "source_file": f"{system}.csv", "source_row": 1}
        for system, key, number, each in rows
    ]  # fmt: skip
    frame = pl.DataFrame(data, schema=schema)
    stated = {("contract", system): STATED for system in ("crm", "psa")}
    return Facts({"contract": frame.lazy()}, stated, dt.date(2026, 1, 31))


def _permuted(count: int, order: list[int]) -> list[int]:
    return sorted(range(count), key=lambda position: (order[position % len(order)] if order else 0, position))


def findings(given_facts: Facts) -> pl.DataFrame:
    policies, _ = load_policies([SourceText("p.yaml", POLICY)])
    return finish_findings(*decide_ownership(given_facts, policies, Context(dt.date(2026, 1, 31))).findings)


@given(side, side, st.lists(st.integers(0, 9), max_size=12))
def test_drift_is_what_a_plain_comparison_finds_in_any_order(
    crm: dict[int, Decimal | None], psa: dict[int, Decimal | None], order: list[int]
) -> None:
    found = findings(facts(crm, psa, order))
    expected = {f"C{n}" for n in crm.keys() & psa.keys() if crm[n] is not None and crm[n] != psa[n]}
    assert set(found["entity_id"]) == expected
    assert found.equals(findings(facts(crm, psa, [])))
