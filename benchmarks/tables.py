"""Decision tables of 20, 200 and 2,000 rules over 2 million rows, beside DuckDB's CASE and zen-engine row by row.

All three decide the same records by the same rules, and their answers are compared. Tieout gives
three outputs, the rule, how many rules hold, the status and the trace; DuckDB the rule only.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import polars as pl
import zen

from engine.canonical.kinds import Kind
from engine.condition import Scope, decimal, enum
from engine.condition.scope import TEXT
from engine.decision import CompiledTable, DecisionTable, HitPolicy, compile_table, output_type, read_rows
from engine.diagnostics import Anchor

ROWS = 2_000_000
TIMES = 5
# zen-engine decides row by row; so many rows give its speed.
ZEN_ROWS = 10_000

OFFERINGS = tuple(f"offering_{number}" for number in range(11))
COUNTRIES = tuple(f"C{number:02}" for number in range(20))
STATUSES = ("draft", "submitted", "approved", "rejected")
SCOPE = Scope(
    {
        "offering": enum(*OFFERINGS), "country": Kind.TEXT, "status": enum(*STATUSES), "amount": decimal(2), "day": Kind.DATE,
        "months": Kind.INT,
    }
)  # fmt: skip
FIRST_DAY = dt.date(2024, 1, 1)


@dataclass(frozen=True)
class Bound:
    """One side of a rule's cell: a comparison with a value."""

    sign: str
    value: Any


Cell = tuple[str, ...] | tuple[Bound, ...]
Rule = dict[str, Cell]


def rules(count: int) -> list[Rule]:
    """Return so many rules; each asks for two to four of six inputs, the last for nothing."""
    draw = random.Random(count)
    names = list(SCOPE.names)
    made = [{name: _cell(name, draw) for name in draw.sample(names, draw.randint(2, 4))} for _ in range(count - 1)]
    return [*made, {}]


def _cell(name: str, draw: random.Random) -> Cell:
    if name == "offering":
        return tuple(draw.sample(OFFERINGS, draw.randint(1, 3)))
    if name == "country":
        return tuple(draw.sample(COUNTRIES, draw.randint(1, 3)))
    if name == "status":
        return (draw.choice(STATUSES),)
    if name == "amount":
        low = draw.randrange(0, 19_000, 250)
        return (Bound(">=", low), Bound("<", low + draw.randrange(250, 5_000, 250)))
    if name == "day":
        return (Bound(draw.choice(["<", ">="]), FIRST_DAY + dt.timedelta(days=draw.randrange(0, 1_000, 7))),)
    return (Bound(draw.choice(["<", ">"]), draw.randrange(1, 59)),)


def frame(rows: int) -> pl.DataFrame:
    """Return records with a missing value in every tenth place of each column."""
    draw = random.Random(1)

    def pick(values: Sequence[Any], dtype: pl.DataType) -> pl.Series:
        few = pl.Series([draw.choice(values) if draw.random() > 0.1 else None for _ in range(50_021)], dtype=dtype)
        return few.gather(pl.select((pl.int_range(rows) * draw.randrange(1, 50_000) + draw.randrange(50_000)) % few.len()).to_series())

    return pl.DataFrame(
        {
            "offering": pick(OFFERINGS, pl.String()), "country": pick(COUNTRIES, pl.String()), "status": pick(STATUSES, pl.String()),
            "amount": pick([str(draw.randrange(0, 2_000_000) / 100) for _ in range(5_000)], pl.String()).str.to_decimal(scale=2),
            "day": pick([FIRST_DAY + dt.timedelta(days=number) for number in range(1_000)], pl.Date()),
            "months": pick(range(60), pl.Int64()),
        }
    ).with_columns(pl.col("amount").cast(pl.Decimal(38, 2)))  # fmt: skip


def table(made: Sequence[Rule]) -> CompiledTable:
    """Return the rules as a compiled FIRST table with three outputs."""

    def cell(rule: Rule, name: str) -> str:
        parts = rule.get(name, ())
        if parts and isinstance(parts[0], Bound):
            if len(parts) == 2:
                return f"[{parts[0].value}..{parts[1].value})"  # type: ignore[union-attr]
            return f"{parts[0].sign} {parts[0].value}"
        return ", ".join(str(part) for part in parts) or "-"

    rows = [["rule", *SCOPE.names, "out: decision", "out: reason", "out: share"]]
    for number, rule in enumerate(made):
        rows.append([f"R{number}", *(cell(rule, name) for name in SCOPE.names),
        ("bill", "hold")[number % 2], f"reason {number % 97}", f"{number % 100}.50"])
    grid, _ = read_rows(rows, "bench.xlsx")
    outputs = {"decision": output_type(["bill", "hold"]) or TEXT, "reason": TEXT, "share": decimal(2)}
    compiled = compile_table(DecisionTable("bench", outputs, grid, (), HitPolicy.FIRST, anchor=Anchor("bench.xlsx", 1, 1)), SCOPE)
    assert compiled.is_valid, compiled.diagnostics[:3]
    return compiled


