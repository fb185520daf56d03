"""The output `contract_balances`: what stood and what moved for each contract, period by period."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.minor_units import minor_digits
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.arithmetic.runs import before, in_order, running
from engine.revenue.disclosures.notice import month_by_month, within_notice
from engine.revenue.ground.frames import TEXT, TEXTS, Books, contract_and_day, of_price, setting, shaped
from engine.revenue.ground.rates import in_contract_currency
from engine.revenue.posting.claims import Agreed
from engine.revenue.posting.currency import CLOSED, REMEASURED, Translated
from engine.revenue.posting.goods_at_estimate import goods_at_estimate
from engine.revenue.posting.hours_at_cost import with_cost_rates, worth_of_hours
from engine.revenue.posting.in_force import with_force
from engine.revenue.posting.taken_over import cost_by_opening
from engine.revenue.recognition.rejected import known_rejected
from engine.revenue.recognition.standing import as_arrived

_BALANCES: Final = (
    "contract_asset", "contract_liability", "receivable", "refund_liability", "deposit_liability", "return_asset", "customer_payment_asset",
    "functional_contract_asset", "functional_contract_liability", "functional_receivable",
)  # fmt: skip

_REPORTED: Final = ("contract_id", "contract_line_id", "date", "as_of_date", "cost_to_date", "currency")
_FLOWS: Final = ("billed", "received", "recognized", "interest", "fx_difference", "functional_received")
# What the position in the functional currency moved by for rates, and for interest.
_IN_FUNCTIONAL: Final = ("position_exchange", "functional_interest")

CONTRACT_BALANCES: Final[dict[str, pl.DataType]] = {
    "contract_id": TEXT, "period": TEXT, "currency": TEXT, "functional_currency": TEXT,
    **dict.fromkeys(
        ("transaction_price", "billed", "received", "recognized", "contract_asset", "contract_liability", "invoiced_not_unconditional",
         "receivable", "unbilled_receivable", "refund_liability", "deposit_liability", "loss_provision", "return_asset",
         "customer_payment_asset", "cost_of_revenue", "gross_margin", "interest", "fx_difference", "remaining_obligation",
         "functional_contract_asset", "functional_contract_liability", "functional_receivable", "functional_received"),
        MONEY,
    ),
    "rule": TEXT, "evidence": TEXTS,
}  # fmt: skip
"""Columns of `contract_balances.parquet`: closing figures of the period; flows of the period for billed, received,
recognized, cost_of_revenue, gross_margin, interest, fx_difference and functional_received."""


def contract_balances(
    books: Books, costs: pl.DataFrame, translated: Translated, opened: pl.DataFrame, as_of: dt.date, further: Sequence[str] = ()
) -> pl.DataFrame:  # fmt: skip
    """Return every contract's balances at the end of each period from its first step, signing or opening to as_of.

    CONTRACT_BALANCES; `end_date`, the day they are for; `paid_ahead`, what work as invoiced may be drawn from; flows of the net position
    in the functional currency, `position_exchange` and `functional_interest`; and `further` balances of the steps.
    `costs`: `costs_of_delivery`. Loss provisions come from `books.extra["loss_provisions"]` (contract_id, period, provision).
    """
    steps = translated.steps.with_columns(
        (pl.col("delta_income") + pl.col("delta_expense")).alias("interest"),
        _not_a_right().cast(MONEY).alias("invoiced_not_unconditional"), _paid_ahead().cast(MONEY).alias("paid_ahead"),
        pl.when(pl.col("order") == 0).then(ZERO).otherwise(pl.col("functional_cash")).alias("functional_received"),
        *_functional_flows(translated.is_at_par),
    )  # fmt: skip
    rows = _grid(books, steps, opened, as_of)
    rows = _with_closing(rows, steps, further)
    rows = _with_flows(rows, steps, books)
    rows = within_notice(_with_price(rows, books, opened), books)
    rows = _without_untranslated(_with_costs(rows, books, costs), steps)
    rows = rows.with_columns(pl.lit("606-10-45-1").alias("rule"), pl.col("date").alias("end_date"))
    return in_order(shaped(rows, CONTRACT_BALANCES, keep=["end_date", "paid_ahead", *_IN_FUNCTIONAL, *further]), "contract_id", "period")


def _functional_flows(is_at_par: bool) -> tuple[pl.Expr, ...]:
    """Return what a step moved the net position by for rates alone (of its monetary side, the contract asset), and for interest."""
    if is_at_par:
        return tuple(ZERO.alias(name) for name in _IN_FUNCTIONAL)
    foreign = (pl.col("currency") != pl.col("functional_currency")).fill_null(value=False)
    remeasured = pl.when(foreign & pl.col("order").is_in([REMEASURED, CLOSED])).then("change_contract_asset").otherwise(ZERO)
    borne = pl.when(pl.col("order") == 0).then(pl.col("functional_income") - pl.col("functional_expense")).otherwise(ZERO)
    return remeasured.alias(_IN_FUNCTIONAL[0]), borne.cast(MONEY).alias(_IN_FUNCTIONAL[1])


def _without_untranslated(rows: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """Leave functional figures of contracts without a rate unknown rather than zero."""
    unknown = steps.filter("rate_missing").select("contract_id").unique().with_columns(pl.lit(value=True).alias("unknown"))
    told = rows.join(unknown, on="contract_id", how="left", maintain_order="left")
    names = [name for name in CONTRACT_BALANCES if name.startswith("functional_") and CONTRACT_BALANCES[name] == MONEY]
    return told.with_columns(pl.when(pl.col("unknown").is_null()).then(pl.col(name)).alias(name) for name in [*names, "fx_difference"])


def _not_a_right() -> pl.Expr:
    """Return what was invoiced and gives no right yet: conditional work not performed, plans not due, no contract yet."""
    planned = pl.col("billed") - pl.col("free_billed") - pl.col("as_invoiced_billed") - pl.col("conditional_billed")
    conditional = pl.max_horizontal(pl.col("conditional_billed") - pl.col("conditional_right"), ZERO)
    early = pl.max_horizontal(planned - pl.max_horizontal("plan_right", "due_cash"), ZERO)
    no_contract = pl.max_horizontal(pl.col("billed") - pl.col("received"), ZERO)
    return pl.when(pl.col("in_force")).then(conditional + early).otherwise(no_contract)


def _paid_ahead() -> pl.Expr:
    """Return what was billed or paid for work as invoiced before it was done, and money that is for nothing else."""
    of_work = pl.max_horizontal("as_invoiced_billed", "as_invoiced_cash") - pl.col("earned_as_invoiced")
    free = pl.col("unnamed_cash") - pl.max_horizontal("open", ZERO)
    return pl.max_horizontal(of_work, ZERO) + pl.max_horizontal(free, ZERO)


def _grid(books: Books, steps: pl.DataFrame, opened: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return contract × period with the day the figures are for."""
    first = steps.group_by("contract_id").agg(pl.col("date").min().alias("first"))
    contracts = books.contracts.join(first, on="contract_id", how="left")
    contracts = contracts.join(opened.select("contract_id", "opened_on"), on="contract_id", how="left")
    contracts = contracts.with_columns(pl.coalesce("opened_on", pl.min_horizontal("first", "signed_date")).alias("since"))
    names = [
        "contract_id", "calendar", "currency", "functional_currency", "minor_digits", "gate", "gate_date", "lost_date", "terminated_date",
        "since", "evidence",
    ]  # fmt: skip
    spans = books.periods.filter(pl.col("start_date") <= as_of).select("calendar", "period", "start_date", "end_date")
    grid = contracts.select(names).join(spans, on="calendar", how="inner").filter(pl.col("end_date") >= pl.col("since"))
    return grid.with_columns(pl.min_horizontal("end_date", pl.lit(as_of)).alias("date")).sort("contract_id", "date")


