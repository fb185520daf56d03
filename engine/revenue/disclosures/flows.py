"""The year's revenue by its sources: the opening liability, performance of earlier years, any dimension (606-10-50-5, 50-8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.canonical.schema import ENTITIES
from engine.nothing import of_nothing
from engine.revenue.arithmetic.asof import latest, running
from engine.revenue.arithmetic.bands import fiscal_year_start
from engine.revenue.arithmetic.numbers import FRACTION, ZERO, whole_number
from engine.revenue.arithmetic.rounding import round_share, units
from engine.revenue.arithmetic.runs import joined
from engine.revenue.disclosures.spans import with_spans
from engine.revenue.ground.frames import AT_A_POINT, BESIDE, CODE, ROYALTIES, TEXT, by_price, in_words

# What is asked of the revenue of a year.
_ASKED: Final = (
    "contract_id", "contract_line_id", "obligation_id", "posting_date", "relates_to_period", "nature", "timing", "amount",
    "catch_up_amount", "progress", "basis",
)  # fmt: skip

_HELD: Final = ["contract_liability", "remaining_obligation", "paid_ahead"]

NAMES: Final = ("disclosure", "contract_id", "band_start", "band_end", "dimension", "dimension_value", "amount", "currency")
"""Columns of the frames made here."""


def year_to_date(contracts: pl.DataFrame, as_of: pl.Expr, spans: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return per contract the fiscal year's first day and as_of: band_start, band_end; and its currency and digits.

    `spans`: of `fiscal_spans`.
    """
    years = contracts.select(
        "contract_id", "currency", "minor_digits", "calendar",
        fiscal_year_start(as_of, pl.col("fiscal_year_start")).alias("band_start"), as_of.alias("band_end"),
    )  # fmt: skip
    if spans is None or not spans.height:
        return years
    own = with_spans(years.with_columns(pl.lit("fiscal_year").alias("bands")), spans, "band_end")
    return own.with_columns(pl.coalesce("from", "band_start").alias("band_start")).select(years.columns)


def opening_liability_recognized(
    years: pl.DataFrame, performance: pl.DataFrame, prior: pl.DataFrame, liabilities: pl.DataFrame
) -> pl.DataFrame:
    """Return the year's revenue that stood in the contract liability when the year began (50-8(b)).

    The opening liability is used first: the lesser of it and the year's revenue. What is taken back of earlier years
    (`prior`: of `prior_period_performance`) was in no opening liability and lessens it by nothing. Work as invoiced is a receivable
    and used up only what was paid for it ahead. Use and royalties of the year were in no price when it began: they used up what the
    liability held beyond what remained of the price then.
    `liabilities`: contract_id, end_date, contract_liability (closing, positive), remaining_obligation, paid_ahead.
    """
    opening = latest(
        years.with_columns((pl.col("band_start") - pl.duration(days=1)).alias("end_date")), liabilities, by=["contract_id"],
        on="end_date", columns=_HELD,
    )  # fmt: skip
    return _used_first(opening.filter(pl.col("contract_liability") > 0), performance, prior)


@of_nothing
def _used_first(opening: pl.DataFrame, performance: pl.DataFrame, prior: pl.DataFrame) -> pl.DataFrame:
    """Return what the year's revenue used up of the liabilities of `opening` (rows of years with what they then held)."""
    timing = pl.col("timing").cast(TEXT).fill_null("")
    sums = [
        pl.col("amount").filter(is_such).sum().alias(name)
        for name, is_such in (("amount", ~timing.is_in(BESIDE)), ("→work", timing == "as_invoiced"), ("→use", timing.is_in(BESIDE[1:])))
    ]
    earned = _of_year(performance, opening).group_by("contract_id").agg(*sums, pl.col(_HELD).first())
    beyond = pl.max_horizontal(pl.col("contract_liability") - pl.col("remaining_obligation"), ZERO)
    ahead = pl.min_horizontal("→work", "paid_ahead") + pl.min_horizontal("→use", beyond)
    earned = earned.select("contract_id", pl.col("amount") + ahead)
    back = prior.filter(pl.col("amount") < 0).group_by("contract_id").agg(pl.col("amount").sum().alias("→back"))
    earned = earned.join(back, on="contract_id", how="left").with_columns(pl.col("amount") - pl.col("→back").fill_null(ZERO))
    found = opening.join(earned, on="contract_id", how="inner").with_columns(
        pl.max_horizontal(pl.min_horizontal("contract_liability", "amount"), ZERO).alias("amount")
    )  # fmt: skip
    return _told(found.filter(pl.col("amount") != 0), "opening_liability_recognized")


