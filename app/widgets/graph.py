"""A plotly figure whose clicks come back with their modifier keys, drawn by the basic bundle that the app serves itself (graph.js)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import plotly.graph_objects as go
import streamlit as st

HTML = '<div class="tree-graph" role="img" aria-label="The design tree, generations from the top down"></div>'
CSS = ".tree-graph {width: 100%; min-height: 640px; color: var(--st-text-color); font-family: var(--st-font);}"


@st.cache_resource(show_spinner=False)
def _renderer():
    return st.components.v2.component("tree_graph", html=HTML, css=CSS, js=Path(__file__).with_name("graph.js").read_text(), isolate_styles=False)


def draw_graph(fig: go.Figure, key: str, on_click: Callable[[str, bool], None]) -> None:
    """`on_click(design id, whether to add it to those chosen)` is called before the page runs again."""
    def clicked() -> None:
        click = (st.session_state.get(key) or {}).get("clicked")
        if click:
            on_click(click["design"], bool(click["add"]))

    _renderer()(data=fig.to_json(), key=key, on_clicked_change=clicked)
