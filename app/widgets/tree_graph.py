"""The design tree as a figure: layers by generation, pure functions of the graph."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import networkx as nx
import numpy as np
import plotly.graph_objects as go

from app.shell import STATUS_COLOURS
from core.types import Design, Kind, Mode

SYMBOLS = {Kind.REFERENCE: "square", Kind.AGENT: "circle", Kind.MANUAL: "diamond"}
LABELLED = 60        # nodes up to which each bears its name
EDGE, GRID = "rgba(128,140,155,0.45)", "rgba(0,0,0,0)"
Positions = dict[str, tuple[float, float]]


def layout(designs: Sequence[Design]) -> Positions:
    """x, y of each node: generations from the top, wide ones wrapped into rows.

    Within a generation nodes stand in the order of the mean place of their parents (the barycentre heuristic of Sugiyama et al. 1981), one
    downward sweep: O(n log n).
    """
    layers: dict[int, list[Design]] = defaultdict(list)
    for design in designs:
        layers[design.generation].append(design)
    place: dict[str, float] = {}
    positions: Positions = {}
    y = 0.0
    for generation in sorted(layers):
        def wanted(d: Design) -> tuple[float, str]:
            known = [place[p] for p in d.parents if p in place]
            return (sum(known) / len(known) if known else 0.5, d.id)

        order = sorted(layers[generation], key=wanted)
        width = max(8, math.ceil(2.2 * math.sqrt(len(order))))
        rows = math.ceil(len(order) / width)
        columns = math.ceil(len(order) / rows)
        for i, design in enumerate(order):
            column, row = divmod(i, rows)
            positions[design.id] = ((column + 0.5) / columns, y - 0.45 * row)
            place[design.id] = (column + 0.5) / columns
        y -= 1.0 + 0.45 * (rows - 1)
    return positions


def figure(
    graph: nx.DiGraph, positions: Mapping[str, tuple[float, float]], scales: Sequence[str], colour: str, selected: Sequence[str] = ()
) -> go.Figure:
    """`colour` is "status" or a scale's name: then bits per byte there. Every node's point carries its id as customdata."""
    designs = [graph.nodes[n]["design"] for n in graph if n in positions]
    fig = go.Figure()
    for dashed in (False, True):
        x, y = _edges(graph, positions, dashed)
        fig.add_trace(go.Scatter(x=x, y=y, mode="lines", line={"color": EDGE, "width": 1, "dash": "dot" if dashed else "solid"}, hoverinfo="skip",
                              showlegend=False))
    for name, members, marker in _by_status(designs) if colour == "status" else _by_score(designs, colour):
        first = True
        for kind, symbol in SYMBOLS.items():
            same = [d for d in members if d.kind is kind]
            if same:
                fig.add_trace(_nodes(name, same, {**marker(same), "symbol": symbol}, positions, scales, len(designs) <= LABELLED, first))
                first = False
    fig.add_trace(_ring([d for d in designs if d.id in selected], positions, scales))
    if colour != "status":
        bar = {"title": {"text": "bits/byte"}, "thickness": 12, "len": 0.5}
        fig.update_layout(coloraxis={"colorscale": "Viridis", "reversescale": True, "colorbar": bar})
    fig.update_layout(
        height=640, margin={"l": 8, "r": 8, "t": 8, "b": 8}, plot_bgcolor=GRID, paper_bgcolor=GRID, hovermode="closest", dragmode="pan",
        uirevision="tree", legend={"orientation": "h", "y": -0.02, "x": 0}, hoverlabel={"align": "left"})
    fig.update_xaxes(visible=False, range=[-0.03, 1.03])
    fig.update_yaxes(visible=False, range=[min((p[1] for p in positions.values()), default=0) - 0.6, 0.5])
    return fig


def _nodes(name: str, members: list[Design], marker: dict, positions, scales: Sequence[str], labelled: bool, in_legend: bool):
    """One trace has one symbol: arrays of symbols are slow to check and to draw."""
    return go.Scatter(
        x=np.array([positions[d.id][0] for d in members]), y=np.array([positions[d.id][1] for d in members]), name=name, legendgroup=name,
        showlegend=in_legend, mode="markers+text" if labelled else "markers", text=[_short(d) for d in members] if labelled else None,
        textposition="bottom center", textfont={"size": 11}, customdata=[[d.id] for d in members], hovertext=[_hover(d) for d in members],
        hovertemplate="%{hovertext}<extra></extra>",
        marker={**marker, "opacity": 1, "size": np.array([_size(d, scales) for d in members]), "line": {"width": 1, "color": "rgba(255,255,255,0.7)"}})


def _ring(members: list[Design], positions, scales: Sequence[str]):
    """What is selected or chosen, ringed. A trace of its own, so that the others stay as they are from click to click."""
    return go.Scatter(
        x=[positions[d.id][0] for d in members], y=[positions[d.id][1] for d in members], mode="markers", hoverinfo="skip", showlegend=False,
        marker={"symbol": "circle-open", "size": [_size(d, scales) + 12 for d in members], "line": {"width": 3}, "color": "#CC79A7"})


def _by_status(designs: Sequence[Design]):
    for status, hue in STATUS_COLOURS.items():
        members = [d for d in designs if d.status is status]
        if members:
            yield str(status), members, lambda same, hue=hue: {"color": hue}


def _by_score(designs: Sequence[Design], scale: str):
    unknown = [d for d in designs if scale not in d.scores]
    known = [d for d in designs if scale in d.scores]
    if unknown:
        yield "not measured", unknown, lambda same: {"color": "#b8c0c8"}
    if known:
        yield f"bits per byte at {scale}", known, lambda same: {"color": np.array([d.scores[scale] for d in same]), "coloraxis": "coloraxis"}


def _edges(graph: nx.DiGraph, positions, dashed: bool) -> tuple[np.ndarray, np.ndarray]:
    x: list[float] = []
    y: list[float] = []
    for parent, child in graph.edges:
        if parent in positions and child in positions and (graph.nodes[child]["design"].mode is Mode.CROSSOVER) == dashed:
            (x0, y0), (x1, y1) = positions[parent], positions[child]
            x += [x0, x1, math.nan]
            y += [y0, y1, math.nan]
    return np.array(x), np.array(y)


def _size(design: Design, scales: Sequence[str]) -> int:
    """Larger where it was measured at a larger scale."""
    reached = [i for i, scale in enumerate(scales) if scale in design.scores]
    return 17 + (5 * (reached[-1] + 1) if reached else 0)


def _short(design: Design) -> str:
    text = design.id if design.kind is Kind.REFERENCE else design.title
    return _escaped(text if len(text) <= 22 else text[:21] + "…")


def _hover(design: Design) -> str:
    lines = [f"<b>{_escaped(design.title[:80])}</b>", f"{_escaped(design.id)} · {design.kind} · {design.status}"]
    lines += [f"{scale}: {score:.4f} bits/byte" for scale, score in design.scores.items()]
    if design.rating is not None:
        lines.append(f"rated {design.rating:.1f} of 5")
    if design.summary:
        words = design.summary[:160] + ("…" if len(design.summary) > 160 else "")
        lines += [_escaped(words[i : i + 60]) for i in range(0, len(words), 60)]
    return "<br>".join(lines)


def _escaped(text: str) -> str:
    """Plotly reads some HTML in texts; what a proposal says is shown, not read."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