def case(made: Sequence[Rule]) -> str:
    """Return the rules as one SQL CASE that gives the rule's number."""

    def condition(rule: Rule) -> str:
        parts = []
        for name, cells in rule.items():
            if isinstance(cells[0], Bound):
                parts += [f"{name} {each.sign} {_sql(each.value)}" for each in cells if isinstance(each, Bound)]
            else:
                parts.append(f"{name} IN ({', '.join(map(_sql, cells))})")
        return " AND ".join(parts) or "TRUE"

    return "CASE " + " ".join(f"WHEN {condition(rule)} THEN {number}" for number, rule in enumerate(made)) + " END"


def _sql(value: Any) -> str:
    if isinstance(value, dt.date):
        return f"DATE '{value}'"
    return f"'{value}'" if isinstance(value, str) else str(value)


def decision(made: Sequence[Rule]) -> str:
    """Return the rules as a zen-engine decision; dates are days since the first, as it compares no dates in cells."""

    def cell(cells: Cell) -> str:
        if not isinstance(cells[0], Bound):
            return ", ".join(f"'{each}'" for each in cells)
        values = [(each.sign, (each.value - FIRST_DAY).days if isinstance(each.value,
        dt.date) else each.value) for each in cells if isinstance(each, Bound)]
        if len(values) == 2:
            return f"[{values[0][1]}..{values[1][1]})"
        return f"{values[0][0]} {values[0][1]}"

    names = list(SCOPE.names)
    content = {
        "hitPolicy": "first",
        "inputs": [{"id": name, "field": name, "name": name} for name in names],
        "outputs": [{"id": name, "field": name, "name": name} for name in ("rule", "decision", "reason", "share")],
        "rules": [
            {"_id": f"R{number}", **{name: cell(rule[name]) if name in rule else "" for name in names}, "rule": str(number),
             "decision": "'bill'", "reason": f"'reason {number % 97}'", "share": f"{number % 100}.50"}
            for number, rule in enumerate(made)
        ],
    }  # fmt: skip
    nodes = [
        {"id": "in", "type": "inputNode", "name": "in"},
        {"id": "table", "type": "decisionTableNode", "name": "table", "content": content},
        {"id": "out", "type": "outputNode", "name": "out"},
    ]
    edges = [{"id": f"{one}-{two}", "type": "edge", "sourceId": one, "targetId": two} for one, two in (("in", "table"), ("table", "out"))]
    return json.dumps({"nodes": nodes, "edges": edges})


@dataclass(frozen=True)
class Timed:
    """The least seconds by the clock and by the processor of several runs, and the last result."""

    clock: float
    processor: float
    result: Any


def best(work: Callable[[], Any], times: int = TIMES) -> Timed:
    """Time several runs after one that is not counted."""
    work()
    clock = processor = float("inf")
    result = None
    for _ in range(times):
        before, started = os.times(), time.perf_counter()
        result = work()
        clock = min(clock, time.perf_counter() - started)
        after = os.times()
        processor = min(processor, after.user + after.system - before.user - before.system)
    return Timed(clock, processor, result)


def measured(count: int, data: pl.DataFrame) -> str:
    """Return a line of the table for so many rules; the answers of the three are compared."""
    made = rules(count)
    compiled = table(made)
    added = [*compiled.schema("d."), "d.trace"]
    ours = best(lambda: compiled.apply(data.lazy(), prefix="d.", trace=True).select(added).collect())
    numbers = ours.result.select(rule=pl.col("d.rule").str.slice(1).cast(pl.Int64))
    connection = duckdb.connect()
    connection.execute("SET threads = 2")
    connection.register("records", data.to_arrow())
    connection.execute("CREATE TABLE stored AS SELECT * FROM records")
    statement = f"CREATE OR REPLACE TEMP TABLE decided AS SELECT {case(made)} AS rule FROM stored"
    theirs = best(lambda: connection.execute(statement), TIMES if count < 1_000 else 1)
    counted = connection.execute("SELECT rule, count(*) FROM decided GROUP BY rule ORDER BY rule").fetchall()
    assert counted == numbers.group_by("rule").len().sort("rule").rows()
    days = (pl.col("day") - FIRST_DAY).dt.total_days()
    few = data.head(ZEN_ROWS).with_columns(days, pl.col("amount").cast(pl.Float64)).to_dicts()
    engine = zen.ZenEngine().create_decision(decision(made))
    single = best(lambda: [engine.evaluate(record)["result"]["rule"] for record in few], 2)
    assert single.result == numbers["rule"].head(ZEN_ROWS).to_list()
    cells = [
        f"{count:,}", _speed(data.height, ours), _speed(data.height, theirs), f"{len(few) / single.clock / 1e3:.1f} k rows/s",
        f"{(data.height / ours.clock) / (len(few) / single.clock):,.0f} times",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def _speed(rows: int, timed: Timed) -> str:
    return f"{rows / timed.clock / 1e6:.2f} M rows/s ({timed.processor:.2f} s of processor)"


def lines() -> list[str]:
    """Return the measurements as a table in Markdown."""
    data = frame(ROWS)
    head = ["rules", "Tieout: outputs, rule, hits, status, trace", "DuckDB `CASE`: rule only", "zen-engine, row by row", "Tieout / zen"]
    return ["| " + " | ".join(head) + " |", "|---|---|---|---|---|", *(measured(count, data) for count in (20, 200, 2_000))]


if __name__ == "__main__":
    print("\n".join(lines()))
