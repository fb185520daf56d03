"""The frames that the rooms of the revenue stage hand to each other: their columns, and what one row means.

Amounts are MONEY decimals in the contract's currency, already rounded to its minor unit, signed
(a reduction of revenue is negative). A room takes `Books` and golden facts and gives back frames;
it never changes a frame of another room: it returns a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Final, TypeVar

import polars as pl
import polars.selectors as cs

from engine.canonical.kinds import MONEY, Kind, polars_dtype
from engine.revenue.arithmetic.numbers import FRACTION, WIDE
from engine.revenue.arithmetic.runs import begins

Rows = TypeVar("Rows", pl.DataFrame, pl.LazyFrame)

TEXT: Final = pl.String()
DAY: Final = pl.Date()
TEXTS: Final = pl.List(pl.String())

CODE: Final = pl.Categorical()
"""A text of which there are few, where rows are many: kept as a number, it takes a quarter of the memory and is quicker to copy."""

AT_A_POINT: Final = "_at_a_point"
"""Ends the timing of use and royalties of a promise at a point in time: earned on their own day, at the rate of that day."""

ROYALTIES: Final = ("royalty", f"royalty{AT_A_POINT}")
OF_USE: Final = ("usage", f"usage{AT_A_POINT}")
BESIDE: Final = ("as_invoiced", *OF_USE, *ROYALTIES)
"""Timings of what is earned beside the price: work as invoiced, use and royalties."""

CONTRACTS: Final[dict[str, pl.DataType]] = {
    "contract_id": TEXT,
    "group_id": TEXT,
    "customer_id": TEXT,
    "legal_entity_id": TEXT,
    "calendar": TEXT,
    "currency": TEXT,
    "functional_currency": TEXT,
    "minor_digits": pl.Int8(),
    "signed_date": DAY,
    "start_date": DAY,
    "end_date": DAY,
    "term_end": DAY,
    "status": TEXT,
    "terminated_date": DAY,
    "served_to": DAY,
    "gate": TEXT,
    "gate_date": DAY,
    "lost_date": DAY,
    "gate_source": TEXT,
    "evidence": TEXTS,
}
"""One row per accounting contract (drafts have one only where money came in), followed by one column `setting.<path>` a setting.

`group_id`: contracts combined (606-10-25-9) share it; it is the smallest contract_id of the group.
`calendar`: the legal entity whose fiscal periods count, "" for calendar months (joins `PERIODS`).
`minor_digits`: digits of the currency's minor unit (USD 2, JPY 0, KWD 3).
`end_date`: as on paper; `term_end`: last enforceable day of a contract that the customer may end for convenience (its notice
period, counted from as_of; what ends before that ends earlier); null: nobody may leave, what is promised binds to its own end.
`served_to`: last day served of a contract that is terminated; before `terminated_date` where the end was known after the close.
`gate`: met, not_met (criteria judged and failed) or held (nobody judged; a finding); `gate_date`: the first
day revenue may be recognized; null unless met; `lost_date`: the last one, where the criteria are not met any more.
`gate_source`: record, judgement or presumption.
Settings are those of the policy version in force on the contract's date, then `assign.<contract_id>`;
every setting of VOCABULARY.md has a column: text, Boolean, Int64, or a list of texts.
"""

LINES: Final[dict[str, pl.DataType]] = {
    "contract_line_id": TEXT,
    "contract_id": TEXT,
    "group_id": TEXT,
    "obligation_id": TEXT,
    "offering": TEXT,
    "variable_kind": TEXT,
    "service_line": TEXT,
    "project_id": TEXT,
    "added_by": TEXT,
    "from_date": DAY,
    "start_date": DAY,
    "end_date": DAY,
    "amount": MONEY,
    "standalone_selling_price": MONEY,
    "estimated_cost": MONEY,
    "estimated_hours": polars_dtype(Kind.HOURS),
    "unit_price": polars_dtype(Kind.PRICE),
    "quantity": polars_dtype(Kind.QTY),
    "cash_selling_price": MONEY,
    "is_refundable": pl.Boolean(),
    "timing": TEXT,
    "measure": TEXT,
    "convention": TEXT,
    "role": TEXT,
    "commission_pct": polars_dtype(Kind.PCT),
    "loss_scope": pl.Boolean(),
    "is_as_invoiced": pl.Boolean(),
    "work_ahead": MONEY,
    "transfer_date": DAY,
    "rule": TEXT,
    "evidence": TEXTS,
}
"""One row per promise, as signed; a line added by an amendment has its `added_by` and `from_date`. Of work as invoiced
`estimated_hours` and `unit_price` are those agreed now: what is committed; `work_ahead`: what the hours still to come cost where their
price is another than that of hours done (null: elsewhere).

