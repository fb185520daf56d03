"""Output measures in units: what was delivered or drawn, what lapses, what tiers are worth, rights exercised (606-10-55-17, 55-46)."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.nothing import of_no, of_nothing
from engine.revenue.arithmetic.numbers import whole_number, wide
from engine.revenue.arithmetic.tiers import tier_value
from engine.revenue.contracts.amendments import stated_estimates
from engine.revenue.ground.records import Records
from engine.revenue.price.options import option_shares
from engine.revenue.price.variable import expected_quantities, units_done
from engine.revenue.progress.expiry import as_agreed, expired
from engine.revenue.progress.leaving import leaving_lines, without_left
from engine.revenue.progress.observed import HOURS, OBSERVED, QTY, delivered, of_measure, reestimated

# Hours have 8 places and units 10.
_HOUR: Final = 100


def prepaid_hours(records: Records, lines: pl.DataFrame) -> pl.DataFrame:
    """Return the retainers measured by hours that lapse: rights paid in advance, drawn like units.

    That is, some of their hours are expected to lapse, or so many hours are promised until a day.
    """
    lapsing = records.frame("progress").filter(pl.col("expected_breakage").is_not_null())["contract_line_id"].unique()
    lapses = pl.col("contract_line_id").is_in(lapsing.implode()) | pl.all_horizontal(pl.col("estimated_hours", "ends").is_not_null())
    return of_measure(lines, "hours").filter((pl.col("offering") == "retainer") & (pl.col("pricing") == "fixed") & lapses)


def units(records: Records, lines: pl.DataFrame, terms: pl.DataFrame, worked: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return units delivered (or drawn) over units promised, without those never expected to be used (55-46 to 55-49)."""
    rights = [of_measure(lines, "units").filter(pl.col("pricing") != "tiers"), prepaid_hours(records, lines)]
    chosen = as_agreed(pl.concat(rights), terms)
    about = chosen.select("contract_line_id", "okey", "signed_date", "breakage", "is_refundable", "offering", "begins", "ends")
    rows = _units_by_day(records, about, terms, worked)
    if not rows.height:
        return expired(pl.DataFrame(schema=OBSERVED), chosen, _lapses(as_of))
    said = {name: pl.when(pl.col(name).is_not_null()).then("date").forward_fill() for name in ("promised", "expected")}
    rows = rows.with_columns(
        *(pl.col(name).forward_fill().over("contract_line_id", order_by="date") for name in ("done", "promised", "expected", "unused")),
        # A quantity agreed after the estimate was made has the last word.
        (said["expected"] >= said["promised"].fill_null(dt.date.min)).over("contract_line_id", order_by="date").alias("is_estimated"),
    ).with_columns(pl.when("is_estimated").then("expected").alias("expected"))
    counts = (pl.col("breakage") == "proportional") & ~pl.col("is_refundable").fill_null(value=False)
    total = (
        pl.when(counts)
        .then(pl.coalesce("expected", pl.col("promised") - pl.col("unused").fill_null(0)))
        .otherwise(pl.coalesce("promised", "expected"))
    )
    # A delivery whose quantity nobody stated is the whole line.
    rows = without_left(rows.with_columns(pl.coalesce(total, pl.col("done")).alias("total")), leaving_lines(terms, about), "done", "total")
    rows, lapses = _lapsed(rows, as_of)
    made = delivered(rows, "units", is_reestimate=reestimated("total"))
    made = made.join(lapses, on=["okey", "date"], how="left", maintain_order="left").with_columns(
        pl.when("lapses").then(pl.lit("expiry")).otherwise("basis").alias("basis")
    )
    return expired(made.drop("lapses"), chosen, _lapses(as_of))


