"""Figures of a comparison: the ladder, the Pareto front, and the tasks as a heat map. Pure functions of what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import plotly.graph_objects as go

from app.widgets.curves import GREY, safe, style
from app.widgets.report_figures import scaling
from core.report import Ladder
from core.report.gather import main_metric
from core.types import Costs, Verification

LABELLED = 40        # points up to which each bears its name


@dataclass(frozen=True)
class Point:
    design: str
    cost: float                      # lower is better
    score: float                     # bits per byte: lower is better
    se: float | None
    reference: bool


@dataclass(frozen=True)
class Tasks:
    designs: tuple[str, ...]
    tasks: tuple[str, ...]
    accuracy: tuple[tuple[float | None, ...], ...]   # by design, then task
    gained: tuple[tuple[float | None, ...], ...]     # the share of the way from chance to 1


def ladder(found: Ladder, x_title: str) -> go.Figure:
    fig = scaling(found.curves, {c.design_id: style(i)[0] for i, c in enumerate(found.curves)}, x_title)
    return fig.update_layout(height=460)


# ------------------------------------------------------------------------------------------------ Pareto


def costs(counted: Callable[[str], Mapping[str, Costs]], table: Sequence[Mapping]) -> dict[str, list[Point]]:
    """Kind of cost → the designs for which it is known. `counted`: a design's costs by scale."""

    def points(value: Callable[[Mapping], float | None]) -> list[Point]:
        return [Point(r["design"], v, r["bits/byte"], r["±"], r["reference"]) for r in table if (v := value(r))]

    def flops(row: Mapping) -> float | None:
        found = counted(row["design"]).get(row["scale"])
        return found.flops_train if found else None

    return {"parameters": points(lambda r: r["parameters"]), "FLOPs a token": points(flops), "seconds a million tokens": points(lambda r: 1e6 / r["tokens/s"] if r["tokens/s"] else None)}


def front(points: Sequence[Point]) -> list[Point]:
    """Those that no other beats in both; cheapest first."""
    best: list[Point] = []
    for p in sorted(points, key=lambda p: (p.cost, p.score)):
        if not best or p.score < best[-1].score:
            best.append(p)
    return best


def pareto(points: Sequence[Point], x_title: str) -> go.Figure:
    fig = go.Figure()
    line = front(points)
    on_front = {p.design for p in line}
    fig.add_trace(go.Scatter(x=[p.cost for p in line], y=[p.score for p in line], mode="lines", line={"color": GREY, "shape": "hv", "width": 1.5, "dash": "dot"}, name="front", hoverinfo="skip"))
    for name, colour, symbol, wanted in (("references", style(0)[0], "square", True), ("designs", style(2)[0], "circle", False)):
        members = [p for p in points if p.reference is wanted]
        if members:
            fig.add_trace(go.Scatter(
                x=[p.cost for p in members], y=[p.score for p in members], name=name, mode="markers+text" if len(points) <= LABELLED else "markers",
                text=[safe(p.design) if p.design in on_front or len(points) <= 14 else "" for p in members], textposition="top center", textfont={"size": 11},
                marker={"color": colour, "symbol": symbol, "size": [12 if p.design in on_front else 8 for p in members], "opacity": [1 if p.design in on_front else 0.6 for p in members]},
                error_y={"type": "data", "array": [p.se or 0 for p in members], "thickness": 1.2, "width": 3}, customdata=[safe(p.design) for p in members],
                hovertemplate="%{customdata}: %{y:.4f} bits/byte at %{x:.4s}<extra></extra>"))
    fig.update_layout(height=460, margin={"l": 8, "r": 8, "t": 8, "b": 8}, xaxis_title=x_title + " (fewer is cheaper)", yaxis_title="bits per byte, held out (lower is better)",
                      legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}, hovermode="closest")
    return fig.update_xaxes(type="log", exponentformat="SI")


# ------------------------------------------------------------------------------------------------ tasks


def task_table(rows: Mapping[str, Sequence[Verification]]) -> Tasks:
    """Means over the seeds of each design; groups' children are left out where their group is there."""
    known: dict[str, dict[str, tuple[float, float]]] = {}
    for design, seeds in rows.items():
        found: dict[str, list[tuple[float, float]]] = {}
        for v in seeds:
            for task, scores in (v.metrics.tasks if v.metrics else {}).items():
                metric = main_metric(scores)
                if metric and metric.startswith("acc"):
                    found.setdefault(task, []).append((scores[metric], scores.get("chance", 0.0)))
        known[design] = {task: (fmean(a for a, _ in values), values[0][1]) for task, values in found.items()}
    names = list(dict.fromkeys(t for scores in known.values() for t in scores))
    tasks = [t for t in names if t.rpartition("/")[0] not in names]
    designs = [d for d in known if known[d]]
    accuracy = [[known[d][t][0] if t in known[d] else None for t in tasks] for d in designs]
    gained = [[(known[d][t][0] - known[d][t][1]) / (1 - known[d][t][1]) if t in known[d] and known[d][t][1] < 1 else None for t in tasks] for d in designs]
    return Tasks(tuple(designs), tuple(tasks), tuple(map(tuple, accuracy)), tuple(map(tuple, gained)))


def heat(found: Tasks) -> go.Figure:
    text = [["" if v is None else f"{v:.3f}" for v in row] for row in found.accuracy]
    fig = go.Figure(go.Heatmap(
        z=[list(row) for row in found.gained], x=[safe(t) for t in found.tasks], y=[safe(d) for d in found.designs], text=text, texttemplate="%{text}", colorscale="Cividis", zmin=0, zmax=1, xgap=2, ygap=2,
        hovertemplate="%{y}, %{x}: %{text}<extra></extra>", colorbar={"title": {"text": "of the way<br>from chance"}, "thickness": 12}))
    fig.update_layout(height=130 + 32 * len(found.designs), margin={"l": 8, "r": 8, "t": 8, "b": 8})
    fig.update_yaxes(autorange="reversed", automargin=True)
    return fig.update_xaxes(automargin=True)
