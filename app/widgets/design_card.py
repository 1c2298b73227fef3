"""One design in short, beside the tree: what it is, how it scored, what can be done with it."""

from __future__ import annotations

import networkx as nx
import streamlit as st

from app import shell
from app.widgets.branches import draw_branches, draw_marks, draw_tags
from app.widgets.judging import cost_of, cost_words, draw_meanwhile, saw, seen
from app.widgets.roles import may
from core.desk import Desk
from core.types import Design, Kind, Seen, Status

REFERENCE = "gpt2"
REASONS = ("too close to what is there", "too costly", "unlikely to work", "not now")


def draw_card(desk: Desk, graph: nx.DiGraph, design_id: str) -> None:
    design: Design = graph.nodes[design_id]["design"]
    st.subheader(shell.plain(design.title), anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        shell.status_badge(design)
        draw_marks(design)
        st.caption(f"{design.id} · {design.mode} · by {shell.plain(design.author)} · {shell.ago(design.created_at)}", width="content")
    if design.summary:
        st.markdown(shell.plain(design.summary))
    if design.rating is not None:
        st.markdown(f"Rated **{design.rating:.1f}** of 5 by the reviewer: an opinion.")
    draw_scores(desk, graph, design)
    draw_actions(desk, design)
    draw_lineage(graph, design_id)


def draw_scores(desk: Desk, graph: nx.DiGraph, design: Design) -> None:
    """Held-out bits per byte, beside the reference's mean at the same scale; whether a difference is more than noise is for Compare to say, so none is green or red here."""
    reference: Design | None = graph.nodes[REFERENCE]["design"] if REFERENCE in graph else None
    for scale, score in design.scores.items():
        base = reference.scores.get(scale) if reference and design.id != REFERENCE else None
        seeds = design.n_seeds.get(scale, 1)
        st.metric(f"bits per byte at {scale}, {seeds} seed{'s' if seeds > 1 else ''}", f"{score:.4f}",
                  f"{score - base:+.4f} to {REFERENCE}'s mean" if base is not None else None, delta_color="off", delta_arrow="off")
    draw_notes(design)
    newest = [v.id for v in desk.store.verifications.of(design.id) if v.metrics] if design.scores or design.held_back else []
    if newest:
        with st.container(horizontal=True):
            shell.link("report", "Report", ":material/lab_profile:", verifications=str(newest[-1]))
            if design.id != REFERENCE and design.scores:
                shell.link("compare", "Is it better?", ":material/balance:", scale=list(design.scores)[-1], designs=design.id, reference=REFERENCE)


def draw_notes(design: Design) -> None:
    """What is to be known beside its scores."""
    if design.held_back:
        st.warning(f"A score at {', '.join(design.held_back)} is held back: it is too good to count before its weights are audited, on its report.", icon=":material/policy:")
    if design.older:
        st.warning(f"Its code changed since it was measured at {', '.join(design.older)}: that score is of the older code.", icon=":material/history:")


def draw_actions(desk: Desk, design: Design) -> None:
    tray: list[str] = st.session_state.setdefault("tray", [])
    with st.container(horizontal=True):
        chosen = design.id in tray
        if st.button("Chosen" if chosen else "Choose", icon=":material/check:" if chosen else ":material/add:", key="card-choose",
                     help="as a parent, or for a verification; choose several, one after the other"):
            tray.remove(design.id) if chosen else tray.append(design.id)
            st.rerun()
        if st.button("Mutate", icon=":material/edit:", key="card-mutate"):
            shell.go("studio", parents=design.id)
        runs = design.status in (Status.IMPLEMENTED, Status.VERIFIED)
        if st.button("Verify", icon=":material/science:", key="card-verify", disabled=not runs, help=None if runs else "it has no checked code yet"):
            shell.go("verify", designs=design.id)
        draw_tags(desk, [design], "card")
        draw_branches(desk, [design], "card")
        shell.link("design", "Open", ":material/open_in_new:", design=design.id)
    if design.kind is not Kind.REFERENCE and design.status is not Status.VERIFIED:
        draw_judgement(desk, design)


def draw_judgement(desk: Desk, design: Design) -> None:
    """Approve, refuse with a reason, or take either back; of what somebody else decided meanwhile they are told first."""
    before, now = seen(desk, design.id)
    design = desk.store.designs.get(design.id)           # as it is now: the tree that it comes from may be older
    if now > before:
        draw_meanwhile(desk, design.id, before)
    with st.container(horizontal=True, vertical_alignment="center"):
        if design.status is Status.PROPOSED:
            cost = cost_of(desk, [design.id])
            if st.button("Approve", icon=":material/thumb_up:", key=f"approve-{design.id}", type="primary", **may("approve", cost.from_what if cost else None)) and shell.act(
                    lambda: desk.approve(design.id, seen=before), f"{design.id} approved"):
                st.rerun()
            _draw_refusal(desk, design, before)
            st.caption(f"marks it; its session or its run's gate starts its code: {cost_words(cost)}", width="content")
        elif design.status in (Status.IMPLEMENTED, Status.FAILED):
            _draw_refusal(desk, design, before)
        elif design.status in (Status.APPROVED, Status.REFUSED) and st.button(f"Undo: {design.status}", icon=":material/undo:", key=f"undo-{design.id}", **may("reset")) and shell.act(
                lambda: desk.reset(design.id, seen=before)):
            st.rerun()
    saw(design.id, now)


def _draw_refusal(desk: Desk, design: Design, before: Seen) -> None:
    with st.popover("Refuse", icon=":material/thumb_down:"):
        quick = st.pills("Why?", REASONS, key=f"why-{design.id}")
        words = st.text_input("In your words", key=f"words-{design.id}")
        if st.button("Refuse it", key=f"refuse-{design.id}", **may("refuse")) and shell.act(
                lambda: desk.refuse(design.id, " — ".join(t for t in (quick or "", words) if t), before), f"{design.id} refused"):
            st.rerun()


def draw_lineage(graph: nx.DiGraph, design_id: str) -> None:
    for words, ids in (("From", list(graph.predecessors(design_id))), ("Led to", list(graph.successors(design_id)))):
        if ids:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.caption(words, width="content")
                for other in ids[:8]:
                    if st.button(other, key=f"lineage-{words}-{other}", type="tertiary"):
                        st.query_params["design"] = other
                        st.rerun()
                if len(ids) > 8:
                    st.caption(f"and {len(ids) - 8} more", width="content")
