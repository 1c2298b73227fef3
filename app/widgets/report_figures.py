"""Figures of a report: dots with their intervals, probes, the ladder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from app.widgets.curves import GREY, safe, style
from core.report import Report, Scaling, words

LABEL = 28           # letters of a row's name: on a telephone the plot needs the rest
SPREAD = 0.56        # of a row's height that its marks share
PEERS = 14           # other designs in the plot of scores


@dataclass(frozen=True)
class Series:
    """One mark a row; None where the row has none."""

    name: str
    colour: str
    values: Sequence[float | None]
    ses: Sequence[float | None]
    hollow: bool = False
    notes: Sequence[str] = ()        # one a row, shown on hovering


def intervals(rows: Sequence[str], series: Sequence[Series], x_title: str, chance: Sequence[float | None] = (), digits: int = 3, bars: bool = False) -> go.Figure:
    """Rows from the top down; each mark with ± one standard error, where one is known; chance as a short upright bar."""
    fig, n = go.Figure(), len(rows)
    offsets = [SPREAD * ((k + 0.5) / len(series) - 0.5) for k in range(len(series))]
    for offset, s in zip(offsets, series, strict=True):
        at = [(i, v) for i, v in enumerate(s.values) if v is not None]
        y = [i + offset for i, _ in at]
        errors = {"type": "data", "array": [s.ses[i] or 0 for i, _ in at], "thickness": 1.6, "width": 3, "color": GREY if s.hollow or bars else s.colour}
        told = [f"{v:.{digits}f}" + (f" ± {s.ses[i]:.{digits}f}" if s.ses[i] is not None else "") + (f"<br>{safe(s.notes[i])}" if s.notes and s.notes[i] else "") for i, v in at]
        common = {"x": [v for _, v in at], "y": y, "name": safe(s.name), "error_x": errors, "customdata": [[safe(rows[i]), t] for (i, _), t in zip(at, told, strict=True)],
                  "hovertemplate": "%{customdata[0]}: %{customdata[1]}<extra>" + safe(s.name) + "</extra>"}
        if bars and not s.hollow:
            fig.add_trace(go.Bar(orientation="h", width=SPREAD / len(series) * 0.9, marker={"color": s.colour, "opacity": 0.85}, **common))
        else:
            fig.add_trace(go.Scatter(mode="markers", marker={"color": s.colour, "size": 9, "symbol": "circle-open" if s.hollow else "circle", "line": {"width": 2 if s.hollow else 0}}, **common))
    known = [(i, c) for i, c in enumerate(chance) if c is not None]
    if known:
        fig.add_trace(go.Scatter(x=[c for _, c in known], y=[i for i, _ in known], mode="markers", name="chance", hovertemplate="chance %{x:.3f}<extra></extra>",
                                 marker={"symbol": "line-ns", "size": 18, "color": GREY, "line": {"width": 2, "color": GREY}}))
    several = len(series) > 1 or bool(known)
    fig.update_layout(height=(58 if several else 44) + n * (22 + 8 * max(0, len(series) - 1)) + 34, margin={"l": 8, "r": 12, "t": 8, "b": 8}, xaxis_title=x_title,
                      showlegend=several, legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0}, hovermode="closest")
    fig.update_yaxes(tickmode="array", tickvals=list(range(n)), ticktext=[safe(_short(r)) for r in rows], range=[n - 0.5, -0.5], automargin=True, showgrid=False, zeroline=False)
    fig.update_xaxes(zeroline=False, automargin=True)
    if bars:
        fig.update_xaxes(range=[0, 1.05])
    return fig


def scores(found: Report) -> go.Figure:
    """The design among those measured at its scale on its corpus; the nearest ones where there are many."""
    peers = list(found.peers)
    at = next((i for i, p in enumerate(peers) if p.design == found.design.id), 0)
    start = max(0, min(at - PEERS // 2, len(peers) - PEERS))
    shown = peers[start:start + PEERS]
    own, others = style(0)[0], GREY

    def one(name: str, colour: str, wanted) -> Series:
        return Series(name, colour, [p.mean if wanted(p) else None for p in shown], [p.se if wanted(p) else None for p in shown],
                      notes=[f"{p.seeds} seed{'s' * (p.seeds > 1)}: ± over {'seeds' if p.seeds > 1 else 'held-out documents'}" for p in shown])

    series = [one(found.design.id, own, lambda p: p.design == found.design.id), one("others", others, lambda p: p.design != found.design.id)]
    fig = intervals([p.design for p in shown], [s for s in series if any(v is not None for v in s.values)], "bits per byte, held out (lower is better)", digits=4)
    return on_one_line(fig).update_layout(showlegend=False)


def on_one_line(fig: go.Figure) -> go.Figure:
    """Where each row has one mark of whichever series, all stand on the row's middle."""
    for trace in fig.data:
        trace.y = [round(v) for v in trace.y]
    rows = len(fig.layout.yaxis.tickvals)
    return fig.update_layout(height=86 + 26 * rows)