def _with_closing(rows: pl.DataFrame, steps: pl.DataFrame, further: Sequence[str]) -> pl.DataFrame:
    """Add the balances after the last step of the period."""
    names = [*_BALANCES, *further, "invoiced_not_unconditional", "paid_ahead", "billed", "received", "tax_payable"]
    # The steps of a contract stand together in their order: the last of a day is the one another day or contract follows.
    follows = pl.any_horizontal((pl.col(name) != pl.col(name).shift(-1)).fill_null(value=True) for name in ("contract_id", "date"))
    closing = (pl.col(name).alias(f"closing_{name}") for name in names)
    last = steps.lazy().filter(follows).select("contract_id", "date", *closing).collect()
    found = rows.join_asof(last, on="date", by="contract_id", check_sortedness=False)
    found = found.with_columns(pl.col(f"closing_{name}").fill_null(ZERO).alias(name) for name in names)
    invoiced_open = pl.max_horizontal(
        pl.col("billed") + pl.col("tax_payable") - pl.col("received") - pl.col("invoiced_not_unconditional"), ZERO
    )
    unbilled = pl.max_horizontal(pl.col("receivable") - invoiced_open, ZERO)
    return found.with_columns(unbilled.cast(MONEY).alias("unbilled_receivable")).drop("billed", "received")


