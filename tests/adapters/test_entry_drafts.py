"""Drafts of journal entries: each ledger's own columns, no id invented, taken once by their number, balanced."""

from __future__ import annotations

import csv
import datetime as dt
import io
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from adapters.remedies import draft_files
from adapters.snapshot import read_snapshot
from engine.remedies import REMEDY_SCHEMA

SOURCES = Path(__file__).parent / "sources"
KEY = "0123456789abcdef0123456789abcdef"


def drafts(source: Path, debit: str, credit: str, currency: str, entity: str | None, system: str = "erp") -> dict[str, str]:
    """Return the files of one accrual of 70.50 that is taken back on the next day."""
    row = {
        "remedy_key": KEY, "batch": "b", "rule": "RM-1", "action": "journal_entry", "system": system, "entity": "contract_balances",
        "entity_id": "C1|2026-10", "instruction": "Accrue", "amount": Decimal("70.50"), "currency": currency, "contract_id": "C1",
        "debit_account": debit, "credit_account": credit, "legal_entity_id": entity, "posting_date": dt.date(2026, 10, 31),
        "reversal_date": dt.date(2026, 11, 1),
    }  # fmt: skip
    files = draft_files(pl.DataFrame([row], schema=REMEDY_SCHEMA), read_snapshot(source))
    return {name.removeprefix(f"remedies/{system}/"): content.decode() for name, content in files.items()}


def lines(text: str, *columns: str) -> list[tuple[str, ...]]:
    return [tuple(row[name] for name in columns) for row in csv.DictReader(io.StringIO(text))]


def test_an_entry_for_netsuite_bears_the_ids_that_its_own_lists_give() -> None:
    files = drafts(SOURCES / "netsuite", "1200", "4000", "EUR", "1")
    entry = files["journal_entry.csv"]
    assert lines(entry, "account", "acctnumber", "currency", "symbol", "foreignamount", "trandate") == [
        ("11", "1200", "2", "EUR", "70.5", "2026-10-31"), ("12", "4000", "2", "EUR", "-70.5", "2026-10-31"),
        ("11", "1200", "2", "EUR", "-70.5", "2026-11-01"), ("12", "4000", "2", "EUR", "70.5", "2026-11-01"),
    ]  # fmt: skip
    assert [number for (number,) in lines(entry, "transactionnumber")] == ["TIEOUT-0123456789abc"] * 2 + ["TIEOUT-0123456789abcR"] * 2
    # Of a foreign amount the books' own currency is not known here, so no column claims it.
    assert "debit" not in entry.splitlines()[0].split(",")


def test_an_id_that_the_export_does_not_tell_is_left_blank_and_the_note_says_so() -> None:
    files = drafts(SOURCES / "netsuite", "1299", "4000", "GBP", "1")
    assert lines(files["journal_entry.csv"], "account", "acctnumber", "currency", "symbol")[:2] == [
        ("", "1299", "", "GBP"), ("12", "4000", "", "GBP")
    ]  # fmt: skip
    note = files["journal_entry.md"]
    assert "`account` wants the system's own id of the account; the export does not tell that of 1299." in note
    assert "`currency` wants the system's own id of the currency; the export does not tell that of GBP." in note
    assert "The chart of accounts that erp exports has no account 1299." in note


def test_a_ledger_with_one_signed_column_gets_one() -> None:
    files = drafts(SOURCES / "xero", "610", "200", "CAD", None)
    assert lines(files["journal_entry.csv"], "account_code", "net_amount")[:2] == [("610", "70.5"), ("200", "-70.5")]
    assert "The export names no contract on journal lines" in files["journal_entry.md"]


def test_an_amount_that_the_ledgers_columns_would_misstate_is_not_written_there() -> None:
    files = drafts(SOURCES / "xero", "610", "200", "USD", None)
    assert set(files) == {"journal_entry.md", "journal_entry-other_currency.csv"}
    assert "1 entry in a currency that these columns cannot say" in files["journal_entry.md"]
    other = lines(files["journal_entry-other_currency.csv"], "account", "debit", "credit", "currency", "reverses")
    assert other[0] == ("610", "70.50", "", "USD", "")
    assert other[2] == ("610", "", "70.50", "USD", "TIEOUT-0123456789abc")


def test_a_ledger_that_names_the_side_in_words_gets_the_word() -> None:
    entry = drafts(SOURCES / "quickbooks", "85", "1", "USD", None)["journal_entry.csv"]
    assert lines(entry, "amount", "posting_type") == [("70.5", "Debit"), ("70.5", "Credit"), ("70.5", "Credit"), ("70.5", "Debit")]
    assert max(len(number) for (number,) in lines(entry, "doc_number")) == 21


def test_a_ledger_with_a_column_for_each_side_gets_drafts_of_both() -> None:
    entry = drafts(SOURCES / "sage_intacct", "1200", "4000", "USD", "100")["journal_entry.csv"]
    assert lines(entry, "trx_debitamount", "trx_creditamount", "entry_state", "megaentityid")[:2] == [
        ("70.5", "", "D", "100"), ("", "70.5", "D", "100")
    ]  # fmt: skip


def test_canonical_files_get_canonical_names_and_a_system_without_journals_a_plain_draft(tmp_path: Path) -> None:
    (tmp_path / "erp").mkdir()
    (tmp_path / "erp" / "journal_line.csv").write_text("journal_line_id,account\nJ1,1200\n", encoding="utf-8")
    (tmp_path / "crm").mkdir()
    sources = "sources: [{system: erp, adapter: canonical, path: erp}, {system: crm, adapter: hubspot, path: crm}]\n"
    (tmp_path / "snapshot.yaml").write_text(f'schema_version: "1.0.0"\nas_of: 2026-10-31\n{sources}', encoding="utf-8")
    own = drafts(tmp_path, "1200", "4000", "EUR", "LE1")
    assert lines(own["journal_entry.csv"], "account", "debit", "credit", "contract_id")[0] == ("1200", "70.5", "", "C1")
    plain = drafts(tmp_path, "1200", "4000", "EUR", "LE1", system="crm")
    assert list(plain) == ["journal_entry.csv"]


@pytest.mark.parametrize(("source", "amounts"), [
    ("netsuite", ("foreignamount",)), ("xero", ("net_amount",)), ("sage_intacct", ("trx_debitamount", "trx_creditamount")),
])  # fmt: skip
def test_every_entry_balances(source: str, amounts: tuple[str, ...]) -> None:
    entry = drafts(SOURCES / source, "610", "200", "CAD" if source == "xero" else "USD", None)["journal_entry.csv"]
    held = lines(entry, *amounts)
    signed = [sum(Decimal(cell or 0) * (1 if place == 0 else -1) for place, cell in enumerate(row)) for row in held]
    assert (sum(signed[:2]), sum(signed[2:]), signed[0]) == (0, 0, Decimal("70.5"))
