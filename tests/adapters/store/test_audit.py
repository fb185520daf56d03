"""The audit log tells when an entry was changed, removed, or cut off at its end."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from adapters.store.audit import Actor, record, verify
from adapters.store.database import HEAD, Store, open_store
from engine.errors import StoreError

ANNA = Actor("anna", roles=frozenset({"preparer"}))


def fill(store: Store, count: int = 3) -> None:
    for number in range(count):
        with store.write() as session:
            record(session, ANNA, "did", f"thing {number}", {"number": number})


def tamper(store: Store, statement: str) -> None:
    """Change the log as one could who owns the database: its refusals taken away first."""
    with store.engine.begin() as connection:
        if store.engine.dialect.name == "sqlite":
            for event in ("update", "delete"):
                connection.execute(sa.text(f"DROP TRIGGER IF EXISTS audit_entry_no_{event}"))
        else:
            connection.execute(sa.text("DROP TRIGGER IF EXISTS audit_entry_append_only ON audit_entry"))
        connection.execute(sa.text(statement))


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE audit_entry SET actor = 'ben' WHERE sequence = 2", "entry 2 (did of thing 1"),
        ("UPDATE audit_entry SET body = '{}' WHERE sequence = 1", "entry 1 (did of thing 0"),
        ("DELETE FROM audit_entry WHERE sequence = 2", "entry 2 is missing"),
        ("DELETE FROM audit_entry WHERE sequence = 3", "the log ends at entry 2, but 3 were written"),
    ],
)
def test_a_change_to_the_log_is_seen(store: Store, statement: str, problem: str) -> None:
    fill(store)
    tamper(store, statement)
    with store.read() as session:
        _, told = verify(session)
    assert told is not None and told.startswith(problem)


def test_a_log_that_nobody_touched_is_whole(store: Store) -> None:
    fill(store, 5)
    with store.read() as session:
        assert verify(session) == (5, None)


def test_writers_at_the_same_time_wait_for_each_other(store: Store) -> None:
    threads = [threading.Thread(target=fill, args=(store, 5)) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    with store.read() as session:
        assert verify(session) == (20, None)


def test_a_store_opened_twice_at_once_is_made_once(url: str) -> None:
    opened: list[Store] = []
    threads = [threading.Thread(target=lambda: opened.append(open_store(url))) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(opened) == 3
    fill(opened[0], 1)
    for one in opened:
        one.close()


def test_the_newest_migration_is_the_one_the_program_knows(store: Store) -> None:
    versions = sorted((Path(__file__).parents[3] / "adapters/store/migrations/versions").glob("*.py"))
    assert versions[-1].name.startswith(HEAD)
    with store.engine.connect() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() == HEAD


def test_the_tables_are_what_the_migrations_make(store: Store) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from adapters.store.tables import Base

    # The tool cannot compare an index by a falling value; that each is there is asked apart.
    falling = {"ix_case_queue", "ix_case_queue_rule", "ix_case_queue_kind", "ix_case_queue_contract_id"}
    opts = {"include_object": lambda _, name, kind, __, ___: kind != "index" or name not in falling}
    with store.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=opts), Base.metadata) == []
        made = sa.inspect(connection).get_indexes("case")
    assert falling <= {each["name"] for each in made}


@pytest.mark.parametrize("address", ["postgresql://nobody@127.0.0.1:1/none", "sqlite:////nowhere/at/all.db", "what?"])
def test_a_store_that_cannot_be_reached_says_so(address: str) -> None:
    with pytest.raises(StoreError):
        open_store(address)
