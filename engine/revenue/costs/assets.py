"""Costs of obtaining and fulfilling contracts: what is an asset, how it is amortized, what is written off (340-40; IFRS 15.91-104)."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.minor_units import minor_digits
from engine.revenue.arithmetic.conventions import TermColumns, with_earned
from engine.revenue.arithmetic.months import whole_months, within_months
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.costs.impairment import written_down
from engine.revenue.costs.lasting import GONE, MOVES, benefit_terms, with_amortized
from engine.revenue.ground.finding_columns import finding_columns
from engine.revenue.ground.periods import first_open
from engine.revenue.ground.promised_term import last_promised
from engine.revenue.ground.rates import RATE, with_rate

CONTRACT_COSTS: Final[dict[str, pl.DataType]] = {
    "cost_id": pl.String(), "contract_id": pl.String(), "period": pl.String(), "end_date": pl.Date(), "kind": pl.String(),
    "opening": MONEY, "capitalized": MONEY, "expensed": MONEY, "amortized": MONEY, "impaired": MONEY, "reversed": MONEY,
    "closing": MONEY, "currency": pl.String(), "rule": pl.String(), "evidence": pl.List(pl.String()),
}  # fmt: skip
"""Columns of `contract_costs.parquet`: one row per cost and period; opening and closing are the asset's carrying amount.

`end_date` is the day the figures are for: the period's last, or as_of in the running period.
"""

AMORTIZATION: Final[dict[str, pl.DataType]] = {"contract_id": pl.String(), "date": pl.Date(), "amount": MONEY}
"""Columns of `amortization_ahead`."""

_FLOWS: Final = ("capitalized", "expensed", "amortized", "impaired", "reversed")


def contract_costs(
    costs: pl.DataFrame, contracts: pl.DataFrame, lines: pl.DataFrame, periods: pl.DataFrame, recoverable: pl.DataFrame, as_of: pl.Expr,
    moves: pl.DataFrame | None = None, rates: pl.DataFrame | None = None, gone: pl.DataFrame | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Return the output `contract_costs` from the day each cost was incurred to as_of.

    `costs`: golden contract_cost. `contracts`, `lines`, `periods`: frames of the books. `recoverable`:
    contract_id, end_date, recoverable, margin, currency (what a contract's asset may not exceed; null or no row:
    not tested). `moves` (`lasting.MOVES`): changes of the benefit's end. `rates` (`rates.rate_table`): an asset in another currency is
    tested at the rate it came in at. `gone` (`lasting.GONE`): costs written off before the contract ends. Rows without any figure are
    left out.
    """
    judged = _taken_in(classified(costs, contracts, lines), periods)
    spread = _by_period(judged, periods, as_of, pl.DataFrame(schema=MOVES) if moves is None else moves, gone)
    capitalized = _into_contract(spread.filter(pl.col("treatment") == "capitalize"), contracts, rates)
    assets = written_down(capitalized, recoverable, benefit_terms(periods))
    others = spread.filter(pl.col("treatment") != "capitalize").with_columns(
        ZERO.alias(name) for name in ("closing", "amortized", "impaired", "reversed")
    )
    every = pl.concat([assets, others.select(assets.columns)])
    first = pl.col("period") == pl.col("incurred_period")
    amount = pl.col("amount").cast(MONEY)
    rows = every.with_columns(
        pl.when(first & (pl.col("treatment") == "capitalize")).then(amount).otherwise(ZERO).alias("capitalized"),
        pl.when(first & (pl.col("treatment") == "expense")).then(amount).otherwise(ZERO).alias("expensed"),
        pl.col("closing").shift(1).over("cost_id", order_by="end_date").fill_null(ZERO).cast(MONEY).alias("opening"),
    )
    is_stated = pl.any_horizontal(pl.col(name) != 0 for name in ("opening", "closing", *_FLOWS)) | first
    return rows.filter(is_stated).select(pl.col(name).cast(dtype) for name, dtype in CONTRACT_COSTS.items()).sort("cost_id", "end_date")


