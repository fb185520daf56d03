"""What changed between two runs: why first, then exceptions, KPIs and rows."""

from __future__ import annotations

import heapq
from typing import Any, Final

import polars as pl
import streamlit as st

from dashboard.components.shell import empty
from dashboard.views.formats import measure, money, number
from dashboard.views.kpis import TOTAL
from dashboard.views.tables import Column, shown
from engine.findings import severity_rank

_FINDINGS = (
    Column("severity", "Severity", "code"), Column("amount_at_risk", "At risk", "money"), Column("message", "What is wrong"),
    Column("rule", "Rule"),
)  # fmt: skip
_ROWS: Final = ("before", "after", "gone", "new")
_BRIEFLY: Final = 25
_AT_MOST: Final = 1_000
_RIGHT = st.column_config.TextColumn


def show_changes(found: dict[str, Any], *, brief: bool = False) -> None:
    """Show a comparison of two runs; `brief` leaves the rows of the outputs out."""
    why = " and ".join(found["why"]) or "nothing"
    st.markdown(f"From **{found['as_of'][0]}** to **{found['as_of'][1]}**: **{why}** changed.")
    opened, closed, moved = st.columns(3)
    opened.metric(
        "New exceptions", number(len(found["opened"])), _total(found["opened"]), delta_color="off", delta_arrow="off", border=True
    )
    closed.metric(
        "Gone exceptions", number(len(found["closed"])), _total(found["closed"]), delta_color="off", delta_arrow="off", border=True
    )
    moved.metric("KPIs that moved", number(sum(each["dimension"] == TOTAL for each in found["kpis"])), border=True)
    for name, title in (("opened", "New exceptions"), ("closed", "Gone exceptions"), ("changed", "Exceptions that are told otherwise")):
        if found[name]:
            st.markdown(f"**{title}**")
            _findings(found[name], _BRIEFLY if brief else _AT_MOST)
    if brief:
        return
    _kpis(found["kpis"])
    _causes(found)
    if found["rows"] or found["contents"]:
        st.markdown("**Rows of the outputs**")
        rows = []
        for name in sorted({*found["rows"], *found["contents"]}):
            (before, after), (gone, new) = found["rows"].get(name, (None, None)), found["contents"].get(name, (None, None))
            told = {key: "" if each is None else number(each) for key, each in zip(_ROWS, (before, after, gone, new), strict=True)}
            rows.append({"output": name, **told})
        labels = _labels(output="Output", before="Before", after="After", gone="Gone or changed", new="New or changed")
        st.dataframe(rows, hide_index=True, column_config=labels)


def _findings(rows: list[dict[str, Any]], most: int) -> None:
    """Show findings, of many the gravest with the most money."""
    if len(rows) > most:
        st.caption(f"The {most:,} gravest of {len(rows):,}, with the most money first; Exceptions has them all.")
        rows = heapq.nsmallest(
            most, rows, lambda each: (-severity_rank(each["severity"]), -abs(each["amount_at_risk"] or 0), each["finding_id"])
        )  # fmt: skip
    frame = pl.DataFrame(rows[:most], infer_schema_length=None)
    config = {each.name: _RIGHT(each.label, alignment="right" if each.kind == "money" else "left") for each in _FINDINGS}
    st.dataframe(shown(frame, _FINDINGS), hide_index=True, column_config=config)


def _total(rows: list[dict[str, Any]]) -> str | None:
    sums: dict[str, Any] = {}
    for each in rows:
        if each["amount_at_risk"] is not None:
            currency = each["currency"] or ""
            sums[currency] = sums.get(currency, 0) + abs(each["amount_at_risk"])
    return " · ".join(money(total, currency) for currency, total in sorted(sums.items())) or None


def _kpis(rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    st.markdown("**KPIs that moved**")
    told = [
        {"kpi": each["kpi"].replace("_", " "), "part": each["dimension"], "period": each["period"],
         "before": measure(each["earlier"], each["unit"]), "after": measure(each["later"], each["unit"]),
         "beyond": "" if each["beyond"] is None else f"more than {each['beyond'].normalize():f} %"}
        for each in rows
    ]  # fmt: skip
    labels = _labels(kpi="KPI", part="Of", period="Period", before="Before", after="After", beyond="Beyond its limit")
    st.dataframe(told, hide_index=True, column_config=labels)


def _causes(found: dict[str, Any]) -> None:
    causes = [
        {"what": f"{title} {change}", "which": each}
        for name, title in (("files", "File"), ("policies", "Policy"), ("mappings", "Mapping"), ("decisions", "Decisions of people"))
        for each, change in found[name].items()
    ]
    if found["engine_changed"]:
        causes.append({"what": "Engine changed", "which": "the program itself"})
    for name, title in (("known_on", "Known on"), ("previous_snapshot", "Previous snapshot")):
        was, now = found[name] or (None, None)
        if was != now:
            causes.append({"what": title, "which": f"{was or 'none'} → {now or 'none'}"})
    if not causes:
        empty("No file, policy or mapping differs.")
        return
    st.markdown("**Causes**")
    st.dataframe(causes, hide_index=True, column_config=_labels(what="What", which="Which"))


def _labels(**labels: str) -> dict[str, Any]:
    right = set(_ROWS)
    return {name: _RIGHT(label, alignment="right" if name in right else "left") for name, label in labels.items()}
