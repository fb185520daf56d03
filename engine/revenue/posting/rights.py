"""From what was earned, claimed and paid to each contract's position, step by step (606-10-45-1 to 45-5).

A *step* is one day's performance, rights and estimates together (`seq` 0), or one payment (`seq` 1, 2, …
of the day). All amounts are cumulative through the step. The position follows from one identity:

    contract asset − contract liability = earned − (unconditional rights + cash in advance)

where cash in advance is money that settled no right when it came, and stays apart from later rights
only as far as the price is not claimed otherwise.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.nothing import of_nothing
from engine.revenue.arithmetic.asof import running as through_day
from engine.revenue.arithmetic.numbers import WIDE, ZERO
from engine.revenue.arithmetic.rounding import round_share, units
from engine.revenue.arithmetic.runs import before, carried, joined, running
from engine.revenue.ground.frames import Books, contract_and_day
from engine.revenue.posting.anew import with_earned_share
from engine.revenue.posting.claims import Claims
from engine.revenue.posting.in_force import with_force
from engine.revenue.posting.planned import gained, plan_steps, planned_by_then, with_called

STEP: Final = ("contract_id", "date", "seq")

STEP_KEY: Final = (pl.col("contract").cast(WIDE) * 2**20 + pl.col("date").to_physical() + 2**19) * 2**24 + pl.col("seq")
"""A step as one whole number, in the order of steps: quicker to group and sort by than a text, a day and a place.

`contract`: the number of the contract in the order of ids.
"""

FLOWS: Final = (
    "earned_gross", "earned_as_invoiced", "recognized", "payable", "income", "expense", "agreed", "paid_out", "rebate", "free_right",
    "free_billed", "named_cash", "as_invoiced_billed", "as_invoiced_cash", "due_cash", "conditional_billed", "conditional_cash",
    "conditional_tax", "tax", "tax_cash", "unnamed_cash", "received", "billed", "due", "line_due", "line_right", "goods_cost",
    "return_asset", "refunded", "to_customer", "unborne", "unborne_price", "rebate_billed",
)  # fmt: skip
"""What adds up over the steps of a contract."""

POSITION: Final = (
    "receivable", "contract_asset", "contract_liability", "refund_liability", "deposit_liability", "payable", "tax_payable",
    "customer_payment_asset", "return_asset",
)  # fmt: skip
"""Balances after a step; assets and liabilities both positive."""


def positions(books: Books, claims: Claims, moves: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return the position of every contract after each of its steps through as_of, with the cumulative flows.

    `moves`: further steps (contract_id, date, seq and any of FLOWS, not cumulative).
    """
    flows = [_performance(books), _claim_steps(claims, books.contracts), _unnamed(claims), plan_steps(books, claims.plan), moves]
    present = [name for name in FLOWS if any(name in frame.columns and frame.height for frame in flows)]
    whole = pl.concat([_flow_columns(frame, present) for frame in flows]).filter(pl.col("date") <= as_of)
    numbered = books.contracts.select("contract_id").sort("contract_id").with_row_index("contract")
    whole = whole.join(numbered, on="contract_id", how="inner")
    grouped = whole.with_columns(STEP_KEY.alias("step")).group_by("step", maintain_order=True)
    steps = grouped.agg(pl.col(STEP).first(), pl.col(present).sum()).sort("step").drop("step")
    steps = steps.with_columns(running(pl.col(name), "contract_id").cast(MONEY).alias(name) for name in present)
    steps = steps.select(*STEP, *(name if name in present else ZERO.alias(name) for name in FLOWS))
    return _netted(_with_position(_with_terms(steps, books, claims), books), books.contracts)


def _flow_columns(frame: pl.DataFrame, flows: Sequence[str]) -> pl.DataFrame:
    """Return the frame with the flows named, 0 where it has none."""
    given = [pl.col(name).cast(MONEY) if name in frame.columns else ZERO.alias(name) for name in flows]
    return frame.select("contract_id", "date", pl.col("seq").cast(pl.Int32), *given)


def sequenced(cash: pl.DataFrame) -> pl.DataFrame:
    """Add the place of each payment within its contract's day, by its id, as `seq` from 1."""
    return cash.with_columns(pl.col("payment_id").rank("dense").over("contract_id", "date").cast(pl.Int32).alias("seq"))


