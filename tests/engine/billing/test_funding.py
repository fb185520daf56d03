"""Funding sources: shares by priority up to each limit, as if followed item by item and rule by rule."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.billing.funding import apply_funding

CENT = Decimal("0.01")


def expense(number: int, amount: str | int, **more: Any) -> dict[str, Any]:
    return {
        "expense_id": f"X{number:02}", "contract_line_id": "L1", "incurred_date": "2026-03-05", "amount": amount, "currency": "EUR",
        "billable": True, "status": "approved", "has_receipt": True, **more,
    }  # fmt: skip


def source(name: str, limit: str | int | None) -> dict[str, Any]:
    return {"funding_source_id": name, "contract_id": "C1", "limit_amount": limit, "currency": "EUR"}


def rule(number: int, priority: int, name: str, share: int) -> dict[str, Any]:
    return {"funding_rule_id": f"R{number}", "contract_id": "C1", "priority": priority, "funding_source_id": name, "split_pct": share}


def test_sources_pay_by_priority_until_they_run_out(decide: Any, base: Any) -> None:
    decided = decide(
        **base, expense=[expense(1, 100), expense(2, 1000)], funding_source=[source("A", 500), source("B", 300)],
        funding_rule=[rule(1, 1, "A", 60), rule(2, 1, "B", 40)],
    )  # fmt: skip
    assert decided.rows("item_id", "funding_source_id", "decision", "amount", "reason") == [
        ("X01", "A", "billable", 60, "approved"), ("X01", "B", "billable", 40, "approved"),
        ("X02", "A", "billable", 390, "approved"), ("X02", "B", "billable", 260, "approved"),
        ("X02", None, "on_hold", 350, "no funding left"),
    ]  # fmt: skip


def test_a_contract_without_rules_is_not_funded(decide: Any, base: Any) -> None:
    assert decide(**base, expense=[expense(1, 100)]).rows("funding_source_id", "amount") == [(None, 100)]


def test_work_split_by_a_cap_is_funded_within_it(decide: Any, base: Any, make: Any) -> None:
    base["contract_line"] = [{**make.line, "cap_amount": 500}]
    decided = decide(**base, time_entry=[make.entry(2)], funding_source=[source("A", 300)], funding_rule=[rule(1, 1, "A", 100)])
    assert decided.rows("part", "funding_source_id", "decision", "amount") == [
        (1, "A", "billable", 300), (2, None, "on_hold", 200), (3, None, "not_billable", 300),
    ]  # fmt: skip
    assert sum(row[0] for row in decided.rows("quantity")) == 8


@pytest.mark.parametrize(
    ("currency", "amount", "count", "limit", "names"),
    [("JPY", "10001", 220, "995110", "AB"), ("EUR", "100.01", 220, "9951.10", "AB"), ("EUR", "10.05", 1000, "1000", "ABCDEFGHIJ"),
     ("KWD", "1.001", 220, "99.511", "AB")],
)  # fmt: skip
def test_no_source_pays_beyond_its_limit_however_its_share_is_rounded(
    facts_of: Any, currency: str, amount: str, count: int, limit: str, names: str
) -> None:
    """The first source is rounded up by half a coin of every item; it stops at its limit all the same."""
    facts = facts_of(
        {
            "funding_source": [source(name, limit) for name in names],
            "funding_rule": [rule(number, 1, name, 100 // len(names)) for number, name in enumerate(names)],
        }
    )
    items = undivided([Decimal(amount)] * count).with_columns(pl.lit(currency).alias("item.currency"))
    rows = apply_funding(items, facts.records, {"expense": "on_hold"}, date(2026, 12, 31))
    paid = dict(rows.drop_nulls("funding_source_id").group_by("funding_source_id").agg(pl.col("item.amount").sum()).rows())
    assert paid["A"] == Decimal(limit)
    assert max(paid.values()) == Decimal(limit)
    assert rows["item.amount"].sum() == Decimal(amount) * count


def followed(amounts: list[Decimal], limits: dict[str, Decimal], rules: list[tuple[int, str, int]]) -> dict[tuple[int, str], Decimal]:
    """Return what each source takes of each item, one item and one priority after the other."""
    left = dict(limits)
    taken: dict[tuple[int, str], Decimal] = defaultdict(Decimal)
    for number, amount in enumerate(amounts):
        open_amount = amount
        for priority in sorted({each[0] for each in rules}):
            shares: dict[str, int] = defaultdict(int)
            for _, name, percent in [each for each in rules if each[0] == priority]:
                shares[name] += percent
            # A priority stops where one of its sources has nothing left; that one has paid all it had.
            reach = min(left[name] * 100 / percent for name, percent in shares.items())
            base, share = min(open_amount, reach), Decimal(0)
            for name, percent in shares.items():
                cents = [(base * part / 100).quantize(CENT, ROUND_HALF_UP) for part in (share, share + percent)]
                share += percent
                stops = reach <= base and left[name] * 100 / percent == reach
                part = max(min(left[name] if stops else cents[1] - cents[0], left[name], open_amount), Decimal(0))
                left[name] -= part
                open_amount -= part
                taken[number, name] += part
    return {key: value for key, value in taken.items() if value}


@given(
    amounts=st.lists(st.integers(1, 9999).map(lambda cents: Decimal(cents) / 100), min_size=1, max_size=12),
    limits=st.tuples(*[st.integers(0, 20000).map(lambda cents: Decimal(cents) / 100)] * 3),
    rules=st.lists(st.tuples(st.integers(1, 3), st.sampled_from("ABC"), st.sampled_from([20, 33, 50, 100])), min_size=1, max_size=4),
)
def test_funding_equals_following_every_item(
    facts_of: Any, amounts: list[Decimal], limits: tuple[Decimal, ...], rules: list[tuple[int, str, int]]
) -> None:
    by_priority = sorted(rules, key=lambda each: each[0])
    kept = [each for each in by_priority if sum(other[2] for other in by_priority if other[0] == each[0]) <= 100]
    names = dict(zip("ABC", limits, strict=True))
    facts = facts_of(
        {
            "funding_source": [source(name, str(limit)) for name, limit in names.items()],
            "funding_rule": [rule(number, *each) for number, each in enumerate(kept)],
        }
    )
    rows = apply_funding(undivided(amounts), facts.records, {"expense": "on_hold"}, date(2026, 12, 31))
    assert rows["item.amount"].sum() == sum(amounts)
    assert rows.select("item.id", "part").is_unique().all()
    funded = rows.filter(pl.col("funding_source_id").is_not_null())
    made = {(int(item), name): amount for item, name, amount in funded.select("item.id", "funding_source_id", "item.amount").rows()}
    for name, limit in names.items():
        assert sum(amount for (_, own), amount in made.items() if own == name) <= limit
    expected = followed(amounts, names, kept)
    # Shares of whole runs are rounded by running sums, so a cent an item may stand with another source.
    for key in set(made) | set(expected):
        assert abs(made.get(key, Decimal(0)) - expected.get(key, Decimal(0))) <= CENT * len(amounts)


@given(
    amounts=st.lists(st.integers(1, 9999).map(lambda cents: Decimal(cents) / 100), min_size=1, max_size=6),
    limits=st.tuples(*[st.integers(0, 10000).map(lambda cents: Decimal(cents) / 100)] * 2),
    shares=st.sampled_from([(100, 100), (50, 50), (33, 100), (20, 30)]),
    credit=st.integers(0, 5000).map(lambda cents: Decimal(cents) / 100),
)
def test_what_is_taken_back_item_by_item_leaves_nothing(
    facts_of: Any, amounts: list[Decimal], limits: tuple[Decimal, ...], shares: tuple[int, int], credit: Decimal
) -> None:
    facts = facts_of(
        {
            "funding_source": [source(name, str(limit)) for name, limit in zip("AB", limits, strict=True)],
            "funding_rule": [rule(number, number, "AB"[number], share) for number, share in enumerate(shares)],
        }
    )
    before = [] if not credit else [-credit]
    back = [-amount for amount in [*before, *amounts][::-1]]
    rows = apply_funding(undivided([*before, *amounts, *back]), facts.records, {"expense": "on_hold"}, date(2026, 12, 31))
    assert rows.select("item.id", "part").is_unique().all()
    assert not rows.filter(pl.col("item.amount") * pl.col("item.quantity") < 0).height
    count = len(back)
    by_item: dict[int, dict[str | None, Decimal]] = defaultdict(dict)
    for item, name, amount in rows.select("item.id", "funding_source_id", "item.amount").rows():
        by_item[int(item)][name] = amount
    for number in range(count):
        assert by_item[2 * count - 1 - number] == {name: -amount for name, amount in by_item[number].items()}
    so_far: dict[str | None, Decimal] = defaultdict(Decimal)
    for number in range(2 * count):
        for name, amount in by_item[number].items():
            so_far[name] += amount
        assert all(so_far[name] <= limit for name, limit in zip("AB", limits, strict=True))


def undivided(amounts: list[Decimal]) -> pl.DataFrame:
    """Return billable rows of one contract as they come from the table and the caps."""
    money, hours = pl.Decimal(38, 6), pl.Decimal(38, 8)
    return pl.DataFrame(
        {
            "item.id": [f"{number:03}" for number in range(len(amounts))], "item.amount": pl.Series(amounts, dtype=money),
            "item.quantity": pl.Series([Decimal(1).copy_sign(amount) for amount in amounts], dtype=hours),
        }
    ).with_columns(
        pl.lit("expense").alias("item.type"), pl.lit("C1").alias("item.contract_id"), pl.lit(None, dtype=pl.Date).alias("item.date"),
        pl.lit(0, dtype=pl.Int64).alias("part"), pl.lit("billable").alias("eligibility"), pl.lit("approved").alias("table.reason"),
        pl.lit("EUR").alias("item.currency"), pl.lit(0).cast(money).alias("ledger.amount"), pl.lit(0).cast(hours).alias("ledger.quantity"),
    )  # fmt: skip
