"""Editing a policy: its table in a grid, its text, the mistakes in place, its tests, who changed it, and running again."""

from __future__ import annotations

from typing import Any, Final

import polars as pl
import streamlit as st

from adapters.policy_edit import digest, read_text
from adapters.policy_sheet import kept_table
from dashboard.components.acts import act, tell
from dashboard.components.policy_approval import asked_once, show_sections
from dashboard.components.shell import RUN, Here, empty
from dashboard.components.tables import small_table
from dashboard.views import actions
from dashboard.views.plain import plain
from dashboard.views.policy_approval import money_of_draft
from dashboard.views.policy_edit import (
    changes,
    checked_table,
    checked_text,
    grid_of,
    run_again,
    save,
    save_rows,
    table_frame,
    table_of_frame,
    tests_beside,
    text_with,
)
from dashboard.views.tables import Column
from engine.errors import TieoutError

_TESTS: Final = (Column("test", "Test", width=320), Column("passed", "Passed"), Column("told", "Why not", width=520))


def show_editor(here: Here, file: str) -> None:
    """Show a policy's table and text to edit, what the change would bring, and the acts on it."""
    draft, basis = f"policy:{file}:text", f"policy:{file}:basis"
    written = read_text(here.workspace.policies, file)
    if basis not in st.session_state or draft not in st.session_state:
        st.session_state[draft], st.session_state[basis] = written, digest(written)
    tell()
    _kept_table(here, file)
    _grid(file, draft)
    st.text_area("Text", key=draft, height=420)
    text = str(st.session_state[draft])
    _changed_meanwhile(file, draft, basis, written)
    mistakes: list[dict[str, Any]] = []
    if text == written:
        st.caption("As it is saved.")
    else:
        mistakes = checked_text(here.workspace.policies, file, text)
        _show_mistakes(mistakes)
    _acts(here, file, draft, basis, blocked=text == written or any(each["severity"] == "error" for each in mistakes))


def _kept_table(here: Here, file: str) -> None:
    """Show the table that a policy keeps in a file beside it, to edit and save by itself."""
    table = kept_table(here.workspace.policies, file)
    if table is None:
        return
    st.markdown(f"**Table in {plain(table.file)}**")
    config = {name: st.column_config.TextColumn(name, width="medium") for name in table.rows[0]}
    key = f"policy:{table.file}:sheet:{table.read_as[:12]}"
    edited = st.data_editor(table_frame(table), num_rows="dynamic", hide_index=True, column_config=config, key=key)
    rows = table_of_frame(edited)
    if rows == table.rows:
        st.caption("As it is saved.")
        return
    mistakes = checked_table(here.workspace.policies, table, rows)
    _show_mistakes(mistakes)
    wrong = any(each["severity"] == "error" for each in mistakes)
    may = actions.may(here.person, "change a policy")
    if st.button("Save the table", type="primary", disabled=wrong or not may, key=f"{key}:save"):
        store = here.workspace.open_store()
        try:
            act(lambda: save_rows(store, here.person, here.workspace.policies, table, rows))
        finally:
            store.close()


def _grid(file: str, draft: str) -> None:
    grid = grid_of(str(st.session_state[draft]))
    if grid is None:
        st.caption("This policy has no table of its own; edit its text.")
        return
    st.markdown("**Table**")
    config = {name: st.column_config.TextColumn(name, width="medium") for name in grid.columns}
    shown = f"policy:{file}:grid:{digest(str(st.session_state[draft]))[:12]}"
    edited = st.data_editor(grid, num_rows="dynamic", hide_index=True, column_config=config, key=shown)
    if not edited.equals(grid):
        # The text shows what the grid says before it is drawn below.
        st.session_state[draft] = text_with(str(st.session_state[draft]), edited)
        st.rerun()


