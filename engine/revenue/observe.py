"""Observed measures: what every obligation had done and was expected to take in all, day by day (606-10-25-31 to 25-37, 55-16 to 55-21).

Each measure is read line by line and summed over an obligation's lines: progress = Σ to date ÷ Σ totals.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from engine.canonical.kinds import Kind, polars_dtype
from engine.revenue.exact import money_units, wide
from engine.revenue.records import Records
from engine.revenue.variable import expected_quantities, tier_value

OBSERVED: Final[dict[str, pl.DataType]] = {
    "okey": pl.String(),
    "date": pl.Date(),
    "to_date": pl.Int128(),
    "total": pl.Int128(),
    "at_cost": pl.Int128(),
    "is_reestimate": pl.Boolean(),
    "basis": pl.String(),
    "evidence": pl.List(pl.String()),
}
"""`frames.OBSERVATIONS` by the internal key; `at_cost` in units (`exact.py`); `basis`: what moved the measure."""

_QTY: Final = polars_dtype(Kind.QTY)
_HOURS: Final = polars_dtype(Kind.HOURS)
_MONEY: Final = polars_dtype(Kind.MONEY)
_WHOLE_PERCENT: Final = 100 * 10**8


def physical(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return a decimal column as the exact integer of its last place."""
    return pl.col(name).cast(dtype).to_physical().cast(pl.Int128)


