"""What is agreed: contracts, their promises and every change of them, from the agreed records."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from engine.revenue.arithmetic.conventions import MONTHS_IN
from engine.revenue.contracts.amendments import amended_lines, counted_amendments, line_terms
from engine.revenue.contracts.gate import contract_frame
from engine.revenue.contracts.lines import line_frame
from engine.revenue.ground.periods import period_frame
from engine.revenue.ground.records import Records
from engine.revenue.ground.settings import Versions
from engine.revenue.modifications.ahead import counted_at_once, waiting
from engine.revenue.modifications.changes import classified, removed_parts
from engine.revenue.modifications.folded import folded_changes
from engine.revenue.modifications.longer import with_longer_terms
from engine.revenue.modifications.opening import agreed_before, as_opened, latest_openings, opened_groups, taken_over_changes
from engine.revenue.modifications.splits import split_changes
from engine.revenue.price.one_measure import with_one_measure
from engine.revenue.price.options import option_prices
from engine.revenue.price.pricing import with_pooled, with_pricing
from engine.revenue.price.renewals import on_one_right, with_renewals
from engine.revenue.price.standalone import with_ssp

_SETTINGS: Final = {
    "setting.progress.when_unmeasurable": "when_unmeasurable",
    "setting.breakage.mode": "breakage",
    "setting.accrual.unapproved_time": "accrual",
    "setting.late.closed_period": "closed_period",
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
class Agreed:
    """Hold contracts and promises as they are agreed as of a day.

    `records`: with what openings and early changes make of the lines. `openings`: the latest position of each line taken over,
    `opened`: its groups with the day. `earlier`: amendments that are part of what was signed or taken over, `amendments`: those after
    it, `folded` (`folded.FOLDED`): what the former changed. `lines`: promises as signed or added,
    `terms`: their values step by step, `changes`: what each step is, `splits`: changes that
    are a contract of their own on a running line.
    """

    records: Records
    contracts: pl.DataFrame
    openings: pl.DataFrame
    opened: pl.DataFrame
    earlier: pl.DataFrame
    folded: pl.DataFrame
    amendments: pl.DataFrame
    amended: pl.DataFrame
    lines: pl.DataFrame
    terms: pl.DataFrame
    changes: pl.DataFrame
    splits: pl.DataFrame
    periods: pl.DataFrame
    as_of: dt.date

    def as_signed(self) -> pl.DataFrame:
        """Return the contracts whose lines stand as signed: not as taken over, nor as agreed by the day they became contracts."""
        signed = self.contracts.filter("is_signed")
        return signed.join(self.opened, on="group_id", how="anti").join(self.earlier, on="contract_id", how="anti")


def agree(records: Records, versions: Versions, as_of: dt.date) -> Agreed:
    """Return what the records say is agreed as of a day."""
    contracts = contract_frame(records, versions, as_of)
    renewals = on_one_right(records.frame("option"), records.frame("contract_line"), contracts)
    records = replace(records, held={**records.held, "option": renewals})
    openings = latest_openings(records, as_of)
    opened = opened_groups(openings, records, contracts)
    contracts = _in_force_when_taken_over(contracts, opened)
    counted = _counted(records, contracts, versions, as_of).join(opened, on="group_id", how="left", maintain_order="left")
    held, early = taken_over_changes(counted, openings, records), agreed_before(counted, contracts, records)
    earlier = pl.concat([held, early]).unique("amendment_id")
    amendments = counted.join(earlier.select("amendment_id"), on="amendment_id", how="anti", maintain_order="left")
    begun_with = amended_lines(records, earlier)
    folded = folded_changes(records, begun_with, early.join(held, on="amendment_id", how="anti"))
    records = as_opened(records, begun_with)
    amended = amended_lines(records, amendments)
    lines, terms, changes = _promises(records, contracts, amended, versions, as_of)
    periods = period_frame(records.frame("fiscal_period"), *_span(records, contracts, lines, terms, as_of))
    return Agreed(
        records, contracts, openings, opened, earlier, folded, amendments, amended, lines, terms, changes, split_changes(changes, lines),
        periods, as_of,
    )  # fmt: skip


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
    lines = with_one_measure(with_pricing(_open_ended(lines, as_of), records))
    lines = with_ssp(lines, records, option_prices(records.frame("option")), as_of)
    lines = with_renewals(lines, contracts, records.frame("option"), as_of)
    terms = with_pooled(line_terms(lines, amended), lines)
    changes = removed_parts(classified(terms, lines, contracts, records, as_of), terms, lines)
    return lines, terms, with_longer_terms(changes, lines)


def _open_ended(lines: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Give a promise by the month without an end the term that has passed: each month is a contract of its own.

    What elapsed time spreads over a whole term would be spread anew with each day that passes: a month earns its price.
    """
    open_ended = pl.col("ends").is_null() & pl.col("price_period").is_in(list(MONTHS_IN))
    by_month = open_ended & pl.col("convention").is_in(["actual_days", "actual_seconds", "prorated_ends"])
    return lines.with_columns(
        pl.when(open_ended).then(pl.max_horizontal(pl.lit(as_of), "begins")).otherwise(pl.col("ends")).alias("ends"),
        pl.when(by_month).then(pl.lit("monthly_even")).otherwise("convention").alias("convention"),
    )


def _in_force_when_taken_over(contracts: pl.DataFrame, opened: pl.DataFrame) -> pl.DataFrame:
    """Let a contract that is taken over meet the criteria by then, whatever day its signature bears here."""
    made = contracts.join(opened, on="group_id", how="left", maintain_order="left")
    by_then = pl.when(pl.col("gate_date").is_not_null()).then(pl.min_horizontal("gate_date", "opened_on"))
    return made.with_columns(by_then.alias("gate_date")).select(contracts.columns)


def _span(
    records: Records, contracts: pl.DataFrame, lines: pl.DataFrame, terms: pl.DataFrame, as_of: dt.date
) -> tuple[dt.date, dt.date]:
    """Return the first and the last day of any contract or promise, as signed or as changed later, and of what came before them.

    Costs, invoices and money may: a deposit is held from its own day.
    """
    costs, invoices = (records.frame(name).join(contracts, on="contract_id", how="semi") for name in ("contract_cost", "invoice"))
    money = records.frame("payment").filter(
        pl.col("contract_id").is_in(contracts["contract_id"].implode()) | pl.col("invoice_id").is_in(invoices["invoice_id"].implode())
    )
    named = [
        (frame, name)
        for frame, names in (
            (contracts, ("signed_date", "start_date")),
            (lines, ("begins", "ends")),
            (terms, ("start_date", "end_date", "event_date")),
            (costs.filter(pl.col("incurred_date") <= as_of), ("incurred_date",)),
            (invoices.filter(pl.col("invoice_date") <= as_of), ("invoice_date",)),
            (money.filter(pl.col("paid_date") <= as_of), ("paid_date",)),
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
