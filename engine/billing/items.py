"""What can be billed: time, expenses, milestones and fees due, each with its worth and its day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal

import polars as pl

from engine.billing.currency import attach_exchange, exchange_table
from engine.billing.fees import fee_frame
from engine.billing.money import HOURS, PRICE, RATE, product
from engine.billing.rates import attach_assignments, attach_card, rate_paths, with_rate
from engine.billing.references import frame_of
from engine.billing.tiers import tiered_amounts
from engine.condition import attach_references
from engine.minor_units import rounded_money
from engine.only_line import line_of_expenses, only_line_of_project
from engine.policy.kinds.billing import ITEM_DATE, ITEM_ENTITY, BillingPolicy, rate_source

CONTRACT_PATHS = (
    "contract.currency", "contract.billing_frequency", "contract.legal_entity_id", "contract.legal_entity.functional_currency",
)  # fmt: skip
PROJECT_PATHS = ("project.contract_id", "project.legal_entity_id", "project.legal_entity.functional_currency")
LINE_PATHS = ("contract_line.contract_id",)

ITEM_KEY = {
    "time_entry": "time_entry_id", "expense": "expense_id", "milestone": "milestone_id", "fee": "plan_line_id",
}  # fmt: skip


def item_frame(policy: BillingPolicy, frames: Mapping[str, pl.LazyFrame], paths: Sequence[str], as_of: dt.date) -> pl.LazyFrame:
    """Return a policy's items: the record's columns, the referenced ones, and `item.*`.

    `item.type`, `item.id`, `item.contract_id`, `item.line_id`, `item.project_id`, `item.date`,
    `item.quantity`, `item.rate` (price of one), `item.amount` (worth, in `item.currency`),
    `item.untranslated` (the currency of a price that no rate tells in `item.currency`),
    `item.functional_currency`, `item.ready` (the first day it may be billed), and for tables
    `as_of`, `value`, `rate`, for time `role`.
    """
    frame = _records(policy, frames, as_of)
    own = frame.collect_schema().names()
    needed = [*paths, *rate_paths(policy), *CONTRACT_PATHS]
    if policy.item != "fee":
        needed += [*PROJECT_PATHS, *LINE_PATHS]
    if policy.item == "time_entry":
        needed.append("resource.role")
    frame = attach_references(frame, policy.entity, needed, frames)
    frame = frame.with_columns(
        pl.lit(as_of).alias("as_of"), pl.coalesce(*_contract_columns(policy)).alias("item.contract_id"),
        pl.col("contract_line_id").alias("item.line_id"),
        (pl.col("project_id") if "project_id" in own else pl.lit(None, dtype=pl.String)).alias("item.project_id"),
        pl.col(ITEM_KEY[policy.item]).alias("item.id"),
        (pl.col("item_type") if policy.item == "fee" else pl.lit(policy.item)).alias("item.type"),
        _item_date(policy).alias("item.date"),
        pl.coalesce(*_functional(policy)).alias("item.functional_currency"),
        (pl.coalesce("contract.legal_entity_id", "project.legal_entity_id") if policy.item != "fee" else pl.col("contract.legal_entity_id"))
        .alias("item.legal_entity_id"),
    )  # fmt: skip
    frame = _priced(policy, frame, frames)
    return frame.with_columns(pl.col("item.amount").alias("value"), pl.col("item.rate").alias("rate"), _ready(policy).alias("item.ready"))


def _contract_columns(policy: BillingPolicy) -> list[str]:
    return ["contract_id"] if policy.item == "fee" else ["contract_line.contract_id", "project.contract_id"]


def _functional(policy: BillingPolicy) -> list[str]:
    name = "legal_entity.functional_currency"
    return [f"contract.{name}"] if policy.item == "fee" else [f"contract.{name}", f"project.{name}"]


def _item_date(policy: BillingPolicy) -> pl.Expr:
    if policy.item == "milestone":
        return pl.coalesce("accepted_date", "completed_date", "due_date")
    return pl.col(ITEM_DATE[policy.item])


def _records(policy: BillingPolicy, frames: Mapping[str, pl.LazyFrame], as_of: dt.date) -> pl.LazyFrame:
    if policy.item == "fee":
        return fee_frame(frames, policy.settings, as_of)
    frame = frame_of(frames, ITEM_ENTITY[policy.item])
    lines = frame_of(frames, "contract_line")
    only = line_of_expenses(lines) if policy.item == "expense" else only_line_of_project(lines)
    if not only.height:
        return frame
    filled = frame.join(only.lazy(), on="project_id", how="left", maintain_order="left")
    return filled.with_columns(pl.coalesce("contract_line_id", "→only").alias("contract_line_id")).drop("→only")


def _priced(policy: BillingPolicy, frame: pl.LazyFrame, frames: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """Add quantity, rate, amount and currency: the contract's currency where both are known."""
    settings = policy.settings
    if policy.item == "time_entry":
        frame = attach_card(attach_assignments(frame, frames), frames, settings.hours_per_day)
        frame = frame.with_columns(with_rate(policy)).with_columns(pl.coalesce("→rate.currency", "contract.currency").alias("→own"))
    else:
        frame = frame.with_columns(pl.coalesce("currency", "contract.currency").alias("→own"))
    table = exchange_table(frames, settings.exchange_rate_type)
    target = pl.coalesce("contract.currency", "→own")
    day, within = pl.col("item.date"), settings.exchange_rate_days
    frame = attach_exchange(frame, table, pl.col("→own"), target, day, within, "→exchange")
    frame = frame.with_columns(target.alias("item.currency"))
    frame = _hourly(policy, frame, frames) if policy.item == "time_entry" else _single(policy, frame)
    functional = pl.col("item.functional_currency")
    frame = attach_exchange(frame, table, pl.col("item.currency"), functional, day, within, "item.to_functional")
    stated = pl.col("→rate") if policy.item == "time_entry" else pl.col("amount")
    lacks = pl.col("→exchange").is_null() & stated.is_not_null() & pl.col("→own").is_not_null()
    return frame.with_columns(pl.when(lacks).then("→own").alias("item.untranslated")).drop("→own", "→exchange", "→rate", strict=False)


