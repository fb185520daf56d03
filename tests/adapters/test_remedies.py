"""Remedies: drafts in the system's own columns, released by two, told applied, failed or half applied by the next run."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from adapters.entry_drafts import entry_lines
from adapters.run import run_snapshot
from adapters.store.audit import Actor
from adapters.store.database import Store, open_store
from adapters.store.remedies import BatchState, ask_release, batch_states, decide_release, posted_entries
from engine.errors import UsageError
from engine.findings import FINDING_SCHEMA, finish_findings
from engine.policy.load import load_policies
from engine.policy.source import SourceText
from engine.remedies import propose_remedies
from engine.stage import Context

Snapshot = Callable[..., Path]
FIRM = Path(__file__).parents[2] / "samples" / "firm"

HEAD = "title: T\nowner: o\neffective_from: 1900-01-01\nreference: AM\n"
RULE = "{id: RM-1, kinds: [value_drift], action: correct_field, target: consumer, says: s}"
REMEDY = f"policy: remedy\nid: rem-test\n{HEAD}remedies:\n  - {RULE}\n"
OWNERSHIP = f"""policy: ownership
id: own-customer
{HEAD}entity: customer
match: [customer_id]
owner_system: crm
rules:
  - {{id: own-name, field: name, owner: crm, consumers: [psa], says: CRM owns the name}}
  - {{id: own-terms, field: payment_terms_days, owner: crm, consumers: [psa], says: CRM owns the terms}}
"""


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "remedy.yaml").write_text(REMEDY, encoding="utf-8")
    (folder / "own.yaml").write_text(OWNERSHIP, encoding="utf-8")
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    yield opened
    opened.close()


def drafted(run_dir: Path, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((run_dir / "remedies" / name).read_text(encoding="utf-8"))))


def test_a_copy_is_corrected_to_its_owners_value_and_a_formula_is_text(snapshot: Snapshot, policies: Path, tmp_path: Path) -> None:
    crm = {"customer": "customer_id,name,payment_terms_days\nC1,=HYPERLINK(1),30\n"}
    psa = {"customer": "customer_id,name,payment_terms_days\nC1,Old,45\n"}
    run = run_snapshot(snapshot(crm=crm, psa=psa), policies=policies, out=tmp_path / "runs")
    rows = pl.read_parquet(run.run_dir / "remedies.parquet")
    assert rows.select("system", "field", "before", "value").rows() == [
        ("psa", "name", "Old", "=HYPERLINK(1)"), ("psa", "payment_terms_days", "45", "30")
    ]  # fmt: skip
    assert rows["batch"].n_unique() == 1
    name = drafted(run.run_dir, "psa/correct_field-customer-name.csv")[0]
    assert "'=HYPERLINK(1)" in name.values()
    assert name["remedy_key"] == rows["remedy_key"][0]


def test_the_sample_firms_corrections_stand_in_the_vendors_own_columns(tmp_path: Path) -> None:
    run = run_snapshot(FIRM / "2026-10-31", previous=FIRM / "2026-10-30", out=tmp_path)
    rows = pl.read_parquet(run.run_dir / "remedies.parquet")
    assert rows["remedy_key"].is_unique().all()
    headers = {path.relative_to(run.run_dir / "remedies").as_posix(): path.read_text(encoding="utf-8").splitlines()[0]
               for path in (run.run_dir / "remedies").rglob("*.csv")}  # fmt: skip
    corrections = {name: header for name, header in headers.items() if "correct_field" in name}
    assert corrections["psa/correct_field-contract-total_value.csv"] == "remedy_key,contract_id,contract_value_in_cents"
    # Only the key and the field: what the export needs beside them would overwrite what nobody wants changed.
    assert corrections["billing/correct_field-contract-end_date.csv"] == "remedy_key,contract_id__c,original_id,id,term_end_date"
    assert "integration/replay_event.csv" in headers


ASKING, SECOND = Actor("ann", roles=frozenset({"preparer"})), Actor("bob", "signed_in", frozenset({"approver"}))


def findings(*fields: str) -> pl.DataFrame:
    rows = [{"stage": "ownership", "kind": "value_drift", "rule": "r", "severity": "high", "entity": "contract", "entity_id": "C1",
             "field": name, "systems": ["crm", "psa"],
             "owner_value": "new", "consumer_value": "old", "evidence": ["a:1"]} for name in fields]  # fmt: skip
    found = finish_findings(pl.DataFrame(rows, schema=FINDING_SCHEMA))
    return found.with_columns(pl.col("finding_id").alias("cause_id"))


def proposed(found: pl.DataFrame) -> pl.DataFrame:
    policies, _ = load_policies([SourceText("r.yaml", REMEDY)])
    return propose_remedies(found, policies, Context(dt.date(2026, 10, 31)))


def states(store: Store, found: pl.DataFrame, run: str) -> list[BatchState]:
    with store.read() as session:
        return batch_states(session, proposed(found), found, run)


def release(store: Store, found: pl.DataFrame) -> None:
    with store.write() as session:
        request = ask_release(session, ASKING, proposed(found), proposed(found)["batch"][0], "run1", "approver")
        decide_release(session, SECOND, request, approve=True, text="ok", drafted=proposed(found))


@pytest.mark.parametrize(("left", "state"), [(["a", "b"], "failed"), (["b"], "half_applied"), ([], "applied")])
def test_the_next_run_tells_what_became_of_a_release(store: Store, left: list[str], state: str) -> None:
    first = findings("a", "b")
    assert [each.state for each in states(store, first, "run1")] == ["draft"]
    release(store, first)
    assert [each.state for each in states(store, first, "run1")] == ["released"]
    told = states(store, findings(*left), "run2")
    assert [each.state for each in told] == [state]
    back = [(row["field"], row["value"]) for row in told[0].compensation]
    assert back == ([("a", "old")] if state == "half_applied" else [])


def test_nothing_is_released_by_one_person_or_by_who_only_says_who_they_are(store: Store) -> None:
    found = findings("a")
    with store.write() as session:
        request = ask_release(session, Actor("ann", "signed_in", frozenset({"approver"})), proposed(found), "", "run1", "approver")
        for actor in (Actor("bob", "asserted", frozenset({"approver"})), Actor("ann", "signed_in", frozenset({"approver"})),
                      Actor("bob", "signed_in")):  # fmt: skip
            with pytest.raises(UsageError):
                decide_release(session, actor, request, approve=True, text="", drafted=proposed(found))
        with pytest.raises(UsageError, match="waiting for its release"):
            ask_release(session, ASKING, proposed(found), "", "run1", "approver")
    assert [each.state for each in states(store, found, "run1")] == ["waiting"]


def test_what_is_released_is_what_was_asked_for(store: Store) -> None:
    first, other = entries("30.00"), entries("90.00")
    with store.write() as session:
        request = ask_release(session, ASKING, first, first["batch"][0], "run1", "approver")
        for drafted in (other, first.clear()):
            with pytest.raises(UsageError, match="drafted otherwise"):
                decide_release(session, SECOND, request, approve=True, text="ok", drafted=drafted)
        decide_release(session, SECOND, request, approve=False, text="The amount moved", drafted=other)
        assert request.state == "rejected"
        assert ask_release(session, ASKING, other, other["batch"][0], "run2", "approver").state == "waiting"


def test_an_adjustment_is_drafted_by_the_policy_of_its_day() -> None:
    later = ENTRIES.replace("effective_from: 1900-01-01", "effective_from: 2026-11-01")
    policies, _ = load_policies([SourceText("r.yaml", later)])
    for day, count in ((dt.date(2026, 10, 31), 0), (dt.date(2026, 11, 1), 1)):
        assert propose_remedies(difference("30.00"), policies, Context(day), RESIDUAL).filter(pl.col("rule") == "RM-2").height == count


def test_what_another_finding_explains_needs_no_remedy_of_its_own() -> None:
    found = findings("a", "b").with_columns(pl.col("finding_id").min().alias("cause_id"))
    assert proposed(found).height == 1


ENTRIES = """policy: remedy
id: rem-entries
title: Entries
owner: controller
effective_from: 1900-01-01
reference: AM 1.5
adjustments: {id: RM-2, target: erp, says: A tolerated residual is booked}
remedies:
  - {id: RM-1, kinds: [contract_asset_differs], action: journal_entry, target: erp, entry: {debit: "1210", credit: "4000"}, says: x}
