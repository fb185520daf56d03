"""What the queue is searched by, in a table of its own that is read fast, and the values its filters offer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add them, with what the cases have."""
    op.create_table(
        "case_text",
        sa.Column("case_id", sa.String(32), primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_table(
        "case_value",
        sa.Column("scope", sa.String(200), primary_key=True),
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("value", sa.String(300), primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
    )
    op.create_index("ix_case_scope_assignee", "case", ["scope", "assignee"])
    parts = " || ' ' || ".join(f"COALESCE({name}, '')" for name in ("message", "rule", "contract_id", "assignee", "entity_id", "case_id"))
    op.execute(f'INSERT INTO case_text (case_id, text) SELECT case_id, LOWER({parts}) FROM "case"')
    for name in ("rule", "contract_id", "owner", "stage", "kind", "entity", "period", "currency", "systems"):
        counted = f"SELECT scope, '{name}', COALESCE({name}, ''), COUNT(*) FROM \"case\" GROUP BY scope, COALESCE({name}, '')"
        op.execute(f"INSERT INTO case_value (scope, name, value, count) {counted}")


def downgrade() -> None:
    """Refuse, as all do."""
    raise NotImplementedError("the store is not taken back to before the queue's search")
