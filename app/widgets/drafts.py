"""What a person types is kept by their browser until it is sent (drafts.js): in fields whose key begins with `draft-`."""

from __future__ import annotations

from pathlib import Path

import streamlit as st


@st.cache_resource(show_spinner=False)
def _keeper():
    return st.components.v2.component("drafts", html="<span hidden></span>", js=Path(__file__).with_name("drafts.js").read_text(), isolate_styles=False)


def keep() -> None:
    """Once a page."""
    with st.container(key="drafts"):
        _keeper()(key="drafts-kept", height=1)
