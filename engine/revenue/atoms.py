"""The atoms of revenue: what each contract line earned, day by day, in the columns that the other rooms read (`frames.PERFORMANCE`)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import polars as pl

from engine.nothing import of_nothing
from engine.revenue.arithmetic.exact import GUARD, minor_money, part_units, units_to_minor, with_fraction, with_parts
from engine.revenue.arithmetic.numbers import HUNDRED, ZERO, whole_number, wide
from engine.revenue.arithmetic.runs import begins, joined, placed
from engine.revenue.core import Core
from engine.revenue.ground.blocks import PROMISES, Block, blocks, in_blocks
from engine.revenue.ground.frames import CODE, PERFORMANCE, by_price, shaped
from engine.revenue.ground.sources import united_by
from engine.revenue.modifications.splits import key_of_lines
from engine.revenue.passed_on import kept_nothing_of, passed_by
from engine.revenue.progress.delivered import OF_EXPENSES
from engine.revenue.progress.measured import told_part
from engine.revenue.recognition.recognize import recognized
from engine.revenue.recognition.shares import by_line, line_prices

_LINE: Final = ("contract_id", "contract_line_id", "obligation_id")
# Several changes within a period are told in the order of what was done by then.
_WITHIN: Final = ("relates_to_period", "nature", "basis", "timing", "progress", "amount")


def performance(core: Core) -> pl.DataFrame:
    """Return the atoms of revenue by contract line (`frames.PERFORMANCE`); contracts go through in blocks, in the order of their ids."""
    facts = facts_of(core).select(
        "okey", "contract_id", "obligation_id", "minor_digits", pl.col("timing", "role", "rule", "currency", "measure").cast(CODE),
        "evidence", "group_id",
    )  # fmt: skip
    periods = core.periods.with_columns(pl.col("period").cast(CODE))
    passed_on, kept_nothing = _passed_on(core), kept_nothing_of(core)
    idle = kept_nothing["okey"].unique()
    prices = line_prices(core.terms, core.start, core.later, core.lines, core.changes)
    outside, lines = _outside(core), core.lines.select("contract_line_id", "contract_id", "commission_pct")
    # What a block looks at is cut to its contracts first: asked whole, a table costs as much in every block as in all of them.
    contract = core.obligations.select("okey", "contract_id")
    segments, jumps, observed = (
        rows.join(contract, on="okey", how="inner")
        for rows in (pl.concat(core.evolved.segments), core.evolved.every_jump(), core.measures.observed)
    )

    def of_block(block: Block) -> pl.DataFrame:
        obligations = block.of(core.obligations).with_columns(pl.col("okey").is_in(idle.implode()).alias("passes_all"))
        parts, steps, seen = (block.of(rows).drop("contract_id") for rows in (segments, jumps, observed))
        atoms = recognized(parts, steps, replace(core.measures, observed=seen), obligations, periods, core.as_of)
        shared = by_line(atoms, prices, obligations.select("okey", "line_id"), idle)
        rows = _by_contract_line(shared, block.of(facts).drop("contract_id"), block.of(lines), passed_on, kept_nothing)
        return sorted_performance(pl.concat([rows, block.of(outside)]))

    return pl.concat(in_blocks(blocks(core.contracts, core.obligations["contract_id"].sort(), PROMISES), of_block))


def facts_of(core: Core) -> pl.DataFrame:
    """Return per obligation what does not change from version to version."""
    first = ("offering", "role", "convention", "commission_pct", "rule", "currency")
    # A licence for a royalty alone stands in the price at nothing, until sales occur.
    outside = pl.col("pricing").is_in(["as_invoiced", "usage"]) & (pl.col("offering") != "licence").fill_null(value=True)
    told = core.lines.select(
        "okey", "contract_line_id", *first, "loss_scope", "is_as_invoiced", "evidence", "pricing", outside.alias("is_outside")
    )
    told = told.sort("okey", "is_as_invoiced", pl.col("pricing") == "usage", "contract_line_id")
    lines = told.group_by("okey", maintain_order=True).agg(
        pl.col(first).first(), pl.col("loss_scope").any(), pl.col("is_as_invoiced", "is_outside").all()
    )
    lines = lines.with_columns(united_by(told, ["okey"], "evidence")["evidence"])
    # A contract of its own on a running line is treated as the line is.
    base = core.obligations.with_columns(key_of_lines().alias("line_okey"))
    return base.join(lines, left_on="line_okey", right_on="okey", how="left").drop("line_okey")


def _by_contract_line(
    atoms: pl.DataFrame, facts: pl.DataFrame, lines: pl.DataFrame, passed_on: pl.DataFrame, kept_nothing: pl.DataFrame
) -> pl.DataFrame:
    # Lines of one promise may keep different parts.
    rows = joined(joined(atoms, facts, "okey"), lines, "contract_line_id")
    rows = rows.with_columns(pl.when(pl.col("basis") == "before").then(pl.col("measure")).otherwise(pl.col("basis")).alias("basis"))
    rows = _gross(_money_rows(rows), passed_on, kept_nothing).with_columns(pl.col("period").alias("relates_to_period"))
    rows = rows.filter((pl.col("amount") != 0) | (pl.col("gross_amount") != 0))
    rows = with_fraction(rows, "progress", *told_part())
    return shaped(rows, PERFORMANCE)


def _money_rows(rows: pl.DataFrame) -> pl.DataFrame:
    late = pl.col("nature").is_in(["modification", "estimate_change", "out_of_period"])
    amount = minor_money(pl.col("minor"), pl.col("minor_digits"))
    return rows.with_columns(amount.alias("amount"), pl.when(late).then(amount).otherwise(ZERO).alias("catch_up_amount"))


def _outside(core: Core) -> pl.DataFrame:
    """Return what lines outside the pool earned."""
    about = core.lines.select("contract_line_id", "currency", "rule")
    amount = minor_money(pl.col("minor"), pl.col("minor_digits"))
    made = core.outside.with_columns(pl.col("period").alias("relates_to_period"), pl.col("basis").replace(OF_EXPENSES))
    if (made["basis"] == "accrual").any():
        made = _reversals_told(made, core.periods)
    rows = made.join(about, on="contract_line_id", how="left").with_columns(
        amount.alias("amount"),
        minor_money(pl.col("gross"), pl.col("minor_digits")).alias("gross_amount"),
        pl.when(pl.col("nature") == "current").then(ZERO).otherwise(amount).alias("catch_up_amount"),
        pl.lit(value=False).alias("is_planned"),
    )
    return shaped(rows, PERFORMANCE)


def _reversals_told(rows: pl.DataFrame, periods: pl.DataFrame) -> pl.DataFrame:
    """Let what is taken back of a closed period's accrual belong to that period, as what was recorded of it since does."""
    closed = periods.filter(pl.col("closed_at").is_not_null())
    after = closed.select("calendar", pl.col("end_date").dt.offset_by("1d").alias("date"), pl.col("period").alias("→of"))
    told = rows.join(after, on=["calendar", "date"], how="left", maintain_order="left")
    back = (pl.col("basis") == "accrual") & (pl.col("minor") < 0) & pl.col("→of").is_not_null()
    return told.with_columns(
        pl.when(back).then("→of").otherwise("relates_to_period").alias("relates_to_period"),
        pl.when(back).then(pl.lit("out_of_period")).otherwise("nature").alias("nature"),
    ).drop("→of")


