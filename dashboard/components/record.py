"""A record with its source rows, and what each output says of it."""

from __future__ import annotations

from typing import Final

import polars as pl
import streamlit as st

from dashboard.components.browse import browse
from dashboard.components.shell import Here, empty
from dashboard.components.tables import opened_tabs
from dashboard.views.lineage import lineage, picture
from dashboard.views.plain import plain
from dashboard.views.record import agreed, find_records, search_records, source_rows, told_of
from dashboard.views.tables import Column, FrameRows, Kind
from engine.canonical.schema import ENTITIES

_RECORD: Final = "record"
_BOX: Final = "record:id"
_LIMIT: Final = 20
_ROWS: Final = 10
_UNSEEN: Final = ("policy_fingerprint", "record_hash")
_CODES: Final = ("item_type", "decision", "eligibility", "nature", "kind", "severity", "stage", "entity", "status", "account_role")


def choose_record(here: Here) -> str | None:
    """Let a person name a record; return its id, or None when none or several fit."""
    text = st.text_input(
        "Id or name", st.query_params.get(_RECORD, ""), key=_BOX, placeholder="CON-0004, INV-000029, Alder Logistics …"
    )
    if not text.strip():
        return None
    identity = text.strip()
    if identity != st.query_params.get(_RECORD):
        st.query_params[_RECORD] = identity
    if find_records(here.run, identity) or told_of(here.run, identity):
        return identity
    found = search_records(here.run, identity, _LIMIT)
    if not found:
        empty(f"Nothing is called {plain(identity)}.", "Look in an earlier run, or search for a part of it.")
        return None
    st.caption(f"{len(found)} records" + (" or more" if len(found) == _LIMIT else ""))
    for entity, key, name in found:
        label = f"{entity.replace('_', ' ')} **{plain(key)}** {plain(name)}"
        st.button(label, key=f"record:found:{entity}:{key}", on_click=_write, args=(key,), type="tertiary")
    return None


def _write(identity: str) -> None:
    """Write an id into the box, as a person would: what stands in the box wins over the address."""
    st.session_state[_BOX] = identity


def show_record(here: Here, identity: str) -> None:
    """Show the agreed records of an id, their source rows, and what the outputs say."""
    for entity, row in find_records(here.run, identity):
        with st.container(border=True):
            st.subheader(f"{entity.replace('_', ' ').capitalize()} {plain(identity)}")
            fields, sources = st.columns([2, 3], gap="large")
            with fields:
                st.markdown("**Agreed record**")
                told = [{"field": name.replace("_", " "), "value": value} for name, value in agreed(row)]
                st.dataframe(told, hide_index=True, column_config={"field": "Field", "value": "Value"}, height=360)
            with sources:
                st.markdown("**Source rows, by system**")
                for each in source_rows(here.run, row.get("evidence")):
                    st.markdown(f":gray-badge[{each['system']}] `{each['place']}`")
                    if each["line"]:
                        st.code(each["line"], language=None, wrap_lines=True)
    outputs = told_of(here.run, identity)
    if not outputs:
        empty("No output speaks of it.")
        return
    _lineage(here, identity)
    titles = {_title(name).capitalize(): name for name in outputs}
    for title in opened_tabs(list(titles), f"record:{identity}"):
        frame = outputs[titles[title]]
        browse(FrameRows(frame, _columns(frame)), titles[title].rpartition("/")[2])


def _title(name: str) -> str:
    """Return the name of an output, or of the agreed records of an entity, as words."""
    return name.rpartition("/")[2].replace("_", " ")


def _lineage(here: Here, identity: str) -> None:
    """Show where it comes from: a picture back to the files, and the rows themselves."""
    found = lineage(here.run, identity)
    if not found.places:
        return
    st.markdown("**Where it comes from**")
    st.graphviz_chart(picture(found))
    # The source rows of the record itself stand above.
    outputs = [each for each in found.places if each not in ENTITIES]
    if not outputs:
        return
    named = st.selectbox("Source rows of", outputs, key="record:rows", format_func=_title)
    places = found.places[str(named)]
    for each in source_rows(here.run, places[:_ROWS]):
        st.markdown(f":material/description: `{each['place']}`")
        if each["line"]:
            st.code(each["line"], language=None, wrap_lines=True)
    if found.counts[str(named)] > _ROWS:
        st.caption(f"The first {_ROWS} of {found.counts[str(named)]:,}.")


def _columns(frame: pl.LazyFrame) -> list[Column]:
    found = []
    for name, dtype in frame.collect_schema().items():
        kind: Kind = "text"
        if isinstance(dtype, pl.List):
            kind = "list"
        elif isinstance(dtype, pl.Decimal):
            kind = "money" if dtype.scale == 6 else "number"
        elif dtype.is_integer():
            kind = "count"
        elif isinstance(dtype, pl.Date):
            kind = "date"
        kind = "code" if name in _CODES else kind
        title = name.replace("_", " ").capitalize()
        found.append(Column(name, title, kind, searched=dtype == pl.String, shown=name not in _UNSEEN))
    return found
