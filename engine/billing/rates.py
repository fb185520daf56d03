"""The price of an hour: the first of the policy's sources that has one, in the contract's currency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import polars as pl

from engine.billing.dated import DatedTable, dated_table
from engine.billing.money import PRICE, RATE, product
from engine.billing.references import frame_of
from engine.policy.kinds.billing import BillingPolicy, is_percent, marked_up, rate_source

# A card's line for a project beats one for the contract, then the person, then the role.
_KEYS: Final = ("project_id", "contract_id", "resource_id", "role")
_WEIGHT: Final = {"project_id": 8, "contract_id": 4, "resource_id": 2, "role": 1}

CARD: Final = "→card"
CARD_CURRENCY: Final = "→card.currency"


def attach_assignments(frame: pl.LazyFrame, frames: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """Add the assignment that held on the day of work: its rate, currency, and the role (else the person's)."""
    columns = ["assignment_id", "project_id", "resource_id", "role", "start_date", "end_date", "bill_rate", "currency"]
    held = frame_of(frames, "assignment").select(columns).collect()
    table = dated_table(held, ["project_id", "resource_id"], "start_date", "end_date", ["role", "bill_rate", "currency"], ["assignment_id"])
    names = {"role": "→assigned", "bill_rate": "assignment.bill_rate", "currency": "assignment.currency"}
    on = {"project_id": pl.col("project_id"), "resource_id": pl.col("resource_id")}
    found = table.lookup(frame, on, pl.col("work_date"), names)
    return found.with_columns(pl.coalesce("→assigned", "resource.role").alias("role")).drop("→assigned")


def attach_card(frame: pl.LazyFrame, frames: Mapping[str, pl.LazyFrame], hours_per_day: Decimal) -> pl.LazyFrame:
    """Add what the rate card says for the role, person, project and contract on the day of work.

    The most specific line counts: project before contract before person before role; of several
    that hold on the day, the one that began last.
    """
    columns = ["rate_id", *_KEYS, "bill_rate", "unit", "currency", "effective_from", "effective_to"]
    cards = frame_of(frames, "rate").select(columns).filter(pl.col("bill_rate").is_not_null()).collect()
    by_hour = pl.when(pl.col("unit") == "day").then(pl.col("bill_rate") / pl.lit(hours_per_day, dtype=PRICE)).otherwise("bill_rate")
    cards = cards.with_columns(by_hour.cast(PRICE).alias("price"))
    prices: list[pl.Expr] = []
    currencies: list[pl.Expr] = []
    shapes = cards.select(pl.col(key).is_not_null() for key in _KEYS).unique().rows()
    ordered = sorted(shapes, key=lambda shape: -sum(_WEIGHT[key] for key, given in zip(_KEYS, shape, strict=True) if given))
    for number, shape in enumerate(ordered):
        keys = [key for key, given in zip(_KEYS, shape, strict=True) if given]
        blank = [key for key in _KEYS if key not in keys]
        part = cards.filter(pl.all_horizontal([pl.col(key).is_null() for key in blank]) if blank else pl.lit(value=True))
        table, on = _card_table(part, keys)
        names = {"price": f"→price.{number}", "currency": f"→currency.{number}"}
        frame = table.lookup(frame, on, pl.col("work_date"), names)
        prices.append(pl.col(f"→price.{number}"))
        currencies.append(pl.when(pl.col(f"→price.{number}").is_not_null()).then(pl.coalesce(f"→currency.{number}", pl.lit(""))))
    price = pl.coalesce(prices) if prices else pl.lit(None, dtype=PRICE)
    currency = pl.coalesce(currencies) if currencies else pl.lit(None, dtype=pl.String)
    added = frame.with_columns(price.alias(CARD), _named(currency).alias(CARD_CURRENCY))
    return added.drop([f"→{word}.{number}" for number in range(len(ordered)) for word in ("price", "currency")])


def _card_table(part: pl.DataFrame, keys: Sequence[str]) -> tuple[DatedTable, dict[str, pl.Expr]]:
    own = {"contract_id": pl.col("item.contract_id"), "role": pl.col("role")}
    if not keys:
        part = part.with_columns(pl.lit("any").alias("→any"))
        keys, own = ["→any"], {"→any": pl.lit("any")}
    table = dated_table(part, keys, "effective_from", "effective_to", ["price", "currency"], ["rate_id"])
    return table, {key: own.get(key, pl.col(key)) for key in keys}


def with_rate(policy: BillingPolicy) -> list[pl.Expr]:
    """Return the first source's price that is not null, its currency, and the name of the source."""
    prices: list[pl.Expr] = []
    currencies: list[pl.Expr] = []
    names: list[pl.Expr] = []
    for text in policy.rate:
        function, argument = rate_source(text)
        if function == "price_tier":
            continue
        price, currency = _source(function, argument)
        prices.append(price.cast(PRICE))
        currencies.append(pl.when(price.is_not_null()).then(pl.coalesce(currency, pl.lit(""))))
        names.append(pl.when(price.is_not_null()).then(pl.lit(function or argument)))
    if not prices:
        nothing = pl.lit(None, dtype=pl.String)
        return [pl.lit(None, dtype=PRICE).alias("→rate"), nothing.alias("→rate.currency"), nothing.alias("item.rate_source")]
    return [
        pl.coalesce(prices).alias("→rate"), _named(pl.coalesce(currencies)).alias("→rate.currency"),
        pl.coalesce(names).alias("item.rate_source"),
    ]  # fmt: skip


def rate_paths(policy: BillingPolicy) -> list[str]:
    """Return the dotted paths that the policy's rate sources read, those of the assignment apart."""
    found: list[str] = []
    for text in policy.rate:
        function, argument = rate_source(text)
        price, percent = marked_up(argument) if function == "marked_up" else (argument, "")
        path = price.removeprefix("time_entry.")
        if function in ("", "marked_up") and "." in path and not path.startswith("assignment."):
            found += [path, _currency(path)]
        percent = percent.removeprefix("time_entry.")
        if "." in percent and not is_percent(percent):
            found.append(percent)
    return found


def _source(function: str, argument: str) -> tuple[pl.Expr, pl.Expr]:
    """Return the price that a source gives, and its currency."""
    if function == "rate_card":
        return pl.col(CARD), pl.col(CARD_CURRENCY)
    if not function:
        return _field(argument)
    path, percent = marked_up(argument)
    price, currency = _field(path)
    more = pl.lit(Decimal(percent)) if is_percent(percent) else pl.col(percent.removeprefix("time_entry."))
    factor = pl.lit(Decimal(1), dtype=RATE) + more.cast(RATE) / pl.lit(Decimal(100), dtype=RATE)
    return product(price, factor).round(10, mode="half_away_from_zero"), currency


def _field(argument: str) -> tuple[pl.Expr, pl.Expr]:
    path = argument.removeprefix("time_entry.")
    return pl.col(path), pl.col(_currency(path))


def _currency(path: str) -> str:
    """Return the currency's column beside a price's; what an hour costs is told in a currency of its own."""
    prefix, _, name = path.rpartition(".")
    currency = "cost_currency" if name == "cost_rate" else "currency"
    return f"{prefix}.{currency}" if prefix else currency


def _named(currency: pl.Expr) -> pl.Expr:
    return pl.when(currency != "").then(currency)
