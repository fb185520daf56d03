"""What the customer was invoiced, may be invoiced and has paid, as dated steps of each contract (606-10-45-2 to 45-4).

A *claim* is what one invoice (with the credit notes and re-issues of it) charges for one line of one
contract. Each claim has a basis: `free` (under no billing plan: an unconditional right in full),
`due` (under a plan line that is due whatever is delivered) or `conditional` (under any other plan
line: a right only as far as performed). Amounts are MONEY in the contract's currency.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Final, Protocol

import polars as pl

from engine.canonical.billing import POSTED
from engine.canonical.kinds import MONEY
from engine.nothing import of_no, of_nothing
from engine.only_line import only_line_of_project
from engine.revenue.arithmetic.numbers import ZERO, wide
from engine.revenue.arithmetic.rounding import round_share, units
from engine.revenue.ground.frames import Books
from engine.revenue.ground.named import with_root
from engine.revenue.ground.rates import in_contract_currency
from engine.revenue.posting.given_back import with_overpaid_back
from engine.revenue.posting.planned import counted_from
from engine.revenue.posting.unnamed import with_work_billed

# A credited invoice is re-issued a few times at most; a longer chain is cut here.
_CLAIM: Final = ("root", "contract_id", "contract_line_id", "milestone_id")

BASES: Final = ("free", "due", "conditional")


class Agreed(Protocol):
    """Give agreed records by entity, every canonical column and `evidence`; empty where there are none."""

    def frame(self, entity: str) -> pl.DataFrame:
        """Return the records of an entity."""

    def output(self, name: str) -> pl.DataFrame | None:
        """Return an earlier output by name, or None when there is none."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Hold the steps that the positions are made of.

    `billed`: contract_id, claim, basis, is_as_invoiced, date, invoice_id, net, tax (a claim that lies
    partly under a plan has a row per basis). `cash`: contract_id, claim (null: named no invoice), basis,
    is_as_invoiced, date, payment_id, amount. `plan`: contract_id, contract_line_id, due_date, amount,
    is_unconditional, counts_from (of a line entered after a close: the day the books knew it; null: from the start).
    `unplaced`: payments that name neither an invoice nor a contract we know.
    `unvalued`: documents in another currency without a rate.
    """

    billed: pl.DataFrame
    cash: pl.DataFrame
    plan: pl.DataFrame
    unplaced: pl.DataFrame
    unvalued: pl.DataFrame

    def without_rows(self) -> Claims:
        """Return the claims of nobody."""
        return replace(self, **{each.name: getattr(self, each.name).clear() for each in fields(self)})

    def of(self, own: Callable[[pl.DataFrame], pl.DataFrame]) -> Claims:
        """Return the claims of the contracts that `own` leaves in a frame."""
        return replace(self, billed=own(self.billed), cash=own(self.cash), plan=own(self.plan))


def read_claims(books: Books, records: Agreed, rates: pl.DataFrame, as_of: dt.date) -> Claims:
    """Return what was invoiced and paid by as_of, and all that the contracts let the firm invoice.

    Documents in another currency than their contract's count at the spot rate of their day (`rates`: `rate_table`).
    """
    plan = _plan(books, records)
    invoices = _invoices(records, as_of)
    lines = _invoice_lines(books, records, invoices)
    lines = in_contract_currency(lines, books.contracts, rates, names=("net", "tax"), day="date", stated="stated_currency")
    unvalued = [_unvalued(lines, "invoice", "net")]
    lines = lines.drop("stated_currency").drop_nulls("net")
    based, plan = _with_basis(lines, plan, books.contracts)
    claims = with_work_billed(based, books)
    cash, unplaced = _cash(books, records, invoices, claims, as_of)
    cash = in_contract_currency(cash, books.contracts, rates, names=("amount",), day="date", stated="stated_currency")
    unvalued.append(_unvalued(cash, "payment", "amount"))
    cash = with_overpaid_back(cash.drop("stated_currency").drop_nulls("amount"), claims)
    return Claims(claims, cash, plan, unplaced, pl.concat(unvalued))


@of_nothing
def _unvalued(rows: pl.DataFrame, entity: str, amount: str) -> pl.DataFrame:
    """Return the documents whose currency has no rate into their contract's."""
    lost = rows.filter(pl.col(amount).is_null())
    told = lost.select(
        pl.lit(entity).alias("entity"), "contract_id", pl.col(f"{entity}_id").alias("entity_id"), "date",
        pl.col("stated_currency").alias("currency"), "evidence",
    )  # fmt: skip
    return told.unique("entity_id", keep="first", maintain_order=True)


