"""What a run tells of months, as figures by what they are, for tests that hold two runs against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import polars as pl

Figures = dict[tuple[str, ...], Decimal]


def told_figures(frames: Mapping[str, pl.DataFrame], balances: Sequence[str], earned_by: Sequence[str]) -> Figures:
    """Return what is recognized (by the columns named), booked and held by month; what is nothing is left out."""
    schedule, journal, held = (frames[name] for name in ("revenue_schedule", "journal", "contract_balances"))
    told = {
        "earned": schedule.group_by(*earned_by, "period").agg(pl.col("recognized_amount").sum()),
        "booked": journal.group_by("contract_id", "account_role", "period").agg((pl.col("debit") - pl.col("credit")).sum()),
        "held": held.unpivot(balances, index=["contract_id", "period"]).select("contract_id", "variable", "period", "value"),
    }
    return {(name, *map(str, key)): amount for name, frame in told.items() for *key, amount in frame.iter_rows() if amount}
