"""Fees due: the lines of billing plans, prices by the period, fees spread over a term, billing by progress.

A fee that stands in no plan is made here in the shape of a plan line; its id is the contract line
and the period it begins in (`L1|2026-03`). Made fees go no further than the as-of date.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import polars as pl

from engine.billing.amended import amended_parts, amended_prices, fee_steps
from engine.billing.money import product
from engine.billing.references import frame_of
from engine.canonical.kinds import MONEY
from engine.minor_units import rounded_money
from engine.nothing import of_no, of_nothing
from engine.policy.kinds.billing import BillingSettings

_SPREAD: Final = ("retainer", "subscription", "managed_service")
_MONTHS: Final = {"month": 1, "quarter": 3, "year": 12}
_EVERY: Final = {
    "monthly": 1, "month": 1, "quarterly": 3, "quarter": 3, "semiannually": 6, "annually": 12, "annual": 12, "yearly": 12, "year": 12,
    "once": 12_000,
}  # fmt: skip
"""Months between the fees of a contract that is billed so often; once: more than any term has."""
_EXACT: Final = pl.Decimal(38, 18)


def fee_frame(frames: Mapping[str, pl.LazyFrame], settings: BillingSettings, as_of: dt.date) -> pl.LazyFrame:
    """Return every fee as a plan line, with `item_type` saying whether a plan holds it or it is made here."""
    plan = frame_of(frames, "billing_plan_line").with_columns(pl.lit("billing_plan_line").alias("item_type"))
    lines, steps = _lines(frames), fee_steps(frames, as_of)
    made = [_by_period(lines, steps, settings), _spread(lines, steps, settings), _by_progress(lines, steps, frames, settings, as_of)]
    fees = pl.concat(made).filter(pl.col("due_date") <= as_of)
    return pl.concat([plan, _as_plan_lines(fees, plan.collect_schema()).lazy()])


def _as_plan_lines(fees: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    shaped = fees.with_columns(pl.lit("fee").alias("item_type"))
    return shaped.select(
        (pl.col(name) if name in shaped.columns else pl.lit(None)).cast(dtype).alias(name) for name, dtype in schema.items()
    )


def _lines(frames: Mapping[str, pl.LazyFrame]) -> pl.DataFrame:
    """Return the contract lines that no plan bills, with their contract's terms and their own last day (`agreed_end`)."""
    contracts = frame_of(frames, "contract").select(
        "contract_id", "billing_frequency", "terminated_date", pl.col("currency").alias("→currency")
    )
    planned = frame_of(frames, "billing_plan_line").select("contract_line_id").drop_nulls()
    kept = frame_of(frames, "contract_line").join(planned, on="contract_line_id", how="anti", maintain_order="left")
    joined = kept.join(contracts, on="contract_id", how="left", maintain_order="left")
    return joined.with_columns(
        pl.coalesce("currency", "→currency").alias("currency"), pl.min_horizontal("end_date", "terminated_date").alias("end_date"),
        pl.col("end_date").alias("agreed_end"),
    ).collect()  # fmt: skip


def _by_period(lines: pl.DataFrame, steps: pl.DataFrame, settings: BillingSettings) -> pl.DataFrame:
    """Return the fees of lines that have a price by the month, quarter or year, or once."""
    method = pl.col("billing_method").is_null() | (pl.col("billing_method") == "schedule")
    priced = lines.filter(
        pl.col("price_period").is_not_null() & pl.col("unit_price").is_not_null() & pl.col("start_date").is_not_null() & method
    )
    price = product(pl.coalesce(pl.col("quantity"), pl.lit(1)), pl.col("unit_price")).alias("→price")
    once = priced.filter(pl.col("price_period") == "once").with_columns(price)
    single = once.with_columns(pl.col("start_date").alias("→from"), pl.col("start_date").alias("→to"), pl.col("→price").alias("→fee"))
    running = amended_prices(priced.filter((pl.col("price_period") != "once") & pl.col("agreed_end").is_not_null()), steps)
    parts = _segments(running, pl.col("price_period").replace_strict(_MONTHS, default=1, return_dtype=pl.Int64))
    portions = parts.with_columns((pl.col("→price") * _portion(settings.proration)).alias("→fee"))
    summed = portions.group_by("contract_line_id", "→first", maintain_order=True).agg(
        pl.col("→from").min(), pl.col("→to").max(), pl.col("→fee").sum(), pl.col("contract_id", "currency", "evidence").first()
    )
    whole = pl.concat([_fees(single, settings), _fees(summed, settings)])
    return whole.filter(pl.col("amount") != 0)


