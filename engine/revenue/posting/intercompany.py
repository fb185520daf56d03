"""Delivery between companies of a group: what the one that delivers charges the one that sold, and what the group takes out.

The contract with the customer drives the group's revenue, whoever does the work (606-10-25). Between the two companies each
hour is charged at the rate they agreed on, or at its cost and a markup: income of the one and cost of the other, of which the
group sees nothing (810-10-45-1); what is left of it for the group is the cost of the work.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY, Kind, polars_dtype
from engine.minor_units import minor_digits
from engine.revenue.arithmetic.numbers import HUNDRED, percent, wide
from engine.revenue.ground.finding_columns import finding_columns
from engine.revenue.ground.frames import TEXT, TEXTS, Books, shaped
from engine.revenue.ground.periods import with_period
from engine.revenue.ground.rates import rate_table, translated, with_rate
from engine.revenue.ground.records import Records
from engine.revenue.ground.sources import united
from engine.revenue.posting.balances import with_rejected
from engine.revenue.posting.hours_at_cost import with_cost_rates, worth_of_hours
from engine.revenue.recognition.standing import as_arrived
from engine.stage import Context, StageResult

INTERCOMPANY: Final[dict[str, pl.DataType]] = {
    "period": TEXT, "performing_entity_id": TEXT, "selling_entity_id": TEXT, "contract_id": TEXT, "role": TEXT,
    "hours": polars_dtype(Kind.HOURS), "charge": MONEY, "cost": MONEY, "internal_margin": MONEY, "currency": TEXT,
    "performing_charge": MONEY, "performing_currency": TEXT, "selling_charge": MONEY, "selling_currency": TEXT,
    "rule": TEXT, "evidence": TEXTS,
}  # fmt: skip
"""Columns of `intercompany_charges.parquet`, by period of the contract, both companies, contract, role and currency of the charge.

