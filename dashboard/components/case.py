"""One exception in detail: what is wrong, why, on which evidence, what to do, and what people did."""

from __future__ import annotations

import functools
from typing import Any, Final

import streamlit as st

from adapters.explain_decision import billed_item
from adapters.store.attachments import ENDINGS, LARGEST
from adapters.store.database import Store
from dashboard.components.acts import act
from dashboard.components.decision import show_decision
from dashboard.components.remedy import show_remedy
from dashboard.components.shell import Here
from dashboard.views import actions
from dashboard.views.cases import case_detail, cases_policy, file_of, sides_of
from dashboard.views.formats import money, words
from dashboard.views.plain import plain
from engine.errors import TieoutError

_FEW: Final = 8
_MARKS: Final = {"critical": "red", "high": "orange", "medium": "blue", "low": "gray"}


def show_case(here: Here, store: Store, name: str) -> None:
    """Show an exception and the acts the person may do."""
    try:
        found = case_detail(store, here.run, name)
    except TieoutError as error:
        st.warning(f"**{plain(error.message)}** The link may be of another firm or an older store.")
        return
    case = found["case"]
    at_risk = "no amount at risk" if case["amount"] is None else f"**{money(case['amount'], case['currency'])}** at risk"
    with st.container(border=True):
        st.subheader(plain(case["message"]))
        st.markdown(
            f":{_MARKS[case['severity']]}-badge[{case['severity']}] :gray-badge[{words(case['state'])}] "
            f"{at_risk} · for **{plain(case['owner'] or 'nobody')}** · "
            f"with **{plain(case['assignee'] or 'nobody')}** · opened {case['opened_on']} · `{case['case_id'][:8]}`"
        )
        _around(found)
        why, work = st.columns([3, 2], gap="large")
        with why:
            _why(found)
        with work:
            _work(here, store, found)
        show_remedy(here, store, case["finding_id"])
        _decision(here, found)
        _files(here, store, found)
        _history(found["history"])


def _around(found: dict[str, Any]) -> None:
    """Show the cause of a symptom, or the symptoms of a cause."""
    cause = found["cause"]
    if cause is not None:
        link(cause["case_id"], f"Explained by: {cause['message']}", "arrow_upward")
    if not found["symptom_count"]:
        return
    with st.expander(f"Explains {_others(found['symptom_count'])} with it", expanded=found["symptom_count"] <= _FEW):
        for each in found["symptoms"]:
            amount = "" if each["amount"] is None else f"{money(each['amount'], each['currency'])} · "
            link(each["case_id"], f"{amount}{each['message']}", "subdirectory_arrow_right")
        if found["symptom_count"] > len(found["symptoms"]):
            st.caption(f"The {len(found['symptoms'])} with the most money are shown; filter on the state superseded for all.")


def _others(count: int) -> str:
    return "another exception; it closes" if count == 1 else f"{count:,} others; they close"


def link(case_id: str, label: str, icon: str) -> None:
    """Show a link to an exception."""
    st.page_link("screens/exceptions.py", label=plain(label), icon=f":material/{icon}:", query_params={"record": case_id})


def _decision(here: Here, found: dict[str, Any]) -> None:
    """Show why an item of billing was decided so, each rule that did not apply, and what would change it."""
    item = None if found["explanation"] is None else billed_item(found["explanation"]["finding"])
    if item is not None and st.toggle("Why it was decided so, why not otherwise, and what would flip it", key=f"case:why:{item}"):
        show_decision(here, item)


def _why(found: dict[str, Any]) -> None:
    case, explanation = found["case"], found["explanation"]
    if case["remedy"]:
        st.markdown(f"**What to do**  \n{plain(case['remedy'])}")
    if found["flip"]:
        st.markdown(f"**What would flip it**  \n{plain(found['flip'])}")
    if explanation is None:
        st.info("The shown run did not find it. What is written here is what the last run said that did.")
        return
    finding, policy = explanation["finding"], explanation["policy"]
    if policy is None:
        st.markdown(f"**Rule**  \n`{finding['rule']}` (built in)")
    else:
        line = f":{policy['line']}" if "line" in policy else ""
        reference = f" · {policy['reference']}" if policy.get("reference") else ""
        says = plain(policy.get("says") or finding["rule"])
        st.markdown(f"**Rule**  \n{says}  \n`{finding['rule']}` · {policy['file']}{line}{reference}")
    if finding["owner_value"] is not None or finding["consumer_value"] is not None:
        st.markdown(f"**Both sides{' of ' + words(finding['field']) if finding['field'] else ''}**")
        owner, other = sides_of(finding)
        sides = [
            {"side": owner, "value": finding["owner_value"] or "blank"}, {"side": other, "value": finding["consumer_value"] or "blank"},
        ]  # fmt: skip
        st.dataframe(
            sides, hide_index=True, column_config={"side": "Side", "value": st.column_config.TextColumn("Says", alignment="right")}
        )
    st.markdown("**Evidence**")
    for each in explanation["evidence"]:
        st.markdown(f":material/description: `{each['place']}`")
        if each["line"]:
            st.code(each["line"], language=None, wrap_lines=True)


def _work(here: Here, store: Store, found: dict[str, Any]) -> None:
    case = found["case"]
    for request in found["waiting"]:
        _request(here, store, request)
    _acts(here, store, [case["case_id"]], case)


def show_several(here: Here, store: Store, chosen: list[str]) -> None:
    """Show the acts on several exceptions: done to all of them, or to none."""
    with st.container(border=True):
        st.subheader(f"{len(chosen):,} exceptions are chosen")
        st.caption("An act is done to all of them in one step, or to none when one of them refuses it.")
        _acts(here, store, chosen, None)