def _performance(books: Books) -> pl.DataFrame:
    is_as_invoiced = pl.col("timing") == "as_invoiced"
    gross = pl.coalesce("gross_amount", "amount")
    about = books.performance.select(is_as_invoiced.any().alias("as_invoiced"), (gross != pl.col("amount")).any().alias("passed_on"))
    has_work, passes_on = about.row(0)
    flows = {"recognized": pl.col("amount")}
    # Mostly no work is as invoiced and no agent passes anything on: then what is earned is what is recognized.
    if has_work or passes_on:
        flows |= {
            "earned_gross": pl.when(is_as_invoiced).then(ZERO).otherwise(gross),
            "earned_as_invoiced": pl.when(is_as_invoiced).then(gross).otherwise(ZERO),
            "payable": gross - pl.col("amount"),
        }
    done = books.performance.lazy().select(
        "contract_id", "is_planned", pl.col("posting_date").alias("date"), *(flow.alias(name) for name, flow in flows.items()),
        contract_and_day().alias("key"),
    )  # fmt: skip
    by_day = done.filter(~pl.col("is_planned")).group_by("key", maintain_order=True)
    summed = by_day.agg(pl.col("contract_id", "date").first(), pl.col(list(flows)).sum())
    found = summed.drop("key").with_columns(pl.lit(0).alias("seq"))
    return (found if len(flows) > 1 else found.with_columns(pl.col("recognized").alias("earned_gross"))).collect()


def _claim_steps(claims: Claims, contracts: pl.DataFrame) -> pl.DataFrame:
    """Return what each claim adds: the right it gives by itself, and the cash that settled it, without and with tax."""
    keys = ["contract_id", "claim", "basis", "is_as_invoiced"]
    billed = claims.billed.select(*keys, "date", pl.lit(0, dtype=pl.Int32).alias("seq"), "net", "tax", ZERO.alias("amount"))
    cash = sequenced(claims.cash).filter(pl.col("claim").is_not_null())
    paid = cash.select(*keys, "date", "seq", ZERO.alias("net"), ZERO.alias("tax"), "amount")
    rows = pl.concat([billed, paid.select(billed.columns)]).with_columns(_given_back("amount"))
    return _steps_of_claims(rows, contracts.select("contract_id", "minor_digits"))


@of_nothing
def _steps_of_claims(rows: pl.DataFrame, digits: pl.DataFrame) -> pl.DataFrame:
    keys = ["contract_id", "claim", "basis", "is_as_invoiced"]
    rows = rows.group_by(*keys, "date", "seq").agg(pl.col("net", "tax", "amount", "refunded").sum())
    rows = rows.sort(*keys, "date", "seq").join(digits, on="contract_id", how="left", maintain_order="left")
    rows = rows.with_columns(pl.col("net", "tax", "amount").cum_sum().over(keys).cast(MONEY).name.prefix("so_far_"))
    gross = pl.col("so_far_net") + pl.col("so_far_tax")
    # Money beyond the invoice is not tax; within it tax is paid in proportion.
    in_part = round_share(pl.col("so_far_amount"), units(pl.col("so_far_tax")), units(gross), pl.col("minor_digits")).fill_null(ZERO)
    paid_up = pl.col("so_far_amount").abs() >= gross.abs()
    rows = rows.with_columns(pl.when(paid_up).then(pl.col("so_far_tax")).otherwise(in_part).alias("cash_tax"))
    rows = rows.with_columns(pl.when(pl.col("so_far_amount") == 0).then(ZERO).otherwise(pl.col("cash_tax")).alias("cash_tax"))
    rows = rows.with_columns((pl.col("so_far_amount") - pl.col("cash_tax")).cast(MONEY).alias("cash_net"))
    # A credit that stands alone is money off what else is open; one refunded is off nothing.
    is_credit = (pl.col("so_far_net") < 0) & (pl.col("cash_net") <= 0)
    right = pl.when(is_credit).then(pl.col("so_far_net")).otherwise(pl.max_horizontal("so_far_net", "cash_net"))
    rows = rows.with_columns(right.alias("right"))
    # Of what went back, what a credit note has not taken off the claim by now.
    back = pl.min_horizontal(pl.col("refunded").cum_sum().over(keys), pl.col("right") - pl.col("cash_net"))
    rows = rows.with_columns(pl.max_horizontal(back, ZERO).cast(MONEY).alias("refunded"))
    steps = rows.with_columns(gained(name, keys) for name in ("cash_tax", "cash_net", "right", "refunded"))
    as_invoiced = pl.col("is_as_invoiced")
    free, due, conditional = (~as_invoiced & (pl.col("basis") == name) for name in ("free", "due", "conditional"))

    def only(condition: pl.Expr, name: str) -> pl.Expr:
        return pl.when(condition).then(pl.col(name)).otherwise(ZERO)

    return steps.select(
        "contract_id", "date", "seq", only(free, "right").alias("free_right"), only(free, "net").alias("free_billed"),
        pl.col("cash_net").alias("named_cash"), only(as_invoiced, "net").alias("as_invoiced_billed"),
        only(as_invoiced, "cash_net").alias("as_invoiced_cash"), only(due, "cash_net").alias("due_cash"),
        only(conditional, "net").alias("conditional_billed"), only(conditional, "cash_net").alias("conditional_cash"),
        only(conditional, "tax").alias("conditional_tax"), only(~conditional, "tax").alias("tax"), pl.col("cash_tax").alias("tax_cash"),
        pl.col("net").alias("billed"), pl.col("amount").alias("received"), "refunded",
    )  # fmt: skip


