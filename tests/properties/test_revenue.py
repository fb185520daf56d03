"""What holds of every contract, however it was priced, changed and measured (REVENUE invariants)."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from adapters.policy_folder import check_policies
from engine.canonical.schema import entity_spec
from engine.policy.loaded import PolicySet
from engine.revenue.atoms import performance, sorted_performance
from engine.revenue.books import tell_books
from engine.revenue.core import run_core
from engine.revenue.ground.frames import Books
from engine.revenue.ground.records import Records, read_records
from engine.revenue.ground.settings import revenue_versions
from engine.revenue.recognition.late import composed, copied_records, late_facts
from engine.stage import Context, Facts

# One run decides several contracts, as any run does: as many examples as the profile asks for, at a small part of the price.
TOGETHER = 20
SOME = hypothesis.settings().max_examples // TOGETHER

ROOT = Path(__file__).parents[2]
START = dt.date(2026, 1, 1)
AS_OF = dt.date(2027, 6, 30)
CURRENCIES = {"USD": Decimal("0.01"), "JPY": Decimal(1), "KWD": Decimal("0.001")}

Rows = dict[str, list[dict[str, Any]]]


PERIODS = [
    {
        "legal_entity_id": "E",
        "period": f"2026-{month:02}",
        "start_date": dt.date(2026, month, 1),
        "end_date": dt.date(2026, month + 1, 1) - dt.timedelta(days=1) if month < 12 else dt.date(2026, 12, 31),
        "status": "closed",
        "closed_at": dt.datetime(2026 + month // 12, month % 12 + 1, 5, tzinfo=dt.UTC),
    }
    for month in range(1, 13)
]


@cache
def policies() -> PolicySet:
    loaded, _ = check_policies(ROOT / "policies")
    return loaded


def day(number: int) -> dt.date:
    return START + dt.timedelta(days=number)


def at(number: int) -> dt.datetime:
    return dt.datetime.combine(day(number), dt.time(12), dt.UTC)


@st.composite
def contracts(draw: st.DrawFn, name: str, entered_late: bool = False) -> Rows:
    """Draw a contract of up to three promises with changes, re-estimates, progress, and facts that came late.

    With `entered_late` its own end and its promises may become known late too.
    """
    currency = draw(st.sampled_from(sorted(CURRENCIES)))
    ended = draw(st.one_of(st.none(), st.integers(60, 300))) if entered_late else None
    unit = CURRENCIES[currency]
    amounts = st.integers(1, 10**7).map(lambda count: unit * count)
    rows: Rows = {name: [] for name in ("contract_line", "amendment", "amendment_line", "variable_estimate", "progress", "milestone")}
    rows["contract"] = [
        {
            "contract_id": name,
            "legal_entity_id": "E",
            "currency": currency,
            "signed_date": START,
            "end_date": day(520),
            "status": "active" if ended is None else "terminated",
            "terminated_date": None if ended is None else day(ended),
            "terminated_recorded_at": None if ended is None else at(ended + draw(st.integers(0, 90))),
            "enforceable": True,
            "collectible": True,
        }
    ]
    kinds = draw(st.lists(st.sampled_from(["retainer", "fixed_fee", "goods"]), min_size=1, max_size=3))
    for number, offering in enumerate(kinds):
        line = f"{name}L{number}"
        rows["contract_line"].append(
            {
                "contract_line_id": line,
                "contract_id": name,
                "offering": offering,
                "amount": draw(amounts),
                "standalone_selling_price": draw(amounts),
                "start_date": START,
                "end_date": day(draw(st.integers(100, 500))),
                "estimated_hours": Decimal(400),
                "quantity": Decimal(40),
                "recorded_at": at(draw(st.integers(1, 120))) if entered_late and draw(st.booleans()) else None,
            }
        )
        done = sorted(draw(st.lists(st.integers(1, 400), max_size=4, unique=True)))
        for place, reported in enumerate(done):
            late = draw(st.one_of(st.none(), st.integers(0, 120)))
            rows["progress"].append(
                {
                    "progress_id": f"{line}-{place}",
                    "contract_line_id": line,
                    "as_of_date": day(reported),
                    "hours_to_date": Decimal(reported),
                    "units_delivered": Decimal(reported // 10),
                    "estimated_total_hours": Decimal(draw(st.integers(max(reported, 1), 500))),
                    "recorded_at": None if late is None else at(reported + late),
                }
            )
    for number in range(draw(st.integers(0, 4))):
        when = day(draw(st.integers(1, 450)))
        rows["amendment"].append(
            {"amendment_id": f"{name}A{number}", "contract_id": name, "effective_date": when, "approved_date": when, "status": "approved"}
        )
        added = draw(st.booleans())
        line = f"{name}N{number}" if added else f"{name}L{draw(st.integers(0, len(kinds) - 1))}"
        rows["amendment_line"].append(
            {
                "amendment_line_id": f"{name}A{number}",
                "amendment_id": f"{name}A{number}",
                "contract_line_id": line,
                "action": "add" if added else "change",
                "offering": "retainer" if added else None,
                "amount": draw(amounts),
                "standalone_selling_price": draw(amounts),
                "start_date": when if added else None,
                "end_date": day(draw(st.integers(451, 520))) if added else None,
                "remaining_is_distinct": True if added else draw(st.booleans()),
            }
        )
    for number in range(draw(st.integers(0, 3))):
        rows["variable_estimate"].append(
            {
                "estimate_id": f"{name}V{number}",
                "contract_id": name,
                "as_of_date": day(draw(st.integers(0, 400))),
                "method": "most_likely",
                "amount": draw(amounts),
            }
        )
    return rows


def firms(entered_late: bool = False) -> st.SearchStrategy[Rows]:
    """Draw several contracts of one firm."""
    drawn = st.tuples(*(contracts(f"C{number:02}", entered_late) for number in range(TOGETHER)))
    return drawn.map(lambda each: {name: [row for rows in each for row in rows[name]] for name in each[0]} | {"fiscal_period": PERIODS})


def run(rows: Rows, as_of: dt.date = AS_OF, seed: int = 0, known_on: dt.date | None = None) -> tuple[Books, pl.DataFrame]:
    frames: dict[str, pl.LazyFrame] = {}
    for entity, records in rows.items():
        schema = entity_spec(entity).polars_schema()
        shuffled = [{**dict.fromkeys(schema), **each, "evidence": ["x:1"]} for each in records]
        random.Random(seed).shuffle(shuffled)
        frames[entity] = pl.DataFrame(shuffled, schema={**schema, "evidence": pl.List(pl.String)}, orient="row").lazy()
    context = Context(as_of, known_on)
    records_: Records = read_records(Facts(frames, {}, as_of), context)
    versions = revenue_versions(policies())
    core = run_core(records_, versions, as_of)
    final = performance(core)
    vintages = late_facts(records_, core.contracts, core.lines, core.periods)
    posted = final
    if vintages.steps.height:
        copies = run_core(copied_records(records_, vintages, core.contracts, core.lines), versions, as_of)
        posted = sorted_performance(composed(final, performance(copies), vintages, core.contracts, core.periods, as_of))
    return tell_books(core, posted, versions, as_of), final


def recognized(frame: pl.DataFrame) -> dict[str, Decimal]:
    """Return what each contract has recognized."""
    sums = frame.filter(~pl.col("is_planned")).group_by("contract_id").agg(pl.col("amount").sum())
    return {name: amount for name, amount in sums.iter_rows() if amount != 0}


@hypothesis.settings(max_examples=SOME)
@given(firms())
def test_what_is_allocated_is_the_price_after_every_event(rows: Rows) -> None:
    books, _ = run(rows)
    changes = sorted(rows["amendment_line"], key=lambda each: _order(rows, each))
    fixed = {each["contract_line_id"]: each["amount"] for each in [*rows["contract_line"], *changes]}
    estimates = sorted(rows["variable_estimate"], key=lambda each: (each["as_of_date"], each["estimate_id"]))
    for name in (each["contract_id"] for each in rows["contract"]):
        variable = [each["amount"] for each in estimates if each["contract_id"] == name]
        price = sum(amount for line, amount in fixed.items() if line.startswith(name)) + sum(variable[-1:])
        assert books.price.filter(pl.col("contract_id") == name).sort("date")["transaction_price"][-1] == price


def _order(rows: Rows, line: dict[str, Any]) -> tuple[dt.date, str]:
    amendment = next(each for each in rows["amendment"] if each["amendment_id"] == line["amendment_id"])
    return amendment["effective_date"], amendment["amendment_id"]


@hypothesis.settings(max_examples=SOME)
@given(firms())
def test_recognized_and_remaining_are_the_price(rows: Rows) -> None:
    books, final = run(rows)
    allocated = books.obligations.sort("version").group_by("obligation_id").agg(pl.col("allocated_amount").last())
    done = final.filter(~pl.col("is_planned")).group_by("obligation_id").agg(pl.col("amount").sum())
    both = allocated.join(done, on="obligation_id", how="left").with_columns(pl.col("amount").fill_null(0))
    finished = books.obligations.sort("version").group_by("obligation_id").agg(pl.col("progress").last()).filter(pl.col("progress") == 1)
    assert both.join(finished, on="obligation_id").filter(pl.col("amount") != pl.col("allocated_amount")).is_empty()
    timed = final.filter(pl.col("obligation_id").is_in(allocated["obligation_id"].implode()) & (pl.col("basis") == "time_elapsed"))
    whole = final.group_by("obligation_id").agg(pl.col("amount").sum())
    served = both.join(timed.select("obligation_id").unique(), on="obligation_id").join(whole, on="obligation_id", suffix=".all")
    assert served.filter(pl.col("amount.all") != pl.col("allocated_amount")).is_empty()


@hypothesis.settings(max_examples=SOME)
@given(firms(entered_late=True))
def test_late_facts_change_when_revenue_is_posted_and_not_how_much(rows: Rows) -> None:
    books, final = run(rows)
    assert recognized(books.performance) == recognized(final)
    by_origin = (
        books.performance.filter(~pl.col("is_planned")).group_by("contract_line_id", "relates_to_period").agg(pl.col("amount").sum())
    )
    natural = final.filter(~pl.col("is_planned")).group_by("contract_line_id", "relates_to_period").agg(pl.col("amount").sum())
    key = ["contract_line_id", "relates_to_period"]
    assert by_origin.filter(pl.col("amount") != 0).sort(key).equals(natural.filter(pl.col("amount") != 0).sort(key))


@hypothesis.settings(max_examples=SOME)
@given(firms(), st.integers(1, 100))
def test_the_order_of_records_decides_nothing(rows: Rows, seed: int) -> None:
    books, _ = run(rows)
    other, _ = run(rows, seed=seed)
    assert books.performance.equals(other.performance)
    assert books.obligations.equals(other.obligations)


@hypothesis.settings(max_examples=SOME)
@given(firms(entered_late=True), st.integers(1, 12))
def test_a_later_day_changes_nothing_that_was_posted(rows: Rows, months: int) -> None:
    early = (START + dt.timedelta(days=31 * months)).replace(day=1) - dt.timedelta(days=1)
    # What the close of that month knew: nothing that happened after it, or was recorded after the close. A month that is never
    # closed takes in what becomes known later; none of those is asked.
    known = {
        entity: [each for each in records if _is_known(each, early)]
        if entity not in ("contract", "fiscal_period")
        else records
        for entity, records in rows.items()
    }
    known["contract"] = [_as_known(each, early) for each in rows["contract"]]
    present = {each["amendment_id"] for each in known["amendment"]}
    known["amendment_line"] = [each for each in known["amendment_line"] if each["amendment_id"] in present]
    before, _ = run(known, as_of=early)
    after, _ = run(rows)
    closed = pl.col("posting_date") <= early
    earlier = before.performance.filter(~pl.col("is_planned")).group_by("period").agg(pl.col("amount").sum()).sort("period")
    later = after.performance.filter(~pl.col("is_planned") & closed).group_by("period").agg(pl.col("amount").sum()).sort("period")
    both = earlier.join(later, on="period", how="full", suffix=".later").with_columns(pl.col("amount", "amount.later").fill_null(0))
    assert both.filter(pl.col("amount") != pl.col("amount.later")).is_empty()


def _as_known(contract: dict[str, Any], early: dt.date) -> dict[str, Any]:
    """Return a contract as the close of a month knew it: without an end that became known after it."""
    recorded = contract["terminated_recorded_at"]
    if recorded is None or recorded < dt.datetime.combine(early + dt.timedelta(days=5), dt.time(), dt.UTC):
        return contract
    return {**contract, "status": "active", "terminated_date": None, "terminated_recorded_at": None}


def _is_known(record: dict[str, Any], early: dt.date) -> bool:
    recorded = record.get("recorded_at")
    in_time = recorded is None or recorded < dt.datetime.combine(early + dt.timedelta(days=5), dt.time(), dt.UTC)
    return in_time and (record.get("as_of_date") or record.get("effective_date") or START) <= early


@hypothesis.settings(max_examples=SOME)
@given(firms())
def test_money_times_ten_gives_ten_times_the_price(rows: Rows) -> None:
    names = ("amount", "standalone_selling_price")
    tenfold = {
        entity: [{**each, **{name: each[name] * 10 for name in names if each.get(name)}} for each in records]
        for entity, records in rows.items()
    }
    once, times_ten = run(rows)[0], run(tenfold)[0]
    units = {each["contract_id"]: CURRENCIES[each["currency"]] for each in rows["contract"]}
    # By day and not by version: a change that rounds to nothing makes no version of its own.
    last = once.obligations.sort("effective_date", "version").unique(["obligation_id", "effective_date"], keep="last", maintain_order=True)
    both = last.join_asof(
        times_ten.obligations.sort("effective_date", "version").select("obligation_id", "effective_date", "allocated_amount"),
        on="effective_date",
        by="obligation_id",
        suffix=".ten",
        check_sortedness=False,
    )
    apart = (pl.col("allocated_amount") * 10 - pl.col("allocated_amount.ten")).abs()
    unit = pl.col("contract_id").replace_strict(units, return_dtype=pl.Decimal(38, 6))
    count = pl.len().over("contract_id").cast(pl.Decimal(38, 6))
    assert both["allocated_amount.ten"].null_count() == 0
    assert both.filter(apart > pl.lit(10).cast(pl.Decimal(38, 6)) * unit * count).is_empty()
