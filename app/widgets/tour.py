"""The first tour: from two parents to a design that is measured against gpt2, in six steps. What is done is read from the store, so nothing has to be done in the tour's own way.

The session that is followed is the one that this visitor started while on the tour. A cookie keeps it over a reload; walking from page to page needs none."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from app import shell
from app.widgets.cookie import keep_cookie
from core.desk import Desk
from core.errors import NotFound
from core.types import Design, JobKind, Session, Status

KEY, COOKIE = "tour-session", "model-discovery-tour"     # of the session that is followed; BEGUN before there is one, "" once the tour has ended
BEGUN, LASTS_S = "begun", 7 * 86400
PARENTS, REFERENCE, SCALE = ("gpt2", "gla"), "gpt2", "nano"


@dataclass(frozen=True)
class Step:
    words: str
    button: str                      # "" where the page itself has the button
    do: Callable[[], None]


def offer() -> None:
    """A button that begins it."""
    if not _followed() and st.button("Take the tour: five minutes to a measured design", icon=":material/tour:", key="tour-begin"):
        st.session_state[KEY] = BEGUN
        st.rerun()


def follow(session_id: str) -> None:
    """The visitor started this session: a tour that is on and has none goes on with it."""
    if _followed() == BEGUN:
        st.session_state[KEY] = session_id


def _followed() -> str:
    """The cookie is the browser's: anything may stand in it."""
    if KEY in st.session_state:
        return st.session_state[KEY]
    kept = str(st.context.cookies.get(COOKIE, ""))
    return kept if re.fullmatch(r"[\w-]{1,80}", kept) else ""


def _keep() -> None:
    """Have the browser keep, or forget, which session is followed."""
    if KEY in st.session_state:
        value = st.session_state[KEY]
        keep_cookie(COOKIE, value, LASTS_S if value else 0, "tour-cookie")


def draw_tour(desk: Desk) -> None:
    """The step that comes next, above whatever page is open; nothing when no tour is on."""
    _keep()
    followed = _followed()
    if not followed:
        return
    number, step = next_step(desk, followed)
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="tour"):
        st.markdown(f":material/tour: **Step {number} of 6.** {step.words}", width="stretch")
        if step.button and st.button(step.button, type="primary", key=f"tour-{number}"):
            step.do()
        if st.button("End the tour", key="tour-end", type="tertiary"):
            st.session_state[KEY] = ""
            st.rerun()


def _at_studio() -> bool:
    """Where the first step leads."""
    return st.query_params.get("parents") == ",".join(PARENTS)


def next_step(desk: Desk, followed: str) -> tuple[int, Step]:
    """(its number, 1 to 6, and what it is), from what has happened in the session that is followed."""
    session = _session(desk, followed)
    if session is None and _at_studio():
        return 1, Step("Press **Start** below: agents cross gpt2 with gla, which remembers without attention, and review what they made.", "", _cross)
    if session is None:
        return 1, Step("A design has parents. These two are gpt2, and gla, which remembers without attention: have them crossed. On the page that opens, press **Start**.", "Cross gpt2 and gla", _cross)
    designs = desk.store.designs.of_session(session.id)
    judged = [d for d in designs if d.status is not Status.PROPOSED]
    if not judged:
        return 2, Step("Agents propose and review; it takes seconds. Read what they wrote, then **approve** one and refuse what you would not train: your order outweighs theirs.", "To the session",
                       lambda: shell.go("studio", session=session.id))
    made = [d for d in designs if d.status in (Status.IMPLEMENTED, Status.VERIFIED)]
    if not made and all(d.status is Status.REFUSED for d in designs):
        return 2, Step("All its proposals were refused, so none is left to train. Have gpt2 and gla crossed once more: agents draw other proposals.", "Try once more", _cross)
    if not made:
        return 3, _implement(session, designs)
    best = next((d for d in made if SCALE in d.scores), made[0])
    base = desk.store.designs.get(REFERENCE)
    if SCALE not in best.scores or SCALE not in base.scores:
        return _verify(desk, [d for d in (base, best) if SCALE not in d.scores])
    return 6, Step(f"{shell.plain(best.title)}: {best.scores[SCALE]:.4f} bits per byte, {REFERENCE} {base.scores[SCALE]:.4f}. One seed decides nothing: the comparison says how sure it is, and what would tell more.",
                   "See the comparison", lambda: shell.go("compare", scale=SCALE, designs=f"{REFERENCE},{best.id}"))


def _session(desk: Desk, followed: str) -> Session | None:
    """None also when a cookie names one that another tree had."""
    try:
        return None if followed == BEGUN else desk.store.sessions.get(followed)
    except NotFound:
        return None


def _cross() -> None:
    """Also for the first time: the next session that the visitor starts is the tour's."""
    st.session_state[KEY] = BEGUN
    shell.go("studio", parents=",".join(PARENTS))


def _implement(session: Session, designs: list[Design]) -> Step:
    """Of designs none of which has checked code."""
    failed = [d for d in designs if d.status is Status.FAILED]
    if failed and all(d.status in (Status.FAILED, Status.REFUSED) for d in designs):
        return Step("Its code failed the checks, and no other proposal is left: that happens, and the design's page says where it broke. Have gpt2 and gla crossed once more.", "Try once more", _cross)
    if failed:
        return Step(f"The code of {shell.plain(failed[0].title)} failed its checks: that happens, and its page says where it broke. Approve another proposal, and press **Implement** once more.",
                    "To the session", lambda: shell.go("studio", session=session.id))
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