def _unnamed(claims: Claims) -> pl.DataFrame:
    cash = sequenced(claims.cash).filter(pl.col("claim").is_null())
    amount = pl.col("amount")
    return cash.select("contract_id", "date", "seq", amount.alias("unnamed_cash"), amount.alias("received"), _given_back("amount"))


def _given_back(name: str) -> pl.Expr:
    """Return what of a payment went back to the customer."""
    return pl.max_horizontal(pl.col(name) * -1, ZERO).cast(MONEY).alias("refunded")


def _with_terms(steps: pl.DataFrame, books: Books, claims: Claims) -> pl.DataFrame:
    """Add what the contract says on the step's day: price, gate, what plans charge, and whether the price was ever cut."""
    price = books.price.with_columns(
        (pl.col("stated").fill_null(ZERO) + pl.col("included_variable").fill_null(ZERO)).cast(MONEY).alias("promised")
    ).select("contract_id", "date", "transaction_price", "promised").sort("date")
    known = steps.join_asof(price, on="date", by="contract_id", check_sortedness=False)
    is_combined = (pl.len().over("group_id") > 1).alias("is_combined")
    contracts = books.contracts.select("contract_id", "minor_digits", "gate", "gate_date", "terminated_date", "group_id", is_combined)
    known = planned_by_then(joined(known, contracts, "contract_id"), books, claims.plan)
    known = known.with_columns(pl.col("transaction_price", "promised").fill_null(ZERO))
    known = with_called(_with_lowered(known, books), claims.plan)
    highest = pl.col("promised").cum_max().over("contract_id")
    ended = (pl.col("terminated_date") <= pl.col("date")).fill_null(value=False)
    # A contract that has ended promises no more than what it came to; of several that are one, what is stated of each tells.
    kept = pl.when(ended & ~pl.col("is_combined")).then(pl.min_horizontal("promised", "transaction_price")).otherwise(pl.col("promised"))
    return with_force(known, books).with_columns(
        ((pl.col("promised") < highest) | ended).alias("was_cut"),
        ended.alias("is_over"),
        kept.cast(MONEY).alias("promised"),
    )


def _with_lowered(steps: pl.DataFrame, books: Books) -> pl.DataFrame:
    """Add `lowered`: what estimates take off the stated price on the step's day."""
    lowered = books.extra.get("lowered")
    if lowered is None or not lowered.height:
        return steps.with_columns(ZERO.alias("lowered"))
    of = ["contract_id", "obligation_id"]
    step = pl.col("lowered") - pl.col("lowered").shift(1).over(of).fill_null(ZERO)
    changes = lowered.sort(*of, "date").with_columns(step.alias("step"))
    changes = changes.select("contract_id", "date", pl.col("step").alias("lowered"))
    return through_day(steps, changes, by=["contract_id"], on="date", columns=["lowered"])