def _with_flows(rows: pl.DataFrame, steps: pl.DataFrame, books: Books) -> pl.DataFrame:
    flows = steps.group_by("contract_id", "period").agg(
        *(pl.col(f"delta_{name}").sum().alias(name) for name in ("billed", "received", "recognized")),
        pl.col("interest", "fx_difference", "functional_received", *_IN_FUNCTIONAL).sum(),
    )
    found = rows.join(flows, on=["contract_id", "period"], how="left", maintain_order="left")
    # Provisions, and what is owed for costs, rise for rates alone too: a loss.
    for debts in (books.extra.get("loss_provisions"), books.extra.get("owed_exchange")):
        if debts is None or not debts["exchange"].drop_nulls().len():
            continue
        lost = debts.group_by("contract_id", "period").agg(pl.col("exchange").sum().alias("→lost"))
        found = found.join(lost, on=["contract_id", "period"], how="left", maintain_order="left")
        found = found.with_columns(pl.col("fx_difference").fill_null(ZERO) - pl.col("→lost").fill_null(ZERO)).drop("→lost")
    return found.with_columns(pl.col(*_FLOWS, *_IN_FUNCTIONAL).fill_null(ZERO).cast(MONEY))


def _with_price(rows: pl.DataFrame, books: Books, opened: pl.DataFrame) -> pl.DataFrame:
    """Add the transaction price in force and what of it is left to recognize (without as-invoiced work and royalties)."""
    price = books.price.select("contract_id", "date", "transaction_price").sort("contract_id", "date")
    atoms = books.performance.lazy().with_columns(contract_and_day().alias("key"))
    pooled = atoms.filter(of_price()).group_by("key", maintain_order=True).agg(
        pl.col("contract_id", "posting_date").first(), pl.col("amount").sum()
    ).sort("key").select("contract_id", pl.col("posting_date").alias("date"), "amount")  # fmt: skip
    already = opened.lazy().select("contract_id", pl.col("opened_on").alias("date"), pl.col("of_price").alias("amount"))
    daily = pl.concat([pooled, already]).sort("contract_id", "date") if opened.height else pooled
    earned = daily.select("contract_id", "date", running(pl.col("amount"), "contract_id").alias("pool_earned")).collect()
    found = rows
    for table in (price, earned):
        found = found.join_asof(table, on="date", by="contract_id", check_sortedness=False)
    found = _with_sold(month_by_month(found, books), books)
    ended = (pl.min_horizontal("terminated_date", "lost_date") <= pl.col("date")).fill_null(value=False)
    left = pl.col("transaction_price").fill_null(ZERO) - pl.col("pool_earned").fill_null(ZERO) + pl.col("sold")
    return with_force(found, books).with_columns(
        pl.when(pl.col("in_force") & ~ended).then(left).otherwise(ZERO).cast(MONEY).alias("remaining_obligation"),
        pl.col("transaction_price").fill_null(ZERO),
    )


def _with_sold(rows: pl.DataFrame, books: Books) -> pl.DataFrame:
    """Add `sold`: royalties of sales made for what is not satisfied yet (606-10-55-65), part of what remains until it is."""
    to_come = books.extra.get("to_come")
    if to_come is None or not to_come.height:
        return rows.with_columns(ZERO.alias("sold"))
    until = to_come.filter(pl.col("date").is_not_null()).select("contract_id", "date", (pl.col("amount") * -1).cast(MONEY).alias("sold"))
    steps = pl.concat([to_come.select("contract_id", pl.col("from_date").alias("date"), pl.col("amount").alias("sold")), until])
    daily = steps.group_by("contract_id", "date").agg(pl.col("sold").sum()).sort("contract_id", "date")
    daily = daily.with_columns(running(pl.col("sold"), "contract_id").cast(MONEY).alias("sold"))
    found = rows.join_asof(daily, on="date", by="contract_id", check_sortedness=False)
    return found.with_columns(pl.col("sold").fill_null(ZERO))


