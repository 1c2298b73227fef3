"""A widget that changes what is stored the moment it is moved: one that is refused shows again what is stored, and beneath it, once, why."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app import shell
from core.errors import ModelDiscoveryError


def fresh(name: str) -> str:
    """The widget's key: another one after each move, so that it is drawn from what is stored and no move is done twice."""
    moves = st.session_state.get(f"moves-{name}", 0)
    return f"{name}-{moves}" if moves else name


def renew(name: str) -> None:
    """The next time the widget is drawn it is another one."""
    st.session_state[f"moves-{name}"] = st.session_state.get(f"moves-{name}", 0) + 1


def switch(name: str, verb: Callable[[], object], done: str) -> None:
    """Do what the widget `fresh(name)` was moved to, then draw the page anew."""
    renew(name)     # before the verb: what fails otherwise than in words is not done again either
    try:
        verb()
    except ModelDiscoveryError as error:
        st.session_state[f"refused-{name}"] = error
    else:
        st.toast(shell.plain(done))
    st.rerun()


def draw_refusal(name: str) -> None:
    """Why the last move of this widget was refused, where it was and was not told yet."""
    with shell.worded():
        if error := st.session_state.pop(f"refused-{name}", None):
            raise error