def prior_period_performance(
    years: pl.DataFrame, performance: pl.DataFrame, periods: pl.DataFrame, done_by_change: pl.DataFrame, observed: pl.DataFrame,
    modifications: pl.DataFrame,
) -> pl.DataFrame:  # fmt: skip
    """Return the year's revenue for what was performed before the year began (50-12A), by nature.

    A catch-up concerns all performance up to it; the part before the year is in the proportion of the progress made by then to that on
    the day of the change, which a change of the price tells, and of a modification `done_by_change`
    (`frames.DONE_BY_CHANGE`); else to that of the month before. Where the work is observed (`frames.OBSERVATIONS`) it is that work
    itself, which no new estimate of the whole changes. A fact that came late belongs to the period it relates to. A royalty is for the
    right as far as it passed (55-65): of one that passed before the year all of it, under the nature `royalty`. `modifications`:
    amendment_id, contract_id, obligation_id, which tell rights that were renewed.
    """
    of_right = pl.col("timing").cast(TEXT) == ROYALTIES[1]
    caught = _of_year(performance.filter((pl.col("catch_up_amount") != 0) & ~of_right), years)
    told = _of_earlier_performance(caught, performance, periods, done_by_change, observed)
    royalties = _of_rights_passed(_of_year(performance.filter(of_right), years), observed, modifications)
    return pl.concat([told, royalties]) if royalties.height else told


@of_nothing
def _of_rights_passed(sold: pl.DataFrame, observed: pl.DataFrame, modifications: pl.DataFrame) -> pl.DataFrame:
    """Return of royalties on what passes at a point in time the part for what passed before their year."""
    key = ["contract_id", "obligation_id"]
    passed = observed.filter(pl.col("to_date") > 0).select(*key, pl.col("date").alias("on"), "to_date")
    for name, day in (("→before", pl.col("band_start") - pl.duration(days=1)), ("→then", pl.col("posting_date"))):
        sold = latest(sold.with_columns(day.alias("on")), passed, by=key, on="on", columns=["to_date"]).rename({"to_date": name}).drop("on")
    # A sale under a right renewed is for that one, from the day on which the renewal passed.
    renewed = modifications.select(*key, pl.format("@{}", "amendment_id").alias("→of")).unique().filter(
        pl.col("obligation_id").str.ends_with(pl.col("→of"))
    )
    renewed = passed.join(renewed, on=key, how="inner").with_columns(
        pl.col("obligation_id").str.strip_suffix(pl.col("→of")), pl.col("on").alias("→renewed")
    )
    sold = latest(sold.with_columns(pl.col("posting_date").alias("on")), renewed, by=key, on="on", columns=["→renewed"])
    this_year = (pl.col("→renewed") >= pl.col("band_start")).fill_null(value=False)
    part = round_share(pl.col("amount"), pl.min_horizontal("→before", "→then"), pl.col("→then"), pl.col("minor_digits"))
    amount = pl.when(~this_year & pl.col("→before").is_not_null()).then(part).otherwise(ZERO)
    found = sold.with_columns(amount.cast(MONEY).alias("amount")).group_by("contract_id", "band_start", "band_end", "currency")
    of_right = [pl.lit("nature").alias("dimension"), pl.lit(ROYALTIES[0]).alias("dimension_value")]
    return _told(found.agg(pl.col("amount").sum()).filter(pl.col("amount") != 0).with_columns(of_right), "prior_period_performance")


