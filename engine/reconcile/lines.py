"""The lines of one side: amounts, keys, dates and places, computed in one lazy pass over the records."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from engine.condition import attach_references, compile_condition, compile_value
from engine.condition.compile import CompiledCondition
from engine.policy.kinds.reconciliation import ReconciliationPolicy
from engine.policy.kinds.sides import Side, default_path, own_contract, side_scope
from engine.policy.loaded import LoadedPolicy
from engine.policy.outputs import OUTPUTS, READABLE
from engine.policy.source import Location
from engine.reconcile.sources import (
    EVIDENCE,
    base_records,
    gathered,
    has_split_items,
    referenced,
    stated_fields,
    uses_decisions,
    why_absent,
    with_extras,
)
from engine.reconcile.tolerance import WIDE
from engine.stage import Context, Facts

_LEGAL_ENTITY = (
    "legal_entity_id", "invoice.legal_entity_id", "bill.legal_entity_id", "contract.legal_entity_id", "project.legal_entity_id",
    "contract_line.contract.legal_entity_id",
)  # fmt: skip
_CONTRACT = ("contract_id", "invoice.contract_id", "bill.contract_id", "contract_line.contract_id", "project.contract_id")
_CUSTOMER = ("customer_id", "invoice.customer_id", "contract.customer_id", "project.customer_id", "contract_line.contract.customer_id")
_CURRENCY = ("currency", "invoice.currency", "bill.currency", "contract.currency", "contract_line.contract.currency")
_RATE = ("exchange_rate", "invoice.exchange_rate", "bill.exchange_rate")

PLAIN = (
    "id", "entity", "amount", "currency", "rate", "date", "legal_entity_id", "scope", "contract_id", "customer_id", "account", EVIDENCE,
)
"""Columns every line has; further ones are named by the caller."""


@dataclass(frozen=True, slots=True)
class Part:
    """Hold one part of a side with where it is written."""

    side: Side
    loaded: LoadedPolicy
    place: Location
    facts: Facts
    context: Context

    @property
    def name(self) -> str:
        """Return what a line of this part is called."""
        return self.side.called or self.side.entity

    def has_no(self, text: str) -> bool:
        """Say whether a text names a key that this part has no value for."""
        return text in self.side.keys and self.side.keys[text] is None

    def compiled(self, text: str, place: Location = (), *, is_condition: bool = False) -> CompiledCondition:
        """Compile an expression over the part's records, or one of its keys by name."""
        text = text if is_condition else own_contract(self.side, self.side.keys.get(text) or text)
        compile_text = compile_condition if is_condition else compile_value
        anchor = self.loaded.document.anchor_of(place or self.place)
        return compile_text(text, side_scope(self.side), anchor, holidays=self.context.holidays)


@dataclass(slots=True)
class Wanted:
    """Gather the expressions a side must compute, by the name of their column."""

    expressions: dict[str, pl.Expr] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)

    def add(self, name: str, compiled: CompiledCondition, expression: pl.Expr | None = None) -> None:
        """Add a column; `expression` stands for the compiled one where it is changed."""
        self.expressions[name] = (compiled.expression if expression is None else expression).alias(name)
        self.paths += compiled.paths


def why_not(part: Part, passes: Sequence[Sequence[str]]) -> str | None:
    """Return why a part has no lines to speak of, or None; `passes` are the key expressions of each pass, of which one must do."""
    reason = why_absent(part.side.entity, part.side.system, part.facts) or _unstated(part, part.side.amount)
    if reason is not None:
        return reason
    reasons = [next((why for text in texts if (why := _unstated(part, text)) is not None), None) for texts in passes]
    if reasons and None not in reasons:
        return reasons[0]
    if _uses_decisions(part, [text for texts in passes for text in texts]) and part.facts.frame("billing_decisions") is None:
        return "the run made no billing decisions"
    return None


def _unstated(part: Part, text: str) -> str | None:
    """Return that no source states anything an expression reads, or None."""
    if part.has_no(text):
        return f"{part.name.replace('_', ' ')} lines have no {text}"
    own = [path for path in part.compiled(text).paths if path in READABLE[part.side.entity].fields]
    if not own or set(own) & stated_fields(part.side.entity, part.side.system, part.facts):
        return None
    who = ", ".join(part.side.system) or "no source"
    return f"{who} states no {' or '.join(own)} for {part.side.entity.replace('_', ' ')} records"


def _uses_decisions(part: Part, extra: Sequence[str]) -> bool:
    paths = [path for text in (part.side.amount, *extra) if not part.has_no(text) for path in part.compiled(text).paths]
    if part.side.where is not None:
        paths += part.compiled(part.side.where, is_condition=True).paths
    return uses_decisions(part.side.entity, paths)


def part_lines(part: Part, wanted: Wanted) -> pl.LazyFrame:
    """Return the lines of a part: PLAIN columns and those wanted, unsorted."""
    side = part.side
    _add_plain(part, wanted)
    where = None if side.where is None else part.compiled(side.where, is_condition=True)
    paths = [*wanted.paths, *(() if where is None else where.paths)]
    records = base_records(side.entity, side.system, part.facts)
    records = with_extras(records, side.entity, paths, side.with_sums, part.facts, part.context, side.system)
    records = _with_missing_fields(records, side, paths)
    reached = attach_references(records, side.entity, paths, referenced(side.system, part.facts), READABLE)
    if where is not None:
        reached = reached.filter(where.expression.fill_null(value=False))
    lines = reached.select(*wanted.expressions.values(), pl.col(EVIDENCE))
    if side.sum:
        counts = isinstance(part.loaded.policy, ReconciliationPolicy) and part.loaded.policy.count
        return _summed(lines, side, by_currency=side.amount_in == "contract" and not counts)
    if uses_decisions(side.entity, paths):
        # Several decisions about one item (a part over the cap) are one line.
        return _joined_items(lines, is_split=has_split_items(side.entity, part.facts))
    return lines


