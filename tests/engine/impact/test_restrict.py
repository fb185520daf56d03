"""The agreed records that some contracts depend on: theirs, whatever names them, and what a payment of several invoices holds."""

from __future__ import annotations

import datetime as dt

import polars as pl

from engine.impact.restrict import of_contracts
from engine.stage import Facts


def facts(**records: dict[str, list[str | None]]) -> Facts:
    return Facts({name: pl.LazyFrame(rows) for name, rows in records.items()}, {}, dt.date(2026, 1, 31))


def kept(given: Facts, entity: str, column: str) -> list[str]:
    frame = given.frame(entity)
    assert frame is not None
    return frame.collect()[column].sort().to_list()


def test_records_that_name_a_contract_stay_with_it_and_those_that_name_none_stay() -> None:
    given = facts(
        contract={"contract_id": ["C1", "C2"]},
        contract_line={"contract_line_id": ["L1", "L2"], "contract_id": ["C1", "C2"], "project_id": ["J1", "J2"]},
        time_entry={"time_entry_id": ["T1", "T2"], "contract_line_id": ["L1", "L2"]},
        resource={"resource_id": ["R1", "R2"]},
    )
    restricted = of_contracts(given, ["C1"])
    assert kept(restricted, "time_entry", "time_entry_id") == ["T1"]
    assert kept(restricted, "resource", "resource_id") == ["R1", "R2"]


def test_a_payment_of_several_invoices_stays_with_each_of_their_contracts() -> None:
    given = facts(
        contract={"contract_id": ["C1", "C2", "C3"]},
        invoice={"invoice_id": ["I1", "I2", "I3"], "contract_id": ["C1", "C2", "C3"]},
        payment={"payment_id": ["P1", "P2"], "invoice_id": ["I1", "I3"]},
        payment_application={"payment_id": ["P1", "P1", "P2"], "invoice_id": ["I1", "I2", "I3"]},
    )
    restricted = of_contracts(given, ["C2"])
    assert kept(restricted, "payment", "payment_id") == ["P1"]
    assert kept(restricted, "payment_application", "invoice_id") == ["I1", "I2"]
    assert kept(restricted, "invoice", "invoice_id") == ["I2"]


def test_a_contract_combined_with_another_comes_with_it() -> None:
    given = facts(contract={"contract_id": ["C1", "C2", "C3"], "combined_with_contract_id": [None, "C1", None]})
    assert kept(of_contracts(given, ["C1"]), "contract", "contract_id") == ["C1", "C2"]


def test_a_credit_note_that_names_its_invoice_alone_stays_with_its_contract_through_re_issues() -> None:
    given = facts(
        contract={"contract_id": ["C1", "C2"]},
        invoice={
            "invoice_id": ["I1", "I2", "N2", "N9"], "contract_id": ["C1", None, None, None],
            "corrects_invoice_id": [None, None, "I2", "I9"], "replaces_invoice_id": [None, "I1", None, None],
        },
    )  # fmt: skip
    assert kept(of_contracts(given, ["C1"]), "invoice", "invoice_id") == ["I1", "I2", "N2"]
    assert kept(of_contracts(given, ["C2"]), "invoice", "invoice_id") == []
