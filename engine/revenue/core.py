"""The core of the revenue stage: from agreed records to obligations, atoms of revenue, price and modifications."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

import polars as pl

from engine.revenue.ahead import AHEAD, counted_at_once, waiting
from engine.revenue.allocation import POOLED, inception, without_discounts
from engine.revenue.amendments import amended_lines, counted_amendments, line_terms
from engine.revenue.changes import classified, distinctness_findings, removed_parts
from engine.revenue.concessions import expected_totals, levels_of_work, lowered, with_concessions
from engine.revenue.contracts import contract_frame, gate_findings
from engine.revenue.evolve import CHOICES, NUMBERS, Evolved, Happenings, evolve
from engine.revenue.exact import COEFFICIENT, wide
from engine.revenue.financed import contract_financing, discounted, promised_payments
from engine.revenue.financing import Financing
from engine.revenue.frames import setting
from engine.revenue.grades import weight_findings
from engine.revenue.happenings import (
    change_rows,
    deltas_of,
    ended_obligations,
    level_steps,
    option_parts,
    ordered_events,
    shared_levels,
    split_changes,
    split_observations,
    spread_discounts,
    starting_levels,
    terminations,
    told_ends,
)
from engine.revenue.hourly import rate_steps, with_rate_changes, with_rate_weights
from engine.revenue.lines import line_frame
from engine.revenue.measured import TERM, Measures, fiscal_periods
from engine.revenue.missing import input_findings, unpriced_work
from engine.revenue.observe import observations
from engine.revenue.opening import (
    agreed_before,
    as_opened,
    latest_openings,
    opened_groups,
    opening_findings,
    taken_over_changes,
    with_openings,
)
from engine.revenue.options import option_prices
from engine.revenue.outside import earned_outside, rounded
from engine.revenue.periods import period_frame
from engine.revenue.pricing import with_pooled, with_pricing
from engine.revenue.records import Records
from engine.revenue.renewals import with_renewals
from engine.revenue.settings import Versions
from engine.revenue.standalone import with_ssp
from engine.revenue.totals import total_findings
from engine.revenue.unjudged import (
    amendment_findings,
    hourly_rate_findings,
    package_findings,
    plan_findings,
    rate_findings,
    review_findings,
)
from engine.revenue.variable import price_levels
from engine.revenue.worked import counted_time, unit_prices, unvalued_work

_SETTINGS: Final = {
    "setting.progress.when_unmeasurable": "when_unmeasurable",
    "setting.breakage.mode": "breakage",
    "setting.accrual.unapproved_time": "accrual",
    "setting.cap.overrun": "overrun",
    "setting.accrual.unapproved_expenses": "accrual_expenses",
    "setting.allocation.ssp_range": "ssp_range",
    "setting.allocation.cost_plus_margin": "cost_plus_margin",
    "setting.progress.decimals": "decimals",
    "setting.progress.hours_weight": "hours_weight",
    "setting.rounding.schedule": "schedule",
    "setting.rounding.mode": "rounding_mode",
    "setting.allocation.method": "allocation_method",
    "setting.allocation.residual_to": "owner",
    "setting.modification.reallocation": "reallocation",
    "setting.modification.mixed": "mixed",
}


@dataclass(frozen=True, slots=True)
class Core:
    """Hold what the core made, by internal keys (`okey`); `books.py` tells it in the frames of the rooms."""

    contracts: pl.DataFrame
    lines: pl.DataFrame
    terms: pl.DataFrame
    levels: pl.DataFrame
    later: pl.DataFrame
    start: pl.DataFrame
    changes: pl.DataFrame
    obligations: pl.DataFrame
    evolved: Evolved
    measures: Measures
    outside: pl.DataFrame
    conceded: pl.DataFrame
    lowered: pl.DataFrame
    worked: pl.DataFrame
    ahead: pl.DataFrame
    periods: pl.DataFrame
    financing: Financing
    findings: tuple[pl.DataFrame, ...]
    as_of: dt.date


def run_core(records: Records, versions: Versions, as_of: dt.date) -> Core:
    """Compute every contract's revenue from its records, as of a day."""
    contracts = contract_frame(records, versions, as_of)
    openings = latest_openings(records, as_of)
    opened = opened_groups(openings, records, contracts)
    contracts = _in_force_when_taken_over(contracts, opened)
    counted = _counted(records, contracts, versions, as_of).join(opened, on="group_id", how="left", maintain_order="left")
    earlier = pl.concat([taken_over_changes(counted, openings, records), agreed_before(counted, contracts, records)]).unique("amendment_id")
    amendments = counted.join(earlier.select("amendment_id"), on="amendment_id", how="anti", maintain_order="left")
    records = as_opened(records, amended_lines(records, earlier))
    amended = amended_lines(records, amendments)
    lines, terms, changes = _promises(records, contracts, amended, versions, as_of)
    splits = split_changes(changes)
    periods = period_frame(records.frame("fiscal_period"), *_span(contracts, lines, terms, as_of))
    prices = unit_prices(terms)
    worked = counted_time(records, lines, prices, periods, as_of)
    rates = rate_steps(records, lines, terms, worked)
    changes = with_rate_changes(changes, rates)
    levels, of_work = levels_of_work(price_levels(records, contracts, lines, terms, worked, as_of), lines)
    financing = contract_financing(
        contracts,
        lines.filter(pl.col("added_place") == 0),
        records.frame("milestone"),
        promised_payments(contracts, records.frame("billing_plan_line"), records.frame("invoice"), records.frame("payment")),
        as_of,
        levels,
    )
    levels = discounted(levels, financing.prices)
    start, later = level_steps(levels, without_discounts(lines, terms), contracts)
    later = later.join(opened, on="group_id", how="left", maintain_order="left").filter(
        pl.col("opened_on").is_null() | (pl.col("date") > pl.col("opened_on"))
    )
    kept_terms = terms.join(splits.select("contract_line_id", "place"), on=["contract_line_id", "place"], how="anti")
    observed = split_observations(observations(records, lines, kept_terms, worked, as_of), splits)
    allocated = inception(lines, terms, contracts, _initial(lines, start), financing.prices)
    told = told_ends(contracts, amended, lines)
    ends = terminations(contracts, told, lines, records, as_of)
    events = ordered_events(amendments, later, ends)
    measures = Measures(observed, fiscal_periods(periods))
    states = with_openings(_states(allocated.obligations, lines, contracts), openings, lines, measures)
    added = _added(changes, splits, lines, start, records, states)
    touched = change_rows(spread_discounts(changes, states), kept_terms, lines, states)
    touched = pl.concat([touched, ended_obligations(ends, told, states, added)], how="diagonal")
    happenings = Happenings(events, deltas_of(later, events), touched, added)
    evolved = evolve(states.drop("opened_on", "opened"), happenings, measures)
    about = _about(states, added, contracts)
    first_lines = _obligation_terms(lines).select("okey", "line_id")
    outside = earned_outside(records, lines, worked, prices, allocated.obligations, first_lines, observed, contracts, periods, as_of)
    outside, conceded = with_concessions(outside, of_work, expected_totals(records, lines, terms), periods, as_of)
    outside = rounded(outside, lines)
    findings = (
        gate_findings(contracts),
        allocated.findings,
        distinctness_findings(changes),
        review_findings(lines),
        rate_findings(lines),
        unvalued_work(records, lines, worked, as_of),
        weight_findings(records, lines, worked),
        unpriced_work(records, lines, worked, as_of),
        plan_findings(records, contracts, terms, levels),
        amendment_findings(amendments, terms, contracts),
        total_findings(records, _as_signed(contracts, opened, earlier), lines, terms),
        opening_findings(openings, amendments, terms, contracts),
        hourly_rate_findings(terms, rates, contracts),
        package_findings(terms, contracts),
        input_findings(records, contracts, lines, levels, allocated.obligations),
    )
    return Core(
        contracts,
        lines,
        with_rate_weights(terms, changes, rates),
        levels,
        later,
        start,
        changes,
        about,
        evolved,
        measures,
        outside,
        conceded,
        lowered(records, contracts, lines),
        worked,
        pl.concat([waiting(amendments).select(list(AHEAD)), waiting(ends).select(list(AHEAD))]),
        periods,
        financing,
        findings,
        as_of,
    )


