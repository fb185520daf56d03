"""The matrix of systems, and one tie-out: what explains its difference, breaks beside matches."""

from __future__ import annotations

from typing import Any, Final

import altair as alt
import polars as pl
import streamlit as st

from adapters.store.database import Store
from dashboard.components.acts import act, tell
from dashboard.components.browse import browse
from dashboard.components.shell import Here
from dashboard.components.tables import small_table
from dashboard.views import actions
from dashboard.views.formats import money, number
from dashboard.views.plain import plain
from dashboard.views.reconciliation import STATUSES, decided, explained_by, lines, suggestions
from dashboard.views.tables import Column, Query

_SUGGESTED: Final = 10
_SUGGESTION_LINES: Final = (
    Column("side", "Side", "code"), Column("entity", "Record", "code"), Column("entity_id", "Id"), Column("amount", "Amount", "money"),
    Column("alternatives", "Would fit as well", "list"),
)  # fmt: skip

_COLOURS: Final = ("#d9534f", "#b39ddb", "#f0ad4e", "#8fb8de", "#5cb85c")


def show_matrix(cells: pl.DataFrame) -> None:
    """Show by pair of systems how many tie-outs there are and how the worst of them stands."""
    values = [{**each, "told": f"{number(each['tie_outs'])}" + _breaks(each["breaks"])} for each in cells.to_dicts()]
    base = alt.Chart(alt.InlineData(values=values)).encode(
        x=alt.X("right_system:N", title=None, axis=alt.Axis(orient="top", labelAngle=0)), y=alt.Y("left_system:N", title=None)
    )
    colour = alt.Color(
        "status:N",
        scale=alt.Scale(domain=list(STATUSES), range=list(_COLOURS)),
        legend=alt.Legend(orient="bottom", title="worst tie-out", labelExpr="replace(datum.label, '_', ' ')"),
    )
    tips = [alt.Tooltip(f"{each}:N") for each in ("left_system", "right_system", *STATUSES, "breaks")]
    chart = base.mark_rect(stroke="white", opacity=0.8).encode(color=colour, tooltip=tips) + base.mark_text(color="black").encode(
        text="told:N"
    )
    st.altair_chart(chart.properties(height=max(120, 44 * cells["left_system"].n_unique())))


def _breaks(count: int) -> str:
    return "" if not count else " · 1 break" if count == 1 else f" · {count:,} breaks"


def show_tie_out(here: Here, reconciliation: str) -> None:
    """Show what explains the differences of a tie-out, and its lines."""
    with st.container(border=True):
        st.subheader(plain(reconciliation))
        causes = (Column("cause", "Explained by", "code"), Column("amount", "Amount", "money"))
        small_table(explained_by(here.run, reconciliation), causes, "No difference to explain.")
        _decide(here, reconciliation)
        for place, title, broken in zip(st.columns(2), ("Breaks and suggestions", "Matches"), (True, False), strict=True):
            with place:
                st.markdown(f"**{title}**")
                rows = lines(here.run, reconciliation, broken=broken)
                if rows is not None:
                    name = "breaks" if broken else "matches"
                    browse(rows, name, usual=Query(size=25), nothing=f"No {name}.")


def _decide(here: Here, reconciliation: str) -> None:
    """Show the suggested matches to confirm or refuse, and those that were decided."""
    tell()
    store = here.workspace.open_store()
    try:
        said = decided(store, here.run, reconciliation)
        known = {each["match_id"]: each for each in said}
        open_ones = [each for each in suggestions(here.run, reconciliation, _SUGGESTED) if each["match_id"] not in known]
        if open_ones:
            st.markdown("**Suggested matches: do these lines belong together?**")
        for each in open_ones:
            _suggestion(here, store, reconciliation, each)
        if said:
            st.markdown("**Decided; the next run goes by it**")
        for each in said:
            _said(here, store, each)
    finally:
        store.close()


def _suggestion(here: Here, store: Store, reconciliation: str, found: dict[str, Any]) -> None:
    match = found["match_id"]
    with st.form(f"match:{match}"):
        left = money(found["residual"], found["currency"])
        st.markdown(f":gray-badge[{plain(match)}] {left} left over · {plain(found['reason'])}")
        small_table(found["lines"], _SUGGESTION_LINES)
        text, yes, no = st.columns([6, 1.2, 1.2], vertical_alignment="bottom")
        reason = text.text_input("Why", placeholder="What you saw", key=f"match:{match}:why")
        may = actions.may(here.person, "decide a match")
        if yes.form_submit_button("Confirm", type="primary", disabled=not may, width="stretch"):
            act(lambda: actions.decide_match(store, here.person, here.run, reconciliation, match, "confirmed", reason))
        if no.form_submit_button("Refuse", disabled=not may, width="stretch"):
            act(lambda: actions.decide_match(store, here.person, here.run, reconciliation, match, "refused", reason))


def _said(here: Here, store: Store, said: dict[str, Any]) -> None:
    told, back = st.columns([6, 1.2], vertical_alignment="center")
    who = f"{plain(said['who'])} ({said['identity'].replace('_', ' ')})"
    told.markdown(f"**{said['verdict'].capitalize()}** by {who} as of {said['as_of']}: {plain(said['lines'])} · {plain(said['reason'])}")
    with back.popover("Take back", width="stretch", disabled=not actions.may(here.person, "decide a match")):
        reason = st.text_input("What changed", key=f"revoke:{said['decision_id']}:why")
        if st.button("Take it back", key=f"revoke:{said['decision_id']}"):
            act(lambda: actions.revoke_match(store, here.person, said["decision_id"], reason))
