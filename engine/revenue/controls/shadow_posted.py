"""Posted revenue beside ours: by contract and period, and what of the difference the revenue engine's schedule explains."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.minor_units import minor_unit
from engine.nothing import of_nothing
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.ground.finding_columns import amount_text, finding_columns
from engine.revenue.ground.frames import in_words

POSTED_SHADOW: Final[dict[str, pl.DataType]] = {
    "contract_id": pl.String(), "period": pl.String(), "posted": MONEY, "ours": MONEY, "difference": MONEY, "by_schedule": MONEY,
    "unexplained": MONEY, "cause": pl.String(), "detail": pl.String(), "currency": pl.String(), "evidence": pl.List(pl.String()),
}  # fmt: skip
"""One row per contract and period in which posted revenue and ours differ (posted less ours).

`by_schedule`: what the revenue engine's schedule differs from ours in the period; `unexplained`: the rest of the difference. `cause`:
accrual_not_reversed where the rest is an accrual of an earlier period that nothing reverses (`detail`: its journals), else null.
"""

_KEY: Final = ["contract_id", "period", "currency"]


def net_credit() -> pl.Expr:
    """Return what a journal line credits, less what it debits."""
    return (pl.col("credit").fill_null(ZERO) - pl.col("debit").fill_null(ZERO)).cast(MONEY)


@of_nothing
def posted_revenue(journals: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """Return posted revenue by contract, period and currency, of lines that name their contract: credit less debit."""
    earning = accounts.filter(pl.col("account_class") == "revenue").select("account")
    lines = journals.filter((pl.col("status") == "posted") & pl.col("contract_id").is_not_null()).join(earning, on="account", how="semi")
    return lines.group_by("contract_id", "period", "currency").agg(
        net_credit().sum().alias("posted"), pl.col("evidence").explode().drop_nulls().unique().sort()
    )


@of_nothing
def standing_accruals(journals: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """Return posted accruals of revenue that nothing reverses, by contract, period and currency: accrued, journals."""
    named = pl.col("source_document_type").str.to_lowercase().str.contains("accru", literal=True)
    lines = journals.filter((pl.col("status") == "posted") & pl.col("contract_id").is_not_null())
    reversed_ = lines.select(pl.col("reverses_journal_id").alias("journal_id")).drop_nulls()
    earning = accounts.filter(pl.col("account_class") == "revenue").select("account")
    kept = lines.filter(named & pl.col("reverses_journal_id").is_null()).join(reversed_, on="journal_id", how="anti")
    by_period = kept.join(earning, on="account", how="semi").group_by(_KEY)
    return by_period.agg(net_credit().sum().alias("accrued"), pl.col("journal_id").unique().sort().str.join(", ").alias("journals"))


def _with_cause(rows: pl.DataFrame, accruals: pl.DataFrame) -> pl.DataFrame:
    """Add `cause` and `detail`: what remains of a period is what an earlier one accrued, the last that fits."""
    others = ["contract_id", "currency"]
    told = accruals.filter(pl.col("accrued") != 0).rename({"period": "→of", "accrued": "unexplained"})
    pairs = rows.select(*_KEY, "unexplained").join(told, on=[*others, "unexplained"], how="inner")
    pairs = pairs.filter(pl.col("→of") < pl.col("period"))
    last = pairs.sort("→of").unique(_KEY, keep="last", maintain_order=True)
    last = last.select(*_KEY, pl.lit("accrual_not_reversed").alias("cause"), pl.col("journals").alias("detail"))
    return rows.join(last, on=_KEY, how="left", maintain_order="left")


def posted_differences(
    posted: pl.DataFrame, performance: pl.DataFrame, judged: pl.DataFrame, accruals: pl.DataFrame | None = None
) -> pl.DataFrame:  # fmt: skip
    """Return POSTED_SHADOW of contracts that the ledger knows; `judged`: differences of the schedule (`shadow_causes.explained`).

    `accruals`: `standing_accruals`. A ledger that keeps a contract in its company's own currency is compared with what we translated.
    """
    key = _KEY
    held = posted.group_by("contract_id").agg(pl.col("currency").unique().alias("→held"))
    done = in_words(performance.filter(~pl.col("is_planned"))).join(held, on="contract_id", how="inner")
    if "functional_currency" in done.columns:
        own = ~pl.col("→held").list.contains(pl.col("currency")) & pl.col("→held").list.contains(pl.col("functional_currency"))
        done = done.with_columns(
            pl.when(own).then("functional_amount").otherwise("amount").alias("amount"),
            pl.when(own).then("functional_currency").otherwise("currency").alias("currency"),
        )
    earned = done.group_by(key).agg(pl.col("amount").sum().alias("ours"))
    both = posted.join(earned, on=key, how="full", coalesce=True)
    schedule = judged.filter("is_past").group_by(key).agg(pl.col("difference").sum().alias("by_schedule"))
    rows = both.join(schedule, on=key, how="left").with_columns(pl.col("posted", "ours", "by_schedule").fill_null(ZERO))
    rows = rows.with_columns((pl.col("posted") - pl.col("ours")).cast(MONEY).alias("difference")).filter(pl.col("difference") != 0)
    rows = rows.with_columns((pl.col("difference") - pl.col("by_schedule")).cast(MONEY).alias("unexplained"))
    none = pl.lit(None, dtype=pl.String)
    rows = rows.with_columns(none.alias("cause"), none.alias("detail")) if accruals is None else _with_cause(rows, accruals)
    return rows.select(pl.col(name).cast(dtype) for name, dtype in POSTED_SHADOW.items()).sort(key)


def posted_findings(rows: pl.DataFrame) -> pl.DataFrame:
    """Return a finding for every contract and period whose posted revenue neither ours nor the engine's schedule gives."""
    minor = minor_unit(pl.col("currency"))
    message = pl.format(
        "The ledger holds {} {} of revenue of {} in {}; {} are earned, and the revenue engine's schedule explains {} of the difference.",
        amount_text(pl.col("posted")), pl.col("currency").fill_null(""), "contract_id", "period", amount_text(pl.col("ours")),
        amount_text(pl.col("by_schedule")),
    )  # fmt: skip
    stands = pl.col("cause").eq_missing(pl.lit("accrual_not_reversed"))
    twice = pl.format("{} The rest is what {} accrued and nothing reverses.", message, "detail")
    message = pl.when(stands).then(twice).otherwise(message)
    remedy = pl.when(stands).then(pl.lit("Reverse the accrual: what it stood for is posted by now.")).otherwise(
        pl.lit("Find the entry the revenue engine does not know (a manual journal, another period), and enter or reverse it.")
    )
    return rows.filter(pl.col("unexplained").abs() > minor).select(
        *finding_columns("posted_revenue_differs", "high", "contract", message, remedy), pl.col("contract_id").alias("entity_id"),
        "contract_id", "period", pl.lit(["erp"]).alias("systems"),
        pl.col("unexplained").abs().alias("amount_at_risk"), "currency", "evidence",
    )  # fmt: skip
