"""The remedy of an exception: what would be done where, its draft, and its release by a second person."""

from __future__ import annotations

from typing import Any, Final

import polars as pl
import streamlit as st

from adapters.store.database import Store
from dashboard.components.acts import act
from dashboard.components.shell import Here
from dashboard.components.tables import small_table
from dashboard.views import actions
from dashboard.views.plain import plain
from dashboard.views.remedies import COLUMNS, approver_of, draft_of, remedy_of

_STATES: Final = {
    "draft": "A draft: nobody asked for its release yet.", "waiting": "It waits for a second, signed-in person.",
    "released": "Released: apply it in its system; the next run looks whether it held.", "applied": "Applied: the finding is gone.",
    "failed": "Released, but the finding is still there.", "half_applied": "Half applied: take back what was applied alone.",
}  # fmt: skip


def show_remedy(here: Here, store: Store, finding_id: str) -> None:
    """Show the remedy of a finding with its draft, and the acts of its release; nothing where there is none."""
    found = remedy_of(store, here.run, finding_id)
    if found is None:
        return
    st.markdown("**Remedy**")
    small_table(found["rows"], COLUMNS)
    st.caption(_STATES[found["state"]])
    if found["compensation"]:
        small_table(pl.DataFrame(found["compensation"], infer_schema_length=None), COLUMNS)
    download, ask = st.columns([1, 3], vertical_alignment="center")
    download.download_button(
        "Draft as CSV", lambda: draft_of(found["rows"]), f"remedy-{found['batch'][:8]}.csv", "text/csv", on_click="ignore",
        icon=":material/download:", key=f"remedy:{found['batch']}:draft",
    )  # fmt: skip
    if found["state"] in ("draft", "failed") and ask.button(
        "Ask for its release", disabled=not actions.may(here.person, "ask for a release"), key=f"remedy:{found['batch']}:ask"
    ):  # fmt: skip
        on = here.run.as_of
        act(
            lambda: actions.ask_release(
                store, here.person, here.run, found["batch"], approver_of(here.workspace.policies, on, found["rows"])
            )
        )
    if found["request"] is not None:
        _decide(here, store, found["request"])


def _decide(here: Here, store: Store, request: dict[str, Any]) -> None:
    with st.form(f"release-{request['approval_id']}"):
        st.markdown(f"**{plain(request['requested_by'])}** asks for the release; a second, signed-in {request['needs_role']} decides.")
        text = st.text_input("Your note")
        may = actions.may(here.person, "release a remedy")
        yes, no = st.columns(2)
        if yes.form_submit_button("Release", type="primary", disabled=not may):
            act(lambda: actions.decide_release(store, here.person, here.run, request["approval_id"], approve=True, text=text))
        if no.form_submit_button("Refuse", disabled=not may):
            act(lambda: actions.decide_release(store, here.person, here.run, request["approval_id"], approve=False, text=text))
