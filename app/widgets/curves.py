"""Loss curves: training text in lines, watched held-out text in dots, the references as a band."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from core.report.svg import COLOURS, smoothed
from core.types import CurvePoint

DASHES = ("solid", "dash", "dashdot")   # beyond six curves, colours come again with another dash
GREY = "rgba(140,150,160,0.8)"
BAND = "rgba(140,150,160,0.18)"
SHOWN = 400          # points of one curve: more cannot be told apart on a screen
GRID = 60            # points of the band

__all__ = ["COLOURS", "curve_figure", "smoothed", "style"]


def style(i: int) -> tuple[str, str]:
    """(colour, dash) of the i-th thing on a page."""
    return COLOURS[i % len(COLOURS)], DASHES[i // len(COLOURS) % len(DASHES)]


def safe(text: str) -> str:
    """Plotly reads a little HTML in names: it gets none."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def curve_figure(curves: Sequence[tuple[str, Sequence[CurvePoint], bool]], band: Sequence[Sequence[CurvePoint]] = ()) -> go.Figure:
    """Each curve: (name, points, whether it is only there for comparison). Bits per byte over tokens; training text is smoothed.

    `band`: the curves of the references, of which the span from best to worst is shaded.
    """
    fig = go.Figure()
    curves = [(name, points, muted) for name, points, muted in curves if points]
    if band := [points for points in band if points]:
        _draw_band(fig, band)
    strong = 0
    for name, points, muted in curves:
        colour, dash = (GREY, "dot") if muted else style(strong)
        strong += not muted
        step = -(-len(points) // SHOWN)
        fig.add_trace(go.Scatter(
            x=[p.tokens for p in points][::step], y=smoothed([p.bpb for p in points])[::step], name=safe(name), mode="lines", legendgroup=name,
            line={"color": colour, "width": 1.5 if muted else 2.5, "dash": dash},
            hovertemplate="%{y:.3f} bits/byte at %{x:,} tokens<extra>" + safe(name) + "</extra>"))
        watched = [p for p in points if p.held_out is not None]
        if watched:
            fig.add_trace(go.Scatter(
                x=[p.tokens for p in watched], y=[p.held_out for p in watched], name=safe(f"{name}, held out"), mode="markers", legendgroup=name, showlegend=False,
                marker={"color": colour, "size": 6 if muted else 8, "symbol": "circle-open" if muted else "circle", "line": {"width": 1.5 if muted else 0}},
                hovertemplate="%{y:.3f} bits/byte held out, at %{x:,} tokens<extra>" + safe(name) + "</extra>"))
    fig.update_layout(height=340, margin={"l": 8, "r": 8, "t": 8, "b": 8}, legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
                      xaxis_title="tokens", yaxis_title="bits per byte", hovermode="closest")
    late = [y for points in [*(p for _, p, _ in curves), *band] for y in _late(points)]
    if late:
        room = (max(late) - min(late)) * 0.06 or 0.1
        fig.update_yaxes(range=[min(late) - room, max(late) + room])
    return fig


def _late(points: Sequence[CurvePoint]) -> list[float]:
    """What the axis must show: all but the first steps, which would flatten the rest."""
    told = smoothed([p.bpb for p in points])[len(points) // 12:]
    return [*told, *(p.held_out for p in points[len(points) // 12:] if p.held_out is not None)]


def _draw_band(fig: go.Figure, curves: Sequence[Sequence[CurvePoint]]) -> None:
    far = min(points[-1].tokens for points in curves)
    grid = [far * (i + 1) / GRID for i in range(GRID)]
    values = [[_at(points, smooth, x) for x in grid] for points, smooth in ((p, smoothed([q.bpb for q in p])) for p in curves)]
    low, high = [min(c) for c in zip(*values, strict=True)], [max(c) for c in zip(*values, strict=True)]
    name = f"{len(curves)} references"
    fig.add_trace(go.Scatter(x=grid, y=low, mode="lines", line={"width": 0}, showlegend=False, hoverinfo="skip"))
    fig.add_trace(go.Scatter(x=grid, y=high, mode="lines", line={"width": 0}, fill="tonexty", fillcolor=BAND, name=name, hoverinfo="skip"))


def _at(points: Sequence[CurvePoint], values: Sequence[float], tokens: float) -> float:
    """The curve's value at so many tokens, between its points in a straight line."""
    low, high = 0, len(points) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if points[middle].tokens <= tokens else (low, middle)
    a, b = points[low], points[high]
    if b.tokens == a.tokens:
        return values[high]
    share = min(1.0, max(0.0, (tokens - a.tokens) / (b.tokens - a.tokens)))
    return values[low] + share * (values[high] - values[low])
