"""From which revision a visitor's words began: a form stays theirs when somebody else saves a newer one, and they say how it goes on."""

from __future__ import annotations

import streamlit as st

from app import shell


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


def draw_newer(what: str, author: str, own: int, newest: int) -> None:
    """That somebody saved a newer one meanwhile, and the way to begin from it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.warning(f"{shell.plain(author)} saved revision {newest} meanwhile. What stands below began from revision {own}, and is kept.", icon=":material/group:")
        if st.button(f"Begin from revision {newest}", key=f"begin-{what}-{newest}", icon=":material/restart_alt:", help="what you typed below is put aside"):
            begin(what, newest)
            st.rerun()
