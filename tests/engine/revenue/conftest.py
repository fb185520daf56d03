"""What tests of the revenue rooms share: records by name, and the books of a contract written in a line."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from engine.canonical.kinds import MONEY
from engine.canonical.schema import entity_spec
from engine.revenue.ground import frames

Records = Callable[..., pl.DataFrame]

SETTINGS: dict[str, tuple[Any, pl.DataType]] = {
    "standard": ("us_gaap", pl.String()),
    "rounding.mode": ("half_up", pl.String()),
    "costs.expedient_months": (12, pl.Int64()),
    "costs.proration": ("actual_days", pl.String()),
    "proration": ("actual_days", pl.String()),
    "late.closed_period": ("catch_up", pl.String()),
    "accrual.unapproved_time": ("none", pl.String()),
    "loss.unit": ("contract", pl.String()),
    "loss.cost_basis": ("full", pl.String()),
    "disclosure.rpo_expedients": ([], pl.List(pl.String())),
    "disclosure.rpo_bands": ("calendar_year", pl.String()),
    "disclosure.disaggregate_by": ([], pl.List(pl.String())),
    "rounding.disclosure_unit": (None, pl.Decimal(38, 6)),
}


def _typed(rows: tuple[dict[str, Any], ...], schema: dict[str, pl.DataType]) -> pl.DataFrame:
    unknown = {name for row in rows for name in row} - set(schema)
    assert not unknown, f"no such columns: {sorted(unknown)}"
    data = [{name: _exact(row.get(name), schema[name]) for name in schema} for row in rows]
    return pl.DataFrame(data, schema=schema)


def _exact(value: Any, dtype: pl.DataType) -> Any:
    return Decimal(str(value)) if isinstance(dtype, pl.Decimal) and value is not None else value


@pytest.fixture
def records() -> Records:
    """Golden records of an entity: `records("progress", {...}, {...})`; absent fields are null."""

    def make(entity: str, *rows: dict[str, Any]) -> pl.DataFrame:
        return _typed(rows, {**entity_spec(entity).polars_schema(), "evidence": pl.List(pl.String())})

    return make


@pytest.fixture
def contracts() -> Records:
    """Contracts of the books; a key `setting.…` overrides a setting, `exit_penalty` stands beside."""

    def make(*rows: dict[str, Any]) -> pl.DataFrame:
        given = {
            "group_id": "C1",
            "contract_id": "C1",
            "calendar": "",
            "currency": "USD",
            "minor_digits": 2,
            "gate": "met",
            "status": "active",
        }
        settings = {f"setting.{name}": value for name, (value, _) in SETTINGS.items()}
        types = {f"setting.{name}": dtype for name, (_, dtype) in SETTINGS.items()}
        schema = {**frames.CONTRACTS, **types, "exit_penalty": MONEY}
        return _typed(tuple({**given, **settings, **row} for row in rows), schema)

    return make


@pytest.fixture
def lines() -> Records:
    """Lines of the books; by default line L1 of contract C1, its own obligation."""
    return _of(frames.LINES, {"contract_id": "C1", "group_id": "C1", "contract_line_id": "L1", "obligation_id": "L1"})


@pytest.fixture
def obligations() -> Records:
    """Versions of obligations of the books; by default the first version of L1 of contract C1."""
    return _of(frames.OBLIGATIONS, {"contract_id": "C1", "group_id": "C1", "obligation_id": "L1", "version": 1, "currency": "USD"})


@pytest.fixture
def performance() -> Records:
    """Atoms of revenue of the books; by default current over-time revenue of L1; the period is the day's month."""
    default = {
        "contract_id": "C1", "group_id": "C1", "contract_line_id": "L1", "obligation_id": "L1", "nature": "current",
        "timing": "over_time", "role": "principal", "is_planned": False, "catch_up_amount": 0, "currency": "USD",
    }  # fmt: skip
    make = _of(frames.PERFORMANCE, default)

    def with_periods(*rows: dict[str, Any]) -> pl.DataFrame:
        period = pl.col("posting_date").dt.strftime("%Y-%m").cast(frames.CODE)
        frame = make(*rows)
        return frame.with_columns(pl.coalesce("period", period), pl.coalesce("relates_to_period", period))

    return with_periods


