"""Indexes of the queue within each rule, kind and contract, of when cases opened and of who acted; lone columns they replace go."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_REPLACED = ("scope", "state", "severity", "rule", "contract_id")
_WITHIN = ("rule", "kind", "contract_id")


def upgrade() -> None:
    """Take the indexes of lone columns away, add those of the queue, and offer severities as a filter."""
    for name in _REPLACED:
        op.drop_index(f"ix_case_{name}", "case")
    for name in _WITHIN:
        within = ("scope", "state", name, "gravity")
        op.create_index(f"ix_case_queue_{name}", "case", [*within, sa.text("weight DESC"), "opened_on", "case_id"])
    op.create_index("ix_case_opened", "case", ["scope", "opened_on"])
    op.create_index("ix_case_event_identity", "case_event", ["identity", "at"])
    counted = "SELECT scope, 'severity', severity, COUNT(*) FROM \"case\" GROUP BY scope, severity"
    op.execute(f"INSERT INTO case_value (scope, name, value, count) {counted}")


def downgrade() -> None:
    """Refuse, as all do."""
    raise NotImplementedError("the store is not taken back to before the queue's filters")