"""


def difference(there: str) -> pl.DataFrame:
    """Return the finding that policy gives an asset of 100.00 and the ledger holds `there`."""
    row = {"stage": "reconciliation", "kind": "contract_asset_differs", "rule": "r", "severity": "high", "entity": "contract_balances",
           "entity_id": "C1|2026-10", "contract_id": "C1", "currency": "EUR", "owner_value": "100.00", "consumer_value": there,
           "evidence": ["a:1"]}  # fmt: skip
    found = finish_findings(pl.DataFrame([row], schema=FINDING_SCHEMA))
    return found.with_columns(pl.col("finding_id").alias("cause_id"))


def entries(there: str, journal: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return the proposed remedies where policy gives an asset of 100.00 and the ledger holds `there`."""
    policies, mistakes = load_policies([SourceText("r.yaml", ENTRIES)])
    assert not mistakes
    return propose_remedies(difference(there), policies, Context(dt.date(2026, 10, 31)), journal)


def residual() -> pl.DataFrame:
    """Return a tolerated residual of 0.02 as the entry that books it."""
    columns = {"journal_id": "ADJ-rec-x-I1", "batch_id": "rec-x", "rule": "rec-x", "currency": "EUR", "legal_entity_id": "LE1",
               "contract_id": "C1", "reason": "within tolerance"}  # fmt: skip
    sides = [("7990", Decimal("0.02"), None), ("1100", None, Decimal("0.02"))]
    made = [{**columns, "account": account, "debit": debit, "credit": credit, "evidence": ["a:1"]} for account, debit, credit in sides]
    return pl.DataFrame(made, schema_overrides={"debit": pl.Decimal(38, 6), "credit": pl.Decimal(38, 6)})


