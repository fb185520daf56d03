"""An act of a person: done, told after the page has read the store anew, or refused in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import streamlit as st

from dashboard.views.plain import plain
from engine.errors import TieoutError

_TOLD: Final = "act:told"


def act(do: Callable[[], str]) -> None:
    """Do an act and show the page anew with its answer; a refusal is shown where it stands."""
    try:
        st.session_state[_TOLD] = do()
    except TieoutError as error:
        st.error(f"**{plain(error.message)}** {plain(error.remedy)}".rstrip())
        return
    st.rerun()


def tell() -> None:
    """Show the answer of the act just done, once."""
    if told := st.session_state.pop(_TOLD, None):
        st.success(plain(told), icon=":material/check:")
