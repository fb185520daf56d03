"""What people can do that releases most money: approve this time, have that milestone accepted."""

from __future__ import annotations

import streamlit as st

from dashboard.components.shell import Here
from dashboard.components.tables import small_table
from dashboard.views.unblock import COLUMNS, MOST, actions_of


def show_unblock(here: Here) -> None:
    """Show the acts that release most money, the most first, as far as the person sees what is held."""
    with st.spinner("Ranking what could be done…", show_time=True):
        found = actions_of(here.run)
    small_table(found, COLUMNS, "Nothing waits for a person: no act would release money.")
    if not found.is_empty():
        st.caption(f"At most {MOST} acts, by what they release; one act is what is to be done in one project. An item under Held says why.")
