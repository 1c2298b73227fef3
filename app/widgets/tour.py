"""The first tour: from two parents to a design that is measured against gpt2, in six steps. What is done is read from the store, so nothing has to be done in the tour's own way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import streamlit as st

from app import shell
from core.desk import Desk
from core.types import Design, JobKind, Session, Status

KEY = "tour-since"
PARENTS, REFERENCE, SCALE = ("gpt2", "gla"), "gpt2", "nano"


@dataclass(frozen=True)
class Step:
    words: str
    button: str                      # "" where the page itself has the button
    do: Callable[[], None]


def offer() -> None:
    """A button that begins it."""
    if KEY not in st.session_state and st.button("Take the tour: five minutes to a measured design", icon=":material/tour:", key="tour-begin"):
        st.session_state[KEY] = datetime.now(UTC)
        st.rerun()


def draw_tour(desk: Desk) -> None:
    """The step that comes next, above whatever page is open; nothing when no tour is on."""
    since = st.session_state.get(KEY)
    if since is None:
        return
    number, step = next_step(desk, since)
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="tour"):
        st.markdown(f":material/tour: **Step {number} of 6.** {step.words}", width="stretch")
        if step.button and st.button(step.button, type="primary", key=f"tour-{number}"):
            step.do()
        if st.button("End the tour", key="tour-end", type="tertiary"):
            del st.session_state[KEY]
            st.rerun()


def next_step(desk: Desk, since: datetime) -> tuple[int, Step]:
    """(its number, 1 to 6, and what it is), from what has happened `since`."""
    session = next((s for s in desk.store.sessions.all(limit=20) if s.created_at >= since), None)
    if session is None:
        return 1, Step("A design has parents. These two are gpt2, and gla, which remembers without attention: have them crossed. On the page that opens, press **Start**.", "Cross gpt2 and gla",
                       lambda: shell.go("studio", parents=",".join(PARENTS)))
    designs = desk.store.designs.of_session(session.id)
    judged = [d for d in designs if d.status is not Status.PROPOSED]
    if not judged:
        return 2, Step("Agents propose and review; it takes seconds. Read what they wrote, then **approve** one and refuse what you would not train: your order outweighs theirs.", "To the session",
                       lambda: shell.go("studio", session=session.id))
    made = [d for d in designs if d.status in (Status.IMPLEMENTED, Status.VERIFIED)]
    if not made:
        return 3, _implement(session)
    best = next((d for d in made if SCALE in d.scores), made[0])
    base = desk.store.designs.get(REFERENCE)
    if SCALE not in best.scores or SCALE not in base.scores:
        return _verify(desk, [d for d in (base, best) if SCALE not in d.scores])
    return 6, Step(f"{shell.plain(best.title)}: {best.scores[SCALE]:.4f} bits per byte, {REFERENCE} {base.scores[SCALE]:.4f}. One seed decides nothing: the comparison says how sure it is, and what would tell more.",
                   "See the comparison", lambda: shell.go("compare", scale=SCALE, designs=f"{REFERENCE},{best.id}"))


def _implement(session: Session) -> Step:
    return Step("Press **Implement the best 1**: the code is composed, and checked in a sandbox against leaks from the future, in about five seconds.", "To the session",
                lambda: shell.go("studio", session=session.id))


def _verify(desk: Desk, lacking: list[Design]) -> tuple[int, Step]:
    running = {j.payload["design"] for j in desk.queue.all(states=shell.LIVE) if j.kind is JobKind.VERIFY}
    waiting = [d.id for d in lacking if d.id not in running]
    if waiting:
        return 4, Step(f"Train {' and '.join(waiting)} at {SCALE}, on the same data in the same order: about a minute each on a laptop.", f"Verify {' and '.join(waiting)}",
                       lambda: _queue(desk, waiting))
    return 5, Step("They train. Watch the curves; both are scored on text that neither saw.", "To the curves", lambda: shell.go("verify"))


def _queue(desk: Desk, designs: list[str]) -> None:
    if shell.act(lambda: desk.verify(designs, SCALE), "queued"):
        shell.go("verify")
