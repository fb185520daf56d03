"""Goods that may come back and of which nobody reported the cost: they cost what was expected of them (606-10-55-25(c), 55-27)."""

from __future__ import annotations

import polars as pl

from engine.canonical.kinds import MONEY
from engine.nothing import of_no
from engine.revenue.arithmetic.numbers import FRACTION, whole_number
from engine.revenue.arithmetic.rounding import round_share
from engine.revenue.arithmetic.runs import without
from engine.revenue.ground.frames import Books, by_price
from engine.revenue.posting.claims import Agreed
from engine.revenue.progress.expected_cost import total_cost_history


def goods_at_estimate(books: Books, records: Agreed) -> pl.DataFrame:
    """Return the cost to date of goods with a right of return that nobody reported: contract_line_id, as_of_date, cost_to_date, currency.

    The carrying amount of what was delivered is the same part of the cost expected of the line, on the days it was earned.
    """
    goods = books.lines.filter((pl.col("offering") == "goods") & (pl.col("variable_kind") == "refund"))
    return _expected(goods, books, records)


@of_no("goods")
def _expected(goods: pl.DataFrame, books: Books, records: Agreed) -> pl.DataFrame:
    key, of = "contract_line_id", ["contract_id", "obligation_id"]
    spent = records.frame("contract_cost").filter(pl.col("kind") == "delivery")
    for told in (records.frame("progress").filter(pl.col("cost_to_date").is_not_null()), spent):
        goods = without(goods, told, key)
    goods = without(goods, spent.filter(pl.col(key).is_null()), "contract_id")
    done = books.performance.filter(~pl.col("is_planned") & ~by_price() & pl.col("progress").is_not_null())
    done = done.join(goods, on=of, how="semi").sort("posting_date", "progress")
    done = done.unique([*of, "posting_date"], keep="last").select(*of, pl.col("posting_date").alias("as_of_date"), "progress")
    rows = goods.select(key, *of).join(done, on=of, how="inner").sort("as_of_date")
    known = (records.frame(name) for name in ("progress", "amendment", "amendment_line"))
    costs = total_cost_history(goods, *known).rename({"end_date": "as_of_date"}).sort("as_of_date", maintain_order=True)
    rows = rows.join_asof(costs, on="as_of_date", by=key, check_sortedness=False).drop_nulls("estimated_total_cost")
    rows = rows.join(books.contracts.select("contract_id", "currency", "minor_digits"), on="contract_id", how="left")
    part = whole_number(pl.col("progress").cast(FRACTION), FRACTION)
    cost = round_share(pl.col("estimated_total_cost"), part, pl.lit(10**12, dtype=pl.Int128), pl.col("minor_digits"))
    return rows.select("contract_id", key, "as_of_date", cost.cast(MONEY).alias("cost_to_date"), "currency")
