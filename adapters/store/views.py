"""Views of a page's table that people keep under a name, for themselves or for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from adapters.store.audit import Actor, record
from adapters.store.permissions import require
from adapters.store.tables import SavedView
from engine.errors import UsageError

_LONGEST = 100


def list_views(session: Session, actor: Actor, page: str) -> list[SavedView]:
    """Return the views of a page that a person has: their own, and those shared by others."""
    query = sa.select(SavedView).where(SavedView.page == page, sa.or_(SavedView.owner == actor.name, SavedView.is_shared))
    return list(session.execute(query.order_by(sa.func.lower(SavedView.name), SavedView.view_id)).scalars())


def save_view(
    session: Session, actor: Actor, page: str, name: str, query: Mapping[str, Sequence[str]], *, shared: bool = False
) -> SavedView:  # fmt: skip
    """Keep a view under a name, in place of the person's own view of that name.

    Raises UsageError without a name, or for who may not share.
    """
    if shared:
        require(actor, "share a view")
    name = name.strip()
    if not name or len(name) > _LONGEST:
        raise UsageError("The view has no name that could be shown.", f"Give it one of at most {_LONGEST} characters.")
    wanted = (SavedView.page == page, SavedView.owner == actor.name, SavedView.name == name)
    view = session.execute(sa.select(SavedView).where(*wanted)).scalars().first() or SavedView(page=page, owner=actor.name, name=name)
    view.is_shared, view.query = shared, {key: list(values) for key, values in query.items()}
    session.add(view)
    session.flush()
    record(session, actor, "view.saved", f"{page}:{name}", {"shared": shared, "query": view.query})
    return view


def remove_view(session: Session, actor: Actor, view_id: int) -> None:
    """Forget a view; raises UsageError when it is another person's."""
    view = session.get(SavedView, view_id)
    if view is None:
        raise UsageError("There is no such view.", "Load the page again.")
    if view.owner != actor.name:
        raise UsageError(f"The view is {view.owner}'s.", "Only who saved it removes it.")
    session.delete(view)
    record(session, actor, "view.removed", f"{view.page}:{view.name}", {})
