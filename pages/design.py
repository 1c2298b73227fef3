"""Design: start a session, follow its dialog, decide on its proposals; or one design in full."""

from __future__ import annotations

import streamlit as st

from app import shell
from app.widgets.design_page import draw_design
from app.widgets.session_page import draw_session
from core.desk import Desk
from core.types import Design, Mode, Session, Status

WORDS = {Mode.MUTATION: "Mutation: one parent, one change", Mode.CROSSOVER: "Crossover: join the units of several",
         Mode.SCRATCH: "Scratch: no parent"}


def main() -> None:
    desk = shell.desk()
    if session := st.query_params.get("session"):
        draw_session(desk, session)
    elif design := st.query_params.get("design"):
        draw_design(desk, design)
    else:
        left, right = st.columns([1, 1], gap="large")
        with left:
            new_session(desk)
        with right:
            sessions(desk)


def new_session(desk: Desk) -> None:
    st.subheader("New session", anchor=False)
    designs = [d for d in desk.store.designs.all() if d.status is not Status.REFUSED]
    titles = {d.id: d for d in designs}
    asked = [p for p in st.query_params.get("parents", "").split(",") if p in titles]
    parents = st.multiselect("Parents", list(titles), default=asked, format_func=lambda i: label(titles[i]), key="new-parents",
                             placeholder="none: from scratch")
    mode = Mode.SCRATCH if not parents else Mode.MUTATION if len(parents) == 1 else Mode.CROSSOVER
    st.caption(WORDS[mode])
    one, two = st.columns(2)
    proposals = one.number_input("Proposals (Np)", 1, 16, 3, help="Proposing costs little: make more than you need.")
    implemented = two.number_input("Implement the best (Ni)", 0, int(proposals), 1, help="How many of them get code and a check.")
    instructions = st.text_area("Instructions to the designer", placeholder="for instance: use gla, without post_norm", height=80)
    with st.expander("More"):
        gate = st.radio("Before implementing", ["ask", "auto"], format_func={"ask": "wait for me", "auto": "go on alone"}.get, horizontal=True)
        scale = st.selectbox("Check at scale", list(desk.scales))
        seed = st.number_input("Seed", 0, 2**31 - 1, None, placeholder="drawn anew")
    left = desk.store.ledger.account("design").left
    start = st.button("Start", type="primary", icon=":material/play_arrow:", disabled=left < 1)
    st.caption(f"Costs one of {left:g} design sessions left." if left >= 1 else "The design budget is spent: raise it on the Verify page.")
    if start:
        made: list[Session] = []
        if shell.act(lambda: made.append(desk.start_session(parents, mode, int(proposals), int(implemented), instructions, seed, gate, scale))):
            shell.go("design", session=made[0].id)


def sessions(desk: Desk) -> None:
    st.subheader("Sessions", anchor=False)
    found = desk.store.sessions.all(limit=30)
    if not found:
        st.info("None yet. Choose parents and press Start: three proposals take a few seconds.", icon=":material/forum:")
    for session in found:
        with st.container(horizontal=True, vertical_alignment="center"):
            state = "closed" if session.closed_at else "open"
            st.badge(state, color="gray" if session.closed_at else "green")
            shell.link("design", f"{session.id}: {session.mode} of {', '.join(session.parents) or 'nothing'}", session=session.id)
            st.caption(f"{session.n_proposals} proposals · {shell.ago(session.created_at)}", width="content")


def label(design: Design) -> str:
    score = "".join(f" · {s} {v:.3f}" for s, v in design.scores.items())
    return f"{design.id} · {design.title}{score}" if design.id != design.title.lower() else f"{design.id}{score}"


main()
