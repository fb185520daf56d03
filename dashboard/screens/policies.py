"""Policies: what finance wrote, its mistakes in place, its tables; what a change moves, who approves it, the log."""

from __future__ import annotations

import streamlit as st

from dashboard.components.browse import browse
from dashboard.components.policy import show_diagnostics, show_policy
from dashboard.components.policy_approval import show_log, show_proposing, show_waiting
from dashboard.components.shell import page
from dashboard.components.tables import opened_tabs
from dashboard.views.policies import COLUMNS, checked_policies, policies_frame
from dashboard.views.tables import FrameRows, Query

with page("Policies", "What finance wrote, as it stands now. Choose one to see its rules.") as here:
    store = here.workspace.open_store()
    try:
        for tab in opened_tabs(["Policies", "Propose", "To approve", "Log"], "policies:tab"):
            if tab == "Propose":
                show_proposing(here, store)
            elif tab == "To approve":
                show_waiting(here, store)
            elif tab == "Log":
                show_log(here, store)
            else:
                policies, diagnostics = checked_policies(here.workspace.policies)
                show_diagnostics(diagnostics)
                rows = FrameRows(policies_frame(policies), COLUMNS, ["file"])
                chosen = browse(rows, "", usual=Query(sort="kind"), key="file", height=380)
                if chosen:
                    show_policy(here, policies, chosen)
                else:
                    st.caption(f"{len(policies.policies)} policies in {here.workspace.policies}.")
    finally:
        store.close()
