"""The tables of the store."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_MICRO: Final = Decimal(1_000_000)


class Money(sa.types.TypeDecorator[Decimal]):
    """Store an exact amount as a whole number of millionths: SQLite has no decimals."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: Any, _: Any) -> int | None:
        """Return the amount in millionths; ValueError beyond nine trillion."""
        if value is None:
            return None
        scaled = Decimal(value) * _MICRO
        if scaled != int(scaled) or abs(scaled) >= 2**63:
            raise ValueError(f"the amount {value} cannot be stored exactly")
        return int(scaled)

    def process_result_value(self, value: Any, _: Any) -> Decimal | None:
        """Return the amount."""
        return None if value is None else Decimal(value) / _MICRO


class Instant(sa.types.TypeDecorator[dt.datetime]):
    """Store an instant in UTC; SQLite would forget the zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: Any, _: Any) -> dt.datetime | None:
        """Return the instant with its zone."""
        if value is None:
            return None
        moment: dt.datetime = value
        return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)


class Base(DeclarativeBase):
    """What all tables share."""


class Run(Base):
    """A published run: what decided it and where its results lie."""

    __tablename__ = "run"

    run_id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    scope: Mapped[str] = mapped_column(sa.String(200), index=True)
    snapshot: Mapped[str | None] = mapped_column(sa.String(200))
    as_of: Mapped[dt.date]
    known_on: Mapped[dt.date | None]
    policies_fingerprint: Mapped[str] = mapped_column(sa.String(64))
    engine_version: Mapped[str] = mapped_column(sa.String(64))
    schema_version: Mapped[str] = mapped_column(sa.String(20))
    manifest_sha256: Mapped[str] = mapped_column(sa.String(64))
    findings: Mapped[int]
    moved_cases: Mapped[bool]
    """False for a run of an earlier day than the cases already show: it changes no case."""
    came_from: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    """The folders of the snapshot and the previous one; results hold no such path."""
    published_at: Mapped[dt.datetime] = mapped_column(Instant)
    purged_at: Mapped[dt.datetime | None] = mapped_column(Instant)
    """When its results were taken away by the retention policy."""
    evidence_purged_at: Mapped[dt.datetime | None] = mapped_column(Instant)


class Purging(Base):
    """A case that is being purged: only while it is named here may its history go."""

    __tablename__ = "purging"

    case_id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)


IDENTITIES: Final = ("signed_in", "asserted", "run")
"""Who acted: a person who signed in, one who says who it is, or a run."""

STATES: Final = ("open", "superseded", "resolved", "waived", "written_off")
"""What a case may be, those still to be worked first."""


class Case(Base):
    """A finding as people work it: one row for as long as its identity lives."""

    __tablename__ = "case"
    # What the queue is ordered, summed and grouped by; a database reads these from an index alone.
    __table_args__ = (
        sa.Index("ix_case_queue", "scope", "state", "gravity", sa.text("weight DESC"), "opened_on", "case_id"),
        sa.Index("ix_case_cause", "scope", "cause_id", "state"),
        sa.Index("ix_case_totals", "scope", "state", "severity", "currency", "weight"),
        sa.Index("ix_case_scope_assignee", "scope", "assignee"),
        sa.Index("ix_case_opened", "scope", "opened_on"),
        *(
            sa.Index(f"ix_case_queue_{name}", "scope", "state", name, "gravity", sa.text("weight DESC"), "opened_on", "case_id")
            for name in ("rule", "kind", "contract_id")
        ),
    )

    case_id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    """Hash of scope and finding_id: two firms in one store may have findings of one identity."""
    finding_id: Mapped[str] = mapped_column(sa.String(32), index=True)
    scope: Mapped[str] = mapped_column(sa.String(200))
    state: Mapped[str] = mapped_column(sa.String(20))
    """open, resolved, waived, written_off or superseded."""
    stage: Mapped[str] = mapped_column(sa.String(20))
    kind: Mapped[str] = mapped_column(sa.String(60))
    rule: Mapped[str] = mapped_column(sa.String(80))
    severity: Mapped[str] = mapped_column(sa.String(10))
    entity: Mapped[str | None] = mapped_column(sa.String(60))
    entity_id: Mapped[str | None] = mapped_column(sa.String(300))
    contract_id: Mapped[str | None] = mapped_column(sa.String(200))
    legal_entity_id: Mapped[str | None] = mapped_column(sa.String(200), index=True)
    """Whose case it is, as is the project: a person may see some of them only."""
    project_id: Mapped[str | None] = mapped_column(sa.String(200), index=True)
    shows_cost: Mapped[bool] = mapped_column(default=False)
    """True when its values tell what somebody costs."""
    systems: Mapped[str] = mapped_column(sa.String(200), default="")
    period: Mapped[str | None] = mapped_column(sa.String(10))
    amount: Mapped[Decimal | None] = mapped_column(Money)
    currency: Mapped[str | None] = mapped_column(sa.String(10))
    gravity: Mapped[int] = mapped_column(default=9)
    """The rank of its severity, 0 the gravest."""
    weight: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    """Its amount without sign in millionths, 0 where it is not known: with the gravity the order of the queue."""
    message: Mapped[str] = mapped_column(sa.Text)
    remedy: Mapped[str | None] = mapped_column(sa.Text)
    owner: Mapped[str | None] = mapped_column(sa.String(100))
    opened_on: Mapped[dt.date]
    """The business date its age counts from."""
    first_run: Mapped[str] = mapped_column(sa.String(32))
    last_run: Mapped[str] = mapped_column(sa.String(32))
    last_seen_on: Mapped[dt.date]
    resolved_on: Mapped[dt.date | None]
    resolution: Mapped[str | None] = mapped_column(sa.String(20))
    """data (the finding is gone), policy (its rule is gone), waived, written_off or cause."""
    reopened: Mapped[int] = mapped_column(default=0)
    assignee: Mapped[str | None] = mapped_column(sa.String(200), index=True)
    reason_code: Mapped[str | None] = mapped_column(sa.String(60))
    snoozed_until: Mapped[dt.date | None]
    expires_on: Mapped[dt.date | None]
    """Last day a waiver holds."""
    cause_id: Mapped[str | None] = mapped_column(sa.String(32), index=True)


class CaseEvent(Base):
    """One thing that happened to a case, by a person or by a run, with before and after."""

    __tablename__ = "case_event"
    __table_args__ = (sa.Index("ix_case_event_identity", "identity", "at"),)

    event_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    case_id: Mapped[str] = mapped_column(sa.String(32), index=True)
    at: Mapped[dt.datetime] = mapped_column(Instant)
    actor: Mapped[str] = mapped_column(sa.String(200))
    identity: Mapped[str] = mapped_column(sa.String(20))
    """signed_in, asserted (says who it is) or run."""
    action: Mapped[str] = mapped_column(sa.String(40))
    run_id: Mapped[str | None] = mapped_column(sa.String(32))
    before: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)
    after: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)
    comment: Mapped[str | None] = mapped_column(sa.Text)


class Approval(Base):
    """A request that a second person decides."""

    __tablename__ = "approval"

    approval_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    action: Mapped[str] = mapped_column(sa.String(40))
    subject: Mapped[str] = mapped_column(sa.String(200), index=True)
    needs_role: Mapped[str] = mapped_column(sa.String(60))
    requested_by: Mapped[str] = mapped_column(sa.String(200))
    requested_at: Mapped[dt.datetime] = mapped_column(Instant)
    body: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    state: Mapped[str] = mapped_column(sa.String(20), index=True)
    """waiting, approved, rejected or withdrawn."""
    decided_by: Mapped[str | None] = mapped_column(sa.String(200))
    decided_at: Mapped[dt.datetime | None] = mapped_column(Instant)
    comment: Mapped[str | None] = mapped_column(sa.Text)


class CaseText(Base):
    """What a case is searched by, in small letters; narrow, so that a search reads little."""

    __tablename__ = "case_text"

    case_id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    text: Mapped[str] = mapped_column(sa.Text)


class CaseValue(Base):
    """A value that a filter of the queue offers, and how many findings of the last night had it."""

    __tablename__ = "case_value"

    scope: Mapped[str] = mapped_column(sa.String(200), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    value: Mapped[str] = mapped_column(sa.String(300), primary_key=True)
    count: Mapped[int]


class Attachment(Base):
    """A file that belongs to a case; its bytes lie beside the runs under their hash."""

    __tablename__ = "attachment"

    attachment_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    case_id: Mapped[str] = mapped_column(sa.ForeignKey("case.case_id"), index=True)
    sha256: Mapped[str] = mapped_column(sa.String(64), index=True)
    name: Mapped[str] = mapped_column(sa.String(200))
    size: Mapped[int] = mapped_column(sa.BigInteger)
    said_by: Mapped[str] = mapped_column(sa.String(200))
    identity: Mapped[str] = mapped_column(sa.String(20))
    said_at: Mapped[dt.datetime] = mapped_column(Instant)


class MatchDecision(Base):
    """A person's word on a suggested match: confirmed or refused, as the lines stood; the latest one not revoked counts."""

    __tablename__ = "match_decision"

    decision_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    scope: Mapped[str] = mapped_column(sa.String(200), index=True)
    reconciliation: Mapped[str] = mapped_column(sa.String(200), index=True)
    match_id: Mapped[str] = mapped_column(sa.String(400))
    verdict: Mapped[str] = mapped_column(sa.String(20))
    """confirmed or refused."""
    lines: Mapped[list[dict[str, str]]] = mapped_column(sa.JSON)
    """Every line of the match: side, entity, entity_id."""
    residual: Mapped[Decimal | None] = mapped_column(Money)
    reason: Mapped[str] = mapped_column(sa.Text)
    run_id: Mapped[str] = mapped_column(sa.String(32))
    as_of: Mapped[dt.date]
    said_by: Mapped[str] = mapped_column(sa.String(200))
    identity: Mapped[str] = mapped_column(sa.String(20))
    said_at: Mapped[dt.datetime] = mapped_column(Instant)
    revoked_by: Mapped[str | None] = mapped_column(sa.String(200))
    revoked_at: Mapped[dt.datetime | None] = mapped_column(Instant)


