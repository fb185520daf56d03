"""The time that counts, and amounts recorded in other currencies: what work, expenses and use are worth in their contract's."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from engine.canonical.kinds import FIRST_DAY, MONEY, Kind, polars_dtype
from engine.caps import NO_FUNDING, OVER
from engine.revenue.arithmetic.exact import money_units, part_units, times
from engine.revenue.arithmetic.numbers import whole_number
from engine.revenue.ground.finding_columns import finding_columns
from engine.revenue.ground.rates import in_contract_currency, rate_table
from engine.revenue.ground.records import COPY, Records, restored

_HOURS: Final = polars_dtype(Kind.HOURS)

TAKEN_BACK: Final = "|reversed"
_OF_ASSIGNMENT: Final = "assignment|"
"""Ends the id of hours that a closed period accrued of an assignment and the next takes back."""


def counted_time(records: Records, lines: pl.DataFrame, prices: pl.DataFrame, periods: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return the time that counts: approved, and what the policy accrues at the cut-off (submitted, or assigned) besides.

    `prices`: of `unit_prices`; a change of a line's rate holds for work from its day on.

    Columns: contract_line_id, date, hours, rate, value (units), time_entry_id, is_accrued, evidence, cost, earns
    (False: the customer is not to pay the hours), project_id, resource_id.
    """
    about = lines.select(
        "contract_line_id", "minor_digits", "unit_price", "accrual", "cap_amount", pl.col("currency").alias("contract_currency")
    )
    rows = records.frame("time_entry").filter(pl.col("work_date") <= as_of).join(about, on="contract_line_id", how="inner")
    approved = pl.col("status") == "approved"
    accrued = (pl.col("status") == "submitted") & pl.col("accrual").is_in(["submitted", "assigned_hours"])
    rows = rows.filter((approved | accrued) & pl.col("hours").is_not_null())
    assigned = _assigned(records, lines, periods, as_of)
    if assigned.height:
        rows = pl.concat([rows, assigned], how="diagonal_relaxed")
    rows = with_unit_price(rows.with_columns(pl.col("unit_price").alias("signed.price")), prices, "work_date")
    worth = times(pl.col("hours"), pl.col("rate"))
    rows = valued_in_contract(_rated(rows, records).with_columns(worth.alias("worth")), records, "worth", "work_date", "rate_currency")
    cost = times(pl.col("hours"), pl.coalesce("cost_rate", pl.lit(0)))
    value = money_units(pl.col("worth"), pl.col("minor_digits"))
    rows = priced(rows.with_columns(value.alias("value")), records, "time_entry", "value", pl.col("cap_amount").is_not_null())
    unbillable = pl.col("is_unbillable").fill_null(value=False) & ~restored(rows.columns)
    return rows.select(
        "contract_line_id",
        pl.col("work_date").alias("date"),
        "hours",
        "rate",
        "value",
        "time_entry_id",
        (~approved).alias("is_accrued"),
        "evidence",
        cost.alias("cost"),
        "project_id",
        "resource_id",
        (pl.col("billable").fill_null(value=True) & ~unbillable).alias("earns"),
    )


