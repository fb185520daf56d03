"""The third currency: functional figures told in the group's reporting currency (830-30-45-3 to 45-12; IAS 21.38 to 21.41)."""

from __future__ import annotations

from typing import Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.minor_units import minor_digits
from engine.revenue.arithmetic.numbers import ZERO
from engine.revenue.ground.finding_columns import finding_columns
from engine.revenue.ground.frames import TEXT, Books, in_words, shaped
from engine.revenue.ground.rates import RATE, rate_table, translated, with_rate
from engine.revenue.ground.records import Records
from engine.revenue.posting.claims import Agreed
from engine.revenue.posting.cost_rates import at_cost_rates
from engine.revenue.recognition.adopted import earned
from engine.stage import Context, StageResult

# What a contract's functional balances come from: its steps (`rights.POSITION`), and the rooms of costs and losses.
_STEPPED: Final = (
    "contract_asset", "contract_liability", "receivable", "refund_liability", "deposit_liability", "payable", "tax_payable",
    "customer_payment_asset", "return_asset",
)  # fmt: skip
_BALANCES: Final = (*_STEPPED, "contract_cost_asset", "loss_provision")

_ASSETS: Final = ("contract_asset", "receivable", "customer_payment_asset", "return_asset", "contract_cost_asset")

_MOVED: Final[dict[str, pl.DataType]] = {"contract_id": TEXT, "end_date": pl.Date(), "moved": MONEY}

REPORTING_BALANCES: Final[dict[str, pl.DataType]] = {
    "contract_id": TEXT, "legal_entity_id": TEXT, "period": TEXT, "functional_currency": TEXT, "reporting_currency": TEXT,
    "average_rate": RATE, "closing_rate": RATE,
    **dict.fromkeys(("recognized", *_BALANCES, "translation_difference"), MONEY),
    "rule": TEXT,
}  # fmt: skip
"""Columns of `reporting_balances.parquet`: one row per contract and period of entities that report in another currency.

Balances at the closing rate, revenue of the period at its average. `translation_difference` (gain +): what the
net position, assets less liabilities, changed by for the rates alone; it belongs to other comprehensive income, never to revenue.
"""


def functional_columns(books: Books, records: Agreed) -> tuple[str, ...]:
    """Return which functional balances beside the first three the group is told (`contract_balances` keeps them); none without one."""
    if _asked(books, records).is_empty():
        return ()
    return tuple(f"functional_{name}" for name in _STEPPED[3:])


def _asked(books: Books, records: Agreed) -> pl.DataFrame:
    """Return contracts of entities that report in another currency than their own, with both."""
    entities = records.frame("legal_entity").select("legal_entity_id", "reporting_currency").unique("legal_entity_id", keep="first")
    pairs = books.contracts.select("contract_id", "legal_entity_id", "calendar", "functional_currency").join(
        entities, on="legal_entity_id", how="inner"
    )
    return pairs.filter(pl.col("reporting_currency") != pl.col("functional_currency"))


def told_to_the_group(books: Books, records: Records, context: Context) -> tuple[Books, StageResult]:
    """Translate balances and revenue of entities whose reporting currency is not their functional one.

    Frames: reporting_balances, where there is such an entity. A period without a rate has null amounts and a finding.
    """
    result = StageResult()
    asked = _asked(books, records)
    if asked.is_empty():
        return books, result
    rates = rate_table(records.frame("exchange_rate"))
    rows = _in_functional(books, asked, rates, context)
    # The rates' own names: from `currency` to `functional_currency`.
    named = rows.rename({"functional_currency": "currency", "reporting_currency": "functional_currency"})
    for kind in ("average", "closing"):
        named = with_rate(named, rates, day="end_date", kind=kind, name=f"{kind}_rate")
    rows = named.rename({"functional_currency": "reporting_currency", "currency": "functional_currency"})
    told = _translated(rows.sort("contract_id", "end_date"))
    result.frames["reporting_balances"] = shaped(told, REPORTING_BALANCES).lazy()
    missing = _without_rate(told)
    result.findings = [missing] if missing.height else []
    return books, result


