"""What the policy's table says of each item, before caps and funding; each version decides its own days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from engine.billing.items import date_of_version, item_frame
from engine.billing.ledger import LINKS, MADE, fee_ledger, fee_lines, fees_of_lines, item_ledger, item_links
from engine.billing.money import HOURS
from engine.billing.rates import CARD, CARD_CURRENCY
from engine.billing.translated import bills_in_other_currencies, translated_ledger, translated_lines
from engine.canonical.kinds import FIRST_DAY, MONEY
from engine.condition import CompiledCondition, compile_condition, compile_value
from engine.condition.compile import Compiler
from engine.decision import CompiledTable
from engine.decision.versions import NO_VERSION
from engine.policy.kinds.billing import ITEM_ENTITY, BillingPolicy, billing_scope, cap_id
from engine.policy.kinds.table import compile_rules
from engine.policy.loaded import LoadedPolicy
from engine.policy.where import AS_OF
from engine.stage import Context

Version = tuple[LoadedPolicy, BillingPolicy]

ITEM: Final = (
    "item.type", "item.id", "item.contract_id", "item.line_id", "item.project_id", "item.legal_entity_id", "item.date",
    "item.quantity", "item.rate", "item.rate_source", "item.amount", "item.currency", "item.functional_currency",
    "item.to_functional", "item.ready", "item.untranslated", "evidence",
)  # fmt: skip
LEDGER: Final = ("ledger.quantity", "ledger.amount", "ledger.lines", "ledger.currency", "ledger.first_date")
TABLE: Final = ("table.decision", "table.reason", "table.rule", "table.status")

# What checks look at beside the decision.
_MARKS: Final = ("is_billed", "billed_invoice_id")

FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "time_entry": ("status", "resource_id", "hours", "note", "approved_at", "recorded_at", CARD, CARD_CURRENCY, *_MARKS),
    "expense": ("status", "has_receipt", "approved_at", *_MARKS),
    "milestone": ("status", "accepted_date", *_MARKS),
    "fee": (),
}


def judged_items(versions: Sequence[Version], frames: Mapping[str, pl.LazyFrame], context: Context, *, trace: bool = False) -> pl.LazyFrame:
    """Return a policy's items with what its tables say; each version judges the items of its own dates.

    With `trace`, every column the table read stays, and the class codes in `table.trace`.
    """
    parts = [_judged(loaded, policy, frames, context, trace=trace) for loaded, policy in versions]
    return parts[0] if len(parts) == 1 else pl.concat(parts, how="diagonal")


def items_judged_apart(old: Version, new: Version, frames: Mapping[str, pl.LazyFrame], context: Context) -> pl.LazyFrame:
    """Return as `item.contract_id` the contract of each item that two versions, which differ in rules alone, judge differently."""
    loaded, policy = old
    where = _conditions(loaded, policy, context)["where"]
    tables = [compiled_table(each, context) for each in (old, new)]
    paths = [path for each in (*tables, *(() if where is None else (where,))) for path in each.paths]
    frame = _covered(policy, where, paths, frames, context)
    for table, prefix in zip(tables, ("table.", "new."), strict=True):
        frame = table.apply(frame, prefix=prefix)
    said = ("decision", "reason", "rule", "status", *(("write_down_pct",) if "write_down_pct" in policy.outputs else ()))
    apart = pl.any_horizontal(~pl.col(f"table.{name}").eq_missing(pl.col(f"new.{name}")) for name in said)
    return frame.filter(apart).select("item.contract_id")


def _covered(
    policy: BillingPolicy, where: CompiledCondition | None, paths: Sequence[str], frames: Mapping[str, pl.LazyFrame], context: Context
) -> pl.LazyFrame:  # fmt: skip
    """Return the items that a version is for, with what the paths read and what invoices hold of them."""
    priced = frames.get(_priced_name(policy))
    frame = _with_ledger(policy, _priced(policy, paths, frames, context) if priced is None else priced, frames)
    return frame if where is None else frame.filter(where.expression.fill_null(value=False))


def _priced(policy: BillingPolicy, paths: Sequence[str], frames: Mapping[str, pl.LazyFrame], context: Context) -> pl.LazyFrame:
    """Return the items of a version's own days with their worth and what the paths read."""
    frame = item_frame(policy, frames, [path for path in paths if path != AS_OF], context.as_of)
    return frame.filter(_in_force(policy, date_of_version(policy, context.as_of)))


