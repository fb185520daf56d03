"""Revenue: the waterfall, balances, what remains, and the revenue engine's book beside ours."""

from __future__ import annotations

import streamlit as st

from dashboard.components.browse import browse
from dashboard.components.charts import waterfall as waterfall_chart
from dashboard.components.shell import empty, page
from dashboard.components.tables import opened_tabs, small_table
from dashboard.views.revenue import BALANCES, DISCLOSURES, SCHEDULE, SHADOW, closing_balances, has_revenue, table, waterfall
from dashboard.views.tables import Column, Query

with page("Revenue", "What is recognized, planned and still owed, under the firm's policies.") as here:
    if not has_revenue(here.run):
        empty("This run decided no revenue.", "Add policies of the kind `revenue`.")
        st.stop()
    chart, closing = st.columns([3, 2])
    with chart:
        st.markdown("**Recognized and planned by period**")
        waterfall_chart(waterfall(here.run))
    with closing:
        st.markdown("**Balances at the end**")
        small_table(closing_balances(here.run), (Column("balance", "Balance", "code"), Column("amount", "Amount", "money")))
    tables = {
        "Schedule": (
            "revenue_schedule",
            SCHEDULE,
            ["contract_id", "contract_line_id", "period", "relates_to_period"],
            Query(sort="period"),
        ),
        "Balances": ("contract_balances", BALANCES, ["contract_id", "period"], Query(sort="period", descending=True)),
        "Two books": ("revenue_shadow", SHADOW, ["contract_id", "contract_line_id", "period"], Query(sort="period")),
        "Disclosures": (
            "disclosures",
            DISCLOSURES,
            ["disclosure", "contract_id", "band_start", "dimension_value"],
            Query(sort="disclosure"),
        ),
    }
    for title in opened_tabs(list(tables), "revenue:tab"):
        name, columns, key, usual = tables[title]
        rows = table(here.run, name, columns, key)
        if rows is None:
            empty(f"The run has no {title.lower()}.")
        else:
            browse(rows, title.split(" ", maxsplit=1)[0].lower(), usual=usual)