def observations(records: Records, lines: pl.DataFrame, terms: pl.DataFrame, worked: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return every observed measure through as_of (`OBSERVED`), one row per obligation and day, sorted.

    `worked`: contract_line_id, date, hours, value (units; hours at their rates), evidence: the time that counts.
    """
    shapes = [
        _costs(records, lines, terms),
        _hours(records, lines, terms, worked),
        _units(records, lines, terms, as_of),
        _tiered(records, lines),
        _milestones(records, lines, terms),
        _observed(records, lines),
        _usage(records, lines),
        _rights(records, lines),
    ]
    found = [frame.select(pl.col(name).cast(dtype) for name, dtype in OBSERVED.items()) for frame in shapes if frame.height]
    if not found:
        return pl.DataFrame(schema=OBSERVED)
    every = pl.concat(found).filter(pl.col("date") <= as_of).sort("okey", "date", "to_date", "total")
    return every.unique(["okey", "date"], keep="last", maintain_order=True)


def summed(rows: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Return per obligation and day the sum over its lines of each line's latest values; unstated values count as nothing.

    `rows`: okey, contract_line_id, date, `names` (Int128, null: not stated on that day), evidence.
    """
    key = "contract_line_id"
    filled = rows.sort(key, "date").with_columns(pl.col(name).forward_fill().over(key, order_by="date") for name in names)
    steps = filled.with_columns(
        (pl.col(name).fill_null(0) - pl.col(name).shift(1).over(key, order_by="date").fill_null(0)).alias(name) for name in names
    )
    daily = steps.group_by("okey", "date").agg(
        *(pl.col(name).sum() for name in names), pl.col("evidence").explode().drop_nulls().unique().sort()
    )
    return daily.sort("okey", "date").with_columns(pl.col(name).cum_sum().over("okey", order_by="date") for name in names)


def _reestimated(total: str) -> pl.Expr:
    before = pl.col(total).shift(1).over("okey", order_by="date")
    return ((pl.col(total) != before) & (before > 0)).fill_null(value=False)


def _of(lines: pl.DataFrame, measure: str) -> pl.DataFrame:
    return lines.filter((pl.col("measure") == measure) & ~pl.col("is_as_invoiced"))


def _costs(records: Records, lines: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return cost to date over cost expected, both without uninstalled materials and wasted cost (55-21)."""
    chosen = _of(lines, "cost_to_cost")
    about = chosen.select("contract_line_id", "okey", "minor_digits", "signed_date", "when_unmeasurable")
    stated = (
        terms.join(about, on="contract_line_id", how="inner", suffix=".line")
        .filter(pl.col("estimated_cost").is_not_null())
        .select(
            "contract_line_id",
            pl.coalesce("event_date", "signed_date").alias("date"),
            physical("estimated_cost", _MONEY).alias("expected"),
            "evidence",
        )
    )
    seen = (
        records.frame("progress")
        .join(about, on="contract_line_id", how="semi")
        .filter(pl.col("cost_to_date").is_not_null() | pl.col("estimated_total_cost").is_not_null())
    )
    seen = seen.select(
        "contract_line_id",
        pl.col("as_of_date").alias("date"),
        physical("cost_to_date", _MONEY).alias("cost"),
        physical("estimated_total_cost", _MONEY).alias("expected"),
        physical("uninstalled_cost", _MONEY).alias("uninstalled"),
        physical("wasted_cost", _MONEY).alias("wasted"),
        "evidence",
    )
    rows = pl.concat([stated, seen], how="diagonal").join(about, on="contract_line_id", how="inner")
    if not rows.height:
        return pl.DataFrame(schema=OBSERVED)
    for name in ("cost", "expected", "uninstalled", "wasted"):
        if name not in rows.columns:
            rows = rows.with_columns(pl.lit(None, dtype=pl.Int128).alias(name))
    # On one day the observation of progress has the last word over the estimate of a contract change.
    rows = rows.sort("contract_line_id", "date", "cost", nulls_last=False)
    latest = rows.group_by("okey", "contract_line_id", "date", maintain_order=True).agg(
        *(pl.col(name).drop_nulls().last() for name in ("cost", "expected", "uninstalled", "wasted")),
        pl.col("evidence").explode().drop_nulls(),
    )
    filled = latest.with_columns(pl.col(name).forward_fill().over("contract_line_id", order_by="date") for name in ("cost", "expected"))
    flagged = filled.with_columns(
        (pl.col("cost").is_not_null() & pl.col("expected").is_null()).cast(pl.Int128).alias("unknown"),
    )
    daily = summed(flagged, ["cost", "expected", "uninstalled", "wasted", "unknown"])
    choice = about.unique("okey", keep="first", maintain_order=True).select("okey", "when_unmeasurable", "minor_digits")
    daily = daily.join(choice, on="okey", how="left", maintain_order="left")
    apart = pl.col("uninstalled") + pl.col("wasted")
    net = pl.max_horizontal(pl.col("cost") - apart, wide(0))
    total = pl.max_horizontal(pl.col("expected") - apart, net)
    cannot = (pl.col("unknown") > 0) | (pl.col("expected") <= 0)
    recovers = cannot & (pl.col("when_unmeasurable") == "cost_recovery")
    # Micros of the currency to units of its minor unit.
    factor = money_units(pl.lit(1).cast(_MONEY), pl.col("minor_digits")) // 10**6
    return daily.with_columns(
        pl.when(cannot).then(wide(0)).otherwise(net).alias("to_date"),
        pl.when(cannot).then(wide(1)).otherwise(pl.max_horizontal(total, wide(1))).alias("total"),
        (
            pl.when(recovers).then(pl.col("cost") - pl.col("wasted")).when(cannot).then(wide(0)).otherwise(pl.col("uninstalled")) * factor
        ).alias("at_cost"),
        pl.when(cannot).then(pl.lit("cost_recovery")).otherwise(pl.lit("cost_to_cost")).alias("basis"),
    ).with_columns(
        (
            _reestimated("expected")
            & (pl.col("basis") == "cost_to_cost")
            & (pl.col("basis").shift(1).over("okey", order_by="date") == "cost_to_cost")
        )
        .fill_null(value=False)
        .alias("is_reestimate")
    )


def _hours(records: Records, lines: pl.DataFrame, terms: pl.DataFrame, worked: pl.DataFrame) -> pl.DataFrame:
    """Return hours to date over hours expected; under a cap the value of the hours over the value expected."""
    chosen = _of(lines, "hours")
    about = chosen.select("contract_line_id", "okey", "signed_date", "unit_price", "pricing", "minor_digits", "cap_amount", "overrun")
    stated = terms.join(about.select("contract_line_id", "signed_date"), on="contract_line_id", how="inner").select(
        "contract_line_id",
        pl.coalesce("event_date", "signed_date").alias("date"),
        physical("estimated_hours", _HOURS).alias("expected"),
        "evidence",
    )
    progress = records.frame("progress").join(about, on="contract_line_id", how="semi")
    seen = progress.select(
        "contract_line_id",
        pl.col("as_of_date").alias("date"),
        physical("hours_to_date", _HOURS).alias("done"),
        physical("estimated_total_hours", _HOURS).alias("expected"),
        "evidence",
    )
    entries = worked.join(about, on="contract_line_id", how="semi")
    timed = (
        entries.group_by("contract_line_id", "date")
        .agg(
            physical("hours", _HOURS).sum().alias("hours"), pl.col("value").sum(), pl.col("evidence").explode().drop_nulls().unique().sort()
        )
        .sort("contract_line_id", "date")
        .with_columns(
            pl.col("hours").cum_sum().over("contract_line_id", order_by="date").alias("done"),
            pl.col("value").cum_sum().over("contract_line_id", order_by="date"),
        )
    )
    # Approved time is what counts where there is any; hours told in a progress report stand in for it elsewhere.
    has_time = timed.select("contract_line_id").unique().with_columns(pl.lit(value=True).alias("has_time"))
    seen = seen.join(has_time, on="contract_line_id", how="left").with_columns(
        pl.when(pl.col("has_time").is_null()).then(pl.col("done")).alias("done")
    )
    rows = pl.concat([stated, seen.drop("has_time"), timed.drop("hours")], how="diagonal").join(about, on="contract_line_id", how="inner")
    rows = rows.filter(pl.col("done").is_not_null() | pl.col("expected").is_not_null())
    if not rows.height:
        return pl.DataFrame(schema=OBSERVED)
    rows = (
        rows.sort("contract_line_id", "date", "done", nulls_last=False)
        .group_by(*about.columns, "date", maintain_order=True)
        .agg(*(pl.col(name).drop_nulls().last() for name in ("done", "expected", "value")), pl.col("evidence").explode().drop_nulls())
    )
    rate = pl.col("unit_price").cast(pl.Decimal(38, 10)).to_physical().cast(pl.Int128)
    # Hours have 8 places and prices 10: their product in millionths of money.
    priced = {name: pl.col(name) * rate // 10**12 for name in ("done", "expected")}
    # The value of time entries comes in units of the minor unit.
    worth = pl.col("value") // (money_units(pl.lit(1).cast(_MONEY), pl.col("minor_digits")) // 10**6)
    is_capped = pl.col("pricing") == "capped"
    # Where nobody expected an overrun, work beyond the cap is neither earned nor expected.
    limit = pl.when(pl.col("overrun") == "at_cap").then(physical("cap_amount", _MONEY))
    valued = {"done": pl.coalesce(worth, priced["done"]), "expected": priced["expected"]}
    rows = rows.with_columns(
        pl.when(is_capped & value.is_not_null())
        .then(pl.min_horizontal(value, limit))
        .otherwise(pl.when(~is_capped).then(pl.col(name)))
        .alias(name)
        for name, value in valued.items()
    )
    daily = summed(rows, ["done", "expected"])
    cannot = pl.col("expected") <= 0
    return daily.with_columns(
        pl.when(cannot).then(wide(0)).otherwise(pl.col("done")).alias("to_date"),
        pl.when(cannot).then(wide(1)).otherwise(pl.max_horizontal("expected", "done")).alias("total"),
        wide(0).alias("at_cost"),
        pl.lit("hours").alias("basis"),
        _reestimated("expected").alias("is_reestimate"),
    )


def _units(records: Records, lines: pl.DataFrame, terms: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return units delivered (or drawn) over units promised, without those never expected to be used (55-46 to 55-49)."""
    chosen = _of(lines, "units").filter(pl.col("pricing") != "tiers")
    about = chosen.select("contract_line_id", "okey", "signed_date", "breakage", "is_refundable", "offering", "begins", "ends")
    stated = terms.join(about.select("contract_line_id", "signed_date"), on="contract_line_id", how="inner").select(
        "contract_line_id", pl.coalesce("event_date", "signed_date").alias("date"), physical("quantity", _QTY).alias("promised"), "evidence"
    )
    progress = (
        records.frame("progress")
        .join(about, on="contract_line_id", how="semi")
        .select(
            "contract_line_id",
            pl.col("as_of_date").alias("date"),
            physical("units_delivered", _QTY).alias("done"),
            physical("estimated_total_units", _QTY).alias("expected"),
            physical("expected_breakage", _QTY).alias("unused"),
            "evidence",
        )
    )
    told = progress.filter(pl.col("done").is_not_null()).select("contract_line_id").unique()
    drawn = (
        records.frame("usage")
        .join(about, on="contract_line_id", how="semi")
        .join(told, on="contract_line_id", how="anti")
        .filter(pl.col("quantity").is_not_null())
        .group_by("contract_line_id", pl.col("usage_date").alias("date"))
        .agg(physical("quantity", _QTY).sum().alias("done"), pl.col("evidence").explode().drop_nulls().unique().sort())
        .sort("contract_line_id", "date")
        .with_columns(pl.col("done").cum_sum().over("contract_line_id", order_by="date"))
    )
    rows = pl.concat([stated, progress, drawn], how="diagonal").join(about, on="contract_line_id", how="inner")
    if not rows.height:
        return pl.DataFrame(schema=OBSERVED)
    rows = (
        rows.sort("contract_line_id", "date", "done", nulls_last=False)
        .group_by("okey", "contract_line_id", "date", "breakage", "is_refundable", "offering", "ends", maintain_order=True)
        .agg(
            *(pl.col(name).drop_nulls().last() for name in ("done", "promised", "expected", "unused")),
            pl.col("evidence").explode().drop_nulls(),
        )
    )
    rows = rows.with_columns(
        pl.col(name).forward_fill().over("contract_line_id", order_by="date") for name in ("done", "promised", "expected", "unused")
    )
    counts = (pl.col("breakage") == "proportional") & ~pl.col("is_refundable").fill_null(value=False)
    total = (
        pl.when(counts)
        .then(pl.coalesce("expected", pl.col("promised") - pl.col("unused").fill_null(0)))
        .otherwise(pl.coalesce("promised", "expected"))
    )
    # A delivery whose quantity nobody stated is the whole line.
    rows, lapses = _lapsed(rows.with_columns(pl.coalesce(total, pl.col("done")).alias("total")), as_of)
    daily = summed(rows, ["done", "total"])
    made = daily.with_columns(
        pl.col("done").alias("to_date"),
        pl.max_horizontal("total", "done", wide(1)).alias("total"),
        wide(0).alias("at_cost"),
        _reestimated("total").alias("is_reestimate"),
    )
    made = made.join(lapses, on=["okey", "date"], how="left", maintain_order="left").with_columns(
        pl.when("lapses").then(pl.lit("expiry")).otherwise(pl.lit("units")).alias("basis")
    )
    return _expired(made.drop("lapses"), chosen, as_of)


def _lapsed(rows: pl.DataFrame, as_of: dt.date) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return what lines had done with those whose last day has passed as done in full, and the days they lapsed on (okey, date, lapses).

    A prepaid right lapses by itself, whatever runs on beside it in its obligation: layers end each on its own day.
    """
    lapses = (pl.col("offering") == "retainer") & ~pl.col("is_refundable").fill_null(value=False) & (pl.col("ends") <= as_of)
    ending = rows.filter(lapses.fill_null(value=False))
    if not ending.height:
        return rows, pl.DataFrame(schema={"okey": pl.String(), "date": pl.Date(), "lapses": pl.Boolean()})
    last = ending.filter(pl.col("date") <= pl.col("ends")).sort("contract_line_id", "date")
    last = last.unique("contract_line_id", keep="last", maintain_order=True)
    gone = last.with_columns(pl.col("ends").alias("date"), pl.col("total").alias("done"))
    kept = rows.filter(~lapses.fill_null(value=False) | (pl.col("date") < pl.col("ends")))
    days = gone.select("okey", "date", pl.lit(value=True).alias("lapses")).unique()
    return pl.concat([kept, gone.select(kept.columns)]), days


def _expired(made: pl.DataFrame, chosen: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Add the expiry of prepaid rights: what was not used by the last day is earned then."""
    ending = (
        chosen.filter((pl.col("offering") == "retainer") & ~pl.col("is_refundable").fill_null(value=False) & (pl.col("ends") <= as_of))
        .group_by("okey")
        .agg(pl.col("ends").max().alias("date"), pl.col("evidence").explode().drop_nulls().unique().sort())
    )
    rows = ending.with_columns(
        wide(1).alias("to_date"),
        wide(1).alias("total"),
        wide(0).alias("at_cost"),
        pl.lit("expiry").alias("basis"),
        pl.lit(value=False).alias("is_reestimate"),
    )
    limits = ending.select("okey", pl.col("date").alias("ended"))
    kept = made.join(limits, on="okey", how="left").filter(pl.col("ended").is_null() | (pl.col("date") < pl.col("ended"))).drop("ended")
    return pl.concat([kept, rows], how="diagonal")


def _tiered(records: Records, lines: pl.DataFrame) -> pl.DataFrame:
    """Return units delivered of lines with volume tiers over the quantity expected, or both at what their own tiers cost."""
    chosen = lines.filter(pl.col("pricing") == "tiers").select("contract_line_id", "okey")
    if not chosen.height:
        return pl.DataFrame(schema=OBSERVED)
    expected = expected_quantities(records, lines)
    done = records.frame("progress").join(chosen, on="contract_line_id", how="semi").filter(pl.col("units_delivered").is_not_null())
    done = done.select("contract_line_id", pl.col("as_of_date").alias("date"), pl.col("units_delivered").alias("quantity"), "evidence")
    kinds = expected.unique("contract_line_id", keep="last").select("contract_line_id", "is_retrospective")
    rows = pl.concat(
        [
            expected.select("contract_line_id", "date", "quantity", "evidence", pl.lit("expected").alias("what")),
            done.with_columns(pl.lit("done").alias("what")),
        ]
    ).with_row_index("row")
    valued = rows.join(tier_value(rows.select("row", "contract_line_id", "quantity"), records.frame("price_tier")), on="row", how="left")
    valued = valued.join(kinds, on="contract_line_id", how="left").join(chosen, on="contract_line_id", how="inner")
    measured = (
        pl.when(pl.col("is_retrospective").fill_null(value=False)).then(physical("quantity", _QTY)).otherwise(physical("value", _MONEY))
    )
    wide_rows = (
        valued.with_columns(measured.alias("m"))
        .group_by("okey", "contract_line_id", "date")
        .agg(
            pl.col("m").filter(pl.col("what") == "done").last().alias("done"),
            pl.col("m").filter(pl.col("what") == "expected").last().alias("total"),
            pl.col("evidence").explode().drop_nulls().unique().sort(),
        )
    )
    daily = summed(wide_rows, ["done", "total"])
    return daily.with_columns(
        pl.col("done").alias("to_date"),
        pl.max_horizontal("total", "done", wide(1)).alias("total"),
        wide(0).alias("at_cost"),
        # The price moves with the expected quantity in one step, so the change is one of price.
        pl.lit("units").alias("basis"),
        pl.lit(value=False).alias("is_reestimate"),
    )


def _milestones(records: Records, lines: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return accepted milestones: their progress where they state it, else their amounts over the line's, else the whole line."""
    chosen = _of(lines, "milestones")
    about = chosen.select("contract_line_id", "okey", "timing", pl.len().over("okey").alias("lines_of"))
    accepted = records.frame("milestone").filter((pl.col("status") == "accepted") & pl.col("accepted_date").is_not_null())
    accepted = accepted.join(about, on="contract_line_id", how="inner").with_columns(
        pl.col("progress_pct").is_not_null().any().over("contract_line_id").alias("by_percent"),
        pl.col("amount").is_not_null().any().over("contract_line_id").alias("by_amount"),
    )
    amounts = (
        terms.filter(pl.col("gross").is_not_null())
        .sort("place")
        .group_by("contract_line_id", maintain_order=True)
        .agg(pl.col("gross").last(), pl.col("minor_digits").first())
    )
    planned = (
        records.frame("milestone")
        .filter(pl.col("amount").is_not_null())
        .group_by("contract_line_id")
        .agg(pl.col("amount").sum().alias("planned"))
    )
    accepted = accepted.join(amounts, on="contract_line_id", how="left").join(planned, on="contract_line_id", how="left")
    whole = pl.when(pl.col("gross") > 0).then(pl.col("gross"))
    line_amount = pl.coalesce(whole // money_units(pl.lit(1).cast(_MONEY), pl.col("minor_digits")) * 10**6, physical("planned", _MONEY))
    done = (
        pl.when("by_percent")
        .then(physical("progress_pct", pl.Decimal(38, 8)))
        .when("by_amount")
        .then(physical("amount", _MONEY))
        .otherwise(wide(1))
    )
    total = (
        pl.when("by_percent").then(wide(_WHOLE_PERCENT)).when("by_amount").then(pl.max_horizontal(line_amount, wide(1))).otherwise(wide(1))
    )
    daily = (
        accepted.with_columns(done.alias("done"), total.alias("total"))
        .group_by("okey", "contract_line_id", pl.col("accepted_date").alias("date"))
        .agg(
            pl.col("done").sum(),
            pl.col("total").max(),
            pl.col("lines_of").first(),
            pl.col("timing").first(),
            pl.col("evidence").explode().drop_nulls().unique().sort(),
        )
        .sort("contract_line_id", "date")
    )
    reached = daily.with_columns(pl.col("done").cum_sum().over("contract_line_id", order_by="date")).with_columns(
        pl.min_horizontal("done", "total").alias("done")
    )
    basis = pl.when(pl.col("timing") == "point_in_time").then(pl.lit("acceptance")).otherwise(pl.lit("milestones"))
    return _weighed(reached, chosen, basis)


def _weighed(reached: pl.DataFrame, chosen: pl.DataFrame, basis: pl.Expr) -> pl.DataFrame:
    """Return obligations' progress from lines' fractions (`done` / `total`): of several lines, weighed by their amounts."""
    single = reached.filter(pl.col("lines_of") == 1).with_columns(
        pl.col("done").alias("to_date"), wide(0).alias("at_cost"), pl.lit(value=False).alias("is_reestimate"), basis.alias("basis")
    )
    several = reached.filter(pl.col("lines_of") > 1)
    if not several.height:
        return single
    weights = chosen.select("contract_line_id", "okey", physical("amount", _MONEY).abs().alias("weight"))
    weights = weights.with_columns(
        pl.when(pl.col("weight").sum().over("okey") > 0).then(pl.col("weight").fill_null(0)).otherwise(wide(10**6)).alias("weight")
    )
    whole = weights.group_by("okey").agg(pl.col("weight").sum().alias("whole"))
    rows = several.join(weights.drop("okey"), on="contract_line_id", how="left").with_columns(
        (pl.col("weight") * pl.col("done") // pl.col("total")).alias("done")
    )
    kept = rows.select("okey", "timing").unique("okey", keep="first")
    daily = (
        summed(rows.select("okey", "contract_line_id", "date", "done", "evidence"), ["done"])
        .join(whole, on="okey", how="left")
        .join(kept, on="okey", how="left")
    )
    made = daily.with_columns(
        pl.col("done").alias("to_date"),
        pl.max_horizontal("whole", wide(1)).alias("total"),
        wide(0).alias("at_cost"),
        pl.lit(value=False).alias("is_reestimate"),
        basis.alias("basis"),
    )
    return pl.concat([single.select(list(OBSERVED)), made.select(list(OBSERVED))])


def _observed(records: Records, lines: pl.DataFrame) -> pl.DataFrame:
    """Return progress as somebody observed it, in percent."""
    chosen = _of(lines, "observed")
    about = chosen.select("contract_line_id", "okey", "timing")
    seen = records.frame("progress").filter(pl.col("percent_complete").is_not_null()).join(about, on="contract_line_id", how="inner")
    # Lines that nobody observes do not hold the others back.
    watched = seen.select("okey", "contract_line_id").unique().group_by("okey").agg(pl.len().cast(pl.UInt32).alias("lines_of"))
    reached = (
        seen.join(watched, on="okey", how="left")
        .sort("contract_line_id", "as_of_date")
        .select(
            "okey",
            "contract_line_id",
            pl.col("as_of_date").alias("date"),
            pl.min_horizontal(physical("percent_complete", pl.Decimal(38, 8)), wide(_WHOLE_PERCENT)).alias("done"),
            wide(_WHOLE_PERCENT).alias("total"),
            "lines_of",
            "timing",
            "evidence",
        )
    )
    kept = chosen.join(seen.select("contract_line_id").unique(), on="contract_line_id", how="semi")
    return _weighed(reached, kept, pl.lit("observed"))


def _usage(records: Records, lines: pl.DataFrame) -> pl.DataFrame:
    """Return use to date over the amount (or quantity) the customer committed to."""
    chosen = _of(lines, "usage").filter(pl.col("pricing") != "usage")
    about = chosen.select(
        "contract_line_id", "okey", physical("amount", _MONEY).alias("committed"), physical("quantity", _QTY).alias("units")
    )
    used = (
        records.frame("usage")
        .join(about, on="contract_line_id", how="inner")
        .with_columns(pl.col("amount").is_not_null().all().over("contract_line_id").alias("by_amount"))
    )
    if not used.height:
        return pl.DataFrame(schema=OBSERVED)
    rows = (
        used.group_by("okey", "contract_line_id", pl.col("usage_date").alias("date"))
        .agg(
            pl.when(pl.col("by_amount")).then(physical("amount", _MONEY)).otherwise(physical("quantity", _QTY)).sum().alias("done"),
            pl.when(pl.col("by_amount")).then(pl.col("committed")).otherwise(pl.col("units")).first().alias("total"),
            pl.col("evidence").explode().drop_nulls().unique().sort(),
        )
        .sort("contract_line_id", "date")
        .with_columns(pl.col("done").cum_sum().over("contract_line_id", order_by="date"))
    )
    daily = summed(rows, ["done", "total"])
    return daily.with_columns(
        pl.col("done").alias("to_date"),
        pl.max_horizontal("total", "done", wide(1)).alias("total"),
        wide(0).alias("at_cost"),
        pl.lit("usage").alias("basis"),
        pl.lit(value=False).alias("is_reestimate"),
    )


def _rights(records: Records, lines: pl.DataFrame) -> pl.DataFrame:
    """Return promises that pass by date alone: rights to use when the licence period begins, options when they lapse."""
    at_once = lines.filter(pl.col("timing") == "point_in_time")
    shown = records.frame("milestone").select("contract_line_id").unique()
    licences = (
        at_once.filter(pl.col("offering") == "licence")
        .join(shown, on="contract_line_id", how="anti")
        .select("okey", pl.max_horizontal("begins", "signed_date").alias("date"), pl.lit("acceptance").alias("basis"), "evidence")
    )
    options = records.frame("option").filter(pl.col("contract_line_id").is_not_null() & pl.col("expires_date").is_not_null())
    lapsing = options.group_by("contract_line_id").agg(
        pl.col("expires_date").max().alias("date"), pl.col("evidence").explode().drop_nulls()
    )
    rights = (
        at_once.filter(pl.col("offering") == "material_right")
        .drop("evidence")
        .join(lapsing, on="contract_line_id", how="inner")
        .select("okey", "date", pl.lit("expiry").alias("basis"), "evidence")
    )
    return pl.concat([licences, rights]).with_columns(
        wide(1).alias("to_date"), wide(1).alias("total"), wide(0).alias("at_cost"), pl.lit(value=False).alias("is_reestimate")
    )
