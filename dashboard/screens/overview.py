"""Overview: how the firm stands, what changed since the last night, and what waits."""

from __future__ import annotations

import streamlit as st

from dashboard.components.baseline import show_baseline
from dashboard.components.changes import show_changes
from dashboard.components.figures import show_figure, show_figures
from dashboard.components.queue import show_queue
from dashboard.components.shell import empty, page
from dashboard.views.kpis import figures
from dashboard.views.runs import compared, run_before

with page("Overview") as here:
    st.caption(f"{here.run.snapshot}, as of {here.run.as_of}")
    show_queue(here)
    found = figures(here.run)
    st.subheader("Figures")
    if not here.person.sight.is_whole:
        empty("These figures are of the whole firm, and you see a part of it.", "Somebody who sees all of it can show you.")
    elif not found:
        empty("This run has no KPIs.", "Add policies of the kind `kpi`.")
    else:
        chosen = show_figures(found)
        show_figure(here, [each for each in found if each.kpi == chosen])
    show_baseline(here)
    st.subheader("Since the last run")
    before = run_before(here.runs, here.run)
    if before is None:
        empty("This is the firm's first run.", "What changed is shown from the second night on.")
    else:
        show_changes(compared(before, here.run), brief=True)
        st.page_link("screens/runs.py", label="The whole comparison", icon=":material/compare_arrows:")