class Attestation(Base):
    """A person's word that the estimate at completion of a contract line stands, as of a day."""

    __tablename__ = "attestation"

    attestation_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    scope: Mapped[str] = mapped_column(sa.String(200), index=True)
    contract_line_id: Mapped[str] = mapped_column(sa.String(200), index=True)
    # What is attested: a cost in its currency, or hours.
    measure: Mapped[str] = mapped_column(sa.String(10), server_default="cost")
    amount: Mapped[Decimal] = mapped_column(Money)
    currency: Mapped[str | None] = mapped_column(sa.String(10))
    as_of: Mapped[dt.date]
    run_id: Mapped[str] = mapped_column(sa.String(32))
    comment: Mapped[str | None] = mapped_column(sa.Text)
    said_by: Mapped[str] = mapped_column(sa.String(200))
    identity: Mapped[str] = mapped_column(sa.String(20))
    said_at: Mapped[dt.datetime] = mapped_column(Instant)


class SavedView(Base):
    """Filters, search and order of a table that a person kept under a name."""

    __tablename__ = "saved_view"

    view_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    page: Mapped[str] = mapped_column(sa.String(40), index=True)
    name: Mapped[str] = mapped_column(sa.String(100))
    owner: Mapped[str] = mapped_column(sa.String(200))
    is_shared: Mapped[bool] = mapped_column(default=False)
    query: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    """Parts of the page's address by name, each with its values."""


