"""Studio: start a design session, follow its dialog, decide on its proposals."""

from __future__ import annotations

import streamlit as st

from app import shell
from app.widgets import choose, tour
from app.widgets.kept import folded, keep, recall
from app.widgets.roles import may
from app.widgets.session_page import draw_session
from core.desk import Desk
from core.types import DESIGN_BUDGET, MONEY, TOKENS, Design, Mode, Session, Status

WORDS = {Mode.MUTATION: "Mutation: one parent, one change", Mode.CROSSOVER: "Crossover: join the units of several",
         Mode.SCRATCH: "Scratch: no parent", Mode.EXPLORE: "Explore: variations on what you describe"}
SESSIONS, MORE_SESSIONS = 10, 30     # shown at first, and with every press
OLDER = "sessions-shown"
ASKED = ("parents", "instructions")      # of an address
KEPT = tuple(f"new-{name}" for name in ("parents", "explore", "team", "proposals", "implemented", "instructions", "gate", "scale", "seed"))
TEAMS = {"default": "default: language models", "builtin": "builtin: programs with fixed rules"}


def main() -> None:
    desk = shell.desk()
    if session := st.query_params.get("session"):
        draw_session(desk, session)
    else:
        left, right = st.columns([1, 1], gap="large")
        with left:
            new_session(desk)
        with right:
            sessions(desk)


def new_session(desk: Desk) -> None:
    st.subheader("New session", anchor=False)
    designs = [d for d in shell.designs() if d.status is not Status.REFUSED]
    titles = {d.id: d for d in designs}
    asked = [p for p in st.query_params.get("parents", "").split(",") if p in titles]
    first = {"parents": asked, "explore": bool(st.query_params.get("instructions")), "team": desk.default_team(), "proposals": 3, "implemented": 1,
             "instructions": st.query_params.get("instructions", "")[:4000]}
    recall("new", ASKED, {f"new-{name}": value for name, value in first.items()}, {"new-parents": titles, "new-team": desk.teams().names, "new-scale": desk.scales})
    parents = choose.several("Parents", titles, "new-parents", label, "none: from scratch")
    implied = Mode.SCRATCH if not parents else Mode.MUTATION if len(parents) == 1 else Mode.CROSSOVER
    if lost := [p for p in dict.fromkeys(st.query_params.get("parents", "").split(",")) if p and p not in titles]:
        st.caption(f":material/info: Not here, or refused: {shell.plain(', '.join(map(shell.short, lost[:4])))}{' …' * (len(lost) > 4)}.")
    explore = st.toggle("Explore around an idea of mine", key="new-explore", help="the designer stays with what you write below, and starts from the parents where there are any")
    mode = Mode.EXPLORE if explore else implied
    st.caption(WORDS[mode])
    team, lacking = choose_team(desk)
    one, two = st.columns(2)
    proposals = one.number_input("Proposals (Np)", 1, 16, key="new-proposals", help="Proposing costs little: make more than you need.")
    st.session_state["new-implemented"] = min(int(st.session_state["new-implemented"]), int(proposals))
    implemented = two.number_input("Implement the best (Ni)", 0, int(proposals), key="new-implemented", help="How many of them get code and a check.")
    instructions = st.text_area("Your idea" if explore else "Instructions to the designer", height=80, key="new-instructions",
                                placeholder="for instance: a memory that forgets by how surprised it was" if explore else "for instance: use gla, without post_norm")
    gate, scale, seed = choose_more(desk)
    keep("new", ASKED, KEPT)
    left = desk.store.ledger.account(DESIGN_BUDGET).left
    start = st.button("Start", type="primary", icon=":material/play_arrow:", **may("start_session", "this team cannot work here" if lacking else None, disabled=left < 1 or lacking))
    st.caption(f"Costs one of {left:g} design sessions left." if left >= 1 else "The design budget is spent: raise it on the Verify page.")
    if start:
        made: list[Session] = []
        if shell.act(lambda: made.append(desk.start_session(parents, mode, int(proposals), int(implemented), instructions, seed, gate, scale, team))):
            st.session_state.pop("kept-new", None)
            tour.follow(made[0].id)
            shell.go("studio", session=made[0].id)


