"""The dashboard's entry: the pages, the run they show, and who looks at them."""

from __future__ import annotations

import streamlit as st

from dashboard.components.shell import choose_run, current_person, guarded, show_person, style

st.set_page_config(page_title="Tieout", page_icon=":material/balance:", layout="wide")

SECTIONS = {
    "": [("overview", "Overview", "monitoring"), ("exceptions", "Exceptions", "flag"), ("projects", "My projects", "badge")],
    "Money": [
        ("billing", "Billing", "receipt_long"), ("revenue", "Revenue", "trending_up"),
        ("reconciliation", "Reconciliation", "join_inner"), ("close", "Close", "lock"),
    ],
    "Evidence": [
        ("record", "Record", "search"), ("integrations", "Integrations", "sync_alt"), ("policies", "Policies", "gavel"),
        ("runs", "Runs", "history"),
    ],
}  # fmt: skip

# The folder is not called `pages`: Streamlit would serve its files by themselves until the first visit of this script.
chosen = st.navigation(
    {
        section: [
            st.Page(f"screens/{name}.py", title=title, icon=f":material/{icon}:", url_path=name, default=name == "overview")
            for name, title, icon in pages
        ]
        for section, pages in SECTIONS.items()
    }
)

with guarded():
    style()
    person = current_person()
    with st.sidebar:
        choose_run()
        show_person(person)
    chosen.run()