def _with_missing_fields(records: pl.LazyFrame, side: Side, paths: Sequence[str]) -> pl.LazyFrame:
    """Add, as missing, the fields that a hand-made or partial frame lacks."""
    present = set(records.collect_schema().names())
    schema = READABLE[side.entity].polars_schema(with_provenance=side.entity not in OUTPUTS)
    needed = {*paths, *READABLE[side.entity].keys, *READABLE[side.entity].references}
    return records.with_columns(
        pl.lit(None, dtype=dtype).alias(name) for name, dtype in schema.items() if name in needed and name not in present
    )


def _add_plain(part: Part, wanted: Wanted) -> None:
    side = part.side
    spec = READABLE[side.entity]
    key = pl.concat_str([pl.col(name).cast(pl.String) for name in spec.keys], separator="|", ignore_nulls=True)
    wanted.expressions["id"] = key.alias("id")
    wanted.expressions["entity"] = pl.lit(part.name).alias("entity")
    amount = part.compiled(side.amount, (*part.place, "amount"))
    wanted.add("amount", amount, amount.expression.cast(WIDE))
    defaults = {
        "currency": (side.currency, _CURRENCY, pl.String()), "legal_entity_id": (side.legal_entity, _LEGAL_ENTITY, pl.String()),
        "contract_id": (side.contract, _CONTRACT, pl.String()), "customer_id": (side.customer, _CUSTOMER, pl.String()),
        "rate": (side.rate, _RATE, pl.Decimal(38, 12)), "account": (None, ("account",), pl.String()),
        "date": (side.date, (), pl.Date()), "scope": (side.scope or side.legal_entity, _LEGAL_ENTITY, pl.String()),
    }  # fmt: skip
    for name, (given, candidates, dtype) in defaults.items():
        text = given if given is not None else default_path(side, *candidates)
        if text is None:
            wanted.expressions[name] = pl.lit(None, dtype=dtype).alias(name)
        else:
            compiled = part.compiled(text)
            wanted.add(name, compiled, compiled.expression.cast(dtype))


def _joined_items(lines: pl.LazyFrame, *, is_split: bool) -> pl.LazyFrame:
    if not is_split:
        return lines.with_columns(pl.col("amount").fill_null(0))
    names = [name for name in lines.collect_schema().names() if name not in ("id", "amount", EVIDENCE)]
    return lines.group_by("id").agg(pl.col("amount").sum(), pl.col(names).first(), pl.col(EVIDENCE).first())


# A joined line names the first places it comes from, not thousands.
_PLACES = 20


def _summed(lines: pl.LazyFrame, side: Side, *, by_currency: bool) -> pl.LazyFrame:
    """Join lines by the keys of `sum`: one line each, named by the keys.

    Amounts in the records' own currency are joined by currency, where it is amounts that are compared. Where one amount is
    not known, nor is their sum.
    """
    keys = [f"sum:{name}" for name in side.sum]
    by = keys
    if by_currency:
        by = [*keys, "currency"]
        # What states no currency is in that of the others.
        lines = lines.with_columns(pl.coalesce("currency", pl.col("currency").min().over(keys)).alias("currency"))
    names = [name for name in lines.collect_schema().names() if name not in ("id", "amount", EVIDENCE, *by)]
    grouped = lines.sort("id").group_by(by).agg(
        pl.when(pl.col("amount").is_not_null().all()).then(pl.col("amount").sum()).alias("amount"), pl.col(names).first(),
        gathered(lines.collect_schema()[EVIDENCE], _PLACES),
    )  # fmt: skip
    named = pl.concat_str([pl.col(name).cast(pl.String) for name in keys], separator="|", ignore_nulls=True)
    if not by_currency:
        return grouped.with_columns(named.alias("id"))
    # The keys name a line; only where they hold several currencies does the currency tell their lines apart.
    apart = pl.when(pl.len().over(keys) > 1).then(pl.col("currency"))
    return grouped.with_columns(pl.concat_str(named, apart, separator="|", ignore_nulls=True).alias("id"))


def rate_on(lines: pl.DataFrame, facts: Facts, rate_type: str, days: int) -> pl.DataFrame:
    """Fill `rate` from the table of rates: of the line's date, or the last before it within `days`."""
    table = facts.frame("exchange_rate")
    if table is None:
        return lines.with_columns(pl.lit(None, dtype=pl.Decimal(38, 12)).alias("rate"))
    rates = (
        table.filter(pl.col("rate_type") == rate_type)
        .select(
            pl.col("from_currency").alias("currency"), pl.col("to_currency").alias("functional"), pl.col("rate_date").alias("date"),
            pl.col("rate").alias("_rate"),
        )
        .sort("date").collect()
    )  # fmt: skip
    dated = lines.with_row_index("_at").sort("date")
    near = dt.timedelta(days=days)
    joined = dated.join_asof(rates, on="date", by=["currency", "functional"], strategy="backward", tolerance=near, check_sortedness=False)
    return joined.sort("_at").with_columns(pl.col("_rate").alias("rate")).drop("_at", "_rate")
