"""Charts that answer one question; amounts are drawn roughly and told exactly."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import polars as pl
import streamlit as st

from dashboard.components.shell import empty
from dashboard.views.formats import money


def bars(rows: pl.DataFrame, across: str, amount: str, order: Sequence[str] | None = None) -> None:
    """Show amounts as bars, one row of them for each currency: currencies are never added."""
    if rows.is_empty():
        empty("Nothing here.")
        return
    values = [
        {"x": each[across], "y": float(each[amount] or 0), "currency": each["currency"], "told": money(each[amount], each["currency"])}
        for each in rows.to_dicts()
    ]
    chart = alt.Chart(alt.InlineData(values=values)).mark_bar().encode(
        x=alt.X("x:O", title=None, axis=alt.Axis(labelAngle=0), sort=list(order) if order else "ascending", scale=_scale(order)),
        y=alt.Y("y:Q", title=None, axis=alt.Axis(format=",.3~s")),
        color=alt.Color("currency:N", title=None, legend=alt.Legend(orient="top")), xOffset="currency:N",
        tooltip=[alt.Tooltip("x:N", title=across.replace("_", " ")), alt.Tooltip("told:N", title=amount.replace("_", " "))],
    )  # fmt: skip
    st.altair_chart(chart.properties(height=240))


def _scale(order: Sequence[str] | None) -> alt.Scale | alt.utils.schemapi.UndefinedType:
    """Return a scale that has a place for every value of an order, also for those without an amount."""
    return alt.Undefined if order is None else alt.Scale(domain=list(order))


def waterfall(rows: pl.DataFrame) -> None:
    """Show by period what was recognized and what is planned, one chart for each currency."""
    for part in rows.partition_by("currency", maintain_order=True):
        currency = part["currency"][0]
        values = [
            {"period": each["period"], "y": float(each[name] or 0), "what": label, "told": money(each[name], currency)}
            for each in part.to_dicts()
            for name, label in (("recognized_amount", "recognized"), ("planned_amount", "planned"))
        ]
        chart = alt.Chart(alt.InlineData(values=values)).mark_bar().encode(
            x=alt.X("period:O", title=None), y=alt.Y("y:Q", title=currency, axis=alt.Axis(format=",.3~s")),
            color=alt.Color("what:N", title=None, legend=alt.Legend(orient="top"), scale=alt.Scale(domain=["recognized", "planned"])),
            tooltip=[alt.Tooltip("period:N"), alt.Tooltip("what:N"), alt.Tooltip("told:N", title="amount")],
        )  # fmt: skip
        st.altair_chart(chart.properties(height=200))
