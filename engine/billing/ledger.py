"""The quantity ledger: for every item what invoices hold of it, credits taken back.

Drafts and void invoices count for nothing. A credit note takes back what its own lines name, or,
where they name no item, its share of everything the corrected invoice billed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from engine.billing.money import HOURS, with_share
from engine.billing.references import frame_of
from engine.billing.summaries import NOT_TOLD, summary_lines, summary_links
from engine.canonical.kinds import MONEY
from engine.minor_units import rounded_money

LINKS: Final = {
    "time_entry": "time_entry_id", "expense": "expense_id", "milestone": "milestone_id",
}  # fmt: skip

MADE: Final = "→links."
"""Links that were made already stand among the frames under this and their kind of item."""

_TOLD: Final = ("invoice_id", "invoice_date", "invoice_line_id", "evidence")


def counted_lines(frames: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """Return the lines of invoices that stand (posted or paid, or of unknown state) with their invoice's facts."""
    invoices = frame_of(frames, "invoice").select(
        "invoice_id", pl.col("status").alias("invoice.status"), pl.col("kind").alias("invoice.kind"), "invoice_date",
        pl.col("currency").alias("invoice.currency"), pl.col("contract_id").alias("invoice.contract_id"), "corrects_invoice_id",
        "customer_id", "legal_entity_id",
    )  # fmt: skip
    lines = frame_of(frames, "invoice_line").join(invoices, on="invoice_id", how="left", maintain_order="left")
    stands = ~pl.col("invoice.status").is_in(["draft", "void"]).fill_null(value=False)
    return lines.filter(stands).with_columns(pl.coalesce("currency", "invoice.currency").alias("currency"))


def names_items(frames: Mapping[str, pl.LazyFrame], item: str) -> bool | None:
    """Say whether invoice lines name items of a kind, or bill hours in a sum; None when no source supplies invoice lines."""
    if "invoice_line" not in frames:
        return None
    if item == "fee":
        return True
    named = frame_of(frames, "invoice_line").select(pl.col(LINKS[item]).is_not_null().any()).collect().item()
    if named or item != "time_entry":
        return bool(named)
    pairs = frame_of(frames, "invoice_line_time").select(pl.len()).collect().item()
    return pairs > 0 or summary_lines(counted_lines(frames), frames).height > 0


def item_links(frames: Mapping[str, pl.LazyFrame], item: str) -> pl.LazyFrame:
    """Return what each invoice line bills of each item: item.id, line, quantity (hours, else 1) and amount.

    A line that settles several time entries is shared among them by hours; the shares add up to the
    line exactly. A line that bills a project's hours of a period in one sum bills the entries that
    `summary_links` can tell.
    """
    if f"{MADE}{item}" in frames:
        return frames[f"{MADE}{item}"]
    lines = counted_lines(frames)
    direct = lines.filter(pl.col(LINKS[item]).is_not_null())
    if item == "milestone" and (releases := releasing_milestones(frames)) is not None:
        direct = direct.join(releases, on="milestone_id", how="anti")
    sign = pl.when(pl.col("net_amount") < 0).then(-1).otherwise(1)
    quantity = pl.coalesce("quantity", sign) if item == "time_entry" else sign
    if item == "time_entry" and "invoice_line_time" in frames:
        pairs = _pairs(lines, frames)
        direct = direct.join(pairs.select("invoice_line_id").unique(), on="invoice_line_id", how="anti")
        links = pl.concat([_columns(direct, LINKS[item], quantity, pl.col("net_amount")), pairs])
    else:
        links = _columns(direct, LINKS[item], quantity, pl.col("net_amount"))
    if item == "time_entry" and "time_entry" in frames:
        in_sum, _ = summary_links(lines, links, frames)
        links = pl.concat([links, in_sum.lazy().cast(links.collect_schema())]) if in_sum.height else links
    credit = (pl.col("invoice.kind") == "credit_note") & pl.col("corrects_invoice_id").is_not_null()
    if not lines.select(credit.any()).collect().item():
        return links
    return pl.concat([links, _credited(lines, links, frames)])


