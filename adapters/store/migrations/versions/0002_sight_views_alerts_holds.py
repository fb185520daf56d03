"""Whose a case is, saved views, alerts and legal holds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from adapters.store.tables import Instant

revision = "0002"
down_revision = "0001"

_PLACES = ("legal_entity_id", "project_id")


def upgrade() -> None:
    """Add the columns and tables; the next night fills the cases' columns."""
    for name in _PLACES:
        op.add_column("case", sa.Column(name, sa.String(200)))
        op.create_index(f"ix_case_{name}", "case", [name])
    op.add_column("case", sa.Column("shows_cost", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table(
        "saved_view",
        sa.Column("view_id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("page", sa.String(40), nullable=False, index=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("is_shared", sa.Boolean, nullable=False),
        sa.Column("query", sa.JSON, nullable=False),
    )
    op.create_table(
        "alert_sent",
        sa.Column("alert_id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("run_id", sa.String(32), nullable=False, index=True),
        sa.Column("channel", sa.String(60), nullable=False),
        sa.Column("news", sa.String(80), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("state", sa.String(20), nullable=False, index=True),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("last_error", sa.Text),
        sa.Column("at", Instant, nullable=False),
    )
    op.create_table(
        "legal_hold",
        sa.Column("hold_id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("scope", sa.String(200), nullable=False, index=True),
        sa.Column("contract_id", sa.String(200)),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("placed_by", sa.String(200), nullable=False),
        sa.Column("placed_at", Instant, nullable=False),
        sa.Column("released_by", sa.String(200)),
        sa.Column("released_at", Instant),
    )


def downgrade() -> None:
    """Refuse: what people kept is never thrown away."""
    raise NotImplementedError("the store is not taken back to before its second tables")
