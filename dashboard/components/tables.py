"""Small tables whose figures stand at the right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

import polars as pl
import streamlit as st

from dashboard.components.shell import empty
from dashboard.views.tables import NUMERIC, Column, shown

_TAB: Final = "tab"
"""The part of the address that names the open tab of a page."""

_WHOLE: Final = 20
"""Rows up to which a table is as high as it needs, without a bar to scroll."""


def opened_tabs(titles: Sequence[str], key: str) -> Iterator[str]:
    """Show tabs and give the title of the one that is open, within it: what stands in the others is not read.

    The address names the open one, but for the first: a page has these tabs once.
    """
    asked = st.query_params.get(_TAB)
    if key not in st.session_state and asked in titles:
        st.session_state[key] = asked
    for place, title in zip(st.tabs(list(titles), key=key, on_change="rerun"), titles, strict=True):
        if place.open:
            _name_tab(title if title != titles[0] else None, asked)
            with place:
                yield title


def _name_tab(title: str | None, asked: str | None) -> None:
    if title is not None and title != asked:
        st.query_params[_TAB] = title
    elif title is None and asked is not None:
        del st.query_params[_TAB]


def small_table(rows: pl.DataFrame, columns: Sequence[Column], nothing: str = "Nothing here.") -> None:
    """Show a table that fits on the screen whole."""
    if rows.is_empty():
        empty(nothing)
        return
    columns = [each for each in columns if each.name in rows.columns and each.shown]
    config: dict[str, Any] = {
        each.name: st.column_config.TextColumn(each.label, alignment="right" if each.kind in NUMERIC else "left", width=each.width)
        for each in columns
    }
    height: Literal["content", "auto"] = "content" if rows.height <= _WHOLE else "auto"
    st.dataframe(shown(rows, columns), hide_index=True, column_config=config, height=height)
