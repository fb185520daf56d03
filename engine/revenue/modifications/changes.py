"""What each change of a contract is: a contract of its own, prospective, a catch-up, the exercise of an option (606-10-25-12, 25-13)."""

from __future__ import annotations

import datetime as dt

import polars as pl

from engine.canonical.kinds import MONEY
from engine.nothing import of_nothing
from engine.revenue.arithmetic.exact import units_of_a_millionth
from engine.revenue.arithmetic.numbers import HUNDRED, percent, whole_number, wide
from engine.revenue.contracts.amendments import TERM_FIELDS
from engine.revenue.contracts.gate import conclusions
from engine.revenue.ground.finding_columns import finding_columns
from engine.revenue.ground.records import Records


def classified(terms: pl.DataFrame, lines: pl.DataFrame, contracts: pl.DataFrame, records: Records, as_of: dt.date) -> pl.DataFrame:
    """Return every changed line with `kind` (separate, exercise, renewal, prospective, catch_up, remove) and what changes.

    Priced at its standalone selling price = the added amount equals the added price within the policy's
    tolerance, or lies in the line's range. An amendment is a contract of its own only when every line of it
    adds at that price; a change may be when it only adds distinct term or quantity. What nobody judged is
    taken as distinct for added lines and promises served by time or unit, else as not distinct, and
    `is_presumed` says so. Of kind `widen` is a contract of its own that is served in the days of the line it adds to: more of it
    a day, earned with it, apart from all other promises. Columns added: kind, is_presumed, price_change, ssp_change (millionths),
    is_idle (no line of its amendment changes anything: no modification, 25-10).
    """
    return _classified(terms.filter(pl.col("place") > 0), lines, contracts, records, as_of)


@of_nothing
def _classified(steps: pl.DataFrame, lines: pl.DataFrame, contracts: pl.DataFrame, records: Records, as_of: dt.date) -> pl.DataFrame:
    """Return the steps after signature with what `classified` says of them."""
    rows = _judged(steps, lines, contracts, records, as_of)
    is_add = pl.col("action") == "add"
    presumed = is_add | pl.col("measure").is_in(["time_elapsed", "units"]) | _renews()
    said = pl.coalesce("remaining_is_distinct", "judged.change", "judged.line")
    change = pl.col("pooled").fill_null(0) - pl.col("before.pooled").fill_null(0)
    ssp_after = pl.coalesce(whole_number("standalone_selling_price", MONEY), pl.when(is_add).then(pl.col("ssp")))
    ssp_change = ssp_after - pl.when(is_add).then(wide(0)).otherwise(whole_number("before.standalone_selling_price", MONEY).fill_null(0))
    rows = rows.with_columns(
        pl.coalesce(said, presumed).alias("is_distinct"),
        change.alias("price_change"),
        ssp_change.alias("ssp_change"),
        said.is_null().alias("is_presumed"),
    )
    rows = rows.with_columns(_is_at_ssp().alias("at_ssp"), _only_adds().alias("only_adds"), _widens().alias("widens"))
    rows = rows.with_columns((pl.col("only_adds") & _renews() & pl.col("is_distinct")).alias("renews"))
    alone = (is_add | pl.col("only_adds")) & pl.col("is_distinct") & pl.col("at_ssp")
    continues = is_add & pl.col("is_exercise").fill_null(value=False) & (pl.col("setting.material_right.exercise") == "continuation")
    rows = rows.with_columns((alone | continues).alias("may_stand_alone"), continues.alias("continues"))
    # A line added to a promise that runs already, and not distinct from it, is part of it (25-13(b)).
    running = lines.filter(pl.col("added_place") == 0)["okey"].unique()
    joins = is_add & pl.col("okey").is_in(running.implode()) & ~said.fill_null(value=True)
    ends = (pl.col("terminated_date") == pl.col("event_date")).fill_null(value=False)
    idle = _says_it_again().all().over("amendment_id").alias("is_idle")
    return rows.with_columns(_kind(joins, ends).alias("kind"), ends.alias("ends_contract"), idle)


def _says_it_again() -> pl.Expr:
    """Tell whether a change states of its line nothing but what stands."""
    same = (pl.col(name).eq_missing(pl.col(f"before.{name}")) for name in TERM_FIELDS)
    unsaid = (pl.col(name).fill_null(0) == 0 for name in ("price_change", "ssp_change", "past_performance_amount"))
    return pl.all_horizontal(pl.col("action") == "change", pl.col("remaining_standalone_selling_price").is_null(), *same, *unsaid)


