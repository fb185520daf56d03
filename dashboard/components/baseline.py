"""The run's month beside the baseline: what the tool has returned."""

from __future__ import annotations

import streamlit as st

from dashboard.components.shell import Here
from dashboard.components.tables import small_table
from dashboard.views.baseline import COLUMNS, against_baseline
from dashboard.views.cases import cases_policy
from dashboard.views.policies import load_policies


def show_baseline(here: Here) -> None:
    """Show effort, invoice cycle, close and exceptions beside the baseline; nothing where the policies name none."""
    if not here.person.sight.is_whole:
        return
    holidays = load_policies(here.workspace.policies).holidays()
    store = here.workspace.open_store()
    try:
        baseline = cases_policy(here.workspace, store, here.run.scope).baseline
        if baseline is None:
            return
        found = against_baseline(store, here.run, baseline, holidays)
    finally:
        store.close()
    st.subheader("Against the baseline")
    small_table(found, COLUMNS)
