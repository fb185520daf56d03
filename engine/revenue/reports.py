"""Rooms that tell what follows from the core: cost assets, loss provisions, interest, disclosures, and the controls over all of it."""

from __future__ import annotations

from typing import Final, Protocol

import polars as pl

from engine.canonical.kinds import MONEY
from engine.minor_units import minor_unit
from engine.revenue.controls.calendars import calendar_findings
from engine.revenue.controls.credits import credit_findings
from engine.revenue.controls.ends import end_findings
from engine.revenue.controls.estimates import estimate_findings, estimated_lines, look_back, look_back_findings
from engine.revenue.controls.register import out_of_period_register, register_findings
from engine.revenue.controls.releases import (
    allocation_findings,
    exercise_findings,
    material_right_findings,
    negative_backlog_findings,
    old_asset_findings,
    price_range_findings,
    release_findings,
    unprovided_loss_findings,
)
from engine.revenue.controls.returns import return_findings
from engine.revenue.controls.shadow import (
    WHOLE_CONTRACT,
    compared,
    in_their_currency,
    on_their_line,
    plans,
    shadow_rows,
    told_whole,
)
from engine.revenue.controls.shadow_causes import WHOLE, explained
from engine.revenue.controls.shadow_entries import entries_of
from engine.revenue.controls.shadow_findings import foreign_findings, shadow_findings
from engine.revenue.controls.shadow_posted import net_credit, posted_differences, posted_findings, posted_revenue, standing_accruals
from engine.revenue.costs.assets import (
    AMORTIZATION,
    CONTRACT_COSTS,
    amortization_ahead,
    classified,
    contract_costs,
    cost_findings,
    with_opened_costs,
)
from engine.revenue.costs.lasting import as_moved, benefit_terms, changed_conventions, gone_benefits, moved_benefits
from engine.revenue.costs.losses import loss_provisions
from engine.revenue.costs.recoverable import recoverable_amounts
from engine.revenue.costs.remaining import Evidence
from engine.revenue.disclosures.notes import disclosures, joined
from engine.revenue.ground.blocks import Block, each_block
from engine.revenue.ground.frames import Books, empty, in_words
from engine.revenue.ground.rates import rate_table
from engine.revenue.price.ended_financing import until_ended
from engine.revenue.price.financing import interest_entries
from engine.revenue.recognition.adopted import earned
from engine.revenue.recognition.rejected import rejection_findings
from engine.revenue.recognition.standing import as_arrived
from engine.stage import Context, StageResult

_ENTITIES: Final = (
    "contract", "contract_line", "customer", "legal_entity", "project", "invoice", "payment", "payment_application", "billing_plan_line",
    "milestone",
)  # fmt: skip


class Records(Protocol):
    """The agreed records: `frame` gives an entity's with every canonical column and `evidence`, empty when there are none."""

    def frame(self, entity: str) -> pl.DataFrame:
        """Return an entity's records."""
        ...

    def output(self, name: str) -> pl.DataFrame | None:
        """Return an earlier stage's output, or what people decided; None when there is none."""
        ...


_JUDGED: Final = {
    "contract_id": pl.String(), "period": pl.String(), "is_past": pl.Boolean(), "difference": MONEY, "currency": pl.String(),
}  # fmt: skip


def financed(books: Books, _: Records, context: Context) -> tuple[Books, StageResult]:
    """Add `interest` to the books (through as_of); put out financing."""
    parts = books.extra["financing_parts"]
    accrued = interest_entries(parts, books.periods).filter(pl.col("posting_date") <= context.as_of)
    accrued = until_ended(accrued, parts, books, context.as_of)
    return books.with_extra(interest=accrued), StageResult(frames={"financing": books.extra["financing_decisions"].lazy()})


