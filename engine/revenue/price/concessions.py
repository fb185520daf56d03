"""Write-downs and bonuses of work as invoiced: a change of what it comes to, never bad debt (606-10-32-5 to 32-14, 55-18)."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.caps import up_to_cap
from engine.nothing import of_nothing
from engine.revenue.arithmetic.exact import money_units, part_units, times, units_money
from engine.revenue.arithmetic.numbers import ZERO, wide
from engine.revenue.contracts.amendments import stated_estimates
from engine.revenue.ground.frames import AT_A_POINT, OF_USE
from engine.revenue.ground.periods import with_period
from engine.revenue.ground.records import Records
from engine.revenue.price.pricing import OUTSIDE
from engine.revenue.price.variable import included_estimates

CONCEDED: Final[dict[str, pl.DataType]] = {
    "contract_id": pl.String(), "date": pl.Date(), "amount": MONEY, "to_customer": MONEY
}  # fmt: skip
"""What of work as invoiced is expected not to be kept, by the day it is posted on: how much more of it, and how much more of
what is paid to the customer it bears."""


LOWERED: Final[dict[str, pl.DataType]] = {
    "contract_id": pl.String(),
    "obligation_id": pl.String(),
    "date": pl.Date(),
    "lowered": MONEY,
}
"""How much of what the customer promised for an obligation (null: for the contract) is expected not to be kept, from a day on."""


@of_nothing
def levels_of_work(levels: pl.DataFrame, lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split levels (`variable.LEVELS`) into those of the pooled price and those of work as invoiced or use.

    An estimate on a line as invoiced, or paid by use, belongs to its work; one on the contract does where nothing in the contract
    has a price of its own. The second frame has `pool`: the line, or the group whose work bears it.
    """
    by_work = pl.col("is_as_invoiced") | ((pl.col("pricing") == "usage") & (pl.col("offering") != "licence").fill_null(value=True))
    by_line = lines.filter(by_work).select("contract_line_id", pl.lit(value=True).alias("→own"))
    priced = lines.filter(~pl.col("pricing").is_in(list(OUTSIDE))).select("group_id", pl.lit(value=True).alias("→priced")).unique()
    works = lines.filter(by_work).select("group_id", pl.lit(value=True).alias("→works")).unique()
    made = levels.join(by_line, on="contract_line_id", how="left", maintain_order="left")
    for frame in (priced, works):
        made = made.join(frame, on="group_id", how="left", maintain_order="left")
    whole = pl.col("contract_line_id").is_null() & pl.col("→priced").is_null() & pl.col("→works").is_not_null()
    of_work = pl.col("→own").is_not_null() | whole
    pool = pl.coalesce("contract_line_id", _of_group())
    return (
        made.filter(~of_work).select(levels.columns),
        made.filter(of_work).with_columns(pool.alias("pool")).select(*levels.columns, "pool"),
    )


def _of_group() -> pl.Expr:
    """Return the pool of a whole contract; a line may bear the same id as one."""
    return pl.concat_str(pl.lit("\x1f"), "group_id")