def _acts(here: Here, store: Store, chosen: list[str], case: dict[str, Any] | None) -> None:
    """Show what may be done to exceptions; `case` is the one that is shown, None for several."""
    person, scope = here.person, here.run.scope
    names = ["Assign", "Comment", "Reason", "Snooze", "Waive", *([] if case is None else ["File"])]
    assign, comment, reason, rest, settle, *attach = st.tabs(names)
    with assign, st.form("assign", border=False):
        assignee = st.text_input("With", (case or {}).get("assignee") or "", placeholder="name; empty for nobody")
        if st.form_submit_button("Assign", disabled=not actions.may(person, "assign")):
            act(lambda: actions.assign(store, person, scope, chosen, assignee))
    with comment, st.form("comment", border=False, clear_on_submit=True):
        text = st.text_area("Comment", placeholder="What the next person should know")
        if st.form_submit_button("Note it", disabled=not actions.may(person, "comment")):
            act(lambda: actions.comment(store, person, scope, chosen, text))
    with reason, st.form("reason", border=False):
        policy = cases_policy(here.workspace, store, here.run.scope)
        known = (case or {}).get("reason_code")
        place = policy.reason_codes.index(known) if known in policy.reason_codes else None
        code = st.selectbox("Why it is there", policy.reason_codes, place, format_func=words, placeholder="not given")
        if st.form_submit_button("Give the reason", disabled=not actions.may(person, "give a reason")):
            act(lambda: actions.give_reason(store, person, scope, chosen, policy, str(code)))
    with rest, st.form("snooze", border=False):
        until = st.date_input("Rests until", value=None, help="Its SLA pauses; it comes back by itself.")
        if st.form_submit_button("Snooze", disabled=not actions.may(person, "snooze")):
            act(lambda: actions.snooze(store, person, scope, chosen, until))
    with settle:
        _settle(here, store, chosen, case)
    if case is not None:
        with attach[0], st.form("attach", border=False, clear_on_submit=True):
            endings = [each[1:] for each in ENDINGS]
            files = st.file_uploader("Files", endings, accept_multiple_files=True, help=f"At most {LARGEST >> 20} MiB each.")
            if st.form_submit_button("Attach", disabled=not actions.may(person, "attach a file")):
                given = [(each.name, each.getvalue()) for each in files]
                act(lambda: actions.attach(store, person, scope, case["case_id"], here.workspace.out, given))


def _settle(here: Here, store: Store, chosen: list[str], case: dict[str, Any] | None) -> None:
    person, scope = here.person, here.run.scope
    if case is not None and case["state"] in ("waived", "written_off", "resolved"):
        with st.form("reopen", border=False):
            text = st.text_area("Why is it taken up again?")
            if st.form_submit_button("Reopen", disabled=not actions.may(person, "reopen")):
                act(lambda: actions.reopen(store, person, scope, chosen, text))
        return
    policy = cases_policy(here.workspace, store, here.run.scope)
    with st.form("settle", border=False):
        action = str(st.radio("How", ["waive", "write_off"], format_func=words, horizontal=True))
        reason = str(st.selectbox("Reason", policy.reason_codes, format_func=words))
        text = st.text_area("Why", placeholder="For the one who asks next year")
        rule = policy.waive
        if rule.approval_above is not None:
            st.caption(f"Waiving more than {money(rule.approval_above)} waits for a second, signed-in person ({rule.approver_role}).")
        if st.form_submit_button("Settle", disabled=not actions.may(person, "waive")):
            act(lambda: actions.settle(store, person, scope, chosen, policy, action, reason, text))


def _request(here: Here, store: Store, request: dict[str, Any]) -> None:
    policy = cases_policy(here.workspace, store, here.run.scope)
    with st.form(f"decide-{request['approval_id']}"):
        asks = f"asks to {words(request['action'])} it ({words(request['reason'])})"
        st.markdown(f"**{plain(request['requested_by'])}** {asks}: {plain(request['comment'])}")
        text = st.text_input("Your note")
        yes, no = st.columns(2)
        may = actions.may(here.person, "decide")
        if yes.form_submit_button("Approve", type="primary", disabled=not may):
            act(lambda: actions.decide(store, here.person, policy, request["approval_id"], approve=True, text=text))
        if no.form_submit_button("Reject", disabled=not may):
            act(lambda: actions.decide(store, here.person, policy, request["approval_id"], approve=False, text=text))


def _files(here: Here, store: Store, found: dict[str, Any]) -> None:
    """Show the files of a case; each is read when it is asked for, and checked against its hash."""
    if not found["files"]:
        return
    st.markdown("**Files**")
    case = found["case"]["case_id"]
    for each in found["files"]:
        told, get = st.columns([5, 1], vertical_alignment="center")
        when = f"{plain(each['who'])}, {each['at']:%Y-%m-%d %H:%M} UTC"
        told.markdown(f":material/attach_file: {plain(each['name'])} · {each['size']:,} bytes · {when}")
        get.download_button(
            "Save", functools.partial(file_of, store, here.run, here.workspace.out, case, each["sha256"]), each["name"],
            "application/octet-stream", key=f"file:{case}:{each['sha256'][:12]}", on_click="ignore", icon=":material/download:",
        )  # fmt: skip


def _history(events: list[dict[str, Any]]) -> None:
    st.markdown("**History**")
    rows = [
        {"at": f"{each['at']:%Y-%m-%d %H:%M}", "what": words(each["what"]), "changed": each["changed"], "comment": each["comment"],
         "who": each["who"] if each["identity"] == "run" else f"{each['who']} ({words(each['identity'])})"}
        for each in events
    ]  # fmt: skip
    labels = {"at": "When (UTC)", "what": "What", "changed": "Before → after", "comment": "Comment", "who": "Who"}
    st.dataframe(rows, hide_index=True, column_config=labels)