def costs_and_losses(books: Books, records: Records, context: Context) -> tuple[Books, StageResult]:
    """Add `contract_costs`, `cost_amortization` and `loss_provisions` to the books; put out contract_costs."""
    as_of = pl.lit(context.as_of)
    known = _evidence(books, records)
    # In periods that had closed losses and limits stand by what was known then.
    core = (books.extra.get("standing", books.obligations), books.performance, books.lines)
    stated = with_opened_costs(records.frame("contract_cost"), records.frame("opening_position"), books.lines, context.as_of)
    findings: list[pl.DataFrame] = []
    costs, ahead = empty(CONTRACT_COSTS), empty(AMORTIZATION)
    if stated.height:
        judged = classified(stated, books.contracts, books.lines)
        limits = recoverable_amounts(judged, books.contracts, *core, books.price, books.periods, known, as_of)
        moves = moved_benefits(judged, books.extra["moved_ends"], books.lines)
        if "cost_conventions" in books.extra:
            moves = pl.concat([moves, changed_conventions(judged, books.extra["cost_conventions"])])
        rates, gone = rate_table(records.frame("exchange_rate")), gone_benefits(judged, books.extra["moved_ends"])
        costs = contract_costs(stated, books.contracts, books.lines, books.periods, limits, as_of, moves, rates, gone)
        ahead = amortization_ahead(as_moved(judged, moves, as_of), costs, as_of.dt.offset_by("12mo"), as_of, benefit_terms(books.periods))
        findings = _some(cost_findings(judged))
    provisions = loss_provisions(books.contracts, *core, books.periods, known, as_of)
    made = books.with_extra(contract_costs=costs, cost_amortization=ahead, loss_provisions=provisions)
    return made, StageResult(frames={"contract_costs": costs.drop("end_date").lazy()}, findings=findings)


def disclosed(books: Books, records: Records, context: Context) -> tuple[Books, StageResult]:
    """Put out disclosures; the balances are those in the books (`contract_balances`)."""
    golden = {name: records.frame(name) for name in _ENTITIES}

    def of_block(block: Block) -> pl.DataFrame:
        own = block.books(books)
        balances, costs, ahead = (own.extra[name] for name in ("contract_balances", "contract_costs", "cost_amortization"))
        known = golden | {name: block.of(golden[name]) for name in ("invoice", "billing_plan_line")}
        return disclosures(own, balances, costs, ahead, known, pl.lit(context.as_of))

    return books, StageResult(frames={"disclosures": joined(each_block(books, of_block)).lazy()})


def _ledger_day(records: Records) -> pl.Expr:
    """Return the day on which the ledger was exported; none where it is not stated."""
    held = records.frame("journal_line")
    return pl.lit(held["extracted_at"].dt.date().max() if "extracted_at" in held.columns else None, dtype=pl.Date)


def controlled(books: Books, records: Records, context: Context) -> tuple[Books, StageResult]:
    """Compare the revenue engine's schedule with ours and check estimates and balances; put out revenue_shadow and posted_shadow."""
    as_of = pl.lit(context.as_of)
    result = StageResult()
    ledger = records.frame("journal_line"), records.frame("account")
    theirs, posted = records.frame("revenue_schedule_line"), posted_revenue(*ledger)
    if theirs.height:
        judged, found = _shadow(books, records, theirs, context)
        result.frames["revenue_shadow"] = shadow_rows(judged).lazy()
        result.findings += found
    else:
        result.not_applicable.append(("revenue_shadow", "no source of the snapshot supplies revenue schedule line records"))
        judged = pl.DataFrame(schema=_JUDGED)
    register = out_of_period_register(books)
    result.frames["out_of_period"] = register.lazy()
    result.findings += _some(register_findings(register))
    if posted.height:
        differing = posted_differences(posted, _translated(books), judged, standing_accruals(*ledger))
        result.frames["posted_shadow"] = differing.lazy()
        running = books.periods.filter((pl.col("start_date") <= as_of) & (pl.col("end_date") > as_of))["period"].unique()
        awaited = pl.col("period").is_in(running.implode()) & (pl.col("posted") == 0)
        # A ledger exported before a period ended does not hold what is posted at its end.
        unseen = books.periods.filter(pl.col("end_date") > _ledger_day(records))["period"].unique()
        awaited = awaited | (pl.col("period").is_in(unseen.implode()) & (_ledger_day(records) < as_of))
        result.findings += _some(posted_findings(differing.filter(~awaited)))
    result.findings += _some(
        price_range_findings(records.frame("contract_line")),
        calendar_findings(books, records.frame("fiscal_period")),
        return_findings(books, records, as_of),
        end_findings(books.contracts, records, context.as_of),
        rejection_findings(books, records),
        material_right_findings(records.frame("option"), records.frame("judgement")),
        exercise_findings(records.frame("option"), _every_line(records), as_of),
        *_balance_findings(books, records, as_of),
        *_estimate_findings(books, records, as_of),
    )
    result.findings = [_grounded(frame, books) for frame in result.findings]
    return books, result


def _every_line(records: Records) -> pl.DataFrame:
    """Return the ids of all lines, as signed and as added by amendments."""
    both = [records.frame(entity).select(pl.col("contract_line_id").cast(pl.String)) for entity in ("contract_line", "amendment_line")]
    return pl.concat(both)