def _as_signed(contracts: pl.DataFrame, opened: pl.DataFrame, earlier: pl.DataFrame) -> pl.DataFrame:
    """Return the contracts whose lines stand as signed: not as taken over, nor as agreed by the day they became contracts."""
    return contracts.join(opened, on="group_id", how="anti").join(earlier, on="contract_id", how="anti")


def _counted(records: Records, contracts: pl.DataFrame, versions: Versions, as_of: dt.date) -> pl.DataFrame:
    """Return the amendments that count, each on its day: what each one is decides whether that is the day it was agreed on."""
    counted = counted_amendments(records, contracts, as_of)
    own = contracts.join(waiting(counted).select("group_id"), on="group_id", how="semi")
    if not own.height:
        return counted
    amended = amended_lines(records, counted.join(own.select("group_id").unique(), on="group_id", how="semi"))
    changes = _promises(records, own, amended, versions, as_of)[2]
    return counted_amendments(records, contracts, as_of, counted_at_once(changes, counted))


def _promises(
    records: Records, contracts: pl.DataFrame, amended: pl.DataFrame, versions: Versions, as_of: dt.date
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return the promises of contracts, treated and priced, their terms step by step, and what each change of them is."""
    lines = line_frame(records, contracts, amended, versions, as_of)
    lines = lines.join(
        contracts.select("contract_id", *(pl.col(name).alias(alias) for name, alias in _SETTINGS.items())), on="contract_id", how="left"
    )
    lines = with_ssp(with_pricing(_open_ended(lines, as_of), records), records, option_prices(records.frame("option")), as_of)
    lines = with_renewals(lines, contracts, records.frame("option"), as_of)
    terms = with_pooled(line_terms(lines, amended), lines)
    return lines, terms, removed_parts(classified(terms, lines, contracts, records, as_of), terms, lines)


def _open_ended(lines: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Give a promise by the month without an end the term that has passed: each month is a contract of its own."""
    open_ended = pl.col("ends").is_null() & pl.col("price_period").is_in(["month", "quarter", "year"])
    return lines.with_columns(pl.when(open_ended).then(pl.max_horizontal(pl.lit(as_of), "begins")).otherwise(pl.col("ends")).alias("ends"))


def _initial(lines: pl.DataFrame, start: pl.DataFrame) -> pl.DataFrame:
    keys = lines.filter(pl.col("added_place") == 0).select("okey", "group_id").unique()
    made = keys.join(starting_levels(start, 0), on=["okey", "group_id"], how="left").join(shared_levels(start), on="group_id", how="left")
    return made.with_columns(pl.col(name).fill_null(0) for name in ("own", "own_variable", "shared", "shared_variable"))


def _obligation_terms(lines: pl.DataFrame) -> pl.DataFrame:
    """Return by obligation how it is treated: of its lines the first that is measured and priced decides."""
    first = (
        lines.sort("okey", "is_as_invoiced", pl.col("pricing") == "usage", "contract_line_id")
        .group_by("okey", maintain_order=True)
        .agg(
            pl.col(
                "measure",
                "timing",
                "convention",
                "anchor_day",
                "service_start_at",
                "service_end_at",
                "calendar",
                "decimals",
                "owner",
                "reallocation",
                "mixed",
                "minor_digits",
                "rounding_mode",
                "offering",
                "loss_scope",
                "rule",
                "schedule",
                "role",
                "commission_pct",
            ).first(),
            pl.col("begins").min(),
            pl.col("ends").max(),
            pl.col("is_as_invoiced").all(),
            pl.col("contract_line_id").first().alias("line_id"),
            pl.col("repurchase_kind").is_not_null().any().alias("is_repurchase"),
            pl.col("pricing").eq("usage").any().alias("has_usage"),
        )
    )
    # What is fixed beside priced use is there to be used all the time.
    by_time = (pl.col("measure") == "usage") & pl.col("has_usage")
    return first.with_columns(
        pl.when(by_time).then(pl.lit("time_elapsed")).otherwise(pl.col("measure")).alias("measure"),
        (pl.col("rounding_mode") == "half_even").alias("half_even"),
    )


def _states(obligations: pl.DataFrame, lines: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    signed = contracts.group_by("group_id").agg(pl.col("signed_date").max().alias("signed_on"))
    untranslated = lines.filter("lacks_rate").select("group_id", pl.lit("exchange_rate_missing").alias("lacks")).unique()
    made = (
        obligations.drop("method", "evidence", "weight")
        .join(untranslated, on="group_id", how="left")
        .join(_obligation_terms(lines), on="okey", how="left")
        .join(signed, on="group_id", how="left")
    )
    zero = wide(0)
    return made.with_columns(
        zero.alias("m0"),
        zero.alias("u0"),
        zero.alias("w_base"),
        zero.alias("own_base"),
        wide(COEFFICIENT).alias("own_rem"),
        pl.col("stated").fill_null(0).alias("unserved"),
        pl.coalesce("lacks", "problem", pl.when("is_repurchase").then(pl.lit("repurchase_review"))).alias("problem"),
    ).select("okey", "group_id", "contract_id", "obligation_id", "line_id", "signed_on", *CHOICES, *NUMBERS, *TERM)


def _added(
    changes: pl.DataFrame, splits: pl.DataFrame, lines: pl.DataFrame, start: pl.DataFrame, records: Records, states: pl.DataFrame
) -> pl.DataFrame:
    """Return new obligations that amendments bring, as states with what their price is made of."""
    own = starting_levels(start, None).drop("group_id")
    terms = _obligation_terms(lines)
    fresh = changes.filter((pl.col("action") == "add") & ~pl.col("okey").is_in(states["okey"].implode()))
    fresh = fresh.join(
        lines.select("contract_line_id", pl.col("pricing").is_in(list(POOLED)).alias("is_pooled")), on="contract_line_id", how="left"
    )
    kind = pl.when((pl.col("kind") == "exercise").any()).then(pl.lit("exercise")).otherwise(pl.col("kind").first())
    bought = option_parts(records, lines)
    fresh = fresh.join(bought, on="contract_line_id", how="left")
    rows = (
        fresh.sort("place", "contract_line_id")
        .group_by("okey", maintain_order=True)
        .agg(
            pl.col("group_id", "contract_id", "obligation_id", "place", "option_okey", "part", "whole").first(),
            kind.alias("kind"),
            pl.col("price_change").sum(),
            pl.col("is_pooled").any(),
            pl.when(pl.col("ssp_change").is_not_null().any()).then(pl.col("ssp_change").sum()).alias("ssp"),
            pl.when(pl.col("gross").is_not_null().any()).then(pl.col("pooled").sum()).alias("stated"),
        )
    )
    rows = rows.join(terms, on="okey", how="left").join(own, on="okey", how="left")
    parts = (
        splits.select(
            pl.col("new_okey").alias("okey"),
            pl.col("okey").alias("from_okey"),
            "group_id",
            "contract_id",
            pl.col("new_obligation").alias("obligation_id"),
            "place",
            "kind",
            "price_change",
            pl.col("ssp_change").alias("ssp"),
            pl.col("price_change").alias("stated"),
            pl.lit(value=True).alias("is_pooled"),
            pl.when(pl.col("measure") == "time_elapsed").then(pl.col("before.end_date").dt.offset_by("1d")).alias("begins.own"),
            pl.col("end_date").alias("ends.own"),
        )
        .join(terms, left_on="from_okey", right_on="okey", how="left")
        .with_columns(pl.coalesce("begins.own", "begins").alias("begins"), pl.coalesce("ends.own", "ends").alias("ends"))
        .drop("begins.own", "ends.own", "from_okey")
    )
    return pl.concat([rows, parts], how="diagonal").with_columns(
        pl.col("own").fill_null(0),
        pl.col("own_variable").fill_null(0),
        wide(0).alias("w_rem"),
        pl.lit(None, dtype=pl.String).alias("problem"),
    )


def _about(states: pl.DataFrame, added: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Return per obligation what dates and posts its revenue; what is held has no gate date."""
    names = ["okey", "group_id", "contract_id", "obligation_id", "timing", "half_even", "minor_digits", "problem", "line_id", "measure"]
    both = pl.concat([states.select(*names, "opened_on", "opened"), added.select(names)], how="diagonal")
    head = contracts.select("contract_id", "calendar", "gate_date", "lost_date", setting("rounding.schedule").alias("schedule"))
    made = both.join(head, on="contract_id", how="left").with_columns(pl.col("opened").fill_null(0))
    return made.with_columns(pl.when(pl.col("problem").is_null()).then(pl.col("gate_date")).alias("gate_date"))


def _in_force_when_taken_over(contracts: pl.DataFrame, opened: pl.DataFrame) -> pl.DataFrame:
    """Let a contract that is taken over meet the criteria by then, whatever day its signature bears here."""
    made = contracts.join(opened, on="group_id", how="left", maintain_order="left")
    by_then = pl.when(pl.col("gate_date").is_not_null()).then(pl.min_horizontal("gate_date", "opened_on"))
    return made.with_columns(by_then.alias("gate_date")).select(contracts.columns)


def _span(contracts: pl.DataFrame, lines: pl.DataFrame, terms: pl.DataFrame, as_of: dt.date) -> tuple[dt.date, dt.date]:
    """Return the first and the last day of any contract or promise, as signed or as changed later."""
    named = [
        (frame, name)
        for frame, names in (
            (contracts, ("signed_date", "start_date")),
            (lines, ("begins", "ends")),
            (terms, ("start_date", "end_date", "event_date")),
        )
        for name in names
    ]
    days = [
        as_of,
        *(
            day
            for frame, name in named
            for day in (frame[name].min(), frame[name].max())
            if isinstance(day, dt.date)
        ),
    ]
    return min(days), max(days)
