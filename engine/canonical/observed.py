"""What the systems say about themselves: integration events and the figures they report."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from engine.canonical.base import Id, Int, Period, Record, Text, Time, field, key
from engine.canonical.kinds import Kind

Amount = Annotated[Decimal, Kind.MONEY]


class IntegrationEvent(Record):
    """A message from one system to another."""

    entity: ClassVar[str] = "integration_event"
    event_id: Id = key("Identifies the event.")
    from_system: Text | None = field("System that sent it.")
    to_system: Text | None = field("System it was sent to.")
    # The class says in `entity` what it is, so the canonical field of that name has an alias here.
    entity_name: Text | None = field("Canonical entity it is about.", alias="entity")
    entity_id: Id | None = field("Record it is about.")
    event_type: Text | None = field("What happened (created, updated …).")
    occurred_at: Time | None = field("When the fact happened.")
    received_at: Time | None = field("When it was received.")
    processed_at: Time | None = field("When it was processed.")
    status: Literal["pending", "processed", "failed", "dead_letter"] | None = field("State of the event.")
    attempts: Int | None = field("How often it was tried.")
    error: Text | None = field("What went wrong.")
    correlation_id: Id | None = field("Joins events of one business fact.")


class ReportedMetric(Record):
    """A figure that a system's own report states."""

    entity: ClassVar[str] = "reported_metric"
    metric: Text = key("utilization, backlog, wip, billed, recognized, deferred_revenue or margin.")
    reported_by: Text = key("System that reports it.")
    period: Period = key("Fiscal period, YYYY-NN.")
    dimension: Text = key("`total`, `service_line=…` or `legal_entity=…`.")
    value: Amount | None = field("The figure, in the unit beside it.", currency="unit")
    unit: Text | None = field("pct, hours or a currency, ISO 4217.")
