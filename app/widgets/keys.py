"""Keys that press buttons of the page (keys.js). Streamlit's own shortcuts take every letter but C and R, and a review desk wants those two."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import streamlit as st


@st.cache_resource(show_spinner=False)
def _listener():
    return st.components.v2.component("keys", html="<span hidden></span>", js=Path(__file__).with_name("keys.js").read_text(), isolate_styles=False)


def listen(keys: Mapping[str, str], focus: Mapping[str, str] | None = None, key: str = "keys") -> None:
    """`keys`: key → the key of a button or container, and after @ which button in it. `focus`: such a target → a CSS selector of the field to be typed into next."""
    _listener()(data={"keys": dict(keys), "focus": dict(focus or {})}, key=key, height=1)
