"""The open exceptions by severity, with their money."""

from __future__ import annotations

import streamlit as st

from dashboard.components.shell import Here
from dashboard.views.cases import queue_summary
from dashboard.views.formats import money, number


def show_queue(here: Here) -> None:
    """Show how many exceptions are open by severity, and what is at risk."""
    store = here.workspace.open_store()
    try:
        summary = queue_summary(store, here.run.scope, here.person.sight)
    finally:
        store.close()
    for place, each in zip(st.columns(len(summary)), summary, strict=True):
        at_risk = "  \n".join(money(total, currency) for currency, total in each["money"].items())
        with place.container(border=True):
            st.metric(f"Open, {each['severity']}", number(each["count"]))
            st.caption(at_risk or "no amount at risk")