@of_nothing
def _segments(lines: pl.DataFrame, months: pl.Expr) -> pl.DataFrame:
    """Cut each line's term into its price periods: calendar months, or quarters and years from its start."""
    monthly = months == 1
    begin = pl.col("→begin" if "→begin" in lines.columns else "start_date")
    anchor = pl.when(monthly).then(begin.dt.month_start()).otherwise(begin)
    ordered = lines.filter(pl.col("start_date") <= pl.col("end_date")).with_columns(months.alias("→months"), anchor.alias("→anchor"))
    count = (
        (pl.col("end_date").dt.year() - pl.col("→anchor").dt.year()) * 12 + pl.col("end_date").dt.month() - pl.col("→anchor").dt.month()
    ) // pl.col("→months") + 1
    cut = ordered.with_columns(pl.int_ranges(0, count).alias("→step")).explode("→step")
    first = pl.col("→anchor").dt.offset_by(pl.format("{}mo", pl.col("→step") * pl.col("→months")))
    after = pl.col("→anchor").dt.offset_by(pl.format("{}mo", (pl.col("→step") + 1) * pl.col("→months")))
    bounded = cut.with_columns(first.alias("→first"), (after - pl.duration(days=1)).cast(pl.Date).alias("→last"))
    return bounded.with_columns(
        pl.max_horizontal("→first", "start_date").alias("→from"), pl.min_horizontal("→last", "end_date").alias("→to")
    ).filter(pl.col("→from") <= pl.col("→to"))


def _portion(proration: str) -> pl.Expr:
    """Return which part of its price a period is charged, by the policy's convention."""
    days = (pl.col("→to") - pl.col("→from")).dt.total_days() + 1
    whole_days = (pl.col("→last") - pl.col("→first")).dt.total_days() + 1
    is_whole = days == whole_days
    monthly = pl.col("→months") == 1
    cut_first, cut_last = pl.col("→from") > pl.col("→first"), pl.col("→to") < pl.col("→last")
    thirty = (
        pl.min_horizontal(pl.col("→to").dt.day(), 30).cast(pl.Int64) - pl.min_horizontal(pl.col("→from").dt.day(), 30).cast(pl.Int64) + 1
    )
    actual = _ratio(days, whole_days)
    by_name = {
        "actual_days": actual, "monthly_even": actual, "none": _ratio(pl.lit(1), pl.lit(1)),
        "thirty_day": pl.when(monthly).then(_ratio(pl.min_horizontal(days, pl.lit(30)), pl.lit(30))).otherwise(actual),
        "thirty_360": pl.when(monthly).then(_ratio(thirty, pl.lit(30))).otherwise(actual),
        "even_no_partial_first": _ratio(pl.when(cut_first).then(0).otherwise(1), pl.lit(1)),
        "even_no_partial_last": _ratio(pl.when(cut_last).then(0).otherwise(1), pl.lit(1)),
    }  # fmt: skip
    if proration == "actual_365":
        return _ratio(days * 12, pl.lit(365) * pl.col("→months"))
    return pl.when(is_whole).then(_ratio(pl.lit(1), pl.lit(1))).otherwise(by_name[proration])


def _ratio(above: pl.Expr, below: pl.Expr) -> pl.Expr:
    return above.cast(pl.Int64).cast(_EXACT) / below.cast(pl.Int64).cast(_EXACT)