`charge`: income of the company that delivers and cost of the one that sold, taken out in the group. `cost`: what the hours cost the
one that delivers, null where that is known in another currency or not at all; `internal_margin`: the charge less it.
`performing_charge`, `selling_charge`: the charge in the books of either company, at the average of the month of the work (null without a
rate). Hours known after the close of their period are charged in the first open one, as they are earned.
"""

_IN_BOOKS: Final = ("performing_charge", "selling_charge")

_PAIR: Final = ("performing_entity_id", "selling_entity_id", "role")
_RULE: Final = "810-10-45-1"


def charged_between(books: Books, records: Records, context: Context) -> tuple[Books, StageResult]:
    """Charge approved hours of one company's people on another's contract (frame intercompany_charges).

    Nothing is told where no system supplies rates between companies. Hours without a rate on their day are a finding.
    """
    result = StageResult()
    rates = records.frame("intercompany_rate")
    if not rates.height:
        return books, result
    worked = _worked_for_others(books, records, context)
    priced = _priced(worked, rates)
    told = with_period(priced.drop_nulls("charge"), books.periods, "date")
    keys = ["period", "performing_entity_id", "selling_entity_id", "contract_id", "role", "currency"]
    cost = pl.when(pl.col("cost").is_not_null().all()).then(pl.col("cost").sum()).alias("cost")
    month = pl.col("work_date").dt.month_end().alias("of_month")
    made = told.group_by(*keys, month).agg(pl.col("hours", "charge").sum(), cost, united("evidence"))
    made = _in_their_books(made, records, context)
    whole = [pl.when(pl.col(name).is_not_null().all()).then(pl.col(name).sum()).alias(name) for name in ("cost", *_IN_BOOKS)]
    made = made.group_by(*keys, "performing_currency", "selling_currency").agg(pl.col("hours", "charge").sum(), *whole, united("evidence"))
    # What was charged and taken back in one period is nothing between the two.
    made = made.filter((pl.col("hours") != 0) | (pl.col("charge") != 0))
    made = made.with_columns((pl.col("charge") - pl.col("cost")).alias("internal_margin"), pl.lit(_RULE).alias("rule"))
    result.frames["intercompany_charges"] = shaped(made, INTERCOMPANY).sort(keys).lazy()
    missing = _without_rate(priced.filter(pl.col("charge").is_null()))
    result.findings = [missing] if missing.height else []
    return books, result


def _in_their_books(charges: pl.DataFrame, records: Records, context: Context) -> pl.DataFrame:
    """Add the charge in the currency of either company at the average of the month of the work (`of_month`; IAS 21.22, 830-10-55-10)."""
    rates = rate_table(records.frame("exchange_rate"))
    entities = records.frame("legal_entity").select("legal_entity_id", "functional_currency").unique("legal_entity_id", keep="first")
    for side in ("performing", "selling"):
        own = entities.select(pl.col("legal_entity_id").alias(f"{side}_entity_id"), "functional_currency")
        rows = charges.join(own, on=f"{side}_entity_id", how="left", maintain_order="left")
        rows = with_rate(rows, rates, day="of_month", kind="average", name="→rate", as_of=context.as_of)
        value = translated(pl.col("charge"), "→rate", minor_digits(pl.col("functional_currency")))
        charges = rows.with_columns(value.alias(f"{side}_charge"), pl.col("functional_currency").alias(f"{side}_currency")).drop(
            "→rate", "functional_currency"
        )
    return charges


def _worked_for_others(books: Books, records: Records, context: Context) -> pl.DataFrame:
    """Return approved hours through as_of that people of one company worked on a contract of another, with the `date` they count from."""
    sold = books.contracts.select("contract_id", "calendar", pl.col("legal_entity_id").alias("selling_entity_id"))
    lines = books.lines.select("contract_line_id", pl.col("contract_id").alias("of_line")).unique("contract_line_id", keep="first")
    projects = records.frame("project").select("project_id", pl.col("contract_id").alias("of_project")).unique("project_id", keep="first")
    people = records.frame("resource").select(
        "resource_id", "role", pl.col("legal_entity_id").alias("performing_entity_id"),
    ).unique("resource_id", keep="first")  # fmt: skip
    is_done = (pl.col("status") == "approved") & (pl.col("work_date") <= context.as_of) & pl.col("hours").is_not_null()
    time = with_rejected(records.frame("time_entry"), books).filter(is_done).select(
        "time_entry_id", "resource_id", "project_id", "contract_line_id", "work_date", "hours", "cost_rate", "cost_currency", "known_at",
        "evidence",
    )  # fmt: skip
    rows = time.join(lines, on="contract_line_id", how="left").join(projects, on="project_id", how="left")
    rows = rows.with_columns(pl.coalesce("of_line", "of_project").alias("contract_id")).join(sold, on="contract_id", how="inner")
    rows = rows.join(people, on="resource_id", how="inner").filter(pl.col("performing_entity_id") != pl.col("selling_entity_id"))
    rows = as_arrived(rows.with_columns(pl.col("work_date").alias("date")), books, "date")
    return with_cost_rates(rows, records.frame("resource"))


def _priced(worked: pl.DataFrame, rates: pl.DataFrame) -> pl.DataFrame:
    """Add what each entry is charged at and what it cost: the last rate in force on its day, or its cost and the markup."""
    table = rates.select(
        pl.col("from_legal_entity_id").alias("performing_entity_id"), pl.col("to_legal_entity_id").alias("selling_entity_id"), "role",
        pl.col("effective_from").alias("work_date"), "rate", "markup_pct", "currency", pl.col("evidence").alias("of_rate"),
    ).sort("work_date")  # fmt: skip
    rows = worked.sort("work_date", "time_entry_id").join_asof(table, on="work_date", by=list(_PAIR), check_sortedness=False)
    has_rate = pl.col("rate").is_not_null()
    by_cost = ~has_rate & pl.col("markup_pct").is_not_null()
    rows = rows.with_columns(
        pl.when(has_rate).then(pl.col("rate").cast(MONEY)).when(by_cost).then(pl.col("cost_rate").cast(MONEY)).alias("price"),
        pl.when(has_rate).then("currency").when(by_cost).then("cost_currency").alias("currency"),
        pl.when(by_cost).then(percent("markup_pct") + HUNDRED).otherwise(wide(HUNDRED)).alias("factor"),
        pl.concat_list("evidence", pl.col("of_rate").fill_null([])).alias("evidence"),
    )
    digits = minor_digits(pl.col("currency"))
    cost = pl.when(pl.col("currency") == pl.col("cost_currency")).then(worth_of_hours(pl.col("cost_rate").cast(MONEY), digits))
    return rows.with_columns(worth_of_hours(pl.col("price"), digits, pl.col("factor")).alias("charge"), cost.alias("cost"))


def _without_rate(rows: pl.DataFrame) -> pl.DataFrame:
    """Return a finding per pair of companies, some of whose hours have no rate."""
    roles = pl.col("role").fill_null("none").unique().sort().str.join(", ").alias("roles")
    pair = ["performing_entity_id", "selling_entity_id"]
    missing = rows.group_by(pair).agg(pl.col("work_date").min().alias("since"), pl.col("hours").sum(), roles, united("evidence"))
    missing = missing.filter(pl.col("hours") != 0)
    text = "{} hours of people of {} on contracts of {} (role: {}) have no rate between the two on their day, the first on {}."
    hours = pl.col("hours").cast(TEXT).str.strip_chars_end("0").str.strip_chars_end(".")
    message = pl.format(text, hours, "performing_entity_id", "selling_entity_id", "roles", pl.col("since").cast(TEXT))
    remedy = "Supply the rate or the markup between the two companies, or correct the person's company or role."
    return missing.sort(pair).select(
        *finding_columns("intercompany_rate_missing", "medium", "legal_entity", message, remedy, "controller"),
        pl.col("performing_entity_id").alias("entity_id"), pl.lit("legal_entity").alias("related_entity"),
        pl.col("selling_entity_id").alias("related_id"), "since", "evidence",
    )  # fmt: skip
