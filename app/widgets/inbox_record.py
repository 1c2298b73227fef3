"""What was decided lately, each with Undo; and how good the forecasts were."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st

from app import shell
from app.widgets.chart import chart
from app.widgets.inbox_compare import draw_agreement
from app.widgets.roles import may
from core.desk import Desk, Recent, Record
from core.errors import Conflict

PERSON, OTHERS = "#0072B2", ("#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
SHOWN = 40           # of a batch, by name
SYMBOLS = ("square", "diamond", "cross", "triangle-up", "x")


def draw_record(desk: Desk) -> None:
    left, right = st.columns([1, 1.1], gap="large")
    with left:
        draw_recent(desk)
    with right:
        draw_calibration(desk)


def draw_recent(desk: Desk) -> None:
    st.subheader("Decided lately", anchor=False)
    found = desk.recent(30)
    if not found:
        st.caption("Nothing yet.")
    for entry in found:
        d = entry.decision
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"decided-{d.id}"):
            words = f"**{shell.plain(d.author)}** {shell.plain(entry.words)}" + (f": {shell.plain(d.reason[:140])}" if d.reason else "")
            st.markdown(f":gray[~~{words}~~]" if entry.undone_by else words, width="content")
            st.caption(shell.ago(d.created_at) + (f" · taken back by {shell.plain(entry.undone_by)}" if entry.undone_by else ""), width="content")
            if not entry.fixed and st.button("Undo" if len(entry.ids) == 1 else f"Undo all {len(entry.ids)}", key=f"undo-decision-{d.id}", type="tertiary", icon=":material/undo:",
                                             **may("undo_all")) and shell.act(lambda e=entry: _take_back(desk, e), "taken back"):
                st.rerun()
            if len(entry.decisions) > 1:
                with st.popover("Which", key=f"which-{d.id}", type="tertiary"):
                    for one in entry.decisions[:SHOWN]:
                        shell.link("design", one.design_id, design=one.design_id) if one.design_id else st.markdown(shell.plain(str(one.data.get("item", one.id))))
                    if len(entry.decisions) > SHOWN:
                        st.caption(f"and {len(entry.decisions) - SHOWN} more")


def _take_back(desk: Desk, entry: Recent) -> None:
    """All of a batch that can be; what stays is told."""
    if len(entry.ids) == 1:
        desk.undo(entry.ids[0])
    elif failed := desk.undo_all(entry.ids).failed:
        raise Conflict(f"{len(entry.ids) - len(failed)} of {len(entry.ids)} were taken back, the others stay: {next(iter(failed.values()))}", "decide on those anew")


def draw_calibration(desk: Desk) -> None:
    st.subheader("How good the forecasts were", anchor=False)
    found = desk.calibration()
    if not found:
        st.info("Say how likely a proposal is to beat gpt2, beside Approve: once both are verified at that scale, your forecasts are scored here.", icon=":material/query_stats:")
        draw_agreement(desk)
        return
    if any(r.scored for r in found):
        chart(calibration_figure(found), "inbox-calibration", "How often what was forecast came true")
    rows = [{"who": r.who, "": "person" if r.person else "reviewer", "forecasts": len(r.forecasts), "scored": len(r.scored), "Brier": r.brier,
             "within noise": sum(f.close for f in r.scored)} for r in found]
    st.dataframe(rows, hide_index=True, placeholder="", column_config={"Brier": st.column_config.NumberColumn(format="%.3f", help="0 is perfect, 0.25 is always saying 50 %")})
    st.caption("Scored after Brier (1950) once both designs are measured at the scale: 0 is perfect, 0.25 is what always saying 50 % gets. Differences within two standard deviations of seed noise may be chance.")
    draw_agreement(desk)


def calibration_figure(found: Sequence[Record]) -> go.Figure:
    """What was said against what came, one mark a bin, as large as it holds forecasts; on the diagonal is honest."""
    fig = go.Figure(go.Scatter(x=[0, 1], y=[0, 1], mode="lines", line={"dash": "dot", "color": "rgba(140,150,160,0.9)"}, hoverinfo="skip", showlegend=False))
    others = 0
    for r in found:
        if not r.scored:
            continue
        colour, symbol = (PERSON, "circle") if r.person else (OTHERS[others % len(OTHERS)], SYMBOLS[others % len(SYMBOLS)])
        others += not r.person
        name = _escaped(r.who)
        fig.add_trace(go.Scatter(
            x=[b.said for b in r.bins], y=[b.came for b in r.bins], mode="lines+markers", name=f"{name}, Brier {r.brier:.3f}", line={"color": colour, "width": 1.5},
            marker={"symbol": symbol, "size": [9 + 3 * min(b.n, 9) ** 0.5 * 2 for b in r.bins], "color": colour}, customdata=[b.n for b in r.bins],
            hovertemplate="said %{x:.0%}, came true %{y:.0%} of %{customdata}<extra>" + name + "</extra>"))
    fig.update_layout(height=340, margin={"l": 8, "r": 8, "t": 8, "b": 8}, legend={"orientation": "h", "y": 1.12, "x": 0})
    fig.update_xaxes(title="said", range=[-0.04, 1.04], tickformat=".0%")
    fig.update_yaxes(title="came true", range=[-0.06, 1.06], tickformat=".0%")
    return fig


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")[:60]
