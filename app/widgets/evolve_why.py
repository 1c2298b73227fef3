"""What the selector thinks: its last choice in words, the candidates in a plot, and another choice in its place."""

from __future__ import annotations

from collections.abc import Callable

import plotly.graph_objects as go
import streamlit as st

from app import shell
from app.widgets import choose
from app.widgets.chart import chart
from app.widgets.curves import safe
from app.widgets.roles import may
from core.desk import Desk
from core.types import Act, Candidate, Explanation

CHOSEN, OTHER = "#D55E00", "#56B4E9"     # Okabe & Ito
FORMER = 8           # choices that are told
MOST = 7             # candidates drawn
WISHES = 3           # told at once


def draw_why(desk: Desk, run_id: str) -> None:
    told = desk.whys(run_id, FORMER)
    if not told:
        st.caption("It has chosen nothing yet. Each choice is told here with its reasons, and what else there was.")
    shown = [next(w for w in told if w.act is act) for act in dict.fromkeys(w.act for w in told)]
    for why in shown:
        st.markdown(f":material/{'person' if why.by_person else 'psychology'}: **{shell.plain(why.words[0].upper() + why.words[1:])}** :gray[· {shell.ago(why.at)}]")
        st.caption(shell.plain(why.explanation.words))
        chosen = {why.chosen.get("design"), *why.chosen.get("parents", ())}
        if why.explanation.candidates:
            drawn = any(c.weight is not None for c in why.explanation.candidates)
            figure = shares_figure(why.explanation, chosen) if drawn else order_figure(why.explanation, chosen, list(desk.scales))
            chart(figure, f"why-{run_id}-{why.act}", "What the selector weighed")
    if len(told) > len(shown):
        with st.expander("Choices before"):
            for why in [w for w in told if w not in shown]:
                st.caption(shell.plain(f"{shell.ago(why.at)}: {why.words}. {why.explanation.words}"))


def draw_wishes(desk: Desk) -> None:
    """What a person wants of branches: every selector obeys it."""
    lines = _known(desk, "wishes", desk.wishes)
    for line in lines[:WISHES]:
        st.caption(f":material/push_pin: {shell.plain(line)}")
    if len(lines) > WISHES:
        with st.expander(f"{len(lines) - WISHES} more wishes", icon=":material/push_pin:"):
            st.markdown("\n".join(f"- {shell.plain(line)}" for line in lines[WISHES:]))


def _known(desk: Desk, name: str, read: Callable[[], list[str]]) -> list[str]:
    """Read once, until the tree changes: it may be large."""
    key, version = f"evolve-{name}-{desk.store.database.path}", desk.store.version()
    if st.session_state.get(key, ("", []))[0] != version:
        st.session_state[key] = version, read()
    return st.session_state[key][1]


def shares_figure(explanation: Explanation, chosen: set[str | None]) -> go.Figure:
    """Who could have been drawn, and with what share."""
    shown = _shown(explanation, chosen)
    fig = go.Figure(go.Bar(
        x=[c.weight or 0.0 for c in shown], y=[safe(c.id) for c in shown], orientation="h", marker={"color": [CHOSEN if c.id in chosen else OTHER for c in shown]},
        text=[f"{c.weight or 0:.0%}" for c in shown], textposition="outside", textangle=0, cliponaxis=False, customdata=[safe(c.why) for c in shown],
        hovertemplate="<b>%{y}</b><br>%{customdata}<extra></extra>"))
    return _laid_out(fig, len(shown), "share of the draw; orange: drawn")


