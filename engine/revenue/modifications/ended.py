"""The end of contracts: what of their price goes with what is not served, and what is owed for what was (606-10-25-10, 25-13)."""

from __future__ import annotations

import polars as pl

from engine.revenue.arithmetic.exact import GUARD, part_units, units_to_minor
from engine.revenue.arithmetic.numbers import wide
from engine.revenue.modifications.pooling import still_owed, still_served, taken_out, with_still_to_come
from engine.revenue.modifications.terminations import TERMINATE
from engine.revenue.progress.measured import BY_TIME, Measures, with_progress


def forfeited(rows: pl.DataFrame) -> pl.DataFrame:
    """Say of promises that end with their contract what of their price goes with them: `stated_change`, `forfeited`.

    The stated price goes down to what was served of it, and to what was paid for good. Where contracts combined with theirs run on,
    that is the change of the price of all of them (25-9); else it is what is owed for all that ends: `forfeited` is what that is beyond
    what is earned, or (negative) less.
    """
    none = wide(0)
    cut = ((pl.col("kind") == TERMINATE) & ~pl.col("is_settled").fill_null(value=False)).fill_null(value=False)
    if not rows.select(cut.any()).item():
        return rows.with_columns(none.alias("stated_change"), none.alias("forfeited"))
    unserved = pl.when(cut).then(units_to_minor(still_owed()) * GUARD).otherwise(none)
    unearned = pl.max_horizontal(pl.col("base") + pl.col("rem") - pl.col("earned"), none)
    rows = rows.with_columns(
        cut.alias("→cut"), unserved.alias("→lost"), pl.when(cut & ~taken_out()).then(unearned).otherwise(none).alias("→left")
    )
    lost, paid = pl.col("→lost").sum().over("contract_id"), pl.col("paid_for_good").fill_null(0).max().over("contract_id")
    served = pl.col("stated").fill_null(0).sum().over("contract_id") - lost
    kept = pl.min_horizontal(pl.max_horizontal(paid - served, none), lost)
    through = pl.col("→lost").cum_sum().over("contract_id", order_by="okey")

    def share(of: pl.Expr) -> pl.Expr:
        return units_to_minor(pl.when(lost > 0).then(part_units(of, kept, lost)).otherwise(none)) * GUARD

    rows = rows.with_columns(_kept_on_lines().alias("→kept"))
    stays = share(through) - share(through - pl.col("→lost")) + pl.col("→kept")
    rows = rows.with_columns((stays - pl.col("→lost")).alias("stated_change"))
    # What single lines keep is theirs; else more is shared by what was left to earn.
    own = pl.when(pl.col("→cut") & ~taken_out()).then("→kept").otherwise(none)
    by = pl.when(own.sum().over("group_id") > 0).then(own).otherwise("→left")
    rows = _with_settled(_with_owed(rows.with_columns(by.alias("→by"))))
    beyond = pl.when("→told").then("→settled").otherwise(_paid_beyond(paid))
    return rows.with_columns(beyond.alias("forfeited")).drop("→cut", "→lost", "→left", "→kept", "→by", "→owed", "→told", "→settled")


def _kept_on_lines() -> pl.Expr:
    """Return what was paid for good on lines of a promise beyond what was served of them, within what is lost of them (`kept`)."""
    none = wide(0)
    price, final = pl.col("own_price").fill_null(0), pl.col("own_final").fill_null(0)
    lost = part_units(pl.col("→lost"), final, price).fill_null(0)
    served = part_units(pl.col("stated").fill_null(0), final, price).fill_null(0) - lost
    return units_to_minor(pl.min_horizontal(pl.max_horizontal(pl.col("own_paid").fill_null(0) - served, none), lost)) * GUARD


def _paid_beyond(paid: pl.Expr) -> pl.Expr:
    """Return each promise's share of what was paid for good beyond what is earned: of one contract, or of several that end together."""
    none = wide(0)
    variable = pl.col("variable") - still_served("variable")
    of_group = (pl.col("stated").fill_null(0) + pl.col("stated_change") + variable).sum().over("group_id")
    is_one = pl.col("contract_id").n_unique().over("group_id") == 1
    due = pl.when(is_one & (pl.col("→kept").sum().over("group_id") == 0)).then(paid).otherwise(of_group)
    has_paid = ((pl.col("paid_for_good").fill_null(0) > 0) | (pl.col("→kept") > 0)).any().over("group_id")
    beyond = pl.when(has_paid).then(pl.max_horizontal(due - pl.col("earned").sum().over("group_id"), none)).otherwise(none)
    left = pl.col("→left").sum().over("group_id")
    part = part_units(pl.col("→by"), pl.min_horizontal(beyond, left), pl.col("→by").sum().over("group_id"))
    return pl.when(left > 0).then(part).otherwise(none)


