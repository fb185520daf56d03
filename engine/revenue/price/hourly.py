"""Work priced by its expected hours: what the hours come to, also where a change gives those still to come another rate (606-10-25-13)."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import FIRST_DAY, MONEY
from engine.caps import up_to_cap
from engine.nothing import of_no, of_nothing
from engine.revenue.arithmetic.exact import money_units, part_units, times
from engine.revenue.arithmetic.numbers import whole_number
from engine.revenue.arithmetic.tiers import worth_by_tiers
from engine.revenue.contracts.amendments import stated_estimates
from engine.revenue.ground.frames import TEXTS
from engine.revenue.ground.records import Records

_KEY: Final = "contract_line_id"
_HOURS: Final = pl.Decimal(38, 8)

STEPS: Final[dict[str, pl.DataType]] = {
    _KEY: pl.String(), "place": pl.Int32(), "amendment_line_id": pl.String(), "date": pl.Date(), "rate": _HOURS, "from_hours": _HOURS,
    "cap": MONEY, "effect": MONEY,
}  # fmt: skip
"""The rates and caps of lines that a change gives another one: from which day, for the hours beyond how many, and what it does to the
price.

The first step of a line (place of its own, no day) is what it was signed at.
"""


@of_no("chosen")
def expected_hours(records: Records, chosen: pl.DataFrame, terms: pl.DataFrame, worked: pl.DataFrame) -> pl.DataFrame:
    """Return the hours that lines are expected to take from a day on: contract_line_id, date, →hours, evidence.

    As stated and reported; hours worked beyond those expected raise the expectation, at the month's last work. From the day a
    contract ends early, or a line is taken away, none are to come (`hours_at_end`), whatever is estimated then.
    """
    stated = stated_estimates(terms, chosen, "estimated_hours", "estimated_hours")
    told = records.frame("progress").join(chosen, on=_KEY, how="semi")
    timed = worked.join(chosen, on=_KEY, how="semi").select(_KEY, "date", "hours", "evidence")
    reported = told.join(timed, on=_KEY, how="anti")
    seen = told.select(_KEY, pl.col("as_of_date").alias("date"), pl.col("estimated_total_hours").alias("estimated_hours"), "evidence")
    done = reported.select(_KEY, pl.col("as_of_date").alias("date"), pl.col("hours_to_date").alias("done"), "evidence")
    ended = hours_at_end(records, chosen, terms, worked)
    said = without_hours_after(pl.concat([stated, seen], how="diagonal"), ended, "estimated_hours")
    said = pl.concat([said, ended.rename({"hours": "estimated_hours"})], how="diagonal").filter(pl.col("estimated_hours").is_not_null())
    # What is reported of days after the end was agreed by nobody: no hours of it were to come (25-10).
    done = through_end(done.filter(pl.col("done").is_not_null()), ended)
    known = pl.concat([said, done, _worked_by_month(timed)], how="diagonal")
    known = known.sort(_KEY, "date", maintain_order=True).with_columns(
        pl.max_horizontal(
            pl.col("estimated_hours").forward_fill().over(_KEY, order_by="date"), pl.col("done").forward_fill().over(_KEY, order_by="date")
        ).alias("→hours"),
        pl.col("estimated_hours").forward_fill().over(_KEY, order_by="date").is_not_null().alias("→estimated"),
    )
    known = known.filter("→estimated").unique([_KEY, "date"], keep="last", maintain_order=True)
    changed = (pl.col("→hours") != pl.col("→hours").shift(1).over(_KEY, order_by="date")).fill_null(value=True)
    return known.filter(changed)


def hours_at_end(records: Records, lines: pl.DataFrame, terms: pl.DataFrame, worked: pl.DataFrame) -> pl.DataFrame:
    """Return the hours that the end of lines leaves of them: contract_line_id, date, hours (done by the end), evidence.

    Of work paid by the hour that an amendment takes away, and of hours under a cap or priced by tiers of a contract that ends early: what
    is owed for those done is not their part of what all would have cost (606-10-32-14). They are told on the day of the end, before it
    (`happenings.goes_first`), so that the end takes away nothing of them.
    """
    tiered = pl.col(_KEY).is_in(records.frame("price_tier")[_KEY].implode()).fill_null(value=False)
    by_hour = lines.filter(pl.col("pricing").is_in(["hours", "capped"]))
    asked = ends_of_lines(records, lines.filter(pl.col("cap_amount").is_not_null() | tiered), by_hour, terms)
    if not asked.height:
        return asked.with_columns(pl.lit(0).cast(_HOURS).alias("hours"))
    done = _done(records, asked, worked).sort("date")
    known = asked.join_asof(done, on="date", by=_KEY, check_sortedness=False).with_columns(pl.col("done").fill_null(0).alias("hours"))
    return known.filter((pl.col("hours") > 0) | pl.col("is_removed")).drop("done")


_LEFT: Final[dict[str, pl.DataType]] = {_KEY: pl.String(), "date": pl.Date(), "evidence": TEXTS, "is_removed": pl.Boolean()}


def ends_of_lines(records: Records, uneven: pl.DataFrame, paid_by_work: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return the days on which lines end ahead of time: contract_line_id, date, evidence, is_removed (an amendment takes it away).

    `uneven`: those whose price is not even with their work, of contracts that end early; `paid_by_work`: those that may be taken away.
    """
    found = [_ends_of_contracts(records, uneven), _removals(paid_by_work, terms)]
    return pl.concat(found).sort("date", maintain_order=True).unique(_KEY, keep="first", maintain_order=True)


