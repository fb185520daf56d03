"""KPIs as cards with target and trend, and one of them in detail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import altair as alt
import streamlit as st

from dashboard.components.browse import browse
from dashboard.components.shell import Here, empty
from dashboard.views.formats import measure, words
from dashboard.views.kpis import Figure, by_dimension, over_runs
from dashboard.views.plain import plain
from dashboard.views.tables import Column, FrameRows, Query

_BADGES: Final = {"met": ":green-badge[met]", "near": ":orange-badge[near]", "missed": ":red-badge[missed]"}
_KPI: Final = "kpi"
_ACROSS: Final = 4

_DIMENSIONS: Final = (
    Column("by", "By", "code", filtered=True), Column("of", "Of", searched=True), Column("value", "Value", "number"),
    Column("unit", "Unit", filtered=True), Column("numerator", "Numerator", "number"), Column("denominator", "Denominator", "number"),
    Column("status", "Status", "code", filtered=True), Column("missing", "Without amount", "number"),
)  # fmt: skip


def show_figures(found: Sequence[Figure]) -> str:
    """Show the KPIs that have a target as cards; return the KPI that is chosen for detail."""
    aimed = [each for each in found if each.target]
    for start in range(0, len(aimed), _ACROSS):
        for place, each in zip(st.columns(_ACROSS), aimed[start : start + _ACROSS], strict=False):
            _card(place, each)
    names = list(dict.fromkeys(each.kpi for each in found))
    asked = st.query_params.get(_KPI)
    usual = aimed[0].kpi if aimed else names[0]
    titles = {each.kpi: each.title for each in found}
    index = names.index(asked if asked in names else usual)
    chosen = str(st.selectbox("Look closer at", names, index, key="overview:kpi", format_func=titles.__getitem__))
    if chosen != usual or asked:
        st.query_params[_KPI] = chosen
    return chosen


def _card(place: st.delta_generator.DeltaGenerator, figure: Figure) -> None:
    trend = [float(value) for _, value in figure.trend if value is not None]
    with place.container(border=True, height="stretch"):
        st.metric(
            figure.title, measure(figure.value, figure.unit), help=f"{figure.formula}. In {figure.period}, by rule {figure.rule}.",
            chart_data=trend if len(trend) > 1 else None,
        )  # fmt: skip
        lacking = f" · {figure.missing:,} without amount" if figure.missing else ""
        st.caption(f"{figure.period} · target {figure.target} {_BADGES.get(figure.status, '· ' + words(figure.status))}{lacking}")


def show_figure(here: Here, found: Sequence[Figure]) -> None:
    """Show a KPI of the whole firm in detail: formula, months, what each run said, and its parts."""
    first = found[0]
    st.markdown(f"**{first.title}**: {first.formula}. Target {first.target or 'none'}; rule `{first.rule}`.")
    for each in found:
        if each.missing:
            unit = f" ({each.unit})" if len(found) > 1 else ""
            st.info(plain(f"Of {each.period}{unit} the value is that of what is known: {each.missing_of}."), icon=":material/info:")
    months, runs = st.columns(2)
    with months:
        st.caption("By month, as this run has it")
        rows = [
            {"month": period, "value": float(value), "unit": each.unit, "told": measure(value, each.unit)}
            for each in found
            for period, value in each.trend
            if value is not None
        ]
        _chart(rows, alt.X("month:O", title=None), first)
    with runs:
        st.caption(f"{first.period}, as each run had it")
        told = over_runs([each for each in here.runs if each.scope == here.run.scope], first.kpi, first.period)
        rows = [
            {"run": f"{each['as_of']}", "value": float(each["value"]), "unit": each["unit"], "told": measure(each["value"], each["unit"])}
            for each in told.to_dicts()
            if each["value"] is not None
        ]
        _chart(rows, alt.X("run:O", title=None), first)
    with st.expander("By every dimension"):
        frame = by_dimension(here.run, first.kpi, first.period)
        if frame is not None:
            browse(
                FrameRows(frame, _DIMENSIONS, ["by", "of", "unit"]),
                "parts",
                usual=Query(sort="by"),
                nothing="It is told for the firm only.",
            )


def _chart(rows: list[dict[str, object]], across: alt.X, figure: Figure) -> None:
    if not rows:
        empty("There is no value yet.", "Nothing was counted that it is divided by, that is below 0, or an amount is not known.")
        return
    units = sorted({str(each["unit"]) for each in rows})
    chart = alt.Chart(alt.InlineData(values=rows)).encode(
        x=across, y=alt.Y("value:Q", title=units[0] if len(units) == 1 else None, axis=alt.Axis(format=",.6~g")),
        color=alt.Color("unit:N", title=None, legend=None if len(units) == 1 else alt.Legend(orient="top")),
        tooltip=[alt.Tooltip(f"{str(across.shorthand).partition(':')[0]}:N", title="when"), alt.Tooltip("told:N", title=figure.title)],
    )  # fmt: skip
    st.altair_chart((chart.mark_line() + chart.mark_point(filled=True, size=50)).properties(height=220))
