"""One billing decision: why, why not otherwise, and what would flip it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from adapters.explain_decision import explain_decision, render_decision
from dashboard.components.shell import Here
from dashboard.views.billing import sees_item
from dashboard.views.plain import plain
from dashboard.views.record import hide_cost_rates
from engine.errors import TieoutError


def show_decision(here: Here, identity: str) -> None:
    """Show everything that decided an item, from the run's own policies."""
    policies = here.run.folder / "inputs" / "policies"
    if not sees_item(here.run, identity):
        st.warning("**There is no such item.** The link may be of another run.")
        return
    try:
        told: dict[str, Any] = explain_decision(here.run.folder, identity, policies, here.run.snapshot_folder)
    except TieoutError as error:
        st.warning(f"**{plain(error.message)}** {plain(error.remedy)}".rstrip())
        return
    hide_cost_rates(here.run, told)
    with st.container(border=True):
        st.subheader(plain(identity.replace("_", " ").replace(":", " ", 1)))
        if told.get("flip"):
            st.markdown(f":material/lightbulb: {plain(told['flip'])}")
        st.code(render_decision(told), language=None, wrap_lines=True)
        st.page_link(
            "screens/record.py", label="The record with its source rows", icon=":material/search:",
            query_params={"record": identity.partition(":")[2]},
        )  # fmt: skip
