"""A design session: its dialog as it is written, then its proposals to read, edit, judge and rank."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from app import shell
from app.widgets import dialog, direction, drafts
from app.widgets.design_card import draw_judgement
from app.widgets.judging import draw_session_meanwhile, release_cost, saw, seen_session
from app.widgets.papers_cites import cited_body
from app.widgets.proposal_editor import draw_editor, draw_review
from app.widgets.roles import may
from core.conversation import Conversation, read
from core.desk import Desk
from core.types import Design, Job, JobKind, JobState, Seen, Session, Status

VIEWS = {"sides": "Side by side", "together": "As it was said"}


def draw_session(desk: Desk, session_id: str) -> None:
    session = desk.store.sessions.get(session_id)
    direction.draw_others(desk, session)
    st.subheader(f"Session {session.id}: {session.mode}{' of ' * bool(session.parents)}{', '.join(session.parents)}", anchor=False)
    running = _running(desk, session)
    sides = st.segmented_control("How to read it", list(VIEWS), format_func=VIEWS.get, default="sides", required=True, key="view-dialog", label_visibility="collapsed") == "sides"
    shell.live(lambda: _draw_dialog(desk, session, sides), running)
    if not running and any(job.resting for job in _jobs(desk, session)):     # it goes on by itself: the page with it
        shell.live(lambda: not _running(desk, session), True, every=5.0)
    direction.draw_direction(desk, session, running, _said(desk, session).account)
    before, now = seen_session(desk, session.id)
    ranked = desk.ranking(session.id)
    if ranked and not running:
        drafts.keep()
        if now > before:
            draw_session_meanwhile(desk, session.id, before)
        _draw_gate(desk, session, ranked, before)
        st.subheader("Proposals, best first", anchor=False)
        for i, design in enumerate(ranked):
            _draw_proposal(desk, session, ranked, i, design, before)
        saw(session.id, now)


def _jobs(desk: Desk, session: Session) -> list[Job]:
    """Those that work for the session, or will."""
    subjects = {f"session:{session.id}", session.run_id}
    return [j for j in desk.queue.all(states=shell.LIVE) if j.subject in subjects or (j.kind is JobKind.IMPLEMENT and j.payload["design"].startswith(f"{session.id}-"))]


def _running(desk: Desk, session: Session) -> bool:
    return any(not j.resting for j in _jobs(desk, session))


def _draw_dialog(desk: Desk, session: Session, sides: bool) -> bool:
    """Whether the session still works."""
    running = _running(desk, session)
    said = _said(desk, session)
    words = dialog.PHASES.get(said.phase, "Queued" if running else "Not started")
    if running and said.phase in ("waiting", "paused"):
        words = "Going on"
    elif session.closed_at and not running:
        words = dialog.PHASES["closed"]
    elif not running and said.phase not in ("", "waiting", "paused"):        # it stopped in the middle of a phase
        words = "Stopped"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(words, color="orange" if words in ("Waiting for you", "Paused", "Stopped") else "blue" if running else "green", icon=":material/forum:")
        if said.note and words not in ("Paused", "Going on", "Closed"):
            st.caption(shell.plain(said.note.removeprefix("for you: ")), width="content")
        st.caption(spent_words(desk, session) + (f" · {shell.took((datetime.now(UTC) - session.created_at).total_seconds())} since it began" if running and words != "Queued" else ""), width="content")
        for design in _being_written(said) if running else ():
            shell.link("design", f"Take over the code of {design}", ":material/code:", design=design)
    dialog.draw(said, 460 if running or not desk.ranking(session.id) else 300, sides)
    failed = [j for j in desk.queue.all(limit=50) if j.subject == f"session:{session.id}"][:1]
    if failed and failed[0].state is JobState.FAILED:
        st.error(f"The session stopped: {shell.plain(failed[0].error)}", icon=":material/error:")
        if st.button("Try again", key="retry-session", **may("retry")) and shell.act(lambda: desk.retry(failed[0].id)):
            st.rerun()
    return running


def _being_written(said: Conversation) -> list[str]:
    """The designs on which a coder has spoken."""
    return list(dict.fromkeys(m.design for m in said.messages.values() if m.role in ("coder", "debugger") and m.design))


def _said(desk: Desk, session: Session) -> Conversation:
    """Read on from where this visitor's last look ended."""
    key = f"said-{desk.store.database.path}-{session.id}"
    st.session_state[key] = read(desk.store, f"session:{session.id}", st.session_state.get(key))
    return st.session_state[key]


