"""Saved views of a table: chosen, kept under a name, shared, removed."""

from __future__ import annotations

from typing import Final

import streamlit as st

from adapters.store.database import Store
from dashboard.components.acts import act, tell
from dashboard.components.browse import address_of, ask_anew
from dashboard.components.shell import Here
from dashboard.views import actions

_USUAL: Final = "The usual view"


def show_views(here: Here, store: Store, page: str, name: str) -> None:
    """Show the views of a page's table that the person has, and let them keep what is asked now."""
    found = actions.views(store, here.person, page)
    places = st.columns([3, 1.4, 6], vertical_alignment="bottom")
    labels = {each["view_id"]: each["name"] + ("" if each["is_mine"] else f" ({each['owner']})") for each in found}
    chosen = places[0].selectbox(
        "View", [0, *labels], key=f"views:{page}", format_func=lambda each: labels.get(each, _USUAL), label_visibility="collapsed",
    )  # fmt: skip
    seen = st.session_state.get(f"views:{page}:applied", 0)
    if chosen != seen:
        st.session_state[f"views:{page}:applied"] = chosen
        ask_anew(name, next((each["query"] for each in found if each["view_id"] == chosen), {}))
    with places[1].popover("Keep", icon=":material/bookmark_add:", width="stretch"):
        with st.form(f"views:{page}:keep", border=False):
            title = st.text_input("Name", placeholder="High, over 10,000, mine")
            shared = st.checkbox("For everybody", disabled=not actions.may(here.person, "share a view"))
            if st.form_submit_button("Keep this view"):
                act(lambda: actions.keep_view(store, here.person, page, title, address_of(name), shared=shared))
        is_mine = any(each["view_id"] == chosen and each["is_mine"] for each in found)
        if is_mine and st.button("Remove the chosen view", icon=":material/delete:"):
            act(lambda: actions.forget_view(store, here.person, int(chosen)))
    with places[2]:
        tell()
