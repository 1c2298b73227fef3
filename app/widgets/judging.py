"""What every page on which a person decides needs: what this visitor saw of a thing before they judged it, and what letting it go on costs."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app import shell
from core.desk import WEIGHTY, Desk, Foreseen
from core.types import DESIGN_BUDGET, Decision, Seen, Verb, sha256_text

SEEN = "judging-seen"
OF_SESSION = (Verb.RELEASE, Verb.RERANK, Verb.PREFER)


def seen(desk: Desk, design: str) -> tuple[Seen, Seen]:
    """(what this visitor saw of it, what there is now): they differ where somebody decided or revised meanwhile. To be asked before what is shown is read."""
    return seen_all(desk, [design])[design]


def seen_all(desk: Desk, designs: Sequence[str]) -> dict[str, tuple[Seen, Seen]]:
    """`seen` of each."""
    return {design: (_known(design, now), now) for design, now in desk.looked_at(designs).items()}


def seen_session(desk: Desk, session: str) -> tuple[Seen, Seen]:
    """`seen` of a session's order, gate and proposals."""
    now = Seen(max((d.id for d in desk.said_of_session(session)), default=0))
    return _known(session, now), now


def _known(what: str, now: Seen) -> Seen:
    return st.session_state.setdefault(SEEN, {}).setdefault(what, now)


def saw(what: str, now: Seen) -> None:
    """A design, or a session."""
    st.session_state.setdefault(SEEN, {})[what] = now


def draw_meanwhile(desk: Desk, design: str, before: Seen) -> None:
    """Who decided what on a design, or revised it, since this visitor looked last."""
    _draw_others(desk, desk.store.decisions.of(design, undone=True), before)
    newest = desk.store.proposals.newest(design)
    if newest and newest.revision > before.revision and newest.author != desk.author:
        st.warning(f"**{shell.plain(newest.author)}** revised it meanwhile: this is revision {newest.revision}", icon=":material/edit_note:")


def draw_session_meanwhile(desk: Desk, session: str, before: Seen) -> None:
    """Who changed a session's order or opened its gate since this visitor looked last; its proposals tell their own."""
    _draw_others(desk, [d for d in desk.said_of_session(session) if d.design_id is None or d.verb is Verb.PREFER], before)


def _draw_others(desk: Desk, said: Sequence[Decision], before: Seen) -> None:
    """What weighs, of others: one's own decisions are known, whichever page they were made on."""
    for d in [d for d in said if d.id > before.decision and d.author != desk.author and d.verb in (*WEIGHTY, *OF_SESSION)][-3:]:
        why = f": {shell.plain(d.reason)}" if d.reason else ""
        st.warning(f"**{shell.plain(d.author)}** {shell.plain(desk.told(d))} meanwhile{why}", icon=":material/group:")


def own(name: str, *subjects: str) -> str:
    """The key of a button that is these subjects' own: one that is pressed late, or twice, is then gone, and decides nothing on what is drawn in its place."""
    return f"{name}--{sha256_text(' '.join(subjects))[:10]}"


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
