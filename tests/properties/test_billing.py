"""Billing, whatever the firm: nothing is lost, amounts tie, and the order of rows does not count."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.policy_folder import SHIPPED, check_policies
from engine.billing import decide_billing
from engine.canonical.schema import entity_spec
from engine.findings import finish_findings
from engine.stage import Context, Facts

AS_OF = dt.date(2026, 3, 31)
POLICIES = check_policies(SHIPPED)[0]

LINES = ("CAPPED", "OPEN", "FIXED")


def frame(entity: str, rows: list[dict[str, Any]]) -> pl.LazyFrame:
    schema = {**entity_spec(entity).polars_schema(), "evidence": pl.List(pl.String())}
    return pl.DataFrame({name: pl.Series(name, [row.get(name) for row in rows], dtype=kind) for name, kind in schema.items()}).lazy()


CENTS = st.integers(0, 30_000).map(lambda cents: Decimal(cents) / 100)
ENTRY = st.fixed_dictionaries(
    {
        "hours": st.integers(-8, 48).map(lambda quarters: Decimal(quarters) / 4), "bill_rate": CENTS | st.none(),
        "contract_line_id": st.sampled_from(LINES), "status": st.sampled_from(["approved", "approved", "submitted", "rejected", None]),
        "billable": st.sampled_from([True, True, False, None]), "day": st.integers(0, 150), "note": st.sampled_from(["a b", "c", None]),
    }
)  # fmt: skip
LINK = st.fixed_dictionaries({"entry": st.integers(0, 11), "part": st.sampled_from([1, 2, 4]), "amount": CENTS, "credit": st.booleans()})


def firm(entries: list[dict[str, Any]], links: list[dict[str, Any]], cap: Decimal, order: random.Random | None) -> Facts:
    times = [
        {"time_entry_id": f"T{number:02}", "project_id": "P", "resource_id": "R", "currency": "EUR",
         "work_date": AS_OF - dt.timedelta(days=each.pop("day")), **each}
        for number, each in enumerate([dict(each) for each in entries])
    ]  # fmt: skip
    lines, invoices = [], []
    for number, link in enumerate(links):
        if link["entry"] < len(entries):
            sign = -1 if link["credit"] else 1
            kind = "credit_note" if link["credit"] else "invoice"
            hours = (entries[link["entry"]]["hours"] / link["part"]).quantize(Decimal("0.01"))
            day = AS_OF - dt.timedelta(days=number)
            invoices.append(
                {"invoice_id": f"I{number}", "kind": kind, "status": "posted", "currency": "EUR", "contract_id": "C", "invoice_date": day}
            )
            lines.append(
                {"invoice_line_id": f"L{number}", "invoice_id": f"I{number}", "time_entry_id": f"T{link['entry']:02}",
                 "quantity": sign * hours, "net_amount": sign * link["amount"]}
            )  # fmt: skip
    records: dict[str, list[dict[str, Any]]] = {
        "contract": [{"contract_id": "C", "currency": "EUR", "status": "active", "billing_frequency": "monthly"}],
        "contract_line": [
            {"contract_line_id": name, "contract_id": "C", "offering": "fixed_fee" if name == "FIXED" else "time_and_materials",
             "cap_amount": cap if name == "CAPPED" else None}
            for name in LINES
        ],
        "time_entry": times, "invoice": invoices, "invoice_line": lines,
    }  # fmt: skip
    if order is not None:
        for rows in records.values():
            order.shuffle(rows)
    return Facts({name: frame(name, rows) for name, rows in records.items()}, {}, AS_OF)


@settings(max_examples=15)
@given(entries=st.lists(ENTRY, min_size=1, max_size=12), links=st.lists(LINK, max_size=12), cap=CENTS, seed=st.integers(0, 99))
def test_decisions_tie_and_do_not_depend_on_the_order_of_rows(entries: list[Any], links: list[Any], cap: Decimal, seed: int) -> None:
    result = decide_billing(firm(entries, links, cap, None), POLICIES, Context(AS_OF))
    decisions = result.frames["billing_decisions"].collect()
    assert decisions["item_id"].n_unique() == len(entries)
    assert decisions["quantity"].sum() == sum(each["hours"] for each in entries)
    assert decisions.filter(pl.col("amount") != pl.col("amount_billed") + pl.col("amount_unbilled")).height == 0
    assert decisions.filter(pl.col("quantity") != pl.col("quantity_billed") + pl.col("quantity_unbilled")).height == 0
    hours_of = {f"T{number:02}": each["hours"] for number, each in enumerate(entries)}
    worth = decisions.group_by("item_id").agg(pl.col("amount").sum(), pl.col("rate").first()).filter(pl.col("rate").is_not_null())
    for item, amount, rate in worth.rows():
        assert abs(amount - hours_of[item] * rate) <= Decimal("0.005")
    paid = sum((-each["amount"] if each["credit"] else each["amount"]) for each in links if each["entry"] < len(entries))
    assert decisions["amount_billed"].sum() == paid
    open_cap = decisions.filter((pl.col("contract_line_id") == "CAPPED") & pl.col("decision").is_in(["billable", "partially_billed"]))
    if not any(each["hours"] < 0 for each in entries):
        assert open_cap["amount"].sum() <= cap

    mixed = decide_billing(firm(entries, links, cap, random.Random(seed)), POLICIES, Context(AS_OF))
    assert mixed.frames["billing_decisions"].collect().equals(decisions)
    assert finish_findings(*mixed.findings).equals(finish_findings(*result.findings))
