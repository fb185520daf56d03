"""The readiness board and the certificate of a close."""

from __future__ import annotations

from typing import Any

import polars as pl
import streamlit as st

from adapters.store.database import Store
from dashboard.components.acts import act, tell
from dashboard.components.shell import Here, empty
from dashboard.components.tables import small_table
from dashboard.views import actions
from dashboard.views.close import lock, reopen, sign, start
from dashboard.views.plain import plain
from dashboard.views.tables import Column


def show_board(lines: list[dict[str, Any]]) -> None:
    """Show every question of the board with its answer; what blocks comes first."""
    blocking = [each for each in lines if each["blocks"]]
    if blocking:
        told = [f"**Not ready.** {len(blocking)} of {len(lines)} questions block the close:"]
        told += [f"**{plain(each['question'])}**: {plain(each['answer'])}" for each in blocking]
        st.warning("  \n".join(told), icon=":material/block:")
    else:
        st.success("**Ready.** Nothing blocks the close.", icon=":material/check:")
    rows = [
        {"stands": "blocks" if each["blocks"] else "ok", "question": each["question"], "answer": each["answer"]}
        for each in sorted(lines, key=lambda each: not each["blocks"])
    ]
    labels = (Column("stands", "", width=60), Column("question", "Question"), Column("answer", "Answer"))
    small_table(pl.DataFrame(rows), labels)


def show_certificate(here: Here, store: Store, period: str, state: dict[str, Any]) -> None:
    """Show the certificate of a period, its signatures, and the acts the person may do."""
    tell()
    close = state["close"]
    st.subheader("Certificate")
    if close is None:
        empty(f"The close of {period} was not started.")
    else:
        _certificate(close, state)
    if close is None or close["state"] == "started":
        label = "Start the close on this run" if close is None else "Start anew on this run"
        if st.button(label, disabled=not actions.may(here.person, "start a close")):
            act(lambda: start(here.workspace, store, here.person, here.run, period))
    if close is not None and close["state"] == "started":
        with st.form("sign"):
            role = str(st.selectbox("Sign as", state["sign_roles"]))
            if st.form_submit_button("Sign", type="primary", disabled=not actions.may(here.person, "sign a close")):
                act(lambda: sign(here.workspace, store, here.person, here.run, period, role))
        if st.button("Lock the period", disabled=not actions.may(here.person, "lock a close"), icon=":material/lock:"):
            act(lambda: lock(here.workspace, store, here.person, here.run, period))
    if close is not None and close["state"] == "locked":
        with st.form("reopen-close"):
            st.markdown("**Reopen** takes two people, each in a role, and a reason.")
            role = str(st.selectbox("In the role", state["reopen_roles"]))
            reason = st.text_input("What must be corrected")
            if st.form_submit_button("Sign the reopening", disabled=not actions.may(here.person, "reopen a close")):
                act(lambda: reopen(here.workspace, store, here.person, here.run, period, role, reason))


def _certificate(close: dict[str, Any], state: dict[str, Any]) -> None:
    if state["void"]:
        st.error("**VOID.** " + "  \n".join(state["void"]), icon=":material/gpp_bad:")
    st.markdown(
        f"**{close['state'].capitalize()}** on run `{close['run_id'][:8]}` by {close['started_by']}, "
        f"{close['started_at']:%Y-%m-%d %H:%M} UTC · certificate `{close['hash'][:16]}`"
    )
    for each in state["signed"]:
        counts = "" if each["identity"] == "signed_in" else " (only said so: does not count)"
        st.markdown(f":material/draw: **{plain(each['role'])}**: {plain(each['name'])}{counts}, {each['at']:%Y-%m-%d %H:%M} UTC")
    if state["missing"]:
        st.caption("Signatures missing: " + ", ".join(state["missing"]))
    if state["late"]:
        st.markdown("**Facts that came later, posted elsewhere**")
        columns = (Column("period", "Period"), Column("nature", "Nature", "code"), Column("recognized_amount", "Amount", "money"))
        small_table(pl.DataFrame(state["late"]), columns)
    if state["otherwise"]:
        st.markdown("**Told otherwise by this run; the entries keep what was closed**")
        columns = (Column("closed", "As closed", "money"), Column("now", "Now", "money"), Column("lines", "Lines", "number"))
        small_table(pl.DataFrame(state["otherwise"]), columns)
    with st.expander("What it rests on"):
        st.json(close["certificate"], expanded=1)