def _translated(books: Books) -> pl.DataFrame:
    """Return what was earned and is planned, with its amount in the company's own currency where it was translated."""
    told = books.extra.get("translated", books.performance)
    value = pl.col("functional_amount") if "functional_amount" in told.columns else pl.lit(None, dtype=MONEY)
    about = books.contracts.select("contract_id", "functional_currency")
    return earned(told.with_columns(value.alias("functional_amount"))).join(about, on="contract_id", how="left", maintain_order="left")


def _shadow(books: Books, records: Records, theirs: pl.DataFrame, context: Context) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Return the explained differences of the revenue engine's schedule, and its findings."""
    as_of = pl.lit(context.as_of)
    theirs = on_their_line(theirs, books.lines)
    amendments, prices = _of_whole(_amendments(records), books, theirs), _line_prices(books)
    ours, theirs = told_whole(in_words(_translated(books)), theirs), told_whole(theirs, theirs)
    held, ours, foreign = in_their_currency(theirs, ours)
    rows = compared(held, ours, books.lines, books.periods)
    entries = entries_of(records.frame("time_entry"), books.lines, books.periods, context.as_of)
    judged = explained(rows, amendments, as_of, _whole_lines(prices, records), entries)
    whole_cause = judged.filter(pl.col("cause").is_in(["missed_amendment", "ssp_version"])).select("contract_line_id")
    # Prices are in the contract's currency, and so are their whole schedules.
    told = prices.join(foreign, on="contract_line_id", how="anti").join(whole_cause, on="contract_line_id", how="anti")
    told = told.join(held.select("contract_line_id", "currency").unique(), on=["contract_line_id", "currency"], how="semi")
    whole = told
    if not plans(theirs):
        whole = told.join(ours.filter("is_planned").select("contract_line_id").unique(), on="contract_line_id", how="anti")
    found = [*shadow_findings(judged, amendments), release_findings(held, told), allocation_findings(held, whole)]
    if foreign.height:
        found.append(foreign_findings(foreign, theirs))
    return judged, _some(*found)


def _of_whole(amendments: pl.DataFrame, books: Books, theirs: pl.DataFrame) -> pl.DataFrame:
    """Return amendments with the contract for its lines where the schedule names no line: a line added changes the contract."""
    about = books.lines.select("contract_line_id", "contract_id").unique("contract_line_id", keep="first")
    told = told_whole(amendments.join(about, on="contract_line_id", how="left", maintain_order="left"), theirs)
    is_whole = pl.col("contract_line_id").str.starts_with(WHOLE_CONTRACT).fill_null(value=False)
    action = pl.when(is_whole).then(pl.lit("change")).otherwise("action")
    return told.with_columns(action.alias("action")).drop("contract_id").unique(["amendment_id", "contract_line_id"], maintain_order=True)


def _whole_lines(prices: pl.DataFrame, records: Records) -> pl.DataFrame:
    """Return WHOLE of the lines on record: their price, and their term as signed."""
    terms = records.frame("contract").select(
        "contract_id", pl.col("start_date").alias("→start"), pl.col("end_date").alias("→end")
    ).unique("contract_id", keep="first")  # fmt: skip
    lines = records.frame("contract_line").select("contract_line_id", "contract_id", "start_date", "end_date")
    signed = lines.join(terms, on="contract_id", how="left").select(
        "contract_line_id", pl.coalesce("start_date", "→start").alias("signed_start"), pl.coalesce("end_date", "→end").alias("signed_end")
    )
    both = signed.join(prices.select("contract_line_id", "price"), on="contract_line_id", how="full", coalesce=True)
    return both.select(pl.col(name).cast(kind) for name, kind in WHOLE.items()).unique("contract_line_id", keep="first")


def _grounded(frame: pl.DataFrame, books: Books) -> pl.DataFrame:
    """Return findings with evidence: their own, else the records of the contract they are about."""
    own = pl.col("evidence") if "evidence" in frame.columns else pl.lit(None, dtype=pl.List(pl.String))
    known = books.contracts.select("contract_id", pl.col("evidence").alias("of_contract"))
    found = frame.with_columns(own.alias("evidence")).join(known, on="contract_id", how="left", maintain_order="left")
    has_none = pl.col("evidence").list.len().fill_null(0) == 0
    return found.with_columns(pl.when(has_none).then("of_contract").otherwise("evidence").alias("evidence")).drop("of_contract")


def _some(*frames: pl.DataFrame) -> list[pl.DataFrame]:
    return [frame for frame in frames if frame.height]