def _ends_of_contracts(records: Records, uneven: pl.DataFrame) -> pl.DataFrame:
    ends = records.frame("contract").filter(pl.col("terminated_date") <= records.as_of)
    if not ends.height:
        return pl.DataFrame(schema=_LEFT)
    ends = ends.select("contract_id", pl.col("terminated_date").alias("date"), "evidence", pl.lit(value=False).alias("is_removed"))
    own = uneven.select(_KEY, "contract_id").unique(_KEY, maintain_order=True)
    return own.join(ends, on="contract_id", how="inner").select(list(_LEFT))


def _removals(paid_by_work: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    gone = terms.filter(pl.col("action") == "remove")
    if not gone.height:
        return pl.DataFrame(schema=_LEFT)
    rows = gone.join(paid_by_work.select(_KEY).unique(), on=_KEY, how="semi").sort("place")
    rows = rows.unique(_KEY, keep="first", maintain_order=True)
    return rows.select(_KEY, pl.col("event_date").alias("date"), "evidence", pl.lit(value=True).alias("is_removed"))


def without_hours_after(rows: pl.DataFrame, ended: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return rows of hours by line and day, those from the end of their contract on (`hours_at_end`) without an estimate (`name`)."""
    last = ended.select(_KEY, pl.col("date").alias("→end"))
    made = rows.join(last, on=_KEY, how="left", maintain_order="left")
    return made.with_columns(pl.when((pl.col("date") < pl.col("→end")).fill_null(value=True)).then(name).alias(name)).drop("→end")


def through_end(rows: pl.DataFrame, ended: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of lines by day that are not after the end of the line (`hours_at_end`)."""
    if not ended.height:
        return rows
    made = rows.join(ended.select(_KEY, pl.col("date").alias("→end")), on=_KEY, how="left", maintain_order="left")
    return made.filter((pl.col("date") <= pl.col("→end")).fill_null(value=True)).drop("→end")


def _worked_by_month(timed: pl.DataFrame) -> pl.DataFrame:
    monthly = timed.group_by(_KEY, pl.col("date").dt.month_start().alias("→month")).agg(
        pl.col("date").max(), pl.col("hours").sum().alias("done"), pl.col("evidence").explode().drop_nulls().unique().sort()
    )
    return monthly.drop("→month").sort(_KEY, "date").with_columns(pl.col("done").cum_sum().over(_KEY, order_by="date"))


def rate_steps(records: Records, lines: pl.DataFrame, terms: pl.DataFrame, worked: pl.DataFrame) -> pl.DataFrame:
    """Return the rates of lines priced by expected hours that a change gives another rate or cap (STEPS), by line and place.

    The hours done through the day before keep the rate of before; the change of the price is that of the hours then still expected,
    and under a cap what the cap leaves of it.
    Hours priced by tiers follow these, whatever their line states: a step of theirs has no rate and is that of their cap. Lines of which
    nobody says how many hours are expected have none.
    """
    tiers = records.frame("price_tier")
    is_tiered = pl.col(_KEY).is_in(tiers[_KEY].implode()).fill_null(value=False)
    rate = pl.when(~is_tiered).then("unit_price").alias("rate")
    priced = lines.filter(pl.col("pricing").is_in(["hours", "capped"]))
    by_change = terms.filter((pl.col("action") == "change") & ((_moves("unit_price") & ~is_tiered) | _moves("cap_amount")))
    changed = by_change.join(priced.select(_KEY), on=_KEY, how="semi")
    if not changed.height:
        return pl.DataFrame(schema=STEPS)
    chosen = priced.join(changed.select(_KEY), on=_KEY, how="semi")
    hours = expected_hours(records, chosen, terms, worked).select(_KEY, "date", pl.col("→hours").cast(_HOURS).alias("expected"))
    asked = changed.select(
        _KEY, "place", "amendment_line_id", pl.col("event_date").alias("date"), rate,
        pl.col("cap_amount").alias("cap"),
    )  # fmt: skip
    for history in (_done(records, chosen, worked), hours):
        asked = asked.sort("date").join_asof(
            history.sort("date"), on="date", by=_KEY, allow_exact_matches=False, check_sortedness=False
        )  # fmt: skip
    later = asked.filter(pl.col("expected").is_not_null()).with_columns(pl.col("done").fill_null(0).cast(_HOURS).alias("from_hours"))
    first = chosen.join(later, on=_KEY, how="semi").select(
        _KEY, pl.col("added_place").alias("place"), rate, pl.lit(0).cast(_HOURS).alias("from_hours"),
        pl.col("cap_amount").alias("cap"),
    )  # fmt: skip
    steps = pl.concat([first, later], how="diagonal_relaxed").with_columns(pl.col("rate").cast(_HOURS)).sort(_KEY, "place")
    # The hours of before are behind: those of a later rate never begin before them.
    steps = steps.with_columns(pl.col("from_hours").cum_max().over(_KEY, order_by="place")).with_row_index("row")
    worth = []
    for through, name in ((pl.col("place"), "after"), (pl.col("place") - 1, "before")):
        rows = steps.filter(pl.col("expected").is_not_null()).select(
            "row", _KEY, pl.col("expected").alias("hours"), through.alias("through")
        )
        worth.append(worth_by_rates(rows, steps, tiers).rename({"value": name}))
    made = steps.join(worth[0], on="row", how="left").join(worth[1], on="row", how="left").sort(_KEY, "place")
    return made.with_columns((pl.col("after") - pl.col("before")).cast(MONEY).alias("effect")).select(
        pl.col(name).cast(kind) for name, kind in STEPS.items()
    )


def _moves(name: str) -> pl.Expr:
    return (pl.col(name).ne_missing(pl.col(f"before.{name}"))) & pl.col(name).is_not_null()


def _done(records: Records, chosen: pl.DataFrame, worked: pl.DataFrame) -> pl.DataFrame:
    """Return hours done, cumulative by day: of time that counts, else as progress reports tell them."""
    timed = worked.join(chosen, on=_KEY, how="semi").group_by(_KEY, "date").agg(pl.col("hours").cast(_HOURS).sum().alias("done"))
    timed = timed.sort(_KEY, "date").with_columns(pl.col("done").cum_sum().over(_KEY).cast(_HOURS))
    timed = _on_top_of_before(timed, records)
    told = records.frame("progress").join(chosen, on=_KEY, how="semi").join(timed, on=_KEY, how="anti")
    told = told.filter(pl.col("hours_to_date").is_not_null()).select(
        _KEY, pl.col("as_of_date").alias("date"), pl.col("hours_to_date").cast(_HOURS).alias("done")
    )
    return pl.concat([timed, told])


def _on_top_of_before(timed: pl.DataFrame, records: Records) -> pl.DataFrame:
    """Return hours done by entries (cumulative) on top of those of before a line was taken over, where no entry is of that time.

    They are the part of the hours then expected that was recognized of the price (`progress.opened`).
    """
    positions = records.frame("opening_position").filter(pl.col("allocated_amount") > 0).join(timed, on=_KEY, how="semi")
    if not positions.height:
        return timed
    last = positions.sort("as_of_date").unique(_KEY, keep="last", maintain_order=True).select(
        _KEY, pl.col("as_of_date").alias("date"), whole_number(pl.col("recognized_amount").fill_null(0), MONEY).alias("→recognized"),
        whole_number("allocated_amount", MONEY).alias("→allocated"),
    )  # fmt: skip
    early = timed.join(last.select(_KEY, pl.col("date").alias("→opened")), on=_KEY, how="inner").filter(pl.col("date") <= pl.col("→opened"))
    signed = records.frame("contract_line").select(_KEY, pl.col("estimated_hours").alias("→signed")).unique(_KEY, keep="first")
    told = records.frame("progress").filter(pl.col("estimated_total_hours").is_not_null())
    told = told.select(_KEY, pl.col("as_of_date").alias("date"), pl.col("estimated_total_hours").alias("→told")).sort("date")
    known = last.join(early, on=_KEY, how="anti").sort("date").join_asof(told, on="date", by=_KEY, check_sortedness=False)
    known = known.join(signed, on=_KEY, how="left")
    expected = whole_number(pl.coalesce("→told", "→signed"), _HOURS)
    before = part_units(expected, pl.col("→recognized"), pl.col("→allocated")).reinterpret(dtype=_HOURS)
    made = timed.join(known.select(_KEY, before.alias("→before")), on=_KEY, how="left", maintain_order="left")
    return made.with_columns((pl.col("done") + pl.col("→before").fill_null(0)).cast(_HOURS).alias("done")).drop("→before")


def worth_by_rates(
    rows: pl.DataFrame, steps: pl.DataFrame, tiers: pl.DataFrame | None = None, *, is_capped: bool = True
) -> pl.DataFrame:
    """Return what hours come to by the steps of their line through a place: row, value (MONEY), never above the cap of that place.

    `rows`: row, contract_line_id, hours, through (a place). `tiers`: those that price hours by themselves. `is_capped`: whether the cap
    counts.
    """
    known = steps.select(_KEY, "place", "rate", "from_hours", "cap")
    parts = rows.join(known, on=_KEY, how="inner").filter(pl.col("place") <= pl.col("through"))
    until = pl.col("from_hours").shift(-1).over("row", order_by="place")
    end = pl.min_horizontal(pl.col("hours").cast(_HOURS), pl.coalesce(until, pl.col("hours").cast(_HOURS)))
    taken = pl.max_horizontal(end - pl.col("from_hours"), pl.lit(0).cast(_HOURS)).cast(_HOURS)
    parts = parts.with_columns((taken * pl.col("rate")).cast(MONEY).alias("value"))
    summed = parts.sort("row", "place").group_by("row", maintain_order=True).agg(pl.col("value").sum(), pl.col("cap").last())
    if tiers is not None:
        by_tier = worth_by_tiers(rows.select("row", _KEY, pl.col("hours").alias("quantity")), tiers).rename({"value": "→tiers"})
        summed = summed.join(by_tier, on="row", how="left", maintain_order="left")
        summed = summed.with_columns(pl.coalesce("→tiers", "value").alias("value"))
    return summed.select("row", (pl.min_horizontal("value", "cap") if is_capped else pl.col("value")).cast(MONEY).alias("value"))


def through_steps(rows: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """Add to rows (contract_line_id, date) the place of the last step of their line by then, and the effects of the steps so far.

    `through` is null where the line keeps one rate; `effects` are told by the changes themselves.
    """
    first = pl.coalesce("date", pl.lit(FIRST_DAY)).alias("date")
    known = steps.select(_KEY, first, pl.col("place").alias("through"), pl.col("effect").fill_null(0)).sort(_KEY, "through")
    known = known.with_columns(pl.col("effect").cum_sum().over(_KEY).cast(MONEY).alias("effects")).drop("effect")
    known = known.unique([_KEY, "date"], keep="last", maintain_order=True).sort("date")
    return rows.sort("date").join_asof(known, on="date", by=_KEY, check_sortedness=False)


def hours_levels(records: Records, lines: pl.DataFrame, terms: pl.DataFrame, worked: pl.DataFrame) -> pl.DataFrame:
    """Return what hourly lines are expected to come to (`variable.LEVELS`): rate × expected hours, never above the cap.

    What a change of the rate does to the price is told by the change; from its day on hours count at the rate of theirs.
    """
    return _levels_of(lines.filter(pl.col("pricing").is_in(["hours", "capped"])), records, terms, worked)


@of_nothing
def _levels_of(chosen: pl.DataFrame, records: Records, terms: pl.DataFrame, worked: pl.DataFrame) -> pl.DataFrame:
    """Return the levels of lines priced by expected hours."""
    known = expected_hours(records, chosen, terms, worked).join(
        chosen.select(_KEY, "contract_id", "group_id", "unit_price", "cap_amount", "minor_digits"),
        on=_KEY,
        how="inner",
        maintain_order="left",
    )
    known = known.with_row_index("row")
    by_tier = worth_by_tiers(known.select("row", _KEY, pl.col("→hours").alias("quantity")), records.frame("price_tier"))
    known = known.join(by_tier, on="row", how="left", maintain_order="left")
    value = pl.coalesce("value", times(pl.col("→hours"), pl.col("unit_price")))
    known = known.with_columns(up_to_cap(value, pl.col("cap_amount")).cast(MONEY).alias("worth"))
    steps = rate_steps(records, chosen, terms, worked)
    if steps.height:
        asked = through_steps(known.select("row", _KEY, "date", pl.col("→hours").alias("hours")), steps)
        asked = asked.filter(pl.col("through").is_not_null())
        anew = worth_by_rates(asked, steps, records.frame("price_tier")).join(asked.select("row", "effects"), on="row", how="left")
        anew = anew.select("row", (pl.col("value") - pl.col("effects")).cast(MONEY).alias("anew"))
        known = known.join(anew, on="row", how="left", maintain_order="left").with_columns(pl.coalesce("anew", "worth").alias("worth"))
    stepped = pl.col(_KEY).is_in(steps[_KEY].unique().implode())
    return known.select(
        "group_id",
        "contract_id",
        _KEY,
        # Tiers make a price of all hours together, as long as no change of the rate parts them.
        pl.when(pl.col("value").is_not_null() & ~stepped).then(pl.lit("tiers")).otherwise(pl.lit("hours")).alias("component"),
        "date",
        money_units(pl.col("worth"), pl.col("minor_digits")).alias("level"),
        pl.lit(value=False).alias("is_variable"),
        "evidence",
    )


def with_rate_changes(rows: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """Return changes of lines (`changes.classified`) with what a new rate of expected hours does to the price in `price_change`.

    It is of hours to come: what is agreed beside it for those done is on top.
    """
    if not steps.height:
        return rows
    effects = steps.filter(pl.col("effect").is_not_null()).select(_KEY, "place", "amendment_line_id", "effect")
    made = rows.join(effects, on=[_KEY, "place", "amendment_line_id"], how="left", maintain_order="left")
    past = pl.when(pl.col("effect").is_not_null()).then(pl.col("past_performance_amount").cast(MONEY).fill_null(0)).otherwise(pl.lit(0))
    more = money_units((pl.col("effect").fill_null(0) + past).cast(MONEY), pl.col("minor_digits"))
    return made.with_columns((pl.col("price_change") + more).alias("price_change")).drop("effect")


def with_rate_weights(terms: pl.DataFrame, changes: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """Return the steps of lines with what a new rate of expected hours does to the price as their own part of it (`pooled`)."""
    if not steps.height:
        return terms
    keys = [_KEY, "place", "amendment_line_id"]
    priced = steps.filter(pl.col("effect").is_not_null()).select(keys)
    effects = changes.join(priced, on=keys, how="semi").select(*keys, pl.col("price_change").alias("→effect")).unique(keys, keep="first")
    made = terms.join(effects, on=keys, how="left", maintain_order="left")
    return made.with_columns(
        pl.coalesce("pooled", "→effect").alias("pooled"),
        pl.coalesce("before.pooled", pl.col("→effect") * 0).alias("before.pooled"),
    ).drop("→effect")