def _spread(lines: pl.DataFrame, steps: pl.DataFrame, settings: BillingSettings) -> pl.DataFrame:
    """Return the fees of retainers and the like whose amount is billed in equal parts over their term."""
    every = pl.col("billing_frequency").str.to_lowercase().replace_strict(_EVERY, default=None, return_dtype=pl.Int64)
    method = pl.col("billing_method").is_null() | (pl.col("billing_method") == "schedule")
    terms = lines.filter(
        pl.col("offering").is_in(_SPREAD) & pl.col("amount").is_not_null() & pl.col("price_period").is_null() & method
        & pl.col("start_date").is_not_null() & pl.col("agreed_end").is_not_null()
    ).with_columns(every.alias("→every"), pl.col("start_date").alias("→begin")).filter(pl.col("→every").is_not_null())  # fmt: skip

    def parts_of(state: pl.DataFrame, before: pl.Expr | None) -> pl.DataFrame:
        cut = _segments(state, pl.lit(1, dtype=pl.Int64))
        if before is not None:
            cut = cut.filter(pl.col("→from") < before).with_columns(pl.min_horizontal("→to", before - pl.duration(days=1)).alias("→to"))
        return cut.with_columns(_portion(settings.proration).alias("→weight"))

    key = "contract_line_id"
    parts = amended_parts(terms, steps, parts_of, settings.extension).group_by(key, "→step").agg(
        pl.col("→fee").sum(), pl.col("→from").min(), pl.col("→to").max(), pl.col("→every", "contract_id", "currency", "evidence").first()
    ).sort(key, "→step")  # fmt: skip
    upto = rounded_money(pl.col("→fee").cum_sum().over(key, order_by="→step").round(12), pl.col("currency"), settings.rounding)
    stepped = parts.with_columns(upto.alias("→upto"), (pl.col("→step") // pl.col("→every")).alias("→group"))
    grouped = stepped.group_by(key, "→group", maintain_order=True).agg(
        pl.col("→from").first(), pl.col("→to").last(), pl.col("→upto").last(),
        pl.col("contract_id", "currency", "evidence").first(),
    )  # fmt: skip
    own = pl.col("→upto") - pl.col("→upto").shift(1).over(key, order_by="→group").fill_null(0)
    return _fees(grouped.with_columns(own.cast(_EXACT).alias("→fee")), settings)


def _by_progress(
    lines: pl.DataFrame, steps: pl.DataFrame, frames: Mapping[str, pl.LazyFrame], settings: BillingSettings, as_of: dt.date
) -> pl.DataFrame:  # fmt: skip
    """Return what progress entitles to: each period the part of the line's amount, as it then was, that it added."""
    billed = lines.filter((pl.col("billing_method") == "percent_complete") & pl.col("amount").is_not_null())
    return _by_reports(billed, steps, frames, settings, as_of)


@of_no("billed")
def _by_reports(
    billed: pl.DataFrame, steps: pl.DataFrame, frames: Mapping[str, pl.LazyFrame], settings: BillingSettings, as_of: dt.date
) -> pl.DataFrame:  # fmt: skip
    """Return the fees of lines that are billed by progress.

    A report that estimates nothing anew is read by the estimate before it, else by the line's own.
    """
    seen = frame_of(frames, "progress").filter(pl.col("as_of_date") <= as_of).collect()
    key, own = "contract_line_id", {"estimated_total_cost": "estimated_cost", "estimated_total_hours": "estimated_hours"}
    seen = seen.join(billed.select(key, *own.values()), on=key, how="inner").sort(key, "as_of_date", "progress_id")
    seen = seen.with_columns(pl.coalesce(pl.col(name).forward_fill().over(key), line).alias(name) for name, line in own.items())
    unused = pl.col("uninstalled_cost").fill_null(0) + pl.col("wasted_cost").fill_null(0)
    spent, whole = pl.col("cost_to_date") - unused, pl.col("estimated_total_cost") - unused
    done = pl.coalesce(
        pl.col("percent_complete").cast(_EXACT) / pl.lit(Decimal(100), dtype=_EXACT),
        spent.cast(_EXACT) / pl.when(whole != 0).then(whole).cast(_EXACT),
        pl.col("hours_to_date").cast(_EXACT)
        / pl.when(pl.col("estimated_total_hours") != 0).then(pl.col("estimated_total_hours")).cast(_EXACT),
    )
    states = seen.select("contract_line_id", "as_of_date", "progress_id", done.alias("→done"), pl.col("evidence").alias("→seen"))
    dated = billed.join(states.filter(pl.col("→done") >= 0), on="contract_line_id", how="inner")
    month = pl.col("as_of_date").dt.strftime("%Y-%m").alias("→month")
    last = dated.sort("contract_line_id", "as_of_date", "progress_id").group_by("contract_line_id", month, maintain_order=True).last()
    moved = steps.filter(pl.col("→to.amount").is_not_null()).select("contract_line_id", pl.col("→day").alias("as_of_date"), "→to.amount")
    last = last.sort("as_of_date").join_asof(moved.sort("as_of_date"), on="as_of_date", by="contract_line_id", check_sortedness=False)
    last = last.with_columns(pl.coalesce("→to.amount", "amount").alias("amount")).sort("contract_line_id", "as_of_date")
    upto = rounded_money(
        product(pl.col("amount"), pl.min_horizontal(pl.col("→done"), pl.lit(Decimal(1), dtype=_EXACT))),
        pl.col("currency"),
        settings.rounding,
    )
    before = upto.shift(1).over("contract_line_id", order_by="as_of_date").fill_null(0)
    found = last.with_columns(
        (upto - before).cast(_EXACT).alias("→fee"), pl.col("as_of_date").alias("→from"), pl.col("as_of_date").alias("→to"),
        pl.concat_list("evidence", "→seen").alias("evidence"),
    )  # fmt: skip
    return _fees(found, settings).filter(pl.col("amount") != 0)


@of_nothing
def _fees(parts: pl.DataFrame, settings: BillingSettings) -> pl.DataFrame:
    due = pl.col("→from") if settings.fee_due == "in_advance" else pl.col("→to")
    made = parts.select(
        pl.format("{}|{}", "contract_line_id", pl.col("→from").dt.strftime("%Y-%m")).alias("plan_line_id"), "contract_id",
        "contract_line_id", due.alias("due_date"), rounded_money(pl.col("→fee"), pl.col("currency"), settings.rounding).alias("amount"),
        "currency", "evidence",
    )  # fmt: skip
    assert made.schema["amount"] == MONEY
    return made
