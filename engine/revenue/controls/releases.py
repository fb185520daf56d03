"""Controls over contracts and their estimates: findings that need no comparison with another schedule."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from engine.canonical.kinds import MONEY
from engine.canonical.schema import empty_frame
from engine.nothing import of_nothing
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.ground.finding_columns import amount_text, finding_columns


def records(golden: Mapping[str, pl.DataFrame], entity: str) -> pl.DataFrame:
    """Return an entity's golden records, an empty frame (with `evidence`) where no system supplies it."""
    if entity in golden:
        return golden[entity]
    return empty_frame(entity).with_columns(pl.lit(None, dtype=pl.List(pl.String)).alias("evidence"))


def release_findings(theirs: pl.DataFrame, prices: pl.DataFrame) -> pl.DataFrame:
    """Return findings where what the revenue engine recognized of a line exceeds its price, or is negative.

    `theirs`: golden revenue_schedule_line. `prices`: contract_line_id, price (whole price allocated to the line; null:
    open-ended). A reduction of a credit (negative price) may go below zero, and no further than it.
    """
    held = theirs.filter(pl.col("status") == "recognized").group_by("contract_line_id").agg(
        pl.col("contract_id").first(), pl.col("currency").first(), pl.col("amount").sum().cast(MONEY).alias("released"),
        pl.col("evidence").explode().drop_nulls().unique().sort(),
    ).join(prices, on="contract_line_id", how="left")  # fmt: skip
    above = (pl.col("price") >= 0) & (pl.col("released") > pl.col("price"))
    below = (pl.col("released") < 0) & ((pl.col("price") >= 0) | pl.col("price").is_null())
    beyond = (pl.col("price") < 0) & (pl.col("released") < pl.col("price"))
    kind = pl.when(above | beyond).then(pl.lit("release_above_price")).when(below).then(pl.lit("release_below_zero"))
    message = pl.format(
        "The revenue engine has recognized {} {} of {}, whose price is {}.", amount_text(pl.col("released")),
        pl.col("currency").fill_null(""), "contract_line_id", pl.coalesce(amount_text(pl.col("price")), pl.lit("open")),
    )  # fmt: skip
    beyond_by = pl.when(below).then(pl.col("released") * -1).otherwise((pl.col("released") - pl.col("price")).abs())
    found = held.with_columns(kind.alias("found"), beyond_by.cast(MONEY).alias("risk")).filter(pl.col("found").is_not_null())
    remedy = "Correct the line's schedule: cumulative revenue lies between zero and the price (606-10-55-20)."
    return found.select(
        *finding_columns(pl.col("found"), "high", "contract_line", message, remedy), pl.col("contract_line_id").alias("entity_id"),
        "contract_id", pl.lit(["revrec"]).alias("systems"), pl.col("risk").alias("amount_at_risk"), "currency", "evidence",
    )  # fmt: skip


def allocation_findings(theirs: pl.DataFrame, prices: pl.DataFrame) -> pl.DataFrame:
    """Return findings where a line's whole schedule, planned months included, is not its allocated price.

    Only of lines recognized by time, whose schedule is whole from the start: `prices` has contract_line_id, price,
    measure, minor (the smallest unit of the currency).
    """
    whole = theirs.filter(pl.col("status").is_in(["recognized", "planned"])).group_by("contract_line_id").agg(
        pl.col("contract_id").first(), pl.col("currency").first(), pl.col("amount").sum().cast(MONEY).alias("scheduled"),
        pl.col("evidence").explode().drop_nulls().unique().sort(),
    )  # fmt: skip
    both = whole.join(prices.filter(pl.col("measure") == "time_elapsed"), on="contract_line_id", how="inner")
    gap = pl.col("scheduled") - pl.col("price")
    message = pl.format(
        "The revenue engine's schedule of {} sums to {} {}, its allocated price is {}.", "contract_line_id",
        amount_text(pl.col("scheduled")), pl.col("currency").fill_null(""), amount_text(pl.col("price")),
    )  # fmt: skip
    remedy = "Let the revenue engine allocate the contract's price again; the whole of it is released, no more and no less."
    return both.filter(gap.abs() > pl.col("minor")).select(
        *finding_columns("schedule_differs_from_allocation", "high", "contract_line", message, remedy),
        pl.col("contract_line_id").alias("entity_id"), "contract_id", pl.lit(["revrec"]).alias("systems"),
        gap.abs().cast(MONEY).alias("amount_at_risk"), "currency", "evidence",
    )  # fmt: skip