def _hourly(policy: BillingPolicy, frame: pl.LazyFrame, frames: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    converted = product(pl.col("→rate"), pl.col("→exchange")).round(10, mode="half_away_from_zero").cast(PRICE)
    rate = pl.when(pl.col("→exchange") == 1).then(pl.col("→rate")).otherwise(converted)
    frame = frame.with_columns(rate.alias("item.rate"), pl.col("hours").cast(HOURS).alias("item.quantity"))
    if any(rate_source(text)[0] == "price_tier" for text in policy.rate):
        frame = tiered_amounts(frame, frames, policy.settings.rounding)
    amount = rounded_money(product(pl.col("item.quantity"), pl.col("item.rate")), pl.col("item.currency"), policy.settings.rounding)
    if any(rate_source(text)[0] == "price_tier" for text in policy.rate):
        amount = pl.coalesce("→tiered", amount)
    return frame.with_columns(amount.alias("item.amount")).drop("→rate.currency", "→tiered", strict=False)


def _single(policy: BillingPolicy, frame: pl.LazyFrame) -> pl.LazyFrame:
    """Price an item that bears its amount; an expense bears its markup, its own before the policy's."""
    amount = product(pl.col("amount"), pl.col("→exchange"))
    if policy.item == "expense":
        percent = pl.col("markup_pct").fill_null(pl.lit(policy.settings.markup_pct, dtype=pl.Decimal(38, 8))).cast(RATE)
        factor = pl.lit(Decimal(1), dtype=RATE) + percent / pl.lit(Decimal(100), dtype=RATE)
        amount = product(amount.round(6, mode="half_away_from_zero"), factor)
    worth = rounded_money(amount, pl.col("item.currency"), policy.settings.rounding)
    return frame.with_columns(
        pl.lit(Decimal(1), dtype=HOURS).alias("item.quantity"), worth.alias("item.amount"), worth.cast(PRICE).alias("item.rate"),
        pl.lit(None, dtype=pl.String).alias("item.rate_source"),
    )  # fmt: skip


def _ready(policy: BillingPolicy) -> pl.Expr:
    """Return the first day an item may be billed: the end of its billing cycle, and not before it is approved."""
    if policy.item == "milestone":
        return pl.coalesce("accepted_date", "due_date")
    if policy.item == "fee":
        return pl.col("due_date")
    day = pl.col("item.date")
    ends = {
        "item": day,
        "week": day + pl.duration(days=1) * (7 - day.dt.weekday()),
        "month": day.dt.month_end(),
        "quarter": day.dt.month_start().dt.offset_by(pl.format("{}mo", (3 - day.dt.month()) % 3)).dt.month_end(),
        "half": day.dt.month_start().dt.offset_by(pl.format("{}mo", (6 - day.dt.month()) % 6)).dt.month_end(),
        "year": day.dt.truncate("1y").dt.offset_by("11mo").dt.month_end(),
    }
    word = pl.col("contract.billing_frequency").str.to_lowercase()
    end = (
        pl.when(word.is_in(["weekly", "week"])).then(ends["week"])
        .when(word.is_in(["monthly", "month"])).then(ends["month"])
        .when(word.is_in(["quarterly", "quarter"])).then(ends["quarter"])
        .when(word == "semiannually").then(ends["half"])
        .when(word.is_in(["annually", "annual", "yearly", "year"])).then(ends["year"])
        .otherwise(ends[policy.settings.billing_cycle])
    )  # fmt: skip
    approved = pl.col("approved_at").dt.date()
    return pl.max_horizontal(end, approved)


def date_of_version(policy: BillingPolicy, as_of: dt.date) -> pl.Expr:
    """Return the date that chooses the policy's version; a record without it is judged as of the run."""
    return pl.col(policy.deciding_date).cast(pl.Date).fill_null(as_of)
