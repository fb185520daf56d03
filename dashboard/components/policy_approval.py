"""Proposing policies with the money they move, deciding on them, the log, and going back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

import polars as pl
import streamlit as st

from adapters.authoring.sections import Section, shown
from adapters.store.audit import is_same_person
from adapters.store.database import Store
from adapters.store.policy_versions import KINDS_OF_CHANGE
from dashboard.components.acts import act, tell
from dashboard.components.shell import Here, empty
from dashboard.components.tables import small_table
from dashboard.views import actions, policy_approval
from dashboard.views.formats import words
from dashboard.views.plain import plain
from dashboard.views.policy_approval import LOG, MET, WEIGHED
from engine.errors import TieoutError

_MOST: Final = 8


def show_sections(sections: Sequence[Section]) -> None:
    """Show a report: headings, sentences and tables, numbers at the right."""
    for each in sections:
        st.markdown(f"**{plain(each.title)}**")
        for line in each.lines:
            st.markdown(plain(line))
        if each.rows:
            frame = pl.DataFrame([[shown(value) for value in row] for row in each.rows], schema=list(each.columns), orient="row")
            numeric = {name for name, place in zip(each.columns, range(len(each.columns)), strict=True) if _is_number(each.rows[0][place])}
            config: dict[str, Any] = {
                name: st.column_config.TextColumn(name, alignment="right" if name in numeric else "left") for name in each.columns
            }
            st.dataframe(frame, hide_index=True, column_config=config)


def _is_number(value: object) -> bool:
    return not isinstance(value, str) and value is not None


def asked_once(key: str, label: str, make: Callable[[], Any], doing: str) -> Any:
    """Return what a button makes, kept until it is asked for again; None before."""
    if st.button(label, key=f"{key}:ask", icon=":material/calculate:"):
        with st.spinner(doing, show_time=True):
            try:
                st.session_state[key] = make()
            except TieoutError as error:
                st.error(f"**{plain(error.message)}** {plain(error.remedy)}".rstrip())
                st.session_state.pop(key, None)
    return st.session_state.get(key)


def show_proposing(here: Here, store: Store) -> None:
    """Show how the folder stands to the version approved last, the money between them, and let a person propose it."""
    tell()
    state = policy_approval.standing(store, here.workspace)
    approved = state["approved"]
    if state["is_approved"]:
        st.success(
            f"The folder is the version approved last: proposal {approved['proposal']}, by {plain(approved['by'])}.",
            icon=":material/check:",
        )
        return
    told = (
        "No version was approved yet."
        if approved is None
        else f"It is not proposal {approved['proposal']}, which {plain(approved['by'])} approved."
    )
    st.info(f"The folder `{state['fingerprint'][:12]}` is not approved. {told}", icon=":material/edit_note:")
    key = f"money:{state['fingerprint'][:12]}"
    # The money is the whole firm's, and a text that prices hours at their cost would tell it.
    if here.person.sight.tells_money and (found := asked_once(
        key, "See the money", lambda: policy_approval.money_of(here.workspace, store, here.run), "Deciding by both versions…"
    )):  # fmt: skip
        show_sections(found)
    with st.form("propose"):
        comment = st.text_input("Why", placeholder="For the one who approves, and the auditor")
        kind = _kind_of_change("propose:kind")
        transition = st.text_input("Transition, as disclosed", placeholder="only for a change of a principle")
        if st.form_submit_button("Propose", type="primary", disabled=not actions.may(here.person, "change a policy")):
            act(lambda: policy_approval.propose(here.workspace, store, here.person, here.run, comment, kind, transition.strip() or None))


def _kind_of_change(key: str) -> str | None:
    """Ask what a change of the revenue policy is; None where it is no change of it."""
    return st.selectbox(
        "A change of the revenue policy is",
        KINDS_OF_CHANGE,
        None,
        format_func=words,
        placeholder="not a change of it",
        help="ASC 250-10-45",
        key=key,
    )


def show_waiting(here: Here, store: Store) -> None:
    """Show the proposals that wait, with what they change and move, to approve or reject."""
    tell()
    found = policy_approval.waiting(store)
    if not found:
        empty("No proposal waits.", "`Propose` asks for the approval of the folder as it stands.")
    for each in found:
        with st.form(f"proposal:{each['proposal']}"):
            st.markdown(
                f"**Proposal {each['proposal']}** by **{plain(each['by'])}**, {each['at']:%Y-%m-%d %H:%M} UTC"
                f" · version `{each['fingerprint'][:12]}`"
            )
            if each["comment"]:
                st.markdown(plain(each["comment"]))
            moved = _money(each["money"]) if here.person.sight.tells_money else "The money is for who sees the whole firm and cost rates"
            st.markdown(f"{moved} · waits for the role **{plain(each['needs_role'])}**" + _kind(each))
            for sentence in each["changes"][:_MOST]:
                st.markdown(f"- {plain(sentence)}")
            if len(each["changes"]) > _MOST:
                st.caption(f"and {len(each['changes']) - _MOST:,} changes more")
            text = st.text_input("Your note", key=f"proposal:{each['proposal']}:note")
            yes, no, _ = st.columns([1, 1, 4])
            may = actions.may(here.person, "decide") and not is_same_person(each["by"], here.person.name)
            if yes.form_submit_button("Approve", type="primary", disabled=not may, width="stretch"):
                _decided(here, store, each["proposal"], text, approve=True)
            if no.form_submit_button("Reject", disabled=not may, width="stretch"):
                _decided(here, store, each["proposal"], text, approve=False)


def _decided(here: Here, store: Store, proposal: int, text: str, *, approve: bool) -> None:
    act(lambda: policy_approval.decide(here.workspace, store, here.person, proposal, approve=approve, text=text))


def _money(moved: dict[str, str] | None) -> str:
    if moved is None:
        return "The money it moves is not known"
    told = [f"{Decimal(amount):,.2f} {currency}".rstrip() for currency, amount in sorted(moved.items()) if Decimal(amount)]
    return f"Moves **{plain(' and '.join(told))}**" if told else "Moves no money"


def _kind(each: dict[str, Any]) -> str:
    told = "" if each["kind"] is None else f" · a change of revenue: {words(each['kind'])}"
    return told + ("" if not each["transition"] else f", {plain(each['transition'])}")


def show_log(here: Here, store: Store) -> None:
    """Show every step, whether the log is whole, and let a person go back to an approved version."""
    tell()
    rows, problem = policy_approval.log(store)
    if problem is None:
        st.success("The log is whole.", icon=":material/check:")
    else:
        st.error(f"**The log is broken:** {plain(problem)}.", icon=":material/gpp_bad:")
    small_table(pl.DataFrame(rows, infer_schema_length=None), LOG, "Nothing was proposed yet.")
    found = policy_approval.versions(store)
    if not found:
        return
    names = {
        each["proposal"]: f"Proposal {each['proposal']}, approved by {each['decided_by']} on {each['decided_at']:%Y-%m-%d}"
        for each in found
    }
    with st.form("roll-back"):
        st.markdown("**Go back to an approved version.** The folder is set to it and proposed as a new version.")
        chosen = st.selectbox("Version", list(names), format_func=names.__getitem__)
        comment = st.text_input("Why", key="roll-back:why")
        kind = _kind_of_change("roll-back:kind")
        if st.form_submit_button("Roll back", disabled=not actions.may(here.person, "change a policy")):
            act(lambda: policy_approval.roll_back(here.workspace, store, here.person, here.run, int(str(chosen)), comment, kind))


def show_weights(here: Here, file: str, rules: Sequence[dict[str, Any]]) -> None:
    """Show what each rule decides of the shown run and how many tests reach it, when asked for."""
    key = f"weights:{file}:{here.run.run_id[:7]}"
    found = asked_once(
        key,
        "What each rule decides",
        lambda: policy_approval.weighed(here.workspace, here.run, file, rules),
        "Holding the rules to the records…",
    )
    if not found:
        return
    decides, met = found
    if not decides.is_empty():
        reached = int((decides["tests"] > 0).sum())
        never = decides.filter(pl.col("records") == 0).height
        st.caption(f"Tests reach {reached} of {decides.height} rules; {never} decide nothing of {here.run.label}.")
    small_table(decides, WEIGHED, "This policy has no rules.")
    if not met.is_empty():
        st.markdown("**Records that meet no rule, or two**")
        small_table(met, MET)
