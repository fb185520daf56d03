"""What a word on an estimate at completion is about: cost, as all were before, or hours."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Say of every word given that it was about cost."""
    op.add_column("attestation", sa.Column("measure", sa.String(10), nullable=False, server_default="cost"))


def downgrade() -> None:
    """Refuse, as all do."""
    raise NotImplementedError("the store is not taken back to before hours were attested")