def _with_position(steps: pl.DataFrame, books: Books) -> pl.DataFrame:
    """Add the rights in force after each step, first as if no cash were in advance, then with it."""
    price = pl.col("transaction_price") - pl.col("unborne_price")
    # Where nothing has a price of its own, the work as invoiced bears it, and gives the right to invoice all of it.
    # More may be paid to the customer than its promises cost: a price below nothing is earned like any.
    has_price = (price > 0) | ((price < 0) & (pl.col("earned_as_invoiced") == 0))
    reduction = pl.when(has_price).then(pl.min_horizontal("lowered_by_paid", "agreed")).otherwise(pl.col("to_customer"))
    of_work = ~has_price & (pl.col("earned_as_invoiced") != 0)
    borne = pl.when(of_work).then(pl.col("to_customer")).otherwise(ZERO)
    if not _any(steps, "agreed", "to_customer"):
        # Mostly nothing is paid to a customer: nothing has to be shared.
        reduction = borne = ZERO
    else:
        price_earned = (pl.col("agreed").alias("→of"), (pl.col("recognized") - pl.col("unborne")).alias("→done"), price.alias("→price"))
        steps = with_earned_share(steps.with_columns(price_earned), books, "lowered_by_paid", by=["contract_id"])
    steps = steps.with_columns(reduction.fill_null(ZERO).alias("reduction"), borne.fill_null(ZERO).alias("borne"))
    interest = pl.col("income") - pl.col("expense")
    steps = steps.with_columns(
        (pl.col("earned_gross") + pl.col("reduction") - pl.col("borne") + interest).cast(MONEY).alias("earned"),
        (pl.col("earned_as_invoiced") + pl.col("borne")).cast(MONEY).alias("earned_as_invoiced"),
    )
    alone = _with_rights(steps.with_columns(ZERO.alias("advance")))
    is_unnamed = pl.col("unnamed_cash") != before(pl.col("unnamed_cash"), "contract_id").fill_null(ZERO)
    over = pl.when(is_unnamed).then(pl.col("unnamed_cash") - pl.col("open") - _open_tax(steps))
    advance = pl.max_horizontal(carried(over, "contract_id").fill_null(ZERO), ZERO)
    ever = alone.with_columns(advance.cast(MONEY).alias("advance")).with_columns(pl.col("advance").cum_max().over("contract_id"))
    # What plans and invoices do not charge is what a free advance can be for, and what a plan called for by then and nobody invoiced.
    called = carried(pl.when(is_unnamed).then("called"), "contract_id").fill_null(ZERO)
    uninvoiced = pl.max_horizontal(called - pl.col("conditional_billed"), ZERO)
    elsewhere = pl.max_horizontal(pl.col("promised") - pl.col("planned") + uninvoiced - pl.col("free_billed"), ZERO)
    apart = pl.max_horizontal(pl.min_horizontal("advance", elsewhere, "unnamed_cash"), ZERO)
    after = _settled_for_good(_with_rights(ever.with_columns(apart.cast(MONEY).alias("advance"))))
    settled = pl.col("unnamed_cash") - pl.col("advance")
    open_net = pl.max_horizontal(pl.col("open") - settled, ZERO)
    # Money without an invoice pays what is open before tax, then the tax.
    to_tax = pl.min_horizontal(pl.max_horizontal(settled - pl.max_horizontal("open", ZERO), ZERO), _open_tax(steps))
    after = after.with_columns(open_net.cast(MONEY).alias("open_net"), to_tax.cast(MONEY).alias("to_tax"))
    claimed = pl.col("named_cash") + pl.col("unnamed_cash") - pl.col("to_tax") + pl.col("open_net")
    return after.with_columns(claimed.cast(MONEY).alias("claimed"), (pl.col("tax_cash") + pl.col("to_tax")).cast(MONEY).alias("tax_cash"))


def _settled_for_good(steps: pl.DataFrame) -> pl.DataFrame:
    """Let money that settled a claim settle it for good: a price that rises later makes no advance of it (606-10-45-2)."""
    held, claims = pl.col("unnamed_cash") - pl.col("advance"), pl.max_horizontal("open", ZERO)
    ever = pl.max_horizontal(pl.min_horizontal(claims, held), ZERO).cum_max().over("contract_id")
    free = pl.max_horizontal(pl.col("unnamed_cash") - pl.min_horizontal(claims, ever), ZERO)
    told = steps.with_columns(pl.min_horizontal("advance", free).cast(MONEY).alias("advance"))
    return steps if told["advance"].equals(steps["advance"]) else _with_rights(told)


def _any(steps: pl.DataFrame, *names: str) -> bool:
    """Tell whether any of the columns holds an amount other than 0."""
    return bool(steps.select(pl.any_horizontal((pl.col(name) != 0).any() for name in names)).item())


