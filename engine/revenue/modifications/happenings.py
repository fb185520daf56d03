"""From records to events: what happens to each contract, in which order (606-10-25-10, 32-14, 32-42)."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.nothing import of_nothing
from engine.revenue.arithmetic.exact import GUARD, money_units
from engine.revenue.arithmetic.numbers import WIDE, whole_number, wide
from engine.revenue.arithmetic.runs import before, counted
from engine.revenue.ground.records import Records
from engine.revenue.modifications.promised import with_promise
from engine.revenue.price.options import option_shares
from engine.revenue.price.sharing import share_minor

AVERAGED: Final = ("tiers", "fee")
"""Components that are worth what the whole measure says: with a new estimate of it, what was done has another value."""

MOVING: Final = ("hours", *AVERAGED)
"""Components whose estimate moves the price and the whole of the measure in one step."""

REVALUED: Final = "noncash at receipt"
"""A component whose new value concerns what is still to come: what was received keeps the value of its day."""

_QTY: Final = pl.Decimal(38, 10)


@of_nothing
def level_steps(levels: pl.DataFrame, lines: pl.DataFrame, contracts: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split levels into what is in the price from the start and what changes it later.

    Returns (`start`: group_id, okey, contract_line_id, added_place, level, is_variable; `later`: group_id, okey,
    contract_line_id, date, delta, is_variable, averaged: what all tiers and fees of the promise come to after the day, promised, is_dated).
    A level of the day a promise begins, or before, is its start; of a line that is added to a promise as signed it changes that promise's
    price on the day of the addition.
    """
    signed = contracts.group_by("group_id").agg(pl.col("signed_date").max().alias("group_date"))
    about = lines.select("contract_line_id", "okey", "added_place", "from_date")
    made = levels.join(signed, on="group_id", how="inner").join(about, on="contract_line_id", how="left")
    made = made.with_columns(pl.coalesce("from_date", "group_date").alias("begins_on"), pl.col("added_place").fill_null(0))
    keys = ["group_id", "contract_id", "contract_line_id", "component"]
    signed_keys = lines.filter((pl.col("added_place") == 0) & pl.col("okey").is_not_null())["okey"].unique()
    joins = ((pl.col("added_place") > 0) & pl.col("okey").is_in(signed_keys.implode())).fill_null(value=False)
    made = made.with_columns(pl.when(joins).then(pl.max_horizontal("date", "begins_on")).otherwise("date").alias("date"))
    is_start = (pl.col("date") <= pl.col("begins_on")) & ~joins
    start = made.filter(is_start).sort(*keys, "date").unique(keys, keep="last", maintain_order=True)
    later = made.filter(~is_start)
    base = start.select(*keys, pl.lit(None, dtype=pl.Date).alias("date"), "level")
    both = pl.concat(
        [base.with_columns(pl.lit(value=True).alias("is_base")), later.with_columns(pl.lit(value=False).alias("is_base"))], how="diagonal"
    )
    both = both.sort(*keys, "is_base", "date", descending=[False] * 4 + [True, False], nulls_last=True)
    both = with_promise(both, lines, keys)
    steps = both.with_columns((pl.col("level") - before(pl.col("level"), *keys).fill_null(0)).alias("delta")).filter(
        ~pl.col("is_base")
    )
    # Named sources of the whole contract belong to it, whichever line they were told on.
    steps = steps.with_columns(
        pl.col("component").is_in(list(MOVING)).alias("moves_total"), (pl.col("component") == REVALUED).alias("revalues"),
        (pl.col("component") == "hours").alias("of_hours"), (pl.col("component") == "fee").alias("of_cost"),
    )  # fmt: skip
    names = ["group_id", "okey", "contract_line_id", "date", "delta", "is_variable", "moves_total", "revalues", "of_hours", "of_cost"]
    return start, _with_averaged(steps.filter(pl.col("delta") != 0), start).select(*names, "averaged", "promised", "is_dated")