@of_nothing
def _of_earlier_performance(
    caught: pl.DataFrame, performance: pl.DataFrame, periods: pl.DataFrame, done_by_change: pl.DataFrame, observed: pl.DataFrame
) -> pl.DataFrame:
    """Return the part of each catch-up that is for what was performed before its year."""
    key = ["contract_id", "obligation_id"]
    caught = caught.with_columns((pl.col("band_start") - pl.duration(days=1)).alias("opening_day")).join(
        periods.select("calendar", pl.col("period").cast(CODE).alias("relates_to_period"), pl.col("end_date").alias("relates_to_end")),
        on=["calendar", "relates_to_period"], how="left",
    )  # fmt: skip
    # What nothing caught up on tells nothing here.
    done = performance.lazy().filter(~pl.col("is_planned")).select(*key, "posting_date", "progress", "amount", "basis").collect()
    done = done.join(caught, on=key, how="semi", nulls_equal=True, maintain_order="left")
    seen = done.filter(pl.col("progress").is_not_null() & ~by_price()).group_by(*key, "posting_date").agg(pl.col("progress").last())
    seen = seen.with_columns(whole_number("progress", FRACTION))
    events = caught.with_columns(
        (pl.col("posting_date").dt.month_start() - pl.duration(days=1)).alias("before_day"),
        pl.when(by_price()).then("progress").alias("→own"), pl.col("posting_date").alias("on"),
        ((pl.col("nature") == "modification") & (pl.col("basis") == "progress")).alias("→changed"), pl.col("progress").alias("after"),
    ).drop("progress", "basis")  # fmt: skip
    of_change = done_by_change.filter(pl.col("nature") == "modification").rename({"date": "on"})
    # Of several changes of a month each is known by the progress it leads to.
    for by, name in (([*key, "after"], "→each"), (key, "→last")):
        events = latest(events, of_change.select(*by, "on", pl.col("progress").alias(name)), by=by, on="on", columns=[name])
    then = pl.coalesce("→own", pl.when("→changed").then(pl.coalesce("→each", "→last")))
    events = _with_work(events, done_by_change, observed, key).drop("on")
    events = events.with_columns(whole_number(then, FRACTION).alias("→then")).drop("→each", "→last", "after")
    # Progress where it is observed, else revenue: what was earned by each day tells how much was done.
    for name, day in (("by_opening", "opening_day"), ("by_event", "before_day")):
        asked = events.with_columns(pl.col(day).alias("on"))
        asked = latest(asked, seen.rename({"posting_date": "on"}), by=key, on="on", columns=["progress"])
        earned = done.select(*key, pl.col("posting_date").alias("on"), pl.col("amount").alias("earned"))
        asked = running(asked, earned, by=key, on="on", columns=["earned"])
        events = asked.rename({"progress": f"{name}_progress", "earned": f"{name}_earned"}).drop("on")
    events = events.with_columns(pl.coalesce("→then", "by_event_progress").alias("by_event_progress"))
    known = pl.col("by_opening_progress").is_not_null() & (pl.col("by_event_progress") > 0)
    part = pl.when(known).then(pl.col("by_opening_progress")).otherwise(units(pl.col("by_opening_earned")))
    whole = pl.when(known).then(pl.col("by_event_progress")).otherwise(units(pl.col("by_event_earned")))
    seen_work = (pl.col("work.opening").is_not_null() & (pl.col("work.event") > 0)).fill_null(value=False)
    part, whole = pl.when(seen_work).then("work.opening").otherwise(part), pl.when(seen_work).then("work.event").otherwise(whole)
    share = round_share(pl.col("of_before"), pl.min_horizontal(part, whole), whole, pl.col("minor_digits"))
    late = pl.when(pl.col("relates_to_end") < pl.col("band_start")).then(pl.col("catch_up_amount")).otherwise(ZERO)
    amount = pl.when(pl.col("nature").is_in(["out_of_period", "error"])).then(late).otherwise(share.fill_null(ZERO))
    found = (
        events.with_columns(amount.cast(MONEY).alias("amount"))
        .group_by("contract_id", "band_start", "band_end", "currency", "nature").agg(pl.col("amount").sum())
        .filter(pl.col("amount") != 0)
        .rename({"nature": "dimension_value"}).with_columns(pl.col("dimension_value").cast(TEXT), pl.lit("nature").alias("dimension"))
    )  # fmt: skip
    return _told(found, "prior_period_performance")


