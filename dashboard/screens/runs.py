"""Runs: the nights, what each read, and two beside each other."""

from __future__ import annotations

import streamlit as st

from dashboard.components.browse import browse
from dashboard.components.changes import show_changes
from dashboard.components.shell import empty, page
from dashboard.views.runs import COLUMNS, FILE_COLUMNS, compared, files_frame, run_before, runs_frame
from dashboard.views.tables import FrameRows, Query

with page("Runs", "Every night's results stand; any two can be laid beside each other.") as here:
    nights, files, compare = st.tabs(["Nights", "Files read", "Compare two"])
    with nights:
        browse(FrameRows(runs_frame(here.runs), COLUMNS, ["run_id"]), "", usual=Query(sort="as_of", descending=True))
    with files:
        if here.person.sight.is_whole:
            st.caption(f"What {here.run.label} read: every row is used, held or set aside.")
            browse(FrameRows(files_frame(here.run), FILE_COLUMNS, ["source", "path"]), "files")
        else:
            empty("The files are of the whole firm, and you see a part of it.")
    with compare:
        labels = {each.run_id: each.label for each in here.runs}
        before = run_before(here.runs, here.run)
        if before is None:
            empty("There is only one run of this firm.", "Run the next night's snapshot.")
        else:
            sides = st.columns(2)
            ids = list(labels)
            left = sides[0].selectbox("Earlier", ids, ids.index(before.run_id), format_func=labels.__getitem__)
            right = sides[1].selectbox("Later", ids, ids.index(here.run.run_id), format_func=labels.__getitem__)
            entries = {each.run_id: each for each in here.runs}
            if left == right:
                empty("Both sides are the same run.", "Choose two.")
            else:
                show_changes(compared(entries[left], entries[right]))
