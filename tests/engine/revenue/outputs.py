"""The outputs of one run as rows, and what of the records explains a difference between them."""

from __future__ import annotations

import calendar
import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

import polars as pl

from engine.policy.testing import PolicyTest

Row = dict[str, Any]
Key = str | tuple[str, ...] | Callable[[Row], Any]
Sums = dict[Any, Decimal]

NONE: Final = Decimal(0)
HELD: Final = ("contract_criteria_not_met", "contract_not_judged", "opening_holds_change", "opening_position_missing")
"""Findings of contracts that earn nothing for now, or that do not begin as their records say."""


def total(rows: Iterable[Row], by: Key, amount: str) -> Sums:
    """Add up an amount by one or several columns, what is null as nothing."""
    names = (by,) if isinstance(by, str) else by
    sums: Sums = defaultdict(lambda: NONE)
    for row in rows:
        key = names(row) if callable(names) else row[names[0]] if len(names) == 1 else tuple(row[name] for name in names)
        sums[key] += row[amount] or NONE
    return sums


def unlike(sentence: str, one: Mapping[Any, Decimal], other: Mapping[Any, Decimal]) -> Iterator[str]:
    """Tell every key on which two sums differ."""
    for key in one.keys() | other.keys():
        if one.get(key, NONE) != other.get(key, NONE):
            yield f"{sentence}: {key}: {one.get(key, NONE)} is not {other.get(key, NONE)}"


@dataclass(frozen=True)
class Outputs:
    """Hold the outputs of a run, or of its second book, as rows by name, in the order they are written.

    Every row has `whole`: the first of the contracts combined with its own. Rows of balances have `end`, the day they are for, and their
    net position (`net`, `functional_net`); lines of the journal what they debit (`net`, `functional_net`), credits below 0.
    """

    rows: Mapping[str, list[Row]]
    taken_over: Mapping[str, Sums]
    """By contract what opening positions had recognized of each obligation."""
    held: set[str]
    may_leave: set[str]
    endless: set[str]
    """Contracts with a service by the month that has no last day: what later months bring is no price of those before."""
    has_own_months: bool
    pays_customers: bool
    has_expenses: bool
    has_royalties: bool
    buys_more: set[str]
    """Promises of which use beyond what is committed to has a price of its own."""
    rounds_notes: bool

    def __getitem__(self, name: str) -> list[Row]:
        return self.rows.get(name, [])

    def balances(self) -> dict[str, list[Row]]:
        """Return every contract's balances in the order of periods."""
        found: dict[str, list[Row]] = defaultdict(list)
        for row in self["contract_balances"]:
            found[row["contract_id"]].append(row)
        return found

    def posted(self) -> set[tuple[str, str]]:
        """Return contract and period of all that entries are made for: what an opening position holds is not posted again."""
        return {(key, row["period"]) for key, rows in self.balances().items() for row in rows[1 if key in self.taken_over else 0 :]}

    def in_force(self) -> list[Row]:
        """Return every obligation in its last version."""
        return list({(row["contract_id"], row["obligation_id"]): row for row in self["obligations"]}.values())

    def disclosed(self, name: str) -> list[Row]:
        """Return the rows of one disclosure."""
        return [row for row in self["disclosures"] if row["disclosure"] == name]

    def earned(self) -> list[Row]:
        """Return the schedule without what a change of principle moved through equity."""
        return [row for row in self["revenue_schedule"] if row["nature"] != "principle_change"]


