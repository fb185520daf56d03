"""The one table people browse: search, filters, order, pages, export; the address carries all of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import streamlit as st

from dashboard.components.shell import empty
from dashboard.views.address import from_params, to_params
from dashboard.views.downloads import to_csv, to_xlsx
from dashboard.views.tables import NUMERIC, SIZES, Column, Page, Query, Rows, record_of, shown

MAX_WORKBOOK_ROWS: Final = 100_000
_RECORD: Final = "record"
_ASKED: Final = ("q", "sort", "page", "size")

MAX_AT_ONCE: Final = 2_000
"""Rows that one act takes at most: each is noted in the audit log."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Hold the records that are chosen in a table, and the one the address names."""

    keys: list[str]
    record: str | None


def asked(rows: Rows, name: str, usual: Query) -> Query:
    """Return the query of a table as the address says it."""
    params = {key: st.query_params.get_all(key) for key in st.query_params}
    return from_params(params, rows.columns, _prefix(name), usual)


def browse(
    rows: Rows, name: str, *, usual: Query | None = None, key: str | None = None, nothing: str = "Nothing here.", height: int | None = None
) -> str | None:
    """Show a table and return the key of the record that is chosen, in the table or by the address.

    `name` tells the tables of a page apart; the main one is named `""`. `key` is the column that names a record.
    """
    usual = usual or Query()
    query = _toolbar(rows, name, asked(rows, name, usual), usual)
    with st.spinner("Reading…", show_time=True):
        found = rows.page(query)
    if not found.total:
        if query.search or query.filters:
            empty("No row fits.", "Take a filter or the search away.")
        else:
            empty(nothing)
        return None
    chosen = _table(found, rows.columns, name, key, height)
    _footer(rows, found, name, usual)
    return chosen


def browse_several(
    rows: Rows, name: str, key: str, *, usual: Query | None = None, nothing: str = "Nothing here.", height: int | None = None
) -> Chosen:
    """Show a table whose rows are chosen one by one, by page, or all that were found."""
    usual = usual or Query()
    query = _toolbar(rows, name, asked(rows, name, usual), usual)
    with st.spinner("Reading…", show_time=True):
        found = rows.page(query)
    if not found.total:
        if query.search or query.filters:
            empty("No row fits.", "Take a filter or the search away.")
        else:
            empty(nothing)
        return Chosen([], st.query_params.get(_prefix(name) + _RECORD))
    state = _table_key(name, found.query)
    event = st.dataframe(
        shown(found.rows, rows.columns), hide_index=True, column_config=_config(rows.columns), key=state, height=height or "auto",
        on_select="rerun", selection_mode="multi-row",
    )  # fmt: skip
    picked = [str(record_of(found.rows, each, key)) for each in event["selection"]["rows"]]
    _footer(rows, found, name, usual)
    record = _chosen_last(name, state, picked)
    if len(picked) > 1 and found.total > len(picked) and found.total <= MAX_AT_ONCE and st.toggle(
        f"All {found.total:,} that were found, not only the {len(picked):,} chosen", key=f"{name}:all:{_digest(found.query)}"
    ):  # fmt: skip
        picked = [str(each) for each in rows.export(found.query)[key].to_list()]
    return Chosen(picked, record)


def _chosen_last(name: str, table: str, picked: list[str]) -> str | None:
    """Return the record that was chosen last: by a row of the table, or by a link to another that was followed since.

    A row stays marked in the browser when a link is followed; the table is then shown anew, without the mark.
    """
    part, memory = _prefix(name) + _RECORD, f"{name}~picked"
    named = st.query_params.get(part)
    is_new = st.session_state.get(memory) != (table, picked)
    st.session_state[memory] = (table, picked)
    if len(picked) != 1 or picked[0] == named:
        return named
    if not is_new:
        st.session_state[f"{name}~turn"] = st.session_state.get(f"{name}~turn", 0) + 1
        st.rerun()
    st.query_params[part] = picked[0]
    return picked[0]


def _table_key(name: str, query: Query) -> str:
    return f"{name}:table:{_digest(query)}:{st.session_state.get(f'{name}~turn', 0)}"


def _prefix(name: str) -> str:
    return f"{name}." if name else ""


def _is_asked(part: str) -> bool:
    return part in _ASKED or part.startswith("f.")


def address_of(name: str) -> dict[str, list[str]]:
    """Return the parts of the address that carry what is asked of a table."""
    prefix = _prefix(name)
    return {
        key: st.query_params.get_all(key) for key in st.query_params if key.startswith(prefix) and _is_asked(key.removeprefix(prefix))
    }


def ask_anew(name: str, parts: Mapping[str, Sequence[str]]) -> None:
    """Ask of a table what parts of an address say, and show it so."""
    for key in address_of(name):
        del st.query_params[key]
    # The browser keeps what stands in a search or a filter; under a new key it shows what is asked now.
    st.session_state[f"{name}~round"] = st.session_state.get(f"{name}~round", 0) + 1
    for key, values in parts.items():
        st.query_params[key] = list(values)
    st.rerun()


def _key(name: str, part: str) -> str:
    turn = st.session_state.get(f"{name}~round", 0)
    return f"{name}:{part}" + (f":{turn}" if turn else "")