def price_range_findings(lines: pl.DataFrame) -> pl.DataFrame:
    """Return findings of lines whose standalone selling price lies outside the range stated for it (606-10-32-33)."""
    ssp, low, high = pl.col("standalone_selling_price"), pl.col("ssp_low"), pl.col("ssp_high")
    outside = ((ssp < low).fill_null(value=False)) | ((ssp > high).fill_null(value=False))
    off = pl.when(ssp < low).then(low - ssp).otherwise(ssp - high)
    message = pl.format(
        "{} states a standalone selling price of {}, outside its range of {} to {}.", "contract_line_id", amount_text(ssp),
        pl.coalesce(amount_text(low), pl.lit("any")), pl.coalesce(amount_text(high), pl.lit("any")),
    )  # fmt: skip
    remedy = "Correct the price or the range, or record the judgement that supports it."
    return lines.filter(outside).select(
        *finding_columns("ssp_out_of_range", "medium", "contract_line", message, remedy), pl.col("contract_line_id").alias("entity_id"),
        "contract_id", off.cast(MONEY).alias("amount_at_risk"), "currency", "evidence",
    )  # fmt: skip


def old_asset_findings(balances: pl.DataFrame, limits: pl.DataFrame, as_of: pl.Expr) -> pl.DataFrame:
    """Return findings of contracts part of whose contract asset has stood longer than the policy's days.

    `balances`: contract_id, end_date, contract_asset, recognized (of the period), currency. `limits`: contract_id, days. The
    earliest revenue is invoiced first: what is left of the asset beyond the revenue of those days is older than they are.
    """
    held = balances.select("contract_id", "end_date", "contract_asset", "recognized", "currency")
    held = held.join(limits, on="contract_id", how="inner").filter(pl.col("end_date") <= as_of)
    since = as_of - pl.duration(days=pl.col("days"))
    # The last position on or before the day counts: what stood there when the time began.
    begun = held.filter(pl.col("end_date") <= since).group_by("contract_id").agg(pl.col("end_date").max().alias("begun"))
    window = held.join(begun, on="contract_id", how="inner").filter(pl.col("end_date") >= pl.col("begun"))
    since_then = pl.col("recognized").filter(pl.col("end_date") > pl.col("begun")).sum()
    still = pl.col("contract_asset").sort_by("end_date").last() - since_then
    least = window.group_by("contract_id", "days", "currency").agg(
        pl.min_horizontal(still, pl.col("contract_asset").min()).cast(MONEY).alias("stood")
    ).filter(pl.col("stood") > 0)  # fmt: skip
    message = pl.format(
        "{} {} of the contract asset of {} have waited more than {} days for a right to invoice.", amount_text(pl.col("stood")),
        pl.col("currency").fill_null(""), "contract_id", "days",
    )  # fmt: skip
    remedy = "See what the invoice waits for; test the asset for credit loss (606-10-45-3), or reduce the price if it will not be claimed."
    return least.select(
        *finding_columns("contract_asset_old", "medium", "contract", message, remedy), pl.col("contract_id").alias("entity_id"),
        "contract_id", pl.col("stood").alias("amount_at_risk"), "currency",
    )  # fmt: skip


def negative_backlog_findings(balances: pl.DataFrame, as_of: pl.Expr) -> pl.DataFrame:
    """Return findings of contracts of which more is recognized than promised: what remains lies on the other side of 0 than the price.

    A contract to give the customer credit has a price below 0, and so has what remains of it.
    """
    known = balances.select("contract_id", "end_date", "remaining_obligation", "transaction_price", "currency")
    known = known.filter(pl.col("end_date") <= as_of)
    is_credit = (pl.col("transaction_price") < 0).fill_null(value=False)
    beyond = pl.when(is_credit).then(pl.col("remaining_obligation") > 0).otherwise(pl.col("remaining_obligation") < 0)
    # Of the few that were ever beyond it only the last balance is looked for.
    ever = known.filter(beyond).select("contract_id").unique()
    last = known.join(ever, on="contract_id", how="semi").sort("end_date").group_by("contract_id", maintain_order=True).agg(
        pl.col("remaining_obligation", "transaction_price", "currency").last()
    )  # fmt: skip
    message = pl.format(
        "The remaining obligation of {} is {} {}: more is {} than promised.", "contract_id",
        amount_text(pl.col("remaining_obligation")), pl.col("currency").fill_null(""),
        pl.when(is_credit).then(pl.lit("credited")).otherwise(pl.lit("recognized")),
    )  # fmt: skip
    remedy = "Look for an amendment that is not entered, or for performance booked to the wrong contract."
    return last.filter(beyond).select(
        *finding_columns("negative_backlog", "high", "contract", message, remedy), pl.col("contract_id").alias("entity_id"), "contract_id",
        pl.col("remaining_obligation").abs().cast(MONEY).alias("amount_at_risk"), "currency",
    )  # fmt: skip


