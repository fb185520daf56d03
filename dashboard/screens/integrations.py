"""Integrations: how the flows between systems run, and which events are stuck."""

from __future__ import annotations

import streamlit as st

from dashboard.components.browse import browse
from dashboard.components.shell import empty, page, whole_firm_only
from dashboard.views.integrations import FAILURES, FLOWS, flows, troubled
from dashboard.views.tables import FrameRows, Query

with page("Integrations", "What one system sends another: on time, once, and all of it.") as here:
    whole_firm_only(here, "The flow between systems")
    frame, stuck = flows(here.run), troubled(here.run)
    st.subheader("Flows")
    if frame is None:
        empty("No policy speaks of flows.", "Add policies of the kind `flow`, and a source that supplies integration events.")
    else:
        browse(FrameRows(frame, FLOWS, ["flow"]), "", usual=Query(sort="failed", descending=True))
    st.subheader("Events that are not processed")
    if stuck is None:
        empty("No source supplies integration events.")
    else:
        browse(
            FrameRows(stuck, FAILURES, ["event_id"]), "events", usual=Query(sort="occurred_at", descending=True), nothing="None is stuck."
        )
