"""Runs: the nights, what each read, and two beside each other."""

from __future__ import annotations

from dashboard.components.browse import browse
from dashboard.components.nights import show_comparison, show_files
from dashboard.components.shell import page
from dashboard.components.tables import opened_tabs
from dashboard.views.runs import COLUMNS, runs_frame
from dashboard.views.tables import FrameRows, Query

with page("Runs", "Every night's results stand; any two can be laid beside each other.") as here:
    for tab in opened_tabs(["Nights", "Files read", "Compare two"], "runs:tab"):
        if tab == "Nights":
            browse(FrameRows(runs_frame(here.runs), COLUMNS, ["run_id"]), "", usual=Query(sort="as_of", descending=True))
        elif tab == "Files read":
            show_files(here)
        else:
            show_comparison(here)
