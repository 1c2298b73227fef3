"""The form that starts a run: how much it may spend, with whom, and where it stops for a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from app import shell
from app.widgets.evolve_gates import choose_rule, rule_keys
from app.widgets.kept import folded, keep, recall
from app.widgets.roles import may
from app.widgets.verify_form import BUILTIN
from core.desk import DesignBudget, Desk, Ends, Rule
from core.types import MONEY, TOKENS, Act

TEAMS = {"default": "default: language models", "builtin": "builtin: programs with fixed rules"}
SELECTORS = {
    "bayes": "bayes: learns from each verification where to look", "quadrant": "quadrant: good or poor, sure or unsure", "halving": "halving: the best third of each scale climbs",
    "islands": "islands: the best of each kind breeds", "greedy": "greedy: parents that scored well", "best_of_n": "best_of_n: no evolution, all from scratch",
    "random": "random: any parent, as a control", "person": "person: only what you pick"}
KEPT = tuple(f"run-{name}" for name in ("team", "sessions", "money", "tokens", "words", "further", "n", "ni", "selector", "seed", "target", "gain", "patience", "corpus"))
FIRST = {"nano": 4, "micro": 1}      # verifications of a first run: minutes on a laptop
USUAL = {"n": 2, "ni": 1, "seed": 0, "patience": 0}
GAIN = 0.02                          # bits per byte


def draw_start(desk: Desk) -> None:
    st.subheader("New run", anchor=False)
    first: dict[str, Any] = {"team": desk.default_team(), "sessions": 3} | {f"verify-{name}": FIRST.get(name, 1) for name in desk.scales}
    recall("run", (), {f"run-{name}": value for name, value in first.items()}, {"run-team": desk.teams().names, "run-further": desk.scales, "run-selector": SELECTORS})
    team, asks, lacking = _team(desk)
    st.markdown("**It may spend**")
    sessions, verify = _budgets(desk, asks)
    money = tokens = None
    if asks:
        one, two = st.columns(2)
        money = one.number_input("US dollars, for language models", 0.0, 1e6, None, step=1.0, placeholder="no limit of its own", key="run-money")
        tokens = two.number_input("Tokens", 0, 10**12, None, step=100_000, placeholder="no limit of its own", key="run-tokens")
    st.markdown("**It stops for you**")
    rules = _gates(desk, list(verify))
    words = st.text_area("Guidance for its agents", height=80, key="run-words", placeholder="for instance: smaller state, no attention over the whole sequence")
    more = _more(desk, list(verify), asks)
    gates = [key for step in _steps(desk.scales) for key in rule_keys(f"start-{step}")]
    keep("run", (), (*KEPT, *(f"run-verify-{name}" for name in desk.scales), *gates))
    times = {scale: desk.estimate(["gpt2"], scale) for scale, n in verify.items() if n}
    seconds = sum(found.seconds * verify[scale] for scale, found in times.items())
    about = shell.about(seconds, [f"{scale} {found.remark}" for scale, found in times.items() if found.remark])
    made_of = "sessions until the money or the tokens are spent" if sessions is None else f"{sessions} session{'' if sessions == 1 else 's'}"
    told = f"{made_of}, {more.proposals} proposals each, {sum(verify.values())} verifications: {about} of training"
    with st.container(horizontal=True, vertical_alignment="center"):
        start = st.button("Start", type="primary", icon=":material/play_arrow:", key="run-start", **may("evolve", "this team cannot work here" if lacking else None,
                                                                                                            disabled=lacking or not (sessions or sum(verify.values()) or money or tokens)))
        st.caption(told + (f", {_left(desk)} left for language models." if asks else ", no calls to language models."), width="stretch")
    if start:
        made: list[str] = []
        if shell.act(lambda: made.append(desk.evolve(DesignBudget(sessions), verify, more.seed, "auto", more.proposals, more.implement, None if more.corpus == BUILTIN else more.corpus, more.selector, words, team,
                                                     money, tokens, rules, more.ends, more.shares, more.at_once).subject)):
            st.session_state.pop("kept-run", None)
            shell.go("evolve", run=made[0])


@dataclass(frozen=True)
class More:
    """What most runs leave as it is."""

    proposals: int
    implement: int
    seed: int
    selector: str
    corpus: str
    ends: Ends
    shares: Mapping[str, float]
    at_once: Mapping[Act, int]


def _more(desk: Desk, scales: list[str], asks: bool) -> More:
    box = folded("More", "run-more", "run-selector")
    if box is None:
        return More(USUAL["n"], USUAL["ni"], USUAL["seed"], next(iter(SELECTORS)), BUILTIN, Ends(), {}, desk.at_once({"asks": asks}))
    for name, value in {**USUAL, "gain": GAIN}.items():          # not before: what a session holds of a field that is not drawn yet outlives what is typed there
        st.session_state.setdefault(f"run-{name}", value)
    with box:
        one, two = st.columns(2)
        proposals = int(one.number_input("Proposals a session", 1, 16, key="run-n"))
        st.session_state["run-ni"] = min(int(st.session_state["run-ni"]), proposals)
        implement = int(two.number_input("of which implemented", 0, proposals, key="run-ni"))
        selector = one.selectbox("Selector", list(SELECTORS), format_func=lambda n: SELECTORS[n], key="run-selector")
        seed = int(two.number_input("Seed", 0, 2**31 - 1, key="run-seed"))
        ends, shares, at_once = _further(desk, scales, asks)
        corpus = st.selectbox("Corpus", [BUILTIN, *(c.name for c in desk.corpora() if not c.problem and c.name != BUILTIN)], key="run-corpus", accept_new_options=True)
    return More(proposals, implement, seed, selector, corpus or BUILTIN, ends, shares, at_once)


def _team(desk: Desk) -> tuple[str, bool, bool]:
    """(team, whether it asks language models, whether it cannot work here)"""
    name = st.selectbox("Team", desk.teams().names, key="run-team", format_func=lambda n: TEAMS.get(n, n))
    reached = desk.team_reach(name)
    lacking = next((reach.lacking for reach in reached.values() if not reach.ok), "")
    if lacking:
        st.warning(f"This team cannot work here: {shell.plain(lacking)}", icon=":material/key_off:")
    return name, any(reach.models for reach in reached.values()), bool(lacking)


def _budgets(desk: Desk, asks: bool) -> tuple[int | None, dict[str, int]]:
    """Sessions, None where money or tokens alone limit them; and verifications a scale."""
    names = list(desk.scales)
    further: list[str] = st.session_state.get("run-further", [])
    scales = [name for name in names if name in FIRST or name in further] or names[:1]
    columns = st.columns(1 + min(2, len(scales)))
    given = columns[0].number_input("Design sessions", 0, 100_000, None if asks else "min", key="run-sessions", placeholder="as the money goes" if asks else None,
                                    help="empty: as many as the money or the tokens pay for" if asks else None)
    sessions = None if given is None and asks else int(given or 0)
    suggested = desk.suggested(8 if sessions is None else sessions, st.session_state.get("run-ni", USUAL["ni"]), scales)
    verify: dict[str, int] = {}
    for i, name in enumerate(scales):
        if i >= 2 and (i - 2) % 3 == 0:
            columns = st.columns(3)
        column = columns[1 + i] if i < 2 else columns[(i - 2) % 3]
        verify[name] = int(column.number_input(f"Verifications at {name}", 0, 100_000, key=f"run-verify-{name}"))
    st.multiselect("Further scales", [n for n in names if n not in FIRST], key="run-further", placeholder="only these")
    if suggested != verify:
        with st.container(horizontal=True, vertical_alignment="center"):
            told = ", ".join(f"{n} at {name}" for name, n in suggested.items())
            st.button("Take the ladder", key="run-ladder", type="tertiary", icon=":material/filter_list:", on_click=_take, args=(suggested,),
                      help="each design at the cheapest scale, one in four at each next one, twice and beside the reference")
            st.caption(f"that fits these sessions: {told}", width="stretch")
    return sessions, {name: verify[name] for name in names if verify.get(name)}


def _take(ladder: dict[str, int]) -> None:
    for name, n in ladder.items():
        st.session_state[f"run-verify-{name}"] = n


def _further(desk: Desk, scales: list[str], asks: bool) -> tuple[Ends, dict[str, float], dict[Act, int]]:
    """Where it ends before its budgets do, which rungs grow with the one below, and how much goes on at once."""
    one, two = st.columns(2)
    target = one.selectbox("It ends when the reference is beaten at", ["", *scales], format_func=lambda n: n or "no matter", key="run-target")
    gain = two.number_input("by bits per byte", 0.0, 10.0, step=0.01, format="%.3f", key="run-gain", disabled=not target)
    patience = int(one.number_input("or so many verifications brought nothing better", 0, 100_000, key="run-patience", help="0: however many"))
    grows = two.multiselect("Scales that grow by a quarter of the one below", scales[1:], key="run-grows", placeholder="none", help="for each four verifications there, one more here")
    usual = desk.at_once({"asks": asks})
    designs = int(one.number_input("Sessions at once", 1, 32, usual[Act.DESIGN], key=f"run-at-once-{asks}", help="where there are so many workers"))
    trainings = int(two.number_input("Trainings at once", 1, 32, usual[Act.VERIFY], key="run-trainings", help="one a device: two on one processor slow each other down"))
    return Ends(target or "", gain if target else 0.0, patience), dict.fromkeys(grows, 0.25), {Act.DESIGN: designs, Act.VERIFY: trainings}


def _gates(desk: Desk, scales: list[str]) -> dict[str, Rule]:
    asks = {"implement", *desk.first_gates(scales)}
    return {step: choose_rule(step, Rule.from_dict({"rule": "ask" if step in asks else "auto"}), f"start-{step}", "evolve") for step in _steps(scales)}


def _steps(scales: Iterable[str]) -> list[str]:
    return ["propose", "implement", *(f"verify:{scale}" for scale in scales)]


def _left(desk: Desk) -> str:
    accounts = {a.name: a.left for a in desk.store.ledger.accounts() if a.name in (MONEY, TOKENS)}
    told = [f"\\${accounts[MONEY]:,.2f}"] if MONEY in accounts else []
    return " and ".join(told + ([f"{accounts[TOKENS]:,.0f} tokens"] if TOKENS in accounts else [])) or "nothing set"
