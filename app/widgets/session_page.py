"""A design session: its dialog as it is written, then its proposals to read, edit, judge and rank."""

from __future__ import annotations

import streamlit as st
import yaml

from app import shell
from app.widgets import dialog
from app.widgets.design_card import draw_judgement
from core.desk import Desk
from core.errors import UnitError
from core.types import Design, JobState, Proposal, Session, Status, UnitTree


def draw_session(desk: Desk, session_id: str) -> None:
    session = desk.store.sessions.get(session_id)
    st.subheader(f"Session {session.id}: {session.mode} of {', '.join(session.parents) or 'nothing'}", anchor=False)
    running = _running(desk, session)
    shell.live(lambda: _draw_dialog(desk, session), running)
    if running:
        _draw_steering(desk, session)
    ranked = desk.ranking(session.id)
    if ranked and not running:
        _draw_gate(desk, session, ranked)
        st.subheader("Proposals, best first", anchor=False)
        for i, design in enumerate(ranked):
            _draw_proposal(desk, session, ranked, i, design)
    shell.link("design", "All sessions", ":material/arrow_back:")


def _running(desk: Desk, session: Session) -> bool:
    subjects = {f"session:{session.id}", session.run_id}
    return any(j.subject in subjects for j in desk.queue.all(states=shell.LIVE))


def _draw_dialog(desk: Desk, session: Session) -> bool:
    """Whether the session still works."""
    running = _running(desk, session)
    said = dialog.read(desk.store, session.id)
    words = dialog.PHASES.get(said.phase, "Queued" if running else "Not started")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(words, color="orange" if said.phase == "waiting" else "blue" if running else "green", icon=":material/forum:")
        st.caption(said.note, width="content")
    dialog.draw(said, 460 if running or not desk.ranking(session.id) else 300)
    failed = [j for j in desk.queue.all(limit=50) if j.subject == f"session:{session.id}"][:1]
    if failed and failed[0].state is JobState.FAILED:
        st.error(f"The session stopped: {shell.plain(failed[0].error)}", icon=":material/error:")
        if st.button("Try again", key="retry-session") and shell.act(lambda: desk.retry(failed[0].id)):
            st.rerun()
    return running


def _draw_steering(desk: Desk, session: Session) -> None:
    words = st.chat_input("Steer the agents' next proposal", key=f"steer-{session.id}")
    if words and shell.act(lambda: desk.steer(session.id, words)):
        st.rerun()


def _draw_gate(desk: Desk, session: Session, ranked: list[Design]) -> None:
    """The button that opens the gate, saying what it costs."""
    if session.closed_at or session.gate != "ask":
        return
    best = [d for d in ranked if d.status is not Status.REFUSED][: session.n_implement]
    left = desk.store.ledger.account("design").left
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        names = ", ".join(d.id for d in best) or "nothing"
        if st.button(f"Implement the best {len(best)}", type="primary", icon=":material/code:", disabled=not best, key="release") and shell.act(
                lambda: desk.release(session.id), "implementing"):
            st.rerun()
        st.caption(f"{names} · about 5 s of processor time each · one of {left:g} design sessions left", width="content")


def _draw_proposal(desk: Desk, session: Session, ranked: list[Design], i: int, design: Design) -> None:
    proposal = desk.store.proposals.newest(design.id)
    if proposal is None:
        return
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{i + 1}. {shell.plain(proposal.title)}**")
            shell.status_badge(design)
            if design.rating is not None:
                st.caption(f"rated {design.rating:.1f} of 5", width="content")
            st.caption(f"{design.id} · revision {proposal.revision} by {proposal.author}", width="content")
            for arrow, other, words in (("arrow_upward", i - 1, "higher"), ("arrow_downward", i + 1, "lower")):
                if st.button("", icon=f":material/{arrow}:", key=f"{arrow}-{design.id}", disabled=not 0 <= other < len(ranked),
                             help=f"Rank it {words}", type="tertiary"):
                    order = [d.id for d in ranked]
                    order[i], order[other] = order[other], order[i]
                    if shell.act(lambda o=order: desk.rerank(session.id, o), "reranked"):
                        st.rerun()
        read, review = st.columns([1.6, 1], gap="medium")
        with read.container(height=340, border=False):
            st.markdown(proposal.body)
        with review.container(height=340, border=False):
            for r in reversed(desk.store.reviews.of(design.id)):
                st.markdown(r.text)
        with st.expander("Edit", icon=":material/edit:"):
            draw_editor(desk, proposal)
        with st.container(horizontal=True, vertical_alignment="center"):
            draw_judgement(desk, design)
            shell.link("design", "Open", ":material/open_in_new:", design=design.id)


def draw_editor(desk: Desk, proposal: Proposal) -> None:
    """A form; what is saved is a new revision, the old ones stay."""
    with st.form(f"edit-{proposal.design_id}-{proposal.revision}", border=False):
        title = st.text_input("Title", proposal.title)
        left, right = st.columns([1.6, 1], gap="medium")
        body = left.text_area("Proposal (Markdown)", proposal.body, height=300)
        units = right.text_area("Units (YAML): what gets implemented", _yaml(proposal.units), height=300) if proposal.units else ""
        saved = st.form_submit_button("Save as a new revision", icon=":material/save:")
    if saved and shell.act(lambda: desk.edit(proposal.design_id, title, body, _tree(units), proposal.revision), "saved"):
        st.rerun()


def _yaml(tree: UnitTree | None) -> str:
    return yaml.safe_dump(tree.to_dict(), sort_keys=False) if tree else ""


def _tree(text: str) -> UnitTree | None:
    """Raises UnitError naming the line."""
    if not text.strip():
        return None
    try:
        return UnitTree.from_dict(yaml.safe_load(text))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise UnitError(f"the units' YAML, line {mark.line + 1 if mark else '?'}: {getattr(error, 'problem', error)}", "mend the line") from None
    except (KeyError, TypeError, AttributeError):
        raise UnitError("the units are no tree", "each node has `unit`, and where they apply `config` and `children`") from None
