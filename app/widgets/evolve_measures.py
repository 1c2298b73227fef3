"""How a run's search goes: the best so far beside the population and the reference, how many designs come through each joint, how far forecasts can be trusted."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from app import shell
from app.widgets.chart import chart
from app.widgets.curves import COLOURS, safe
from core.desk import AtScale, Desk, Measures, Record

BLUE, ORANGE, GREEN = COLOURS[:3]
GREY = "rgba(140,150,160,0.9)"
MOST = 3             # scales side by side


def draw_measures(desk: Desk, run_id: str) -> None:
    found = desk.measures(run_id)
    st.markdown("**How the search goes**")
    if not found.scales:
        st.caption("Drawn here once a design of the run is verified: the best so far, the population, and the reference beside them.")
        _draw_joints(found)
        return
    shown = found.scales[-MOST:]
    for at, column in zip(shown, st.columns(len(shown), gap="medium"), strict=True):
        with column:
            chart(search_figure(at), f"search-{run_id}-{at.scale}", f"The search at {at.scale}: best so far and mean, over verifications")
    left, right = st.columns([1, 1.25], gap="large")
    with left:
        _draw_joints(found)
    with right:
        _draw_figures(found)
    scored = [r for r in found.forecasters if r.brier is not None]
    rest = [(name, words) for name, words in found.lines if name in ("agreement",) or name.startswith(("forecasts", "rank", "at "))]
    with st.expander("Forecasts, agreement and rungs"):
        if scored:
            one, two = st.columns([1, 1.25], gap="large")
            with one:
                chart(calibration_figure(scored), f"calibration-{run_id}", "How often what was forecast came true")
            with two:
                _draw_lines(rest)
        else:
            _draw_lines(rest)


def _draw_lines(lines: list[tuple[str, str]]) -> None:
    for name, words in lines:
        st.markdown(f"**{shell.plain(name[:1].upper() + name[1:])}** :gray[{shell.plain(words)}]")


def _draw_joints(found: Measures) -> None:
    if found.joints[0].n:
        chart(joints_figure(found), f"joints-{found.run}", "How many designs came through each joint")


def _draw_figures(found: Measures) -> None:
    last = found.scales[-1]
    one, two = st.columns(2)
    gain = None if last.reference is None else last.reference - last.steps[-1].best
    one.metric(f"Best at {last.scale}", f"{last.steps[-1].best:.4f}", None if gain is None else f"{abs(gain):.4f} {'below' if gain > 0 else 'above'} the reference",
               delta_color="off", delta_arrow="off", help="bits per byte, the mean over its seeds; lower is better")
    two.metric("Since something better", f"{found.idle}", help="verifications of the run's own designs that brought nothing better at any scale")
    one.metric("Diversity", "–" if found.diversity is None else f"{found.diversity:.2f}", help="mean distance between two designs by the facts of their unit trees: 0 all alike, 1 nothing shared")
    two.metric("Drawdown", f"{last.drawdown:.4f}", help=f"the largest rise of the population's mean at {last.scale} above its lowest, bits per byte")
    st.caption(shell.plain(f"A verified design cost {found.cost_words}." + (
        f" At {last.scale} a verification took {last.spread[0]:.4f} ± {last.spread[1]:.4f} bits per byte off the best." if last.spread else "")))


def search_figure(at: AtScale) -> go.Figure:
    """Each verification a dot, the best so far a step, the population's mean a line, the reference a dashed one."""
    x = [s.n for s in at.steps]
    fig = go.Figure()
    fig.add_scatter(x=x, y=[s.score for s in at.steps], mode="markers", name="a design", marker={"color": GREY, "size": 7}, customdata=[safe(s.design) for s in at.steps],
                    hovertemplate="%{customdata}<br>%{y:.4f}<extra></extra>")
    fig.add_scatter(x=x, y=[s.mean for s in at.steps], mode="lines", name="mean", line={"color": COLOURS[5], "width": 2}, hovertemplate="mean %{y:.4f}<extra></extra>")
    fig.add_scatter(x=x, y=[s.best for s in at.steps], mode="lines+markers", name="best so far", line={"color": ORANGE, "width": 2.5, "shape": "hv"}, marker={"size": 5},
                    hovertemplate="best %{y:.4f}<extra></extra>")
    if at.reference is not None:
        fig.add_scatter(x=[0.7, max(x) + 0.3], y=[at.reference] * 2, mode="lines", name="reference", line={"color": BLUE, "width": 1.5, "dash": "dash"}, hovertemplate="reference %{y:.4f}<extra></extra>")
    fig.update_layout(height=285, margin={"l": 8, "r": 8, "t": 68, "b": 8}, title={"text": f"bits per byte at {safe(at.scale)}, lower is better", "font": {"size": 13}, "x": 0, "y": 0.985, "yanchor": "top"},
                      legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "font": {"size": 11}}, hovermode="closest")
    fig.update_xaxes(title={"text": "verifications", "font": {"size": 11}}, tickfont={"size": 11}, dtick=max(1, len(x) // 6), showgrid=False, range=[0.5, max(x) + 0.5])
    fig.update_yaxes(tickfont={"size": 11}, tickformat=".3f", automargin=True, nticks=6)
    return fig


def joints_figure(found: Measures) -> go.Figure:
    """How many designs came so far; the share is of those that came to the joint before, or were tried."""
    joints = found.joints[::-1]
    fig = go.Figure(go.Bar(
        x=[j.n for j in joints], y=[j.name for j in joints], orientation="h", marker={"color": GREEN}, text=[f"{j.n}" + ("" if j.name == "proposed" or j.share is None else f" · {j.share:.0%}") for j in joints],
        textposition="outside", textangle=0, cliponaxis=False, hovertemplate="%{x} %{y}<extra></extra>"))
    fig.update_layout(height=46 + 28 * len(joints), margin={"l": 8, "r": 60, "t": 30, "b": 4}, showlegend=False, bargap=0.35,
                      title={"text": "designs at each joint, and the share that came through", "font": {"size": 13}, "x": 0, "y": 0.985, "yanchor": "top"})
    fig.update_xaxes(visible=False)
    fig.update_yaxes(automargin=True, tickfont={"size": 12})
    return fig


def calibration_figure(records: list[Record]) -> go.Figure:
    """Said against came true, a dot a group of forecasts; on the diagonal they can be trusted."""
    fig = go.Figure(go.Scatter(x=[0, 1], y=[0, 1], mode="lines", line={"color": GREY, "dash": "dash", "width": 1}, showlegend=False, hoverinfo="skip"))
    for i, record in enumerate(records):
        fig.add_scatter(x=[b.said for b in record.bins], y=[b.came for b in record.bins], mode="lines+markers", name=safe(record.who), line={"color": COLOURS[i % len(COLOURS)]},
                        marker={"size": [8 + min(14, b.n) for b in record.bins]}, customdata=[b.n for b in record.bins], hovertemplate="said %{x:.0%}, came true %{y:.0%}, %{customdata} forecasts<extra></extra>")
    fig.update_layout(height=270, margin={"l": 8, "r": 8, "t": 52, "b": 8}, legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "font": {"size": 11}},
                      title={"text": "forecasts that a design beats the reference", "font": {"size": 13}, "x": 0, "y": 0.985, "yanchor": "top"})
    fig.update_xaxes(title={"text": "said", "font": {"size": 11}}, tickformat=".0%", range=[-0.05, 1.05], tickfont={"size": 11})
    fig.update_yaxes(title={"text": "came true", "font": {"size": 11}}, tickformat=".0%", range=[-0.05, 1.05], tickfont={"size": 11})
    return fig