def _in_functional(books: Books, asked: pl.DataFrame, rates: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Return contract × period in the functional currency: revenue of the period, balances at its end, the period's last day."""
    revenue = (
        earned(books.extra["translated"])
        .filter(~pl.col("is_planned"))
        .group_by("contract_id", "period")
        .agg(pl.col("functional_amount").sum().alias("earned"))
    )
    ends = books.periods.select("calendar", "period", pl.min_horizontal(pl.col("end_date"), pl.lit(context.as_of)).alias("end_date"))
    balances = books.extra["contract_balances"].select("contract_id", "period", *(f"functional_{name}" for name in _STEPPED))
    dated = (
        asked.join(balances, on="contract_id", how="inner")
        .join(in_words(revenue), on=["contract_id", "period"], how="left")
        .join(ends, on=["calendar", "period"], how="left")
        .with_columns(pl.col("earned").fill_null(ZERO))
    )
    for name, moved in (("contract_cost_asset", _cost_assets(books, rates)), ("loss_provision", _provisions(books))):
        dated = _with_worth(dated, moved, name)
    return dated


def _cost_assets(books: Books, rates: pl.DataFrame) -> pl.DataFrame:
    """Return what contracts' cost assets changed by in the functional currency, at the rates they came in at."""
    costs = books.extra.get("contract_costs")
    if costs is None:
        return pl.DataFrame(schema=_MOVED)
    spent = (pl.col("amortized") + pl.col("impaired") - pl.col("reversed")).cast(MONEY)
    valued = at_cost_rates(costs.with_columns(ZERO.alias("at_once"), spent.alias("expense")), books.contracts, rates)
    own = books.contracts.select("contract_id", pl.col("functional_currency").cast(TEXT).alias("→own"))
    told = valued.join(own, on="contract_id", how="left", maintain_order="left")
    is_own = pl.col("currency") == pl.col("→own")
    put_in, out = (pl.coalesce(f"functional_{name}", pl.when(is_own).then(name)) for name in ("capitalized", "expense"))
    return told.select("contract_id", "end_date", (put_in - out).alias("moved"))


def _provisions(books: Books) -> pl.DataFrame:
    """Return what is provided for expected losses changed by in the functional currency."""
    provisions = books.extra.get("loss_provisions")
    if provisions is None:
        return pl.DataFrame(schema=_MOVED)
    own = books.contracts.select("contract_id", pl.col("functional_currency").cast(TEXT).alias("→own"))
    told = provisions.join(own, on="contract_id", how="left", maintain_order="left")
    is_own = pl.col("currency") == pl.col("→own")
    moved = pl.coalesce(pl.col("functional_change") + pl.col("exchange"), pl.when(is_own).then("change"))
    return told.select("contract_id", "end_date", moved.alias("moved"))


def _with_worth(rows: pl.DataFrame, moved: pl.DataFrame, name: str) -> pl.DataFrame:
    """Add `functional_<name>`: all that was `moved` by the row's day; null from the first amount on that no rate translates."""
    whole = pl.when(pl.col("moved").is_not_null().all()).then(pl.col("moved").sum())
    daily = moved.group_by("contract_id", "end_date").agg(whole.alias("moved"), pl.lit(value=True).alias("→any"))
    daily = daily.sort("contract_id", "end_date")
    known = pl.col("moved").is_not_null().cum_min().over("contract_id")
    worth = pl.when(known).then(pl.col("moved").fill_null(ZERO).cum_sum().over("contract_id")).cast(MONEY)
    held = daily.select("contract_id", "end_date", "→any", worth.alias("→worth")).sort("end_date")
    found = rows.sort("end_date").join_asof(held, on="end_date", by="contract_id", check_sortedness=False)
    return found.with_columns(pl.when("→any").then("→worth").otherwise(ZERO).alias(f"functional_{name}")).drop("→any", "→worth")


def _translated(rows: pl.DataFrame) -> pl.DataFrame:
    digits = minor_digits(pl.col("reporting_currency"))
    net = _net("functional_")
    rows = rows.with_columns(
        net.alias("net"),
        (net - net.shift(1).over("contract_id").fill_null(ZERO)).cast(MONEY).alias("moved"),
    )
    rows = rows.with_columns(
        translated(pl.col("earned"), "average_rate", digits).alias("recognized"),
        *(translated(pl.col(f"functional_{name}"), "closing_rate", digits).alias(name) for name in _BALANCES),
        translated(pl.col("moved"), "average_rate", digits).alias("moved_at_average"),
    )
    stands = _net("")
    before = stands.shift(1).over("contract_id").fill_null(ZERO)
    return rows.with_columns(
        (stands - before - pl.col("moved_at_average")).cast(MONEY).alias("translation_difference"), pl.lit("830-30-45-3").alias("rule")
    )


def _net(prefix: str) -> pl.Expr:
    return pl.sum_horizontal(
        (pl.col(f"{prefix}{name}") * (1 if name in _ASSETS else -1) for name in _BALANCES), ignore_nulls=False
    ).cast(MONEY)


def _without_rate(rows: pl.DataFrame) -> pl.DataFrame:
    """Return a finding per entity and currency pair that no rate translates from some day on."""
    needed = rows.filter(pl.any_horizontal(pl.col("recognized", *_BALANCES, "translation_difference").is_null()))
    missing = needed.group_by("legal_entity_id", "functional_currency", "reporting_currency").agg(pl.col("end_date").min().alias("since"))
    text = "No rate from {} to {} is known on {}: the entity's contracts are not told in its reporting currency."
    message = pl.format(text, "functional_currency", "reporting_currency", pl.col("since").cast(pl.String))
    remedy = "Supply the exchange rate, or correct the entity's reporting currency."
    return missing.sort("legal_entity_id").select(
        *finding_columns("exchange_rate_missing", "medium", "legal_entity", message, remedy, "controller"),
        pl.col("legal_entity_id").alias("entity_id"), pl.col("functional_currency").alias("currency"), "since",
    )  # fmt: skip
