"""Exceptions: the queue, one exception in detail or several at once, and what people do with them."""

from __future__ import annotations

import streamlit as st

from dashboard.components.browse import browse_several
from dashboard.components.case import show_case, show_several
from dashboard.components.queue import show_queue
from dashboard.components.shell import page
from dashboard.components.unblock import show_unblock
from dashboard.components.views import show_views
from dashboard.views.cases import USUAL, case_rows

with page(
    "Exceptions", "Causes first, the gravest and the most money on top. Choose a row to see why and to act, several to act on all."
) as here:
    show_queue(here)
    store = here.workspace.open_store()
    try:
        show_views(here, store, "exceptions", "")
        if st.toggle("What people can do that releases most money", key="exceptions:unblock"):
            show_unblock(here)
        rows = case_rows(here.workspace, store, here.run.scope, here.person.sight)
        chosen = browse_several(rows, "", "case_id", usual=USUAL, nothing="No exception: everything ties out.", height=380)
        if len(chosen.keys) > 1:
            show_several(here, store, chosen.keys)
        elif chosen.record:
            show_case(here, store, chosen.record)
    finally:
        store.close()
