"""Runs, cases with their history, approvals, and the audit log that nothing can change."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from adapters.store.tables import Instant, Money

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_APPEND_ONLY = ("audit_entry", "case_event", "close_signature")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "run",
        sa.Column("run_id", sa.String(32), primary_key=True),
        sa.Column("scope", sa.String(200), nullable=False, index=True),
        sa.Column("snapshot", sa.String(200)),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("known_on", sa.Date),
        sa.Column("policies_fingerprint", sa.String(64), nullable=False),
        sa.Column("engine_version", sa.String(64), nullable=False),
        sa.Column("schema_version", sa.String(20), nullable=False),
        sa.Column("manifest_sha256", sa.String(64), nullable=False),
        sa.Column("findings", sa.Integer, nullable=False),
        sa.Column("moved_cases", sa.Boolean, nullable=False),
        sa.Column("came_from", sa.JSON, nullable=False),
        sa.Column("published_at", Instant, nullable=False),
    )
    op.create_table(
        "case",
        sa.Column("case_id", sa.String(32), primary_key=True),
        sa.Column("finding_id", sa.String(32), nullable=False, index=True),
        sa.Column("scope", sa.String(200), nullable=False, index=True),
        sa.Column("state", sa.String(20), nullable=False, index=True),
        sa.Column("stage", sa.String(20), nullable=False),
        sa.Column("kind", sa.String(60), nullable=False),
        sa.Column("rule", sa.String(80), nullable=False, index=True),
        sa.Column("severity", sa.String(10), nullable=False, index=True),
        sa.Column("entity", sa.String(60)),
        sa.Column("entity_id", sa.String(300)),
        sa.Column("contract_id", sa.String(200), index=True),
        sa.Column("systems", sa.String(200), nullable=False),
        sa.Column("period", sa.String(10)),
        sa.Column("amount", Money),
        sa.Column("currency", sa.String(10)),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("remedy", sa.Text),
        sa.Column("owner", sa.String(100)),
        sa.Column("opened_on", sa.Date, nullable=False),
        sa.Column("first_run", sa.String(32), nullable=False),
        sa.Column("last_run", sa.String(32), nullable=False),
        sa.Column("last_seen_on", sa.Date, nullable=False),
        sa.Column("resolved_on", sa.Date),
        sa.Column("resolution", sa.String(20)),
        sa.Column("reopened", sa.Integer, nullable=False),
        sa.Column("assignee", sa.String(200), index=True),
        sa.Column("reason_code", sa.String(60)),
        sa.Column("snoozed_until", sa.Date),
        sa.Column("expires_on", sa.Date),
        sa.Column("cause_id", sa.String(32), index=True),
    )
    _create_history()
    _refuse_changes()


def _create_history() -> None:
    op.create_table(
        "case_event",
        sa.Column("event_id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("case_id", sa.String(32), nullable=False, index=True),
        sa.Column("at", Instant, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("identity", sa.String(20), nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("run_id", sa.String(32)),
        sa.Column("before", sa.JSON),
        sa.Column("after", sa.JSON),
        sa.Column("comment", sa.Text),
    )
    op.create_table(
        "approval",
        sa.Column("approval_id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False, index=True),
        sa.Column("needs_role", sa.String(60), nullable=False),
        sa.Column("requested_by", sa.String(200), nullable=False),
        sa.Column("requested_at", Instant, nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("state", sa.String(20), nullable=False, index=True),
        sa.Column("decided_by", sa.String(200)),
        sa.Column("decided_at", Instant),
        sa.Column("comment", sa.Text),
    )
    _create_closes()
    op.create_table(
        "audit_head",
        sa.Column("head_id", sa.Integer, primary_key=True),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_table(
        "audit_entry",
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.String(40), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("identity", sa.String(20), nullable=False),
        sa.Column("action", sa.String(60), nullable=False),
        sa.Column("subject", sa.String(300), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("previous_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.execute(sa.text("INSERT INTO audit_head (head_id, sequence, hash) VALUES (1, 0, '')"))


def _create_closes() -> None:
    op.create_table(
        "period_close",
        sa.Column("close_id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("scope", sa.String(200), nullable=False, index=True),
        sa.Column("period", sa.String(10), nullable=False, index=True),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("run_id", sa.String(32), nullable=False),
        sa.Column("started_by", sa.String(200), nullable=False),
        sa.Column("started_at", Instant, nullable=False),
        sa.Column("certificate", sa.JSON, nullable=False),
        sa.Column("certificate_hash", sa.String(64), nullable=False),
        sa.Column("locked_at", Instant),
        sa.Column("reopened_at", Instant),
        sa.Column("reason", sa.Text),
    )
    op.create_table(
        "close_signature",
        sa.Column("signature_id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("close_id", sa.Integer, sa.ForeignKey("period_close.close_id"), nullable=False, index=True),
        sa.Column("purpose", sa.String(20), nullable=False),
        sa.Column("role", sa.String(60), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("identity", sa.String(20), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("certificate_hash", sa.String(64), nullable=False),
    )


def _refuse_changes() -> None:
    """Let the database itself refuse to change or remove what was logged."""
    if op.get_bind().dialect.name == "sqlite":
        for table in _APPEND_ONLY:
            for event in ("UPDATE", "DELETE"):
                op.execute(
                    f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, 'entries of {table} are never changed'); END"
                )
        return
    op.execute(
        "CREATE FUNCTION tieout_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'entries of % are never changed', TG_TABLE_NAME; END $$"
    )
    for table in _APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION tieout_append_only()"
        )


def downgrade() -> None:
    """Refuse: what was logged is never thrown away."""
    raise NotImplementedError("the store is not taken back to before its first tables")