def not_told(frames: Mapping[str, pl.LazyFrame]) -> pl.DataFrame:
    """Return the invoice lines that bill hours in a sum of which it cannot be told whose they are (NOT_TOLD)."""
    if "invoice_line" not in frames or "time_entry" not in frames:
        return pl.DataFrame(schema=NOT_TOLD)
    lines = counted_lines(frames)
    named = [lines.select(pl.col("time_entry_id").alias("item.id")).drop_nulls()]
    if "invoice_line_time" in frames:
        named.append(_pairs(lines, frames).select("item.id"))
    return summary_links(lines, pl.concat(named), frames)[1]


def _columns(lines: pl.LazyFrame, key: str, quantity: pl.Expr, amount: pl.Expr) -> pl.LazyFrame:
    return lines.select(
        pl.col(key).alias("item.id"), quantity.cast(HOURS).alias("quantity"), amount.cast(MONEY).alias("amount"), "currency",
        "invoice_line_id", "invoice_id", "contract_line_id", "invoice_date", "evidence",
    )  # fmt: skip


def _pairs(lines: pl.LazyFrame, frames: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    settled = frame_of(frames, "invoice_line_time").select("invoice_line_id", pl.col("time_entry_id").alias("→entry"), "hours")
    # A whole number stands for the text by which the shares are grouped.
    joined = settled.join(lines.with_row_index("→line"), on="invoice_line_id", how="inner")
    return _columns(with_share(joined, ["→entry"], "→line"), "→entry", pl.col("hours"), pl.col("→share"))


def _credited(lines: pl.LazyFrame, links: pl.LazyFrame, frames: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """Return what credit notes that name no item take back: a share of each item of the corrected invoice."""
    named = [pl.col(name).is_null() for name in LINKS.values()]
    bare = lines.filter(pl.col("invoice.kind") == "credit_note", pl.col("corrects_invoice_id").is_not_null(), *named)
    if "invoice_line_time" in frames:
        bare = bare.join(frame_of(frames, "invoice_line_time").select("invoice_line_id").unique(), on="invoice_line_id", how="anti")
    corrected = lines.select(
        pl.col("invoice_id").alias("corrects_invoice_id"), pl.col("contract_line_id").alias("→line"), pl.col("net_amount").alias("→net")
    )
    pairs = bare.select("invoice_line_id", "corrects_invoice_id", "contract_line_id", "net_amount", "invoice_date", "evidence", "currency")
    fits = pl.col("contract_line_id").is_null() | pl.col("→line").is_null() | (pl.col("contract_line_id") == pl.col("→line"))
    whole = pairs.join(corrected, on="corrects_invoice_id", how="inner").filter(fits).group_by("invoice_line_id").agg(pl.col("→net").sum())
    theirs = links.select(
        "item.id", pl.col("quantity").alias("→quantity"), pl.col("amount").alias("→amount"),
        pl.col("invoice_id").alias("corrects_invoice_id"),
        pl.col("contract_line_id").alias("→line"),
    )  # fmt: skip
    joined = pairs.join(whole, on="invoice_line_id", how="inner").join(theirs, on="corrects_invoice_id", how="inner").filter(fits)
    part = pl.col("net_amount").cast(pl.Decimal(38, 18)) / pl.when(pl.col("→net") != 0).then(pl.col("→net")).cast(pl.Decimal(38, 18))
    return joined.select(
        "item.id", (pl.col("→quantity").cast(pl.Decimal(38, 18)) * part).round(8).cast(HOURS).alias("quantity"),
        rounded_money(pl.col("→amount").cast(pl.Decimal(38, 18)) * part, pl.col("currency")).alias("amount"), "currency",
        "invoice_line_id", pl.col("corrects_invoice_id").alias("invoice_id"), "contract_line_id", "invoice_date", "evidence",
    )  # fmt: skip


def item_ledger(frames: Mapping[str, pl.LazyFrame], item: str, *, by_currency: bool = False) -> pl.LazyFrame:
    """Return by item what is invoiced of it, less credits; `by_currency`: a row for each currency it is invoiced in."""
    charged = pl.col("quantity") > 0
    keys = ["item.id", "ledger.currency"] if by_currency else ["item.id"]
    named = item_links(frames, item).rename({"currency": "ledger.currency"})
    return named.group_by(keys).agg(
        pl.col("quantity").sum().alias("ledger.quantity"), pl.col("amount").sum().alias("ledger.amount"),
        charged.sum().alias("ledger.lines"), *(() if by_currency else (pl.col("ledger.currency").max(),)),
        pl.when(charged).then("invoice_date").min().alias("ledger.first_date"),
    )  # fmt: skip


def releasing_milestones(frames: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame | None:
    """Return the milestones that have no amount of their own and release a line of a plan (`→line`: the contract line it bills)."""
    if "milestone" not in frames or "billing_plan_line" not in frames:
        return None
    bare = frame_of(frames, "milestone").filter(pl.col("amount").is_null()).select("milestone_id")
    plans = frame_of(frames, "billing_plan_line").select("milestone_id", pl.col("contract_line_id").alias("→line"))
    return plans.join(bare, on="milestone_id", how="semi").unique("milestone_id", keep="first", maintain_order=True)


def fees_of_lines(fees: pl.LazyFrame, frames: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """Return the fees that lines which name no item may bill: not those whose milestone lines name and bill by its own amount."""
    if "milestone" not in frames or "invoice_line" not in frames or "milestone_id" not in fees.collect_schema().names():
        return fees
    named = item_links(frames, "milestone").select(pl.col("item.id").alias("milestone_id")).unique()
    return fees.join(named, on="milestone_id", how="anti")


def fee_lines(frames: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """Return the invoice lines that bill fees, by what they bill (`→key`, a contract line or else a contract).

    Lines that name time, an expense or a milestone bill that and no fee; a milestone without an amount
    bills the line of the plan that it releases.
    """
    lines = counted_lines(frames).filter(pl.col("time_entry_id").is_null() & pl.col("expense_id").is_null())
    releases = releasing_milestones(frames)
    if releases is None:
        lines = lines.filter(pl.col("milestone_id").is_null())
    else:
        lines = lines.join(releases.with_columns(pl.lit(value=True).alias("→released")), on="milestone_id", how="left")
        lines = lines.filter(pl.col("milestone_id").is_null() | pl.col("→released").is_not_null())
        lines = lines.with_columns(pl.coalesce("contract_line_id", "→line").alias("contract_line_id"))
    if "invoice_line_time" in frames:
        lines = lines.join(frame_of(frames, "invoice_line_time").select("invoice_line_id").unique(), on="invoice_line_id", how="anti")
    return lines.select(
        pl.coalesce("contract_line_id", "invoice.contract_id").alias("→key"), "net_amount", "currency", "invoice_id", "invoice_date",
        "corrects_invoice_id",
    ).drop_nulls("→key")  # fmt: skip


def fee_ledger(fees: pl.LazyFrame, lines: pl.LazyFrame) -> pl.LazyFrame:
    """Return by fee what `lines` bill of it: those of the same month first, then the rest in order of due dates."""
    paid = lines.with_columns(pl.col("invoice_date").dt.strftime("%Y-%m").alias("→month"))
    owed = fees.select(
        pl.col("item.id"), pl.coalesce("contract_line_id", "contract_id").alias("→key"), "due_date",
        pl.col("due_date").dt.strftime("%Y-%m").alias("→month"), pl.col("item.amount").alias("→amount"),
    ).filter(pl.col("→amount").is_not_null())  # fmt: skip
    monthly = paid.group_by("→key", "→month").agg(pl.col("net_amount").sum().alias("→pool"))
    first = _filled(owed.join(monthly, on=["→key", "→month"], how="left"), ["→key", "→month"]).rename({"→taken": "→first"})
    totals = paid.group_by("→key").agg(
        pl.col("net_amount").sum().alias("→total"), pl.col("currency").max().alias("ledger.currency"),
        pl.col("invoice_date").min().alias("ledger.first_date"),
    )  # fmt: skip
    rest = first.drop("→pool").join(totals, on="→key", how="left").with_columns(
        (pl.col("→total") - pl.col("→first").sum().over("→key")).alias("→pool"), (pl.col("→amount") - pl.col("→first")).alias("→amount")
    )  # fmt: skip
    second = _filled(rest, ["→key"])
    # What is invoiced beyond every fee stands with the last of them.
    excess = pl.col("→pool").fill_null(0) - pl.col("→taken").sum().over("→key")
    last = pl.col("item.id") == pl.col("item.id").sort_by("due_date", "item.id").last().over("→key")
    amount = pl.col("→first") + pl.col("→taken") + pl.when(last & (excess > 0)).then(excess).otherwise(0)
    return second.select(
        "item.id", pl.lit(0, dtype=HOURS).alias("ledger.quantity"), amount.cast(MONEY).alias("ledger.amount"),
        (amount != 0).cast(pl.UInt32).alias("ledger.lines"), "ledger.currency",
        pl.when(amount != 0).then("ledger.first_date").alias("ledger.first_date"),
    )  # fmt: skip


def _filled(owed: pl.LazyFrame, group: list[str]) -> pl.LazyFrame:
    """Add what each fee takes of its group's pool, the earliest due first."""
    order = ["due_date", "item.id"]
    upto = pl.col("→amount").cum_sum().over(group, order_by=order)
    pool = pl.col("→pool").fill_null(0)
    taken = pl.min_horizontal(pl.max_horizontal(pool - (upto - pl.col("→amount")), pl.lit(0, dtype=MONEY)), pl.col("→amount"))
    return owed.with_columns(pl.when(pool > 0).then(taken).otherwise(0).cast(MONEY).alias("→taken"))


def last_invoices(rows: pl.DataFrame, frames: Mapping[str, pl.LazyFrame], item: str) -> pl.DataFrame:
    """Add to a few items the last invoice that bills each, `invoice.last` of `invoice.last_date`, and its lines' rows to `evidence`."""
    if not rows.height:
        nobody, never = pl.lit(None, dtype=pl.String), pl.lit(None, dtype=pl.Date)
        return rows.with_columns(nobody.alias("invoice.last"), never.alias("invoice.last_date"))
    if item == "fee":
        lines = counted_lines(frames).select(pl.coalesce("contract_line_id", "invoice.contract_id").alias("item.id"), *_TOLD)
        key = pl.coalesce("item.line_id", "item.contract_id")
    else:
        lines, key = item_links(frames, item).filter(pl.col("quantity") > 0).select("item.id", *_TOLD), pl.col("item.id")
    keyed = rows.with_columns(key.alias("→key"))
    own = lines.join(keyed.lazy().select(pl.col("→key").alias("item.id")).unique(), on="item.id", how="semi")
    told = own.sort("item.id", "invoice_date", "invoice_line_id").group_by("item.id", maintain_order=True).agg(
        pl.col("invoice_id").last().alias("invoice.last"), pl.col("invoice_date").last().alias("invoice.last_date"),
        (pl.col("evidence").last() if item == "fee" else pl.col("evidence").explode().drop_nulls()).alias("→lines"),
    ).collect()  # fmt: skip
    joined = keyed.join(told, left_on="→key", right_on="item.id", how="left", maintain_order="left")
    nothing = pl.lit([], dtype=pl.List(pl.String))
    both = pl.concat_list(pl.col("evidence").fill_null(nothing), pl.col("→lines").fill_null(nothing))
    return joined.with_columns(both.alias("evidence")).drop("→key", "→lines")
