"""Changes of contracts: which amendments count, on which day, in which order, and what each line is after them."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from engine.caps import cap_after
from engine.nothing import of_no, of_nothing
from engine.revenue.arithmetic.numbers import worth_of_units
from engine.revenue.arithmetic.runs import before, carried, counted
from engine.revenue.contracts.crossing import as_approved
from engine.revenue.contracts.lines import at_line_rate
from engine.revenue.contracts.not_agreed import agreed_day, is_agreed
from engine.revenue.ground.frames import setting
from engine.revenue.ground.records import Records

TERM_FIELDS: Final = (
    "quantity",
    "unit_price",
    "amount",
    "standalone_selling_price",
    "start_date",
    "end_date",
    "estimated_hours",
    "estimated_cost",
    "cap_amount",
)
"""What an amendment line states as the line's values after it; null in a change: unchanged."""

_OF_PRICE: Final = ("amount", "unit_price", "quantity", "cap_amount")
ESTIMATED_FIELDS: Final = ("quantity", "estimated_hours", "estimated_cost")
"""What progress may estimate anew: only a contract change that itself states one of these has a say beside it."""

_AMOUNTS: Final = (
    "unit_price",
    "amount",
    "standalone_selling_price",
    "estimated_cost",
    "cap_amount",
    "remaining_standalone_selling_price",
    "past_performance_amount",
)