def _with_owed(rows: pl.DataFrame) -> pl.DataFrame:
    """Add what is owed for what was served of each promise (`→owed`), and whether that says what its contracts come to (`→told`).

    It does where the price as agreed (stated, variable, and amounts of a promise's own, as hours) is what was allocated in all, and no
    amendment of the day settles a promise: not of a package without prices of its parts, nor where time value is in the price.
    """
    price = pl.col("base") + pl.col("rem")
    names = ("own_level", "own_variable_level", "paid_level")
    known = rows.with_columns(
        (pl.col(name).fill_null(0) if name in rows.columns else wide(0)).alias(f"→{name}") for name in names
    ).with_columns((pl.col("→own_level") - pl.col("→own_variable_level")).alias("→own"))
    known = with_still_to_come(known, {"→own": "→own_left"})
    agreed = pl.col("stated").fill_null(0) + pl.col("variable") + pl.col("→own")
    served = part_units(pl.col("variable"), pl.col("earned"), pl.when(price != 0).then(price)).fill_null(0)
    owed = pl.col("stated").fill_null(0) + pl.col("stated_change") + served + pl.col("→own") - pl.col("→own_left").fill_null(0)
    count = pl.len().over("group_id").cast(pl.Int128)
    # What was paid to the customer is not paid back because the contract ends: all of it is taken off what is owed.
    paid = pl.col("→paid_level").min().over("group_id")
    is_whole = ((agreed - price).sum().over("group_id") + paid).abs() <= count * GUARD
    # All of a contract ends, or it ended before.
    is_over = pl.col("→cut") | (~pl.col("→cut").any().over("contract_id") & (price == pl.col("earned")))
    is_told = is_whole & is_over.all().over("group_id") & ~taken_out().any().over("group_id")
    made = known.with_columns(owed.alias("→owed"), is_told.alias("→told"), paid.alias("→paid"))
    return made.drop("→own", "→own_left", *(f"→{name}" for name in names))


def _with_settled(rows: pl.DataFrame) -> pl.DataFrame:
    """Add each promise's share of what is owed for all less what is earned (`→settled`), in minor units that add up.

    More is shared by what was left to earn, less by what was earned (32-43). A difference within rounding is none.
    """
    none, group = wide(0), "group_id"
    if not rows["→told"].any():
        return rows.with_columns(none.alias("→settled")).drop("→paid")
    owed = units_to_minor(pl.col("→owed").sum().over(group) + pl.col("→paid"))
    made = rows.with_columns(
        (owed - units_to_minor(pl.col("earned")).sum().over(group)).alias("→apart"),
        pl.col("→left").sum().over(group).alias("→all_left"),
    )
    of_left = (pl.col("→apart") > 0) & (pl.col("→all_left") > 0)
    weight = pl.when(of_left).then("→by").when("→cut").then(pl.max_horizontal("earned", none)).otherwise(none)
    made = made.with_columns(weight.alias("→weight"))
    whole = pl.col("→weight").sum().over(group)
    made = made.with_columns(
        pl.when(whole > 0).then(whole).alias("→whole"), pl.col("→weight").cum_sum().over(group, order_by="okey").alias("→through"),
        (pl.col("→apart") * GUARD).alias("→units"),
    )
    through = units_to_minor(part_units(pl.col("→units"), pl.col("→through"), pl.col("→whole")))
    before = units_to_minor(part_units(pl.col("→units"), pl.col("→through") - pl.col("→weight"), pl.col("→whole")))
    moves = pl.col("→apart").abs() > pl.len().over(group).cast(pl.Int128)
    made = made.with_columns(pl.when(moves).then((through - before) * GUARD).otherwise(none).fill_null(0).alias("→settled"))
    return made.drop("→apart", "→all_left", "→weight", "→whole", "→through", "→units", "→paid")


def with_cut(rows: pl.DataFrame, measures: Measures) -> pl.DataFrame:
    """Add `→cut_ssp`: of a running service that a change ends by its own day, the standalone price of what is served after it (25-13(a)).

    That of the day itself where it is the last one, nothing where the service ended before; null elsewhere, and where the change states
    another standalone price. To a service that had ended by itself a change can only add, at the standalone price it adds.
    """
    runs = (pl.col("ends") >= pl.col("date")) & (pl.col("ends.next") < pl.col("ends")) & ~pl.col("is_end").fill_null(value=False)
    cut = runs & (pl.col("ends.next") <= pl.col("date")) & (pl.col("kind") == "prospective") & (pl.col("measure") == BY_TIME)
    chosen = rows.filter((cut & ((pl.col("ssp_change").fill_null(0) == 0) | (pl.col("ends.next") < pl.col("date")))).fill_null(value=False))
    if not chosen.height:
        return rows.with_columns(pl.lit(None, dtype=pl.Int128).alias("→cut_ssp"))
    through = with_progress(chosen.drop("m", "mt", "u"), measures, "ends.next")
    served = pl.max_horizontal(pl.col("m") - pl.col("m0") - pl.col("n"), wide(0))
    left = through.select("okey", part_units(pl.col("ssp"), served, pl.col("d")).alias("→cut_ssp"))
    return rows.join(left, on="okey", how="left", maintain_order="left")
