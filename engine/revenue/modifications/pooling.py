"""What a change does to prices: the pool of what remains, shared anew, and what is caught up beside it (606-10-25-13)."""

from __future__ import annotations

import polars as pl

from engine.nothing import of_nothing
from engine.revenue.arithmetic.exact import COEFFICIENT, GUARD, part_units, units_to_minor, with_parts
from engine.revenue.arithmetic.numbers import wide
from engine.revenue.modifications.promised import with_promised_shares
from engine.revenue.price.sharing import share_minor


def pooled(rows: pl.DataFrame) -> pl.DataFrame:
    """Share what is not yet earned, with what changes, over the obligations that remain (25-13(a)); catch up the others (25-13(b))."""
    ahead = pl.col("kind").is_in(["prospective", "remove"]).fill_null(value=False) | taken_out()
    behind = (pl.col("kind") == "catch_up").fill_null(value=False)
    apart = pl.col("is_apart").fill_null(value=False) if "is_apart" in rows.columns else pl.lit(value=False)
    # What the customer pays as it is worked or used has no part in the price that is shared (32-40).
    shares = pl.col("is_pooled").fill_null(value=False) & ~apart
    has_ahead, has_behind = (ahead & shares).any().over("group_id"), behind.any().over("group_id")
    by_ssp = pl.col("reallocation") == "remaining_ssp"
    into_pool = behind & has_ahead & (pl.col("mixed") == "by_pool")
    others = ~pl.col("is_new") & pl.col("kind").is_null() & pl.col("is_pooled") & by_ssp & has_ahead & pl.col("moved").is_null()
    rows = _of_their_contract(rows)
    others = others & pl.col("→reached")
    by_pool = has_behind & has_ahead & (pl.col("mixed") == "by_pool")
    left = pl.col("d") - pl.col("n")
    in_pool = ahead | into_pool | (others & (left > 0))
    made = rows.with_columns(in_pool.alias("in_pool"), _weight(left).alias("weight"), by_pool.alias("by_pool"))
    together = (by_ssp | pl.col("by_pool")) & pl.col("in_pool") & shares
    lacks = (together & pl.col("weight").is_null()).any().over("group_id") & (together.sum().over("group_id") > 1)
    none = pl.when(together).then(pl.col("weight").fill_null(0)).otherwise(wide(0)).sum().over("group_id") <= 0
    alone = ~together | lacks | none
    remain = together & pl.col("kind").ne_missing("remove") & ~taken_out()
    made = made.with_columns(
        pl.when(alone).then(pl.col("okey")).otherwise(pl.col("group_id")).alias("pool_key"), alone.alias("is_alone"),
        (remain & pl.col("weight").is_null() & (remain.sum().over("group_id") > 1)).alias("lacks_ssp"),
    )  # fmt: skip
    # Left to itself, an obligation that nothing touched stays as it is.
    made = made.with_columns((pl.col("in_pool") & ~(pl.col("is_alone") & pl.col("kind").is_null())).alias("in_pool"))
    if not made["in_pool"].any():
        return _left_apart(made)
    return pl.concat([_shared_out(made.filter("in_pool"), left).select(made.columns), _left_apart(made.filter(~pl.col("in_pool")))])


