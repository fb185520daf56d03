"""Funding: who pays each billable item, by priority, shares and limits; what nobody funds is apart.

Items are funded in order of their day. As long as no source of a contract runs out, every item is
shared alike, so whole runs of items are shared in one step; only the item at which a source runs
out is followed rule by rule. The steps are as many as sources run out, not as many as items.

Where items below 0 take something back, a contract's items are cut where one of them ends; the pieces are funded
once, in their order, and each item has the pieces it passes, forwards or back. So what came last is taken back first.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Final

import polars as pl

from engine.billing.caps import keeps_place
from engine.billing.money import HOURS, product
from engine.billing.references import frame_of
from engine.canonical.kinds import MONEY
from engine.caps import NO_FUNDING
from engine.minor_units import minor_unit, rounded_money

_EXACT: Final = pl.Decimal(38, 18)
_NONE: Final = pl.lit(0, dtype=MONEY)
_UNLIMITED: Final = Decimal(10) ** 15


def apply_funding(
    rows: pl.DataFrame, frames: Mapping[str, pl.LazyFrame], unfunded: Mapping[str, str], as_of: date
) -> pl.DataFrame:
    """Add `funding_source_id`; an item to bill of a contract with funding rules, or one only held back, has one row a source.

    A rule takes its share of what the rules of lower priority number left; those of one priority stop together, where the
    first of their sources has nothing left.
    What no rule takes is a row without source whose eligibility is that of `unfunded` (by item type). An item below 0
    takes back what came last, so what nobody funds first, as under a cap (`engine.caps`).
    """
    rows = rows.with_columns(pl.lit(None, dtype=pl.String).alias("funding_source_id"))
    rules = _rules(frames)
    if not rules.height:
        return rows
    rows = rows.with_columns(pl.col("part") * 1000)
    own = rules.select(pl.col("contract_id").alias("item.contract_id")).unique()
    concerned = (
        keeps_place(rows, as_of) & (pl.col("item.amount") != 0) & pl.col("item.contract_id").is_in(own.to_series().implode())
    ).fill_null(value=False)  # fmt: skip
    funded = rows.filter(concerned).sort("item.date", "item.type", "item.id", "part", nulls_last=True).with_row_index("→row")
    if not funded.height:
        return rows
    items = funded.select("→row", "item.currency", pl.col("item.contract_id").alias("contract_id"), pl.col("item.amount").alias("→due"))
    shares = _shared_in_turn(items, rules)
    return pl.concat([rows.filter(~concerned), _split(funded, shares, unfunded).select(rows.columns)])


def _rules(frames: Mapping[str, pl.LazyFrame]) -> pl.DataFrame:
    """Return each contract's rules in order, one a priority and source: its share (`→pct`, running `→whole`) and the source's limit."""
    sources = frame_of(frames, "funding_source").select(
        "funding_source_id", pl.col("limit_amount").fill_null(pl.lit(_UNLIMITED, dtype=MONEY)).alias("→limit")
    )
    rules = frame_of(frames, "funding_rule").join(sources, on="funding_source_id", how="inner").filter(pl.col("contract_id").is_not_null())
    level = pl.col("priority").rank("dense").over("contract_id").cast(pl.Int64).alias("→level")
    share = pl.col("split_pct").fill_null(100).cast(_EXACT) / pl.lit(Decimal(100), dtype=_EXACT)
    ordered = rules.sort("contract_id", "priority", "funding_rule_id", nulls_last=True).with_columns(level, share.alias("→pct")).collect()
    key = ["contract_id", "→level", "funding_source_id"]
    by_source = ordered.group_by(key, maintain_order=True).agg(pl.col("→limit").first(), pl.col("→pct").sum())
    # What shares of one priority come to beyond the whole of a charge is a share of nothing.
    upto = pl.min_horizontal(pl.col("→pct").cum_sum().over("contract_id", "→level"), pl.lit(Decimal(1), dtype=_EXACT))
    own = upto - upto.shift(1).over("contract_id", "→level").fill_null(0)
    shared = by_source.with_columns(own.cast(_EXACT).alias("→pct"), upto.cast(_EXACT).alias("→whole")).filter(pl.col("→pct") > 0)
    return shared.with_columns(pl.int_range(pl.len()).over("contract_id").alias("→place"))


def _shared_in_turn(items: pl.DataFrame, rules: pl.DataFrame) -> pl.DataFrame:
    """Return what each source takes of each item (`_shared`), where items below 0 take back what came last."""
    turned = items.filter(pl.col("→due") < 0).select("contract_id").unique()
    if not turned.height:
        return _shared(items, rules)
    moved = items.join(turned, on="contract_id", how="semi", maintain_order="left")
    upto = moved.with_columns(pl.col("→due").cum_sum().over("contract_id").alias("→to"))
    upto = upto.with_columns((pl.col("→to") - pl.col("→due")).alias("→from"))
    ends = pl.concat([upto.select("contract_id", pl.col(name).alias("→to")) for name in ("→from", "→to")]).unique()
    ends = ends.sort("contract_id", "→to").with_columns(pl.int_range(pl.len()).over("contract_id").alias("→end"))
    pieces = ends.with_columns((pl.col("→to") - pl.col("→to").shift(1).over("contract_id")).alias("→due")).drop_nulls("→due")
    coin = moved.group_by("contract_id").agg(pl.col("item.currency").drop_nulls().first())
    pieces = pieces.join(coin, on="contract_id", how="left", maintain_order="left")
    pieces = pieces.with_row_index("→piece").with_columns((pl.col("→piece") + items.height).alias("→row"))
    ahead, below = (pieces.filter(side).select(items.columns) for side in (pl.col("→to") > 0, pl.col("→to") <= 0))
    plain = items.join(turned, on="contract_id", how="anti", maintain_order="left")
    forwards = pl.concat([plain, ahead])
    # A credit before anything is there to be funded goes back as the next work would be shared.
    given = _alike(below, _fractions(rules, _limits(rules))).filter(pl.col("→taken") != 0)
    found = _shared(forwards, rules) if forwards.height else given.clear()
    by_piece = pl.concat([found, given]).join(pieces.select("→row", "→end"), on="→row", how="inner")
    own = found.join(plain.select("→row"), on="→row", how="semi")
    return pl.concat([own, _between(upto, ends, by_piece).select(own.columns)])


def _between(items: pl.DataFrame, ends: pl.DataFrame, pieces: pl.DataFrame) -> pl.DataFrame:
    """Return what each source takes of items that run `→from` one end `→to` another, from what it takes of the pieces between."""
    key = ["contract_id", "funding_source_id"]
    so_far = pieces.group_by(*key, "→end").agg(pl.col("→taken").sum(), pl.col("→place").min()).sort(*key, "→end").select(
        *key, "→end", pl.col("→place").min().over(key), pl.col("→taken").cum_sum().over(key).alias("→so_far")
    ).sort("→end")  # fmt: skip
    by_source = items.join(so_far.unique(key).select(*key, "→place"), on="contract_id", how="inner")
    for name in ("→from", "→to"):
        placed = by_source.join(ends.select("contract_id", pl.col("→to").alias(name), "→end"), on=["contract_id", name], how="left")
        reached = placed.sort("→end").join_asof(so_far.drop("→place"), on="→end", by=key, check_sortedness=False)
        by_source = reached.drop("→end").rename({"→so_far": f"{name}.taken"})
    taken = pl.col("→to.taken").fill_null(0) - pl.col("→from.taken").fill_null(0)
    return by_source.with_columns(taken.cast(MONEY).alias("→taken")).filter(pl.col("→taken") != 0)


def _limits(rules: pl.DataFrame) -> pl.DataFrame:
    return rules.unique(["contract_id", "funding_source_id"], keep="first").select(
        "contract_id", "funding_source_id", pl.col("→limit").alias("→left")
    )


def _shared(items: pl.DataFrame, rules: pl.DataFrame) -> pl.DataFrame:
    """Return what each source takes of each item: →row, funding_source_id, →taken, →place (of the rule)."""
    left = _limits(rules)
    found: list[pl.DataFrame] = []
    while items.height:
        fractions = _fractions(rules, left)
        upto = items.with_columns(
            pl.col("→due").cum_sum().over("contract_id").alias("→upto"), pl.int_range(pl.len()).over("contract_id").alias("→n")
        )
        reach = _reach(fractions, left)
        seen = upto.join(reach, on="contract_id", how="left", maintain_order="left")
        coin = minor_unit(pl.col("item.currency")).max().over("contract_id")
        ahead = coin * pl.col("→coins") * (pl.col("→n") + 1).cast(MONEY)
        safe = (pl.col("→upto") + ahead <= pl.col("→reach")) | pl.col("→reach").is_null()
        alike = seen.filter(safe)
        rest = seen.filter(~safe)
        at_end = rest.filter(pl.col("→n") == pl.col("→n").min().over("contract_id"))
        found.append(_alike(alike, fractions))
        left = _spent(left, found[-1])
        found.append(_followed(at_end, rules, left))
        left = _spent(left, found[-1])
        items = rest.join(at_end.select("→row"), on="→row", how="anti", maintain_order="left").select(items.columns)
    return pl.concat(found).filter(pl.col("→taken") != 0)


def _fractions(rules: pl.DataFrame, left: pl.DataFrame) -> pl.DataFrame:
    """Return which part of an item each rule takes: a priority counts while all its sources have something left."""
    known = rules.join(left, on=["contract_id", "funding_source_id"], how="left", maintain_order="left")
    waiting = known.select("contract_id").unique().with_columns(pl.lit(Decimal(1), dtype=_EXACT).alias("→open"))
    made: list[pl.DataFrame] = []
    for level in sorted(known["→level"].unique().to_list()):
        part = known.filter(pl.col("→level") == level).join(waiting, on="contract_id", how="left", maintain_order="left")
        counts = (pl.col("→left") > 0).all().over("contract_id")
        part = part.with_columns(pl.when(counts).then(product(pl.col("→pct"), pl.col("→open"))).otherwise(0).alias("→part"))
        made.append(part)
        used = part.group_by("contract_id").agg(pl.col("→part").sum())
        joined = waiting.join(used, on="contract_id", how="left")
        waiting = joined.select("contract_id", (pl.col("→open") - pl.col("→part").fill_null(0)).alias("→open"))
    return pl.concat(made).filter(pl.col("→part") > 0)


def _reach(fractions: pl.DataFrame, left: pl.DataFrame) -> pl.DataFrame:
    """Return by contract how much can be shared alike before a source runs out (`→reach`), and `→coins`.

    So many coins of what is shared are worth the one that rounding may give a source beyond its part of an item.
    """
    wanted = fractions.group_by("contract_id", "funding_source_id").agg(pl.col("→part").sum(), pl.len().alias("→rules"))
    known = wanted.join(left, on=["contract_id", "funding_source_id"], how="left")
    room = (pl.col("→left").cast(_EXACT) / pl.col("→part")).round(6).cast(MONEY)
    coins = (pl.col("→rules").cast(_EXACT) / pl.col("→part")).round(6).cast(MONEY)
    return known.group_by("contract_id").agg(room.min().alias("→reach"), coins.max().alias("→coins"))


def _alike(items: pl.DataFrame, fractions: pl.DataFrame) -> pl.DataFrame:
    """Share items by fractions, in whole cents: rounded running shares, so that they add up."""
    joined = items.join(fractions.select("contract_id", "funding_source_id", "→place", "→part"), on="contract_id", how="inner")
    running = pl.col("→part").cum_sum().over("→row", order_by="→place")
    upto = _cents(pl.col("→due"), running)
    own = upto - upto.shift(1).over("→row", order_by="→place").fill_null(0)
    return joined.with_columns(own.cast(MONEY).alias("→taken")).select("contract_id", "→row", "funding_source_id", "→place", "→taken")


def _followed(items: pl.DataFrame, rules: pl.DataFrame, left: pl.DataFrame) -> pl.DataFrame:
    """Share one item a contract, priority by priority: each stops where one of its sources has nothing left."""
    made: list[pl.DataFrame] = []
    state = items.select("contract_id", "→row", "item.currency", pl.col("→due").alias("→open"))
    for level in sorted(rules["→level"].unique().to_list()):
        own = rules.filter(pl.col("→level") == level).select("contract_id", "funding_source_id", "→pct", "→whole", "→place")
        joined = state.join(own, on="contract_id", how="inner").sort("→row", "→place").join(
            left, on=["contract_id", "funding_source_id"], how="left", maintain_order="left"
        )
        room = (pl.col("→left").cast(_EXACT) / pl.col("→pct")).round(6).cast(MONEY)
        joined = joined.with_columns(room.alias("→room"), room.min().over("→row").alias("→reach"))
        base = pl.min_horizontal("→open", "→reach")
        wish = _cents(base, pl.col("→whole")) - _cents(base, pl.col("→whole") - pl.col("→pct"))
        # The source that stops the priority pays all it has left.
        last = (pl.col("→reach") <= pl.col("→open")) & (pl.col("→room") == pl.col("→reach"))
        taken = pl.max_horizontal(pl.min_horizontal(pl.when(last).then("→left").otherwise(wish), "→left", "→open"), _NONE)
        made.append(joined.select("contract_id", "→row", "funding_source_id", "→place", taken.cast(MONEY).alias("→taken")))
        left = _spent(left, made[-1])
        used = made[-1].group_by("→row").agg(pl.col("→taken").sum())
        rest = pl.max_horizontal(pl.col("→open") - pl.col("→taken").fill_null(0), _NONE).cast(MONEY)
        state = state.join(used, on="→row", how="left", maintain_order="left").with_columns(rest.alias("→open")).drop("→taken")
    return pl.concat(made)


def _cents(base: pl.Expr, share: pl.Expr) -> pl.Expr:
    """Return a share in whole coins of its currency; the whole of an amount is all of it, whatever its digits."""
    return pl.when(share == 1).then(base).otherwise(rounded_money(product(base, share), pl.col("item.currency"))).cast(MONEY)


def _spent(left: pl.DataFrame, taken: pl.DataFrame) -> pl.DataFrame:
    used = taken.group_by("contract_id", "funding_source_id").agg(pl.col("→taken").sum())
    joined = left.join(used, on=["contract_id", "funding_source_id"], how="left", maintain_order="left")
    return joined.select("contract_id", "funding_source_id", (pl.col("→left") - pl.col("→taken").fill_null(0)).cast(MONEY).alias("→left"))


def _split(funded: pl.DataFrame, shares: pl.DataFrame, unfunded: Mapping[str, str]) -> pl.DataFrame:
    """Return one row a source and one for what is left; quantities and billed amounts go with the shares."""
    by_source = shares.group_by("→row", "funding_source_id").agg(pl.col("→taken").sum(), pl.col("→place").min())
    rest = (
        funded.select("→row", pl.col("item.amount").alias("→due"))
        .join(by_source.group_by("→row").agg(pl.col("→taken").sum()), on="→row", how="left")
        .select("→row", pl.lit(None, dtype=pl.String).alias("funding_source_id"),
                (pl.col("→due") - pl.col("→taken").fill_null(0)).alias("→taken"),
                pl.lit(None, dtype=pl.Int64).alias("→place"))
        .filter(pl.col("→taken") != 0)
    )  # fmt: skip
    parts = pl.concat([by_source.select(rest.columns), rest]).sort("→row", "→place", nulls_last=True)
    joined = parts.join(funded.drop("funding_source_id"), on="→row", how="inner", maintain_order="left")
    order: list[str] = ["→n"]
    numbered = joined.with_columns(pl.int_range(pl.len()).over("→row").alias("→n"))
    running = pl.col("→taken").cum_sum().over("→row", order_by=order)
    quantity = _running(pl.col("item.quantity"), running).round(8).cast(HOURS)
    upto = pl.when(running == pl.col("item.amount")).then("item.quantity").otherwise(quantity)
    last = pl.col("→n") == pl.col("→n").max().over("→row")
    unused = pl.col("ledger.amount") - (running - pl.col("→taken"))
    paid = (
        pl.when(pl.col("→taken") < 0).then(pl.min_horizontal(pl.max_horizontal(unused, "→taken"), _NONE))
        .otherwise(pl.max_horizontal(pl.min_horizontal(unused, "→taken"), _NONE))
    )  # fmt: skip
    paid = pl.when(last).then(pl.col("ledger.amount") - (paid.sum().over("→row") - paid)).otherwise(paid)
    sized = numbered.with_columns(
        (upto - upto.shift(1).over("→row", order_by=order).fill_null(0)).cast(HOURS).alias("→quantity"), paid.cast(MONEY).alias("→paid")
    )
    nobody = pl.col("funding_source_id").is_null()
    left_over = pl.col("item.type").replace_strict(unfunded, default="on_hold", return_dtype=pl.String)
    share = pl.col("→paid").cast(_EXACT) / pl.col("→taken").cast(_EXACT)
    return sized.with_columns(
        pl.col("→taken").alias("item.amount"), pl.col("→quantity").alias("item.quantity"), pl.col("→paid").alias("ledger.amount"),
        product(pl.col("→quantity"), share).round(8).cast(HOURS).alias("ledger.quantity"),
        (pl.col("part") + pl.col("→n")).alias("part"),
        pl.when(nobody).then(left_over).otherwise("eligibility").alias("eligibility"),
        pl.when(nobody).then(pl.lit(NO_FUNDING)).otherwise("table.reason").alias("table.reason"),
    )  # fmt: skip


def _running(quantity: pl.Expr, running: pl.Expr) -> pl.Expr:
    amount = pl.when(pl.col("item.amount") != 0).then(pl.col("item.amount")).cast(_EXACT)
    return product(quantity, running.cast(_EXACT) / amount)
