"""Goods expected back of which nobody reported the cost: their return asset cannot be told (606-10-55-27)."""

from __future__ import annotations

import polars as pl

from engine.nothing import of_no
from engine.revenue.arithmetic.runs import without
from engine.revenue.ground.finding_columns import finding_columns, plain_text
from engine.revenue.ground.frames import Books
from engine.revenue.posting.claims import Agreed


def return_findings(books: Books, records: Agreed, as_of: pl.Expr) -> pl.DataFrame:
    """Return a finding for every line of goods that were delivered, are expected back in part and have no cost to date."""
    goods = books.lines.filter((pl.col("offering") == "goods") & (pl.col("variable_kind") == "refund"))
    return _without_cost(goods, books.performance, records, as_of)


@of_no("goods")
def _without_cost(goods: pl.DataFrame, performance: pl.DataFrame, records: Agreed, as_of: pl.Expr) -> pl.DataFrame:
    key = "contract_line_id"
    reports = records.frame("progress").filter(pl.col("as_of_date") <= as_of)
    estimates = records.frame("variable_estimate").filter((pl.col("as_of_date") <= as_of) & pl.col(key).is_not_null())
    money = pl.coalesce("constrained_amount", "amount")
    back = estimates.sort("as_of_date", "estimate_id").group_by(key, maintain_order=True).agg(
        pl.col("quantity").last().alias("→back"), money.last().alias("→money")
    )
    of = ["contract_id", "obligation_id"]
    expected = pl.coalesce(pl.col("→back") > 0, pl.col("→money") < 0)
    rows = goods.join(back.filter(expected), on=key, how="inner")
    served = performance.filter(pl.col("contract_id").is_in(rows["contract_id"].implode()))
    rows = rows.join(served.filter(~pl.col("is_planned") & (pl.col("amount") != 0)), on=of, how="semi")
    rows = without(rows, reports.filter(pl.col("cost_to_date").is_not_null()), key)
    # Where a cost is expected of the line, the goods cost that (`posting.goods_at_estimate`).
    hit = without(rows.filter(pl.col("estimated_cost").is_null()), reports.drop_nulls("estimated_total_cost"), key).sort(key)
    units = pl.coalesce(plain_text(pl.col("→back")) + " units", pl.lit("Goods"))
    said = pl.format("{} of {} are expected back and nobody reported what the goods delivered cost: there is no return asset.",
                     units, key)  # fmt: skip
    remedy = "Report the cost to date of the goods delivered (`progress.cost_to_date`), or what the line is expected to cost."
    return hit.select(
        *finding_columns("return_cost_unknown", "medium", "contract_line", said, remedy), pl.col(key).alias("entity_id"), "contract_id",
        "evidence",
    )  # fmt: skip
