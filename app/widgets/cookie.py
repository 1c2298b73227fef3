"""A cookie that this browser keeps, written by the one script of the app that does so (cookie.js); it is read with `st.context.cookies` when a page connects."""

from __future__ import annotations

from pathlib import Path

import streamlit as st


@st.cache_resource(show_spinner=False)
def _keeper():
    return st.components.v2.component("cookie", html="<span hidden></span>", js=Path(__file__).with_name("cookie.js").read_text(), isolate_styles=False)


def keep_cookie(name: str, value: str, seconds: float, key: str) -> None:
    """For so many seconds; 0 forgets it. `key`: of the element, which a page hides."""
    _keeper()(data={"name": name, "value": value, "seconds": seconds}, key=key, height=1)