Amounts are in the contract's currency (a line in another currency is translated at the day of signing).
`transfer_date`: point in time: the day of acceptance or delivery if known, else the planned day
(milestone due date, line end, line start); over time: null. Financing counts months to it.
"""

OBLIGATIONS: Final[dict[str, pl.DataType]] = {
    "contract_id": TEXT,
    "group_id": TEXT,
    "obligation_id": TEXT,
    "version": pl.Int32(),
    "effective_date": DAY,
    "offering": TEXT,
    "variable_kind": TEXT,
    "role": TEXT,
    "standalone_selling_price": MONEY,
    "ssp_share": FRACTION,
    "allocated_amount": MONEY,
    "allocated_variable": MONEY,
    "variable_alone": MONEY,
    "is_pooled": pl.Boolean(),
    "carve_amount": MONEY,
    "method": TEXT,
    "timing": TEXT,
    "measure": TEXT,
    "convention": TEXT,
    "is_as_invoiced": pl.Boolean(),
    "loss_scope": pl.Boolean(),
    "commission_pct": polars_dtype(Kind.PCT),
    "start_date": DAY,
    "end_date": DAY,
    "progress": FRACTION,
    "currency": TEXT,
    "rule": TEXT,
    "evidence": TEXTS,
}
"""One row per obligation and version; the last version is the one in force at as_of.

`allocated_amount` = fixed + included variable, recognized part + remaining part, after financing.
`is_pooled`: the contract's price is shared over it.
`variable_alone`: of the included variable part what belongs to this promise alone, as known at as_of (32-40).
`progress`: after the event of the version; of the last version: at as_of. As-invoiced obligations
stand outside the pool: their `allocated_amount` is null.
"""

FEES: Final[dict[str, pl.DataType]] = {
    "contract_id": TEXT, "contract_line_id": TEXT, "place": pl.Int32(), "from_date": DAY, "known_on": DAY, "price_period": TEXT,
    "quantity": polars_dtype(Kind.QTY), "unit_price": polars_dtype(Kind.PRICE), "end_date": DAY,
}  # fmt: skip
"""What lines priced by the month, quarter or year cost, step by step (`extra["fees"]`).

`from_date`: null from the first day on. `known_on`: null as signed.
"""

PERFORMANCE: Final[dict[str, pl.DataType]] = {
    "contract_id": TEXT,
    "group_id": TEXT,
    "contract_line_id": TEXT,
    "obligation_id": TEXT,
    "posting_date": DAY,
    "performed_on": DAY,
    "period": CODE,
    "relates_to_period": CODE,
    "nature": CODE,
    "basis": CODE,
    "timing": CODE,
    "role": CODE,
    "is_planned": pl.Boolean(),
    "amount": MONEY,
    "catch_up_amount": MONEY,
    "gross_amount": MONEY,
    "progress": FRACTION,
    "currency": CODE,
    "rule": CODE,
    "evidence": TEXTS,
}
"""The atoms of revenue: a contract line's revenue of one day, period, origin period, nature and basis.

