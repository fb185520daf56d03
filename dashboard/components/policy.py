"""One policy: its rules, its table, its text; and the mistakes of a folder in their place."""

from __future__ import annotations

from typing import Any

import polars as pl
import streamlit as st

from adapters.publish import read_manifest
from dashboard.components.policy_approval import show_weights
from dashboard.components.policy_edit import show_changes_of, show_editor
from dashboard.components.shell import Here, empty
from dashboard.components.tables import small_table
from dashboard.views.plain import plain
from dashboard.views.policies import RULES, find_policy, rules_of, table_of, text_of
from dashboard.views.policy_edit import grid_of
from dashboard.views.tables import Column
from engine.policy.kinds.table import TablePolicy
from engine.policy.loaded import PolicySet


def show_diagnostics(diagnostics: list[dict[str, Any]]) -> None:
    """Show every mistake with its place and remedy, or say that there is none."""
    if not diagnostics:
        st.success("No mistake in any policy.", icon=":material/check:")
        return
    errors = sum(each["severity"] == "error" for each in diagnostics)
    others = len(diagnostics) - errors
    told = f"{errors} error{'' if errors == 1 else 's'} and {others} other remark{'' if others == 1 else 's'}."
    st.warning(told, icon=":material/rule:")
    labels = (
        Column("severity", ""), Column("place", "Where"), Column("message", "What is wrong", width=420), Column("remedy", "What to do"),
    )  # fmt: skip
    small_table(pl.DataFrame(diagnostics), labels)


def show_policy(here: Here, policies: PolicySet, file: str) -> None:
    """Show a policy's rules, table and text, and whether the shown run was made with it."""
    loaded = find_policy(policies, file)
    if loaded is None:
        empty(f"There is no policy {plain(file)}.", "It may have been renamed or have mistakes.")
        return
    with st.container(border=True):
        st.subheader(plain(loaded.policy.title))
        used = {each["file"]: each["fingerprint"] for each in read_manifest(here.run.folder)["policies"]}.get(file)
        same = (
            "as the shown run used it"
            if used == loaded.fingerprint
            else "the shown run used another text"
            if used
            else "not in the shown run"
        )
        st.caption(f"{file} · owner {loaded.policy.owner} · in force from {loaded.policy.effective_from} · {same}")
        rules, table, text, edit, history = st.tabs(["Rules", "Table", "Text", "Edit", "Versions"])
        with rules:
            found = rules_of(loaded)
            small_table(pl.DataFrame(found, infer_schema_length=None), RULES, "This policy has settings only.")
            if found and isinstance(loaded.policy, TablePolicy) and here.person.sight.tells_money:
                show_weights(here, file, found)
        with table:
            cells = table_of(loaded)
            cells = grid_of(text_of(loaded)) if cells is None else cells
            if cells is None:
                empty("This policy has no table in its own file.")
            else:
                small_table(cells, [Column(each, each.replace("_", " ")) for each in cells.columns])
        with text:
            st.code(text_of(loaded), language="yaml", line_numbers=True)
        with edit:
            show_editor(here, file)
        with history:
            show_changes_of(here, file)