def outputs(test: PolicyTest, frames: Mapping[str, pl.DataFrame], findings: pl.DataFrame, book: str = "") -> Outputs:
    """Return the outputs of a test's run (`book`: the prefix of a second one)."""

    def records(entity: str, *names: str) -> list[Row]:
        frame = test.given.get(entity)
        return [] if frame is None else [{**dict.fromkeys(names), **row} for row in frame.iter_rows(named=True)]

    rows = {
        name.removeprefix(book): frame.drop("evidence", "rule", strict=False).rows(named=True)
        for name, frame in frames.items()
        if name.startswith(book) and frame.height and (book or "/" not in name)
    }
    contracts = records("contract", "combined_with_contract_id", "cancellable_by", "end_date")
    ends = {row["period"]: row["end_date"] for row in records("fiscal_period", "end_date")}
    _with_more(rows, _combined(contracts), lambda period: min(ends.get(period) or _month_end(period), test.as_of))
    amended = {row["amendment_id"]: row["contract_id"] for row in records("amendment", "contract_id")}
    lines = {row["contract_line_id"]: {**row, "contract_id": amended.get(row["amendment_id"])} for row in records("amendment_line")}
    lines |= {row["contract_line_id"]: row for row in records("contract_line", "contract_id")}
    positions = [row for row in records("opening_position", "recognized_amount") if row["as_of_date"] <= test.as_of]
    tiered = {row["contract_line_id"] for row in records("price_tier")}
    without_end = {row["contract_id"] for row in contracts if row["end_date"] is None}
    return Outputs(
        rows,
        endless={row["contract_id"] for row in lines.values() if row.get("price_period") and row.get("end_date") is None} & without_end,
        taken_over=_taken_over(positions, lines),
        held=set(findings.filter(pl.col("rule").is_in(HELD))["contract_id"]),
        may_leave={row["contract_id"] for row in contracts if row["cancellable_by"] in ("customer", "either")},
        has_own_months="fiscal_period" in test.given,
        pays_customers="consideration_payable" in test.given,
        has_expenses="expense" in test.given,
        has_royalties="usage" in test.given and any(row.get("offering") == "licence" for row in lines.values()),
        buys_more={row.get("obligation_key") or name for name, row in lines.items() if row.get("unit_price") or name in tiered},
        rounds_notes="disclosure_unit" in str(test.policies),
    )


def _with_more(rows: Mapping[str, list[Row]], whole: Mapping[str, str], end: Callable[[str], dt.date]) -> None:
    """Add to rows what `Outputs` says they have."""
    for each in (each for every in rows.values() for each in every if "contract_id" in each):
        each["whole"] = whole.get(each["contract_id"])
    for prefix in ("", "functional_"):
        for row in rows.get("journal", []):
            row[f"{prefix}net"] = (row[f"{prefix}debit"] or NONE) - (row[f"{prefix}credit"] or NONE)
        for row in rows.get("contract_balances", []):
            row["end"] = end(row["period"])
            row[f"{prefix}net"] = (row[f"{prefix}contract_asset"] or NONE) - (row[f"{prefix}contract_liability"] or NONE)


def _taken_over(positions: list[Row], lines: Mapping[str, Row]) -> dict[str, Sums]:
    last = {row["contract_line_id"]: row for row in sorted(positions, key=lambda row: row["as_of_date"])}
    found: dict[str, Sums] = defaultdict(lambda: defaultdict(lambda: NONE))
    discounts = {name for name in last if name in lines and (lines[name].get("amount") or 0) < 0 and not lines[name].get("obligation_key")}
    for name in sorted(last.keys() & lines.keys() - discounts):
        found[lines[name]["contract_id"]][lines[name].get("obligation_key") or name] += last[name]["recognized_amount"] or NONE
    for name in discounts:
        own, off = found[lines[name]["contract_id"]], last[name]["recognized_amount"] or NONE
        whole, so_far, given = sum(own.values(), NONE), NONE, NONE
        for each, amount in list(own.items()):
            so_far += amount
            share = (off * so_far / whole).quantize(Decimal("0.01"), ROUND_HALF_UP)
            own[each], given = amount + share - given, share
    return found


def _month_end(period: str) -> dt.date:
    year, month = int(period[:4]), int(period[5:7])
    return dt.date(year, month, calendar.monthrange(year, month)[1])


def _combined(contracts: list[Row]) -> dict[str, str]:
    """Return by contract the first of those combined with it."""
    first = {row["contract_id"]: row["contract_id"] for row in contracts}
    pairs = [(row["contract_id"], row["combined_with_contract_id"]) for row in contracts if row["combined_with_contract_id"] in first]
    for _ in pairs:
        for pair in pairs:
            least = min(first[each] for each in pair)
            first |= dict.fromkeys(pair, least)
    return first
