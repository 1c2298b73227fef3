"""From which revision a visitor's words began: a form stays theirs when somebody else saves a newer one, and they say how it goes on."""

from __future__ import annotations

import streamlit as st


def began(what: str, field: str, newest: int) -> int:
    """The revision that the form holds: the newest when it is first drawn, from then on that one as long as its field (`field` and the number are its key) is on the page."""
    slot = f"began-{what}"
    at = st.session_state.get(slot, newest)
    if f"{field}{at}" not in st.session_state:
        at = newest
    st.session_state[slot] = at
    return at


def begin(what: str, revision: int) -> None:
    """From this one."""
    st.session_state[f"began-{what}"] = revision
