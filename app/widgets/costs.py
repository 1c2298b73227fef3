"""What a design costs at each scale: parameters and FLOPs, beside the reference's."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go
import streamlit as st

from app.widgets.chart import chart
from app.widgets.table import Column, table
from core.types import Costs

OWN, OTHER = "#0072B2", "rgba(140,150,160,0.9)"


def draw_costs(name: str, own: Mapping[str, Costs], reference: str, base: Mapping[str, Costs]) -> None:
    parameters, flops = st.columns(2)
    for column, words, value in ((parameters, "parameters, without embeddings", lambda c: c.params), (flops, "FLOPs a token, in training", lambda c: c.flops_train)):
        fig = go.Figure()
        for label, costs, colour, dash in ((reference, base, OTHER, "dot"), (name, own, OWN, "solid")):
            if costs and not (label == reference and name == reference and colour == OTHER):
                fig.add_trace(go.Scatter(x=list(costs), y=[value(c) for c in costs.values()], name=label, mode="lines+markers",
                                         line={"color": colour, "dash": dash, "width": 2}, hovertemplate="%{y:.3s} at %{x}<extra>%{fullData.name}</extra>"))
        fig.update_layout(height=230, margin={"l": 8, "r": 8, "t": 28, "b": 8}, showlegend=name != reference, title={"text": words, "font": {"size": 13}, "x": 0},
                          legend={"orientation": "h", "y": 0.98, "x": 0.02})
        fig.update_yaxes(type="log", exponentformat="SI", dtick=1)
        with column:
            chart(fig, f"costs-{words[:5]}", words)
    with st.expander("As a table"):
        rows = [{"scale": scale, "parameters": c.params, "embedding": c.params_embedding, "read": c.flops_infer, "trained": c.flops_train, "memory": c.peak_mb} for scale, c in own.items()]
        table([Column("scale"), Column("parameters", kind="number"), Column("embedding", kind="number"), Column("read", "FLOPs a token", "number"), Column("trained", "in training", "number"),
               Column("memory", "memory, MB", "number")], rows, "costs-table", f"Costs of {name} by scale")
        st.caption("FLOPs: matrix products, convolutions and attention at the scale's full context; elementwise work is left out. "
                   "Memory: a training step's peak with the process itself, in float32, on the processor at nano and micro.")
