"""Billing: ready to invoice, held and why, how old the unbilled work is."""

from __future__ import annotations

import streamlit as st

from dashboard.components.browse import browse
from dashboard.components.charts import bars
from dashboard.components.decision import show_decision
from dashboard.components.shell import empty, page
from dashboard.components.tables import small_table
from dashboard.views.billing import AGES, ALL, HELD, READY, ageing, decisions, held, ready, reasons
from dashboard.views.tables import Column, FrameRows, Query

with page("Billing", "What the policies let us invoice, what they hold and why.") as here:
    frame = decisions(here.run)
    if frame is None:
        empty("This run decided no billing.", "Add policies of the kind `billing`.")
        st.stop()
    old, block = st.columns(2)
    with old:
        st.markdown("**Unbilled work by age in days**")
        bars(ageing(frame), "days", "amount_unbilled", AGES)
    with block:
        st.markdown("**What holds it: to unblock first**")
        labels = (Column("reason", "Why"), Column("items", "Items", "count"), Column("amount_unbilled", "Held", "money"))
        small_table(reasons(frame), labels, "Nothing is held.")
    largest = Query(sort="amount_unbilled", descending=True)
    asked = st.query_params.get("tab")
    tabs = {"Ready": (ready(frame), READY), "Held": (held(frame), HELD), "All items": (frame, ALL)}
    for place, (title, (rows, columns)) in zip(st.tabs(list(tabs)), tabs.items(), strict=True):
        with place:
            name = title.split(" ", maxsplit=1)[0].lower()
            found = FrameRows(rows, columns, ["item_type", "item_id"])
            chosen = browse(found, name, usual=largest, key="key", nothing=f"{title}: nothing.")
            if chosen:
                show_decision(here, chosen)