def _tax(steps: pl.DataFrame) -> pl.Expr:
    """Return the tax of what was invoiced; of a conditional invoice as far as it gives a right."""
    if not _any(steps, "conditional_tax"):
        return pl.col("tax")
    part, of = units(pl.col("conditional_right")), units(pl.col("conditional_billed"))
    taxed = round_share(pl.col("conditional_tax"), part, of, pl.col("minor_digits"))
    return (pl.col("tax") + taxed.fill_null(ZERO)).cast(MONEY)


def _open_tax(steps: pl.DataFrame) -> pl.Expr:
    return pl.max_horizontal(_tax(steps) - pl.col("tax_cash"), ZERO)


def _with_rights(steps: pl.DataFrame) -> pl.DataFrame:
    """Add `open`: unconditional rights less the cash that named them; and the rights of conditional invoices."""
    rest = pl.max_horizontal(pl.col("earned") - pl.col("free_right") - pl.col("advance"), ZERO)
    fallen = pl.col("due") + pl.col("line_due")
    shared_plan = pl.col("planned_due") - pl.col("planned_lines")
    steps = steps.with_columns(rest.cast(MONEY).alias("rest"), fallen.cast(MONEY).alias("fallen"))
    shared_right = pl.max_horizontal(pl.min_horizontal(pl.col("rest") - pl.col("line_right"), shared_plan) - pl.col("due"), ZERO)
    # What accrues on a promise of which a plan line is due in any case is due with it.
    accrued = pl.max_horizontal(pl.min_horizontal("income", pl.col("planned_lines") - pl.col("line_right")), ZERO)
    performed = pl.col("line_right") - pl.col("line_due") + accrued + shared_right
    uncovered = pl.max_horizontal(pl.col("rest") - pl.col("fallen"), ZERO)
    steps = steps.with_columns((pl.col("fallen") + pl.min_horizontal(performed, uncovered)).cast(MONEY).alias("plan_right"))
    plan_right = pl.max_horizontal("plan_right", "due_cash")
    performed_rest = pl.max_horizontal(pl.col("rest") - plan_right, ZERO)
    conditional = pl.max_horizontal(pl.min_horizontal("conditional_billed", performed_rest), "conditional_cash")
    as_invoiced = pl.max_horizontal("as_invoiced_billed", "earned_as_invoiced", "as_invoiced_cash")
    return steps.with_columns(
        conditional.cast(MONEY).alias("conditional_right"),
        (pl.col("free_right") + plan_right + conditional + as_invoiced - pl.col("named_cash")).cast(MONEY).alias("open"),
    )


