"""Integrations: how the flows between systems run."""

from __future__ import annotations

from typing import Final

import polars as pl

from dashboard.views.names import with_sentences
from dashboard.views.tables import Column
from dashboard.views.workspace import RunEntry, output

FLOWS: Final = (
    Column("says", "Flow", searched=True, width=280),
    Column("from_system", "From", filtered=True), Column("to_system", "To", filtered=True),
    Column("entity", "Records", "code", filtered=True), Column("events", "Events", "count"), Column("processed", "Processed", "count"),
    Column("failed", "Failed", "count"), Column("dead_lettered", "Given up", "count"), Column("pending", "Waiting", "count"),
    Column("duplicated", "Twice", "count"), Column("late", "Late", "count"), Column("not_sent", "Never sent", "count"),
    Column("latency_median_seconds", "Median (s)", "count"), Column("latency_longest_seconds", "Longest (s)", "count"),
    Column("permitted_seconds", "Permitted (s)", "count"), Column("flow", "Id", searched=True),
)  # fmt: skip

FAILURES: Final = (
    Column("occurred_at", "Occurred (UTC)", "date"), Column("from_system", "From", filtered=True), Column("to_system", "To", filtered=True),
    Column("entity", "Record", "code", filtered=True), Column("entity_id", "Id", searched=True),
    Column("status", "Status", "code", filtered=True), Column("attempts", "Attempts", "count"), Column("error", "Error", searched=True),
    Column("event_id", "Event", searched=True, shown=False),
)  # fmt: skip


def flows(run: RunEntry) -> pl.LazyFrame | None:
    """Return how every flow ran; None when no policy of flows applied."""
    frame = output(run, "flows")
    return None if frame is None else with_sentences(run, frame, "flow", "says")


def troubled(run: RunEntry) -> pl.LazyFrame | None:
    """Return the events that are not processed."""
    events = output(run, "golden/integration_event")
    return None if events is None else events.filter(pl.col("status") != "processed")
