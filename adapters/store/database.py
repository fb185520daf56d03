"""Opening the store: its address, its migrations, and transactions that wait their turn."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from engine.errors import StoreError

STORE_FILE: Final = "tieout.db"
STORE_VARIABLE: Final = "TIEOUT_STORE"

HEAD: Final = "0007"
"""The newest migration; a store that has it needs none."""

_WRITES: Final = "tieout_writes"
# Seconds a writer waits for another one's transaction.
_PATIENCE: Final = 60


def store_url(out: Path, given: str | None = None) -> str:
    """Return the store's address: the one given, else $TIEOUT_STORE, else the file beside the runs."""
    return given or os.environ.get(STORE_VARIABLE) or f"sqlite:///{out / STORE_FILE}"


class Store:
    """An open store; `read` and `write` give sessions whose work is one transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    @contextlib.contextmanager
    def read(self) -> Iterator[Session]:
        """Give a session to look at the store."""
        with _told(self.engine), Session(self.engine) as session:
            yield session

    @contextlib.contextmanager
    def write(self) -> Iterator[Session]:
        """Give a session whose changes are kept together at its end, or not at all."""
        writing = self.engine.execution_options(**{_WRITES: True})
        with _told(self.engine), Session(writing, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()


_REMEDY: Final = "Check that the database runs and its disk has space, then try again"
_REMEDIES: Final = {
    ("not a database", "malformed"): "Bring the file back from a backup, or move it aside: the next run begins a new one",
    ("unable to open", "readonly", "read-only"): "Check that its folder is there and that you may write in it",
}
"""What helps, by what the database says."""


@contextlib.contextmanager
def _told(engine: sa.Engine) -> Iterator[None]:
    """Tell a failing database as a StoreError that names it: nothing of the transaction was kept."""
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.DBAPIError) as error:
        reason = str(error.orig).strip().split("\n", 1)[0] if error.orig is not None else str(error)
        remedy = next((said for words, said in _REMEDIES.items() if any(word in reason for word in words)), _REMEDY)
        place = engine.url.database if engine.dialect.name == "sqlite" else engine.url.render_as_string(hide_password=True)
        raise StoreError(f"The store {place} cannot be used: {reason}.", f"{remedy}; nothing was changed.") from error


def open_store(url: str) -> Store:
    """Open a store, creating or upgrading its tables. Raises StoreError when it cannot be reached."""
    try:
        engine = sa.create_engine(_with_driver(url), connect_args={"timeout": _PATIENCE} if url.startswith("sqlite") else {})
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreError(f"'{url}' is no address of a store.", "Write sqlite:///FILE or postgresql://…") from error
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    with _told(engine):
        _upgrade(engine)
    return Store(engine)


def _with_driver(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://", 1) if url.startswith("postgresql://") else url


def _prepare_sqlite(engine: sa.Engine) -> None:
    """Let writers take the lock when they begin, so that none decides on what another is changing."""

    @sa.event.listens_for(engine, "connect")
    def _connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @sa.event.listens_for(engine, "begin")
    def _begun(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(_WRITES) else "BEGIN")


def _upgrade(engine: sa.Engine) -> None:
    if _revision(engine) == HEAD:
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.execution_options(**{_WRITES: True}).begin() as connection:
        if engine.dialect.name == "postgresql":
            # Two programs that open a new database at once: the second waits and finds it ready.
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(7412001)"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _revision(engine: sa.Engine) -> str | None:
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
