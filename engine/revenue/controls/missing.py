"""What a contract must say before anything can be earned: each gap is a finding, never a silent nothing."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from engine.nothing import of_no
from engine.revenue.arithmetic.runs import without
from engine.revenue.controls.beyond import beyond_commitment, beyond_promise
from engine.revenue.controls.without_promise import unborne_credits, without_promise
from engine.revenue.ground.finding_columns import finding_columns, findings_of, plain_text
from engine.revenue.ground.records import Records
from engine.revenue.price.pricing import OUTSIDE
from engine.revenue.progress.last_days import BY_WORK


def input_findings(
    records: Records, contracts: pl.DataFrame, lines: pl.DataFrame, levels: pl.DataFrame, obligations: pl.DataFrame
) -> pl.DataFrame:
    """Return a finding for every contract or promise of which too little is known to recognize its price.

    `lines`: promises as signed and as added, treated and priced. `levels`: what estimates put into prices.
    `obligations`: what the price as signed is shared by.
    """
    return pl.concat(
        [
            _untreated(lines),
            _without_term(lines),
            _without_commission(lines),
            _unpriced(contracts, lines, levels),
            _untiered(records, lines),
            without_promise(records, contracts, lines, obligations),
            unborne_credits(contracts, lines),
            _undated(records, contracts),
            _improbable(records, contracts, lines),
            _overstated(records, contracts, lines),
            _unobserved(records, lines),
            _measured_twice(lines),
            beyond_promise(records, lines),
            beyond_commitment(records, lines),
        ],
        how="diagonal",
    )


def _untreated(lines: pl.DataFrame) -> pl.DataFrame:
    hit = lines.filter(pl.col("timing").is_null() | pl.col("measure").is_null())
    said = pl.format("No row of the policy says how {} is earned; nothing of it is recognized.", "contract_line_id")
    return _of_lines(hit, "promise_not_treated", "high", said, "State the promise's offering, or add a row to the policy rev-treatment.")


def _without_term(lines: pl.DataFrame) -> pl.DataFrame:
    by_time = (pl.col("timing") == "over_time") & (pl.col("measure") == "time_elapsed") & ~pl.col("pricing").is_in(list(OUTSIDE))
    lacks = pl.col("begins").is_null() | pl.col("ends").is_null()
    hit = lines.filter(by_time & (lacks | (pl.col("ends") < pl.col("begins"))))
    said = (
        pl.when(pl.col("begins").is_null() | pl.col("ends").is_null())
        .then(pl.format("{} is earned by time and has no start or no end; nothing of it is recognized.", "contract_line_id"))
        .otherwise(
            pl.format("{} is earned by time and ends ({}) before it starts ({}).", "contract_line_id", "ends", "begins")
        )
    )  # fmt: skip
    return _of_lines(hit, "promise_without_term", "high", said, "Correct the dates of the line or of its contract.")


def _without_commission(lines: pl.DataFrame) -> pl.DataFrame:
    """Tell promises the firm arranges as an agent without saying what it keeps of their price (606-10-55-38)."""
    hit = lines.filter((pl.col("role") == "agent") & pl.col("commission_pct").is_null())
    text = "The firm is an agent for {} and nothing says what it keeps; all of its price counts as owed to others, and none as revenue."
    remedy = "State commission_pct of the line (0 where the firm keeps nothing), or judge the firm the principal."
    return _of_lines(hit, "commission_not_stated", "high", pl.format(text, "contract_line_id"), remedy)


def _of_lines(hit: pl.DataFrame, kind: str, severity: str, message: pl.Expr, remedy: str) -> pl.DataFrame:
    return findings_of(hit, "contract_line", "amount", kind, severity, message, remedy)


def _of_contracts(hit: pl.DataFrame, kind: str, severity: str, message: pl.Expr, remedy: pl.Expr | str) -> pl.DataFrame:
    return findings_of(hit, "contract", "total_value", kind, severity, message, remedy)


def _unpriced(contracts: pl.DataFrame, lines: pl.DataFrame, levels: pl.DataFrame) -> pl.DataFrame:
    """Return contracts whose promises state no price, singly or together, and of which nothing is estimated."""
    # The price of a licence for a royalty alone is the sales to come (606-10-55-65).
    royalty = (pl.col("offering") == "licence") & (pl.col("variable_kind") == "usage")
    priced = lines.filter((pl.col("pricing") != "package") | royalty.fill_null(value=False)).select("contract_id").unique()
    hit = (
        contracts.filter(pl.col("total_value").is_null())
        .join(lines.select("contract_id").unique(), on="contract_id", how="semi")
        .join(priced, on="contract_id", how="anti")
        .join(levels.select("contract_id").unique(), on="contract_id", how="anti")
    )
    said = pl.format("No line of contract {} states an amount, and the contract no value: there is no price to recognize.", "contract_id")
    found = _of_contracts(hit, "price_missing", "high", said, "State the amount of each line, or the value of the contract.")
    return pl.concat([found, _fees_of_nothing(lines)])


def _fees_of_nothing(lines: pl.DataFrame) -> pl.DataFrame:
    """Return fees that are a percent of a line that nobody knows, or that is such a fee itself: they come to nothing."""
    based = lines.filter(pl.col("pricing") != "percent_of").select(pl.col("contract_line_id").alias("fee_on_line_id"))
    hit = lines.filter(pl.col("pricing") == "percent_of").join(based, on="fee_on_line_id", how="anti").sort("contract_line_id")
    text = "{} is a percent of {}, which has no price of its own: the fee comes to nothing."
    said = pl.format(text, "contract_line_id", "fee_on_line_id")
    return _of_lines(hit, "price_missing", "high", said, "Name the line that the fee is a percent of.")


def _untiered(records: Records, lines: pl.DataFrame) -> pl.DataFrame:
    """Return promises priced by tiers of which an expected quantity falls into none: they have no price then."""
    told = records.frame("variable_estimate").select("contract_line_id", "quantity")
    units = pl.max_horizontal("estimated_total_units", "units_delivered")
    seen = records.frame("progress").select("contract_line_id", units.alias("quantity"))
    tiered = lines.filter(pl.col("pricing") == "tiers")
    asked = pl.concat([tiered.select("contract_line_id", "quantity"), told, seen]).filter(pl.col("quantity") > 0).unique()
    tiers = records.frame("price_tier").filter(pl.col("unit_price").is_not_null())
    above = pl.col("quantity") > pl.coalesce("from_quantity", pl.lit(0))
    inside = above & (pl.col("to_quantity").is_null() | (pl.col("quantity") <= pl.col("to_quantity")))
    held = asked.join(tiers.select("contract_line_id", "from_quantity", "to_quantity"), on="contract_line_id", how="inner").filter(inside)
    left = asked.join(held, on=["contract_line_id", "quantity"], how="anti")
    first = left.group_by("contract_line_id").agg(pl.col("quantity").min().alias("→outside"))
    hit = tiered.join(first, on="contract_line_id", how="inner").sort("contract_line_id")
    text = "A quantity of {} of {} falls into none of its tiers: it has no price."
    said = pl.format(text, plain_text(pl.col("→outside")), "contract_line_id")
    return _of_lines(hit, "price_missing", "high", said, "Correct the tiers, so that they hold every quantity.")


def _undated(records: Records, contracts: pl.DataFrame) -> pl.DataFrame:
    dates = pl.col("signed_date", "start_date", "criteria_met_date")
    bare = records.frame("contract").filter(pl.all_horizontal(dates.is_null())).select("contract_id")
    # A contract that promises nothing yet has nothing to recognize on any day.
    promised = records.frame("contract_line").select("contract_id").unique()
    hit = contracts.join(bare, on="contract_id", how="semi").join(promised, on="contract_id", how="semi")
    said = pl.format("Contract {} has no date of signing or start: it counts as signed on the day of the run.", "contract_id")
    unsigned = _of_contracts(hit, "contract_not_dated", "medium", said, "Enter the date of signing.")
    ended = records.frame("contract").filter((pl.col("status") == "terminated") & pl.col("terminated_date").is_null()).select("contract_id")
    running = contracts.join(ended, on="contract_id", how="semi").join(promised, on="contract_id", how="semi")
    said = pl.format("Contract {} is terminated, and nobody says when: it is earned as if it ran on.", "contract_id")
    return pl.concat([unsigned, _of_contracts(running, "contract_not_dated", "high", said, "Enter the day it was terminated.")])


def _improbable(records: Records, contracts: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return estimates whose outcomes have probabilities that do not sum to 100 % (606-10-32-8)."""
    outcomes = records.frame("variable_outcome").filter(pl.col("probability_pct").is_not_null())
    odds = outcomes.group_by("estimate_id").agg(pl.col("probability_pct").sum().alias("odds"), pl.col("amount").abs().max().alias("most"))
    hit = odds.filter(pl.col("odds") != 100).join(records.frame("variable_estimate"), on="estimate_id", how="inner")
    own = lines.select("contract_line_id", pl.col("contract_id").alias("line_contract"))
    hit = hit.join(own, on="contract_line_id", how="left").with_columns(pl.coalesce("line_contract", "contract_id").alias("contract_id"))
    hit = hit.join(contracts.select("contract_id", "currency"), on="contract_id", how="inner", suffix=".contract")
    total = pl.col("odds").cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")
    text = "The probabilities of the outcomes of {} sum to {} %, not to 100 %: what they give is no estimate."
    message = pl.format(text, "estimate_id", total)
    remedy = "Correct the probabilities of the outcomes, or state the amount of the estimate."
    return hit.sort("estimate_id").select(
        *finding_columns("probabilities_not_whole", "high", "variable_estimate", message, remedy),
        pl.col("estimate_id").alias("entity_id"),
        "contract_id",
        pl.col("most").alias("amount_at_risk"),
        pl.col("currency.contract" if "currency.contract" in hit.columns else "currency").alias("currency"),
        "evidence",
    )