def _judged(steps: pl.DataFrame, lines: pl.DataFrame, contracts: pl.DataFrame, records: Records, as_of: dt.date) -> pl.DataFrame:
    """Return the steps after signature with their line, their contract's settings, what was judged of them, and whether they exercise."""
    settings = contracts.select("contract_id", "setting.modification.ssp_tolerance", "setting.material_right.exercise", "terminated_date")
    about = lines.select(
        "contract_line_id", "measure", "timing", "ssp_low", "ssp_high", "ssp", "offering", "is_as_invoiced", "begins", "ends"
    )
    rows = steps.join(about, on="contract_line_id", how="left", maintain_order="left")
    # A line that states no days of its own has those of its contract.
    for day, given in (("start_date", "begins"), ("end_date", "ends")):
        rows = rows.with_columns(pl.coalesce(name, given).alias(name) for name in (day, f"before.{day}"))
    rows = rows.drop("begins", "ends").with_columns(_used_in_money(records))
    rows = rows.join(settings, on="contract_id", how="left", maintain_order="left")
    by_line = conclusions(records.frame("judgement"), "distinct", "contract_line_id", as_of).rename({"conclusion": "judged.line"})
    by_change = conclusions(records.frame("judgement"), "distinct", "amendment_id", as_of).rename({"conclusion": "judged.change"})
    rows = rows.join(by_line, on="contract_line_id", how="left", maintain_order="left").join(
        by_change, on="amendment_id", how="left", maintain_order="left"
    )
    exercised = records.frame("option").filter(pl.col("exercised_date").is_not_null() & pl.col("exercised_line_id").is_not_null())
    exercised = exercised.select(pl.col("exercised_line_id").alias("contract_line_id"), pl.lit(value=True).alias("is_exercise")).unique()
    return rows.join(exercised, on="contract_line_id", how="left", maintain_order="left")


def _used_in_money(records: Records) -> pl.Expr:
    """Tell the lines of which all use is told in money: what is added to what they are committed to is no quantity of it."""
    key = "contract_line_id"
    told = records.frame("usage").group_by(key).agg(pl.col("amount").is_not_null().all()).filter("amount")
    return pl.col(key).is_in(told[key].implode()).fill_null(value=False).alias("used_in_money")


def _kind(joins: pl.Expr, ends: pl.Expr) -> pl.Expr:
    """Return what each change is; `joins`: a line that is part of a promise that runs, `ends`: on the last day of its contract."""
    is_add, all_alone = pl.col("action") == "add", pl.col("may_stand_alone").all().over("amendment_id")
    return (
        pl.when(pl.col("continues"))
        .then(pl.lit("exercise"))
        .when(all_alone & ~is_add & pl.col("widens"))
        .then(pl.lit("widen"))
        .when(all_alone)
        .then(pl.lit("separate"))
        .when(pl.col("action") == "remove")
        .then(pl.lit("remove"))
        # Nothing is left on the last day of a contract: what then changes concerns what was served.
        .when(ends & (pl.col("action") == "change"))
        .then(pl.lit("catch_up"))
        .when(joins)
        .then(pl.lit("catch_up"))
        # The period that a right to use is renewed for is the customer's to use from its first day, whatever it costs (55-58C).
        .when(pl.col("renews"))
        .then(pl.lit("renewal"))
        .when(is_add | pl.col("is_distinct"))
        .then(pl.lit("prospective"))
        .otherwise(pl.lit("catch_up"))
    )