@pytest.fixture
def prices() -> Records:
    """Steps of the transaction price of the books; by default of contract C1."""
    return _of(frames.PRICE, {"contract_id": "C1"})


def _of(schema: dict[str, pl.DataType], default: dict[str, Any]) -> Records:
    def make(*rows: dict[str, Any]) -> pl.DataFrame:
        return _typed(tuple({**default, **row} for row in rows), schema)

    return make


@pytest.fixture
def months() -> Callable[[int, int], pl.DataFrame]:
    """Calendar months from the first year's January to the last year's December as periods of the books."""

    def make(first: int, last: int) -> pl.DataFrame:
        starts = pl.date_range(dt.date(first, 1, 1), dt.date(last, 12, 1), "1mo", eager=True).alias("start_date").to_frame()
        days = starts.with_columns(
            pl.lit("").alias("calendar"), pl.col("start_date").dt.strftime("%Y-%m").alias("period"),
            pl.col("start_date").dt.month_end().alias("end_date"), pl.lit("open").alias("status"),
        )  # fmt: skip
        return frames.shaped(days, frames.PERIODS)

    return make


class Posted:
    """What the posting room made of contracts written in a few rows."""

    def __init__(self, books: frames.Books, frames_by_name: dict[str, pl.DataFrame], findings: list[pl.DataFrame]) -> None:
        self.books, self.balances = books, frames_by_name["contract_balances"]
        self.journal, self.batches = frames_by_name["journal"], frames_by_name["journal_batches"]
        self.findings = [row for frame in findings for row in frame.to_dicts()]

    def balance(self, period: str, *names: str, contract: str = "C1") -> list[Decimal] | Decimal:
        """Return figures of a contract's period."""
        row = self.balances.filter((pl.col("contract_id") == contract) & (pl.col("period") == period)).row(0, named=True)
        return row[names[0]] if len(names) == 1 else [row[name] for name in names]

    def entry(self, day: str, contract: str = "C1", *, functional: bool = False) -> dict[str, Decimal]:
        """Return the day's entries by account role, debit positive."""
        side = "functional_" if functional else ""
        rows = self.journal.filter((pl.col("contract_id") == contract) & (pl.col("posting_date") == dt.date.fromisoformat(day)))
        net = rows.group_by("account_role").agg((pl.col(f"{side}debit") - pl.col(f"{side}credit")).sum().alias("net"))
        return {role: amount for role, amount in net.sort("account_role").rows() if amount}


ROLES = (
    "revenue", "contract_asset", "contract_liability", "receivable", "unbilled_receivable", "refund_liability",
    "deposit_liability", "payable", "tax_payable",
    "cash", "fx", "interest_income", "interest_expense", "return_asset", "inventory", "cost_of_revenue", "loss_provision",
    "contract_cost_asset", "contract_cost_expense",
)  # fmt: skip

POSTING_SETTINGS = {
    "setting.fx.advance_rate": "payment_date", "setting.fx.layers": "fifo", "setting.fx.revenue_rate": "average",
    "setting.accrual.unapproved_time": "none",
}  # fmt: skip


class AgreedRecords:
    """Golden records by entity, from rows."""

    def __init__(self, rows: dict[str, list[dict[str, Any]]], outputs: dict[str, pl.DataFrame]) -> None:
        self.rows, self.outputs = rows, outputs

    def frame(self, entity: str) -> pl.DataFrame:
        schema = {**entity_spec(entity).polars_schema(), "evidence": pl.List(pl.String())}
        return _typed(tuple(self.rows.get(entity, [])), schema)

    def output(self, name: str) -> pl.DataFrame | None:
        return self.outputs.get(name)


