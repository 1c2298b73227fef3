"""A plotly figure on a page. Streamlit's own element brings the whole of plotly, which a new tab takes 0.7 s to read; this one brings the bundle that the tree uses anyway.

Kinds of traces: lines, dots, bars and pies (plotly's basic bundle). A heat map takes `st.plotly_chart`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import streamlit as st

FOLDER = Path(__file__).parent
KINDS = {"scatter", "bar", "pie"}
# chart.js hears by the transition's end that the theme has changed.
CSS = """
.md-chart {width: 100%; color: var(--st-text-color); font-family: var(--st-font); transition: color 1ms;}
"""


@st.cache_resource(show_spinner=False)
def _renderer():
    script = (FOLDER / "plotly.js").read_text() + (FOLDER / "chart.js").read_text()
    return st.components.v2.component("chart", html='<div class="md-chart"></div>', css=CSS, js=script, isolate_styles=False)


def chart(figure: go.Figure, key: str, words: str, config: Mapping[str, Any] | None = None) -> None:
    """`words`: what the chart shows, for who cannot see it. `config`: plotly's own. A ValueError for a kind of trace that the bundle does not have."""
    if unknown := {trace.type for trace in figure.data} - KINDS:
        raise ValueError(f"a chart of {', '.join(sorted(unknown))} takes st.plotly_chart")
    shown = json.loads(figure.to_json())
    shown["layout"]["uirevision"] = f"{key} {' '.join(str(trace.name) for trace in figure.data)}"      # a zoom stays while the same things are drawn
    _renderer()(data={"figure": shown, "config": dict(config or {"displayModeBar": False}), "words": words}, key=key)