def with_concessions(
    rows: pl.DataFrame, levels: pl.DataFrame, totals: pl.DataFrame, periods: pl.DataFrame, as_of: dt.date
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Add to work as invoiced what estimates take off or add, period by period; return it and what is not kept (`CONCEDED`).

    `rows`: what lines outside the pool earned, with period, posting_date and nature. `levels`: of `levels_of_work`.
    `totals`: contract_line_id, date, total (units expected in all, `expected_totals`). Where the whole is expected,
    an estimate is earned with the work; elsewhere it concerns the work done so far, and never takes off more than
    that. What a new estimate does to earlier periods is a change in estimate.
    """
    nothing = rows.with_columns(pl.lit("current").alias("nature")), pl.DataFrame(schema=CONCEDED)
    work = rows.filter(pl.col("timing").is_in(["as_invoiced", *OF_USE]))
    if not levels.height or not work.height:
        return nothing
    pools = levels.select("pool").unique()
    lines = work.select("contract_line_id", "group_id", "calendar").unique("contract_line_id", keep="first", maintain_order=True)
    members = pl.concat(
        [
            lines.join(pools, left_on="contract_line_id", right_on="pool", how="semi").with_columns(
                pl.col("contract_line_id").alias("pool")
            ),
            lines.with_columns(_of_group().alias("pool")).join(pools, on="pool", how="semi"),
        ]
    )
    if not members.height:
        return nothing
    grid = _estimated(_worked(work, members, levels, periods, as_of), levels, totals)
    head = work.unique("contract_line_id", keep="first", maintain_order=True)
    made = []
    for name, nature in (("now", "current"), ("change", "estimate_change")):
        dated = grid.select("contract_line_id", "pool", "posting_date", "period", pl.col(name).alias("units"), "evidence")
        own = head.drop("posting_date", "period", "units", "evidence", "date", "basis").join(dated, on="contract_line_id", how="inner")
        made.append(
            own.with_columns(
                pl.col("posting_date").alias("date"),
                pl.col("timing").str.strip_suffix(AT_A_POINT).alias("basis"),
                pl.lit(nature).alias("nature"),
            ).filter(pl.col("units") != 0)
        )
    every = [rows.with_columns(pl.lit("current").alias("nature")), *(each.select(*rows.columns, "nature") for each in made)]
    return pl.concat(every), _conceded(grid, head)


def _conceded(grid: pl.DataFrame, head: pl.DataFrame) -> pl.DataFrame:
    """Return what estimates take off, as steps of each contract (`CONCEDED`); what of it goes to the customer is told apart."""
    about = head.select("contract_line_id", "contract_id", "minor_digits")
    lost = grid.with_columns(pl.min_horizontal("part", wide(0)).alias("lost")).sort("pool", "contract_line_id", "posting_date")
    below, paid = pl.when(pl.col("level") < 0).then(pl.col("level") * -1), pl.min_horizontal("paid", pl.col("level") * -1)
    lost = lost.with_columns(part_units(pl.col("lost"), paid, below).fill_null(0).alias("→to_customer"))
    lost = lost.with_columns((pl.col("lost") - pl.col("→to_customer")).alias("→amount"))

    def more(name: str) -> pl.Expr:
        return (pl.col(name).shift(1).over("pool", "contract_line_id").fill_null(0) - pl.col(name)).alias(name)

    steps = lost.with_columns(more("→amount"), more("→to_customer")).join(about, on="contract_line_id", how="left")
    steps = steps.filter((pl.col("→amount") != 0) | (pl.col("→to_customer") != 0))
    conceded = steps.select(
        "contract_id",
        pl.col("posting_date").alias("date"),
        *(units_money(pl.col(f"→{name}"), pl.col("minor_digits")).alias(name) for name in ("amount", "to_customer")),
    )
    return conceded.sort("contract_id", "date")


def so_far(conceded: pl.DataFrame) -> pl.DataFrame:
    """Return `CONCEDED` as what it comes to by each day."""
    daily = conceded.group_by("contract_id", "date").agg(pl.col("amount", "to_customer").sum()).sort("contract_id", "date")
    return daily.with_columns(pl.col("amount", "to_customer").cum_sum().over("contract_id").cast(MONEY))


def step_by_step(levels: pl.DataFrame) -> pl.DataFrame:
    """Return what `so_far` gives as `CONCEDED` again."""
    names = ("amount", "to_customer")
    ordered = levels.sort("contract_id", "date")
    steps = ((pl.col(name) - pl.col(name).shift(1).over("contract_id").fill_null(ZERO)).cast(MONEY).alias(name) for name in names)
    return ordered.with_columns(steps).filter((pl.col("amount") != 0) | (pl.col("to_customer") != 0))


def _worked(work: pl.DataFrame, members: pl.DataFrame, levels: pl.DataFrame, periods: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Return by pool, line and posting day the work done so far, also on days that only bring an estimate."""
    done = work.group_by("contract_line_id", "posting_date", "period").agg(pl.col("units").sum())
    told = members.join(levels.select("pool", "date").unique(), on="pool", how="inner")
    told = with_period(told, periods, "date").with_columns(pl.min_horizontal("period_end", pl.lit(as_of)).alias("posting_date"))
    days = pl.concat(
        [
            members.join(done, on="contract_line_id", how="inner").select("pool", "posting_date", "period"),
            told.select("pool", "posting_date", "period"),
        ]
    ).unique()
    grid = members.join(days, on="pool", how="inner").join(done, on=["contract_line_id", "posting_date", "period"], how="left")
    key = ["pool", "contract_line_id"]
    grid = grid.sort(*key, "posting_date").with_columns(
        pl.max_horizontal(pl.col("units").fill_null(0).cum_sum().over(key), wide(0)).alias("so_far")
    )
    return grid.with_columns(pl.col("so_far").shift(1).over(key).fill_null(0).alias("before"))


def _estimated(grid: pl.DataFrame, levels: pl.DataFrame, totals: pl.DataFrame) -> pl.DataFrame:
    """Add `part` (of the estimate, through the day), `now` (earned with this period's work) and `change` (of work before)."""
    keys = ["pool", "component"]
    steps = levels.sort(*keys, "date").with_columns((pl.col("level") - pl.col("level").shift(1).over(keys).fill_null(0)).alias("step"))
    paid = pl.when(pl.col("component").str.starts_with("payable ")).then(pl.col("step") * -1).otherwise(wide(0))
    daily = (
        steps.group_by("pool", "date")
        .agg(pl.col("step").sum(), paid.sum().alias("paid"), pl.col("evidence").explode().drop_nulls().unique().sort())
        .sort("pool", "date")
        .with_columns(pl.col("step").cum_sum().over("pool").alias("level"), pl.col("paid").cum_sum().over("pool"))
    )
    grid = grid.sort("posting_date")
    for table, by in ((daily.select("pool", "date", "level", "paid", "evidence"), "pool"), (totals, "contract_line_id")):
        grid = grid.join_asof(table.sort("date"), left_on="posting_date", right_on="date", by=by, check_sortedness=False).drop(
            "date", strict=False
        )
    day = ["pool", "posting_date"]
    known = pl.col("total").is_not_null().all().over(day)
    grid = grid.with_columns(
        pl.col("level", "paid").fill_null(0),
        pl.when(known).then(pl.col("total").sum().over(day)).alias("whole"),
        *(pl.col(name).sum().over(day).alias(f"{name}.all") for name in ("so_far", "before")),
    )

    def part(name: str) -> pl.Expr:
        """Return the line's part of the estimate for the work so far."""
        done = pl.col(f"{name}.all")
        ends = pl.max_horizontal("whole", "so_far.all")
        open_end = pl.when(pl.col("level") < 0).then(pl.max_horizontal("level", done * -1)).when(done > 0).then(pl.col("level"))
        pooled = pl.when(pl.col("whole") > 0).then(part_units(pl.col("level"), done, ends)).otherwise(open_end)
        return pl.when(done > 0).then(part_units(pooled, pl.col(name), done)).otherwise(wide(0))

    grid = grid.with_columns(part("so_far").alias("part"), part("before").alias("→kept")).sort("pool", "contract_line_id", "posting_date")
    earlier = pl.col("part").shift(1).over("pool", "contract_line_id").fill_null(0)
    return grid.with_columns((pl.col("part") - pl.col("→kept")).alias("now"), (pl.col("→kept") - earlier).alias("change"))


def expected_totals(records: Records, lines: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Return what work as invoiced is expected to come to, from a day on: contract_line_id, date, total (units)."""
    chosen = lines.filter(pl.col("is_as_invoiced") & pl.col("unit_price").is_not_null())
    about = chosen.select("contract_line_id", "signed_date", "unit_price", "cap_amount", "minor_digits")
    stated = stated_estimates(terms, about, "estimated_hours", "hours").drop("evidence")
    told = records.frame("progress").join(about, on="contract_line_id", how="semi").select(
        "contract_line_id", pl.col("as_of_date").alias("date"), pl.col("estimated_total_hours").alias("hours")
    )  # fmt: skip
    known = pl.concat([stated, told]).drop_nulls("hours").sort("contract_line_id", "date")
    known = known.unique(["contract_line_id", "date"], keep="last", maintain_order=True).join(about, on="contract_line_id", how="inner")
    value = times(pl.col("hours"), pl.col("unit_price"))
    limited = up_to_cap(value, pl.col("cap_amount"))
    return known.select("contract_line_id", "date", money_units(limited, pl.col("minor_digits")).alias("total")).sort(
        "contract_line_id", "date"
    )


def lowered(records: Records, contracts: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return how much of what the customer promised is expected not to be kept (`LOWERED`).

    Σ of the included estimates that lower a price (concessions, rebates, refunds, penalties), whole. Work as invoiced
    stands apart (`CONCEDED`).
    """
    estimates = included_estimates(records, contracts, lines).filter(pl.col("included").is_not_null())
    if not estimates.height:
        return pl.DataFrame(schema=LOWERED)
    about = lines.select("contract_line_id", "obligation_id", "pricing", "variable_allocation")
    made = estimates.join(about, on="contract_line_id", how="left", maintain_order="left")
    made = made.filter(pl.col("pricing").is_null() | ~pl.col("pricing").is_in([*OUTSIDE, "tiers"]))
    is_pooled = (pl.col("variable_allocation") == "contract").fill_null(value=False)
    made = made.with_columns(
        pl.when(~is_pooled).then(pl.col("obligation_id")).alias("obligation_id"),
        pl.max_horizontal(pl.col("included") * -1, ZERO).cast(MONEY).alias("back"),
    )
    keys = ["contract_id", "contract_line_id"]
    made = made.sort(*keys, "as_of_date", "estimate_id").unique([*keys, "as_of_date"], keep="last", maintain_order=True)
    before = pl.col("back").shift(1).over(keys).fill_null(ZERO)
    steps = made.with_columns((pl.col("back") - before).cast(MONEY).alias("step"))
    whole = ["contract_id", "obligation_id"]
    daily = steps.group_by(*whole, pl.col("as_of_date").alias("date")).agg(pl.col("step").sum()).sort(*whole, "date")
    return daily.select(*whole, "date", pl.col("step").cum_sum().over(whole).cast(MONEY).alias("lowered"))
