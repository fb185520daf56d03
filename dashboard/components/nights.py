"""What a run read, and two runs beside each other."""

from __future__ import annotations

import streamlit as st

from dashboard.components.browse import browse
from dashboard.components.changes import show_changes
from dashboard.components.shell import Here, empty
from dashboard.views.runs import FILE_COLUMNS, compared, files_frame, run_before
from dashboard.views.tables import FrameRows


def show_files(here: Here) -> None:
    """Show the files the shown run read, with every row counted."""
    if not here.person.sight.is_whole:
        empty("The files are of the whole firm, and you see a part of it.")
        return
    st.caption(f"What {here.run.label} read: every row is used, held or set aside.")
    browse(FrameRows(files_frame(here.run), FILE_COLUMNS, ["source", "path"]), "files")


def show_comparison(here: Here) -> None:
    """Show two runs of the firm beside each other."""
    labels = {each.run_id: each.label for each in here.runs}
    before = run_before(here.runs, here.run)
    if before is None:
        empty("There is only one run of this firm.", "Run the next night's snapshot.")
        return
    sides = st.columns(2)
    ids = list(labels)
    left = sides[0].selectbox("Earlier", ids, ids.index(before.run_id), format_func=labels.__getitem__)
    right = sides[1].selectbox("Later", ids, ids.index(here.run.run_id), format_func=labels.__getitem__)
    entries = {each.run_id: each for each in here.runs}
    if left == right:
        empty("Both sides are the same run.", "Choose two.")
    else:
        show_changes(compared(entries[left], entries[right]))