def _with_averaged(steps: pl.DataFrame, start: pl.DataFrame) -> pl.DataFrame:
    """Add `averaged`: what all tiers and fees of the obligation come to after the day of a step of one of them (null: it is none)."""
    is_averaged = pl.col("component").is_in(list(AVERAGED)) & pl.col("okey").is_not_null()
    changed = steps.filter(is_averaged)
    if not changed.height:
        return steps.with_columns(pl.lit(None, dtype=WIDE).alias("averaged"))
    begun = start.filter(is_averaged).group_by("okey").agg(pl.col("level").sum().alias("→begun"))
    days = changed.group_by("okey", "date").agg(pl.col("delta").sum()).sort("okey", "date").join(begun, on="okey", how="left")
    level = (pl.col("delta").cum_sum().over("okey") + pl.col("→begun").fill_null(0)).alias("averaged")
    made = steps.join(days.select("okey", "date", level), on=["okey", "date"], how="left", maintain_order="left")
    return made.with_columns(pl.when(is_averaged).then("averaged").alias("averaged"))


def starting_levels(start: pl.DataFrame, *, added: bool) -> pl.DataFrame:
    """Return what levels put into the price of obligations from their start: of the contract as signed, or of added lines."""
    chosen = start.filter((pl.col("added_place") > 0) == added)
    variable = pl.when("is_variable").then(pl.col("level")).otherwise(wide(0))
    return (
        chosen.filter(pl.col("okey").is_not_null())
        .group_by("okey", "group_id")
        .agg(pl.col("level").sum().alias("own"), variable.sum().alias("own_variable"))
    )


def shared_levels(start: pl.DataFrame) -> pl.DataFrame:
    """Return what levels put into the price of whole contracts as signed: group_id, shared, shared_variable."""
    variable = pl.when("is_variable").then(pl.col("level")).otherwise(wide(0))
    return (
        start.filter(pl.col("okey").is_null())
        .group_by("group_id")
        .agg(pl.col("level").sum().alias("shared"), variable.sum().alias("shared_variable"))
    )