Σ `amount` over rows that are not planned = revenue recognized to date. `posting_date`: over time the
last day of the period (or as_of in the running one), at a point in time the day itself; never before
`gate_date`. `relates_to_period` differs from `period` for facts that came after the close; `performed_on`: the day of one of them
that passed at a point in time (null: `posting_date`, or a day within the period it relates to).
`nature`: current, modification, estimate_change, out_of_period, error. `basis`: the measure that moved
it (time_elapsed, cost_to_cost, hours, units, milestones, observed, usage, royalty, as_invoiced, accrual,
acceptance, cost_recovery, expiry), or what changed it (price, progress, past_performance, termination).
`timing`: over_time, point_in_time, or one of BESIDE. `catch_up_amount` is the part of `amount` that
concerns performance of before. `gross_amount`: what the customer owes for it: `amount` for a principal;
for an agent the amount before the commission (the rest is payable). `progress` = the obligation's
progress at the end of the row's period, null where it has none.
"""

PRICE: Final[dict[str, pl.DataType]] = {
    "contract_id": TEXT,
    "date": DAY,
    "transaction_price": MONEY,
    "fixed": MONEY,
    "included_variable": MONEY,
    "stated": MONEY,
}
"""The transaction price as steps over time: the row with the last `date` on or before a day holds.

Sum of `allocated_amount` over the contract's obligations. `stated`: what the customer promised to pay
before discounting, without variable amounts and without what the firm pays to its customer.
"""

PERIODS: Final[dict[str, pl.DataType]] = {
    "calendar": TEXT,
    "period": TEXT,
    "start_date": DAY,
    "end_date": DAY,
    "status": TEXT,
    "closed_at": pl.Datetime("us", "UTC"),
}
"""Fiscal periods by calendar, without gaps from the first signing to the end of every schedule.

Days that no fiscal period of a legal entity covers fall in months: numbered on from the calendar's own before and after it, so that
no two periods of a calendar share a label; within it by their names (YYYY-MM).
`calendar` "" = calendar months for everyone else. `closed_at` is null while a period is open.
"""

TO_COME: Final[dict[str, pl.DataType]] = {
    "contract_id": TEXT,
    "obligation_id": TEXT,
    "from_date": DAY,
    "date": DAY,
    "amount": MONEY,
}
"""Royalties of sales made before the promise they pay for is satisfied: from the sale on, through `date` (null: not yet earned)."""

OBSERVATIONS: Final[dict[str, pl.DataType]] = {
    "contract_id": TEXT,
    "obligation_id": TEXT,
    "date": DAY,
    "to_date": WIDE,
    "total": WIDE,
    "at_cost": WIDE,
    "is_reestimate": pl.Boolean(),
    "evidence": TEXTS,
}
"""Observed measures by obligation and day, cumulative: progress = `to_date` / `total` (exact integers in one unit).

`at_cost`: revenue recognized at cost (uninstalled materials, cost recovery), minor units of the
contract's currency. `is_reestimate`: the total changed against the observation before.
"""

MODIFICATIONS: Final[dict[str, pl.DataType]] = {
    "amendment_id": TEXT,
    "contract_id": TEXT,
    "contract_line_id": TEXT,
    "obligation_id": TEXT,
    "effective_date": DAY,
    "treatment": TEXT,
    "pool_before": MONEY,
    "pool_after": MONEY,
    "catch_up_amount": MONEY,
    "catch_up_price": MONEY,
    "catch_up_progress": MONEY,
    "price_change": MONEY,
    "currency": TEXT,
    "rule": TEXT,
    "evidence": TEXTS,
}
"""One row per amendment and line touched, and per line whose pool share it changed.

`treatment`: separate_contract, prospective, cumulative_catch_up, mixed, termination; before_contract and before_opening of an amendment
that is part of what the contract began with (no pool, nothing caught up: null)."""

MOVED_ENDS: Final[dict[str, pl.DataType]] = {
    "contract_line_id": TEXT, "contract_id": TEXT, "date": DAY, "end_date": DAY, "is_gone": pl.Boolean(),
}  # fmt: skip
"""One row per promise and modification that gives it another last day, or adds it, by the day that was agreed on.