def order_figure(explanation: Explanation, chosen: set[str | None], ladder: list[str]) -> go.Figure:
    """Each candidate at the scale that is next for it, with its place in the order."""
    shown = _shown(explanation, chosen)
    place = {c: i + 1 for i, c in enumerate(explanation.candidates)}
    fig = go.Figure(go.Scatter(
        x=[c.at for c in shown], y=[safe(c.id) for c in shown], mode="markers+text", marker={"size": 20, "color": [CHOSEN if c.id in chosen else OTHER for c in shown]},
        text=[str(place[c]) for c in shown], textfont={"color": ["white" if c.id in chosen else "black" for c in shown], "size": 11}, customdata=[safe(c.why) for c in shown],
        hovertemplate="<b>%{y} at %{x}</b><br>%{customdata}<extra></extra>"))
    scales = [s for s in ladder if s in {c.at for c in shown}]
    fig = _laid_out(fig, len(shown) + 2, "what could be paid for, by its place in the order; orange: taken")
    fig.update_layout(margin_t=54)
    fig.update_xaxes(visible=True, side="top", showgrid=False, categoryorder="array", categoryarray=scales, range=[-0.5, max(1, len(scales)) - 0.5], tickfont={"size": 12}, zeroline=False)
    return fig


def _shown(explanation: Explanation, chosen: set[str | None]) -> list[Candidate]:
    """The first ones and the chosen, the first on top."""
    return [c for i, c in enumerate(explanation.candidates) if i < MOST or c.id in chosen][::-1]


def _laid_out(fig: go.Figure, rows: int, title: str) -> go.Figure:
    fig.update_layout(height=40 + 26 * rows, margin={"l": 8, "r": 30, "t": 26, "b": 4}, showlegend=False, bargap=0.3, title={"text": title, "font": {"size": 12}, "x": 0, "y": 0.995, "yanchor": "top"})
    fig.update_xaxes(visible=False)
    fig.update_yaxes(automargin=True, tickfont={"size": 12})
    return fig


def draw_instead(desk: Desk, run_id: str) -> None:
    """Another choice in the selector's place: the next act of its kind takes it."""
    for said in desk.chosen(run_id):
        words = f"{said.data['design']} at {said.data['scale']}" if said.data["act"] == Act.VERIFY else ", ".join(said.data["parents"]) or "no parent"
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f":violet[:material/person:] Next to {'verify' if said.data['act'] == Act.VERIFY else 'start from'}: **{shell.plain(words)}**", width="content")
            if st.button("Leave it to the selector", key=f"unchoose-{said.id}", type="tertiary",
                         **may("unchoose")) and shell.act(lambda s=said: desk.unchoose(run_id, Act(s.data["act"])), "taken back"):
                st.rerun()
    with st.popover("Choose another one instead", icon=":material/alt_route:"):
        told = {w.act: w for w in reversed(desk.whys(run_id, FORMER))}
        parents, verify = st.tabs(["The next session's parents", "The next verification"])
        with parents:
            _choose_parents(desk, run_id, [c.id for c in told[Act.DESIGN].explanation.candidates] if Act.DESIGN in told else [])
        with verify:
            _choose_verification(desk, run_id, [(c.id, c.at) for c in told[Act.VERIFY].explanation.candidates] if Act.VERIFY in told else [])


def _choose_parents(desk: Desk, run_id: str, runners_up: list[str]) -> None:
    picked = choose.several("Parents, the runners-up first", choose.able(), f"instead-parents-{run_id}", placeholder="none: from scratch", first=runners_up)
    if st.button("Start from these", key=f"instead-design-{run_id}", type="primary",
                 **may("choose_parents")) and shell.act(lambda: desk.choose_parents(run_id, picked), "the next session takes them"):
        st.rerun()


def _choose_verification(desk: Desk, run_id: str, runners_up: list[tuple[str, str]]) -> None:
    able = choose.able()
    if not able:
        st.caption("No design has checked code yet.")
        return
    design = choose.one("Design, the runners-up first", able, f"instead-of-{run_id}", first=[i for i, _ in runners_up])
    scales = desk.run_scales(desk.run_settings(run_id))
    scale = st.selectbox("Scale", scales or list(desk.scales), key=f"instead-at-{run_id}")
    if st.button("Verify this one", key=f"instead-verify-{run_id}", type="primary",
                 **may("choose_verification")) and shell.act(lambda: desk.choose_verification(run_id, design, scale), "the next verification is this one"):
        st.rerun()