def unprovided_loss_findings(provisions: pl.DataFrame, posted: pl.DataFrame, as_of: pl.Expr) -> pl.DataFrame:
    """Return findings of contracts whose expected loss the standard has provided for and the ledger has not.

    `provisions`: from `losses.loss_provisions`. `posted`: contract_id, amount: the provision that the ledger holds (credit +).
    """
    last = provisions.filter(pl.col("end_date") <= as_of).sort("end_date").group_by("contract_id", "obligation_id").agg(
        pl.col("provision", "currency", "rule").last()
    )
    needed = last.group_by("contract_id", "currency").agg(pl.col("provision").sum(), pl.col("rule").first().alias("paragraph"))
    held = posted.group_by("contract_id").agg(pl.col("amount").sum().alias("held"))
    short = needed.join(held, on="contract_id", how="left").with_columns(
        (pl.col("provision") - pl.max_horizontal(pl.col("held").fill_null(ZERO), ZERO)).alias("short")
    ).filter(pl.col("short") > 0)  # fmt: skip
    message = pl.format(
        "An expected loss of {} {} on {} is not provided for ({}).", amount_text(pl.col("short")), pl.col("currency").fill_null(""),
        "contract_id", "paragraph",
    )  # fmt: skip
    remedy = "Approve the proposed entry for the provision, or correct the estimate at completion."
    return short.select(
        *finding_columns("loss_not_provided", "high", "contract", message, remedy), pl.col("contract_id").alias("entity_id"), "contract_id",
        pl.col("short").alias("amount_at_risk"), "currency",
    )  # fmt: skip


@of_nothing
def material_right_findings(options: pl.DataFrame, judgements: pl.DataFrame) -> pl.DataFrame:
    """Return findings of options that give more than is available anyway and of which nobody judged the right (606-10-55-42)."""
    judged = judgements.filter(pl.col("question") == "material_right")
    of_contract = judged.filter(pl.col("contract_id").is_not_null()).select("contract_id").unique()
    gives_more = pl.col("discount_pct") > pl.coalesce("discount_otherwise_pct", pl.lit(0))
    asked = options.filter(pl.col("contract_line_id").is_null() & gives_more.fill_null(value=False))
    message = pl.format(
        "Option {} of {} gives {} % off where {} % is available anyway; nobody has judged whether it is a material right.", "option_id",
        "contract_id", _percent("discount_pct"), pl.coalesce(_percent("discount_otherwise_pct"), pl.lit("0")),
    )  # fmt: skip
    remedy = "Record a judgement of question `material_right`, or give the option a line of its own with offering material_right."
    return asked.join(of_contract, on="contract_id", how="anti").select(
        *finding_columns("material_right_not_assessed", "medium", "option", message, remedy), pl.col("option_id").alias("entity_id"),
        "contract_id", "evidence",
    )  # fmt: skip


@of_nothing
def exercise_findings(options: pl.DataFrame, lines: pl.DataFrame, as_of: pl.Expr) -> pl.DataFrame:
    """Return findings of options exercised by as_of of which nobody told the line that was bought with them (606-10-55-42).

    `lines`: the lines known, as signed and as added (contract_line_id). Without it the right stays deferred until it lapses.
    """
    taken = options.filter((pl.col("exercised_date") <= as_of) & pl.col("contract_line_id").is_not_null())
    known = lines.select(pl.col("contract_line_id").alias("exercised_line_id")).drop_nulls().unique()
    hit = taken.join(known, on="exercised_line_id", how="anti").sort("option_id")
    unknown = pl.format("and its line {} is on no record", "exercised_line_id")
    bought = pl.coalesce(unknown, pl.lit("and no line tells what was bought with it"))
    message = pl.format("Option {} of {} was exercised on {}, {}; what its right defers waits until it lapses.", "option_id", "contract_id",
                        "exercised_date", bought)  # fmt: skip
    remedy = "Enter the amendment that adds what was bought, and name its line on the option (`exercised_line_id`)."
    return hit.select(
        *finding_columns("exercise_without_line", "high", "option", message, remedy), pl.col("option_id").alias("entity_id"), "contract_id",
        "evidence",
    )  # fmt: skip


def _percent(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.String).str.replace(r"\.?0+$", "")