A promise that is taken away (`is_gone`) ends on the day before; a contract of its own changes no term of the one before it.
"""

DONE_BY_CHANGE: Final[dict[str, pl.DataType]] = {
    "contract_id": TEXT, "obligation_id": TEXT, "date": DAY, "nature": TEXT, "progress": FRACTION, "after": FRACTION, "done": WIDE,
    "done_after": WIDE,
}  # fmt: skip
"""How much of a promise was done when a change of price or scope came: its progress before and `after` it, and the work measured (`done`,
`done_after`: with that of reports of its day). One row a change, by its nature (`extra["done_by_change"]`)."""


@dataclass(frozen=True, slots=True)
class Books:
    """Hold what the core made, for the rooms that derive balances, entries, costs and disclosures.

    All frames are collected, sorted by their keys, and have exactly the columns of their schema
    (`contracts` also the `setting.…` columns). `accounts`: by contract_id and account role the ledger
    account of the policy in force (columns contract_id, account_role, account).
    """

    contracts: pl.DataFrame
    lines: pl.DataFrame
    obligations: pl.DataFrame
    performance: pl.DataFrame
    price: pl.DataFrame
    periods: pl.DataFrame
    observations: pl.DataFrame
    modifications: pl.DataFrame
    accounts: pl.DataFrame
    extra: Mapping[str, pl.DataFrame] = field(default_factory=dict)

    def with_extra(self, **frames: pl.DataFrame) -> Books:
        """Return the books with further frames by name (`financing`, `interest`, …) for rooms that come after."""
        return replace(self, extra={**self.extra, **frames})

    def without_rows(self) -> Books:
        """Return the books of nobody, with all their columns."""
        own = {each.name: getattr(self, each.name).clear() for each in fields(self) if each.name != "extra"}
        return replace(self, **own, extra={name: frame.clear() for name, frame in self.extra.items()})


def shaped(frame: pl.DataFrame, schema: Mapping[str, pl.DataType], *, keep: Iterable[str] = ()) -> pl.DataFrame:
    """Return the frame with exactly the schema's columns and types, then those to keep; missing ones are null."""
    return frame.select(
        *(
            pl.col(name).cast(dtype) if name in frame.columns else pl.lit(None, dtype=dtype).alias(name)
            for name, dtype in schema.items()
        ),
        *(pl.col(name) for name in keep),
    )


def in_words(frame: Rows) -> Rows:
    """Return the frame with its codes (CODE) as the texts they stand for."""
    return frame.with_columns(cs.categorical().cast(TEXT))


def empty(schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Return a frame of the schema without rows."""
    return pl.DataFrame(schema=dict(schema))


def of_price() -> pl.Expr:
    """Tell atoms of the price that is earned by now: nothing planned, and nothing that is earned beside it (BESIDE: 55-18, 55-65)."""
    return ~pl.col("is_planned") & ~pl.col("timing").is_in(BESIDE).fill_null(value=False)


def contract_and_day() -> pl.Expr:
    """Return a number for the contract and day of atoms, which stand by contract: quicker to group and sort by than the contract's id."""
    return begins("contract_id").cum_sum().cast(pl.Int64) * 2**20 + pl.col("posting_date").to_physical()


def by_price() -> pl.Expr:
    """Tell atoms of what a change of the price catches up: their progress is what was done by then, on a day between two of its promise."""
    return pl.col("basis").cast(TEXT).is_in(["price", "past_performance"]).fill_null(value=False)


def setting(name: str) -> pl.Expr:
    """Return the contract's setting of that path, as text, Boolean, integer or list (`setting("rounding.mode")`)."""
    return pl.col(f"setting.{name}")
