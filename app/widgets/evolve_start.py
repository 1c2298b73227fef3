"""The form that starts a run: how much it may spend, with whom, and where it stops for a person."""

from __future__ import annotations

import streamlit as st

from app import shell
from app.widgets.evolve_gates import choose_rule
from core.desk import Desk, Rule
from core.types import MONEY, TOKENS

TEAMS = {"default": "default: language models", "builtin": "builtin: programs with fixed rules"}
SELECTORS = {"greedy": "greedy: parents that scored well", "random": "random: any parent, as a control"}
FIRST = {"nano": 4, "micro": 1}      # verifications of a first run: minutes on a laptop


def draw_start(desk: Desk) -> None:
    st.subheader("New run", anchor=False)
    team, asks = _team(desk)
    st.markdown("**It may spend**")
    sessions, verify = _budgets(desk)
    money = tokens = None
    if asks:
        one, two = st.columns(2)
        money = one.number_input("US dollars, for language models", 0.0, 1e6, None, step=1.0, placeholder="no limit of its own", key="run-money")
        tokens = two.number_input("Tokens", 0, 10**12, None, step=100_000, placeholder="no limit of its own", key="run-tokens")
    st.markdown("**It stops for you**")
    rules = _gates(list(verify))
    words = st.text_area("Guidance for its agents", height=80, key="run-words", placeholder="for instance: smaller state, no attention over the whole sequence")
    with st.expander("More"):
        one, two = st.columns(2)
        proposals = int(one.number_input("Proposals a session", 1, 16, 2, key="run-n"))
        implement = int(two.number_input("of which implemented", 0, proposals, 1, key="run-ni"))
        selector = one.selectbox("Selector", list(SELECTORS), format_func=lambda n: SELECTORS[n], key="run-selector")
        seed = int(two.number_input("Seed", 0, 2**31 - 1, 0, key="run-seed"))
        corpus = st.selectbox("Corpus", ["python_docs", *(c.name for c in desk.corpora() if not c.problem and c.name != "python_docs")], key="run-corpus", accept_new_options=True)
    seconds = sum(desk.estimate(["gpt2"], scale).seconds * n for scale, n in verify.items() if n)
    told = f"{sessions} session{'' if sessions == 1 else 's'} of {proposals} proposals, {sum(verify.values())} verifications: about {shell.took(seconds)} of training"
    with st.container(horizontal=True, vertical_alignment="center"):
        start = st.button("Start", type="primary", icon=":material/play_arrow:", key="run-start", disabled=not (sessions or sum(verify.values())))
        st.caption(told + (f", {_left(desk)} left for language models." if asks else ", no calls to language models."), width="stretch")
    if start:
        made: list[str] = []
        if shell.act(lambda: made.append(desk.evolve(sessions, verify, seed, "auto", proposals, implement, None if corpus == "python_docs" else corpus, selector, words, team,
                                                     money, tokens, rules).subject)):
            shell.go("evolve", run=made[0])


def _team(desk: Desk) -> tuple[str, bool]:
    """(team, whether it asks language models)"""
    teams = desk.teams()
    names = list(teams)
    name = st.selectbox("Team", names, index=names.index(desk.default_team()), key="run-team", format_func=lambda n: TEAMS.get(n, n))
    reached = desk.team_reach(teams[name])
    lacking = next((reach.lacking for reach in reached.values() if not reach.ok), "")
    if lacking:
        st.warning(f"This team cannot work here: {shell.plain(lacking)}", icon=":material/key_off:")
    return name, any(reach.models for reach in reached.values())


def _budgets(desk: Desk) -> tuple[int, dict[str, int]]:
    names = list(desk.scales)
    shown = [name for name in FIRST if name in names] or names[:1]
    columns = st.columns(1 + len(shown))
    sessions = int(columns[0].number_input("Design sessions", 0, 100_000, 3, key="run-sessions"))
    verify = {name: int(column.number_input(f"Verifications at {name}", 0, 100_000, FIRST.get(name, 1), key=f"run-verify-{name}"))
              for name, column in zip(shown, columns[1:], strict=True)}
    further = st.multiselect("Further scales", [n for n in names if n not in shown], key="run-further", placeholder="only these")
    for name, column in zip(further, st.columns(max(1, len(further))), strict=False):
        verify[name] = int(column.number_input(f"Verifications at {name}", 1, 100_000, 1, key=f"run-verify-{name}"))
    return sessions, {name: verify[name] for name in names if verify.get(name)}


def _gates(scales: list[str]) -> dict[str, Rule]:
    steps = ["propose", "implement", *(f"verify:{scale}" for scale in scales)]
    return {step: choose_rule(step, Rule.from_dict({"rule": "ask" if step == "implement" else "auto"}), f"start-{step}") for step in steps}


def _left(desk: Desk) -> str:
    accounts = {a.name: a.left for a in desk.store.ledger.accounts() if a.name in (MONEY, TOKENS)}
    told = [f"\\${accounts[MONEY]:,.2f}"] if MONEY in accounts else []
    return " and ".join(told + ([f"{accounts[TOKENS]:,.0f} tokens"] if TOKENS in accounts else [])) or "nothing set"
