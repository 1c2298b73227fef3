"""Directing a session: a word to one side or both, interrupt, pause and go on, its instructions, what it may spend; and the other sessions."""

from __future__ import annotations

import streamlit as st

from app import shell
from app.widgets.roles import may
from core.desk import Desk
from core.types import MONEY, TOKENS, Account, Session, Verb

TO = {"": "to all", "designer": "to those who make", "reviewer": "to those who judge"}


def draw_others(desk: Desk, session: Session) -> None:
    """The other sessions that are open, one click away."""
    others = [s for s in desk.store.sessions.open() if s.id != session.id][-8:]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        shell.link("studio", "All sessions", ":material/arrow_back:")
        for other in reversed(others):
            shell.link("studio", f"{other.id} · {desk.standing(other.id)[0] or 'queued'}", ":material/forum:", session=other.id)


def draw_direction(desk: Desk, session: Session, running: bool, account: str) -> None:
    """`account`: whose budget the session waits for, "" where it waits for none."""
    if session.closed_at:
        return
    phase, note = desk.standing(session.id)
    stopped = _paused_by_person(desk, session)
    with st.container(horizontal=True, vertical_alignment="center", key="direction"):
        if running and not stopped:
            if st.button("Pause", icon=":material/pause:", key="pause", **may("pause", "the agents stop before their next call; what they said stays")) and shell.act(
                    lambda: desk.pause(session.id), "they stop before their next call"):
                st.rerun()
            if not session.run_id and st.button("Interrupt", icon=":material/back_hand:", key="interrupt",
                                                **may("interrupt", "at once, in the middle of a sentence; what was streamed of it is paid, and is said again later")) \
                    and shell.act(lambda: desk.interrupt(session.id), "interrupted"):
                st.rerun()
        elif running:
            st.caption("Pausing: the agents finish what they are saying.", width="content")
        _draw_budget(desk, session)
        _draw_instructions(desk, session)
        to = st.selectbox("To whom", list(TO), format_func=TO.get, key="steer-to", label_visibility="collapsed", width=190)
        offer = may("steer")
        words = st.chat_input(offer["help"] or "Say something to the agents", key=f"steer-{session.id}", disabled=offer["disabled"])
    if words and shell.act(lambda: desk.steer(session.id, words, to), "said"):
        st.rerun()
    if not running and (phase == "paused" or stopped):
        _draw_pause(desk, session, note if phase == "paused" else "", account)


def _paused_by_person(desk: Desk, session: Session) -> bool:
    words = [d for d in desk.store.decisions.of(session_id=session.id) if d.verb is Verb.PAUSE]
    return bool(words and words[-1].data.get("on"))


def _draw_pause(desk: Desk, session: Session, note: str, account: str) -> None:
    """Why the session waits, what mends it right here, and Go on."""
    with st.container(border=True, key="paused"):
        st.markdown(f":material/pause_circle: **Paused.** {shell.plain(note)}")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            if account and (now := next((a for a in desk.store.ledger.accounts() if a.name == account), None)):
                step = _step(account)
                total = _ask_total(now, float(now.granted) + step, "top-up")
                if st.button("Top up and go on", type="primary", icon=":material/play_arrow:", key="top-up-go", **may("set_budget")) and shell.act(
                        lambda: (desk.set_budget(account, total), desk.go_on(session.id)), "going on"):
                    st.rerun()
            if st.button("Go on", icon=":material/play_arrow:", key="go-on", type="secondary" if account else "primary",
                         **may("go_on")) and shell.act(lambda: desk.go_on(session.id), "going on"):
                st.rerun()


# ------------------------------------------------------------------------------------------------ money and words


def _draw_budget(desk: Desk, session: Session) -> None:
    """What the session's calls draw on: raised, or stopped."""
    if not desk.asks_models(session):
        return
    names = (MONEY, TOKENS, f"{session.run_id}/{MONEY}", f"{session.run_id}/{TOKENS}")
    accounts = [a for a in desk.store.ledger.accounts() if a.name in names]
    tightest = next((f"\\${a.left:,.2f} left" for a in accounts if a.name == MONEY), "Budget")
    with st.popover(tightest, icon=":material/savings:", key="budget"):
        if not accounts:
            st.caption("No budget is set: nothing limits the calls.")
        for account in accounts:
            with st.container(horizontal=True, vertical_alignment="bottom"):
                total = _ask_total(account, float(account.granted), f"total-{account.name}")
                if st.button("Set", key=f"set-{account.name}", **may("set_budget")) and shell.act(lambda a=account.name, t=total: desk.set_budget(a, t), "set"):
                    st.rerun()
        if accounts and st.button("Stop spending", icon=":material/block:", key="stop-spending",
                                  **may("set_budget", "no further call is begun by any session; what is under way ends; raise a budget to go on")) and shell.act(
                lambda: [desk.set_budget(a.name, a.spent + a.reserved) for a in accounts], "nothing more is spent"):
            st.rerun()


def _step(account: str) -> float:
    return 1_000_000.0 if account.endswith(TOKENS) else 1.0


def _ask_total(account: Account, value: float, key: str) -> float:
    tokens = account.name.endswith(TOKENS)
    return st.number_input(f"Budget {account.name}, {'tokens' if tokens else 'US dollars'} in all", 0.0, 1e12, value, step=_step(account.name), format="%.0f" if tokens else "%.2f", key=key,
                           width=260, help=f"{account.spent:g} are spent, {account.left:g} left")


def _draw_instructions(desk: Desk, session: Session) -> None:
    """What the agents were told by people, in the order in which it was said; later words count as changes of the earlier."""
    said = [d for d in desk.store.decisions.of(session_id=session.id) if d.verb is Verb.STEER]
    with st.popover("Instructions", icon=":material/rule:", key="instructions"):
        st.markdown(shell.plain(session.instructions) or "The session began without instructions.")
        for d in said:
            st.caption(f"{shell.plain(d.author)}, {TO[d.data.get('to', '')]}, {shell.ago(d.created_at)}")
            st.markdown(shell.plain(d.reason))
        changed = st.text_area("From now on", key=f"instruct-{session.id}", height=80, placeholder="what they shall do otherwise")
        if st.button("Change the instructions", key="instruct", **may("steer")) and shell.act(lambda: desk.steer(session.id, changed), "they hear it before their next call"):
            st.rerun()
