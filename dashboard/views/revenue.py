"""Revenue: the waterfall of planned and recognized amounts, balances, what remains, and two books beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from dashboard.views.names import names_beside
from dashboard.views.summaries import kept
from dashboard.views.tables import Column, FrameRows
from dashboard.views.workspace import RunEntry, lies, output

SCHEDULE: Final = (
    Column("contract", "Contract", searched=True), Column("contract_line_id", "Line", searched=True),
    Column("period", "Period", filtered=True),
    Column("relates_to_period", "Relates to", filtered=True), Column("nature", "Nature", "code", filtered=True),
    Column("basis", "Basis", "code", filtered=True), Column("planned_amount", "Planned", "money"),
    Column("recognized_amount", "Recognized", "money"), Column("catch_up_amount", "Catch-up", "money"),
    Column("rule", "Rule", filtered=True), Column("currency", "Currency", filtered=True, shown=False),
    Column("contract_id", "Contract id", searched=True, shown=False), Column("evidence", "Source rows", "list", shown=False),
)  # fmt: skip

BALANCES: Final = (
    Column("contract", "Contract", searched=True), Column("period", "Period", filtered=True), Column("billed", "Billed", "money"),
    Column("recognized", "Recognized", "money"), Column("contract_asset", "Contract asset", "money"),
    Column("contract_liability", "Contract liability", "money"), Column("receivable", "Receivable", "money"),
    Column("unbilled_receivable", "Unbilled", "money"), Column("remaining_obligation", "Remaining", "money"),
    Column("currency", "Currency", filtered=True, shown=False), Column("contract_id", "Contract id", searched=True, shown=False),
)  # fmt: skip

SHADOW: Final = (
    Column("contract", "Contract", searched=True), Column("contract_line_id", "Line", searched=True),
    Column("period", "Period", filtered=True),
    Column("theirs", "Revenue engine", "money"), Column("ours", "Tieout", "money"), Column("difference", "Difference", "money"),
    Column("cause", "Cause", "code", filtered=True), Column("detail", "Detail", searched=True),
    Column("currency", "Currency", filtered=True, shown=False), Column("contract_id", "Contract id", searched=True, shown=False),
)  # fmt: skip

DISCLOSURES: Final = (
    Column("disclosure", "Disclosure", "code", filtered=True), Column("contract", "Contract", searched=True),
    Column("band_start", "From", "date"), Column("band_end", "To", "date"), Column("dimension", "By", "code", filtered=True),
    Column("dimension_value", "Of", filtered=True), Column("amount", "Amount", "money"),
    Column("exempted_by", "Exempted by", filtered=True),
    Column("rule", "Rule", filtered=True), Column("currency", "Currency", filtered=True, shown=False),
)  # fmt: skip

_BALANCES: Final = ("contract_asset", "contract_liability", "receivable", "remaining_obligation")


def has_revenue(run: RunEntry) -> bool:
    """Say whether a run decided revenue."""
    return output(run, "revenue_schedule") is not None


def table(run: RunEntry, name: str, columns: Sequence[Column], key: Sequence[str]) -> FrameRows | None:
    """Return the rows of an output of revenue with names beside its ids, or None when the run has none."""
    frame = output(run, name)
    return None if frame is None else FrameRows(frame, columns, key, names=names_beside(run, frame), lies=lies(run, name))


def waterfall(run: RunEntry) -> pl.DataFrame:
    """Return by currency and period what was recognized and what is planned."""
    return kept(run, "waterfall", _waterfall)


def _waterfall(run: RunEntry) -> pl.DataFrame:
    frame = output(run, "revenue_schedule")
    if frame is None:
        return pl.DataFrame()
    sums = frame.group_by("currency", "period").agg(pl.col("recognized_amount").sum(), pl.col("planned_amount").sum())
    return sums.sort("currency", "period").collect()


def closing_balances(run: RunEntry) -> pl.DataFrame:
    """Return by balance and currency what stands at the end of the last period the run has."""
    return kept(run, "closing-balances", _closing_balances)


def _closing_balances(run: RunEntry) -> pl.DataFrame:
    frame = output(run, "contract_balances")
    if frame is None:
        return pl.DataFrame()
    last = frame.filter(pl.col("period") == pl.col("period").max().over("contract_id"))
    sums = last.group_by("currency").agg(pl.col(each).sum() for each in _BALANCES).sort("currency").collect()
    return sums.unpivot(on=list(_BALANCES), index="currency", variable_name="balance", value_name="amount")
