"""An order of the queue that a database can read from an index; attachments; people's decisions on matches and estimates."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from adapters.store.tables import Instant, Money

revision = "0004"
down_revision = "0003"

_SAID = (("said_by", sa.String(200)), ("identity", sa.String(20)), ("said_at", Instant))


def upgrade() -> None:
    """Add them; what cases have is ranked and weighed at once."""
    op.add_column("case", sa.Column("gravity", sa.Integer, nullable=False, server_default="9"))
    op.add_column("case", sa.Column("weight", sa.BigInteger, nullable=False, server_default="0"))
    rank = "CASE severity WHEN 'critical' THEN 0 WHEN 'high' THEN 1 WHEN 'medium' THEN 2 WHEN 'low' THEN 3 ELSE 9 END"
    op.execute(f'UPDATE "case" SET gravity = {rank}, weight = ABS(COALESCE(amount, 0))')
    op.create_index("ix_case_queue", "case", ["scope", "state", "gravity", sa.text("weight DESC"), "opened_on", "case_id"])
    op.create_index("ix_case_cause", "case", ["scope", "cause_id", "state"])
    op.create_index("ix_case_totals", "case", ["scope", "state", "severity", "currency", "weight"])
    op.create_table(
        "attachment",
        sa.Column("attachment_id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("case_id", sa.String(32), sa.ForeignKey("case.case_id"), nullable=False, index=True),
        sa.Column("sha256", sa.String(64), nullable=False, index=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        *_said(),
    )
    op.create_table(
        "match_decision",
        sa.Column("decision_id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("scope", sa.String(200), nullable=False, index=True),
        sa.Column("reconciliation", sa.String(200), nullable=False, index=True),
        sa.Column("match_id", sa.String(400), nullable=False),
        sa.Column("verdict", sa.String(20), nullable=False),
        sa.Column("lines", sa.JSON, nullable=False),
        sa.Column("residual", Money),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("run_id", sa.String(32), nullable=False),
        sa.Column("as_of", sa.Date, nullable=False),
        *_said(),
        sa.Column("revoked_by", sa.String(200)),
        sa.Column("revoked_at", Instant),
    )
    op.create_table(
        "attestation",
        sa.Column("attestation_id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("scope", sa.String(200), nullable=False, index=True),
        sa.Column("contract_line_id", sa.String(200), nullable=False, index=True),
        sa.Column("amount", Money, nullable=False),
        sa.Column("currency", sa.String(10)),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("run_id", sa.String(32), nullable=False),
        sa.Column("comment", sa.Text),
        *_said(),
    )


def _said() -> list[sa.Column[object]]:
    return [sa.Column(name, kind, nullable=False) for name, kind in _SAID]


def downgrade() -> None:
    """Refuse: what people decided is never thrown away."""
    raise NotImplementedError("the store is not taken back to before people's decisions")
