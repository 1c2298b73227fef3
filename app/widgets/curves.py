"""Loss curves."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from core.types import CurvePoint

# Okabe & Ito, without the yellow that white swallows.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
SHOWN = 400          # points of one curve: more cannot be told apart on a screen


def curve_figure(curves: Sequence[tuple[str, Sequence[CurvePoint], bool]]) -> go.Figure:
    """Each curve: (name, points, whether it is only there for comparison). Bits per byte of the training text over tokens, smoothed."""
    fig = go.Figure()
    strong = 0
    for name, points, muted in curves:
        if not points:
            continue
        step = max(1, len(points) // SHOWN)
        colour = "rgba(140,150,160,0.7)" if muted else COLOURS[strong % len(COLOURS)]
        strong += not muted
        fig.add_trace(go.Scatter(
            x=[p.tokens for p in points][::step], y=smoothed([p.bpb for p in points])[::step], name=name, mode="lines",
            line={"color": colour, "width": 1.5 if muted else 2.5, "dash": "dot" if muted else "solid"},
            hovertemplate="%{y:.3f} bits/byte at %{x:,} tokens<extra>" + name.replace("<", "&lt;") + "</extra>"))
    low = [min(p.bpb for p in points) for _, points, _ in curves if points]
    late = [p.bpb for _, points, _ in curves for p in points[len(points) // 20:]]
    fig.update_layout(height=320, margin={"l": 8, "r": 8, "t": 8, "b": 8}, legend={"orientation": "h", "y": 1.12, "x": 0}, uirevision="curves",
                      xaxis_title="tokens", yaxis_title="bits per byte, training text")
    if low and late:
        fig.update_yaxes(range=[min(low) * 0.95, max(late) * 1.03])
    return fig


def smoothed(values: Sequence[float], weight: float = 0.8) -> list[float]:
    """Exponential moving average, unbiased at its start."""
    out, state, norm = [], 0.0, 0.0
    for value in values:
        state, norm = weight * state + (1 - weight) * value, weight * norm + (1 - weight)
        out.append(state / norm)
    return out