def _of_their_contract(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `→reached`: the amendment modifies the obligation's contract; what was added at its price is one of its own (25-12).

    Modified are the contracts whose lines it changes; by one that only adds, the contract as signed as long as something of that
    remains, else the others. What it adds becomes part of what it modifies (`apart`: the amendment that made the contract).
    """
    if not rows["apart"].is_not_null().any():
        return rows.with_columns(pl.lit(value=True).alias("→reached"))
    changes = (pl.col("kind").is_in(["prospective", "catch_up", "remove"]) & ~pl.col("is_new")).fill_null(value=False)
    as_signed, old = pl.col("apart").is_null(), ~pl.col("is_new")
    # Of a promise that was taken away, or ended, nothing remains, however far it had come.
    remains = (as_signed & old & (pl.col("d") > pl.col("n")) & (pl.col("own_rem") != 0)).any().over("group_id")
    reached = changes.any().over("group_id", "apart") | (~changes.any().over("group_id") & (as_signed | ~remains))
    made = rows.with_columns(reached.alias("→reached"))
    joins = pl.col("is_new") & (pl.col("kind") == "prospective") & ~(pl.col("→reached") & as_signed & old).any().over("group_id")
    of = pl.col("apart").filter(pl.col("→reached") & old).min().over("group_id")
    return made.with_columns(pl.when(joins).then(of).otherwise("apart").alias("apart"))


def _weight(left: pl.Expr) -> pl.Expr:
    """Return the standalone price of what remains of each obligation after the change; `left` of `d` is still to be served."""
    old = still_served("ssp")
    return (
        pl.when((pl.col("kind") == "remove") | taken_out())
        .then(pl.coalesce("ssp_left", wide(0)))
        .when(pl.col("is_new"))
        .then(pl.coalesce("ssp_left", "ssp"))
        .otherwise(
            pl.coalesce(
                "ssp_left", "→cut_ssp", old + pl.col("ssp_change").fill_null(0), pl.when(left == 0).then(pl.col("ssp_change").fill_null(0))
            )
        )
    )


def _shared_out(chosen: pl.DataFrame, left: pl.Expr) -> pl.DataFrame:
    """Share what is loose in each pool, and the coefficients of old uncertainties with it."""
    chosen = _loosened(chosen)
    chosen = share_minor(chosen, pool_key="pool_key", pool="pool", base="→from", weight="w")
    unit = pl.col("shared") * GUARD
    total = pl.col("w").sum().over("pool_key")
    exact = pl.col("→from") + part_units(pl.col("pool") + pl.col("cut").sum().over("pool_key"), pl.col("w"), total)
    # What catches up does not start anew: its price, its shares and its standalone price stay those of its whole measure.
    catches = (pl.col("kind") == "catch_up").fill_null(value=False)
    moved = unit - pl.col("base") - pl.col("rem") - pl.col("past")
    chosen = with_parts(
        chosen,
        **{"→passed": (pl.col("w_rem"), left, pl.col("d")), "→served": (pl.col("own_rem"), pl.col("n"), pl.col("d")),
           "→ssp": (pl.col("ssp_left"), pl.col("d"), left), "→caught": (moved, pl.col("held"), wide(COEFFICIENT))},
    )  # fmt: skip
    passed, served = pl.col("→passed"), pl.col("→served")
    whole_ssp = pl.coalesce("→ssp", pl.col("ssp") + pl.col("ssp_change").fill_null(0))
    chosen = chosen.with_columns(
        pl.when(catches).then(pl.col("base") + pl.col("past") + pl.col("→caught")).otherwise(pl.col("kept")).alias("base"),
        pl.when(catches).then(pl.col("held")).otherwise(wide(0)).alias("held"),
        pl.when(catches).then(pl.col("own_base")).otherwise(pl.col("own_base") + served).alias("own_base"),
        pl.when(catches).then(pl.col("own_rem")).otherwise(still_served("own_rem")).alias("own_rem"),
        pl.when(catches).then(pl.col("w_base")).otherwise(pl.col("w_base") + pl.col("w_rem") - passed).alias("w_base"),
        pl.when(catches).then(pl.col("w_rem") - passed).otherwise(wide(0)).alias("→stays"),
        (pl.col("w_base") + pl.col("w_rem")).alias("→w"),
        (pl.col("price_change") + pl.when(catches).then("unserved").otherwise(still_served() - pl.col("past"))).alias("unserved"),
        pl.when(catches).then(whole_ssp).otherwise("weight").alias("ssp"),
        pl.when(total > 0).then(exact - unit).otherwise(wide(0)).alias("cut"),
    )
    # Nothing of a promise that ended is still to be earned: what no other promise takes is earned at once.
    ended = taken_out() | (pl.col("kind") == "remove").fill_null(value=False)
    chosen = chosen.with_columns(pl.when(ended).then(unit).otherwise("base").alias("base"))
    made = chosen.with_columns(
        (unit - pl.col("base")).alias("rem"),
        pl.when(total > 0)
        .then(pl.col("→stays") + part_units(pl.col("→passed").sum().over("pool_key"), pl.col("w"), total))
        .otherwise(pl.col("→stays") + pl.col("→passed"))
        .alias("w_rem"),
    )
    # What is uncertain for the whole contract is held where a change of it would go.
    now, then = (part_units(pl.col("on_whole"), share, wide(COEFFICIENT)) for share in (pl.col("w_base") + pl.col("w_rem"), pl.col("→w")))
    made = made.with_columns((pl.col("variable") + now - then).alias("variable"))
    return _closed(made, ended)


def _loosened(chosen: pl.DataFrame) -> pl.DataFrame:
    """Add what is loose of each obligation (`loose`, in its `pool`), what it has beside that (`→from`), and its weight (`w`)."""
    chosen = chosen.with_columns(
        (pl.col("earned") + pl.col("past")).alias("kept"),
        (pl.col("base") + pl.col("rem") - pl.col("earned") + pl.col("price_change") - pl.col("past")).alias("loose"),
        pl.when("is_alone").then(wide(1)).otherwise(pl.max_horizontal(pl.col("weight").fill_null(0), wide(0))).alias("w"),
    )
    chosen = with_promised_shares(_with_own_to_come(chosen))
    chosen = chosen.with_columns(
        (pl.col("loose") + pl.col("promised") - pl.col("→own_left")).alias("loose"), (pl.col("kept") + pl.col("→own_left")).alias("→from"),
        (pl.col("variable") + pl.col("promised.variable")).alias("variable"),
    )
    return chosen.with_columns(pl.col("loose").sum().over("pool_key").alias("pool"))


def _with_own_to_come(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `→own_left`: what is still to be earned of a promise's own variable amount, and what the change adds to it.

    It stays with its promise, as its later estimates do: its terms relate to that promise alone (32-40). That of a promise that ends,
    that catches up or stands alone has nowhere else to be, or goes with what remains.
    """
    stays = ~pl.col("is_alone") & ~pl.col("by_pool") & pl.col("kind").ne_missing("remove") & pl.col("kind").ne_missing("catch_up")
    stays = stays & ~taken_out()
    of_whole = part_units(pl.col("on_whole").fill_null(0), pl.col("w_base") + pl.col("w_rem"), wide(COEFFICIENT))
    own = rows.with_columns(pl.when(stays).then(pl.col("variable") - of_whole).otherwise(wide(0)).alias("→own"))
    own = with_still_to_come(own, {"→own": "→own_left"}).drop("→own")
    kept = units_to_minor(pl.col("→own_left").fill_null(0)) * GUARD
    return own.with_columns((kept + pl.when(stays).then("promised.variable").otherwise(wide(0))).alias("→own_left"))


def _closed(rows: pl.DataFrame, ended: pl.Expr) -> pl.DataFrame:
    """Let what a later estimate adds to promises that ended be earned at once too."""
    parts = [(f"{name}_base", f"{name}_rem") for name in ("own", "w")]
    return rows.with_columns(
        *(pl.when(ended).then(pl.col(base) + pl.col(rem)).otherwise(base).alias(base) for base, rem in parts),
        *(pl.when(ended).then(wide(0)).otherwise(rem).alias(rem) for _, rem in parts),
    )


@of_nothing
def _left_apart(apart: pl.DataFrame) -> pl.DataFrame:
    """Catch up what is changed outside of a pool, and end what ends with its contract."""
    catches, ends = pl.col("kind") == "catch_up", pl.col("kind") == "terminate"
    # What remains of a contract that ends is neither owed nor earned, but for what the customer owes beyond what is earned, or less.
    kept = (units_to_minor(pl.col("earned")) + units_to_minor(pl.col("forfeited").fill_null(0))) * GUARD
    settled = pl.col("is_settled").fill_null(value=False)
    moved = pl.col("price_change") - pl.col("past")
    left, whole = pl.col("d") - pl.col("n"), wide(COEFFICIENT)
    apart = apart.with_columns(moved.alias("→moved"), kept.alias("→kept"))
    apart = with_parts(
        apart,
        **{"→caught": (pl.col("→moved"), pl.col("held"), whole), "→w": (pl.col("w_rem"), left, pl.col("d")),
           "→lapses": (pl.col("own_rem"), left, pl.col("d")), "→of_whole": (pl.col("on_whole"), pl.col("w_base") + pl.col("w_rem"), whole)},
    )  # fmt: skip
    # What of the variable amount is still to be earned: of the whole contract's and of its own.
    own = pl.col("variable") - pl.col("→of_whole")
    apart = with_parts(apart, **{"→w": (pl.col("on_whole"), pl.col("→w"), whole), "→own": (own, pl.col("→lapses"), whole)})
    kept = pl.when(settled).then(units_to_minor(pl.col("base") + pl.col("rem")) * GUARD).otherwise("→kept")
    return apart.with_columns(
        # What is estimated anew later counts as far as the promise was served.
        pl.when(ends & ~settled).then(pl.col("own_base") + pl.col("own_rem") - pl.col("→lapses")).otherwise("own_base").alias("own_base"),
        pl.when(ends & ~settled).then(wide(0)).otherwise("own_rem").alias("own_rem"),
        pl.when(ends & ~settled).then(pl.col("variable") - pl.col("→w") - pl.col("→own")).otherwise("variable").alias("variable"),
        pl.when(ends).then(kept).when(catches).then(pl.col("base") + pl.col("past") + pl.col("→caught")).otherwise("base").alias("base"),
        pl.when(ends).then(wide(0)).when(catches).then(pl.col("rem") + pl.col("→moved") - pl.col("→caught")).otherwise("rem").alias("rem"),
        pl.when(catches).then(pl.col("ssp") + pl.col("ssp_change").fill_null(0)).otherwise(pl.col("ssp")).alias("ssp"),
        (pl.col("unserved") + pl.col("price_change")).alias("unserved"),
    ).drop("→moved", "→caught", "→kept", "→w", "→own", "→lapses", "→of_whole")


def taken_out() -> pl.Expr:
    """Tell whether a promise ends with one of several combined contracts: what is owed in all is then for what remains (25-9)."""
    return pl.col("is_taken_out").fill_null(value=False)


def still_served(name: str = "unserved") -> pl.Expr:
    """Return what of the stated price, or of another amount of the current segment, is still to be served."""
    return part_units(pl.col(name), pl.col("d") - pl.col("n"), pl.col("d"))


def still_owed() -> pl.Expr:
    """Return what of the stated price is still to be served, where part of it was earned at cost what is still to be earned.

    Where the whole cannot be told, or materials are not installed, the measure says less than what was passed (25-37, 55-21(b)).
    """
    at_cost = (pl.col("mt") == 0) | (pl.col("u") > pl.col("u0"))
    left = pl.max_horizontal(pl.col("base") + pl.col("rem") - pl.col("earned"), wide(0))
    return pl.when(at_cost & (pl.col("rem") > 0)).then(part_units(pl.col("unserved"), left, pl.col("rem"))).otherwise(still_served())


def with_still_to_come(rows: pl.DataFrame, names: dict[str, str]) -> pl.DataFrame:
    """Add the part of amounts for the whole life that what is still to be served has, through every new start.

    Step by step: an expression that repeats a part of a part takes longer to plan than to compute.
    """
    served = rows.with_columns(still_served(name).alias(left) for name, left in names.items())
    is_whole = pl.col("own_rem") == COEFFICIENT
    return served.with_columns(
        pl.when(is_whole).then(left).otherwise(part_units(pl.col(left), pl.col("own_rem"), wide(COEFFICIENT))).alias(left)
        for left in names.values()
    )
