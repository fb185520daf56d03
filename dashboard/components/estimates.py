"""Estimates at completion: what the systems say, who stands behind it, and standing behind it."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import streamlit as st

from dashboard.components.acts import act, tell
from dashboard.components.shell import Here
from dashboard.components.tables import small_table
from dashboard.views import actions
from dashboard.views.estimates import COLUMNS, estimates
from dashboard.views.formats import money

_NOTHING: Final = "No contract line's revenue rests on an estimate of its whole cost or hours."


def show_estimates(here: Here, project: str | None) -> None:
    """Show the estimates at completion, of one project or of all that are seen, and let a person attest them."""
    st.subheader("Estimates at completion")
    tell()
    store = here.workspace.open_store()
    try:
        found = estimates(store, here.run, here.person.sight, project)
        if found.is_empty():
            st.caption(_NOTHING if project is None else "No line of this project rests on an estimate of its whole cost or hours.")
            return
        small_table(found, COLUMNS)
        known = {str(each["contract_line_id"]): each for each in found.to_dicts() if each["estimate"] is not None}
        if not known:
            return
        with st.form("attest"):
            line = str(
                st.selectbox(
                    "Contract line",
                    list(known),
                    format_func=lambda each: f"{each}: {money(known[each]['estimate'], known[each]['currency'])}",
                )
            )
            comment = st.text_input("On what you base it", placeholder="Plan of the last review, hours left by the team")
            st.caption("You say that the line will take what its system says, in cost or hours. Another estimate is entered there first.")
            if st.form_submit_button("Attest", type="primary", disabled=not actions.may(here.person, "attest an estimate")):
                amount: Decimal = known[line]["estimate"]
                act(lambda: actions.attest(store, here.person, here.run, line, amount, comment))
    finally:
        store.close()