class AlertSent(Base):
    """A piece of news that a channel was told, or is still to be told."""

    __tablename__ = "alert_sent"

    alert_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    run_id: Mapped[str] = mapped_column(sa.String(32), index=True)
    channel: Mapped[str] = mapped_column(sa.String(60))
    news: Mapped[str] = mapped_column(sa.String(80))
    """What is told once: the kind of news and the case."""
    title: Mapped[str] = mapped_column(sa.Text)
    body: Mapped[str] = mapped_column(sa.Text)
    state: Mapped[str] = mapped_column(sa.String(20), index=True)
    """waiting, sending (a sender has claimed it), sent or given_up."""
    tries: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None] = mapped_column(sa.Text)
    at: Mapped[dt.datetime] = mapped_column(Instant)


class LegalHold(Base):
    """A hold: what it names is kept whatever its age, until somebody releases it."""

    __tablename__ = "legal_hold"

    hold_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    scope: Mapped[str] = mapped_column(sa.String(200), index=True)
    contract_id: Mapped[str | None] = mapped_column(sa.String(200))
    """The contract it is about; without one, everything of the firm is held."""
    reason: Mapped[str] = mapped_column(sa.Text)
    placed_by: Mapped[str] = mapped_column(sa.String(200))
    placed_at: Mapped[dt.datetime] = mapped_column(Instant)
    released_by: Mapped[str | None] = mapped_column(sa.String(200))
    released_at: Mapped[dt.datetime | None] = mapped_column(Instant)