def priced(rows: pl.DataFrame, records: Records, item: str, value: str, has_cap: pl.Expr) -> pl.DataFrame:
    """Take off values (units) what billing says the customer does not pay: it has no price (606-10-25-1(e), 55-18).

    That is what no source funds, and what is beyond a cap; where a line has one of its own (`has_cap`), what is earned is cut there.
    """
    decided = records.output("billing_decisions")
    if decided is None or not {"reason", "decision"} <= set(decided.columns):
        return rows
    beyond = (pl.col("reason") == OVER) & (pl.col("decision") == "not_billable")
    lost = decided.filter((pl.col("item_type") == item) & ((pl.col("reason") == NO_FUNDING) | beyond))
    if not lost.height:
        return rows
    whole = decided.filter((pl.col("item_type") == item) & pl.col("amount").is_not_null())
    amount, key = whole_number("amount", MONEY), pl.col("item_id").alias(f"{item}_id")
    parts = whole.join(lost.select("item_id").unique(), on="item_id", how="semi").group_by(key)
    left = parts.agg(
        amount.sum().alias("→whole"),
        amount.filter(pl.col("reason") == NO_FUNDING).sum().alias("→unfunded"), amount.filter(beyond).sum().alias("→beyond"),
    ).filter(pl.col("→whole") != 0)  # fmt: skip
    made = rows.join(left, on=f"{item}_id", how="left", maintain_order="left")
    paid = pl.col("→whole") - pl.col("→unfunded") - pl.when(~has_cap).then("→beyond").otherwise(0)
    # An item below 0 takes back what came last, and what nobody pays of it is below 0 as well.
    kept = part_units(pl.col(value), paid.abs(), pl.col("→whole").abs())
    return made.with_columns(pl.coalesce(kept, value).alias(value)).drop("→whole", "→unfunded", "→beyond")


def _rated(rows: pl.DataFrame, records: Records) -> pl.DataFrame:
    """Add `rate`: the entry's own, else the one billing found, the assignment's, the line's."""
    decided = records.output("billing_decisions")
    if decided is not None and {"item_id", "rate", "item_type"} <= set(decided.columns):
        reason = pl.col("reason") if "reason" in decided.columns else pl.lit(None, dtype=pl.String)
        billed = (
            decided.filter(pl.col("item_type") == "time_entry")
            .group_by(pl.col("item_id").alias("time_entry_id"))
            .agg(
                pl.col("rate").drop_nulls().first().alias("billing.rate"),
                (pl.col("currency") if "currency" in decided.columns else pl.lit(None, dtype=pl.String))
                .drop_nulls()
                .first()
                .alias("billing.currency"),
                # What is beyond a cap has its place on the running total all the same.
                (pl.col("decision").is_in(["not_billable", "billed_otherwise"]) & reason.ne_missing(OVER)).all().alias("is_unbillable"),
            )
        )
        rows = rows.join(billed, on="time_entry_id", how="left", maintain_order="left")
    else:
        rows = rows.with_columns(
            pl.lit(None, dtype=polars_dtype(Kind.PRICE)).alias("billing.rate"),
            pl.lit(None, dtype=pl.String).alias("billing.currency"),
            pl.lit(value=False).alias("is_unbillable"),
        )
    planned = (
        records.frame("assignment")
        .filter(pl.col("bill_rate").is_not_null())
        .sort("assignment_id")
        .unique(["project_id", "resource_id"], keep="first", maintain_order=True)
        .select(
            "project_id", "resource_id", pl.col("bill_rate").alias("assignment.rate"), pl.col("currency").alias("assignment.currency")
        )
    )
    rows = rows.join(planned, on=["project_id", "resource_id"], how="left", maintain_order="left")
    # Where billing took the line's price, a change of it holds from its day on.
    of_line = (pl.col("billing.rate") == pl.col("signed.price")) & (pl.col("unit_price") != pl.col("signed.price"))
    rows = rows.with_columns(pl.when(~of_line.fill_null(value=False)).then(pl.col("billing.rate")).alias("billing.rate"))
    sources = (("bill_rate", "currency"), ("billing.rate", "billing.currency"), ("assignment.rate", "assignment.currency"))
    # A rate goes with its own currency; the line's is the contract's.
    currency = pl.lit(None, dtype=pl.String)
    for rate, own in reversed(sources):
        currency = pl.when(pl.col(rate).is_not_null()).then(pl.col(own)).otherwise(currency)
    return rows.with_columns(
        pl.coalesce(*(rate for rate, _ in sources), "unit_price").alias("rate"), currency.alias("rate_currency")
    )


