"""All mutants of a table asked at once: each record's held rows give the verdict of the table and of every mutant."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from engine.canonical.kinds import Kind
from engine.condition import Scope
from engine.condition.scope import enum
from engine.decision import DecisionTable, GridCell, TableInput, compile_table, parse_hit, read_pipes
from engine.decision.mutants import mutants
from engine.decision.table import HitPolicy
from engine.decision.trial import trial_of
from engine.diagnostics import Anchor

SCOPE = Scope({"status": enum("draft", "approved", "rejected"), "age": Kind.INT})
ANCHOR = Anchor("p.yaml", 1, 1)
ROWS = (
    "| rule | status | age | -> decision | note |\n"
    "| R1 | rejected | - | never | - |\n| R2 | - | > 120 | hold | - |\n| R3 | draft, null | [1..5] | hold | - |\n"
    "| R4 | approved | - | bill | - |\n"
)
RECORDS = pl.DataFrame(
    {"status": [None, "draft", "approved", "rejected"] * 6, "age": [None, 0, 1, 5, 6, 120, 121, 122] * 3},
    schema={"status": pl.Enum(["draft", "approved", "rejected"]), "age": pl.Int64},
)  # fmt: skip


def table(hit: str) -> DecisionTable:
    grid, told = read_pipes(ROWS, ANCHOR)
    policy, aggregation = parse_hit(hit) or (None, None)
    assert not told and policy is not None and aggregation is not None
    cells = {"decision": GridCell("hold", ANCHOR)}
    outputs = {"decision": enum("bill", "hold", "never")}
    return DecisionTable("t", outputs, grid, tuple(TableInput(name) for name in ("status", "age")), policy, aggregation, cells, ANCHOR)


@pytest.mark.parametrize("hit", ["FIRST", "UNIQUE", "PRIORITY", "RULE ORDER"])
def test_every_mutant_decides_as_it_does_on_its_own(hit: str) -> None:
    written = table(hit)
    made = mutants(written, SCOPE)
    assert len(made) > 10
    trial = trial_of(written, SCOPE, made)
    frame = RECORDS.with_columns(pl.col("status").cast(pl.String))
    whole = compile_table(replace(written, grid=trial.grid, hit=HitPolicy.RULE_ORDER, default=None), SCOPE)
    held = [{int(each) for each in rules} for rules in whole.apply(frame.lazy(), prefix="t.").collect()["t.rules"].to_list()]
    for rows, grid in [(trial.base, written.grid), *zip(trial.mutants, (each.grid for each in made), strict=True)]:
        alone = compile_table(replace(written, grid=grid), SCOPE).apply(frame.lazy(), prefix="t.").collect()
        told: list[tuple[str | None, tuple[Any, ...]]] = [trial.verdict(rows, each) for each in held]
        if hit == "RULE ORDER":
            assert [["default"] if each[0] == "default" else [name for name, _ in each[1]] for each in told] == alone["t.rules"].to_list()
        elif hit == "UNIQUE":
            assert [each[0] is not None for each in told] == alone["t.status"].is_in(["matched", "default"]).to_list()
        else:
            assert [each[0] for each in told] == alone["t.rule"].to_list()