def _overstated(records: Records, contracts: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return estimates of which more is included in the price than is expected: the constraint takes off, it adds nothing (32-11)."""
    own = lines.select("contract_line_id", pl.col("contract_id").alias("line_contract"))
    made = records.frame("variable_estimate").filter((pl.col("amount") > 0) & (pl.col("constrained_amount") > pl.col("amount")))
    made = made.join(own, on="contract_line_id", how="left").with_columns(pl.coalesce("line_contract", "contract_id").alias("contract_id"))
    hit = made.join(contracts.select("contract_id", "currency"), on="contract_id", how="inner").sort("estimate_id")
    said = pl.format(
        "{} includes {} in the price and estimates {}; no more can be included than is expected, and the price holds what is stated.",
        "estimate_id", plain_text(pl.col("constrained_amount")), plain_text(pl.col("amount")),
    )  # fmt: skip
    return hit.select(
        *finding_columns("estimate_below_included", "high", "variable_estimate", said, "Correct the estimate or the included amount."),
        pl.col("estimate_id").alias("entity_id"),
        "contract_id",
        (pl.col("constrained_amount") - pl.col("amount")).alias("amount_at_risk"),
        "currency",
        "evidence",
    )


def _unobserved(records: Records, lines: pl.DataFrame) -> pl.DataFrame:
    """Return promises on which work is on record, but not in the measure they are earned by: nothing of them is recognized."""
    pooled = lines.filter(~pl.col("pricing").is_in([*OUTSIDE, "tiers"]) & (pl.col("timing") == "over_time"))
    about = pooled.filter(pl.col("measure").is_in(list(_TOLD_BY)))
    told, other = _told_in_measure(records, about), _told_otherwise(records, about)
    hit = about.join(told, on="okey", how="anti").join(other, on="contract_line_id", how="semi")
    text = "{} is earned by {}, and what is on record of its work does not tell them; nothing of it is recognized."
    said = pl.format(text, "contract_line_id", pl.col("measure").replace_strict(_TOLD_BY, return_dtype=pl.String))
    found = _of_lines(hit, "progress_not_observed", "medium", said, "Report its progress in its measure, or choose another one for it.")
    endless = _without_estimate(records, about.filter((pl.col("measure") == "hours") & (pl.col("pricing") != "hours")), "hours")
    text = "{} is earned by hours over hours expected, and nobody said how many are expected; nothing of it is recognized."
    said = pl.format(text, "contract_line_id")
    found = pl.concat([found, _of_lines(endless, "progress_not_observed", "medium", said, "Enter the hours expected of the line.")])
    told = about.filter((pl.col("measure") == "cost_to_cost") & (pl.col("when_unmeasurable") == "finding"))
    endless = _without_estimate(records, told, "cost")
    text = "{} is earned by cost over cost expected, and nobody said what is expected; by policy nothing of it is recognized."
    said = pl.format(text, "contract_line_id")
    return pl.concat([found, _of_lines(endless, "progress_not_observed", "medium", said, "Enter the cost expected of the line.")])


_TOLD_BY: Final = {
    "cost_to_cost": "cost to date", "cost_recovery": "cost to date", "hours": "hours", "units": "units delivered",
    "observed": "a percentage", "milestones": "milestones",
}  # fmt: skip
_FIELDS: Final = {
    "cost_to_cost": "cost_to_date", "cost_recovery": "cost_to_date", "hours": "hours_to_date", "units": "units_delivered",
    "observed": "percent_complete",
}  # fmt: skip


@of_no("lines")
def _told_in_measure(records: Records, lines: pl.DataFrame) -> pl.DataFrame:
    """Return the obligations of which anything is told in their own measure: okey."""
    seen, time = records.frame("progress"), records.frame("time_entry").filter(pl.col("status") == "approved")
    by_measure = {name: [seen.filter(pl.col(field).is_not_null())] for name, field in _FIELDS.items()}
    by_measure["hours"].append(time)
    by_measure["units"].append(records.frame("usage").filter(pl.col("quantity").is_not_null()))
    by_measure["milestones"] = [records.frame("milestone")]
    found = [
        lines.filter(pl.col("measure") == name).join(frame, on="contract_line_id", how="semi").select("okey")
        for name, frames in by_measure.items()
        for frame in frames
    ]
    return pl.concat([*found, *_drawn_by_hours(lines, seen, time)]).unique()


def _drawn_by_hours(lines: pl.DataFrame, seen: pl.DataFrame, time: pl.DataFrame) -> list[pl.DataFrame]:
    """Return the obligations of prepaid hours measured in units of which the hours are told: okey."""
    prepaid = lines.filter((pl.col("measure") == "units") & (pl.col("offering") == "retainer"))
    of_hours = prepaid.filter(pl.col("estimated_hours").is_not_null())
    counted = prepaid.filter(pl.col("estimated_hours").is_not_null() | (pl.col("quantity") > 1))
    told = seen.filter(pl.col("hours_to_date").is_not_null())
    # Those measured by hours of which some are expected to lapse are drawn like units.
    lapsing = lines.filter((pl.col("measure") == "hours") & (pl.col("offering") == "retainer"))
    lapsing = lapsing.join(seen.filter(pl.col("expected_breakage").is_not_null()), on="contract_line_id", how="semi")
    drawn = seen.filter(pl.col("units_delivered").is_not_null())
    pairs = ((of_hours, time), (counted, told), (lapsing, drawn))
    return [rows.join(frame, on="contract_line_id", how="semi").select("okey") for rows, frame in pairs]


def _told_otherwise(records: Records, lines: pl.DataFrame) -> pl.DataFrame:
    """Return the lines that any progress report tells of, those earned by cost with time or cost of delivery, and retainers with time.

    Columns: contract_line_id.
    """
    fields = pl.any_horizontal((pl.col(field) > 0).fill_null(value=False) for field in _FIELDS.values())
    seen = records.frame("progress").filter(fields).select("contract_line_id")
    spent = records.frame("contract_cost").filter((pl.col("kind") == "delivery") & (pl.col("amount") != 0)).select("contract_line_id")
    worked = records.frame("time_entry").filter(pl.col("status") == "approved").select("contract_line_id")
    by_cost = lines.filter(pl.col("measure").is_in(["cost_to_cost", "cost_recovery"])).select("contract_line_id")
    by_cost = by_cost.join(pl.concat([spent, worked]), on="contract_line_id", how="semi")
    drawn = lines.filter((pl.col("measure") == "units") & (pl.col("offering") == "retainer")).select("contract_line_id")
    return pl.concat([seen, by_cost, drawn.join(worked, on="contract_line_id", how="semi")]).unique()


def _without_estimate(records: Records, lines: pl.DataFrame, of: str) -> pl.DataFrame:
    """Return lines with work done whose obligation has no expected whole from any source; `of`: hours or cost."""
    told = records.frame("progress").filter(pl.col(f"estimated_total_{of}") > 0).select("contract_line_id")
    changed = records.frame("amendment_line").filter(pl.col(f"estimated_{of}") > 0).select("contract_line_id")
    estimated = lines.filter(pl.col(f"estimated_{of}") > 0).select("okey")
    later = lines.join(pl.concat([told, changed]), on="contract_line_id", how="semi").select("okey")
    open_lines = lines.join(pl.concat([estimated, later]), on="okey", how="anti")
    done = [records.frame("progress").filter(pl.col(f"{of}_to_date") > 0).select("contract_line_id")]
    if of == "hours":
        done.append(records.frame("time_entry").filter(pl.col("status") == "approved").select("contract_line_id"))
    return open_lines.join(pl.concat(done), on="contract_line_id", how="semi")


def unpriced_work(records: Records, lines: pl.DataFrame, worked: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return promises paid by work or use of which some is on record that nobody put a price on; `worked`: the time that counts."""
    # A commitment in money is measured by what its use is worth.
    in_money = (pl.col("measure") == "usage") & pl.col("quantity").is_null()
    own = lines.filter(pl.col("pricing").is_in(list(OUTSIDE)) | in_money)
    hourly = own.filter(pl.col("is_as_invoiced") & (pl.col("offering") != "pass_through"))
    bare = without(own.filter(pl.col("unit_price").is_null()), records.frame("price_tier"), "contract_line_id")
    key, amount = "contract_line_id", pl.col("quantity").cast(pl.Decimal(38, 8))
    timed = worked.filter(pl.col("rate").is_null() & pl.col("earns")).join(hourly, on=key, how="semi").select(key, amount="hours")
    seen = records.frame("progress").filter((pl.col("hours_to_date") > 0) & (pl.col("as_of_date") <= as_of))
    seen = without(seen.join(bare, on=key, how="semi").join(hourly, on=key, how="semi"), records.frame("time_entry"), key)
    told = seen.group_by(key).agg(pl.col("hours_to_date").max().alias("amount"))
    used = records.frame("usage").filter(pl.col("amount").is_null() & (pl.col("usage_date") <= as_of)).join(bare, on=key, how="semi")
    used = without(used.filter(pl.col("quantity") != 0), hourly, key).select(key, amount=amount)
    found = pl.concat([each.select(key, pl.col("amount").cast(pl.Decimal(38, 8))) for each in (timed, told, used)])
    hit = lines.drop("amount").join(found.group_by(key).agg(pl.col("amount").sum().alias("→units")), on=key, how="inner")
    units = pl.col("→units").cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")
    said = pl.format("{} units of work or use of {} have no price from any source; nothing of them is recognized.", units, key)
    hit = hit.with_columns(pl.lit(None, dtype=pl.Decimal(38, 6)).alias("amount")).sort(key)
    return _of_lines(hit, "work_not_priced", "high", said, "State the rate on the entry, the assignment, the rate card or the line.")


def unearned_work(records: Records, lines: pl.DataFrame, worked: pl.DataFrame, last: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return promises of which work or use on record comes to nothing: it is dated after their end, or use prices nothing there.

    `worked`: the time that counts. `last`: the last day of lines that end ahead (`last_days`). Use that is told without an amount, of a
    promise that states no price by use, is only information.
    """
    return pl.concat([_after_end(records, lines, worked, last, as_of), _use_without_price(records, lines, as_of)])


def _after_end(records: Records, lines: pl.DataFrame, worked: pl.DataFrame, last: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    key = "contract_line_id"
    paid = pl.col("pricing").is_in([*BY_WORK, "tiers"]) | (pl.col("pricing") == "usage") & (pl.col("offering") != "licence")
    paid = paid | "→is_removed" & pl.col("measure").is_in(["hours", "units"])
    own = lines.join(last.filter(pl.col("→last") < as_of), on=key, how="inner")
    if not own.height:
        return _of_lines(own, "work_not_priced", "high", pl.lit(""), "")
    by_work = own.filter(paid).select(key)
    spent = records.frame("expense").filter(pl.col("billable") & (pl.col("status") == "approved"))
    told = without(records.frame("progress").filter(pl.col("hours_to_date") > 0), worked, key)
    told = told.sort("as_of_date", maintain_order=True).filter(
        (pl.col("hours_to_date") > pl.col("hours_to_date").shift(1).over(key)).fill_null(value=True)
    )
    dated = [
        worked.filter("earns").join(by_work, on=key, how="semi").select(key, "date"),
        told.join(by_work, on=key, how="semi").select(key, pl.col("as_of_date").alias("date")),
        records.frame("usage").join(by_work, on=key, how="semi").select(key, pl.col("usage_date").alias("date")),
        spent.select(key, pl.col("incurred_date").alias("date")),
    ]
    late = pl.concat(dated).filter(pl.col("date") <= as_of).group_by(key).agg(pl.col("date").max().alias("→latest"))
    hit = own.join(late, on=key, how="inner").filter(pl.col("→latest") > pl.col("→last")).sort(key)
    text = "Work or use of {} is dated through {}, after the end of its {} on {}; nothing of it is recognized."
    said = pl.format(text, key, "→latest", "→whose", "→last")
    remedy = "Correct the day of the work or of the end, or enter the agreement that the work was done under."
    return _of_lines(hit, "work_not_priced", "high", said, remedy)


def _use_without_price(records: Records, lines: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    key = "contract_line_id"
    used = records.frame("usage").filter(pl.col("usage_date") <= as_of).group_by(key).agg(pl.col("amount").sum().alias("→worth"))
    counts = pl.col("measure").is_in(["usage", "units"]) | pl.col("pricing").is_in(["usage", "tiers"])
    is_royalty = (pl.col("offering") == "licence") & (pl.col("variable_kind") == "usage")
    apart = (is_royalty | (pl.col("offering") == "material_right")).fill_null(value=False)
    own = lines.filter(~counts & ~apart & pl.col("measure").is_not_null())
    hit = own.join(used, on=key, how="inner").filter((pl.col("→worth") != 0) | (pl.col("variable_kind") == "usage").fill_null(value=False))
    text = "{} is earned by {}, and use of it on record has no price there; nothing of the use is recognized."
    said = pl.format(text, key, pl.col("measure").str.replace_all("_", " "))
    hit = hit.with_columns(pl.col("→worth").alias("amount")).sort(key)
    remedy = "Assign the measure usage to what is paid by use: to a line of its own beside a fixed fee."
    return _of_lines(hit, "work_not_priced", "high", said, remedy)


def _measured_twice(lines: pl.DataFrame) -> pl.DataFrame:
    """Return lines of one obligation that are to be measured otherwise than it is (606-10-25-32)."""
    measured = lines.filter(~pl.col("pricing").is_in(list(OUTSIDE)) & (pl.coalesce("amount", pl.lit(1)) != 0))
    hit = measured.filter((pl.col("own.timing") != pl.col("timing")) | (pl.col("own.measure") != pl.col("measure")))
    text = (
        "{} is to be earned {} by {}, but its obligation {} is earned as a whole, {} by {}; what is reported of the line otherwise "
        "counts for nothing."
    )
    said = pl.format(text, "contract_line_id", "own.timing", "own.measure", "obligation_id", "timing", "measure")
    return _of_lines(hit.sort("okey", "contract_line_id"), "measures_differ", "medium", said,
                     "Assign one timing and measure to all lines of the obligation.")  # fmt: skip
