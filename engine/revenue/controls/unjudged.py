"""What must be cleared up before a contract's price can be trusted: repurchases, missing rates, plans and amendments that differ."""

from __future__ import annotations

import polars as pl

from engine.canonical.kinds import MONEY
from engine.canonical.schema import entity_spec
from engine.nothing import of_no, of_nothing
from engine.revenue.arithmetic.exact import money_units, units_money
from engine.revenue.arithmetic.numbers import wide
from engine.revenue.contracts.crossing import crossed_lines
from engine.revenue.ground.finding_columns import amount_text, finding_columns, findings_of, plain_text
from engine.revenue.ground.records import Records
from engine.revenue.ground.stated import STATED, is_one_currency, with_contract_currency


def review_findings(lines: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for every promise that may be bought back (606-10-55-66): somebody must judge it first."""
    hit = lines.filter(pl.col("repurchase_kind").is_not_null())
    text = "{} may be bought back by a {}; nothing is recognized until somebody has judged whether control passes."
    message = pl.format(text, "contract_line_id", "repurchase_kind")
    remedy = "Judge the agreement (606-10-55-66 to 55-78); where it is a sale, or the right has lapsed, take its terms off the line."
    return hit.select(
        *finding_columns("repurchase_review", "high", "contract_line", message, remedy),
        pl.col("contract_line_id").alias("entity_id"),
        "contract_id",
        pl.col("amount").alias("amount_at_risk"),
        "currency",
        "evidence",
    )


def rate_findings(lines: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for every promise in another currency without a rate on the day it is promised."""
    hit = lines.filter("lacks_rate")
    text = "{} is priced in another currency than its contract and no rate translates it on the day of signing; the contract is held."
    message = pl.format(text, "contract_line_id")
    return hit.select(
        *finding_columns("exchange_rate_missing", "high", "contract_line", message, "Load the spot rate of the day into `exchange_rate`."),
        pl.col("contract_line_id").alias("entity_id"),
        "contract_id",
        "evidence",
    )


def stated_rate_findings(records: Records) -> pl.DataFrame:
    """Return a finding for what tells a price or a cost in another currency without a rate of its day (`stated.STATED`)."""
    found = []
    for entity, stated in STATED.items():
        rows = records.frame(entity).filter(pl.col("currency").is_not_null())
        if is_one_currency(rows, records.frame("contract")):
            continue
        # What a rate was found for is in its contract's currency.
        told = with_contract_currency(rows, records.frame).filter(pl.col("currency") != pl.col("→currency"))
        named = (pl.lit(entity).alias("entity"), pl.col(entity_spec(entity).keys[0]).alias("id"), pl.lit(stated.left_open).alias("open"))
        found.append(told.select(*named, "→contract", "currency", "evidence"))
    if not found:
        return pl.DataFrame()
    rows = pl.concat(found)
    text = "{} is in {}, another currency than its contract's, and no rate translates it on its day; {}."
    message = pl.format(text, "id", "currency", "open")
    remedy = "Load the spot rate of the day into `exchange_rate`, or correct the currency."
    return rows.select(
        *finding_columns("exchange_rate_missing", "high", pl.col("entity"), message, remedy),
        pl.col("id").alias("entity_id"), pl.col("→contract").alias("contract_id"), "currency", "evidence",
    )  # fmt: skip


def plan_findings(records: Records, contracts: pl.DataFrame, terms: pl.DataFrame, levels: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for every contract whose billing plan does not come to what its lines now cost."""
    plan = records.frame("billing_plan_line").filter(pl.col("amount").is_not_null())
    planned = plan.group_by("contract_id").agg(
        pl.col("amount").sum().alias("planned"), pl.col("evidence").explode().drop_nulls().unique().sort()
    )
    latest = terms.sort("place").group_by("contract_line_id", maintain_order=True).agg(pl.col("contract_id").last(), pl.col("gross").last())
    priced = latest.group_by("contract_id").agg(
        pl.col("gross").sum().alias("lines"), pl.col("gross").is_not_null().all().alias("is_priced")
    )
    open_price = levels.filter(pl.col("level") != 0).select("contract_id").unique()
    made = contracts.drop("evidence").join(planned, on="contract_id", how="inner").join(priced, on="contract_id", how="inner")
    made = made.join(open_price, on="contract_id", how="anti").filter("is_priced")
    made = _with_beside(made, records)
    difference = money_units(pl.col("planned"), pl.col("minor_digits")) - pl.col("lines")
    used, advance = (money_units(pl.col(name), pl.col("minor_digits")) for name in ("used", "advance"))
    # A plan may charge what was used beside the price, and leave out what was paid before it.
    is_told = pl.any_horizontal(difference == used, difference == advance * -1, difference == used - advance)
    made = made.filter(~is_told)
    hit = made.with_columns(units_money(difference, pl.col("minor_digits")).alias("difference")).filter(pl.col("difference") != 0)
    text = "The billing plan of {} comes to {}, {} away from the price of its lines."
    message = pl.format(text, "contract_id", amount_text(pl.col("planned")), amount_text(pl.col("difference").abs()))
    remedy = "Say which is the price: correct the plan, or the lines; the price is never taken from the plan."
    return findings_of(hit, "contract", "difference", "price_differs_from_billing_plan", "medium", message, remedy)


def _with_beside(contracts: pl.DataFrame, records: Records) -> pl.DataFrame:
    """Add what was sold or used beside the price (`used`), and what was paid before the plan calls for anything (`advance`)."""
    of_line = records.frame("contract_line").select("contract_line_id", "contract_id").unique("contract_line_id", keep="first")
    used = records.frame("usage").join(of_line, on="contract_line_id", how="inner")
    first = records.frame("billing_plan_line").group_by("contract_id").agg(pl.col("due_date").min().alias("→first"))
    paid = records.frame("payment").filter(pl.col("invoice_id").is_null()).join(first, on="contract_id", how="inner")
    paid = paid.filter(pl.col("paid_date") < pl.col("→first"))
    made = contracts
    for rows, name in ((used, "used"), (paid, "advance")):
        sums = rows.group_by("contract_id").agg(pl.col("amount").sum().alias(name))
        made = made.join(sums, on="contract_id", how="left", maintain_order="left").with_columns(pl.col(name).fill_null(0))
    return made


@of_nothing
def amendment_findings(amendments: pl.DataFrame, terms: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for every amendment whose stated change of the price is not what its lines change it by.

    Revenue follows the lines: an amendment that names none changes nothing. One that changes hours, tiers or
    work as invoiced, whose price is no stated amount, is not compared; nor is one of a contract of which no line is
    known, which has no revenue here.
    """
    none = wide(0)
    before = pl.when(pl.col("action") == "add").then(none).otherwise(pl.col("before.gross"))
    own = (
        terms.filter(pl.col("amendment_id").is_not_null())
        .group_by("amendment_id")
        .agg(
            (pl.col("gross").fill_null(none) - before).sum().alias("by_lines"),
            pl.col("gross").is_not_null().all().alias("is_priced"),
            pl.lit(value=True).alias("has_lines"),
        )
    )
    promised = contracts.join(terms.select("contract_id"), on="contract_id", how="semi")
    stated = amendments.join(promised.select("contract_id", "currency", "minor_digits", "total_value"), on="contract_id", how="inner")
    # A new total without a change tells it too: against the total agreed on before, of the contract or of the amendment before.
    first = pl.int_range(pl.len()).over("contract_id", order_by="agreed_place") == 0
    total = pl.when(first).then("total_value").otherwise(pl.col("total_after").shift(1).over("contract_id", order_by="agreed_place"))
    stated = stated.with_columns(pl.coalesce("amount_change", pl.col("total_after") - total).alias("amount_change"))
    stated = stated.filter(pl.col("amount_change").is_not_null() & (pl.col("amount_change") != 0))
    made = stated.join(own, on="amendment_id", how="left").filter(pl.col("is_priced").fill_null(value=True))
    change = money_units(pl.col("amount_change"), pl.col("minor_digits"))
    made = made.with_columns(
        units_money(pl.col("by_lines").fill_null(none) - change, pl.col("minor_digits")).alias("difference"),
        units_money(pl.col("by_lines").fill_null(none), pl.col("minor_digits")).alias("by_lines"),
    )
    hit = made.filter(pl.col("difference") != 0).sort("amendment_id")
    away = pl.when(pl.col("difference") > 0).then(pl.lit("more")).otherwise(pl.lit("less"))
    lines, by, said = (amount_text(each) for each in (pl.col("by_lines"), pl.col("difference").abs(), pl.col("amount_change")))
    named = pl.format("The lines of {} change the price by {}, {} {} than the {} it states", "amendment_id", lines, by, away, said)
    unnamed = pl.format("{} states a change of {} and names no line that it changes", "amendment_id", said)
    message = pl.when(pl.col("has_lines").fill_null(value=False)).then(named).otherwise(unnamed)
    message = pl.concat_str(message, pl.lit("; revenue follows the lines alone."))
    remedy = "Enter the lines of the amendment with their amounts after it, or correct the change it states."
    return hit.select(
        *finding_columns("amendment_differs_from_lines", "high", "amendment", message, remedy),
        pl.col("amendment_id").alias("entity_id"),
        "contract_id",
        pl.col("difference").abs().alias("amount_at_risk"),
        "currency",
        "evidence",
    )


@of_no("amendments")
def crossing_findings(amendments: pl.DataFrame, terms: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for every line whose amendments state totals, cross in approval and effect, and do not tell what each changes.

    They are counted in the order of approval (`crossing.as_approved`). Where an amendment states its change or the new total of the
    contract, that tells whether it was meant so (`amendment_findings`).
    """
    own = terms.filter(pl.col("contract_line_id").is_in(crossed_lines(terms).implode()) & (pl.col("action") == "change"))
    own = own.filter(pl.col("amount").is_not_null() & (pl.col("amount") != pl.col("before.amount")))
    said = amendments.select("amendment_id", pl.coalesce("amount_change", "total_after").is_not_null().alias("is_told"))
    rows = own.join(said, on="amendment_id", how="inner").sort("contract_line_id", "agreed_place")
    found = rows.group_by("contract_line_id", maintain_order=True).agg(
        pl.col("contract_id").first(), pl.col("amendment_id"), pl.col("is_told").all(),
        (pl.col("amount") - pl.col("before.amount")).abs().max().alias("amount_at_risk"),
        pl.col("evidence").explode().drop_nulls().unique().sort(),
    )  # fmt: skip
    hit = found.filter(~pl.col("is_told") & (pl.col("amendment_id").list.len() > 1))
    hit = hit.join(contracts.select("contract_id", "currency"), on="contract_id", how="left", maintain_order="left")
    text = "{} state totals of {} and take effect in another order than they were approved in; each counts as a change of what was agreed."
    message = pl.format(text, pl.col("amendment_id").list.join(", "), "contract_line_id")
    remedy = "State on each amendment what it changes (`amount_change`) or the contract's new total."
    return hit.select(
        *finding_columns("amendments_cross", "medium", "contract_line", message, remedy),
        pl.col("contract_line_id").alias("entity_id"), "contract_id", pl.col("amount_at_risk").cast(pl.Decimal(38, 6)), "currency",
        "evidence",
    )  # fmt: skip


def package_findings(terms: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for every amount after a change of a promise that had none: what it changes the price by is not known."""
    hit = terms.filter((pl.col("pricing") == "package") & (pl.col("action") == "change") & pl.col("amount").is_not_null())
    hit = hit.filter(pl.col("pooled").is_null() & pl.col("before.amount").is_null())
    hit = hit.join(contracts.select("contract_id", "currency"), on="contract_id", how="left", maintain_order="left")
    text = "{} states the amount of {} after the change, and the contract was priced as a whole; its price stays as it was."
    message = pl.format(text, "amendment_id", "contract_line_id")
    remedy = "Enter the amounts of the contract's lines as signed, so that the change of the price is known."
    return hit.sort("amendment_id", "contract_line_id").select(
        *finding_columns("package_change_not_priced", "high", "amendment_line", message, remedy),
        pl.col("amendment_line_id").alias("entity_id"),
        "contract_id",
        pl.col("amount").cast(pl.Decimal(38, 6)).alias("amount_at_risk"),
        "currency",
        "evidence",
    )


def cap_findings(terms: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for every amendment that states more of an hourly line than its cap, which it leaves as it was.

    The amount of hourly work is an estimate: what may be billed, and is earned, ends at the cap.
    """
    changed = (pl.col("amount") != pl.col("before.amount")).fill_null(value=True)
    hit = terms.filter((pl.col("action") == "change") & pl.col("pricing").is_in(["capped", "as_invoiced"]) & changed)
    hit = hit.filter((pl.col("amount") > pl.col("cap_amount")) & pl.col("cap_amount").eq_missing(pl.col("before.cap_amount")))
    hit = hit.join(contracts.select("contract_id", "currency"), on="contract_id", how="left", maintain_order="left")
    text = "{} states an amount of {} for {}, and its cap stays at {}; no more than that is earned."
    told = [plain_text(pl.col(name)) for name in ("amount", "cap_amount")]
    message = pl.format(text, "amendment_id", told[0], "contract_line_id", told[1])
    remedy = "State the cap after the amendment (`cap_amount`) if it was raised."
    return hit.sort("amendment_id", "contract_line_id").select(
        *finding_columns("amendment_differs_from_lines", "high", "amendment", message, remedy),
        pl.col("amendment_id").alias("entity_id"),
        "contract_id",
        (pl.col("amount") - pl.col("cap_amount")).cast(MONEY).alias("amount_at_risk"),
        "currency",
        "evidence",
    )


def hourly_rate_findings(terms: pl.DataFrame, rates: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for every change of the rate of hours priced by their expected number that could not be priced.

    `rates`: of `hourly.rate_steps`. Tiers price the hours themselves, and where nobody says how many hours are expected nothing
    tells how many are still to come; work as invoiced follows its rate from the day on.
    """
    by_hours = pl.col("pricing").is_in(["hours", "capped"]) & (pl.col("action") == "change")
    priced = rates.filter(pl.col("effect").is_not_null()).select("contract_line_id", "place")
    hit = terms.filter(by_hours & (pl.col("unit_price") != pl.col("before.unit_price")))
    hit = hit.join(priced, on=["contract_line_id", "place"], how="anti").join(
        contracts.select("contract_id", "currency"), on="contract_id", how="left", maintain_order="left"
    )
    text = "{} changes the hourly rate of {} from {} to {}; nothing tells how many hours are still to come at it, and the price stays."
    rates_told = [plain_text(pl.col(name)) for name in ("before.unit_price", "unit_price")]
    message = pl.format(text, "amendment_id", "contract_line_id", *rates_told)
    remedy = "Enter the hours expected before the change, or the tiers that hold after it."
    return hit.sort("amendment_id", "contract_line_id").select(
        *finding_columns("hourly_rate_change_not_priced", "high", "amendment_line", message, remedy),
        pl.col("amendment_line_id").alias("entity_id"),
        "contract_id",
        ((pl.col("unit_price") - pl.col("before.unit_price")).abs() * pl.coalesce("estimated_hours", pl.lit(0)))
        .cast(pl.Decimal(38, 6))
        .alias("amount_at_risk"),
        "currency",
        "evidence",
    )