def sorted_performance(rows: pl.DataFrame) -> pl.DataFrame:
    """Return atoms in the order of their frame: by line and day, what is done before what is planned; within that by `_WITHIN`."""
    rows = shaped(rows, PERFORMANCE)
    # One whole number tells line and day: much quicker to sort by than eleven columns.
    day = pl.col("posting_date").to_physical().cast(pl.Int64).fill_null(-(2**30)) + 2**30
    place = placed(rows, *_LINE).cast(pl.Int64)
    code = rows.select(((pl.lit(place) * 2**31 + day) * 2 + pl.col("is_planned").cast(pl.Int64)).alias("→code")).to_series()
    rows = rows.with_columns(code)
    rows = rows if code.is_sorted() else rows.sort("→code", maintain_order=True)
    alike = rows.select((~begins("→code") | ~begins("→code").shift(-1, fill_value=True)).alias("alike")).to_series()
    if not alike.any():
        return rows.drop("→code")
    told = rows.select("→code", *_WITHIN).with_row_index("→row").filter(alike)
    order = told.sort("→code", *_WITHIN, maintain_order=True)["→row"]
    if order.is_sorted():
        return rows.drop("→code")
    return rows.drop("→code")[pl.int_range(rows.height, dtype=pl.UInt32, eager=True).scatter(told["→row"], order)]


def _passed_on(core: Core) -> pl.DataFrame:
    """Return what an agent's promises are agreed at, from a day on: okey, date, agreed (its commission), price (as allocated), whole.

    `whole`: what the customer pays in all, where the price is the promise's own and never changed.
    """
    agents = core.lines.filter(pl.col("role") == "agent").select("contract_line_id", "okey", pl.len().over("okey").alias("lines"))
    return _agreed_with_agents(agents, core)