def _changed_meanwhile(file: str, draft: str, basis: str, written: str) -> None:
    if st.session_state[basis] == digest(written):
        return
    st.warning(f"**{plain(file)} was changed by somebody else meanwhile.** Copy what you need from your text, then load it again.")
    if st.button("Load it again", key=f"policy:{file}:reload"):
        del st.session_state[basis], st.session_state[draft]
        st.rerun()


def _show_mistakes(mistakes: list[dict[str, Any]]) -> None:
    if not mistakes:
        st.success("No mistake.", icon=":material/check:")
    for each in mistakes:
        show = st.error if each["severity"] == "error" else st.warning
        show(f"**Line {each['line']}, column {each['column']}: {plain(each['message'])}**  \n{plain(each['remedy'])}")
        if each["text"]:
            st.code(f"{each['text']}\n{' ' * (each['column'] - 1)}^", language=None)


def _acts(here: Here, file: str, draft: str, basis: str, *, blocked: bool) -> None:
    may = actions.may(here.person, "change a policy")
    keep, test, rerun, undo = st.columns(4)
    if keep.button("Save", type="primary", disabled=blocked or not may, key=f"policy:{file}:save", width="stretch"):
        act(lambda: _saved(here, file, draft, basis))
    if test.button("Run its tests", key=f"policy:{file}:test", width="stretch"):
        with st.spinner("Testing…", show_time=True):
            st.session_state[f"policy:{file}:tests"] = tests_beside(here.workspace.policies, file, str(st.session_state[draft]))
    may_run = actions.may(here.person, "run again")
    if rerun.button("Run again", disabled=not may_run, key=f"policy:{file}:run", width="stretch", help="The shown run's snapshot, with the policies as they are saved."):  # noqa: E501
        _run_again(here)
    undo.button("Undo", key=f"policy:{file}:undo", width="stretch", on_click=_forget, args=(draft, basis))
    # A text that prices hours at their cost would tell it.
    if not blocked and here.person.sight.tells_money:
        text = str(st.session_state[draft])
        moved = asked_once(
            f"policy:{file}:money:{digest(text)[:12]}", "See the money", lambda: money_of_draft(here.workspace, here.run, file, text),
            "Deciding by both texts…",
        )  # fmt: skip
        if moved:
            show_sections(moved)
    found = st.session_state.get(f"policy:{file}:tests")
    if found is not None:
        if found:
            passed = sum(each["passed"] == "yes" for each in found)
            st.markdown(f"**{passed} of {len(found)} tests pass.**")
            small_table(pl.DataFrame(found), _TESTS)
        else:
            empty("There is no test beside this policy.", f"Write one: {file.removesuffix('.yaml')}_test.yaml.")


def _forget(*names: str) -> None:
    for each in names:
        st.session_state.pop(each, None)


def _saved(here: Here, file: str, draft: str, basis: str) -> str:
    store = here.workspace.open_store()
    try:
        text = str(st.session_state[draft])
        told = save(store, here.person, here.workspace.policies, file, text, str(st.session_state[basis]))
        st.session_state[basis] = digest(text)
        return told
    finally:
        store.close()


def _run_again(here: Here) -> None:
    with st.spinner("Running the snapshot again with the saved policies…", show_time=True):
        try:
            run_id = run_again(here.workspace, here.person, here.run)
        except TieoutError as error:
            st.error(f"**{plain(error.message)}** {plain(error.remedy)}".rstrip())
            return
    # The widget that chooses the run stands already: the next drawing of the page chooses this one.
    st.session_state[f"{RUN}:next"] = run_id
    st.rerun()


def show_changes_of(here: Here, file: str) -> None:
    """Show who changed a policy, when and what."""
    store = here.workspace.open_store()
    try:
        found = changes(store, file)
    finally:
        store.close()
    if not found:
        empty("It was not changed here.", "Changes made in an editor are told by comparing runs.")
    for each in found:
        who = f"{plain(each['actor'])} ({each['identity'].replace('_', ' ')})"
        st.markdown(f"**{each['at'][:16].replace('T', ' ')} UTC**, {who}")
        st.code(each["difference"], language="diff")
