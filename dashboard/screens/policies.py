"""Policies: what finance wrote, its mistakes in place, its tables."""

from __future__ import annotations

import streamlit as st

from dashboard.components.browse import browse
from dashboard.components.policy import show_diagnostics, show_policy
from dashboard.components.shell import page
from dashboard.views.policies import COLUMNS, checked_policies, policies_frame
from dashboard.views.tables import FrameRows, Query

with page("Policies", "What finance wrote, as it stands now. Choose one to see its rules.") as here:
    policies, diagnostics = checked_policies(here.workspace.policies)
    show_diagnostics(diagnostics)
    chosen = browse(FrameRows(policies_frame(policies), COLUMNS, ["file"]), "", usual=Query(sort="kind"), key="file", height=380)
    if chosen:
        show_policy(here, policies, chosen)
    else:
        st.caption(f"{len(policies.policies)} policies in {here.workspace.policies}.")
