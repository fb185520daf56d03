"""Rules weighed by records: what each decides, where two hold, where none does, with money and days."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from engine.canonical.kinds import Kind
from engine.condition import Scope
from engine.condition.scope import enum
from engine.decision import CompiledTable, DecisionTable, GridCell, compile_table, parse_hit, read_pipes
from engine.decision.weigh import weigh_table
from engine.diagnostics import Anchor

SCOPE = Scope({"age": Kind.INT, "risk": Kind.TEXT})
ANCHOR = Anchor("p.yaml", 1, 1)
RULES = "| rule | age | risk | -> grade |\n| R1 | >= 18 | - | low |\n| R2 | > 12 | A | high |\n| R3 | < 0 | - | low |\n"
ROWS = [
    ("a", 20, "B", "100", "EUR", 5), ("b", 21, "B", "50", "EUR", 2), ("c", 30, "B", "7", "USD", 1), ("d", 20, "A", "9", "EUR", 3),
    ("e", 13, "A", "8", "EUR", 4), ("f", 5, "A", "11", "EUR", 6), ("g", 6, "A", None, "EUR", 8), ("h", None, "A", "1", "EUR", 7),
]  # fmt: skip


def compiled(hit: str, default: str | None = None) -> CompiledTable:
    grid, _ = read_pipes(RULES, ANCHOR)
    policy, aggregation = parse_hit(hit) or (None, None)
    assert policy is not None and aggregation is not None
    cells = None if default is None else {"grade": GridCell(default, ANCHOR)}
    return compile_table(DecisionTable("t", {"grade": enum("high", "low")}, grid, (), policy, aggregation, cells, ANCHOR), SCOPE)


def weighed(hit: str) -> list[dict[str, Any]]:
    rows = [
        {"id": name, "age": age, "risk": risk, "amount": None if amount is None else Decimal(amount), "currency": currency,
         "day": dt.date(2026, 1, day)}
        for name, age, risk, amount, currency, day in ROWS
    ]  # fmt: skip
    frame = pl.LazyFrame(rows, schema_overrides={"age": pl.Int64, "amount": pl.Decimal(38, 6)})
    table = compiled(hit)
    return weigh_table(table, table.apply(frame, trace=True), "trace").to_dicts()


def told(rows: list[dict[str, Any]], sort: str) -> list[tuple[Any, ...]]:
    return [(row["rule"], row["currency"], row["records"], row["amount"]) for row in rows if row["sort"] == sort]


def test_a_rule_has_the_money_and_the_days_of_what_it_decides() -> None:
    rows = weighed("FIRST")
    assert told(rows, "decides") == [("R1", "EUR", 3, Decimal(159)), ("R1", "USD", 1, Decimal(7)), ("R2", "EUR", 1, Decimal(8))]
    assert (rows[0]["first"], rows[0]["last"], rows[0]["example"]) == (dt.date(2026, 1, 2), dt.date(2026, 1, 5), "a")


def test_an_overlap_counts_only_where_one_answer_is_admitted() -> None:
    assert told(weighed("UNIQUE"), "overlap") == [("R1", "EUR", 1, Decimal(9))]
    decided = [("R1", "EUR", 2, Decimal(150)), ("R1", "USD", 1, Decimal(7)), ("R2", "EUR", 1, Decimal(8))]
    assert told(weighed("UNIQUE"), "decides") == decided
    assert told(weighed("FIRST"), "overlap") == []
    assert ("R2", "EUR", 2, Decimal(17)) in told(weighed("COLLECT"), "decides")


def test_a_gap_says_what_its_records_have_in_common() -> None:
    gaps = [row for row in weighed("UNIQUE") if row["sort"] == "unmatched"]
    assert sum(row["records"] for row in gaps) == 3
    assert {row["example"]: row["amount"] for row in gaps} == {"f": Decimal(11), "h": Decimal(1)}
    assert all(row["words"].startswith("age ") for row in gaps)


def test_a_table_with_mistakes_is_not_weighed() -> None:
    with pytest.raises(ValueError, match="cannot be weighed"):
        weigh_table(CompiledTable("t", None), pl.LazyFrame(), "trace")
