"""Saved views: a person's own, shared with all, kept and removed."""

from __future__ import annotations

import pytest

from adapters.store.audit import Actor, verify
from adapters.store.database import Store
from adapters.store.views import list_views, remove_view, save_view
from engine.errors import UsageError

ANNA, BEN = (Actor(name, "signed_in", frozenset({"preparer"})) for name in ("anna", "ben"))
QUERY = {"f.severity": ["high", "critical"], "sort": ["-amount"]}


def test_a_view_is_the_persons_own_unless_shared(store: Store) -> None:
    with store.write() as session:
        save_view(session, ANNA, "exceptions", "mine", QUERY)
        save_view(session, ANNA, "exceptions", "for all", {}, shared=True)
    with store.read() as session:
        assert [(each.name, each.query) for each in list_views(session, ANNA, "exceptions")] == [("for all", {}), ("mine", QUERY)]
        assert [each.name for each in list_views(session, BEN, "exceptions")] == ["for all"]
        assert list_views(session, ANNA, "billing") == []


def test_a_view_kept_again_under_its_name_takes_its_place_and_is_logged(store: Store) -> None:
    with store.write() as session:
        first = save_view(session, ANNA, "exceptions", "mine", QUERY)
        assert save_view(session, ANNA, "exceptions", " mine ", {"q": ["x"]}).view_id == first.view_id
        assert verify(session) == (2, None)


def test_what_may_not_be_is_refused(store: Store) -> None:
    with store.write() as session:
        view = save_view(session, ANNA, "exceptions", "for all", QUERY, shared=True)
        with pytest.raises(UsageError, match="anna's"):
            remove_view(session, BEN, view.view_id)
        with pytest.raises(UsageError, match="no name"):
            save_view(session, ANNA, "exceptions", "  ", QUERY)
        with pytest.raises(UsageError, match="may not share"):
            save_view(session, Actor("eve", "signed_in", frozenset({"viewer"})), "exceptions", "x", QUERY, shared=True)
        remove_view(session, ANNA, view.view_id)
        assert list_views(session, ANNA, "exceptions") == []