def _ask(query: Query, name: str, usual: Query) -> None:
    """Write a query into the address."""
    prefix = _prefix(name)
    for key in list(st.query_params):
        rest = key.removeprefix(prefix)
        if key.startswith(prefix) and _is_asked(rest):
            del st.query_params[key]
    for key, values in to_params(query, prefix, usual).items():
        st.query_params[key] = values


def _toolbar(rows: Rows, name: str, query: Query, usual: Query) -> Query:
    """Show the search, the filters and the order; return the query they say."""
    filtered = [each for each in rows.columns if each.filtered]
    bar = st.columns([5, 2, 3, 1.4], vertical_alignment="bottom")
    search = bar[0].text_input(
        "Search",
        query.search,
        key=_key(name, "search"),
        placeholder="Search " + ", ".join(each.label.lower() for each in rows.columns if each.searched),
    )
    filters: dict[str, tuple[str, ...]] = {}
    active = sum(bool(query.filters.get(each.name)) for each in filtered)
    drawer = bar[1].popover(
        f"Filters ({active})" if active else "Filters", icon=":material/filter_list:", width="stretch", disabled=not filtered,
        key=_key(name, "filters"), on_change="rerun",
    )  # fmt: skip
    # What the filters offer is read only when they are opened; until then they are as the address says.
    if not drawer.open:
        filters = dict(query.filters)
    with drawer:
        for column in filtered if drawer.open else ():
            values = list(query.filters.get(column.name, ()))
            options = list(dict.fromkeys([*rows.options(column.name), *values]))
            label = _words if column.kind == "code" else str
            chosen = st.multiselect(column.label, options, values, key=_key(name, f"filter:{column.name}"), format_func=label)
            if chosen:
                filters[column.name] = tuple(chosen)
    shown_columns = [each for each in rows.columns if each.shown]
    names = [each.name for each in shown_columns]
    labels = {each.name: each.label for each in shown_columns}
    sort = bar[2].selectbox(
        "Order by", ["", *names], index=names.index(query.sort) + 1 if query.sort in names else 0, key=_key(name, f"sort:{query.sort}"),
        format_func=lambda each: labels.get(each, "as it stands"),
    )  # fmt: skip
    descending = bar[3].toggle("Reverse", query.descending, key=_key(name, f"descending:{query.descending}"))
    wanted = Query(search, filters, sort, descending, query.page, query.size)
    if wanted != query:
        wanted = wanted.turned(1)
        _ask(wanted, name, usual)
        if (sort, descending) != (query.sort, query.descending):
            st.rerun()
    return wanted


def _words(code: str) -> str:
    return code.replace("_", " ")


def _table(found: Page, columns: Sequence[Column], name: str, key: str | None, height: int | None) -> str | None:
    cells, config = shown(found.rows, columns), _config(columns)
    state = _table_key(name, found.query)
    if key is None:
        st.dataframe(cells, hide_index=True, column_config=config, key=state, height=height or "auto")
        return None
    event = st.dataframe(
        cells, hide_index=True, column_config=config, key=state, height=height or "auto", on_select="rerun", selection_mode="single-row",
    )  # fmt: skip
    return _chosen_last(name, state, [str(record_of(found.rows, each, key)) for each in event["selection"]["rows"]])


def _config(columns: Sequence[Column]) -> dict[str, Any]:
    return {
        each.name: st.column_config.TextColumn(each.label, alignment="right" if each.kind in NUMERIC else "left", width=each.width)
        for each in columns
        if each.shown
    }


def _digest(query: Query) -> str:
    # A new page or order is a new table: no row of the old one stays chosen.
    return hashlib.sha256(repr(query).encode()).hexdigest()[:12]


def _footer(rows: Rows, found: Page, name: str, usual: Query) -> None:
    query = found.query
    bar = st.columns([3, 1.2, 1.2, 1.4, 1.2, 1.2], vertical_alignment="center")
    bar[0].caption(f"{found.told} · page {query.page:,} of {found.pages:,}")
    if bar[1].button("Back", key=f"{name}:back", disabled=query.page <= 1, icon=":material/chevron_left:", width="stretch"):
        _turn(query.turned(query.page - 1), name, usual)
    if bar[2].button("Next", key=f"{name}:next", disabled=query.page >= found.pages, icon=":material/chevron_right:", width="stretch"):
        _turn(query.turned(query.page + 1), name, usual)
    size = bar[3].selectbox(
        "Rows",
        SIZES,
        index=SIZES.index(query.size),
        key=_key(name, "size"),
        label_visibility="collapsed",
        format_func=lambda each: f"{each} rows",
    )
    if size != query.size:
        _turn(Query(query.search, query.filters, query.sort, query.descending, 1, size), name, usual)
    file = name or "rows"
    bar[4].download_button(
        "CSV", lambda: to_csv(rows.export(query), rows.columns), f"{file}.csv", "text/csv", key=f"{name}:csv", on_click="ignore",
        icon=":material/download:", width="stretch",
    )  # fmt: skip
    too_many = found.total > MAX_WORKBOOK_ROWS
    bar[5].download_button(
        "XLSX", lambda: to_xlsx(rows.export(query), rows.columns, file), f"{file}.xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", key=f"{name}:xlsx", on_click="ignore",
        icon=":material/download:", width="stretch", disabled=too_many,
        help=f"More than {MAX_WORKBOOK_ROWS:,} rows: filter first, or take the CSV." if too_many else None,
    )  # fmt: skip


def _turn(query: Query, name: str, usual: Query) -> None:
    _ask(query, name, usual)
    st.rerun()
