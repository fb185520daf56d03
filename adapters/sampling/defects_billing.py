"""Defects of delivery and billing: work not billed, billed twice, too early, too cheap or beyond the cap."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import polars as pl

from adapters.sampling.billing import promise_frame
from adapters.sampling.defects import Register

_CENTS_AN_HOUR_LESS = 15_00


def plant_billing_defects(register: Register) -> None:
    """Plant every defect of this family that the firm has a record for."""
    _over_cap(register)
    _left_out(register, "missing_billing", "not_billed", back=2, count=3, note="Approved time that the month's invoice left out")
    _left_out(register, "stale_unbilled", "stale_unbilled", back=5, count=1, note="Approved time unbilled for more than 120 days")
    _billed_twice(register)
    _unapproved(register)
    _below_card(register)
    _milestone(register)
    _expense(register)
    _tax_code(register)
    _duplicate_entry(register)
    _self_approved(register)


def entry_id(number: int) -> str:
    """Return the id a time entry has in the exports."""
    return f"TE-{number:07}"


def _hours(register: Register, back: int) -> pl.DataFrame:
    """Return billed time of a past month on contracts invoiced in the next month, oldest first.

    Work of the middle of the month, on lines that are invoiced both then and the month after.
    """
    period = register.month(back)
    if period is None:
        return register.frames["time_entry"].clear().with_columns(pl.lit(None, dtype=pl.String).alias("contract_id"))
    entries, facts = register.frames["time_entry"], _facts(register)
    month = pl.col("work_date").dt.strftime("%Y-%m")
    hourly = entries.filter(
        (pl.col("offering") == "time_and_materials") & pl.col("billable") & (pl.col("status") == "approved")
        & (pl.col("work_date").dt.day() > 3)
    )  # fmt: skip
    following = register.month(back - 1)
    go_on = hourly.filter(month == following)["contract_line_id"].unique()
    joined = hourly.filter((month == period) & pl.col("contract_line_id").is_in(go_on.implode())).join(
        facts, on="contract_line_id", how="inner", maintain_order="left"
    )
    return joined.filter(~pl.col("is_direct") & ~pl.col("contract_line_id").is_in(_capped(register)))


def _facts(register: Register) -> pl.DataFrame:
    return promise_frame(list(register.deals)).select("contract_line_id", "contract_id", "is_direct")


def _capped(register: Register) -> list[str]:
    return [promise.id for deal in register.deals for promise in deal.promises if promise.cap_cents is not None]


def _left_out(register: Register, defect: str, kind: str, *, back: int, count: int, note: str) -> None:
    candidates = _hours(register, back)
    row = register.take_row(candidates)
    if row is None:
        return
    same = candidates.filter((pl.col("contract_line_id") == row["contract_line_id"]) & (pl.col("resource_id") == row["resource_id"]))
    numbers = same["number"].head(count).to_list()
    register.happen(unbilled=frozenset(numbers))
    for number in numbers:
        register.expect(defect, kind, "time_entry", entry_id(number), "billing", note)


def _billed_twice(register: Register) -> None:
    row = register.take_row(_hours(register, 3))
    if row is not None:
        register.happen(billed_again=frozenset([row["number"]]))
        register.expect(
            "double_billing", "billed_twice", "time_entry", entry_id(row["number"]), "billing", "Billed in its month and again in the next"
        )


def _unapproved(register: Register) -> None:
    row = register.take_row(_hours(register, 2))
    if row is not None:
        register.happen(never_approved=frozenset([row["number"]]))
        register.expect(
            "unapproved_billed",
            "billed_unapproved",
            "time_entry",
            entry_id(row["number"]),
            "billing",
            "Billed while still awaiting approval",
        )


def _below_card(register: Register) -> None:
    row = register.take_row(_hours(register, 2))
    period = register.month(2)
    if row is None or period is None:
        return
    register.happen(cheaper={(row["contract_line_id"], row["role"], period): _CENTS_AN_HOUR_LESS})
    key = f"{row['contract_line_id']}|{row['role']}|{period}"
    line = register.frames["invoice_line"].filter(pl.col("line_key") == key)["invoice_line_id"][0]
    register.expect("wrong_rate", "rate_below_card", "invoice_line", line, "billing", "Billed at 15.00 an hour below the rate card")


def _over_cap(register: Register) -> None:
    """Lower a cap below what is billed, so that the last invoice alone goes beyond it."""
    deal = register.take_deal(
        lambda each: any(promise.cap_cents for promise in each.promises) and each.kind == "hourly" and "gap" not in each.features
    )
    if deal is None:
        return
    promise = deal.promises[0]
    lines = register.frames["invoice_line"].filter(
        (pl.col("contract_line_id") == promise.id) & (pl.col("invoice_date") <= register.calendar.as_of - dt.timedelta(days=2))
    )
    if lines.height < 2:
        return
    last = int(lines.filter(pl.col("invoice_date") == pl.col("invoice_date").max())["net_amount"].sum())
    cap = (int(lines["net_amount"].sum()) - last // 2) // 100_00 * 100_00
    register.edit("crm", "contract_line", promise.id, {"cap_amount": Decimal(cap) / 100})
    register.happen(beyond_cap={promise.id: cap})
    register.expect("over_cap", "over_cap", "contract_line", promise.id, "billing", "The last invoice goes beyond the cap of the line")


def _milestone(register: Register) -> None:
    plain = [deal.id for deal in register.deals if deal.change is None]
    as_of = register.calendar.as_of
    billed = register.frames["invoice_line"].filter(
        pl.col("milestone_id").is_not_null() & pl.col("contract_id").is_in(plain)
        & pl.col("invoice_date").is_between(as_of - dt.timedelta(days=120), as_of - dt.timedelta(days=10))
    )  # fmt: skip
    row = register.take_row(billed)
    if row is not None:
        register.edit("psa", "milestone", row["milestone_id"], {"accepted_date": None, "accepted_by": None, "status": "completed"})
        register.expect(
            "milestone_before_acceptance",
            "milestone_not_accepted",
            "milestone",
            row["milestone_id"],
            "billing",
            f"Billed on {row['invoice_id']} and not accepted",
        )


def _expense(register: Register) -> None:
    billed = register.frames["invoice_line"].filter(
        pl.col("expense_id").is_not_null() & (pl.col("invoice_date") < register.calendar.as_of - dt.timedelta(days=10))
    )
    row = register.take_row(billed.sort("net_amount", descending=True, maintain_order=True))
    if row is not None:
        register.edit("psa", "expense", row["expense_id"], {"has_receipt": False})
        register.expect(
            "expense_without_receipt",
            "expense_without_receipt",
            "expense",
            row["expense_id"],
            "billing",
            f"Billed on {row['invoice_id']} without a receipt",
        )


def _tax_code(register: Register) -> None:
    taxed = register.frames["invoice_line"].filter(
        (pl.col("tax_amount") > 0)
        & (pl.col("batch") != "hours")
        & (pl.col("invoice_date") < register.calendar.as_of - dt.timedelta(days=30))
    )
    row = register.take_row(taxed)
    if row is not None:
        register.edit("billing", "invoice_line", row["invoice_line_id"], {"tax_code": "EU-RC-0"})
        register.expect(
            "wrong_tax_code",
            "wrong_tax_code",
            "invoice_line",
            row["invoice_line_id"],
            "billing",
            "Reverse charge on a sale within the country",
        )


def _of_any_contract(register: Register, rows: pl.DataFrame) -> dict[str, Any] | None:
    joined = rows.join(_facts(register), on="contract_line_id", how="inner", maintain_order="left")
    return register.take_row(joined)


def _duplicate_entry(register: Register) -> None:
    """Enter a day of the last week a second time; the copy still awaits approval, so no figure moves."""
    as_of = register.calendar.as_of
    entries = register.frames["time_entry"]
    recent = entries.filter(
        pl.col("work_date").is_between(as_of - dt.timedelta(days=9), as_of - dt.timedelta(days=7 if register.nights > 2 else 5))
        & pl.col("billable") & (pl.col("status") == "approved")
    )  # fmt: skip
    row = _of_any_contract(register, recent)
    if row is None:
        return
    original = entries.filter(pl.col("number") == row["number"]).to_dicts()[0]
    number = int(entries["number"].max() or 0) + 1  # type: ignore[arg-type] # whole numbers
    later = {"recorded_at": original["recorded_at"] + dt.timedelta(minutes=25), "number": number}
    register.add("time_entry", {**original, **later, "status": "submitted", "decided_at": None})
    register.expect(
        "duplicate_time_entry",
        "duplicate_time_entry",
        "time_entry",
        entry_id(number),
        "billing",
        f"The same work as {entry_id(row['number'])}",
    )


def _self_approved(register: Register) -> None:
    as_of = register.calendar.as_of
    past = register.frames["time_entry"].filter(
        pl.col("work_date").is_between(as_of - dt.timedelta(days=50), as_of - dt.timedelta(days=20)) & (pl.col("status") == "approved")
        & pl.col("contract_line_id").is_not_null()
    )  # fmt: skip
    row = _of_any_contract(register, past)
    if row is not None:
        register.edit("psa", "time_entry", entry_id(row["number"]), {"approved_by": row["resource_id"]})
        register.expect(
            "self_approved_time",
            "self_approved_time",
            "time_entry",
            entry_id(row["number"]),
            "reconciliation",
            "Approved by the person who worked it",
        )
