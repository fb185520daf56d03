"""Rules weighed by the records that meet them: what each decides, where two hold, where none does."""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from engine.canonical.kinds import MONEY
from engine.decision.compile import CompiledTable
from engine.decision.flip import rule_holds
from engine.decision.rules import CheckedTable

WEIGHED: Final[dict[str, pl.DataType]] = {
    "sort": pl.String(), "rule": pl.String(), "words": pl.String(), "currency": pl.String(), "records": pl.Int64(), "amount": MONEY,
    "first": pl.Date(), "last": pl.Date(), "example": pl.String(),
}  # fmt: skip
"""One row a rule and currency. `sort`: decides (the rule decided the records), overlap (`rule` and `words`, another rule,
both hold under a policy that admits one answer), unmatched (no rule holds; `words` say what such records have in common).
`first` and `last` are the days of the records, `example` the id of one."""

HELD: Final[dict[str, pl.DataType]] = {"id": pl.String(), "contract_id": pl.String(), "rules": pl.List(pl.String())}
"""One row a record: the rules of a table that hold for it, where the table lists all of them."""


def weigh_table(compiled: CompiledTable, rows: pl.LazyFrame, trace: str) -> pl.DataFrame:
    """Return what rules decide of rows (`WEIGHED`); ValueError for a table with errors.

    `rows` have the trace of `CompiledTable.apply` in the column `trace`, and `id`, `amount`, `currency`, `day`.
    """
    table = compiled.table
    if table is None:
        raise ValueError(f"the table '{compiled.id}' has errors and cannot be weighed")
    classes = rows.group_by(trace, "currency").agg(
        pl.len().cast(pl.Int64).alias("records"), pl.col("amount").sum().cast(MONEY), pl.col("day").min().alias("first"),
        pl.col("day").max().alias("last"), pl.col("id").min().alias("example"),
    )  # fmt: skip
    found: list[dict[str, Any]] = []
    for row in classes.collect().to_dicts():
        codes = [int(row[trace][str(number)]) for number in range(len(compiled.slots))]
        weight = {name: value for name, value in row.items() if name != trace}
        found += [{**each, **weight} for each in _told(compiled, table, codes)]
    told = pl.DataFrame(found, schema=WEIGHED, orient="row")
    sums = [pl.col("records", "amount").sum(), pl.col("first").min(), pl.col("last").max(), pl.col("example").min()]
    keys = ["sort", "rule", "words", "currency"]
    return told.group_by(keys).agg(sums).select(list(WEIGHED)).sort(keys, nulls_last=True)


def _told(compiled: CompiledTable, table: CheckedTable, codes: list[int]) -> list[dict[str, str | None]]:
    holding = [rule.id for rule in table.rules if rule_holds(compiled, rule.cells, codes)]
    if not holding:
        return [{"sort": "unmatched", "rule": None, "words": _words(compiled, table, codes)}]
    if table.hit.is_multiple:
        return [{"sort": "decides", "rule": each, "words": None} for each in holding]
    found: list[dict[str, str | None]] = [{"sort": "decides", "rule": holding[0], "words": None}]
    if len(holding) > 1 and table.hit.value == "UNIQUE":
        return [{"sort": "overlap", "rule": holding[0], "words": each} for each in holding[1:]]
    return found


def _words(compiled: CompiledTable, table: CheckedTable, codes: list[int]) -> str:
    """Return what records of the same classes have in common: `status draft, billable missing`."""
    told = [
        f"{table.inputs[slot.input].name} {slot.names[codes[number]]}"
        for number, slot in enumerate(compiled.slots)
        if slot.names != ("fails", "holds")
    ]
    return ", ".join(told) or "anything"