@of_no("about")
def _units_by_day(records: Records, about: pl.DataFrame, terms: pl.DataFrame, worked: pl.DataFrame) -> pl.DataFrame:
    """Return by line and day what is known of its units: done (so far), promised, expected, unused (expected to lapse)."""
    hours = _hours_drawn(records, about, terms, worked)
    promised = hours.filter(pl.col("promised").is_not_null()) if hours.height else hours
    stated = stated_estimates(terms, about, "quantity", "promised").with_columns(whole_number("promised", QTY))
    stated = stated.join(promised.select("contract_line_id"), on="contract_line_id", how="anti")
    progress = (
        records.frame("progress")
        .join(about, on="contract_line_id", how="semi")
        .select(
            "contract_line_id",
            pl.col("as_of_date").alias("date"),
            whole_number("units_delivered", QTY).alias("done"),
            whole_number("estimated_total_units", QTY).alias("expected"),
            whole_number("expected_breakage", QTY).alias("unused"),
            "evidence",
            "known_at",
        )
    )
    told = progress.filter(pl.col("done").is_not_null()).select("contract_line_id").unique()
    drawn = (
        records.frame("usage")
        .join(about, on="contract_line_id", how="semi")
        .join(told, on="contract_line_id", how="anti")
        .filter(pl.col("quantity").is_not_null())
        .group_by("contract_line_id", pl.col("usage_date").alias("date"))
        .agg(whole_number("quantity", QTY).sum().alias("done"), pl.col("evidence").explode().drop_nulls().unique().sort())
        .sort("contract_line_id", "date")
        .with_columns(pl.col("done").cum_sum().over("contract_line_id", order_by="date"))
    )
    rows = pl.concat([stated, progress, drawn, hours], how="diagonal").join(about, on="contract_line_id", how="inner")
    return (
        rows.sort("contract_line_id", "date", "known_at", "done", nulls_last=False)
        .group_by("okey", "contract_line_id", "date", "breakage", "is_refundable", "offering", "ends", maintain_order=True)
        .agg(
            *(pl.col(name).drop_nulls().last() for name in ("done", "promised", "expected", "unused")),
            pl.col("evidence").explode().drop_nulls(),
        )
    )


def _hours_drawn(records: Records, about: pl.DataFrame, terms: pl.DataFrame, worked: pl.DataFrame) -> pl.DataFrame:
    """Return by line and day the hours drawn of prepaid ones so far (`done`), and those promised or expected, in the scale of units.

    Retainers of which no other units are reported are drawn by the time that counts, else by the hours of progress reports. What
    is promised are the hours stated; of one that reports hours it is the quantity where no hours are (one is the retainer itself).
    """
    schema = {"contract_line_id": pl.String(), "date": pl.Date()} | {name: pl.Int128() for name in ("done", "promised", "expected")}
    seen, usage = records.frame("progress"), records.frame("usage")
    reported = [seen.filter(pl.col("units_delivered").is_not_null()), usage.filter(pl.col("quantity").is_not_null())]
    ours = about.filter(pl.col("offering") == "retainer")
    for frame in reported:
        ours = ours.join(frame.select("contract_line_id"), on="contract_line_id", how="anti")
    timed = worked.join(ours, on="contract_line_id", how="semi")
    reports = pl.any_horizontal(pl.col("hours_to_date", "expected_breakage").is_not_null())
    told = seen.join(ours, on="contract_line_id", how="semi").filter(reports)
    ours = ours.filter(pl.col("contract_line_id").is_in(pl.concat([timed["contract_line_id"], told["contract_line_id"]]).implode()))
    if not ours.height:
        return pl.DataFrame(schema=schema | {"evidence": pl.List(pl.String())})
    hours = stated_estimates(terms, ours, "estimated_hours", "promised").drop_nulls("promised")
    sold = stated_estimates(terms, ours.join(told, on="contract_line_id", how="semi"), "quantity", "promised")
    sold = sold.filter(pl.col("promised") > 1)
    ours = ours.filter(pl.col("contract_line_id").is_in(pl.concat([hours["contract_line_id"], sold["contract_line_id"]]).implode()))
    daily = timed.group_by("contract_line_id", "date").agg(
        (whole_number("hours", HOURS) * _HOUR).sum().alias("done"), pl.col("evidence").explode().drop_nulls().unique().sort()
    )
    daily = daily.sort("contract_line_id", "date").with_columns(pl.col("done").cum_sum().over("contract_line_id"))
    is_timed = pl.col("contract_line_id").is_in(daily["contract_line_id"].implode())
    progress = seen.join(ours, on="contract_line_id", how="semi").select(
        "contract_line_id", pl.col("as_of_date").alias("date"), (whole_number("estimated_total_hours", HOURS) * _HOUR).alias("expected"),
        pl.when(~is_timed).then(whole_number("hours_to_date", HOURS) * _HOUR).alias("done"), "evidence",
    )
    hours = hours.with_columns(whole_number("promised", HOURS) * _HOUR)
    rows = pl.concat([hours, progress, daily], how="diagonal").join(ours, on="contract_line_id", how="semi")
    return rows.select("contract_line_id", "date", "done", "promised", "expected", "evidence")