def _with_costs(rows: pl.DataFrame, books: Books, costs: pl.DataFrame) -> pl.DataFrame:
    """Add cost of revenue and gross margin: cost to date, less what comes back, and the change of the loss provision."""
    daily = costs.drop_nulls("cost").group_by("contract_id", "date").agg(pl.col("cost").sum()).sort("contract_id", "date")
    daily = daily.with_columns(running(pl.col("cost"), "contract_id").cast(MONEY).alias("cost_so_far")).drop("cost")
    found = rows.join_asof(daily, on="date", by="contract_id", check_sortedness=False)
    provisions = books.extra.get("loss_provisions")
    if provisions is None:
        found = found.with_columns(ZERO.alias("loss_provision"))
    else:
        held = provisions.group_by("contract_id", "period").agg(pl.col("provision").sum().cast(MONEY).alias("loss_provision"))
        found = found.join(held, on=["contract_id", "period"], how="left", maintain_order="left").with_columns(
            pl.col("loss_provision").fill_null(ZERO)
        )
    spent = (pl.col("cost_so_far").fill_null(ZERO) - pl.col("return_asset") + pl.col("loss_provision")).cast(MONEY)
    found = found.with_columns(spent.alias("spent"))
    cost = pl.col("spent") - before(pl.col("spent"), "contract_id").fill_null(ZERO)
    found = found.with_columns(cost.cast(MONEY).alias("cost_of_revenue"))
    return found.with_columns((pl.col("recognized") - pl.col("cost_of_revenue")).cast(MONEY).alias("gross_margin"))


def without_goods_back(costs: pl.DataFrame, moves: pl.DataFrame) -> pl.DataFrame:
    """Return `costs_of_delivery` less what goods that came back cost (`goods_back` of `moves`, where there is any)."""
    if "goods_back" not in moves.columns:
        return costs
    back = moves.filter(pl.col("goods_back") != 0).select("contract_id", "date", (pl.col("goods_back") * -1).cast(MONEY).alias("cost"))
    return pl.concat([costs, back], how="diagonal_relaxed")


def costs_of_delivery(books: Books, records: Agreed, rates: pl.DataFrame) -> pl.DataFrame:
    """Return cost by contract and day in its currency: as observed on a line, else its counted time at cost and direct costs of delivery.

    What is stated in another currency (`stated_currency`) counts at the spot rate of its day (830-10-55-10); null without one. What came
    after the close of its period counts in the first open one, as its revenue does.
    """
    keys = ["contract_id", "contract_line_id"]
    lines = books.lines.select(keys)
    seen = records.frame("progress").drop_nulls("cost_to_date").join(lines, on="contract_line_id", how="inner")
    arrived = _arrived(seen.with_columns(pl.col("as_of_date").alias("date")), books, ("cost_to_date",)).drop_nulls("cost_to_date")
    expected = goods_at_estimate(books, records).with_columns(pl.col("as_of_date").alias("date")).select(pl.col(_REPORTED))
    before_us = cost_by_opening(books, arrived, records.frame("progress"))
    observed = _spent(pl.concat([*(frame.select(_REPORTED) for frame in (arrived, before_us)), expected]))
    unseen = lines.join(seen, on="contract_line_id", how="anti")
    time = _counted(records.frame("time_entry").join(unseen, on="contract_line_id", how="inner"), books)
    time = _arrived(time.with_columns(pl.col("work_date").alias("date")), books)
    time = with_cost_rates(_with_assigned(time, unseen, books), records.frame("resource")).join(
        books.contracts.select("contract_id", pl.col("currency").alias("contract_currency")), on="contract_id", how="left"
    )
    digits = minor_digits(pl.coalesce("cost_currency", "contract_currency"))
    worked = time.select(
        "contract_id", "date", pl.col("work_date").alias("→day"), worth_of_hours(pl.col("cost_rate").cast(MONEY), digits).alias("cost"),
        pl.col("cost_currency").alias("stated_currency"),
    )  # fmt: skip
    direct = _arrived(_direct(records, unseen).with_columns(pl.col("incurred_date").alias("date")), books)
    delivered = direct.select(
        "contract_id", "date", pl.col("incurred_date").alias("→day"), pl.col("amount").cast(MONEY).alias("cost"),
        pl.col("currency").alias("stated_currency"),
    )  # fmt: skip
    stated = pl.concat([observed, worked, delivered]).drop_nulls(["date", "cost"])
    return in_contract_currency(stated, books.contracts, rates, names=("cost",), day="→day", stated="stated_currency").drop("→day")