def unit_prices(terms: pl.DataFrame) -> pl.DataFrame:
    """Return the price of a unit of each line that a change gives another one, by the day it holds from: contract_line_id, from, price."""
    steps = terms.filter(pl.col("unit_price").is_not_null())
    changed = steps.filter((pl.col("unit_price") != pl.col("before.unit_price")) & (pl.col("action") == "change"))
    return (
        steps.join(changed.select("contract_line_id").unique(), on="contract_line_id", how="semi")
        .sort("contract_line_id", "place")
        .select("contract_line_id", pl.coalesce("takes_effect", pl.lit(FIRST_DAY)).alias("→from"), pl.col("unit_price").alias("→price"))
        .unique(["contract_line_id", "→from"], keep="last", maintain_order=True)
        .sort("→from")
    )


def dated_caps(terms: pl.DataFrame) -> pl.DataFrame:
    """Return the caps of lines that a change gives another one, by the day it counts from: contract_line_id, date, cap."""
    steps = terms.filter((pl.col("action") == "change") & pl.col("cap_amount").ne_missing(pl.col("before.cap_amount")))
    named = steps.sort("contract_line_id", "place").select(
        "contract_line_id", pl.col("event_date").alias("date"), pl.col("cap_amount").alias("cap")
    )
    return named.unique(["contract_line_id", "date"], keep="last", maintain_order=True).sort("date")


def with_cap(rows: pl.DataFrame, caps: pl.DataFrame, day: str) -> pl.DataFrame:
    """Return rows (contract_line_id, cap_amount) with the cap that holds on each row's day; `caps`: contract_line_id, date, cap."""
    return _as_changed(rows, caps.rename({"date": "→from", "cap": "→value"}), day, "cap_amount")


def with_unit_price(rows: pl.DataFrame, prices: pl.DataFrame, day: str) -> pl.DataFrame:
    """Return rows (contract_line_id, unit_price) with the price of a unit that holds on each row's day; `prices`: of `unit_prices`."""
    return _as_changed(rows, prices.rename({"→price": "→value"}), day, "unit_price")


def _as_changed(rows: pl.DataFrame, steps: pl.DataFrame, day: str, name: str) -> pl.DataFrame:
    """Return rows of lines with the value that the last step (contract_line_id, →from, →value) by their day gives, else their own."""
    if not steps.height:
        return rows
    numbered = rows.with_row_index("→place").sort(day)
    found = numbered.join_asof(steps.sort("→from"), left_on=day, right_on="→from", by="contract_line_id", check_sortedness=False)
    made = found.sort("→place").with_columns(pl.coalesce("→value", name).cast(rows.schema[name]).alias(name))
    return made.select(rows.columns)