def _invoices(records: Agreed, as_of: dt.date) -> pl.DataFrame:
    """Return posted invoices and credit notes with `root`: the invoice they correct or replace, through chains."""
    is_posted = pl.col("status").is_in(POSTED) & (pl.col("invoice_date") <= as_of)
    return with_root(records.frame("invoice").filter(is_posted))


@of_no("invoices")
def _invoice_lines(books: Books, records: Agreed, invoices: pl.DataFrame) -> pl.DataFrame:
    """Return invoice lines with contract, root, net and tax; an invoice without lines counts by its header."""
    head = invoices.select(
        "invoice_id", "root", pl.col("contract_id").alias("head_contract"), pl.col("invoice_date").alias("date"), "exchange_rate",
        pl.col("net_amount").alias("head_net"), pl.coalesce("tax_amount", ZERO).alias("head_tax"),
        pl.col("evidence").alias("head_evidence"), pl.col("currency").alias("head_currency"),
    )  # fmt: skip
    stated = _with_lines(records.frame("invoice_line"), records).select(
        "invoice_line_id", "invoice_id", "contract_line_id", "project_id", "milestone_id", "net_amount", "tax_amount", "currency"
    )
    lines = head.join(stated, on="invoice_id", how="left", maintain_order="left")
    of_line = books.lines.select("contract_line_id", pl.col("contract_id").alias("line_contract"), "is_as_invoiced")
    of_project = records.frame("project").unique("project_id", keep="first", maintain_order=True)
    of_project = of_project.select("project_id", pl.col("contract_id").alias("project_contract"))
    placed = lines.join(of_line, on="contract_line_id", how="left", maintain_order="left").join(
        of_project, on="project_id", how="left", maintain_order="left"
    )
    first = pl.int_range(pl.len()).over("invoice_id", order_by="invoice_line_id") == 0
    line_tax = pl.coalesce("tax_amount", ZERO)
    rest_of_tax = pl.col("head_tax") - line_tax.sum().over("invoice_id")
    whole = books.lines.group_by("contract_id").agg(pl.col("is_as_invoiced").all().alias("all_as_invoiced"))
    placed = placed.with_columns(
        pl.coalesce("line_contract", "head_contract", "project_contract").alias("contract_id"),
        pl.coalesce("net_amount", pl.when(pl.col("invoice_line_id").is_null()).then(pl.col("head_net")), ZERO).alias("net"),
        pl.when(first).then(line_tax + rest_of_tax).otherwise(line_tax).cast(MONEY).alias("tax"),
    ).join(whole, on="contract_id", how="inner", maintain_order="left")
    return placed.select(
        "invoice_id", "root", "contract_id", "contract_line_id", "milestone_id",
        pl.coalesce("is_as_invoiced", "all_as_invoiced").alias("is_as_invoiced"), "date", "net", "tax", "exchange_rate",
        pl.col("head_evidence").alias("evidence"), pl.coalesce("currency", "head_currency").alias("stated_currency"),
    )  # fmt: skip


def _with_lines(stated: pl.DataFrame, records: Agreed) -> pl.DataFrame:
    """Return invoice lines with the contract line of what they bill, where they name that alone: work, expenses, a project of one line."""
    silent = stated.filter(pl.col("contract_line_id").is_null()).drop("contract_line_id")
    return pl.concat([stated.filter(pl.col("contract_line_id").is_not_null()), _placed(silent, records).select(stated.columns)])


