"""Credit notes that take back what was performed, of which nobody told whether the price or the customer is behind them (REVENUE 102)."""

from __future__ import annotations

import polars as pl

from engine.canonical.billing import POSTED
from engine.canonical.kinds import MONEY
from engine.nothing import of_nothing
from engine.revenue.ground.finding_columns import amount_text, finding_columns


@of_nothing
def credit_findings(
    invoices: pl.DataFrame, balances: pl.DataFrame, obligations: pl.DataFrame, judgements: pl.DataFrame, as_of: pl.Expr
) -> pl.DataFrame:  # fmt: skip
    """Return findings of credit notes on contracts with nothing left to perform that leave a part of the price without an invoice.

    A lower price (32-42), money to go back or an invoice issued anew leave no contract asset. Work as invoiced is not asked about: its
    price is the hours. A judgement of the contract from the day of the credit note on answers it (`collectible`, `constraint`, `other`).
    """
    counted = invoices.filter(pl.col("status").is_in(POSTED) & (pl.col("invoice_date") <= as_of))
    anew = counted.select(pl.col("replaces_invoice_id").alias("corrects_invoice_id")).drop_nulls().unique()
    notes = counted.filter((pl.col("kind") == "credit_note") & (pl.col("net_amount") < 0))
    notes = notes.join(anew, on="corrects_invoice_id", how="anti")
    last = balances.sort("end_date").group_by("contract_id").agg(pl.col("contract_asset", "remaining_obligation").last())
    hourly = obligations.filter(pl.col("is_as_invoiced").fill_null(value=False)).select("contract_id")
    left = last.filter((pl.col("contract_asset") > 0) & (pl.col("remaining_obligation") == 0)).join(hourly, on="contract_id", how="anti")
    rows = notes.join(left, on="contract_id", how="inner")
    said = judgements.filter(pl.col("question").is_in(["collectible", "constraint", "other"])).group_by("contract_id").agg(
        pl.col("decided_on").max()
    )
    rows = rows.join(said, on="contract_id", how="left")
    rows = rows.filter((pl.col("decided_on") >= pl.col("invoice_date")).fill_null(value=False).not_()).sort("contract_id", "invoice_id")
    amount = pl.min_horizontal(pl.col("net_amount") * -1, "contract_asset").cast(MONEY)
    message = pl.format(
        "Credit note {} leaves {} {} of what {} has performed without an invoice, and nothing tells whether the price is lower or the "
        "customer will not pay.", "invoice_id", amount_text(amount), pl.col("currency").fill_null(""), "contract_id",
    )  # fmt: skip
    remedy = (
        "Enter the lower price (an estimate or an amendment), issue the invoice anew, or record the judgement that it is a loss of credit "
        "(606-10-45-4), which is expense."
    )
    return rows.select(
        *finding_columns("credit_not_judged", "medium", "invoice", message, remedy), pl.col("invoice_id").alias("entity_id"), "contract_id",
        amount.alias("amount_at_risk"), "currency", "evidence",
    )  # fmt: skip
