"""Runs: the nights, what each read, and two beside each other."""

from __future__ import annotations

import streamlit as st

from dashboard.components.browse import browse
from dashboard.components.changes import show_changes
from dashboard.components.shell import Here, empty, page
from dashboard.components.tables import opened_tabs
from dashboard.views.runs import COLUMNS, FILE_COLUMNS, compared, files_frame, run_before, runs_frame
from dashboard.views.tables import FrameRows, Query


def _files(here: Here) -> None:
    if not here.person.sight.is_whole:
        empty("The files are of the whole firm, and you see a part of it.")
        return
    st.caption(f"What {here.run.label} read: every row is used, held or set aside.")
    browse(FrameRows(files_frame(here.run), FILE_COLUMNS, ["source", "path"]), "files")


def _compare(here: Here) -> None:
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


with page("Runs", "Every night's results stand; any two can be laid beside each other.") as here:
    for tab in opened_tabs(["Nights", "Files read", "Compare two"], "runs:tab"):
        if tab == "Nights":
            browse(FrameRows(runs_frame(here.runs), COLUMNS, ["run_id"]), "", usual=Query(sort="as_of", descending=True))
        elif tab == "Files read":
            _files(here)
        else:
            _compare(here)