def with_items(frames: Mapping[str, pl.LazyFrame], versions: Sequence[Version], context: Context) -> dict[str, pl.LazyFrame]:
    """Return the frames with what is to be made of them before any item is judged, each of it made once, all at a time.

    That is what invoices hold of each item (`item_links`), and each version's items with their worth, of which those
    columns stay that `judged_items` reads without a trace.
    """
    made = {f"{MADE}{item}": item_links(frames, item) for item in {policy.item for _, policy in versions} if item in LINKS}
    for loaded, policy in versions:
        # Fees due are few, and what pays them is told by all they bear.
        if policy.item != "fee" and ITEM_ENTITY[policy.item] in frames:
            made[_priced_name(policy)] = _read_alone(loaded, policy, frames, context)
    # What two plans have in common would be made first, while the other processor waits.
    collected = pl.collect_all(made.values(), optimizations=pl.QueryOptFlags(comm_subplan_elim=False))
    return {**frames, **{name: each.lazy() for name, each in zip(made, collected, strict=True)}}


def _read_alone(loaded: LoadedPolicy, policy: BillingPolicy, frames: Mapping[str, pl.LazyFrame], context: Context) -> pl.LazyFrame:
    _, _, _, paths = _compiled(loaded, policy, context)
    frame = _priced(policy, paths, frames, context)
    orders = [name for cap in policy.cap for name in cap.order]
    read = {*ITEM, *paths, *orders, *FIELDS[policy.item], policy.deciding_date, AS_OF, "contract_line_id", "contract_id"}
    return frame.select(name for name in frame.collect_schema().names() if name in read)


def _priced_name(policy: BillingPolicy) -> str:
    return f"→items.{policy.id}.{policy.effective_from}"


def compiled_table(version: Version, context: Context) -> CompiledTable:
    """Return the table of a version, compiled for its items."""
    loaded, policy = version
    compiled, _ = compile_rules(policy, loaded.document, loaded.sheet, billing_scope(policy.item), context.holidays)
    assert compiled is not None, "a policy set with errors does not run"
    return compiled


def unjudged_items(version: Version, frames: Mapping[str, pl.LazyFrame], context: Context) -> pl.LazyFrame:
    """Return the items of a kind as a version prices them, without any word of a table: for those no policy covers."""
    _, policy = version
    frame = _with_ledger(policy, item_frame(policy, frames, (), context.as_of), frames)
    silent = [pl.lit(None, dtype=pl.String).alias(name) for name in TABLE if name != "table.status"]
    silent.append(pl.lit(NO_VERSION).alias("table.status"))
    return frame.with_columns(silent).select(*ITEM, *LEDGER, "billed", *TABLE, *_fields(policy, frame))


def covers_everything(policies: Sequence[Sequence[Version]]) -> bool:
    """Say whether some policy without condition is in force on every day from the first on."""
    for versions in policies:
        if any(policy.where is not None for _, policy in versions):
            continue
        day: dt.date | None = FIRST_DAY
        for _, policy in versions:
            if day is not None and policy.effective_from <= day:
                day = None if policy.effective_to is None else policy.effective_to + dt.timedelta(days=1)
        if day is None:
            return True
    return False


def _judged(
    loaded: LoadedPolicy, policy: BillingPolicy, frames: Mapping[str, pl.LazyFrame], context: Context, *, trace: bool
) -> pl.LazyFrame:
    table, conditions, caps, paths = _compiled(loaded, policy, context)
    frame = _covered(policy, conditions["where"], paths, frames, context)
    frame = table.apply(frame, prefix="table.", trace=trace)
    if trace:
        return frame
    outputs = ["table.write_down_pct"] if "write_down_pct" in policy.outputs else []
    checks = [_admitted(conditions[check.id]).alias(f"check.{check.id}") for check in policy.checks]
    order = [
        pl.col(name).alias(f"cap.{index}.order.{place}") for index, cap in enumerate(policy.cap) for place, name in enumerate(cap.order)
    ]
    return frame.select(
        *ITEM, *LEDGER, "billed", *TABLE, *outputs, *_fields(policy, frame), *_caps(policy, caps), *order, *checks,
        pl.lit(policy.id).alias("policy"), pl.lit(loaded.fingerprint).alias("fingerprint"),
    )  # fmt: skip


def _compiled(
    loaded: LoadedPolicy, policy: BillingPolicy, context: Context
) -> tuple[CompiledTable, dict[str, CompiledCondition | None], list[CompiledCondition], list[str]]:
    """Return a version's table, conditions and caps, compiled, and every path that they read."""
    table = compiled_table((loaded, policy), context)
    conditions = _conditions(loaded, policy, context)
    caps = [_value(loaded, policy, index, context) for index in range(len(policy.cap))]
    compiled = [each for each in (*conditions.values(), *caps) if each is not None]
    return table, conditions, caps, [*table.paths, *(path for each in compiled for path in each.paths)]