def tasks(reports: Sequence[Report]) -> go.Figure | None:
    """Accuracies; of one report beside the reference's, of several beside each other."""
    names = list(dict.fromkeys(t.task for r in reports for t in r.tasks if t.metric == "acc"))
    if not names:
        return None
    found = [{t.task: t for t in r.tasks if t.metric == "acc"} for r in reports]
    series = [Series(label(r, reports), style(i)[0], [f[n].value if n in f else None for n in names], [f[n].se if n in f else None for n in names])
              for i, (r, f) in enumerate(zip(reports, found, strict=True))]
    if len(reports) == 1 and any(t.reference is not None for t in found[0].values()):
        series.append(Series(reports[0].reference, GREY, [found[0][n].reference for n in names], [found[0][n].reference_se for n in names], hollow=True))
    chance = [next((f[n].chance for f in found if n in f), None) for n in names]
    return intervals([words.child(n, names) for n in names], series, "accuracy ± standard error", chance)


def probes(reports: Sequence[Report], suite: str) -> go.Figure | None:
    keys = list(dict.fromkeys((p.task, p.level) for r in reports for p in r.probes if p.suite == suite))
    if not keys:
        return None
    found = [{(p.task, p.level): p for p in r.probes if p.suite == suite} for r in reports]

    def of(f: dict, key: tuple[str, str], what: str):
        p = f.get(key)
        return None if p is None or (p.failure and what == "accuracy") else getattr(p, what)

    codes = [(r.design.id, r.revision) for r in reports]
    series = [Series(r.design.id if codes.count(codes[i]) > 1 else label(r, reports), style(i)[0], [of(f, k, "accuracy") for k in keys], [of(f, k, "se") for k in keys])
              for i, (r, f) in enumerate(zip(reports, found, strict=True)) if codes.index(codes[i]) == i and f]  # probes are of the code, whatever its scale
    if len(reports) == 1 and any(p.reference is not None for p in found[0].values()):
        series.append(Series(reports[0].reference, GREY, [found[0][k].reference for k in keys], [None] * len(keys), hollow=True))
    chance = [next((f[k].chance for f in found if k in f), None) for k in keys]
    return intervals([" ".join(filter(None, k)) for k in keys], series, "accuracy on fresh data", chance, bars=True)


def ladder(reports: Sequence[Report]) -> go.Figure:
    """Bits per byte against parameters: what was measured, ± one standard error, and the fitted curve with its 95 % band."""
    colours = {r.design.id: style(i)[0] for i, r in reversed(list(enumerate(reports)))}
    return scaling([*{c.design_id: c for r in reports if r.scaling for c in r.scaling.curves}.values()], colours, "parameters, without embeddings")


def scaling(curves: Sequence[Scaling], colours: Mapping[str, str], x_title: str) -> go.Figure:
    """Fitted curves with their bands and points."""
    fig = go.Figure()
    for c in curves:
        name = c.design_id
        colour = colours.get(name, "#8c96a0")
        rgb = ",".join(str(int(colour[k:k + 2], 16)) for k in (1, 3, 5))
        fig.add_trace(go.Scatter(x=[*c.sizes, *c.sizes[::-1]], y=[*c.high, *c.low[::-1]], fill="toself", fillcolor=f"rgba({rgb},0.15)", line={"width": 0}, hoverinfo="skip",
                                 showlegend=False, legendgroup=name))
        fig.add_trace(go.Scatter(x=c.sizes, y=c.fitted, mode="lines", line={"color": colour, "width": 2}, hoverinfo="skip", showlegend=False, legendgroup=name))
        fig.add_trace(go.Scatter(x=[p.size for p in c.points], y=[p.y for p in c.points], name=safe(name), mode="markers", marker={"size": 9, "color": colour, "line": {"width": 0}},
                                 error_y={"type": "data", "array": [p.se for p in c.points], "thickness": 1.4, "width": 4, "color": colour}, legendgroup=name, text=[p.scale for p in c.points],
                                 hovertemplate="%{text}: %{y:.4f} bits/byte<extra>" + safe(name) + "</extra>"))
    fig.update_layout(height=300, margin={"l": 8, "r": 8, "t": 8, "b": 8}, xaxis_title=x_title, yaxis_title="bits per byte",
                      legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0})
    fig.update_xaxes(type="log", exponentformat="SI")
    return fig


def label(found: Report, among: Sequence[Report]) -> str:
    """As short as tells it from the others."""
    told = found.design.id
    if len({r.scale for r in among}) > 1:
        told += f" {found.scale}"
    if sum(r.design.id == found.design.id and r.scale == found.scale for r in among) > 1:
        told += f" #{found.seed}" + (f" ({found.verification})" if found.label else "")
    return told


def _short(text: str) -> str:
    return text if len(text) <= LABEL else text[:LABEL - 1] + "…"
