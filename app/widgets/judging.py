"""What every page on which a person decides needs: what this visitor saw of a thing before they judged it, which decisions are their own, and what letting it go on costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from app import shell
from core.desk import Desk, Foreseen
from core.types import DESIGN_BUDGET, Decision, Verb

SEEN, MINE = "judging-seen", "judging-mine"


def seen(desk: Desk, design: str) -> tuple[int, int]:
    """(the last decision on it that this visitor saw, the last there is now). They differ where somebody decided meanwhile. To be asked before what is shown is read."""
    return seen_all(desk, [design])[design]


def seen_all(desk: Desk, designs: Sequence[str]) -> dict[str, tuple[int, int]]:
    """`seen` of each."""
    return {design: (_known(design, now), now) for design, now in desk.last_words(designs).items()}


def seen_session(desk: Desk, session: str) -> tuple[int, int]:
    """`seen` of a session's order, gate and proposals."""
    now = max((d.id for d in desk.said_of_session(session)), default=0)
    return _known(session, now), now


def _known(what: str, now: int) -> int:
    return st.session_state.setdefault(SEEN, {}).setdefault(what, now)


def saw(what: str, now: int) -> None:
    """A design, or a session."""
    st.session_state.setdefault(SEEN, {})[what] = now


def draw_meanwhile(desk: Desk, design: str, before: int) -> None:
    """Who decided what on a design since this visitor looked last."""
    _draw_others(desk, [d for d in desk.store.decisions.of(design, undone=True) if d.verb is not Verb.COMMENT and d.verb is not Verb.FORECAST], before)


def draw_session_meanwhile(desk: Desk, session: str, before: int) -> None:
    """Who changed a session's order or opened its gate since this visitor looked last; its proposals tell their own."""
    _draw_others(desk, [d for d in desk.said_of_session(session) if d.design_id is None or d.verb is Verb.PREFER], before)


def _draw_others(desk: Desk, said: Sequence[Decision], before: int) -> None:
    mine: set[int] = st.session_state.get(MINE, set())
    released = {d.id for d in said if d.verb is Verb.RELEASE and d.author == desk.author}      # a release gives back its job: it is not remembered by its number
    for d in [d for d in said if d.id > before and d.id not in mine | released][-3:]:
        why = f": {shell.plain(d.reason)}" if d.reason else ""
        st.warning(f"**{shell.plain(d.author)}** {shell.plain(desk.told(d))} meanwhile{why}", icon=":material/group:")


def judged(verb: Callable[[], object], done: str = "") -> bool:
    """`shell.act` on a page without Undo: this visitor is not told of their own decision."""
    made: list[object] = []
    ok = shell.act(lambda: made.append(verb()), done)
    if ok:
        remembered(made[0])
    return ok


def remembered(made: object) -> list[int]:
    """`decided`, and known from now on as this visitor's own."""
    ids = decided(made)
    st.session_state.setdefault(MINE, set()).update(ids)
    return ids


def decided(made: object) -> list[int]:
    """The decisions that Undo takes back."""
    if isinstance(made, Decision):
        return [made.id]
    return [d.id for d in made if isinstance(d, Decision)] if isinstance(made, (list, tuple)) else []


def cost_of(desk: Desk, designs: Sequence[str]) -> Foreseen | None:
    """What letting these proposals go on costs, together; None where nothing is known of them."""
    costs = desk.foreseen(designs)
    return sum(costs[1:], costs[0]) if costs else None


def cost_words(cost: Foreseen | None) -> str:
    return shell.plain(cost.words) if cost else "cost unknown"


def release_cost(desk: Desk, best: Sequence[str]) -> str:
    """What it takes to implement a session's best."""
    cost, left = cost_of(desk, best), desk.store.ledger.account(DESIGN_BUDGET).left
    return shell.plain(" · ".join(filter(None, (cost.code if cost else "", f"one of {left:g} design sessions left"))))