def removed_parts(changes: pl.DataFrame, terms: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return the changes, a line that leaves a promise of several being a change of what remains of it (606-10-25-13).

    Without an amount it takes along what of its price is still to be served. Columns added: lifted and ssp_lifted (the
    whole of the price in units and of the standalone price in millionths of which that part goes; 0 for any other change).
    """
    unlifted = changes.with_columns(wide(0).alias("lifted"), wide(0).alias("ssp_lifted"))
    gone = changes.filter(pl.col("action") == "remove").select("contract_line_id", "okey", "place")
    if not gone.height:
        return unlifted
    first = pl.col("place") == pl.col("place").min().over("contract_line_id")
    priced = terms.filter(first & (pl.col("pooled").fill_null(0) != 0)).select("contract_line_id", pl.col("place").alias("→from"))
    members = lines.select("contract_line_id", "okey").join(priced, on="contract_line_id", how="inner")
    left = gone.group_by("contract_line_id").agg(pl.col("place").min().alias("→left"))
    others = members.rename({"contract_line_id": "→other"}).join(
        left.rename({"contract_line_id": "→other"}), on="→other", how="left", maintain_order="left"
    )
    stays = (pl.col("→from") <= pl.col("place")) & (pl.col("→left").is_null() | (pl.col("→left") > pl.col("place")))
    parts = gone.join(others, on="okey", how="inner").filter(stays).select("contract_line_id", "place").unique()
    key = ["contract_line_id", "place"]
    marked = unlifted.join(parts.with_columns(pl.lit(value=True).alias("→part")), on=key, how="left", maintain_order="left")
    is_part = (pl.col("action") == "remove") & pl.col("→part").fill_null(value=False)
    kind = pl.when(pl.col("is_distinct")).then(pl.lit("prospective")).otherwise(pl.lit("catch_up"))
    unstated = is_part & (pl.col("price_change") == 0) & pl.col("stated.amount").is_null()
    none = wide(0)
    return marked.with_columns(
        pl.when(is_part).then(kind).otherwise("kind").alias("kind"),
        pl.when(unstated).then(pl.col("before.pooled").fill_null(0) * -1).otherwise(none).alias("lifted"),
        pl.when(is_part).then(whole_number("before.standalone_selling_price", MONEY).fill_null(0) * -1).otherwise(none).alias("ssp_lifted"),
    ).drop("→part")


def _is_at_ssp() -> pl.Expr:
    """Say whether what is added is priced at its standalone selling price."""
    is_add = pl.col("action") == "add"
    low, high = (whole_number(name, MONEY) for name in ("ssp_low", "ssp_high"))
    amount, earlier = _price("amount", "gross"), _price("before.amount", "before.gross")
    price = amount.fill_null(0) - pl.when(is_add).then(wide(0)).otherwise(earlier.fill_null(0))
    tolerance = percent("setting.modification.ssp_tolerance")
    near = (price - pl.col("ssp_change")).abs() * HUNDRED <= pl.col("ssp_change").abs() * tolerance
    in_range = is_add & (amount >= low) & (amount <= high)
    return (near.fill_null(value=False) | in_range.fill_null(value=False)) & (price > 0)


def _price(stated: str, worked_out: str) -> pl.Expr:
    """Return the price of a line in millionths: as stated, or as its quantity or its months at a unit price come to."""
    return pl.coalesce(whole_number(stated, MONEY), pl.col(worked_out) // units_of_a_millionth())


def _only_adds() -> pl.Expr:
    """Say whether a change adds term or quantity at a price and leaves everything else as it was."""
    later = (pl.col("end_date") > pl.col("before.end_date")).fill_null(value=False)
    more = (pl.col("quantity") > pl.col("before.quantity")).fill_null(value=False)
    same_start = (pl.col("start_date") == pl.col("before.start_date")).fill_null(value=True)
    same_rate = (pl.col("unit_price") == pl.col("before.unit_price")).fill_null(value=True)
    extends = ((pl.col("measure") == "time_elapsed") | _renews()) & later & ~more
    by_unit = (pl.col("measure") == "units") | ((pl.col("measure") == "usage") & ~pl.col("used_in_money"))
    increases = by_unit & more | _widens()
    return (pl.col("action") == "change") & (extends | increases) & same_start & same_rate & pl.col("past_performance_amount").is_null()


def _widens() -> pl.Expr:
    """Say whether a change adds quantity to a service of some time, in its days or for longer."""
    more = (pl.col("quantity") > pl.col("before.quantity")).fill_null(value=False)
    no_earlier = (pl.col("end_date") >= pl.col("before.end_date")).fill_null(value=True)
    return (pl.col("measure") == "time_elapsed") & more & no_earlier


def _renews() -> pl.Expr:
    """Say whether a change gives a right to use, which passes at a point in time, a later last day."""
    is_right = (pl.col("offering") == "licence") & (pl.col("timing") == "point_in_time")
    return ((pl.col("action") == "change") & is_right & (pl.col("end_date") > pl.col("before.end_date"))).fill_null(value=False)


@of_nothing
def unshared_findings(unshared: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for every promise without a standalone price after a change whose price is to be shared by such prices (32-33).

    A contract with one promise needs none; once another is promised with it, it does. `unshared`: of `noted.Evolved`.
    """
    rows = unshared.sort("okey", "date").unique("okey", keep="first", maintain_order=True)
    about = lines.sort("okey", "contract_line_id").group_by("okey").agg(
        pl.col("contract_line_id", "contract_id").first(), pl.col("evidence").explode().drop_nulls().unique().sort()
    )
    text = "What remains after {} is shared by standalone selling prices, and {} has none; each promise keeps the price it states."
    remedy = "Estimate the standalone selling price (606-10-32-33) and enter it on the line."
    return rows.join(about, on="okey", how="inner").select(
        *finding_columns("ssp_missing", "high", "contract_line", pl.format(text, "amendment_id", "contract_line_id"), remedy),
        pl.col("contract_line_id").alias("entity_id"), "contract_id", "evidence",
    )  # fmt: skip


def distinctness_findings(changes: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for every change whose distinctness was presumed and decides its treatment."""
    decides = ~pl.col("kind").is_in(["separate", "widen"]) & ~pl.col("ends_contract")
    hit = changes.filter(pl.col("is_presumed") & (pl.col("action") == "change") & decides & ~pl.col("is_idle"))
    how = (
        pl.when(pl.col("is_distinct"))
        .then(pl.lit("distinct, so the change is prospective"))
        .otherwise(pl.lit("not distinct, so revenue catches up"))
    )
    message = pl.format("Nobody judged whether what remains of {} is distinct; it is taken as {}", "contract_line_id", how)
    remedy = "Judge it (606-10-25-13) and enter `remaining_is_distinct` or a judgement."
    return hit.select(
        *finding_columns("distinctness_presumed", "low", "amendment_line", message, remedy),
        pl.col("amendment_line_id").alias("entity_id"),
        "contract_id",
        "evidence",
    )