def _direct(records: Agreed, unseen: pl.DataFrame) -> pl.DataFrame:
    """Return the costs of delivery of lines whose cost nobody reports; what names its contract alone stands with the first of these."""
    spent = records.frame("contract_cost").filter(pl.col("kind") == "delivery")
    first = unseen.group_by("contract_id").agg(pl.col("contract_line_id").min().alias("→line"))
    spent = spent.join(first, on="contract_id", how="left", maintain_order="left")
    spent = spent.with_columns(pl.coalesce("contract_line_id", "→line").alias("contract_line_id")).drop("contract_id", "→line")
    return spent.join(unseen, on="contract_line_id", how="inner")


def _counted(time: pl.DataFrame, books: Books) -> pl.DataFrame:
    """Return time whose work counts: approved, and what the policy accrues as it is submitted, known by then, until it is rejected."""
    accrued = books.contracts.filter(setting("accrual.unapproved_time").ne_missing("none"))["contract_id"]
    approved = pl.col("status") == "approved"
    if accrued.is_empty():
        return with_rejected(time, books).filter(approved)
    of_submitted = pl.col("contract_id").is_in(accrued.implode())
    # A rejection counts where somebody dates it, or it stood approved (`rejected.rejections`).
    stood = of_submitted & pl.coalesce("modified_at", "approved_at").is_not_null()
    time = time.with_columns(
        pl.when(of_submitted).then(pl.min_horizontal("known_at", "submitted_at")).otherwise("known_at").alias("known_at"),
        pl.when(stood).then(pl.min_horizontal("approved_at", "submitted_at")).otherwise("approved_at").alias("approved_at"),
    )
    return with_rejected(time, books).filter(approved | ((pl.col("status") == "submitted") & of_submitted))


def _with_assigned(time: pl.DataFrame, lines: pl.DataFrame, books: Books) -> pl.DataFrame:
    """Add the hours that a cut-off accrues of assignments, which cost as recorded ones do, and what is taken back of them."""
    assigned = books.extra.get("assigned")
    if assigned is None or not assigned.height:
        return time
    rows = assigned.join(lines, on="contract_line_id", how="inner").with_columns(pl.col("work_date").alias("date"))
    return pl.concat([time, rows.select(name for name in rows.columns if name in time.columns)], how="diagonal_relaxed")


def with_rejected(time: pl.DataFrame, books: Books) -> pl.DataFrame:
    """Return time with what was approved and is rejected since: it counts from its approval, and is taken back when it was rejected."""
    approved = time.filter((pl.col("status") == "rejected") & pl.col("approved_at").is_not_null())
    if not approved.height:
        return time
    gone = known_rejected(approved, books).filter(pl.col("→rejected") > pl.col("approved_at"))
    gone = gone.with_columns(pl.lit("approved").alias("status"))
    back = gone.with_columns((pl.col("hours") * -1).cast(gone.schema["hours"]).alias("hours"), pl.col("→rejected").alias("known_at"))
    return pl.concat([time, *(rows.select(time.columns) for rows in (gone, back))])


def _arrived(rows: pl.DataFrame, books: Books, told: Sequence[str] = ()) -> pl.DataFrame:
    return as_arrived(rows, books, "date", told)


def _spent(seen: pl.DataFrame) -> pl.DataFrame:
    """Return what each report of progress adds to the cost of its line."""
    seen = seen.sort("contract_line_id", "date", "as_of_date", maintain_order=True)
    earlier = before(pl.col("cost_to_date"), "contract_line_id").fill_null(ZERO)
    spent = (pl.col("cost_to_date") - earlier).cast(MONEY).alias("cost")
    return seen.select("contract_id", "date", pl.col("as_of_date").alias("→day"), spent, pl.col("currency").alias("stated_currency"))