def _into_contract(assets: pl.DataFrame, contracts: pl.DataFrame, rates: pl.DataFrame | None) -> pl.DataFrame:
    """Add `into`: the rate at which each asset came into its contract's currency, as it is posted (`cost_rates.at_cost_rates`)."""
    own = contracts.select("contract_id", pl.col("currency").cast(pl.String).alias("functional_currency"))
    asked = assets.select("contract_id", "currency", pl.col("end_date").min().over("cost_id").alias("→since"))
    asked = asked.join(own, on="contract_id", how="left", maintain_order="left")
    asked = asked.with_columns(pl.coalesce("currency", "functional_currency").alias("currency"))
    if rates is None or not asked.select((pl.col("currency") != pl.col("functional_currency")).any()).item():
        one = pl.when((pl.col("currency") == pl.col("functional_currency")).fill_null(value=True)).then(pl.lit(1))
        return assets.with_columns(asked.select(one.cast(RATE).alias("into")).to_series())
    return assets.with_columns(with_rate(asked, rates, day="→since", kind="average", name="into")["into"])


def _taken_in(judged: pl.DataFrame, periods: pl.DataFrame) -> pl.DataFrame:
    """Let a cost that became known after the close of its period come in with the first one open then; its benefit began when it did."""
    if "known_at" not in judged.columns or not judged["known_at"].count() or not periods["closed_at"].count():
        return judged
    dated = first_open(judged, periods, "incurred_date", "known_at")
    late = (pl.col("late") == "catch_up") & pl.col("known_at").is_not_null()
    day = pl.when(late).then(pl.max_horizontal("incurred_date", "→open")).otherwise("incurred_date")
    return dated.with_columns(day.alias("incurred_date")).drop("→open", "→closes")