@of_no("silent")
def _placed(silent: pl.DataFrame, records: Agreed) -> pl.DataFrame:
    line, key = "contract_line_id", "invoice_line_id"
    pairs = records.frame("invoice_line_time").join(silent.select(key), on=key, how="semi").select(key, "time_entry_id")
    billed = [
        named.join(records.frame(entity).select(item, line).unique(item, keep="first"), on=item, how="inner").select(key, line)
        for entity, item, named in (
            ("time_entry", "time_entry_id", pl.concat([silent.drop_nulls("time_entry_id").select(key, "time_entry_id"), pairs])),
            ("expense", "expense_id", silent.drop_nulls("expense_id").select(key, "expense_id")),
        )
        if named.height
    ]
    only = only_line_of_project(records.frame("contract_line").lazy())
    made = silent.join(only, on="project_id", how="left", maintain_order="left")
    if not billed:
        return made.with_columns(pl.col("→only").alias(line))
    # Work of several lines on one line of an invoice is of none of them alone.
    one = pl.concat(billed).group_by(key).agg(pl.when(pl.col(line).n_unique() == 1).then(pl.col(line).first()).alias("→line"))
    return made.join(one, on=key, how="left", maintain_order="left").with_columns(pl.coalesce("→line", "→only").alias(line))


def _plan(books: Books, records: Agreed) -> pl.DataFrame:
    """Return plan lines of known contracts; one that a milestone releases is due when that is accepted."""
    stated = records.frame("billing_plan_line")
    accepted = records.frame("milestone").select("milestone_id", "accepted_date").unique("milestone_id", keep="first")
    of_line = books.lines.select("contract_line_id", pl.col("contract_id").alias("line_contract"))
    planned = _planned(stated, of_line, accepted, books.contracts)
    return counted_from(planned, stated, books)


