"""What a logged purge may take away: the marks on runs, and a way past the lock on the history of purged cases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from adapters.store.tables import Instant

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the marks; the history of a case may go only while the case is named in `purging`."""
    op.add_column("run", sa.Column("purged_at", Instant))
    op.add_column("run", sa.Column("evidence_purged_at", Instant))
    op.create_table("purging", sa.Column("case_id", sa.String(32), primary_key=True))
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER case_event_no_delete")
        op.execute(
            "CREATE TRIGGER case_event_no_delete BEFORE DELETE ON case_event "
            "WHEN NOT EXISTS (SELECT 1 FROM purging WHERE purging.case_id = OLD.case_id) "
            "BEGIN SELECT RAISE(ABORT, 'entries of case_event are never changed'); END"
        )
        return
    op.execute("DROP TRIGGER case_event_append_only ON case_event")
    op.execute(
        "CREATE FUNCTION tieout_purge_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF TG_OP = 'DELETE' AND EXISTS (SELECT 1 FROM purging WHERE purging.case_id = OLD.case_id) THEN RETURN OLD; END IF; "
        "RAISE EXCEPTION 'entries of % are never changed', TG_TABLE_NAME; END $$"
    )
    op.execute(
        "CREATE TRIGGER case_event_append_only BEFORE UPDATE OR DELETE ON case_event FOR EACH ROW EXECUTE FUNCTION tieout_purge_only()"
    )


def downgrade() -> None:
    """Refuse: what was purged does not come back."""
    raise NotImplementedError("the store is not taken back to before retention")