def with_opened_costs(costs: pl.DataFrame, openings: pl.DataFrame, lines: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return golden contract_cost with the cost assets that opening positions state, as costs of the day they were taken over.

    What is left of such an asset is amortized from the next day to the end of its line. A contract whose own costs are
    at hand keeps those.
    """
    stated = openings.filter((pl.col("cost_asset").fill_null(0) != 0) & (pl.col("as_of_date") <= as_of)).sort("as_of_date")
    if not stated.height:
        return costs
    last = stated.unique("contract_line_id", keep="last", maintain_order=True).drop("currency")
    about = lines.select("contract_line_id", "contract_id", "end_date").join(costs.select("contract_id"), on="contract_id", how="anti")
    taken = last.join(about, on="contract_line_id", how="inner").join(
        openings.select("contract_line_id", "currency").unique("contract_line_id", keep="last"), on="contract_line_id", how="left"
    )
    rows = taken.select(
        pl.format("opening|{}", "contract_line_id").alias("cost_id"), "contract_id", "contract_line_id",
        pl.lit("fulfil", dtype=pl.String).alias("kind"),
        pl.col("as_of_date").alias("incurred_date"), pl.col("cost_asset").alias("amount"), "currency",
        pl.col("as_of_date").dt.offset_by("1d").alias("benefit_start"), "evidence",
    )  # fmt: skip
    return pl.concat([costs, rows], how="diagonal_relaxed").select(costs.columns)


def classified(costs: pl.DataFrame, contracts: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Add to each cost its treatment (capitalize | expense | other_standard), rule and term of benefit.

    Incremental costs of obtaining are assets (340-40-25-1), unless the benefit lasts no longer than the
    policy's expedient (25-4); costs incurred win or lose are expensed (25-3), and so is one of which nobody said
    that it is incremental. Fulfilment costs under another standard are left to it; the others are assets
    (25-5). Costs of delivery are expensed as incurred (25-8). The benefit without a stated end is the contract's
    term (where its record states none, that of its promises as signed) and as many more as renewals are expected; without a stated start
    it begins with that term, and not before the cost is incurred: what was transferred by then it did not serve (35-1).
    """
    own = lines.select("contract_line_id", pl.col("start_date").alias("line_start"), pl.col("end_date").alias("line_end"))
    dated = (
        costs.filter(pl.col("amount").is_not_null() & pl.col("incurred_date").is_not_null()).drop("legal_entity_id", strict=False)
        .join(_terms(contracts, lines), on="contract_id", how="inner", maintain_order="left")
        .join(own.unique("contract_line_id", maintain_order=True), on="contract_line_id", how="left", maintain_order="left")
        .with_columns(
            pl.coalesce("benefit_start", _start_of_benefit()).alias("benefit_start"),
            pl.coalesce("benefit_end", _end_with_renewals()).alias("benefit_end"),
            pl.col("benefit_end").is_not_null().alias("has_end"),
        )
    )
    is_short = within_months(pl.col("benefit_start"), pl.col("benefit_end"), pl.col("expedient_months"))
    is_short = (is_short & (pl.col("expedient_months") > 0)).fill_null(value=False)
    is_incremental = pl.col("is_incremental").fill_null(value=False)
    obtain, fulfil = pl.col("kind") == "obtain", pl.col("kind") == "fulfil"
    governed = pl.col("governed_by").is_not_null()
    treatment = (
        pl.when(obtain & is_incremental & ~is_short).then(pl.lit("capitalize"))
        .when(fulfil & governed).then(pl.lit("other_standard"))
        .when(fulfil).then(pl.lit("capitalize"))
        .otherwise(pl.lit("expense"))
    )  # fmt: skip
    rule = (
        pl.when(obtain & ~is_incremental).then(pl.lit("340-40-25-3"))
        .when(obtain & is_short).then(pl.lit("340-40-25-4"))
        .when(obtain).then(pl.lit("340-40-25-1"))
        .when(fulfil & governed).then("governed by " + pl.col("governed_by"))
        .when(fulfil).then(pl.lit("340-40-25-5"))
        .otherwise(pl.lit("340-40-25-8"))
    )  # fmt: skip
    return dated.with_columns(
        treatment.alias("treatment"), rule.alias("rule"), minor_digits(pl.col("currency")).alias("digits"),
    )  # fmt: skip


def _terms(contracts: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return what the costs of each contract are judged by: its settings, and its term, which its promises state where it does not."""
    terms = contracts.select(
        "contract_id", "calendar", "status", "terminated_date", "served_to",
        pl.col("start_date").alias("contract_start"), pl.col("end_date").alias("contract_end"),
        pl.col("setting.late.closed_period").alias("late"),
        pl.col("setting.standard").alias("standard"), pl.col("setting.rounding.mode").alias("rounding"),
        pl.col("setting.costs.expedient_months").cast(pl.Int32).alias("expedient_months"),
        pl.coalesce("setting.costs.proration", "setting.proration", pl.lit("actual_days")).alias("convention"),
    )  # fmt: skip
    return terms.join(_of_promises(lines), on="contract_id", how="left", maintain_order="left").with_columns(
        pl.coalesce("contract_start", "→first").alias("contract_start"), pl.coalesce("contract_end", "→last").alias("contract_end")
    ).drop("→first", "→last")  # fmt: skip


def _of_promises(lines: pl.DataFrame) -> pl.DataFrame:
    """Return the first and last day of what each contract was signed for; no last day where a service has none: →first, →last."""
    signed = lines.filter(pl.col("added_by").is_null())
    return signed.group_by("contract_id").agg(
        pl.col("start_date").min().alias("→first"), last_promised(pl.col("end_date")).alias("→last")
    )


def _start_of_benefit() -> pl.Expr:
    """Return the first day of what a cost serves: its line's or contract's, from the day it is incurred on; after the end all of it."""
    begins = pl.coalesce("line_start", "contract_start", "incurred_date")
    over = (pl.col("incurred_date") > pl.coalesce("benefit_end", _end_with_renewals())).fill_null(value=False)
    return pl.when(over).then(begins).otherwise(pl.max_horizontal(begins, "incurred_date"))


def _end_with_renewals() -> pl.Expr:
    """Return the last day of the line's or contract's term, followed by the expected renewals of the same length."""
    start = pl.coalesce("line_start", "contract_start")
    after = pl.coalesce("line_end", "contract_end") + pl.duration(days=1)
    months = whole_months(start, after) * (pl.col("expected_renewals").fill_null(0).cast(pl.Int32) + 1)
    renewed = start.dt.offset_by(pl.concat_str(months.cast(pl.String), pl.lit("mo"))) - pl.duration(days=1)
    return pl.when(pl.col("expected_renewals").fill_null(0) > 0).then(renewed).otherwise(pl.coalesce("line_end", "contract_end"))


def _by_period(
    judged: pl.DataFrame, periods: pl.DataFrame, as_of: pl.Expr, moves: pl.DataFrame, gone: pl.DataFrame | None
) -> pl.DataFrame:
    """Return cost × period from the one it was incurred in, with what is amortized so far if nothing is written off.

    Of a cost that is `gone` this ends with the day before, of a contract that is terminated with its last day, and what is left then
    is written off.
    """
    spans = periods.select("calendar", "period", "start_date", pl.min_horizontal(pl.col("end_date"), as_of).alias("end_date"))
    begun = spans.filter(pl.col("start_date") <= as_of)
    rows = judged.filter(pl.col("incurred_date") <= as_of).join(begun, on="calendar", how="inner").filter(
        pl.col("end_date") >= pl.col("incurred_date")
    )
    rows = rows.join(pl.DataFrame(schema=GONE) if gone is None else gone, on="cost_id", how="left", maintain_order="left")
    served = pl.min_horizontal("end_date", "served_to", pl.col("gone_on").dt.offset_by("-1d"))
    rows = with_amortized(rows.with_columns(pl.col("end_date").alias("→day"), served.alias("end_date")), moves, benefit_terms(periods))
    rows = rows.with_columns(pl.col("→day").alias("end_date")).drop("→day")
    is_terminated = (pl.min_horizontal("terminated_date", "gone_on") <= pl.col("end_date")).fill_null(value=False)
    return rows.with_columns(
        pl.col("period").first().over("cost_id", order_by="end_date").alias("incurred_period"),
        pl.col("earned").alias("unimpaired_amortized"),
        is_terminated.alias("is_terminated"),
    ).drop("gone_on").sort("cost_id", "end_date")


def amortization_ahead(
    judged: pl.DataFrame, costs: pl.DataFrame, cycle_end: pl.Expr, as_of: pl.Expr, terms: TermColumns
) -> pl.DataFrame:  # fmt: skip
    """Return the amortization to come of each contract's cost assets, within the cycle and after it: contract_id, date, amount."""
    last = costs.sort("end_date").group_by("cost_id").agg(pl.col("closing").last())
    open_assets = last.filter(pl.col("closing") != 0).join(judged, on="cost_id", how="inner")
    dated = open_assets.with_columns(cycle_end.alias("cycle_end"), as_of.alias("as_of"))
    split = with_earned(
        dated.lazy(), "soon", amount="closing", at="cycle_end", after="as_of", digits="digits", mode=pl.col("rounding"), terms=terms
    ).with_columns(pl.col("soon").fill_null(pl.lit(0)).cast(MONEY)).collect()  # fmt: skip
    within = split.select("contract_id", cycle_end.alias("date"), pl.col("soon").alias("amount"))
    later = split.select("contract_id", pl.col("benefit_end").alias("date"), (pl.col("closing") - pl.col("soon")).alias("amount"))
    return pl.concat([within, later]).filter((pl.col("amount") != 0) & pl.col("date").is_not_null())


def undetermined_costs(costs: pl.DataFrame) -> pl.DataFrame:
    """Return the classified costs that cannot be treated as stated, with `reason`.

    benefit: an asset without an end of its benefit; incremental: a cost of obtaining of which nobody said
    whether it is incremental.
    """
    is_open = (pl.col("treatment") == "capitalize") & (pl.col("benefit_end").is_null() | (pl.col("benefit_end") < pl.col("benefit_start")))
    is_silent = (pl.col("kind") == "obtain") & pl.col("is_incremental").is_null()
    reason = pl.when(is_open).then(pl.lit("benefit")).when(is_silent).then(pl.lit("incremental"))
    return costs.with_columns(reason.alias("reason")).filter(pl.col("reason").is_not_null())


def cost_findings(judged: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for every cost that cannot be treated as stated."""
    open_costs = undetermined_costs(judged)
    is_benefit = pl.col("reason") == "benefit"
    kind = pl.when(is_benefit).then(pl.lit("cost_benefit_unknown")).otherwise(pl.lit("cost_not_judged"))
    endless = pl.format("The benefit of cost {} has no end; it is an asset that is not amortized until somebody states it.", "cost_id")
    silent = pl.format("Nobody said whether cost {} of obtaining {} is incremental; it is expensed.", "cost_id", "contract_id")
    message = pl.when(is_benefit).then(endless).otherwise(silent)
    remedy = (
        pl.when(is_benefit).then(pl.lit("State benefit_end, or the contract's last day and the renewals that are expected."))
        .otherwise(pl.lit("State is_incremental: whether it would not have been incurred without the contract (340-40-25-2)."))
    )  # fmt: skip
    return open_costs.select(
        *finding_columns(kind, "medium", "contract_cost", message, remedy), pl.col("cost_id").alias("entity_id"), "contract_id",
        pl.col("amount").cast(MONEY).alias("amount_at_risk"), "currency", "evidence",
    )  # fmt: skip
