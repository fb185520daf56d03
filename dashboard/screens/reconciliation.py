"""Reconciliation: the matrix of systems, a tie-out, its breaks and matches side by side."""

from __future__ import annotations

import streamlit as st

from dashboard.components.browse import browse
from dashboard.components.shell import empty, page, whole_firm_only
from dashboard.components.tie_out import show_matrix, show_tie_out
from dashboard.views.reconciliation import TIE_OUTS, matrix, tie_outs
from dashboard.views.tables import FrameRows, Query

with page("Reconciliation", "What must tie to what: system by system, tie-out by tie-out, line by line.") as here:
    whole_firm_only(here, "Reconciliation")
    cells, frame = matrix(here.run), tie_outs(here.run)
    if cells is None or frame is None:
        empty("This run made no tie-out.", "Add policies of the kind `reconciliation`.")
        st.stop()
    show_matrix(cells)
    st.subheader("Tie-outs")
    rows = FrameRows(frame, TIE_OUTS, ["reconciliation", "scope", "period", "currency"])
    chosen = browse(rows, "", usual=Query(sort="status"), key="reconciliation", height=330)
    if chosen:
        show_tie_out(here, chosen)
