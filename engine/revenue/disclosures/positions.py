"""Contract balances told further: roll-forward with causes, current and non-current, when deferred revenue is earned, credit exposure."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.billing import POSTED
from engine.canonical.kinds import MONEY
from engine.revenue.arithmetic.asof import latest
from engine.revenue.arithmetic.numbers import ZERO, whole_number
from engine.revenue.arithmetic.rounding import round_share
from engine.revenue.arithmetic.runs import before, begins, running
from engine.revenue.ground.frames import in_words


def roll_forward(years: pl.DataFrame, performance: pl.DataFrame, balances: pl.DataFrame, entries: pl.DataFrame) -> pl.DataFrame:
    """Return how each contract's net position went from the year's opening to its closing, by cause (50-8 to 50-10).

    The position is contract asset less contract liability. Causes: opening; revenue by nature (current, modification,
    estimate_change, out_of_period, error); interest and fx where they moved it; billed_or_received, what turned
    into a receivable or came in advance (the rest of the movement); closing. All causes but `closing` sum to it.
    `balances`: contract_id, end_date, contract_asset, contract_liability. `entries`: contract_id, posting_date,
    cause (interest | fx), amount (signed: + raises the position) in the contract's currency.
    """
    net = balances.with_columns((pl.col("contract_asset") - pl.col("contract_liability")).alias("net"))
    opening = _position(years, net, pl.col("band_start") - pl.duration(days=1)).rename({"net": "opening"})
    both = _position(opening, net, pl.col("band_end")).rename({"net": "closing"})
    moved = both.filter((pl.col("opening") != 0) | (pl.col("closing") != 0))
    first = pl.lit(years["band_start"].min(), dtype=pl.Date)
    done = performance.lazy().filter(~pl.col("is_planned") & (pl.col("posting_date") >= first)).select(
        "contract_id", "posting_date", pl.col("nature").alias("cause"), "amount"
    ).collect()  # fmt: skip
    flows = pl.concat([done, entries.select(pl.col(name).cast(kind) for name, kind in done.schema.items())]).join(
        moved.select("contract_id", "band_start", "band_end"), on="contract_id", how="inner"
    ).filter(pl.col("posting_date").is_between(pl.col("band_start"), pl.col("band_end")))  # fmt: skip
    by_cause = in_words(flows.group_by("contract_id", "cause").agg(pl.col("amount").sum()).filter(pl.col("amount") != 0))
    ends = moved.unpivot(["opening", "closing"], index="contract_id", variable_name="cause", value_name="amount")
    known = by_cause.group_by("contract_id").agg(pl.col("amount").sum().alias("known"))
    rest = moved.join(known, on="contract_id", how="left").select(
        "contract_id", pl.lit("billed_or_received").alias("cause"),
        (pl.col("closing") - pl.col("opening") - pl.col("known").fill_null(ZERO)).alias("amount"),
    )  # fmt: skip
    rows = pl.concat([ends, by_cause, rest.filter(pl.col("amount") != 0)]).join(
        moved.select("contract_id", "band_start", "band_end", "currency"), on="contract_id", how="inner"
    )
    return rows.select(
        pl.lit("roll_forward").alias("disclosure"), "contract_id", "band_start", "band_end", pl.lit("cause").alias("dimension"),
        pl.col("cause").alias("dimension_value"), pl.col("amount").cast(MONEY), "currency",
    )  # fmt: skip


def _position(years: pl.DataFrame, net: pl.DataFrame, day: pl.Expr) -> pl.DataFrame:
    found = latest(years.with_columns(day.alias("end_date")), net, by=["contract_id"], on="end_date", columns=["net"])
    return found.with_columns(pl.col("net").fill_null(ZERO)).drop("end_date")


def current_portions(closing: pl.DataFrame, future: pl.DataFrame, cycle_end: pl.Expr, as_of: pl.Expr) -> pl.DataFrame:
    """Return each closing balance split into current and non-current by when it is expected to be realized.

    `closing`: contract_id, balance (contract_asset | contract_liability | cost_asset), amount, currency. `future`:
    contract_id, balance, date, amount: when it is realized (revenue for the liability, rights to invoice for the
    asset, amortization for costs). The earliest realizes the balance first; what nothing dates is current for
    contract positions and non-current for costs. `cycle_end`: last day of the operating cycle after as_of.
    """
    soon = future.filter((pl.col("date") > as_of) & (pl.col("amount") > 0)).group_by("contract_id", "balance").agg(
        pl.col("amount").filter(pl.col("date") <= cycle_end).sum().alias("soon"),
        pl.col("amount").filter(pl.col("date") > cycle_end).sum().alias("later"),
    )  # fmt: skip
    split = closing.filter(pl.col("amount") > 0).join(soon, on=["contract_id", "balance"], how="left").with_columns(
        pl.col("soon", "later").fill_null(ZERO)
    )
    first = pl.min_horizontal("amount", "soon")
    rest = pl.col("amount") - first
    # Dated later: non-current as far as that goes; the undated rest follows the balance's nature.
    late = pl.min_horizontal(rest, "later")
    undated = rest - late
    is_cost = pl.col("balance") == "cost_asset"
    current = first + pl.when(is_cost).then(ZERO).otherwise(undated)
    parts = split.with_columns(current.alias("current")).with_columns((pl.col("amount") - pl.col("current")).alias("non_current"))
    long = parts.unpivot(["current", "non_current"], index=["contract_id", "balance", "currency"], value_name="part")
    return long.filter(pl.col("part") != 0).select(
        pl.lit("current_portion").alias("disclosure"), "contract_id", as_of.alias("band_start"), as_of.alias("band_end"),
        pl.col("balance").alias("dimension"), pl.col("variable").alias("dimension_value"), pl.col("part").cast(MONEY).alias("amount"),
        "currency",
    )  # fmt: skip


def waterfall(closing: pl.DataFrame, performance: pl.DataFrame, as_of: pl.Expr) -> pl.DataFrame:
    """Return recognized and deferred revenue by month: what was earned, and when the contract liability will be.

    `closing`: contract_id, contract_liability, currency. Planned revenue uses the liability up in the order of its
    months; what no plan reaches stands without a month. dimension `waterfall`: recognized | deferred | deferred_undated.
    """
    monthly = pl.col("posting_date").dt.month_start()
    # Performance stands by contract: its number among them is quicker to group by than its id.
    place = (begins("contract_id", "currency").cum_sum().cast(pl.Int64) * 2**24 + monthly.to_physical()) * 2 + pl.col("is_planned")
    moving = performance.lazy().with_columns(place.alias("place")).filter(pl.col("amount") != 0)
    by_month = moving.group_by("place", maintain_order=True).agg(
        pl.col("contract_id", "currency", "is_planned").first(), pl.col("posting_date").first().dt.month_start().alias("band_start"),
        pl.col("amount").sum(),
    ).drop("place").collect()  # fmt: skip
    by_month = in_words(by_month)
    past = by_month.filter(~pl.col("is_planned")).with_columns(pl.lit("recognized").alias("dimension_value"))
    ahead = by_month.filter(pl.col("is_planned") & (pl.col("amount") > 0)).join(
        closing.filter(pl.col("contract_liability") > 0).select("contract_id", "contract_liability"), on="contract_id", how="inner"
    )
    used = pl.min_horizontal(running(pl.col("amount"), "contract_id"), "contract_liability")
    ahead = ahead.sort("contract_id", "band_start").with_columns(used.alias("used")).with_columns(
        (pl.col("used") - before(pl.col("used"), "contract_id").fill_null(ZERO)).alias("amount"),
        pl.lit("deferred").alias("dimension_value"),
    )
    reached = ahead.group_by("contract_id").agg(pl.col("used").max())
    rest = closing.filter(pl.col("contract_liability") > 0).join(reached, on="contract_id", how="left").select(
        "contract_id", pl.lit(None, dtype=pl.Date).alias("band_start"), "currency",
        (pl.col("contract_liability") - pl.col("used").fill_null(ZERO)).alias("amount"),
        pl.lit("deferred_undated").alias("dimension_value"),
    )  # fmt: skip
    names = ["contract_id", "band_start", "currency", "amount", "dimension_value"]
    rows = pl.concat([past.select(names), ahead.select(names), rest.select(names)]).filter(pl.col("amount") != 0)
    until = pl.when(pl.col("dimension_value") == "recognized").then(as_of)
    return rows.select(
        pl.lit("waterfall").alias("disclosure"), "contract_id", "band_start",
        pl.min_horizontal(pl.col("band_start").dt.month_end(), until).alias("band_end"),
        pl.lit("waterfall").alias("dimension"), "dimension_value", pl.col("amount").cast(MONEY), "currency",
    )  # fmt: skip


_AGES: Final = ((0, "not_due"), (30, "1-30"), (60, "31-60"), (90, "61-90"))


def credit_exposures(invoices: pl.DataFrame, applied: pl.DataFrame, closing: pl.DataFrame, as_of: pl.Expr) -> pl.DataFrame:
    """Return what the allowance for credit losses is computed on: open invoices by days past due, and contract assets.

    `invoices`: golden; `applied`: invoice_id, date, amount (money received). `closing`: contract_id, contract_asset,
    currency. A credit note lessens what is open of the invoice it corrects, however old that is. A matrix of loss rates applied to
    these is impairment expense, never less revenue (606-10-45-4; CECL, IFRS 9).
    """
    paid = applied.filter(pl.col("date") <= as_of).group_by("invoice_id").agg(pl.col("amount").sum().alias("paid"))
    due = pl.coalesce("→due", "due_date", "invoice_date")
    late = (as_of - due).dt.total_days()
    age = pl.lit(">90")
    for days, name in reversed(_AGES):
        age = pl.when(late <= days).then(pl.lit(name)).otherwise(age)
    is_issued = pl.col("status").is_in(POSTED) & (pl.col("invoice_date") <= as_of) & pl.col("contract_id").is_not_null()
    issued = invoices.filter(is_issued)
    corrected = issued.select(pl.col("invoice_id").alias("corrects_invoice_id"), pl.coalesce("due_date", "invoice_date").alias("→due"))
    issued = issued.join(corrected.unique("corrects_invoice_id", keep="first", maintain_order=True), on="corrects_invoice_id", how="left")
    open_items = issued.join(paid, on="invoice_id", how="left").select(
        "contract_id", "currency", age.alias("dimension_value"), (pl.col("gross_amount") - pl.col("paid").fill_null(ZERO)).alias("amount")
    )
    assets = closing.filter(pl.col("contract_asset") > 0).select(
        "contract_id", "currency", pl.lit("contract_asset").alias("dimension_value"), pl.col("contract_asset").alias("amount")
    )
    rows = pl.concat([open_items, assets]).group_by("contract_id", "currency", "dimension_value").agg(pl.col("amount").sum())
    return rows.filter(pl.col("amount") != 0).select(
        pl.lit("credit_exposure").alias("disclosure"), "contract_id", as_of.alias("band_start"), as_of.alias("band_end"),
        pl.lit("days_past_due").alias("dimension"), "dimension_value", pl.col("amount").cast(MONEY), "currency",
    )  # fmt: skip


def to_unit(rows: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Return the disclosures with amounts rounded to the policy's unit (`rounding.disclosure_unit`), half away from zero."""
    if not contracts.select((pl.col("setting.rounding.disclosure_unit") > 0).any()).item():
        return rows
    units = contracts.select("contract_id", pl.col("setting.rounding.disclosure_unit").cast(pl.Decimal(38, 6)).alias("unit"))
    given = rows.join(units, on="contract_id", how="left", maintain_order="left")
    # amount = unit × (amount ÷ unit, rounded): the quotient of two amounts in millionths is a whole number.
    millionths = whole_number("unit", MONEY)
    count = round_share(pl.col("amount"), pl.lit(10**6, dtype=pl.Int128), millionths, pl.lit(0))
    rounded = pl.when(pl.col("unit") > 0).then(count * pl.col("unit")).otherwise(pl.col("amount"))
    return given.with_columns(rounded.cast(MONEY).alias("amount")).drop("unit")