@of_nothing
def _agreed_with_agents(agents: pl.DataFrame, core: Core) -> pl.DataFrame:
    versions = pl.concat(core.evolved.versions).join(agents.select("okey"), on="okey", how="semi")
    versions = versions.sort("okey", "ordinal").unique(["okey", "date"], keep="last", maintain_order=True)
    steps = core.terms.join(agents.filter(pl.col("lines") == 1), on="contract_line_id", how="semi")
    steps = steps.filter((pl.len().over("contract_line_id") == 1) & pl.col("gross").is_not_null())
    steps = steps.select("contract_line_id", "pooled", "gross").join(agents, on="contract_line_id", how="inner")
    made = versions.join(steps.select("okey", "pooled", "gross"), on="okey", how="left", maintain_order="left")
    own = (pl.len().over("okey") == 1) & (units_to_minor(pl.col("price")) == units_to_minor(pl.col("pooled")))
    made = made.with_columns(
        own.alias("is_own"),
        (pl.col("stated") + pl.col("variable")).alias("agreed"),
        (units_to_minor(pl.col("price")) * GUARD).alias("price"),
    )
    # The end of a contract cuts what was agreed as it cuts the price.
    ended = core.contracts.select("contract_id", "terminated_date")
    made = made.join(core.obligations.select("okey", "contract_id"), on="okey", how="left", maintain_order="left")
    made = made.join(ended, on="contract_id", how="left", maintain_order="left")
    before = {name: pl.col(name).shift(1).over("okey", order_by="date") for name in ("agreed", "price")}
    is_cut = (pl.col("date") >= pl.col("terminated_date")) & (before["price"] > 0)
    cut = part_units(before["agreed"], pl.max_horizontal("price", wide(0)), before["price"])
    agreed = pl.when(is_cut).then(cut).otherwise("agreed").alias("agreed")
    whole = pl.when("is_own").then("gross").alias("whole")
    return made.select("okey", "date", agreed, "price", whole).sort("date")


def _gross(rows: pl.DataFrame, passed_on: pl.DataFrame, kept_nothing: pl.DataFrame) -> pl.DataFrame:
    """Add what the customer owes for each atom, cumulatively: of an agent the same part of the whole, as far as that is known.

    Where allocation or a change makes the commission worth something else, what is passed on stays the others' part of
    the price agreed: revenue, and of that part as much as of the revenue. Of a line of which nothing is kept it goes with the measure.
    """
    agents = rows.filter(pl.col("role") == "agent")
    if not agents.height:
        return rows.with_columns(pl.col("amount").alias("gross_amount"))
    # A step between two days tells no progress of its own.
    agents = agents.with_columns(pl.when(~by_price()).then(name).alias(name) for name in ("m", "mt"))
    of_idle = pl.col("contract_line_id").is_in(kept_nothing["contract_line_id"].unique().implode())
    idle = agents.filter(of_idle).sort("date").join_asof(
        kept_nothing.drop("okey", "opened").sort("date"), on="date", by="contract_line_id", check_sortedness=False
    )
    idle = idle.with_columns(passed_by().alias("→gross")).select(*agents.columns, "→gross")
    agents = agents.filter(~of_idle).sort("date").join_asof(passed_on, on="date", by="okey", check_sortedness=False)
    agents = agents.sort("contract_line_id", "is_planned", "date", maintain_order=True)
    hundred = wide(HUNDRED)
    agents = agents.with_columns(
        whole_number("commission_pct", pl.Decimal(38, 8)).alias("→share"),
        pl.min_horizontal(pl.max_horizontal("m", wide(0)), "mt").alias("→done"),
        (pl.col("minor").cum_sum().over("contract_line_id") * GUARD).alias("→so_far"),
    )
    share, so_far = pl.col("→share"), pl.col("→so_far")
    agents = with_parts(
        agents, **{"→exact": (pl.col("whole"), pl.col("→done"), pl.col("mt")), "→others": (pl.col("agreed"), hundred - share, share)}
    )
    agents = with_parts(agents, **{"→passed": (pl.col("→others"), so_far.abs(), pl.col("price").abs())})
    grossed = units_to_minor(so_far * hundred // pl.when(share > 0).then(share))
    exact = units_to_minor(pl.col("→exact"))
    agreed = units_to_minor(so_far + pl.col("→passed") * so_far.sign() * pl.col("price").sign())
    agents = agents.with_columns(pl.coalesce(exact, agreed, grossed).alias("→gross"))
    both = pl.concat([agents.select(idle.columns), idle]).sort("contract_line_id", "is_planned", "date", maintain_order=True)
    opened = kept_nothing.select("contract_line_id", "opened").drop_nulls().filter(pl.col("opened") != 0)
    both = both.join(opened, on="contract_line_id", how="left", maintain_order="left")
    held = units_to_minor(pl.col("opened").fill_null(0))
    both = both.with_columns(pl.col("→gross").forward_fill().over("contract_line_id").fill_null(held).alias("→gross"), held.alias("→held"))
    gross = pl.col("→gross") - pl.col("→gross").shift(1).over("contract_line_id").fill_null(pl.col("→held"))
    both = both.with_columns(minor_money(gross, pl.col("minor_digits")).alias("gross_amount"))
    principals = rows.filter(pl.col("role").ne_missing("agent")).with_columns(pl.col("amount").alias("gross_amount"))
    return pl.concat([principals, both.select(principals.columns)])
