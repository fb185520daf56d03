"""The matrix of systems, and one tie-out: what explains its difference, breaks beside matches."""

from __future__ import annotations

from typing import Final

import altair as alt
import polars as pl
import streamlit as st

from dashboard.components.browse import browse
from dashboard.components.shell import Here
from dashboard.components.tables import small_table
from dashboard.views.formats import number
from dashboard.views.plain import plain
from dashboard.views.reconciliation import LINES, STATUSES, explained_by, lines
from dashboard.views.tables import Column, FrameRows, Query

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
        for place, title, broken in zip(st.columns(2), ("Breaks and suggestions", "Matches"), (True, False), strict=True):
            with place:
                st.markdown(f"**{title}**")
                frame = lines(here.run, reconciliation, broken=broken)
                if frame is not None:
                    name = "breaks" if broken else "matches"
                    browse(FrameRows(frame, LINES, ["match_id", "side", "entity_id"]), name, usual=Query(size=25), nothing=f"No {name}.")
