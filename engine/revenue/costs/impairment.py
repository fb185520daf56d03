"""Write-down of contract cost assets to what the contract still brings, its reversal under IFRS (340-40-35-3; IFRS 15.101)."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.minor_units import minor_digits
from engine.revenue.arithmetic.conventions import TermColumns, with_earned
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.arithmetic.rounding import round_share, units
from engine.revenue.ground.rates import translated

_WRITTEN: Final = ("written_to", "written_margin", "written_recoverable")


def written_down(assets: pl.DataFrame, recoverable: pl.DataFrame, terms: TermColumns) -> pl.DataFrame:
    """Add closing, amortized, impaired and reversed to the assets' periods.

    `assets`: cost × period with amount, unimpaired_amortized, is_terminated, `into` (the rate at which it came into its contract's
    currency; null: not tested) and the terms of amortization.
    A contract's assets together are written down to its recoverable amount, each by its carrying amount; what
    is left is amortized over the rest of the benefit. Under IFRS it is taken back once more is expected of the contract than when
    it was made, and not because amortization alone has made room; at most to what the asset would be without it (15.104); under
    US GAAP never (35-6). On termination what is left is written off.
    """
    limits = recoverable.with_columns(minor_digits(pl.col("currency")).alias("limit_digits")).drop("currency")
    tested = assets.join(limits, on=["contract_id", "end_date"], how="left", maintain_order="left").with_columns(
        (pl.col("amount").cast(MONEY) - pl.col("unimpaired_amortized")).alias("unimpaired"),
        pl.when(pl.col("into").is_not_null()).then("recoverable").alias("recoverable"),
    )
    whole = _in_contract("unimpaired").sum().over("contract_id", "end_date")
    falls_short = (whole > pl.max_horizontal(pl.col("recoverable"), ZERO)) & pl.col("recoverable").is_not_null()
    hit = tested.filter(falls_short & ~pl.col("is_terminated")).select("contract_id").unique()
    plain = tested.join(hit, on="contract_id", how="anti", maintain_order="left").with_columns(
        pl.col("unimpaired").alias("carrying"), ZERO.alias("impaired"), ZERO.alias("reversed")
    )
    impaired = _in_turn(tested.join(hit, on="contract_id", how="semi", maintain_order="left"), terms)
    both = pl.concat([plain, impaired.select(plain.columns)]).sort("cost_id", "end_date")
    return _with_flows(both)


def _with_flows(rows: pl.DataFrame) -> pl.DataFrame:
    """Add closing and amortized; what is left when the contract ends is written off in that period."""
    before = pl.col("carrying").shift(1).over("cost_id", order_by="end_date")
    opening = pl.when(before.is_null()).then(pl.col("amount").cast(MONEY)).otherwise(before)
    flows = rows.with_columns((opening - pl.col("carrying") - pl.col("impaired") + pl.col("reversed")).cast(MONEY).alias("amortized"))
    ended_before = pl.col("is_terminated").shift(1).over("cost_id", order_by="end_date").fill_null(value=False)
    ends = pl.col("is_terminated") & ~ended_before
    return flows.with_columns(
        pl.when(pl.col("is_terminated")).then(ZERO).otherwise(pl.col("carrying")).alias("closing"),
        pl.when(ended_before).then(ZERO).otherwise(pl.col("amortized")).alias("amortized"),
        pl.when(ends).then(pl.col("impaired") + pl.col("carrying")).when(ended_before).then(ZERO)
        .otherwise(pl.col("impaired")).alias("impaired"),
        pl.when(ended_before).then(ZERO).otherwise(pl.col("reversed")).alias("reversed"),
    ).drop("carrying", "unimpaired", "recoverable", "margin", "into", "limit_digits")  # fmt: skip


def _in_turn(rows: pl.DataFrame, terms: TermColumns) -> pl.DataFrame:
    """Return the rows with carrying, impaired and reversed: one pass a period, all contracts at once.

    What an asset is worth in a period rests on the write-down of the period before, so the periods of the few
    contracts that fall short are gone through in order. Where the end of the benefit moves, what is left is spread anew from
    that period on.
    """
    state = rows.select("cost_id").unique(maintain_order=True).with_columns(
        *(pl.lit(None, dtype=pl.Date).alias(name) for name in ("written_on", "last_on", "last_end")),
        *(pl.lit(None, dtype=MONEY).alias(name) for name in (*_WRITTEN, "last_carrying")),
    )
    done: list[pl.DataFrame] = []
    for day in rows["end_date"].unique().sort():
        now = rows.filter(pl.col("end_date") == day).join(state, on="cost_id", how="left", maintain_order="left")
        moved = pl.col("written_on").is_not_null() & (pl.col("last_end") != pl.col("benefit_end"))
        now = now.with_columns(
            pl.when(moved).then("last_on").otherwise("written_on").alias("written_on"),
            pl.when(moved).then("last_carrying").otherwise("written_to").alias("written_to"),
        )
        kept = now.filter(moved).select("cost_id", pl.col("last_on").alias("written_on"), pl.col("last_carrying").alias("written_to"))
        now = _tested(now.drop("last_on", "last_end", "last_carrying"), terms)
        state = state.update(kept, on="cost_id")
        changed = (pl.col("impaired") != 0) | (pl.col("reversed") != 0)
        state = state.update(
            now.filter(changed).select(
                "cost_id", pl.col("end_date").alias("written_on"), pl.col("carrying").alias("written_to"),
                pl.col("margin").alias("written_margin"), pl.col("recoverable").alias("written_recoverable"),
            ),
            on="cost_id",
        )  # fmt: skip
        last = now.select("cost_id", pl.col("end_date").alias("last_on"), pl.col("benefit_end").alias("last_end"), last_carrying="carrying")
        state = state.update(last, on="cost_id")
        done.append(now.drop("written_on", *_WRITTEN))
    return pl.concat(done) if done else rows.with_columns(ZERO.alias(name) for name in ("carrying", "impaired", "reversed"))


def _tested(now: pl.DataFrame, terms: TermColumns) -> pl.DataFrame:
    """Return one period's assets with what each carries after the test, and what the test took or gave back."""
    now = with_earned(
        now.lazy(), "since", amount="written_to", at="end_date", after="written_on", digits="digits", mode=pl.col("rounding"), terms=terms
    ).collect()
    reduced = pl.col("written_to") - pl.col("since").fill_null(ZERO)
    now = now.with_columns(pl.when(pl.col("written_on").is_null()).then(pl.col("unimpaired")).otherwise(reduced).alias("carrying"))
    key = "contract_id"
    limit = pl.max_horizontal(pl.col("recoverable"), ZERO)
    now = now.with_columns((pl.col("unimpaired") - pl.col("carrying")).alias("gap"))
    now = now.with_columns(_in_contract("carrying").alias("→carrying"), _in_contract("gap").alias("→gap"))
    carried = pl.col("→carrying").sum().over(key)
    is_tested = pl.col("recoverable").is_not_null() & ~pl.col("is_terminated")
    better = pl.coalesce(pl.col("margin") > pl.col("written_margin"), pl.col("recoverable") > pl.col("written_recoverable"))
    is_better = better.fill_null(value=False).any().over(key)
    now = now.with_columns(
        pl.when(is_tested & (carried > limit)).then(carried - limit).otherwise(ZERO).alias("short"),
        pl.when(is_tested & (pl.col("standard") == "ifrs") & is_better & (carried < limit))
        .then(pl.min_horizontal(limit - carried, pl.col("→gap").sum().over(key))).otherwise(ZERO).alias("over"),
    )  # fmt: skip
    now = now.with_columns(_shared("short", "carrying", key).alias("impaired"), _shared("over", "gap", key).alias("reversed"))
    carried = (pl.col("carrying") - pl.col("impaired") + pl.col("reversed")).alias("carrying")
    return now.with_columns(carried).drop("short", "over", "gap", "since", "→carrying", "→gap")


def _in_contract(name: str) -> pl.Expr:
    """Return an amount of an asset in its contract's currency, at the rate it came in at; null without one."""
    return translated(pl.col(name), "into", pl.coalesce("limit_digits", "digits"))


def _shared(total: str, weight: str, key: str) -> pl.Expr:
    """Return a contract's amount shared by weight, in each asset's own currency; the rest goes to the last cost of the contract.

    Shares are whole minor units of the contract's currency.
    """
    own = pl.col(f"→{weight}").fill_null(ZERO)
    weights = own.sum().over(key)
    # Running shares, each rounded: their differences add up to the whole.
    so_far = own.cum_sum().over(key, order_by="cost_id")
    share = round_share(pl.col(total), units(so_far), units(weights), pl.coalesce("limit_digits", "digits"))
    before = share.shift(1).over(key, order_by="cost_id").fill_null(ZERO)
    stated = round_share(share - before, units(pl.col(weight)), units(own), pl.col("digits"))
    return pl.when((pl.col(total) == 0) | (own == 0)).then(ZERO).otherwise(stated).cast(MONEY)
