"""Exceptions: the queue, one exception in detail, and what people do with it."""

from __future__ import annotations

from dashboard.components.browse import browse
from dashboard.components.case import show_case
from dashboard.components.queue import show_queue
from dashboard.components.shell import page
from dashboard.views.cases import USUAL, case_rows

with page("Exceptions", "What is wrong, the gravest and the most money first. Choose a row to see why and to act.") as here:
    show_queue(here)
    store = here.workspace.open_store()
    try:
        rows = case_rows(here.workspace, store, here.run.scope, here.person.sight)
        chosen = browse(rows, "", usual=USUAL, key="case_id", nothing="No exception: everything ties out.", height=380)
        if chosen:
            show_case(here, store, chosen)
    finally:
        store.close()