def _begun_as_agreed(lines: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return the lines with the first day that was agreed for them before they began, or the day of the change if that is later."""
    steps = terms.filter((pl.col("place") > 0) & (pl.col("action") == "change"))
    steps = steps.join(lines.select("contract_line_id", "begins"), on="contract_line_id", how="inner")
    if not steps.height:
        return lines
    first = pl.coalesce("before.start_date", "begins")
    in_time = (pl.coalesce("agreed_on", "event_date") <= first).fill_null(value=True).cum_min().over("contract_line_id", order_by="place")
    moved = (pl.col("start_date") != first).fill_null(value=False)
    steps = steps.sort("contract_line_id", "place").filter(in_time & moved)
    found = steps.group_by("contract_line_id").agg(pl.max_horizontal("start_date", "event_date").last().alias("→begins"))
    made = lines.join(found, on="contract_line_id", how="left", maintain_order="left")
    return made.with_columns(pl.coalesce("→begins", "begins").alias("begins")).drop("→begins")


def _lapsed(rows: pl.DataFrame, as_of: dt.date) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return what lines had done with those whose last day has passed as done in full, and the days they lapsed on (okey, date, lapses).

    A prepaid right lapses by itself, whatever runs on beside it in its obligation: layers end each on its own day.
    """
    lapses = _lapses(as_of)
    ending = rows.filter(lapses.fill_null(value=False))
    if not ending.height:
        return rows, pl.DataFrame(schema={"okey": pl.String(), "date": pl.Date(), "lapses": pl.Boolean()})
    last = ending.filter(pl.col("date") <= pl.col("ends")).sort("contract_line_id", "date")
    last = last.unique("contract_line_id", keep="last", maintain_order=True)
    gone = last.with_columns(pl.col("ends").alias("date"), pl.col("total").alias("done"))
    kept = rows.filter(~lapses.fill_null(value=False) | (pl.col("date") < pl.col("ends")))
    days = gone.select("okey", "date", pl.lit(value=True).alias("lapses")).unique()
    return pl.concat([kept, gone.select(kept.columns)]), days


def _lapses(as_of: dt.date) -> pl.Expr:
    """Say whether the last day of a prepaid (or material) right that nobody pays back has passed."""
    lapsing = pl.col("offering").is_in(["retainer", "material_right"])
    return lapsing & ~pl.col("is_refundable").fill_null(value=False) & (pl.col("ends") <= as_of)


def tiered(records: Records, lines: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return units delivered of lines with volume tiers over the quantity expected, or both at what their own tiers cost."""
    chosen = lines.filter(pl.col("pricing") == "tiers").select("contract_line_id", "okey")
    if not chosen.height:
        return pl.DataFrame(schema=OBSERVED)
    expected = expected_quantities(records, lines, terms)
    done = units_done(records, chosen)
    kinds = expected.unique("contract_line_id", keep="last").select("contract_line_id", "is_retrospective")
    rows = pl.concat(
        [
            expected.select("contract_line_id", "date", "quantity", "evidence", pl.lit("expected").alias("what")),
            done.with_columns(pl.lit("done").alias("what")),
        ]
    ).with_row_index("row")
    valued = rows.join(tier_value(rows.select("row", "contract_line_id", "quantity"), records.frame("price_tier")), on="row", how="left")
    valued = valued.join(kinds, on="contract_line_id", how="left").join(chosen, on="contract_line_id", how="inner")
    is_retrospective = pl.col("is_retrospective").fill_null(value=False)
    measured = pl.when(is_retrospective).then(whole_number("quantity", QTY)).otherwise(whole_number("value", MONEY))
    wide_rows = (
        valued.with_columns(measured.alias("m"))
        .group_by("okey", "contract_line_id", "date")
        .agg(
            pl.col("m").filter(pl.col("what") == "done").last().alias("done"),
            pl.col("m").filter(pl.col("what") == "expected").last().alias("total"),
            pl.col("evidence").explode().drop_nulls().unique().sort(),
        )
    )
    # The price moves with the expected quantity in one step, so the change is one of price.
    return delivered(wide_rows, "units")


def rights(records: Records, lines: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return promises that pass by date alone: rights to use when the licence period begins, options when they lapse."""
    lines = _begun_as_agreed(lines, terms)
    at_once = lines.filter(pl.col("timing") == "point_in_time")
    shown = records.frame("milestone").select("contract_line_id").unique()
    licences = (
        at_once.filter(pl.col("offering") == "licence")
        .join(shown, on="contract_line_id", how="anti")
        .select("okey", pl.max_horizontal("begins", "signed_date").alias("date"), pl.lit("acceptance").alias("basis"), "evidence")
    )
    held = at_once.filter(pl.col("offering") == "material_right").select(
        "contract_line_id", "contract_id", "okey", "ssp_source", "is_refundable"
    )
    ended = records.frame("contract").select("contract_id", "terminated_date")
    held = held.join(ended, on="contract_id", how="left", maintain_order="left").drop("contract_id")
    begun = licences.with_columns(wide(1).alias("to_date"), wide(1).alias("total"))
    return pl.concat([begun, _lapsing(records.frame("option"), held)]).with_columns(
        wide(0).alias("at_cost"), pl.lit(value=False).alias("is_reestimate")
    )


@of_nothing
def _lapsing(options: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
    """Return what of each material right has lapsed by each day on which an option of it does: of what was not exercised by then.

    Where renewals are looked through to, what is left stays for those to come, and lapses with the first that is not taken. The end
    of the contract is the last day of its rights, unless what was paid for them can be claimed back.
    """
    own = options.join(held, on="contract_line_id", how="inner")
    about = own.select("option_id", "ssp_source", "is_refundable", "terminated_date", "evidence")
    shares = option_shares(own, "okey").join(about, on="option_id", how="left", maintain_order="left")
    looked = pl.col("ssp_source").eq_missing("look through")
    first = pl.col("lapses_on").filter(pl.col("used_on").is_null()).min().over("okey")
    day = pl.when(looked).then(pl.coalesce(first, pl.col("lapses_on").max().over("okey"))).otherwise("lapses_on")
    end = pl.when(~pl.col("is_refundable").fill_null(value=False)).then("terminated_date")
    at_once = pl.col("date").n_unique().over("okey") == 1
    shares = shares.with_columns(pl.min_horizontal(day, end).alias("date")).with_columns(at_once.alias("at_once"))
    days = shares.group_by("okey", "date").agg(
        pl.col("at_once").first(), (pl.col("weight") - pl.col("used")).sum().alias("open"), pl.col("evidence").explode().drop_nulls()
    )
    days = days.filter(pl.col("date").is_not_null())
    used = days.select("okey", "date").join(shares.select("okey", "weight", "used", "used_on"), on="okey", how="inner")
    gone = pl.when((pl.col("used_on") <= pl.col("date")).fill_null(value=False)).then("used").otherwise(wide(0))
    used = used.group_by("okey", "date").agg((pl.col("weight") - gone).sum().alias("held"))
    made = days.join(used, on=["okey", "date"], how="left").sort("okey", "date")
    lapsed = pl.col("open").cum_sum().over("okey")
    one = pl.col("at_once") | (pl.col("held") <= 0)
    return made.select(
        "okey", "date", pl.lit("expiry").alias("basis"), "evidence",
        pl.when(one).then(wide(1)).otherwise(lapsed).alias("to_date"), pl.when(one).then(wide(1)).otherwise("held").alias("total"),
    )  # fmt: skip