RESIDUAL = residual()


@pytest.mark.parametrize(
    ("there", "debit", "credit", "amount"), [("30.00", "1210", "4000", "70.00"), ("130.00", "4000", "1210", "30.00")]
)
def test_a_balance_is_brought_to_what_policy_gives_by_a_balanced_entry(there: str, debit: str, credit: str, amount: str) -> None:
    row = entries(there)
    lines = entry_lines(row)
    assert lines.select("account", "debit", "credit").rows() == [(debit, amount, None), (credit, None, amount)]
    assert lines["journal_number"].unique().to_list() == [f"TIEOUT-{row['remedy_key'][0][:13]}"]
    assert lines["posting_date"].unique().to_list() == [dt.date(2026, 10, 31)]


def test_the_same_difference_has_the_same_key_and_no_difference_has_no_entry() -> None:
    assert entries("30.00")["remedy_key"].equals(entries("30.00")["remedy_key"])
    assert entries("100.00").height == 0


def test_a_tolerated_residual_is_drafted_and_was_applied_when_no_run_proposes_it_again(store: Store) -> None:
    both = entries("30.00", RESIDUAL)
    drafted_row = both.filter(pl.col("rule") == "RM-2")
    assert drafted_row.select("debit_account", "credit_account", "amount", "legal_entity_id", "finding_id").rows() == [
        ("7990", "1100", Decimal("0.02"), "LE1", None)
    ]
    with store.write() as session:
        request = ask_release(session, ASKING, both, drafted_row["batch"][0], "run1", "approver")
        decide_release(session, SECOND, request, approve=True, text="ok", drafted=both)
    nothing = pl.DataFrame(schema=FINDING_SCHEMA)
    for later, state in ((both, "failed"), (entries("30.00"), "applied")):
        with store.read() as session:
            told = {each.batch: each.state for each in batch_states(session, later, nothing, "run2")}
        assert told[drafted_row["batch"][0]] == state


def entry_states(store: Store, standing: list[tuple[str, str, str]], found: pl.DataFrame) -> list[BatchState]:
    """Return what a later run tells of the released entry, where the ledger holds lines (account, debit, credit) under its number."""
    first = entries("30.00")
    with store.write() as session:
        request = ask_release(session, ASKING, first, first["batch"][0], "run1", "approver")
        decide_release(session, SECOND, request, approve=True, text="ok", drafted=first)
    number = f"TIEOUT-{first['remedy_key'][0][:13]}"
    text, money = pl.String(), pl.Decimal(38, 6)
    columns = {"journal_number": text, "account": text, "debit": money, "credit": money, "status": text}
    held = [(number, account, Decimal(debit), Decimal(credit), "posted") for account, debit, credit in standing]
    ledger = posted_entries(pl.DataFrame(held, schema=columns, orient="row").lazy())
    with store.read() as session:
        return batch_states(session, entries("30.00") if found.height else first.clear(), found, "run2", ledger)


STILL_THERE = pl.DataFrame({"finding_id": [str(entries("30.00")["finding_id"][0])]})
BOTH = [("1210", "70", "0"), ("4000", "0", "70")]


@pytest.mark.parametrize(
    ("standing", "is_there", "state"),
    [(BOTH, True, "applied"), (BOTH, False, "applied"), ([], True, "failed"), ([], False, "applied"), (BOTH[:1], True, "half_applied"),
     (BOTH[:1], False, "half_applied"), ([("1210", "60", "0"), ("4000", "0", "60")], True, "half_applied")],
)  # fmt: skip
def test_the_ledger_itself_tells_what_became_of_an_entry(
    store: Store, standing: list[tuple[str, str, str]], is_there: bool, state: str
) -> None:
    found = STILL_THERE if is_there else STILL_THERE.clear()
    assert [each.state for each in entry_states(store, standing, found)] == [state]


def test_half_an_entry_is_taken_out_of_the_ledger_again(store: Store) -> None:
    (told,) = entry_states(store, BOTH[:1], STILL_THERE)
    assert [(row["debit_account"], row["credit_account"], row["amount"]) for row in told.compensation] == [(None, "1210", "70.000000")]


def test_a_new_difference_of_what_was_applied_is_a_draft_beside_it(store: Store) -> None:
    released = entries("30.00")
    with store.write() as session:
        request = ask_release(session, ASKING, released, released["batch"][0], "run1", "approver")
        decide_release(session, SECOND, request, approve=True, text="ok", drafted=released)
    held = [(f"TIEOUT-{released['remedy_key'][0][:13]}", account, Decimal(net)) for account, net in (("1210", 70), ("4000", -70))]
    ledger = pl.DataFrame(held, schema={"journal_number": pl.String(), "account": pl.String(), "net": pl.Decimal(38, 6)}, orient="row")
    with store.read() as session:
        told = batch_states(session, entries("90.00"), STILL_THERE, "run2", ledger)
    assert [(each.state, str(each.rows[0]["amount"])) for each in told] == [("draft", "10.000000"), ("applied", "70.000000")]