def goes_first(later: pl.DataFrame, ends: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return re-estimates with `is_first`: what the end of a promise leaves of its hours is told before the end, on its day.

    The end of a contract takes all that moves price and measure at once, one of a line (`terms`) what does of that line.
    """
    days = ends.select("group_id", "date", pl.lit(value=True).alias("→ends")).unique()
    gone = terms.filter(pl.col("action") == "remove")
    gone = gone.select("contract_line_id", pl.col("event_date").alias("date"), pl.lit(value=True).alias("→gone")).unique()
    made = later.join(days, on=["group_id", "date"], how="left", maintain_order="left")
    made = made.join(gone, on=["contract_line_id", "date"], how="left", maintain_order="left")
    is_first = pl.col("moves_total") & (pl.col("→ends") | pl.col("→gone"))
    return made.with_columns(is_first.fill_null(value=False).alias("is_first")).drop("→ends", "→gone")


def ordered_events(amendments: pl.DataFrame, later: pl.DataFrame, ends: pl.DataFrame) -> pl.DataFrame:
    """Return every group's events in order: amendments in theirs; a re-estimate joins the first amendment of its day, or the end.

    What `goes_first` is an event of its own before both (`is_first`).
    """
    day = ["group_id", "date"]
    changes = amendments.select("group_id", pl.col("event_date").alias("date"), "place", "amendment_id")
    last = ends.sort("group_id", "date", "amendment_id").unique(day, keep="first", maintain_order=True)
    last = last.select("group_id", "date", "place", "amendment_id", pl.lit(value=True).alias("is_end"))
    days = later.filter(~pl.col("is_first")).select(day).unique().join(changes, on=day, how="anti").join(last, on=day, how="anti")
    first = later.filter("is_first").select(*day, pl.lit(value=True).alias("is_first")).unique()
    both = pl.concat([changes, first, days, last], how="diagonal").sort("group_id", "date", "place", nulls_last=False)
    return both.with_columns(counted("group_id").cast(pl.Int32).alias("ordinal"), pl.col("is_first").fill_null(value=False))


def deltas_of(later: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Return re-estimates by the ordinal of their event: the first of their day, or the one before it that is theirs (`goes_first`)."""
    key = ["group_id", "date", "is_first"]
    first = events.sort("ordinal").unique(key, keep="first", maintain_order=True).select(*key, "ordinal")
    made = later.join(first, on=key, how="inner")
    return made.select(
        "group_id",
        "ordinal",
        "okey",
        "contract_line_id",
        "delta",
        "moves_total",
        "revalues",
        "of_hours",
        "averaged",
        "promised",
        "is_dated",
        pl.when("is_variable").then(pl.col("delta")).otherwise(wide(0)).alias("variable_delta"),
    )


@of_nothing
def with_work_left(
    touched: pl.DataFrame, terms: pl.DataFrame, lines: pl.DataFrame, start: pl.DataFrame, later: pl.DataFrame
) -> pl.DataFrame:
    """Return touched obligations with what their end leaves of a price that their work tells.

    `work_left`: a line of theirs that is paid by hours or tiers is taken away, and the work of its day is still served. `own_level`: what
    cost plus a fee has in the price of one that is taken away (units); what of it is still to come goes with it (25-13(a)).
    """
    gone = terms.filter(pl.col("action") == "remove").select("contract_line_id", "place", "event_date")
    is_work = pl.col("pricing").is_in(["hours", "capped", "tiers"])
    # A fee on such work follows it.
    work = lines.filter(is_work)["contract_line_id"]
    by_work = lines.filter(is_work | pl.col("fee_on_line_id").is_in(work.implode())).select("contract_line_id", "okey")
    left = gone.join(by_work, on="contract_line_id", how="inner").select("okey", "place", pl.lit(value=True).alias("work_left")).unique()
    made = touched.join(left, on=["okey", "place"], how="left", maintain_order="left")
    signed, level = start.filter(pl.col("component") == "fee"), pl.col("level").alias("own_level")
    by_cost = pl.concat([
        signed.select("contract_line_id", pl.lit(dt.date.min).alias("date"), level),
        later.filter("of_cost").select("contract_line_id", "date", pl.col("delta").alias("own_level")),
    ])  # fmt: skip
    of_cost = gone.join(lines.select("contract_line_id", "okey"), on="contract_line_id", how="inner").join(
        by_cost, on="contract_line_id", how="inner"
    ).filter(pl.col("date") <= pl.col("event_date"))  # fmt: skip
    summed = of_cost.group_by("okey", "place").agg(pl.col("own_level").sum(), pl.col("own_level").sum().alias("own_variable_level"))
    removed = pl.col("kind") == "remove"
    made = made.join(summed, on=["okey", "place"], how="left", maintain_order="left")
    return made.with_columns(pl.when(removed).then(name).alias(name) for name in ("own_level", "own_variable_level"))


@of_nothing
def change_rows(changes: pl.DataFrame, terms: pl.DataFrame, lines: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Return touched obligations by group and place: their kind, what changes (price_change to ssp_left), and their term after.

    `is_told`: an amount after the change is stated; `is_apart`: it is a contract of its own beside what it adds to; `is_idle`: it says
    again what stands.
    `known`: the obligations as signed and added so far (okey); a line added to one of them changes its price.
    """
    joins = changes.filter((pl.col("action") != "add") | pl.col("okey").is_in(known["okey"].implode()))
    touched = joins.filter(~pl.col("kind").is_in(["separate", "renewal"]) | (pl.col("action") == "add"))
    # What an amendment says again of what stands starts nothing anew.
    idle = pl.col("is_idle").all() & (pl.col("price_change") == 0).all()
    kind = (
        pl.when((pl.col("kind") == "catch_up").any() | idle)
        .then(pl.lit("catch_up"))
        .when((pl.col("kind") == "remove").all())
        .then(pl.lit("remove"))
        .otherwise(pl.lit("prospective"))
    )
    left = whole_number("remaining_standalone_selling_price", MONEY)
    made = touched.group_by("group_id", "place", "okey").agg(
        kind.alias("kind"),
        idle.alias("is_idle"),
        pl.col("price_change").sum(),
        pl.col("price_change").filter("is_borne").sum().alias("borne"),
        pl.col("lifted", "ssp_lifted").sum(),
        _past(pl.col("past_performance_amount"), pl.col("minor_digits")).sum().alias("past"),
        pl.when(pl.col("ssp_change").is_not_null().any()).then(pl.col("ssp_change").sum()).alias("ssp_change"),
        pl.when(left.is_not_null().any()).then(left.sum()).alias("ssp_left"),
        pl.col("stated.amount").is_not_null().any().alias("is_told"),
        (pl.col("kind") == "widen").all().alias("is_apart"),
    )
    return made.join(_terms_at(made.select("okey", "place"), terms, lines), on=["okey", "place"], how="left")


def credits_as_changes(changes: pl.DataFrame, states: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """Take a credit that an amendment adds for a change of the price: it is no promise, and those of the contract bear it (32-36, 25-13).

    One with a standalone price, one that joins a promise, and one of a contract without a promise that could bear it stay lines added;
    so does one of the last day (`told`: of `told_ends`), which takes off what the contract came to, as a fee for its end adds to it.
    """
    settled = told.filter("is_settled")["okey"]
    fresh = (pl.col("action") == "add") & ~pl.col("okey").is_in(states["okey"].implode()) & ~pl.col("okey").is_in(settled.implode())
    bears = pl.col("group_id").is_in(states.filter("is_pooled")["group_id"].implode())
    lowers = (pl.col("price_change") < 0) & (pl.col("ssp_change").fill_null(0) == 0)
    # Told in columns first: a list of promises inside a window is held once for every window.
    found = changes.with_columns((fresh & bears & lowers).fill_null(value=False).alias("→credit"))
    alone = (pl.col("→credit") | (pl.col("action") != "add")).all().over("okey")
    is_credit = (pl.col("→credit") & alone & pl.col("kind").is_in(["prospective", "catch_up"])).fill_null(value=False)
    behind = is_credit & ~pl.col("remaining_is_distinct").fill_null(value=True)
    return found.with_columns(
        pl.when(is_credit).then(pl.lit("change")).otherwise("action").alias("action"),
        pl.when(behind).then(pl.lit("catch_up")).otherwise("kind").alias("kind"),
    ).drop("→credit")


def spread_discounts(changes: pl.DataFrame, states: pl.DataFrame) -> pl.DataFrame:
    """Put a change of a discount as signed on the promises that bear it, in the proportions of the signature (606-10-32-43).

    A discount that is taken away without an amount is lifted from what is still to be served: `lifted` is the whole of it.
    Column added: is_borne (a row of a promise that bears the change of a discount).
    """
    signed = changes.filter((pl.col("action") != "add") & ~pl.col("okey").is_in(states["okey"].implode()))
    added = changes.filter(pl.col("action") == "add")["okey"].unique()
    is_lifted = (pl.col("action") == "remove") & (pl.col("price_change") == 0) & pl.col("stated.amount").is_null()
    signed = signed.filter(~pl.col("okey").is_in(added.implode()) & ((pl.col("price_change") != 0) | is_lifted))
    unborne = pl.lit(value=False).alias("is_borne")
    if not signed.height:
        return changes.with_columns(unborne)
    # Taking a discount away takes no promise away.
    onward = pl.when(pl.col("remaining_is_distinct").fill_null(value=True)).then(pl.lit("prospective")).otherwise(pl.lit("catch_up"))
    signed = signed.with_columns(
        is_lifted.alias("is_lifted"),
        pl.when(is_lifted).then(pl.col("before.pooled").fill_null(0) * -1).otherwise("price_change").alias("price_change"),
        pl.when(pl.col("action") == "remove").then(onward).otherwise("kind").alias("kind"),
    )
    bearers = states.filter("is_pooled").select("group_id", "okey", "obligation_id", pl.col("w_rem").alias("→w"), "owner", "half_even")
    shares = signed.select("group_id", "place", "amendment_line_id", "price_change").join(bearers, on="group_id", how="inner")
    shares = share_minor(shares, pool_key="amendment_line_id", pool="price_change", weight="→w")
    borne = signed.drop("okey", "obligation_id", "price_change").join(
        shares.select("amendment_line_id", "okey", "obligation_id", (pl.col("shared") * GUARD).alias("price_change")),
        on="amendment_line_id",
        how="inner",
    )
    borne = borne.with_columns(
        pl.when("is_lifted").then(pl.col("price_change")).otherwise(wide(0)).alias("lifted"),
        pl.when("is_lifted").then(wide(0)).otherwise("price_change").alias("price_change"),
    )
    # A discount has no standalone price, before or after.
    unpriced = ("ssp_change", "remaining_standalone_selling_price")
    borne = borne.with_columns(pl.lit(None, dtype=changes.schema[name]).alias(name) for name in unpriced)
    rest = changes.join(signed.select("amendment_line_id"), on="amendment_line_id", how="anti")
    return pl.concat([rest.with_columns(unborne), borne.select(*changes.columns, pl.lit(value=True).alias("is_borne"))])


def _past(amount: pl.Expr, digits: pl.Expr) -> pl.Expr:
    return money_units(pl.coalesce(amount, pl.lit(0)).cast(pl.Decimal(38, 6)), digits)


@of_nothing
def _terms_at(asked: pl.DataFrame, terms: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return the first and last day of obligations after a place: over all their lines as they then are."""
    own = lines.select("contract_line_id", "okey", "begins", "ends")
    every = asked.join(own, on="okey", how="inner").sort("place")
    dated = (
        terms.select("contract_line_id", "place", "start_date", "end_date")
        .sort("place")
        .unique(["contract_line_id", "place"], keep="last", maintain_order=True)
    )
    found = every.join_asof(dated.sort("place"), on="place", by="contract_line_id", check_sortedness=False)
    left = terms.filter(pl.col("action") == "remove").group_by("contract_line_id").agg(pl.col("place").min().alias("→left"))
    is_gone = (pl.col("→left") <= pl.col("place")).fill_null(value=False)
    found = found.join(left, on="contract_line_id", how="left").filter(~is_gone | is_gone.all().over("okey", "place"))
    return found.group_by("okey", "place").agg(
        pl.coalesce("start_date", "begins").min().alias("begins.after"), pl.coalesce("end_date", "ends").max().alias("ends.after")
    )


def option_parts(records: Records, lines: pl.DataFrame) -> pl.DataFrame:
    """Return for lines bought under an option its material right and the part exercised: contract_line_id, option_okey, part, whole, turn.

    `turn`: the place among the options of its right, in which they take their parts: renewals in their order, others by id.
    """
    every = records.frame("option")
    options = every.filter(pl.col("exercised_line_id").is_not_null() & pl.col("contract_line_id").is_not_null())
    rights = lines.select("contract_line_id", pl.col("okey").alias("option_okey"))
    one = pl.lit(1).cast(_QTY)
    whole = pl.coalesce("quantity", "exercised_quantity", one).cast(_QTY)
    shared = (
        options.join(rights, on="contract_line_id", how="inner")
        .select(
            "option_id",
            "start_date",
            pl.col("exercised_line_id").alias("contract_line_id"),
            "option_okey",
            whole_number(pl.min_horizontal(pl.coalesce("exercised_quantity", whole).cast(_QTY), whole), _QTY).alias("part"),
            whole_number(whole, _QTY).alias("whole"),
        )
        .join(_among_options(every.join(rights, on="contract_line_id", how="inner")), on="option_id", how="left", maintain_order="left")
        .with_columns(pl.coalesce("→part", "part").alias("part"), pl.coalesce("→whole", "whole").alias("whole"))
    )
    # A renewal that is looked through to takes over what the hypothetical price says, and may hand on to the next.
    looked = lines.filter(pl.col("renewal_part").is_not_null()).select("contract_line_id", "renewal_part", "renewal_whole")
    return shared.join(looked, on="contract_line_id", how="left", maintain_order="left").select(
        "contract_line_id",
        "option_okey",
        pl.coalesce("renewal_part", "part").alias("part"),
        pl.coalesce("renewal_whole", "whole").alias("whole"),
        _turn().alias("turn"),
    )


def _turn() -> pl.Expr:
    follows = pl.when(pl.col("renewal_part").is_not_null()).then("start_date")
    return pl.struct(follows.alias("start"), "option_id").rank("ordinal").over("option_okey").cast(pl.UInt32)


def _among_options(options: pl.DataFrame) -> pl.DataFrame:
    """Return of rights with several options what each exercised takes (`→part`) of what the right still holds (`→whole`): option_id.

    A right is an obligation, whatever lines it has; the renewals of each line are a chain of their own.
    """
    several = options.filter(pl.len().over("option_okey") > 1)
    if not several.height:
        return pl.DataFrame(schema={"option_id": pl.String(), "→part": pl.Int128(), "→whole": pl.Int128()})
    shares = option_shares(several, "option_okey")
    taken = several.select("option_id", "option_okey", pl.col("exercised_date").alias("on")).filter(pl.col("on").is_not_null())
    pairs = taken.join(shares, on="option_okey", how="inner", suffix=".of")
    earlier = (pl.col("used_on") < pl.col("on")) | ((pl.col("used_on") == pl.col("on")) & (pl.col("option_id.of") < pl.col("option_id")))
    gone = pl.when(earlier.fill_null(value=False)).then("used").otherwise(wide(0))
    lapsed = pl.when((pl.col("lapses_on") < pl.col("on")).fill_null(value=False)).then(pl.col("weight") - pl.col("used")).otherwise(wide(0))
    own = pl.col("used").filter(pl.col("option_id.of") == pl.col("option_id"))
    held = pairs.group_by("option_id").agg(own.sum().alias("→part"), (pl.col("weight") - gone - lapsed).sum().alias("→whole"))
    return held.with_columns(pl.max_horizontal("→whole", "→part", wide(1)).alias("→whole"))