class PeriodClose(Base):
    """The close of a period: its state, the run it rests on, and the certificate people signed."""

    __tablename__ = "period_close"

    close_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    scope: Mapped[str] = mapped_column(sa.String(200), index=True)
    period: Mapped[str] = mapped_column(sa.String(10), index=True)
    state: Mapped[str] = mapped_column(sa.String(20))
    """started, locked or reopened; a reopened close is followed by another one."""
    run_id: Mapped[str] = mapped_column(sa.String(32))
    started_by: Mapped[str] = mapped_column(sa.String(200))
    started_at: Mapped[dt.datetime] = mapped_column(Instant)
    certificate: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    certificate_hash: Mapped[str] = mapped_column(sa.String(64))
    locked_at: Mapped[dt.datetime | None] = mapped_column(Instant)
    reopened_at: Mapped[dt.datetime | None] = mapped_column(Instant)
    reason: Mapped[str | None] = mapped_column(sa.Text)


class CloseSignature(Base):
    """A person's signature under a certificate, or under its reopening."""

    __tablename__ = "close_signature"

    signature_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    close_id: Mapped[int] = mapped_column(sa.ForeignKey("period_close.close_id"), index=True)
    purpose: Mapped[str] = mapped_column(sa.String(20))
    """close or reopen."""
    role: Mapped[str] = mapped_column(sa.String(60))
    name: Mapped[str] = mapped_column(sa.String(200))
    identity: Mapped[str] = mapped_column(sa.String(20))
    at: Mapped[dt.datetime] = mapped_column(Instant)
    certificate_hash: Mapped[str] = mapped_column(sa.String(64))


class AuditHead(Base):
    """The end of the audit log: one row, locked while an entry is added."""

    __tablename__ = "audit_head"

    head_id: Mapped[int] = mapped_column(primary_key=True)
    sequence: Mapped[int]
    hash: Mapped[str] = mapped_column(sa.String(64))


class AuditEntry(Base):
    """One entry of the audit log, chained to the one before by its hash; never changed."""

    __tablename__ = "audit_entry"

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[str] = mapped_column(sa.String(40))
    actor: Mapped[str] = mapped_column(sa.String(200))
    identity: Mapped[str] = mapped_column(sa.String(20))
    action: Mapped[str] = mapped_column(sa.String(60))
    subject: Mapped[str] = mapped_column(sa.String(300))
    body: Mapped[str] = mapped_column(sa.Text)
    previous_hash: Mapped[str] = mapped_column(sa.String(64))
    hash: Mapped[str] = mapped_column(sa.String(64))