def _with_ledger(policy: BillingPolicy, frame: pl.LazyFrame, frames: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    apart = bills_in_other_currencies(frames)
    if policy.item == "fee":
        lines = fee_lines(frames)
        ledger = fee_ledger(
            fees_of_lines(frame, frames), translated_lines(lines, frame, frames, policy.settings) if apart else lines
        )  # fmt: skip
    else:
        ledger = translated_ledger(frame, frames, policy) if apart else item_ledger(frames, policy.item)
    joined = frame.join(ledger, on="item.id", how="left", maintain_order="left").with_columns(
        pl.col("ledger.quantity").fill_null(0).cast(HOURS), pl.col("ledger.amount").fill_null(0).cast(MONEY),
        pl.col("ledger.lines").fill_null(0),
    )  # fmt: skip
    return joined.with_columns(_billed(policy.item).alias("billed"))


def _fields(policy: BillingPolicy, frame: pl.LazyFrame) -> list[pl.Expr]:
    present = frame.collect_schema().names()
    return [pl.col(name).alias(f"field.{name}") for name in FIELDS[policy.item] if name in present]


def _admitted(condition: CompiledCondition | None) -> pl.Expr:
    return pl.lit(value=True) if condition is None else condition.expression.fill_null(value=False)


def in_force(versions: Sequence[Version], context: Context) -> Version:
    """Return the version in force on the as-of date, else the last: its caps and checks hold for the run."""
    day = context.as_of
    now = [each for each in versions if each[1].effective_from <= day and (each[1].effective_to is None or day <= each[1].effective_to)]
    return now[-1] if now else versions[-1]


def _in_force(policy: BillingPolicy, day: pl.Expr) -> pl.Expr:
    begun = day >= pl.lit(policy.effective_from)
    return begun if policy.effective_to is None else begun & (day <= pl.lit(policy.effective_to))


def _conditions(loaded: LoadedPolicy, policy: BillingPolicy, context: Context) -> dict[str, CompiledCondition | None]:
    """Return the compiled conditions: the policy's own under `where`, each check's under its id."""
    scope = billing_scope(policy.item)
    texts: dict[str, tuple[str | None, tuple[str | int, ...]]] = {"where": (policy.where, ("where",))}
    texts |= {check.id: (check.where, ("checks", index, "where")) for index, check in enumerate(policy.checks)}
    return {
        name: None if text is None else compile_condition(text, scope, loaded.document.anchor_of(place), holidays=context.holidays)
        for name, (text, place) in texts.items()
    }


def _value(loaded: LoadedPolicy, policy: BillingPolicy, index: int, context: Context) -> CompiledCondition:
    measure, text = policy.cap[index].measure
    anchor = loaded.document.anchor_of(("cap", index, measure))
    return compile_value(text, billing_scope(policy.item), anchor, holidays=context.holidays)


def _caps(policy: BillingPolicy, values: Sequence[CompiledCondition]) -> list[pl.Expr]:
    found: list[pl.Expr] = []
    for index, (cap, value) in enumerate(zip(policy.cap, values, strict=True)):
        found += [
            value.expression.cast(MONEY, strict=False).alias(f"cap.{index}.limit"), pl.lit(cap.over_cap).alias(f"cap.{index}.decision"),
            pl.lit(cap_id(policy, index)).alias(f"cap.{index}.rule"),
        ]  # fmt: skip
        lost = None if value.typed is None else Compiler().is_lost(value.typed)
        if lost is not None:
            limit = value.expression.cast(MONEY, strict=False)
            found.append((limit.is_null() & (lost | value.expression.is_not_null())).alias(f"cap.{index}.lost"))
    return found


def _billed(item: str) -> pl.Expr:
    """Return how much of an item stands on invoices: none, part or all of it."""
    measure, whole = ("ledger.quantity", "item.quantity") if item == "time_entry" else ("ledger.amount", "item.amount")
    done, all_of_it = pl.col(measure), pl.col(whole).fill_null(0)
    backwards = all_of_it < 0
    full = pl.when(backwards).then((done <= all_of_it) & (done != 0)).otherwise((done >= all_of_it) & (done > 0))
    some = pl.when(backwards).then(done < 0).otherwise(done > 0)
    return pl.when(full).then(pl.lit("all")).when(some).then(pl.lit("part")).otherwise(pl.lit("none"))
