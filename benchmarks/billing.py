"""The billing stage over a million time entries, beside a hand-written Polars script that decides the same.

Both read the same frames in memory and give the same rows; the benchmark stops when they do not.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Final

import polars as pl

from adapters.policy_folder import SHIPPED, check_policies
from benchmarks.entries import time_entries
from engine.billing import decide_billing
from engine.canonical.schema import entity_spec
from engine.policy.loaded import PolicySet
from engine.stage import Context, Facts

ENTRIES: Final = int(os.environ.get("TIEOUT_BENCH_ENTRIES", "1000000"))
TIMES: Final = 3
AS_OF: Final = dt.date(2026, 10, 31)
ROLES: Final = ("Principal", "Senior consultant", "Consultant", "Analyst")
COMPARED: Final = (
    "item_id", "part", "contract_id", "contract_line_id", "project_id", "decision", "eligibility", "quantity", "quantity_billed",
    "quantity_unbilled", "rate", "amount", "amount_billed", "amount_unbilled", "currency", "functional_amount", "rule", "reason",
    "item_date", "period", "earliest_bill_date",
)  # fmt: skip


def facts(count: int = ENTRIES) -> Facts:
    """Return a firm of hourly and fixed-fee lines: entries with and without a rate, invoices that settle two thirds of them."""
    row = pl.int_range(pl.len(), dtype=pl.Int64)
    entries = time_entries(count).with_columns(pl.when(row % 3 != 0).then("bill_rate").alias("bill_rate"))
    lines = pl.select(pl.int_range(2500, dtype=pl.Int64).alias("n")).select(
        pl.format("L{}", "n").alias("contract_line_id"), pl.format("C{}", pl.col("n") % 1000).alias("contract_id"),
        pl.when(pl.col("n") % 5 == 0).then(pl.lit("fixed_fee")).otherwise(pl.lit("time_and_materials")).alias("offering"),
        pl.when(pl.col("n") % 50 == 1).then(pl.lit(Decimal(count // 5))).alias("cap_amount"),
    )  # fmt: skip
    contracts = pl.select(pl.int_range(1000, dtype=pl.Int64).alias("n")).select(
        pl.format("C{}", "n").alias("contract_id"), pl.lit("EUR").alias("currency"), pl.lit("active").alias("status"),
        pl.lit("monthly").alias("billing_frequency"), pl.lit("LE").alias("legal_entity_id"),
    )  # fmt: skip
    projects = pl.select(pl.int_range(1500, dtype=pl.Int64).alias("n")).select(pl.format("P{}", "n").alias("project_id"))
    people = pl.select(pl.int_range(900, dtype=pl.Int64).alias("n")).select(
        pl.format("R{}", "n").alias("resource_id"), pl.lit(list(ROLES)).list.get(pl.col("n") % 4).alias("role")
    )
    cards = contracts.join(pl.DataFrame({"role": ROLES}), how="cross").with_row_index("n").select(
        pl.format("RC{}", "n").alias("rate_id"), "contract_id", "role",
        (pl.col("n") % 100 + 90).cast(pl.Decimal(38, 10)).alias("bill_rate"),
        pl.lit("hour").alias("unit"), pl.lit("EUR").alias("currency"), pl.lit(dt.date(2025, 1, 1)).alias("effective_from"),
    )  # fmt: skip
    billed = entries.filter((pl.col("status") == "approved") & pl.col("billable") & (pl.col("time_entry_id").hash(1) % 3 != 0))
    billed = billed.join(lines.filter(pl.col("offering") == "time_and_materials"), on="contract_line_id", how="semi")
    keyed = billed.with_columns(pl.format("I-{}-{}", "contract_line_id", pl.col("work_date").dt.strftime("%Y%m")).alias("invoice_line_id"))
    pairs = keyed.select("invoice_line_id", "time_entry_id", "hours")
    price = pl.col("bill_rate").fill_null(Decimal(120))
    invoiced = keyed.group_by("invoice_line_id", maintain_order=True).agg(
        pl.col("hours").sum().alias("quantity"), (pl.col("hours") * price).sum().round(2).alias("net_amount"),
        pl.col("contract_line_id").first(),
        pl.col("work_date").max().dt.month_end().alias("invoice_date"),
    ).with_columns(pl.col("invoice_line_id").alias("invoice_id"), pl.lit("EUR").alias("currency"))  # fmt: skip
    invoices = invoiced.select("invoice_id", "invoice_date", "currency", pl.lit("posted").alias("status"), pl.lit("invoice").alias("kind"))
    company = pl.DataFrame({"legal_entity_id": ["LE"], "functional_currency": ["EUR"], "country": ["DE"]})
    records = {
        "time_entry": entries, "contract_line": lines, "contract": contracts, "project": projects, "resource": people, "rate": cards,
        "invoice": invoices, "invoice_line": invoiced.drop("invoice_date"), "invoice_line_time": pairs, "legal_entity": company,
    }  # fmt: skip
    return Facts({name: _canonical(name, frame).lazy() for name, frame in records.items()}, {}, AS_OF)


def _canonical(entity: str, frame: pl.DataFrame) -> pl.DataFrame:
    schema = entity_spec(entity).polars_schema()
    known = [(pl.col(name) if name in frame.columns else pl.lit(None)).cast(dtype).alias(name) for name, dtype in schema.items()]
    place = pl.format(f"{entity}.parquet:{{}}", pl.int_range(pl.len()))
    return frame.select(*known, pl.concat_list(place).alias("evidence"))


def by_hand(given: Facts) -> pl.DataFrame:
    """Decide the time entries as somebody would who writes one script for this firm and these rules."""
    money, hours, price, wide = pl.Decimal(38, 6), pl.Decimal(38, 8), pl.Decimal(38, 10), pl.Decimal(38, 18)
    frames = given.records
    lines = frames["contract_line"].select("contract_line_id", "contract_id", "offering", "cap_amount")
    contracts = frames["contract"].select("contract_id", pl.col("currency").alias("contract_currency"))
    cards = frames["rate"].select("contract_id", "role", pl.col("bill_rate").alias("card"), "effective_from", "effective_to")
    entries = (
        frames["time_entry"]
        .join(lines, on="contract_line_id", how="left")
        .join(contracts, on="contract_id", how="left")
        .join(frames["resource"].select("resource_id", "role"), on="resource_id", how="left")
        .join(cards, on=["contract_id", "role"], how="left")
    )
    holds = (pl.col("work_date") >= pl.col("effective_from")) & (
        pl.col("effective_to").is_null() | (pl.col("work_date") <= pl.col("effective_to"))
    )
    entries = entries.with_columns(pl.coalesce("bill_rate", pl.when(holds).then("card")).alias("rate"))
    amount = (pl.col("hours").cast(wide) * pl.col("rate").cast(wide)).round(2, mode="half_away_from_zero").cast(money)
    entries = entries.with_columns(amount.alias("amount"))
    posted = frames["invoice"].filter(pl.col("status").is_in(["posted", "paid"])).select("invoice_id")
    settled = (
        frames["invoice_line_time"]
        .select("invoice_line_id", "time_entry_id", pl.col("hours").alias("settled"))
        .join(
            frames["invoice_line"].join(posted, on="invoice_id", how="semi").select("invoice_line_id", "net_amount"), on="invoice_line_id"
        )
    )
    running = pl.col("settled").cum_sum().over("invoice_line_id", order_by="time_entry_id")
    whole = pl.col("settled").sum().over("invoice_line_id")
    part = (pl.col("net_amount").cast(wide) * running.cast(wide) / whole.cast(wide)).round(2, mode="half_away_from_zero").cast(money)
    upto = pl.when(running == whole).then("net_amount").otherwise(part)
    share = upto - upto.shift(1).over("invoice_line_id", order_by="time_entry_id").fill_null(0)
    ledger = settled.with_columns(share.alias("paid")).group_by("time_entry_id").agg(pl.col("settled", "paid").sum())
    entries = entries.join(ledger, on="time_entry_id", how="left").with_columns(
        pl.col("settled").fill_null(0).cast(hours), pl.col("paid").fill_null(0).cast(money)
    )
    done = (pl.col("settled") >= pl.col("hours")) & (pl.col("settled") > 0)
    age = (pl.lit(AS_OF) - pl.col("work_date")).dt.total_days()
    approved = pl.col("status") == "approved"
    cases: list[tuple[pl.Expr, str, str, str]] = [
        (pl.col("status") == "rejected", "BT-010", "not_billable", "rejected"),
        (~pl.col("billable"), "BT-015", "not_billable", "not client work"),
        (~approved.fill_null(value=False), "BT-020", "on_hold", "not approved"),
        (pl.col("offering") == "fixed_fee", "BT-031", "billed_otherwise", "billed by milestone"),
        (pl.col("billable") & ~done & (age > 120), "BT-040", "on_hold", "stale"),
        (pl.col("billable") & ~done & pl.col("rate").is_null(), "BT-050", "on_hold", "no rate"),
    ]
    rule, said, reason = pl.lit("BT-900"), pl.lit("billable"), pl.lit("approved")
    for condition, rule_id, word, told in reversed(cases):
        rule = pl.when(condition).then(pl.lit(rule_id)).otherwise(rule)
        said = pl.when(condition).then(pl.lit(word)).otherwise(said)
        reason = pl.when(condition).then(pl.lit(told)).otherwise(reason)
    # What has no price is never billable, even where an invoice bills it.
    unpriced = (said == "billable") & pl.col("amount").is_null()
    said, reason = pl.when(unpriced).then(pl.lit("on_hold")).otherwise(said), pl.when(unpriced).then(pl.lit("no rate")).otherwise(reason)
    decided = entries.with_columns(rule.alias("rule"), said.alias("eligibility"), reason.alias("reason"), done.alias("done"))
    parted = decided.with_columns(pl.lit(1, dtype=pl.Int64).alias("part")).collect()
    rows = _capped(parted, money, hours, wide)
    ended = (pl.col("settled") >= pl.col("hours")) & (pl.col("settled") > 0)
    decision = pl.when(ended).then(pl.lit("billed")).when((pl.col("settled") > 0) & (pl.col("eligibility") == "billable"))
    final = decision.then(pl.lit("partially_billed")).otherwise("eligibility")
    month_end = pl.max_horizontal(pl.col("work_date").dt.month_end(), pl.col("approved_at").dt.date())
    made = rows.lazy().select(
        pl.lit("time_entry").alias("item_type"), pl.col("time_entry_id").alias("item_id"), "part", "contract_id", "contract_line_id",
        "project_id", final.alias("decision"), "eligibility", pl.col("hours").alias("quantity"), pl.col("settled").alias("quantity_billed"),
        (pl.col("hours") - pl.col("settled")).alias("quantity_unbilled"), pl.col("rate").cast(price), "amount",
        pl.col("paid").alias("amount_billed"), (pl.col("amount") - pl.col("paid")).alias("amount_unbilled"),
        pl.coalesce("contract_currency", "currency").alias("currency"), pl.col("amount").alias("functional_amount"), "rule", "reason",
        pl.col("work_date").alias("item_date"), pl.col("work_date").dt.strftime("%Y-%m").alias("period"),
        pl.when(pl.col("eligibility") == "billable").then(month_end).alias("earliest_bill_date"), "evidence",
    )  # fmt: skip
    return made.sort("item_type", "item_id", "part").collect()


def _capped(rows: pl.DataFrame, money: pl.DataType, hours: pl.DataType, wide: pl.DataType) -> pl.DataFrame:
    counted = (
        pl.col("cap_amount").is_not_null()
        & ((pl.col("eligibility") == "billable") | (pl.col("settled") > 0))
        & pl.col("amount").is_not_null()
    )
    pool = rows.filter(counted).sort(pl.col("settled") > 0, "work_date", "time_entry_id", descending=[True, False, False])
    used = pl.col("amount").cum_sum().over("contract_line_id") - pl.col("amount")
    room = pl.max_horizontal(pl.col("cap_amount") - used, pl.lit(0, dtype=money))
    pool = pool.with_columns(pl.min_horizontal(room, pl.col("amount")).alias("within"))
    fits = pool.filter(pl.col("within") == pl.col("amount")).drop("within")
    over = [pl.lit("not_billable").alias("eligibility"), pl.lit("BT-CAP").alias("rule"), pl.lit("over the cap").alias("reason")]
    beyond = pool.filter((pl.col("within") == 0) & (pl.col("amount") != 0)).drop("within").with_columns(over)
    cut = pool.filter((pl.col("within") != 0) & (pl.col("within") != pl.col("amount")))
    share = pl.col("within").cast(wide) / pl.col("amount").cast(wide)
    first = (pl.col("hours").cast(wide) * share).round(8).cast(hours)
    sized = cut.with_columns(first.alias("first"), pl.min_horizontal(pl.col("settled"), first).alias("settled_first"))
    paid = pl.when(pl.col("settled") > pl.col("first")).then(pl.min_horizontal("paid", "within")).otherwise("paid")
    sized = sized.with_columns(paid.alias("paid_first"))
    one = sized.with_columns(
        pl.col("first").alias("hours"),
        pl.col("within").alias("amount"),
        pl.col("settled_first").alias("settled"),
        pl.col("paid_first").alias("paid"),
    )
    two = sized.with_columns(
        pl.col("hours") - pl.col("first"), pl.col("amount") - pl.col("within"), pl.col("settled") - pl.col("settled_first"),
        pl.col("paid") - pl.col("paid_first"), pl.lit(2, dtype=pl.Int64).alias("part"), *over,
    )  # fmt: skip
    return pl.concat([rows.filter(~counted), fits, beyond, one.select(rows.columns), two.select(rows.columns)])


def measured(decide: Callable[[], pl.DataFrame]) -> tuple[pl.DataFrame, float, float]:
    """Return the decisions, the least seconds by the clock and the least of processor time."""
    clock, processor = [], []
    for _ in range(TIMES):
        started, spent = time.perf_counter(), time.process_time()
        made = decide()
        clock.append(time.perf_counter() - started)
        processor.append(time.process_time() - spent)
    return made, min(clock), min(processor)


def shipped() -> PolicySet:
    """Return the shipped policies without the checks: the script by hand makes decisions only."""
    return check_policies(SHIPPED, {"bill-time": {"checks": []}})[0]


def lines() -> list[str]:
    """Measure both and return the table's lines."""
    given, policies = facts(), shipped()
    kept = [each for each in policies.policies if each.policy.id == "bill-time"]
    only = PolicySet(tuple(kept), policies.fingerprint)

    def stage() -> pl.DataFrame:
        return decide_billing(given, only, Context(AS_OF)).frames["billing_decisions"].collect()

    ours, clock, processor = measured(stage)
    theirs, hand_clock, hand_processor = measured(lambda: by_hand(given))
    assert ours.select(COMPARED).equals(theirs.select(COMPARED)), "the two do not decide alike"
    return [
        "| | clock | processor |", "|---|---|---|",
        f"| billing stage, {ENTRIES:,} time entries | {clock:.2f} s | {processor:.2f} s |",
        f"| the same decisions by hand in Polars | {hand_clock:.2f} s | {hand_processor:.2f} s |",
        f"| stage / by hand | {clock / hand_clock:.2f} | {processor / hand_processor:.2f} |",
    ]  # fmt: skip


if __name__ == "__main__":
    print("\n".join(lines()))