def spent_words(desk: Desk, session: Session) -> str:
    spent = desk.spent(session.id)
    team = session.team.get("name", "builtin")
    if not spent.tries:
        return f"team {team} · no calls to language models"
    return f"team {team} · {spent.tries} call{'s' if spent.tries > 1 else ''} · {spent.tokens:,} tokens · {'price unknown' if spent.dollars == 'unknown' else shell.plain(spent.dollars)}"


def _draw_gate(desk: Desk, session: Session, ranked: list[Design], before: Seen) -> None:
    """The button that opens the gate, saying what it costs."""
    phase, _ = desk.standing(session.id)
    if session.closed_at or phase == "paused" or (session.gate != "ask" and phase != "waiting"):
        return
    best = [d for d in ranked if d.status is not Status.REFUSED][: session.n_implement]
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        names = ", ".join(d.id for d in best) or "nothing"
        if st.button(f"Implement the best {len(best)}", type="primary", icon=":material/code:", key="release", **may("release", disabled=not best)) and shell.act(
                lambda: desk.release(session.id, before), "implementing"):
            saw(session.id, max(d.id for d in desk.said_of_session(session.id)))
            st.rerun()
        new = [unit.name for d in best if (proposal := desk.store.proposals.newest(d.id)) for unit in proposal.new_units]
        work = f"{len(new)} new unit{'s' if len(new) > 1 else ''} to write by {session.team.get('coder')}" if new else "about 5 s of processor time each"
        st.caption(f"{names} · {work} · {release_cost(desk, [d.id for d in best])}", width="content")


# ------------------------------------------------------------------------------------------------ proposals


def _draw_proposal(desk: Desk, session: Session, ranked: list[Design], i: int, design: Design, before: Seen) -> None:
    proposal = desk.store.proposals.newest(design.id)
    if proposal is None:
        return
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{i + 1}. {shell.plain(proposal.title)}**")
            shell.status_badge(design)
            if design.rating is not None:
                st.caption(f"rated {design.rating:.1f} of 5", width="content")
            st.caption(f"{design.id} · revision {proposal.revision} by {shell.plain(proposal.author)}", width="content")
            for arrow, other, words in (("arrow_upward", i - 1, "higher"), ("arrow_downward", i + 1, "lower")):
                if st.button("", icon=f":material/{arrow}:", key=f"{arrow}-{design.id}", type="tertiary",
                             **may("rerank", f"Rank it {words}", disabled=not 0 <= other < len(ranked))):
                    order = [d.id for d in ranked]
                    order[i], order[other] = order[other], order[i]
                    if shell.act(lambda o=order: desk.rerank(session.id, o, seen=before), "reranked"):
                        st.rerun()
        read, review = st.columns([1.6, 1], gap="medium")
        with read.container(height=340, border=False, key=f"prose-{proposal.id}"):
            st.markdown(cited_body(desk, proposal))
        with review.container(height=340, border=False):
            for r in reversed(desk.store.reviews.of(design.id)):
                draw_review(r)
        with st.expander("Edit", icon=":material/edit:"):
            draw_editor(desk, proposal, session.team.get("coder", "compose_coder") != "compose_coder")
        with st.container(horizontal=True, vertical_alignment="center"):
            draw_judgement(desk, design)
            shell.link("design", "Open", ":material/open_in_new:", design=design.id)
