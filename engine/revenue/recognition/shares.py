"""An obligation's revenue told by contract line: by the lines' prices, what is tied to one line to that line."""

from __future__ import annotations

import polars as pl

from engine.canonical.kinds import FIRST_DAY
from engine.revenue.arithmetic.exact import part_units
from engine.revenue.arithmetic.numbers import wide
from engine.revenue.arithmetic.runs import joined, without
from engine.revenue.modifications.splits import adds_apart, key_apart, key_of_lines
from engine.revenue.progress.measured import BY_TIME


def line_prices(
    terms: pl.DataFrame, start: pl.DataFrame, later: pl.DataFrame, lines: pl.DataFrame, changes: pl.DataFrame
) -> pl.DataFrame:
    """Return the price of each line of obligations with several lines, step by step: okey, contract_line_id, date, price, delta.

    What an amendment adds apart to such lines (`adds_apart`) is shared by what it adds to each of them.
    """
    several = lines.filter(~pl.col("is_as_invoiced") & (pl.col("pricing") != "usage"))
    several = several.filter(pl.len().over("okey") > 1).select("contract_line_id", "okey", "from_date")
    names = ["okey", "contract_line_id", "date", "delta"]
    apart = changes.filter(adds_apart())
    first = pl.coalesce("event_date", pl.lit(FIRST_DAY)).alias("date")
    fixed = (
        without(terms.drop("okey"), apart, "contract_line_id", "place")
        .join(several, on="contract_line_id", how="inner")
        .select("okey", "contract_line_id", first, (pl.col("pooled").fill_null(0) - pl.col("before.pooled").fill_null(0)).alias("delta"))
    )
    begun = (
        start.drop("okey")
        .join(several, on="contract_line_id", how="inner")
        .select("okey", "contract_line_id", pl.coalesce("from_date", pl.lit(FIRST_DAY)).alias("date"), pl.col("level").alias("delta"))
    )
    changed = later.drop("okey").join(several, on="contract_line_id", how="inner").select(names)
    none = several.select("okey", "contract_line_id", pl.lit(FIRST_DAY).alias("date"), wide(0).alias("delta"))
    told = pl.concat([fixed.select(names), begun.select(names), changed, none.select(names)])
    added = _added_apart(apart)
    rows = pl.concat([_in_added_terms(told, added), added.select(names)])
    daily = rows.group_by("okey", "contract_line_id", "date").agg(pl.col("delta").sum()).sort("okey", "contract_line_id", "date")
    return daily.with_columns(pl.col("delta").cum_sum().over("okey", "contract_line_id").alias("price"))


def _added_apart(apart: pl.DataFrame) -> pl.DataFrame:
    """Return what amendments add apart to several lines of an obligation at once, from the beginning of what is added."""
    added = apart.with_columns(key_apart().alias("okey"), pl.lit(FIRST_DAY).alias("date"), pl.col("price_change").alias("delta"))
    return added.filter(pl.len().over("okey") > 1)


def _in_added_terms(told: pl.DataFrame, added: pl.DataFrame) -> pl.DataFrame:
    """Return steps of which those in a term that was added to a promise by time are of what was added (`added`: of `_added_apart`)."""
    if added.is_empty():
        return told
    timed = added.filter((pl.col("measure") == BY_TIME) & pl.col("before.end_date").is_not_null())
    begins = pl.col("before.end_date").min().dt.offset_by("1d").alias("→begins")
    parts = timed.group_by(key_of_lines().alias("→of"), pl.col("okey").alias("→part")).agg(begins).sort("→begins")
    told = told.sort("date").join_asof(
        parts, left_on="date", right_on="→begins", by_left="okey", by_right="→of", check_sortedness=False
    )
    return told.select(pl.coalesce("→part", "okey").alias("okey"), "contract_line_id", "date", "delta")


def by_line(atoms: pl.DataFrame, prices: pl.DataFrame, first_line: pl.DataFrame, idle: pl.Series) -> pl.DataFrame:
    """Share atoms over the lines of their obligation: `contract_line_id` and `minor` of the line; the sum is kept to the minor unit.

    A change of price goes to the lines whose price it is. `prices`: of `line_prices`. `first_line`: okey, line_id (of obligations with
    one line). `idle`: okeys of which some line earns nothing and moves all the same (what an agent passes on).
    """
    single = joined(atoms, first_line.rename({"line_id": "contract_line_id"}), "okey")
    if prices.is_empty():
        return single
    several = prices.select("okey").unique()
    shared, single = atoms.join(several, on="okey", how="semi"), single.join(several, on="okey", how="anti")
    if not shared.height:
        return single
    members = prices.select("okey", "contract_line_id").unique()
    spread = shared.with_row_index("→atom").join(members, on="okey", how="inner").sort("date")
    line = ["okey", "contract_line_id"]
    spread = spread.join_asof(prices.select(*line, "date", "price").sort("date"), on="date", by=line, check_sortedness=False)
    tied = prices.select(*line, "date", "delta")
    spread = spread.join(tied, on=[*line, "date"], how="left").with_columns(
        pl.col("delta").fill_null(0), pl.col("price").fill_null(0)
    )
    is_price = (pl.col("basis") == "price") & (pl.col("delta").sum().over("→atom") != 0)
    spread = spread.with_columns(pl.when(is_price).then(pl.col("delta")).otherwise(pl.col("price")).alias("w")).sort(
        "→atom", "contract_line_id"
    )
    whole = pl.col("w").sum().over("→atom")
    before = pl.col("w").cum_sum().over("→atom") - pl.col("w")
    spread = spread.with_columns(
        whole.alias("→whole"), before.alias("→before"), (pl.int_range(pl.len()).over("→atom") == 0).alias("→first")
    )

    def through(weight: pl.Expr) -> pl.Expr:
        return part_units(pl.col("minor"), weight.abs(), pl.when(pl.col("→whole") != 0).then(pl.col("→whole").abs()))

    same_sign = (pl.col("w") * pl.col("→whole").sign() >= 0).all().over("→atom")
    share = through(pl.col("→before") + pl.col("w")) - through(pl.col("→before"))
    alone = pl.when("→first").then(pl.col("minor")).otherwise(wide(0))
    made = spread.with_columns(pl.when((pl.col("→whole") != 0) & same_sign).then(share).otherwise(alone).alias("minor"))
    return pl.concat([single, made.select(single.columns).filter((pl.col("minor") != 0) | pl.col("okey").is_in(idle.implode()))])