def choose_more(desk: Desk) -> tuple[str, str, int | None]:
    """(before implementing, the scale of the check, the seed)"""
    box = folded("More", "new-more", "new-gate")
    if box is None:
        return "ask", next(iter(desk.scales)), None
    with box:
        gate = st.radio("Before implementing", ["ask", "auto"], format_func={"ask": "wait for me", "auto": "go on alone"}.get, horizontal=True, key="new-gate")
        scale = st.selectbox("Check at scale", list(desk.scales), key="new-scale")
        seed = st.number_input("Seed", 0, 2**31 - 1, None, placeholder="drawn anew", key="new-seed")
    return gate, scale, seed


def choose_team(desk: Desk) -> tuple[str, bool]:
    """(which agents, whether they cannot work here); below it what they would ask, and what their last sessions took."""
    name = st.selectbox("Team", desk.teams().names, key="new-team", format_func=lambda n: TEAMS.get(n, n))
    reached = desk.team_reach(name)
    models = list(dict.fromkeys(m for reach in reached.values() for m in reach.models[:1]))
    lacking = next((reach.lacking for reach in reached.values() if not reach.ok), "")
    if lacking:
        st.warning(f"This team cannot work here: {shell.plain(lacking)}", icon=":material/key_off:")
        return name, True
    average = desk.average(name) if models else None
    words = [f"Asks {', '.join(f'`{m}`' for m in models)}; the key is there." if models else "Programs with fixed rules: no key, no cost."]
    if average:
        count, spent = average
        dollars = "at an unknown price" if spent.unpriced else f"\\${spent.money / count:.3f}"
        words.append(f"Its last {count} session{'s' if count > 1 else ''} took {spent.tokens / count:,.0f} tokens, {dollars} on average.")
    if models:
        words.append(f"Left: {_left(desk)}.")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(" ".join(words), width="content")
        shell.link("agents", "Agents", ":material/smart_toy:")
    return name, False


def _left(desk: Desk) -> str:
    accounts = {a.name: a.left for a in desk.store.ledger.accounts() if a.name in (MONEY, TOKENS)}
    told = [f"\\${accounts[MONEY]:,.2f}"] if MONEY in accounts else []
    return " and ".join(told + ([f"{accounts[TOKENS]:,.0f} tokens"] if TOKENS in accounts else [])) or "no budget is set: nothing limits the calls"


def sessions(desk: Desk) -> None:
    st.subheader("Sessions", anchor=False)
    shown = st.session_state.get(OLDER, SESSIONS)
    found = desk.store.sessions.all(limit=shown + 1)
    if not found:
        st.info("None yet. Choose parents and press Start: three proposals take a few seconds.", icon=":material/forum:")
    for session in found[:shown]:
        with st.container(horizontal=True, vertical_alignment="center"):
            paused = not session.closed_at and desk.standing(session.id)[0] == "paused"
            state = "closed" if session.closed_at else "paused" if paused else "open"
            if state != "closed":
                st.badge(state, color="orange" if paused else "green")
            shell.link("studio", f"{session.id}: {session.mode}{' of ' * bool(session.parents)}{', '.join(session.parents)}", session=session.id)
            spent = desk.spent(session.id)
            cost = f" · {shell.plain(spent.dollars)}" if spent.tries else ""
            st.caption(f"{'closed · ' * (state == 'closed')}{session.n_proposals} proposals · {session.team.get('name', 'builtin')}{cost} · {shell.ago(session.created_at)}", width="content")
    if len(found) > shown and st.button("Older sessions", icon=":material/expand_more:", key="sessions-more", type="tertiary"):
        st.session_state[OLDER] = shown + MORE_SESSIONS
        st.rerun()


def label(design: Design) -> str:
    score = "".join(f" · {s} {v:.3f}" for s, v in design.scores.items())
    return f"{design.id} · {design.title}{score}" if design.id != design.title.lower() else f"{design.id}{score}"


main()