@of_nothing
def _planned(stated: pl.DataFrame, of_line: pl.DataFrame, accepted: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    found = stated.join(of_line, on="contract_line_id", how="left", maintain_order="left").join(
        accepted, on="milestone_id", how="left", maintain_order="left"
    )
    found = found.with_columns(pl.coalesce("contract_id", "line_contract").alias("contract_id"))
    return (
        found.filter(pl.col("amount").is_not_null())
        .join(contracts.select("contract_id"), on="contract_id", how="semi")
        .select(
            "plan_line_id", "contract_id", "contract_line_id", "milestone_id", pl.coalesce("due_date", "accepted_date").alias("due_date"),
            "amount", pl.col("is_unconditional").fill_null(value=False), "evidence",
        )
        .sort("contract_id", "due_date", "plan_line_id", nulls_last=True)
    )  # fmt: skip


def _with_basis(lines: pl.DataFrame, plan: pl.DataFrame, contracts: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return invoice lines split by the basis of their claim, and the plan.

    What a plan line says of an invoice of before the books knew it changes nothing of that, and is used up by it.
    """
    based, used = _based(lines, plan, contracts)
    return based, _less(plan, used, "plan_line_id", "amount").filter(pl.col("amount") != 0) if used.height else plan


@of_nothing
def _based(lines: pl.DataFrame, plan: pl.DataFrame, contracts: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Match claims to plan lines by milestone, then line, then contract; return them by basis, and what came before its plan line."""
    # What an invoice was first issued at decides; a credit of it later does not change what it was.
    first = lines.filter(pl.col("invoice_id") == pl.col("invoice_id").sort_by("date", "invoice_id").first().over(_CLAIM))
    totals = (
        first.group_by(_CLAIM).agg(pl.col("net").sum(), pl.col("date").min())
        .filter(pl.col("net") > 0).sort("contract_id", "date", *_CLAIM, nulls_last=True).with_row_index("claim_row")
    )  # fmt: skip
    left, room, matched = totals.rename({"net": "left"}), plan.rename({"amount": "room"}), []
    for keys in (["contract_id", "milestone_id"], ["contract_id", "contract_line_id"], ["contract_id"]):
        pairs = _overlaps(left, room, keys)
        matched.append(pairs)
        left, room = _less(left, pairs, "claim_row", "left"), _less(room, pairs, "plan_line_id", "room")
    pairs = pl.concat(matched).join(plan.select("plan_line_id", "is_unconditional", "counts_from"), on="plan_line_id", how="left")
    pairs = pairs.join(totals.select("claim_row", "date"), on="claim_row", how="left")
    came_before = (pl.col("date") < pl.col("counts_from")).fill_null(value=False)
    used, pairs = pairs.filter(came_before), pairs.filter(~came_before).drop("counts_from", "date")
    due = pl.col("taken").filter("is_unconditional").sum()
    of_claim = pairs.group_by("claim_row").agg(due.cast(MONEY).alias("due"), (pl.col("taken").sum() - due).cast(MONEY).alias("conditional"))
    shares = totals.join(of_claim, on="claim_row", how="left").select(
        *_CLAIM, pl.col("net").alias("total"), pl.col("due").fill_null(ZERO), pl.col("conditional").fill_null(ZERO)
    )
    digits = contracts.select("contract_id", "minor_digits")
    split = lines.join(shares, on=_CLAIM, how="left", nulls_equal=True, maintain_order="left")
    split = split.join(digits, on="contract_id", how="left", maintain_order="left")

    def share_of(name: str, part: str) -> pl.Expr:
        share = round_share(pl.col(name), units(pl.col(part)), units(pl.col("total")), pl.col("minor_digits"))
        return share.fill_null(ZERO).alias(f"{part}_{name}")

    parts = split.with_columns(share_of(name, part) for name in ("net", "tax") for part in ("due", "conditional")).with_columns(
        (pl.col(name) - pl.col(f"due_{name}") - pl.col(f"conditional_{name}")).cast(MONEY).alias(f"free_{name}") for name in ("net", "tax")
    )
    claim = pl.concat_str(*(pl.col(name).fill_null("") for name in _CLAIM), separator="|")
    rows = [
        parts.select(
            "contract_id", claim.alias("claim"), "root", pl.lit(basis).alias("basis"), "is_as_invoiced", "date", "invoice_id",
            pl.col(f"{basis}_net").alias("net"), pl.col(f"{basis}_tax").alias("tax"), "exchange_rate", "contract_line_id", "evidence",
        )
        for basis in BASES
    ]  # fmt: skip
    told = pl.concat(rows).filter((pl.col("net") != 0) | (pl.col("tax") != 0))
    return told.sort("contract_id", "date", "claim", "basis", "invoice_id"), used.select("plan_line_id", "taken")


@of_nothing
def _overlaps(left: pl.DataFrame, room: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Return how much of each claim lies under each plan line: both run in order of date within the keys."""
    names = ["claim_row", "plan_line_id", "taken"]
    claims = _running(left.filter(pl.col("left") > 0).drop_nulls(keys), keys, "left", ["date", "claim_row"])
    plans = _running(room.filter(pl.col("room") > 0).drop_nulls(keys), keys, "room", ["due_date", "plan_line_id"])
    marks = pl.concat(
        [claims.select(*keys, "end", "claim_row"), plans.select(*keys, "end", "plan_line_id")], how="diagonal"
    ).group_by(*keys, "end").agg(pl.col("claim_row").max(), pl.col("plan_line_id").max()).sort(*keys, "end")  # fmt: skip
    filled = marks.with_columns(pl.col("claim_row", "plan_line_id").backward_fill().over(keys, order_by="end"))
    begin = pl.col("end").shift(1).over(keys, order_by="end").fill_null(ZERO)
    return filled.with_columns((pl.col("end") - begin).cast(MONEY).alias("taken")).drop_nulls(names).select(names)


def _running(rows: pl.DataFrame, keys: list[str], amount: str, order: list[str]) -> pl.DataFrame:
    return rows.sort(*keys, *order, nulls_last=True).with_columns(pl.col(amount).cum_sum().over(keys).cast(MONEY).alias("end"))


@of_nothing
def _less(rows: pl.DataFrame, pairs: pl.DataFrame, key: str, amount: str) -> pl.DataFrame:
    taken = pairs.group_by(key).agg(pl.col("taken").sum())
    joined = rows.join(taken, on=key, how="left", maintain_order="left")
    return joined.with_columns((pl.col(amount) - pl.col("taken").fill_null(ZERO)).cast(MONEY).alias(amount)).drop("taken")


def _cash(
    books: Books, records: Agreed, invoices: pl.DataFrame, claims: pl.DataFrame, as_of: dt.date
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return payments by the claim they settle, and those that can't be placed.

    A payment over several invoices is applied as stated; one invoice's money is shared over its claims
    by their amounts. Money that names no invoice belongs to its contract alone.
    """
    paid = records.frame("payment").filter(pl.col("paid_date") <= as_of)
    own = pl.col("currency").alias("stated_currency")
    paid = paid.select("payment_id", "invoice_id", "contract_id", "paid_date", "amount", "evidence", own)
    stated = records.frame("payment_application").select("payment_id", "invoice_id", pl.col("amount").alias("applied"))
    return _applied(paid, stated, invoices, claims, books.contracts)


@of_nothing
def _applied(
    paid: pl.DataFrame, stated: pl.DataFrame, invoices: pl.DataFrame, claims: pl.DataFrame, contracts: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    named = stated.join(paid.drop("invoice_id"), on="payment_id", how="inner")
    named = named.with_columns(pl.col("applied").alias("amount")).drop("applied")
    over = stated.group_by("payment_id").agg(pl.col("applied").sum())
    whole = paid.join(over, on="payment_id", how="left", maintain_order="left").with_columns(
        (pl.col("amount") - pl.col("applied").fill_null(ZERO)).cast(MONEY).alias("amount"),
        pl.when(pl.col("applied").is_null()).then(pl.col("invoice_id")).alias("invoice_id"),
    )
    each = pl.concat([named, whole.select(named.columns)]).filter(pl.col("amount") != 0)
    known = invoices.select("invoice_id", "root", pl.col("contract_id").alias("head_contract"))
    each = each.join(known, on="invoice_id", how="left", maintain_order="left")
    spread = _spread(each.filter(pl.col("root").is_not_null()), claims, contracts)
    settled = spread.select("payment_id").unique()
    alone = each.join(settled, on="payment_id", how="anti").with_columns(pl.coalesce("contract_id", "head_contract").alias("contract_id"))
    ours = alone.join(contracts.select("contract_id"), on="contract_id", how="semi")
    names = ["contract_id", "claim", "basis", "is_as_invoiced", "date", "payment_id", "amount", "evidence", "stated_currency"]
    rows = pl.concat(
        [
            spread.select(names),
            ours.select(
                "contract_id", pl.lit(None, dtype=pl.String).alias("claim"), pl.lit(None, dtype=pl.String).alias("basis"),
                pl.lit(value=False).alias("is_as_invoiced"), pl.col("paid_date").alias("date"), "payment_id", "amount", "evidence",
                "stated_currency",
            ),
        ]
    )  # fmt: skip
    unplaced = alone.join(contracts.select("contract_id"), on="contract_id", how="anti").filter(pl.col("root").is_null())
    return rows.sort("contract_id", "date", "payment_id", "claim", "basis", nulls_last=True), unplaced


@of_nothing
def _spread(each: pl.DataFrame, claims: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Share the money of an invoice over its claims by their amounts with tax; the cents left over go to the first."""
    keys = ["root", "contract_id", "claim", "basis", "is_as_invoiced"]
    totals = claims.group_by(keys).agg((pl.col("net") + pl.col("tax")).sum().alias("gross"), pl.col("net", "tax").first())
    # A claim credited in full still tells where its money belongs: by what it was first invoiced at.
    first = (pl.col("net") + pl.col("tax")).abs()
    nothing_left = pl.col("gross").sum().over("root") == 0
    weighed = totals.with_columns(pl.when(nothing_left).then(first).otherwise(pl.col("gross")).alias("weight"))
    weighed = weighed.join(contracts.select("contract_id", "minor_digits"), on="contract_id", how="left")
    shared = each.drop("contract_id").join(weighed, on="root", how="inner").sort("payment_id", "invoice_id", "claim", "basis")
    per = ["payment_id", "invoice_id"]
    total = pl.when(pl.col("weight").sum().over(per) == 0).then(wide(1)).otherwise(units(pl.col("weight")).sum().over(per))
    share = round_share(pl.col("amount"), units(pl.col("weight")), total, pl.col("minor_digits"))
    shared = shared.with_columns(share.alias("share"))
    left = pl.col("amount") - pl.col("share").sum().over(per)
    place = pl.int_range(pl.len()).over(per) == 0
    given = pl.when(place).then(pl.col("share") + left).otherwise(pl.col("share"))
    return shared.with_columns(given.cast(MONEY).alias("amount"), pl.col("paid_date").alias("date")).filter(pl.col("amount") != 0)
