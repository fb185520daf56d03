"""Close: what stands between a period and its close, and its certificate."""

from __future__ import annotations

import streamlit as st

from dashboard.components.close import show_board, show_certificate
from dashboard.components.shell import page, whole_firm_only
from dashboard.views.close import close_state, periods

with page("Close", "What stands between a period and its close; the certificate that voids itself when its evidence changes.") as here:
    whole_firm_only(here, "The close")
    months = periods(here.run)
    asked = st.query_params.get("period")
    period = str(st.selectbox("Period", months, months.index(asked) if asked in months else 0, key="close:period"))
    if period != months[0] or asked:
        st.query_params["period"] = period
    store = here.workspace.open_store()
    try:
        state = close_state(here.workspace, store, here.run, period)
        left, right = st.columns([3, 2], gap="large")
        with left:
            show_board(state["board"])
        with right:
            show_certificate(here, store, period, state)
    finally:
        store.close()