def _assigned(records: Records, lines: pl.DataFrame, periods: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return the hours that assignments plan for a period and nobody had recorded at its cut-off, as entries of its last day.

    That is the running period as of the day of the run, and each one that ended, a closed one as it was known at its close: what it
    accrued is taken back on the first day after it, where what was recorded since counts. The planned hours lie evenly on the
    weekdays of the assignment; what is approved or submitted of the period counts against them.
    An assignment belongs to the first line of its project that is earned by the hour.
    """
    earned_by_hour = pl.col("is_as_invoiced") & (pl.col("offering") == "time_and_materials") | (pl.col("measure") == "hours")
    chosen = lines.filter((pl.col("accrual") == "assigned_hours") & earned_by_hour & pl.col("project_id").is_not_null())
    if not chosen.height:
        return pl.DataFrame()
    # Copies of records (`late.py`) each have their own line.
    chosen = chosen.sort("contract_line_id").with_columns(pl.col("contract_line_id").str.extract(f"^(.*){COPY}").alias("→copy"))
    chosen = chosen.unique(["project_id", "→copy"], keep="first", maintain_order=True)
    about = chosen.select(
        "contract_line_id", "project_id", "calendar", "minor_digits", "unit_price", "accrual", "closed_period",
        pl.col("currency").alias("contract_currency"),
    )  # fmt: skip
    known = pl.all_horizontal(pl.col("planned_hours", "start_date", "end_date").is_not_null())
    known = known & (pl.col("end_date") >= pl.col("start_date"))
    rows = records.frame("assignment").filter(known).join(about, on="project_id", how="inner", suffix=".line")
    rows = rows.join(_cut_offs(periods, as_of), on="calendar", how="inner").with_columns(
        pl.max_horizontal("start_date", "→from").alias("→first"), pl.min_horizontal("end_date", "→cut").alias("→last")
    )  # fmt: skip
    stands = pl.col("→closed_at").is_null() | (pl.col("closed_period") == "catch_up")
    rows = rows.filter((pl.col("→first") <= pl.col("→last")) & stands)
    whole, part = _weekdays("start_date", "end_date"), _weekdays("→first", "→last")
    planned = whole_number("planned_hours", _HOURS)
    rows = rows.with_columns((planned * part // pl.when(whole > 0).then(whole)).alias("→planned"))
    done = _recorded(rows, records)
    rows = rows.join(done, on=["assignment_id", "→cut"], how="left")
    left = (pl.col("→planned") - pl.col("→done").fill_null(0)).alias("→left")
    rows = rows.with_columns(left).filter(pl.col("→left") > 0).sort("assignment_id", "→cut")
    rows = rows.with_columns(pl.col("→cut").alias("→day"), pl.format(f"{_OF_ASSIGNMENT}{{}}", "assignment_id").alias("→id"))
    ended = rows.filter("→ended").with_columns(
        pl.format("{}|{}", "→id", pl.col("→cut").cast(pl.String)).alias("→id")
    )
    back = ended.with_columns(
        pl.col("→day").dt.offset_by("1d"), pl.concat_str("→id", pl.lit(TAKEN_BACK)).alias("→id"), (pl.col("→left") * -1).alias("→left")
    )
    every = pl.concat([rows.filter(~pl.col("→ended")), ended, back])
    return every.select(
        pl.col("→id").alias("time_entry_id"), "contract_line_id", "project_id", "resource_id",
        pl.col("→day").alias("work_date"), _hours(pl.col("→left")).alias("hours"), pl.lit("assigned").alias("status"),
        pl.lit(value=True).alias("billable"), "bill_rate", "currency", "minor_digits", "unit_price", "accrual", "contract_currency",
        "evidence",
    )  # fmt: skip


def of_assignments(worked: pl.DataFrame) -> pl.DataFrame:
    """Return of the time that counts the hours accrued of assignments, and taken back: contract_line_id, resource_id, work_date, hours."""
    own = worked.filter(pl.col("time_entry_id").str.starts_with(_OF_ASSIGNMENT))
    return own.select("contract_line_id", "resource_id", pl.col("date").alias("work_date"), "hours")


def _cut_offs(periods: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return the periods that began by the day of the run: calendar, →from, →cut (its end, or that day), →ended, →closed_at."""
    today = pl.lit(as_of)
    ended = pl.col("end_date") < today
    return periods.filter(pl.col("start_date") <= today).select(
        "calendar", pl.col("start_date").alias("→from"), pl.min_horizontal("end_date", today).alias("→cut"), ended.alias("→ended"),
        pl.when(ended).then("closed_at").alias("→closed_at"),
    )  # fmt: skip


def _recorded(rows: pl.DataFrame, records: Records) -> pl.DataFrame:
    """Return what was approved or submitted of each assignment's hours from `→first` on by `→cut`, of a closed period by its close."""
    entries = records.frame("time_entry").filter(pl.col("status").is_in(["approved", "submitted"]) & pl.col("hours").is_not_null())
    entries = entries.unique("time_entry_id", keep="first", maintain_order=True)
    known = pl.min_horizontal("known_at", "submitted_at").alias("→known")
    entries = entries.select("project_id", "resource_id", "work_date", "hours", known)
    asked = rows.select("assignment_id", "project_id", "resource_id", "→first", "→cut", "→closed_at").unique(["assignment_id", "→cut"])
    late = (pl.col("→known") > pl.col("→closed_at")).fill_null(value=False)
    of_period = pl.col("work_date").is_between("→first", "→cut") & ~late
    done = asked.join(entries, on=["project_id", "resource_id"], how="inner").filter(of_period)
    return done.group_by("assignment_id", "→cut").agg(whole_number("hours", _HOURS).sum().alias("→done"))


def _weekdays(first: str, last: str) -> pl.Expr:
    return pl.business_day_count(first, pl.col(last).dt.offset_by("1d")).cast(pl.Int128)


def _hours(physical: pl.Expr) -> pl.Expr:
    """Return an integer count of the last place as hours."""
    return physical.cast(pl.Decimal(38, 0)).cast(pl.Decimal(38, 8)) / pl.lit(10**8, dtype=pl.Decimal(38, 8))


def valued_in_contract(rows: pl.DataFrame, records: Records, amount: str, day: str, stated: str = "currency") -> pl.DataFrame:
    """Return rows with the amount in their contract's currency (`contract_currency`), at the spot rate of their day.

    An amount in another currency without a rate is null.
    """
    if not rows.filter(pl.col(stated) != pl.col("contract_currency")).height:
        return rows
    contracts = rows.select("contract_line_id", pl.col("contract_currency").alias("currency"), "minor_digits").unique("contract_line_id")
    keyed = rows.rename({"contract_id": "→contract"}) if "contract_id" in rows.columns else rows
    keyed = keyed.with_columns(pl.col("contract_line_id").alias("contract_id"))
    made = in_contract_currency(
        keyed, contracts.rename({"contract_line_id": "contract_id"}), rate_table(records.frame("exchange_rate")), names=(amount,), day=day,
        stated=stated,
    )  # fmt: skip
    made = made.drop("contract_id")
    return made.rename({"→contract": "contract_id"}) if "→contract" in made.columns else made


def unvalued_work(records: Records, lines: pl.DataFrame, worked: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return a finding for each record of work, expense or use in another currency without a rate: nothing of it is recognized."""
    about = lines.select("contract_line_id", "contract_id", pl.col("currency").alias("contract_currency"), "minor_digits")
    lost = [
        worked.filter(pl.col("value").is_null() & pl.col("rate").is_not_null())
        .join(about, on="contract_line_id", how="inner")
        .select(pl.lit("time_entry").alias("entity"), pl.col("time_entry_id").alias("entity_id"), "contract_id", "date", "evidence")
    ]
    for entity, day in (("expense", "incurred_date"), ("usage", "usage_date")):
        found = records.frame(entity).filter((pl.col(day) <= as_of) & pl.col("amount").is_not_null())
        found = found.select(pl.col(f"{entity}_id"), "contract_line_id", pl.col(day).alias("date"), "amount", "currency", "evidence")
        known = found.join(about, on="contract_line_id", how="inner").filter(pl.col("currency") != pl.col("contract_currency"))
        if known.height:
            missing = valued_in_contract(known, records, "amount", "date").filter(pl.col("amount").is_null())
            lost.append(
                missing.select(pl.lit(entity).alias("entity"), pl.col(f"{entity}_id").alias("entity_id"), "contract_id", "date", "evidence")
            )
    text = "{} of {} is in another currency than its contract and no rate translates it; nothing of it is recognized."
    message = pl.format(text, "entity_id", pl.col("date").dt.strftime("%Y-%m-%d"))
    remedy = "Load the spot rate of the day into `exchange_rate`."
    return pl.concat(lost).select(
        *finding_columns("exchange_rate_missing", "high", pl.col("entity"), message, remedy), "entity_id", "contract_id", "evidence"
    )
