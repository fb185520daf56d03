"""Record: any id, from what was decided back to the file and row."""

from __future__ import annotations

import streamlit as st

from dashboard.components.record import choose_record, show_record
from dashboard.components.shell import page

with page("Record", "Any id of any system's record: what the systems say, what is agreed, what came of it.") as here:
    identity = choose_record(here)
    if identity:
        show_record(here, identity)
    else:
        st.caption("Write an id or a part of a name: a contract, a project, an invoice, a time entry, a journal.")