def _evidence(books: Books, records: Records) -> Evidence:
    """Return what is known of costs, dated by the day it counts from: after a close, in the first open period."""

    def arrived(frame: pl.DataFrame, day: str, told: tuple[str, ...] = ()) -> pl.DataFrame:
        return as_arrived(frame, books, day, told)

    amended = records.frame("amendment").with_columns(pl.min_horizontal("effective_date", "approved_date").alias("→day"))
    dates = [pl.when(pl.col(name).is_not_null()).then(pl.max_horizontal(name, "→day")) for name in ("effective_date", "approved_date")]
    amended = arrived(amended, "→day").with_columns(dates[0].alias("effective_date"), dates[1].alias("approved_date"))
    return Evidence(
        arrived(records.frame("progress"), "as_of_date", ("cost_to_date", "estimated_total_cost")),
        arrived(records.frame("cost_estimate"), "as_of_date"),
        amended.drop("→day"),
        records.frame("amendment_line"),
        arrived(records.frame("variable_estimate"), "as_of_date"),
    )


def _amendments(records: Records) -> pl.DataFrame:
    """Return the lines of approved amendments with the day each takes effect."""
    heads = records.frame("amendment").filter(pl.col("status") == "approved").select(
        "amendment_id", pl.max_horizontal("effective_date", "approved_date").alias("date"), "evidence"
    )
    lines = records.frame("amendment_line").select("amendment_id", "contract_line_id", "action")
    return lines.join(heads, on="amendment_id", how="inner").filter(pl.col("date").is_not_null())


def _line_prices(books: Books) -> pl.DataFrame:
    """Return the whole price of lines that are an obligation of their own: contract_line_id, price, measure, minor."""
    alone = pl.col("contract_line_id").n_unique().over("contract_id", "obligation_id") == 1
    last = books.obligations.sort("version").group_by("contract_id", "obligation_id").agg(
        pl.col("allocated_amount").last().alias("price"), pl.col("currency").last()
    )
    return books.lines.filter(alone).join(last, on=["contract_id", "obligation_id"], how="inner").select(
        "contract_line_id", "price", "measure", "currency", minor_unit(pl.col("currency")).alias("minor")
    ).unique("contract_line_id", keep="last", maintain_order=True)


def _balance_findings(books: Books, records: Records, as_of: pl.Expr) -> list[pl.DataFrame]:
    balances = books.extra["contract_balances"]
    days = books.contracts.select("contract_id", pl.col("setting.controls.contract_asset_days").alias("days"))
    account = books.accounts.filter(pl.col("account_role") == "loss_provision").select("contract_id", "account")
    posted = records.frame("journal_line").filter((pl.col("status") == "posted") & (pl.col("posting_date") <= as_of)).join(
        account, on=["contract_id", "account"], how="inner"
    ).select("contract_id", net_credit().alias("amount"))  # fmt: skip
    found = [negative_backlog_findings(balances, as_of)]
    # Where no system supplies invoices nobody can tell what still waits for one.
    if records.frame("invoice").height:
        found.append(old_asset_findings(balances, days, as_of))
        found.append(credit_findings(records.frame("invoice"), balances, books.obligations, records.frame("judgement"), as_of))
    # Without a ledger there is nothing a provision could be missing from.
    if records.frame("journal_line").height:
        found.append(unprovided_loss_findings(books.extra["loss_provisions"], posted, as_of))
    return found


def _estimate_findings(books: Books, records: Records, as_of: pl.Expr) -> list[pl.DataFrame]:
    key = ["contract_id", "obligation_id"]
    # The versions of an obligation stand in their order.
    progress = books.obligations.select(*key, "progress").group_by(key).agg(pl.col("progress").last())
    managers = records.frame("project").select("project_id", "manager").unique("project_id", keep="first")
    settings = books.contracts.select(
        "contract_id", "status", "currency", pl.col("setting.controls.estimate_stale_days").alias("stale_days"),
        pl.col("setting.controls.estimate_deviation_pct").alias("deviation_pct"),
        pl.col("setting.controls.estimate_hours").alias("estimate_hours"),
    )  # fmt: skip
    ended = pl.col("status").is_in(["completed", "terminated"]).fill_null(value=False)
    lines = books.lines.join(progress, on=key, how="left").join(settings, on="contract_id", how="inner").join(
        managers, on="project_id", how="left"
    ).with_columns(((pl.col("progress") >= 1).fill_null(value=False) | ended).alias("is_done"))  # fmt: skip
    seen = records.frame("progress")
    limits = settings.select("contract_id", "deviation_pct", "currency")
    asked = estimated_lines(lines, seen)
    return [estimate_findings(asked, seen, as_of, records.output("attested_estimates")), look_back_findings(look_back(lines, seen), limits)]
