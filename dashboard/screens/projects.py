"""My projects: is the work approved, billable, billed and recognized; what blocks it."""

from __future__ import annotations

import streamlit as st

from dashboard.components.browse import browse
from dashboard.components.estimates import show_estimates
from dashboard.components.shell import empty, page
from dashboard.views.plain import plain
from dashboard.views.projects import COLUMNS, projects
from dashboard.views.tables import FrameRows, Query

with page(
    "My projects", "Is the work approved, billable, billed and recognized, and what blocks it. Filter on your name under Manager."
) as here:
    frame = projects(here.run)
    if frame is None:
        empty("This run has no projects.", "A source of the snapshot must supply them.")
        st.stop()
    rows = FrameRows(frame, COLUMNS, ["project_id", "currency"])
    chosen = browse(rows, "", usual=Query(sort="on_hold", descending=True), key="project_id")
    show_estimates(here, chosen)
    if chosen:
        label = f"Everything about {plain(chosen)}"
        st.page_link("screens/record.py", label=label, icon=":material/search:", query_params={"record": chosen})
