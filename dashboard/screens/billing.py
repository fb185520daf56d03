"""Billing: ready to invoice, held and why, how old the unbilled work is."""

from __future__ import annotations

import streamlit as st

from dashboard.components.browse import browse
from dashboard.components.charts import bars
from dashboard.components.decision import show_decision
from dashboard.components.shell import empty, page
from dashboard.components.tables import opened_tabs, small_table
from dashboard.components.unblock import show_unblock
from dashboard.views.billing import AGES, ALL, HELD, READY, ageing, decisions, is_held, is_ready, items, reasons
from dashboard.views.tables import Column, Query

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
    tabs = {"Ready": (is_ready(), READY), "Held": (is_held(), HELD), "All items": (None, ALL)}
    for title in opened_tabs([*tabs, "Unblock"], "billing:tab"):
        if title == "Unblock":
            show_unblock(here)
            continue
        where, columns = tabs[title]
        name = title.split(" ", maxsplit=1)[0].lower()
        chosen = browse(items(here.run, frame, columns, where), name, usual=largest, key="key", nothing=f"{title}: nothing.")
        if chosen:
            show_decision(here, chosen)