def _netted(steps: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Add the balances: per contract net, within a combined contract net of all its parts."""
    in_force = pl.col("in_force")
    steps = _settled_by_refunds(steps)
    earned = pl.col("earned") + pl.col("earned_as_invoiced")
    deposit = pl.max_horizontal(pl.col("received") - pl.col("recognized"), ZERO)
    # Of money kept without a contract (25-7) the tax paid with it is owed on.
    kept_tax = pl.when(pl.col("recognized") != 0).then(pl.min_horizontal("tax_cash", deposit)).otherwise(ZERO)
    steps = steps.with_columns(
        pl.when(in_force).then(earned - pl.col("claimed")).otherwise(ZERO).cast(MONEY).alias("net"),
        pl.when(in_force).then(_tax(steps)).otherwise(kept_tax).cast(MONEY).alias("tax_payable"),
        pl.when(in_force).then(ZERO).otherwise(deposit - kept_tax).cast(MONEY).alias("deposit_liability"),
    )
    owed_back = pl.max_horizontal(pl.col("rebate") - pl.col("refunded"), _beyond_price(), ZERO)
    credit = pl.max_horizontal(pl.col("net") * -1, ZERO)
    # What was invoiced for one promise and goes back is owed, whatever waits for a right on another (55-23).
    refund = pl.when(in_force).then(pl.min_horizontal(owed_back, pl.max_horizontal(credit, "rebate_billed"))).otherwise(ZERO)
    payment_asset = pl.col("paid_out") - pl.col("reduction")
    steps = steps.with_columns(refund.cast(MONEY).alias("refund_part"))
    rest = pl.col("net") + pl.col("refund_part")
    steps = steps.with_columns(
        pl.max_horizontal(rest, ZERO).cast(MONEY).alias("contract_asset"), pl.max_horizontal(rest * -1, ZERO).cast(MONEY).alias("credit"),
        pl.max_horizontal(payment_asset, ZERO).cast(MONEY).alias("customer_payment_asset"),
        pl.max_horizontal(payment_asset * -1, ZERO).cast(MONEY).alias("owed_to_customer"),
    )
    owed = pl.col("open_net") + pl.col("tax_payable") - pl.col("tax_cash")
    # What is paid back beyond the deposit is money the customer holds without a claim.
    beyond = pl.max_horizontal(pl.col("recognized") - pl.col("received"), ZERO)
    owed = pl.when(in_force).then(owed).otherwise(beyond)
    # Tax credited before anything is open is owed to the customer, no receivable below zero.
    steps = steps.with_columns(
        pl.max_horizontal(owed, ZERO).cast(MONEY).alias("receivable"),
        (pl.col("owed_to_customer") + pl.max_horizontal(owed * -1, ZERO)).cast(MONEY).alias("owed_to_customer"),
    )
    steps = steps.with_columns(
        pl.col("credit").alias("contract_liability"),
        (pl.col("refund_part") + pl.col("owed_to_customer")).cast(MONEY).alias("refund_liability"),
    )
    return _within_groups(steps, contracts)


def _beyond_price() -> pl.Expr:
    """Return what was claimed beyond the price, as far as the price was cut or is expected not to be kept."""
    # Interest on money in advance ends with the contract.
    borne = (pl.col("expense") != 0) & ~pl.col("is_over")
    no_interest = (pl.col("income") == 0) & ~borne
    # Work as invoiced is claimed beside the price.
    of_work = pl.max_horizontal("as_invoiced_billed", "earned_as_invoiced", "as_invoiced_cash")
    excess = pl.col("claimed") - of_work - pl.col("promised")
    of_price = pl.when(pl.col("was_cut")).then(excess).otherwise(pl.min_horizontal(excess, "lowered"))
    return pl.when(no_interest).then(of_price).otherwise(ZERO)


def _settled_by_refunds(steps: pl.DataFrame) -> pl.DataFrame:
    """Let money that went back settle what is owed back; only what went back beyond it opens the invoice again."""
    owed_back = pl.max_horizontal(pl.col("rebate"), _beyond_price(), ZERO)
    settled = pl.max_horizontal(pl.min_horizontal("refunded", owed_back, "open_net"), ZERO)
    return steps.with_columns((pl.col(name) - settled).cast(MONEY).alias(name) for name in ("open_net", "claimed"))


def _within_groups(steps: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Net contract assets and liabilities of contracts that are combined, on the days of all of them (606-10-25-9)."""
    combined = contracts.filter(pl.len().over("group_id") > 1).select("contract_id")
    if combined.is_empty():
        return steps
    alone = steps.join(combined, on="contract_id", how="anti", maintain_order="left")
    parts = steps.join(combined, on="contract_id", how="semi", maintain_order="left")
    if not parts.height:
        return steps
    days = parts.select("group_id", "date", "seq").unique()
    members = parts.select("group_id", "contract_id").unique()
    grid = members.join(days, on="group_id", how="inner")
    first = parts.group_by("contract_id").agg(pl.col("date").min().alias("since"))
    grid = grid.join(first, on="contract_id", how="left").filter(pl.col("date") >= pl.col("since")).drop("since")
    filled = grid.join(parts.drop("group_id"), on=STEP, how="left").sort(STEP)
    carried = [name for name in filled.columns if name not in (*STEP, "group_id")]
    filled = filled.with_columns(pl.col(carried).forward_fill().over("contract_id")).filter(pl.col("earned").is_not_null())
    keys = ["group_id", "date", "seq"]
    for mine, other in (("contract_asset", "contract_liability"), ("contract_liability", "contract_asset")):
        filled = filled.with_columns(
            (pl.col(mine).cum_sum().over(keys, order_by="contract_id") - pl.col(mine)).cast(MONEY).alias(f"{mine}_before"),
            pl.col(other).sum().over(keys).cast(MONEY).alias(f"{mine}_against"),
        )
    for mine in ("contract_asset", "contract_liability"):
        used = pl.max_horizontal(pl.min_horizontal(pl.col(f"{mine}_against") - pl.col(f"{mine}_before"), mine), ZERO)
        filled = filled.with_columns((pl.col(mine) - used).cast(MONEY).alias(mine))
    return pl.concat([alone, filled.select(alone.columns)]).sort(STEP)