@pytest.fixture
def posted() -> Callable[..., Posted]:
    """Post contracts: `posted("2027-03-31", contracts=[…], lines=[…], earned=[…], price=[…], invoice=[…], payment=[…])`.

    Days may be text. By default one USD contract C1 in force since 2027-01-01 with a line L1, whose
    price is the line's amount.
    """
    from engine.revenue.atoms import sorted_performance
    from engine.revenue.posting.post import post
    from engine.stage import Context

    def dated(row: dict[str, Any]) -> dict[str, Any]:
        def day(name: str, value: Any) -> Any:
            is_day = isinstance(value, str) and (name == "date" or name.endswith(("_date", "_on", "_start", "_end")))
            return dt.date.fromisoformat(value) if is_day else value

        return {name: day(name, value) for name, value in row.items()}

    def run(
        as_of: str,
        *,
        extra: dict[str, pl.DataFrame] | None = None,
        outputs: dict[str, pl.DataFrame] | None = None,
        **given: list[dict[str, Any]]
    ) -> Posted:
        rows = {name: [dated(row) for row in some] for name, some in given.items()}
        start = dt.date(2027, 1, 1)
        contract = {
            "contract_id": "C1", "calendar": "", "currency": "USD", "functional_currency": "USD", "minor_digits": 2, "gate": "met",
            "gate_date": start, "signed_date": start, **POSTING_SETTINGS,
        }  # fmt: skip
        contracts = [{**contract, "group_id": row.get("contract_id", "C1"), **row} for row in rows.pop("contracts", [{}])]
        line = {"contract_id": "C1", "contract_line_id": "L1", "is_as_invoiced": False}
        lines = [{**line, **row} for row in rows.pop("lines", [{"amount": 1000}])]
        earned = [
            {**line, "obligation_id": row.get("contract_line_id", "L1"), "is_planned": False, "timing": "over_time", "nature": "current",
             "gross_amount": row["amount"], **row}
            for row in rows.pop("earned", [])
        ]  # fmt: skip
        earned = [{name: value for name, value in row.items() if name != "is_as_invoiced"} for row in earned]
        price = rows.pop("price", None) or [
            {"contract_id": each["contract_id"], "date": each["signed_date"],
             "transaction_price": sum(row["amount"] for row in lines if row["contract_id"] == each["contract_id"] and row.get("amount"))}
            for each in contracts
        ]  # fmt: skip
        price = [{"stated": row["transaction_price"], "included_variable": 0, "contract_id": "C1", **row} for row in price]
        months = pl.date_range(dt.date(2026, 11, 1), dt.date(2029, 12, 1), "1mo", eager=True)
        periods = [
            {"calendar": "", "period": first.strftime("%Y-%m"), "start_date": first, "end_date": last, "status": "open"}
            for first, last in zip(months.to_list(), months.dt.month_end().to_list(), strict=True)
        ]
        typed = {name: pl.String() for name in POSTING_SETTINGS}
        books = frames.Books(
            contracts=_typed(tuple(contracts), {**frames.CONTRACTS, **typed}), lines=_typed(tuple(lines), frames.LINES),
            obligations=_typed(tuple(rows.pop("obligations", [])), frames.OBLIGATIONS),
            # As the books promise: whatever order records come in, what was earned stands in its own.
            performance=sorted_performance(_typed(tuple(earned), frames.PERFORMANCE)),
            price=_typed(tuple(price), frames.PRICE), periods=_typed(tuple(periods), frames.PERIODS),
            observations=frames.empty(frames.OBSERVATIONS), modifications=frames.empty(frames.MODIFICATIONS),
            accounts=pl.DataFrame(
                [(each["contract_id"], role, role) for each in contracts for role in ROLES],
                schema={"contract_id": pl.String, "account_role": pl.String, "account": pl.String}, orient="row",
            ),
            extra=extra or {},
        )  # fmt: skip
        made, result = post(books, AgreedRecords(rows, outputs or {}), Context(dt.date.fromisoformat(as_of)))
        return Posted(made, {name: frame.collect() for name, frame in result.frames.items()}, result.findings)

    return run