def _with_work(events: pl.DataFrame, done_by_change: pl.DataFrame, observed: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Add to catch-ups the work done by the opening of their year and by the change (`work.opening`, `work.event`), where observed.

    A change of the price is known by the progress it finds, one of the measure by the progress it leads to; a new estimate
    of the whole alone concerns what was done before its month.
    """
    found = done_by_change.select(*key, pl.col("date").alias("on"), "progress", "after", pl.col("done").alias("→found"), "done_after")
    by_price = events.with_columns(pl.col("→own").alias("progress"))
    by_price = latest(by_price, found.select(*key, "on", "progress", "→found"), by=[*key, "progress"], on="on", columns=["→found"])
    led = found.select(*key, "on", "after", pl.col("→found").alias("→led"), pl.col("progress").alias("→from"), "done_after")
    events = latest(by_price.drop("progress"), led, by=[*key, "after"], on="on", columns=["→led", "→from", "done_after"])
    seen = observed.select(*key, pl.col("date").alias("on"), pl.col("to_date").alias("→work"))
    for name, day in (("work.opening", "opening_day"), ("→before", "before_day")):
        asked = latest(events.rename({"on": "→on"}).with_columns(pl.col(day).alias("on")), seen, by=key, on="on", columns=["→work"])
        events = asked.drop("on").rename({"→work": name, "→on": "on"})
    is_price = pl.col("→own").is_not_null()
    event = pl.when(is_price).then("→found").otherwise(pl.coalesce("→led", pl.when(~pl.col("→changed")).then("→before")))
    # So large that the product with an amount would not fit.
    cut = pl.when(pl.max_horizontal(event, "work.opening") >= 10**15).then(10**8).otherwise(1)
    made = events.with_columns(
        (event // cut).alias("work.event"), (pl.col("work.opening") // cut).alias("work.opening"), _of_work_before().alias("of_before")
    )
    return made.drop("→found", "→led", "→from", "→before", "done_after")


def _of_work_before() -> pl.Expr:
    """Return what of a catch-up concerns the work of before its day: what a report of that day adds is none of earlier years'."""
    was, now = whole_number("→from", FRACTION), whole_number("after", FRACTION)
    of_before = now * pl.col("→led") // pl.when(pl.col("done_after") > 0).then(pl.col("done_after"))
    moved = pl.when(now != was).then(now - was)
    part = (units(pl.col("catch_up_amount")) * (of_before - was) // moved).reinterpret(dtype=MONEY)
    adds = pl.col("→changed") & (pl.col("done_after") != pl.col("→led"))
    return pl.when(adds).then(pl.coalesce(part, "catch_up_amount")).otherwise("catch_up_amount")


def disaggregated(
    years: pl.DataFrame, contracts: pl.DataFrame, performance: pl.DataFrame, golden: Mapping[str, pl.DataFrame]
) -> pl.DataFrame:
    """Return the year's revenue by every path of the policy's `disclosure.disaggregate_by` (50-5).

    A path is `timing`, a field of the line, else of the contract (`service_line`, `legal_entity_id`), or one
    reached through a reference of either (`customer.country`, `project.manager`). Revenue of which the field is
    blank stands under a null value, so that every dimension sums to the whole. `golden`: frames by entity.
    """
    elected = contracts.select("contract_id", pl.col("setting.disclosure.disaggregate_by").alias("dimension"))
    paths = elected["dimension"].explode(empty_as_null=True, keep_nulls=True).drop_nulls().unique().sort()
    year = ("contract_id", "contract_line_id", "timing", "band_start", "band_end", "currency")
    earned = in_words(_of_year(performance, years).group_by(year).agg(pl.col("amount").sum()))
    made = [_by_path(path, earned, elected, golden) for path in paths]
    empty = pl.DataFrame(schema={"disclosure": pl.String, **{name: earned.schema.get(name, pl.String) for name in NAMES[1:]}})
    return pl.concat([empty.select(NAMES).cast({"amount": MONEY}), *made])


def _by_path(path: str, earned: pl.DataFrame, elected: pl.DataFrame, golden: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    chosen = elected.filter(pl.col("dimension").list.contains(path)).select("contract_id")
    rows = earned.join(chosen, on="contract_id", how="semi")
    valued = rows.with_columns(pl.col("timing").alias("dimension_value")) if path == "timing" else _valued(path, rows, golden)
    if path == "timing":
        # Work by the hour, use and royalties have the timing of their promise: the finer kinds are the engine's own.
        finer = pl.col("dimension_value").is_in(BESIDE)
        at_once = pl.col("dimension_value").str.ends_with(AT_A_POINT)
        over = (
            pl.when(finer & at_once).then(pl.lit("point_in_time"))
            .when(finer).then(pl.lit("over_time"))
            .otherwise(pl.col("dimension_value"))
        )  # fmt: skip
        valued = valued.with_columns(over.alias("dimension_value"))
    found = valued.group_by("contract_id", "band_start", "band_end", "currency", "dimension_value").agg(pl.col("amount").sum())
    return _told(found.with_columns(pl.lit(path).alias("dimension")), "disaggregation")


def _valued(path: str, rows: pl.DataFrame, golden: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Add the value of a canonical path, from the line or the contract, followed through references."""
    steps = path.split(".")
    if len(steps) > 1 and steps[0] in ("contract", "contract_line"):
        at, steps = steps[0], steps[1:]
    else:
        wanted = f"{steps[0]}_id" if len(steps) > 1 else steps[0]
        at = "contract_line" if wanted in ENTITIES["contract_line"].fields else "contract"
    # What a line does not say of itself its contract says.
    if path in ENTITIES["contract_line"].fields and path in ENTITIES["contract"].fields:
        own = _looked_up(rows.with_columns(pl.col("contract_line_id").alias("at.key")), golden.get(at), f"{at}_id", path, "at.own")
        whole = own.with_columns(pl.col("contract_id").alias("at.key"))
        found = _looked_up(whole, golden.get("contract"), "contract_id", path, "dimension_value")
        return found.with_columns(pl.coalesce("at.own", "dimension_value").alias("dimension_value")).drop("at.own", "at.key", strict=False)
    found, key = rows.with_columns(pl.col(f"{at}_id").alias("at.key")), f"{at}_id"
    for step in steps[:-1]:
        found = _looked_up(found, golden.get(at), key, f"{step}_id", "at.key")
        at, key = step, f"{step}_id"
    return _looked_up(found, golden.get(at), key, steps[-1], "dimension_value").drop("at.key", strict=False)


def _looked_up(rows: pl.DataFrame, records: pl.DataFrame | None, key: str, field: str, name: str) -> pl.DataFrame:
    if records is None or field not in records.columns or key not in records.columns:
        return rows.with_columns(pl.lit(None, dtype=pl.String).alias(name))
    values = records.select(pl.col(key).alias("at.key"), pl.col(field).cast(pl.String).alias("at.value")).unique("at.key", keep="first")
    return rows.join(values, on="at.key", how="left", maintain_order="left").with_columns(pl.col("at.value").alias(name)).drop("at.value")


@of_nothing
def _of_year(performance: pl.DataFrame, years: pl.DataFrame) -> pl.DataFrame:
    first = pl.lit(years["band_start"].min(), dtype=pl.Date)
    in_year = ~pl.col("is_planned") & (pl.col("posting_date") >= first)
    done = performance.lazy().filter(in_year).select([name for name in performance.columns if name in _ASKED]).collect()
    rows = joined(done, years, "contract_id")
    return rows.filter(pl.col("posting_date").is_between(pl.col("band_start"), pl.col("band_end")))


@of_nothing
def _told(found: pl.DataFrame, disclosure: str) -> pl.DataFrame:
    """Return the frame in the common columns, under the disclosure's name."""
    blank = [pl.lit(None, dtype=pl.String).alias(name) for name in ("dimension", "dimension_value") if name not in found.columns]
    return found.with_columns(*blank, pl.lit(disclosure).alias("disclosure")).select(NAMES)
