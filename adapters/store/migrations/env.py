"""Migrations run on the connection that opens the store."""

from __future__ import annotations

from alembic import context

from adapters.store.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
context.run_migrations()
