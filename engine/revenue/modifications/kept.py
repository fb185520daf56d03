"""What of a contract that ends ahead of time was paid for good: of all its lines, or of single ones (606-10-55-50, 25-10)."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.nothing import of_nothing
from engine.revenue.arithmetic.exact import money_units, part_units
from engine.revenue.arithmetic.numbers import WIDE, ZERO, wide
from engine.revenue.ground.records import Records

PAID_ON_LINES: Final = ("own_paid", "own_final", "own_price")
"""Of an obligation with lines that cannot be claimed back in a contract with others that can: what was paid on them (units), their
part of its price as `own_final` of `own_price`."""


@of_nothing
def with_paid_for_good(ended: pl.DataFrame, records: Records) -> pl.DataFrame:
    """Add `paid_for_good`: what was received by the last day of a contract of which nothing can be claimed back (units)."""
    stated = records.frame("contract_line").group_by("contract_id").agg((~_can_be_claimed_back().any()).alias("→final"))
    taken_over = _by_contract(_positions_before(ended, records))
    received = _payments(ended, records, taken_over).select("contract_id", "amount")
    received = pl.concat([received, taken_over.select("contract_id", pl.col("→received").alias("amount"))])
    received = received.group_by("contract_id").agg(pl.col("amount").sum().alias("→paid"))
    made = ended.join(stated, on="contract_id", how="left").join(received, on="contract_id", how="left")
    final = (
        pl.when(pl.col("→final").fill_null(value=False))
        .then(money_units(pl.col("→paid").fill_null(0), pl.col("minor_digits")))
        .otherwise(wide(0))
    )
    return made.with_columns(final.alias("paid_for_good"))


def paid_on_lines(contracts: pl.DataFrame, ends: pl.DataFrame, lines: pl.DataFrame, records: Records) -> pl.DataFrame:
    """Return what was paid for good on single lines of contracts that end (`terminations`): okey and PAID_ON_LINES (units).

    An invoice says which line money is for; money that no invoice places is first for what cannot be claimed back, as a fee at
    signing is. A contract of which nothing can be claimed back is one of `with_paid_for_good`.
    """
    some = (~_can_be_claimed_back()).any().over("contract_id") & _can_be_claimed_back().any().over("contract_id")
    about = contracts.select("contract_id", "terminated_date", "minor_digits")
    priced = lines.filter(pl.col("amount") > 0).join(ends.select("contract_id").unique(), on="contract_id", how="semi").filter(some)
    if not priced.height:
        return pl.DataFrame(schema={"okey": lines.schema["okey"], **dict.fromkeys(PAID_ON_LINES, WIDE)})
    priced = priced.join(about, on="contract_id", how="inner").select(
        "contract_id", "contract_line_id", "okey", "is_refundable", money_units(pl.col("amount"), pl.col("minor_digits")).alias("own_price")
    )
    placed, loose = _placed(about.join(priced, on="contract_id", how="semi"), priced, records)
    final = priced.filter(~_can_be_claimed_back()).join(placed, on="contract_line_id", how="left").join(loose, on="contract_id", how="left")
    final = final.with_columns(pl.col("→placed", "→loose").fill_null(0))
    final = final.with_columns(pl.max_horizontal(pl.col("own_price") - pl.col("→placed"), wide(0)).alias("→open"))
    through = pl.col("→open").cum_sum().over("contract_id", order_by="contract_line_id")
    more = pl.max_horizontal(pl.min_horizontal(pl.col("→loose") - through + pl.col("→open"), "→open"), wide(0))
    of_final = final.with_columns((pl.col("→placed") + more).alias("own_paid")).group_by("okey")
    whole = priced.group_by("okey").agg(pl.col("own_price").sum())
    return of_final.agg(pl.col("own_paid").sum(), pl.col("own_price").sum().alias("own_final")).join(whole, on="okey", how="inner")


def _can_be_claimed_back() -> pl.Expr:
    return pl.col("is_refundable").fill_null(value=True)


def _payments(ended: pl.DataFrame, records: Records, taken_over: pl.DataFrame) -> pl.DataFrame:
    """Return what was paid from the day contracts were taken over to their last day: contract_id, invoice_id, amount."""
    invoices = records.frame("invoice").select("invoice_id", pl.col("contract_id").alias("→of"))
    paid = records.frame("payment").join(invoices, on="invoice_id", how="left")
    paid = paid.with_columns(pl.coalesce("contract_id", "→of").alias("contract_id"))
    later = (pl.col("paid_date") > pl.col("→opened")).fill_null(value=True)
    return (
        paid.join(ended.select("contract_id", "terminated_date"), on="contract_id", how="inner")
        .join(taken_over, on="contract_id", how="left")
        .filter((pl.col("paid_date") <= pl.col("terminated_date")) & later)
        .select("contract_id", "invoice_id", "amount")
    )


def _placed(ended: pl.DataFrame, lines: pl.DataFrame, records: Records) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return what was paid by a contract's last day on lines (contract_line_id, →placed) and on none (contract_id, →loose); units."""
    opened = _positions_before(ended, records)
    digits = ended.select("contract_id", "minor_digits")
    paid = _payments(ended, records, _by_contract(opened)).join(digits, on="contract_id", how="inner")
    paid = paid.with_columns(money_units(pl.col("amount"), pl.col("minor_digits")).alias("→paid"))
    gross = pl.coalesce("gross_amount", pl.col("net_amount") + pl.coalesce("tax_amount", ZERO))
    on_lines = records.frame("invoice_line").select("invoice_id", "contract_line_id", pl.col("net_amount").alias("→net"))
    named = (
        paid.join(records.frame("invoice").select("invoice_id", gross.alias("→gross")), on="invoice_id", how="inner")
        .join(on_lines, on="invoice_id", how="inner")
        .join(lines.select("contract_line_id"), on="contract_line_id", how="semi")
    )
    net, whole = (money_units(pl.col(name), pl.col("minor_digits")) for name in ("→net", "→gross"))
    part = part_units(pl.col("→paid"), net.abs(), whole.abs()) * net.sign() * whole.sign()
    before = opened.join(digits, on="contract_id", how="inner")
    placed = pl.concat([
        named.select("contract_line_id", part.alias("→placed")),
        before.select("contract_line_id", money_units(pl.col("received_amount"), pl.col("minor_digits")).alias("→placed")),
    ])  # fmt: skip
    loose = paid.join(named.select("invoice_id").unique(), on="invoice_id", how="anti")
    return placed.group_by("contract_line_id").agg(pl.col("→placed").sum()), loose.group_by("contract_id").agg(
        pl.col("→paid").sum().alias("→loose")
    )


def _positions_before(ended: pl.DataFrame, records: Records) -> pl.DataFrame:
    """Return what opening positions say was received on lines by the day they were taken over: as_of_date, received_amount."""
    stated = records.frame("opening_position").join(
        records.frame("contract_line").select("contract_line_id", "contract_id"), on="contract_line_id", how="inner"
    )
    known = stated.join(ended.select("contract_id", "terminated_date"), on="contract_id", how="inner").filter(
        (pl.col("as_of_date") <= pl.col("terminated_date")) & pl.col("received_amount").is_not_null()
    )
    return known.sort("contract_line_id", "as_of_date").unique("contract_line_id", keep="last", maintain_order=True)


def _by_contract(opened: pl.DataFrame) -> pl.DataFrame:
    """Return them by contract: contract_id, →opened, →received."""
    return opened.group_by("contract_id").agg(
        pl.col("as_of_date").max().alias("→opened"), pl.col("received_amount").sum().alias("→received")
    )
