"""The core of the revenue stage: from agreed records to obligations, atoms of revenue, price and modifications."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import polars as pl

from engine.revenue.agreed import Agreed, agree
from engine.revenue.arithmetic.runs import without
from engine.revenue.contracts.gate import gate_findings, judgement_findings
from engine.revenue.controls.agreements import combination_findings, unapplied_findings
from engine.revenue.controls.milestones import milestone_findings
from engine.revenue.controls.missing import input_findings, unearned_work, unpriced_work
from engine.revenue.controls.strays import unplaced_expenses, unplaced_work, work_not_agreed
from engine.revenue.controls.totals import quantity_findings, total_findings
from engine.revenue.controls.unjudged import (
    amendment_findings,
    cap_findings,
    crossing_findings,
    hourly_rate_findings,
    package_findings,
    plan_findings,
    rate_findings,
    review_findings,
    stated_rate_findings,
)
from engine.revenue.ground.blocks import beside
from engine.revenue.ground.records import Records
from engine.revenue.ground.settings import Versions
from engine.revenue.modifications.ahead import AHEAD, waiting
from engine.revenue.modifications.changes import distinctness_findings, unshared_findings
from engine.revenue.modifications.evolve import Happenings, evolve
from engine.revenue.modifications.happenings import (
    change_rows,
    credits_as_changes,
    deltas_of,
    goes_first,
    level_steps,
    ordered_events,
    spread_discounts,
    with_work_left,
)
from engine.revenue.modifications.kept import paid_on_lines
from engine.revenue.modifications.noted import Evolved
from engine.revenue.modifications.opening import over_promises, with_openings
from engine.revenue.modifications.opening_findings import held_change_findings, unopened_findings
from engine.revenue.modifications.promised import with_orders, with_since
from engine.revenue.modifications.splits import (
    BY_UNIT,
    adds_apart,
    over_parts,
    over_unit_parts,
    split_observations,
    unit_parts,
    with_renewed_rights,
)
from engine.revenue.modifications.states import about_obligations, added_states, initial_levels, obligation_terms, states_as_signed
from engine.revenue.modifications.terminations import ended_obligations, ending_obligations, terminations, told_ends, with_own_levels
from engine.revenue.price.advances import cash_of_contracts, once_paid
from engine.revenue.price.allocation import Allocated, inception, without_borne
from engine.revenue.price.concessions import expected_totals, levels_of_work, lowered, with_concessions
from engine.revenue.price.fees import with_fee_progress, with_fee_steps
from engine.revenue.price.financed import asking_financing, contract_financing, discounted, promised_payments
from engine.revenue.price.financing import Financing
from engine.revenue.price.hourly import rate_steps, with_rate_changes, with_rate_weights
from engine.revenue.price.variable import price_levels
from engine.revenue.progress.grades import weight_findings
from engine.revenue.progress.last_days import last_days, paid_within
from engine.revenue.progress.leaving import estimates_of_leaving, leaving_findings, with_own_remains
from engine.revenue.progress.measured import Measures, fiscal_periods
from engine.revenue.progress.observe import observations
from engine.revenue.progress.opened import with_taken_over
from engine.revenue.progress.outside import earned_outside, rounded, royalties_to_come
from engine.revenue.progress.worked import counted_time, dated_caps, unit_prices, unvalued_work


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
    to_come: pl.DataFrame
    conceded: pl.DataFrame
    lowered: pl.DataFrame
    worked: pl.DataFrame
    ahead: pl.DataFrame
    folded: pl.DataFrame
    known: pl.DataFrame
    periods: pl.DataFrame
    financing: Financing
    findings: tuple[pl.DataFrame, ...]
    as_of: dt.date


def run_core(records: Records, versions: Versions, as_of: dt.date, verdicts: pl.DataFrame | None = None) -> Core:
    """Compute every contract's revenue from its records, as of a day; `verdicts` on opening positions as in `opening.with_openings`."""
    agreed = agree(records, versions, as_of)
    priced = _priced(agreed)
    lines, terms, contracts = agreed.lines, agreed.terms, agreed.contracts
    openings = over_promises(agreed.openings, without_borne(lines, terms)) if agreed.openings.height else agreed.openings
    apart = agreed.changes.filter(adds_apart())
    kept_terms = without(terms, apart, "contract_line_id", "place")
    # Units added as contracts of their own count as promised; `split_observations` tells them apart.
    by_units = without(terms, apart.filter(~pl.col("measure").is_in(BY_UNIT)), "contract_line_id", "place")
    allocated, observed = beside(
        lambda: inception(lines, terms, contracts, initial_levels(lines, priced.start, priced.later), priced.financing.prices),
        lambda: _observed(agreed, priced, by_units, openings),
    )
    later_units = unit_parts(observed, priced.changes, agreed.splits, lines, agreed.amendments)
    observed = split_observations(with_renewed_rights(observed, agreed.splits, as_of), agreed.splits, later_units)
    measures = Measures(observed, fiscal_periods(agreed.periods))
    states = with_openings(states_as_signed(allocated.obligations, lines, contracts), openings, lines, measures, verdicts)
    told = told_ends(agreed.contracts, agreed.amended, agreed.lines)
    changes = credits_as_changes(priced.changes, states, told)
    added = added_states(changes, agreed.splits, lines, priced.start, agreed.records, states)
    leaving = estimates_of_leaving(agreed.records, lines, kept_terms, priced.worked)
    happenings, ahead = _happenings(agreed, priced, told, with_own_remains(changes, leaving), states, added, kept_terms, later_units)
    evolved, ((outside, to_come, conceded), findings) = beside(
        lambda: evolve(states.drop("opened_on", "opened", "runs_on"), happenings, measures),
        lambda: (_earned_outside(agreed, priced, by_units, allocated.obligations, observed), _findings(agreed, priced, allocated)),
    )
    return Core(
        contracts, lines,
        with_rate_weights(terms, priced.changes, priced.rates),
        priced.levels,
        priced.later,
        priced.start,
        priced.changes,
        about_obligations(states, added, allocated.obligations, contracts),
        evolved,
        measures,
        outside,
        to_come,
        conceded,
        lowered(agreed.records, contracts, lines),
        priced.worked,
        ahead,
        agreed.folded,
        agreed.amendments.select("amendment_id", "known_at"),
        agreed.periods,
        priced.financing,
        (*findings, *_findings_of_states(agreed, states, evolved), leaving_findings(leaving, observed, lines)),
        as_of,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Priced:
    """Hold what promises cost the customer, and the work that tells it.

    `prices`: unit prices by line and day. `last`: the last day of lines that end ahead (`last_days`). `every`: the time on record that
    counts, `worked`: without that of after those days. `rates`: steps of hourly rates. `changes`: those agreed, with
    the price of new rates. `levels`: amounts in the price by day, `of_work`: those of work as invoiced. `start`, `later`: what of the
    levels is there at inception, and what comes.
    """

    prices: pl.DataFrame
    last: pl.DataFrame
    every: pl.DataFrame
    worked: pl.DataFrame
    rates: pl.DataFrame
    changes: pl.DataFrame
    levels: pl.DataFrame
    of_work: pl.DataFrame
    financing: Financing
    start: pl.DataFrame
    later: pl.DataFrame


def _priced(agreed: Agreed) -> _Priced:
    records, contracts, lines, terms, as_of = agreed.records, agreed.contracts, agreed.lines, agreed.terms, agreed.as_of
    prices = unit_prices(terms)
    last = last_days(lines, terms, contracts)
    every = counted_time(records, lines, prices, agreed.periods, as_of)
    worked = paid_within(every, lines, last)
    rates = with_fee_steps(rate_steps(records, lines, terms, worked), lines)
    levels, of_work = levels_of_work(price_levels(records, contracts, lines, terms, worked, as_of), lines)
    as_signed = lines.filter(pl.col("added_place") == 0)
    asking = asking_financing(contracts, as_signed)
    financing = contract_financing(
        asking,
        as_signed,
        records.frame("milestone"),
        _payments(agreed, asking, as_signed),
        as_of,
        levels,
        pl.concat([records.frame(name)["contract_line_id"] for name in ("progress", "usage")]).drop_nulls().unique(),
        records.frame("progress"),
    )
    levels = discounted(levels, financing.prices)
    start, later = level_steps(levels, without_borne(lines, terms), contracts)
    later = later.join(agreed.opened, on="group_id", how="left", maintain_order="left").filter(
        pl.col("opened_on").is_null() | (pl.col("date") > pl.col("opened_on"))
    )
    changes = with_orders(with_rate_changes(agreed.changes, rates), later, agreed.amendments)
    return _Priced(prices, last, every, worked, rates, changes, levels, of_work, financing, start, later)


def _payments(agreed: Agreed, contracts: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return what customers who finance or are financed are to pay when, conditional advances from the day they are there."""
    records, invoices = agreed.records, agreed.records.frame("invoice")
    cash = cash_of_contracts(invoices, records.frame("payment"))
    promised = promised_payments(contracts, records.frame("billing_plan_line"), invoices, cash)
    taken_over = contracts.join(agreed.opened, on="group_id", how="semi")
    return once_paid(promised, contracts, lines, cash, taken_over, agreed.as_of)


def _observed(agreed: Agreed, priced: _Priced, terms: pl.DataFrame, openings: pl.DataFrame) -> pl.DataFrame:
    """Return what every promise had done by its reports, and by its opening position where nothing else tells it."""
    seen = with_fee_progress(observations(agreed.records, agreed.lines, terms, priced.worked, agreed.as_of), agreed.lines)
    return with_taken_over(seen, openings, agreed.lines, agreed.records, priced.worked)


def _happenings(
    agreed: Agreed, priced: _Priced, told: pl.DataFrame, changes: pl.DataFrame, states: pl.DataFrame, added: pl.DataFrame,
    terms: pl.DataFrame, later_units: pl.DataFrame,
) -> tuple[Happenings, pl.DataFrame]:
    """Return every event of the obligations, and which of them are known before they take effect (`ahead.AHEAD`)."""
    ends = terminations(agreed.contracts, told, agreed.lines, agreed.terms, agreed.records, agreed.as_of)
    later = goes_first(priced.later, ends, agreed.terms)
    events = ordered_events(agreed.amendments, later, ends)
    touched = change_rows(spread_discounts(changes, states), terms, agreed.lines, states)
    touched = with_work_left(touched, agreed.terms, agreed.lines, priced.start, priced.later)
    touched = over_unit_parts(over_parts(touched, agreed.splits, agreed.lines, agreed.amendments), later_units, agreed.splits)
    own = paid_on_lines(agreed.contracts, ends, agreed.lines, agreed.records)
    ended = with_own_levels(ended_obligations(ends, told, states, added, own), priced.start, priced.later)
    touched = pl.concat([touched, ended, ending_obligations(ended, agreed.amendments, touched)], how="diagonal")
    ahead = pl.concat([waiting(agreed.amendments).select(list(AHEAD)), waiting(ends).select(list(AHEAD))])
    return Happenings(events, with_since(deltas_of(later, events), events, touched, added, agreed.amendments), touched, added), ahead


def _earned_outside(
    agreed: Agreed, priced: _Priced, terms: pl.DataFrame, obligations: pl.DataFrame, observed: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return what is earned outside the pool, royalties to come (`TO_COME`), and what estimates take off (`concessions.CONCEDED`)."""
    records, lines, as_of = agreed.records, agreed.lines, agreed.as_of
    first_lines = obligation_terms(lines).select("okey", "line_id")
    outside = earned_outside(
        records, lines, priced.worked, priced.prices, dated_caps(agreed.terms), obligations, first_lines, observed, agreed.contracts,
        agreed.periods, priced.last, terms, as_of,
    )  # fmt: skip
    outside, conceded = with_concessions(outside, priced.of_work, expected_totals(records, lines, agreed.terms), agreed.periods, as_of)
    to_come = royalties_to_come(records, lines, priced.prices, obligations, first_lines, observed, as_of)
    return rounded(outside, lines), to_come, conceded


def _findings_of_states(agreed: Agreed, states: pl.DataFrame, evolved: Evolved) -> tuple[pl.DataFrame, ...]:
    return (
        unopened_findings(states, agreed.opened, agreed.lines, agreed.contracts),
        unshared_findings(pl.concat(evolved.unshared), agreed.lines),
    )


def _findings(agreed: Agreed, priced: _Priced, allocated: Allocated) -> tuple[pl.DataFrame, ...]:
    records, contracts, lines, terms = agreed.records, agreed.contracts, agreed.lines, agreed.terms
    return (
        gate_findings(contracts),
        judgement_findings(records.frame("judgement"), agreed.as_of),
        allocated.findings,
        distinctness_findings(priced.changes),
        review_findings(lines),
        rate_findings(lines),
        stated_rate_findings(records),
        unvalued_work(records, lines, priced.worked, agreed.as_of),
        weight_findings(records, lines, priced.worked),
        unpriced_work(records, lines, priced.worked, agreed.as_of),
        unearned_work(records, lines, priced.every, priced.last, agreed.as_of),
        unplaced_work(records, lines, agreed.as_of),
        unplaced_expenses(records, lines, agreed.as_of),
        work_not_agreed(records, contracts, lines, agreed.as_of),
        plan_findings(records, contracts, terms, priced.levels),
        combination_findings(records, contracts),
        unapplied_findings(records, contracts, lines),
        amendment_findings(agreed.amendments, terms, contracts),
        crossing_findings(agreed.amendments, terms, contracts),
        total_findings(records, agreed.as_signed(), lines, terms),
        held_change_findings(agreed.openings, agreed.amendments, lines, terms, priced.levels, contracts),
        hourly_rate_findings(terms, priced.rates, contracts),
        cap_findings(terms, contracts),
        package_findings(terms, contracts),
        quantity_findings(terms, contracts),
        milestone_findings(records, lines),
        input_findings(records, contracts, lines, priced.levels, allocated.obligations),
    )