def counted_amendments(records: Records, contracts: pl.DataFrame, as_of: dt.date, at_once: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return the amendments that change a contract, with `event_date` and their `place` in the contract's order.

    Approved ones, and unapproved ones that are enforceable already (606-10-25-11). The day of a change is the
    day it takes effect, but not before the day it was approved unless the policy says so; `effect_from:
    month_start` moves it to the first of that month. One that was approved before it takes effect bears `agreed_on` and is
    known from that day (25-10). A contract of its own for a later term, and those of `at_once` (`ahead.counted_at_once`), are events
    of that day: what is new of them begins on `takes_effect`. `is_apart`: a contract of its own, known to be one before it begins.
    Order: day, approval, recording, id, whatever came first in. `agreed_place`: the place in the order of approval.
    """
    names = ("date", "effect_from", "ssp_tolerance", "catch_up", "prospective")
    terms = contracts.select("contract_id", "group_id", "terminated_date", *(setting(f"modification.{name}") for name in names))
    found = records.frame("amendment").filter(is_agreed()).join(terms, on="contract_id", how="inner")
    none = pl.DataFrame(schema={"amendment_id": pl.String, "is_apart": pl.Boolean})
    return _in_order(found, records, none if at_once is None else at_once, as_of)


@of_nothing
def _in_order(found: pl.DataFrame, records: Records, at_once: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return amendments that count with their days and places, of which anything is known as of a day."""
    approved = pl.col("status") == "approved"
    effective = pl.coalesce("effective_date", "approved_date")
    agreed = agreed_day()
    day = pl.when(pl.col("setting.modification.date") == "effective").then(effective).otherwise(pl.max_horizontal(effective, agreed))
    from_start = pl.col("setting.modification.effect_from") == "month_start"
    found = found.join(_signed_ahead(records, found), on="amendment_id", how="left", maintain_order="left")
    found = found.with_columns(pl.when(from_start).then(day.dt.month_start()).otherwise(day).alias("takes_effect"))
    ahead = approved & (agreed < pl.col("takes_effect")) & (pl.col("setting.modification.date") != "effective")
    found = found.with_columns(pl.when(ahead).then(agreed).alias("agreed_on"))
    found = found.join(at_once, on="amendment_id", how="left", maintain_order="left")
    signed_ahead = pl.col("signed_ahead").fill_null(value=False)
    now = signed_ahead | pl.col("is_apart").is_not_null()
    dated = found.with_columns(
        pl.when(now).then(pl.coalesce("agreed_on", "takes_effect")).otherwise("takes_effect").alias("event_date"),
        (signed_ahead | pl.col("is_apart").fill_null(value=False)).alias("is_apart"),
    ).drop("signed_ahead")
    # Nothing of a contract that ended before is still to come.
    ended = (pl.col("takes_effect") > pl.col("terminated_date")).fill_null(value=False)
    known = pl.when(ended).then("event_date").otherwise(pl.coalesce("agreed_on", "event_date"))
    return (
        dated.filter(known <= as_of)
        .drop("terminated_date")
        .sort("group_id", pl.coalesce("approved_date", "effective_date"), "recorded_at", "amendment_id", nulls_last=True)
        .with_columns(counted("group_id").cast(pl.Int32).alias("agreed_place"))
        .sort("group_id", "event_date", "approved_date", "recorded_at", "amendment_id", nulls_last=True)
        .with_columns(counted("group_id").cast(pl.Int32).alias("place"))
    )


def _signed_ahead(records: Records, amendments: pl.DataFrame) -> pl.DataFrame:
    """Return the amendments that only add promises of a later term at their standalone price: amendment_id, signed_ahead."""
    head = amendments.select("amendment_id", "approved_date", "setting.modification.ssp_tolerance")
    lines = records.frame("amendment_line").join(head, on="amendment_id", how="inner")
    options = records.frame("option")["exercised_line_id"].drop_nulls()
    tolerance = pl.coalesce("setting.modification.ssp_tolerance", pl.lit(0)).cast(pl.Decimal(38, 8))
    apart = (pl.col("amount") - pl.col("standalone_selling_price")).abs().cast(pl.Decimal(38, 8)) * 100
    alone = (
        (pl.col("action") == "add")
        & (pl.col("start_date") > pl.col("approved_date"))
        & (pl.col("amount") > 0)
        & (apart <= pl.col("standalone_selling_price").abs().cast(pl.Decimal(38, 8)) * tolerance)
        & pl.col("remaining_is_distinct").fill_null(value=True)
        & ~pl.col("contract_line_id").is_in(options.implode()).fill_null(value=False)
    )
    return lines.group_by("amendment_id").agg(alone.fill_null(value=False).all().alias("signed_ahead"))


@of_no("amendments")
def amended_lines(records: Records, amendments: pl.DataFrame) -> pl.DataFrame:
    """Return the lines of counted amendments with amendment, day and place; an added line without id bears the amendment line's."""
    lines = records.frame("amendment_line").with_columns(pl.coalesce("contract_line_id", "amendment_line_id").alias("contract_line_id"))
    lines = pl.concat([lines, _fees_moved(records, lines)], how="diagonal")
    lines = _without_claimed(lines, records, amendments)
    head = amendments.select(
        "amendment_id",
        "contract_id",
        "group_id",
        "event_date",
        "takes_effect",
        "agreed_on",
        "place",
        "agreed_place",
        pl.col("evidence").alias("amendment_evidence"),
        "description",
    )
    made = lines.join(head, on="amendment_id", how="inner").sort("group_id", "place", "contract_line_id", "amendment_line_id")
    # What was taken away stays so: a later change of it may still settle its price, and nothing else.
    gone = (pl.col("action") == "remove").cum_max().shift(1).over("contract_line_id").fill_null(value=False)
    return made.filter(~(gone & (pl.col("action") == "change") & says_no_price()))


def says_no_price() -> pl.Expr:
    """Tell whether an amendment line states nothing of its line's price."""
    return pl.all_horizontal(pl.col(name).is_null() for name in (*_OF_PRICE, "past_performance_amount"))


def _without_claimed(lines: pl.DataFrame, records: Records, amendments: pl.DataFrame) -> pl.DataFrame:
    """Take the price out of changes that nobody approved yet where an estimate began with them: it says what of it counts (25-11)."""
    claimed = amendments.filter(pl.col("status") == "draft").select("amendment_id", pl.col("effective_date").alias("→claimed"))
    estimates = records.frame("variable_estimate")
    if not claimed.height or not estimates.height:
        return lines
    began = estimates.group_by("contract_line_id").agg(pl.col("as_of_date").min().alias("→began"))
    asked = lines.join(claimed, on="amendment_id", how="left", maintain_order="left")
    asked = asked.join(began, on="contract_line_id", how="left", maintain_order="left")
    estimated = (pl.col("→began") == pl.col("→claimed")).fill_null(value=False)
    kept = (pl.when(~estimated).then(name).alias(name) for name in ("amount", "unit_price", "past_performance_amount"))
    return asked.with_columns(*kept).drop("→claimed", "→began")


def _fees_moved(records: Records, lines: pl.DataFrame) -> pl.DataFrame:
    """Return a change of every fee that is a percent of a line whose price an amendment changes, or that it takes away, where it does not
    name the fee itself."""
    fees = records.frame("contract_line").filter(pl.col("fee_on_line_id").is_not_null() & pl.col("fee_pct").is_not_null())
    if not fees.height or not lines.height:
        return lines.clear()
    is_priced = (pl.col("action") == "change") & pl.any_horizontal(pl.col(_OF_PRICE).is_not_null())
    priced = lines.filter(is_priced | (pl.col("action") == "remove"))
    on = fees.select(pl.col("contract_line_id").alias("→fee"), pl.col("fee_on_line_id").alias("contract_line_id"))
    moved = priced.join(on, on="contract_line_id", how="inner").select(
        pl.format("{}|{}", "amendment_line_id", "→fee").alias("amendment_line_id"),
        "amendment_id",
        pl.col("→fee").alias("contract_line_id"),
        "action",
        "remaining_is_distinct",
        "evidence",
    )
    return moved.join(lines, on=["amendment_id", "contract_line_id"], how="anti")


def line_terms(signed: pl.DataFrame, changes: pl.DataFrame) -> pl.DataFrame:
    """Return every line's values step by step: as signed (place 0), then after each amendment, with those before beside them.

    `signed`: the lines of `lines.line_frame`; an added line begins with its amendment. What changes on a line in another
    currency counts at the line's own rate, so that a change of price is none of rates. Columns: contract_line_id,
    group_id, contract_id, place, event_date, takes_effect, agreed_on, amendment_id, action, each field after, `before.<field>`,
    `stated.<field>` (what the step itself says of its amount or an estimate; null: nothing), and the amendment line's own
    remaining_is_distinct, remaining_standalone_selling_price, past_performance_amount.
    """
    keys = ["contract_line_id", "group_id", "contract_id"]
    head = ("event_date", "takes_effect", "agreed_on", "amendment_id", "amendment_line_id", "remaining_is_distinct",
            "remaining_standalone_selling_price", "past_performance_amount", "evidence", "amendment_evidence",
            "agreed_place")  # fmt: skip
    first = (
        signed.select(*keys, *TERM_FIELDS, pl.col("added_place").alias("place"))
        .with_columns(pl.when(pl.col("place") > 0).then(pl.lit("add")).otherwise(pl.lit("signed")).alias("action"))
        .join(
            changes.filter(pl.col("action") == "add")
            .unique(["contract_line_id", "place"], keep="first", maintain_order=True)
            .select("contract_line_id", "place", *head),
            on=["contract_line_id", "place"],
            how="left",
        )
    )
    later = _valued(changes.filter(pl.col("action") != "add").select(*keys, *TERM_FIELDS, "place", "action", *head), signed)
    known = later.join(signed.select("contract_line_id"), on="contract_line_id", how="semi")
    steps = pl.concat([first, known], how="diagonal").sort("contract_line_id", "place", "amendment_line_id", nulls_last=False)
    steps = as_approved(steps)
    steps = steps.with_columns(pl.col(name).alias(f"stated.{name}") for name in ("amount", *ESTIMATED_FIELDS))
    # A line that nothing changed has but one step: nothing to carry on, nothing before it.
    changed = pl.col("contract_line_id").is_duplicated()
    alone = steps.filter(~changed).with_columns(
        pl.lit(None, dtype=steps.schema[name]).alias(f"before.{name}") for name in TERM_FIELDS
    )
    return pl.concat([alone, _carried_on(steps.filter(changed))])


@of_nothing
def _carried_on(steps: pl.DataFrame) -> pl.DataFrame:
    """Let each step of a line keep what it leaves as it was, and bear what stood before it."""
    filled = steps.with_columns(carried(pl.col(name), "contract_line_id").alias(name) for name in TERM_FIELDS)
    return filled.with_columns(before(pl.col(name), "contract_line_id").alias(f"before.{name}") for name in TERM_FIELDS)


@of_nothing
def _valued(later: pl.DataFrame, signed: pl.DataFrame) -> pl.DataFrame:
    """Return changes of lines with their amounts and caps at the line's own rate, and the amount that a new price per unit gives."""
    if "is_foreign" in signed.columns:
        rates = signed.select("contract_line_id", "is_foreign", "line_rate", "line_rate_inverse", "minor_digits")
        later = at_line_rate(later.join(rates, on="contract_line_id", how="left"), _AMOUNTS).drop(rates.columns[1:])
    # A price per unit stated anew gives the amount where none is stated.
    priced = pl.when(pl.col("action") != "remove").then(worth_of_units())
    by_period = signed.filter(pl.col("pricing") == "periodic")["contract_line_id"]
    # What costs so much a month is priced by its months.
    priced = pl.when(~pl.col("contract_line_id").is_in(by_period.implode())).then(priced)
    ceilings = signed.filter(pl.col("amount") == pl.col("cap_amount"))["contract_line_id"]
    cap = cap_after(pl.col("contract_line_id").is_in(ceilings.implode()))
    return later.with_columns(cap.alias("cap_amount"), pl.coalesce("amount", priced).alias("amount"))


@of_no("lines")
def stated_estimates(terms: pl.DataFrame, lines: pl.DataFrame, field: str, name: str) -> pl.DataFrame:
    """Return what the steps of some lines themselves say of an estimate: contract_line_id, date, `name`, evidence.

    `field`: one of ESTIMATED_FIELDS. `lines`: contract_line_id, signed_date (the day of what a line was signed with).
    """
    return terms.join(lines.select("contract_line_id", "signed_date"), on="contract_line_id", how="inner").select(
        "contract_line_id", pl.coalesce("event_date", "signed_date").alias("date"), pl.col(f"stated.{field}").alias(name), "evidence"
    )
