"""Inbox: everything that waits for a person, one at a time or as a list; comparing; and what came of it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app import shell
from app.widgets import inbox as frame
from app.widgets.inbox_compare import draw_compare
from app.widgets.inbox_item import draw_gone, draw_other
from app.widgets.inbox_list import draw_list
from app.widgets.inbox_proposal import draw_proposal
from app.widgets.inbox_record import draw_record
from app.widgets.keys import listen
from core.desk import Desk, Inbox, Item, Waits

VIEWS = {"one": "One at a time", "list": "List", "compare": "Side by side", "record": "Decided"}
HINT = "a approve · s send back · r refuse · e edit · c comment · d defer · 0–9 forecast"
HINTS = {Waits.GATE: "a approve · r hold · d defer", Waits.CHECK: "s send back · r refuse · d defer"}
SLOWLY = 15.0        # seconds between looks while nothing runs and something waits: another person may decide it
COMPARING = {"1": "inbox-prefer-1", "2": "inbox-prefer-2", "3": "inbox-prefer-3", "n": "inbox-next", "u": "inbox-undo-it"}


def main() -> None:
    desk = shell.desk()
    st.html(frame.CSS)
    if wanted := st.session_state.pop("inbox-view-next", None):
        st.session_state["inbox-view"] = wanted
    else:
        shell.from_address("view", "one", VIEWS, "inbox-view")
    with st.container(horizontal=True, vertical_alignment="center"):
        view = st.segmented_control("View", list(VIEWS), format_func=VIEWS.get, required=True, key="inbox-view", label_visibility="collapsed")
        shell.to_address("view", "one", "inbox-view")
        found = desk.inbox(bool(st.session_state.get("inbox-passed")))
        chosen = narrowed(found) if view in ("one", "list") else found
        passed = st.toggle("Also what was passed over", key="inbox-passed", help="proposals that a session went on without")
    if view == "compare":
        listen(COMPARING)
    elif view != "record":
        frame.draw_keys()
    for words in st.session_state.pop("inbox-told", []):
        st.warning(shell.plain(words), icon=":material/group:")
    if view == "record":
        draw_record(desk)
    elif not chosen.items and not (view == "list" and found.deferred) and not (view == "one" and frame.current((), found.items)):
        draw_empty(desk, found)
    elif view == "list":
        draw_list(desk, chosen)
    elif view == "compare":
        draw_compare(desk, chosen.items)
    else:
        draw_one(desk, chosen, found.items)
    frame.draw_undo(desk)
    running = at_work(desk)
    mark, fresh = signature(found), [found]          # what this run has read is not read again in it

    def unchanged() -> bool:
        return at_work(desk) is running and signature(fresh.pop() if fresh else desk.inbox(passed)) == mark

    shell.live(unchanged, running or bool(found.items), every=3.0 if running else SLOWLY)


def signature(found: Inbox) -> tuple:
    return tuple((i.key, i.mark) for i in found.items), found.with_agents


def at_work(desk: Desk) -> bool:
    return bool(desk.queue.all(limit=1, states=shell.LIVE))


def narrowed(found: Inbox) -> Inbox:
    """To the kinds that are chosen."""
    counts = found.counts()
    if len(counts) < 2:
        return found
    kinds = st.pills("Kinds", list(counts), selection_mode="multi", key="inbox-kinds", format_func=lambda k: f"{k} {counts[k]}", label_visibility="collapsed", width="content")
    return Inbox(tuple(i for i in found.items if not kinds or i.kind in kinds), found.deferred, found.with_agents)


def draw_one(desk: Desk, found: Inbox, waiting: Sequence[Item]) -> None:
    item = frame.current(found.items, waiting)
    if item is None:
        return
    st.session_state[frame.AT] = item.key
    place = next((n for n, other in enumerate(found.items, 1) if other.key == item.key), 0)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(str(item.kind), color=frame.COLOURS[item.kind], icon=f":material/{frame.ICONS[item.kind]}:")
        st.caption(shell.plain(item.why if item.kind in (Waits.PROPOSAL, Waits.DISPUTE) else f"waits since {shell.ago(item.since)}"), width="stretch")
        alone = len(found.items) < 2 and place > 0
        with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):      # a narrow page breaks before them, not between
            if st.button("", key="inbox-previous", icon=":material/chevron_left:", help="key p or k", disabled=alone):
                frame.step(found.items, item, -1)
                st.rerun()
            st.caption(f"{place} of {len(found.items)}" if place else f"decided meanwhile; {len(found.items)} more", width="content")
            if st.button("", key="inbox-next", icon=":material/chevron_right:", help="key n or j", disabled=alone):
                frame.step(found.items, item, 1)
                st.rerun()
    if item.key.startswith("proposal:"):
        draw_proposal(desk, item, lambda: frame.leave(found.items, item))
    elif not place:
        draw_gone(desk, item)
    else:
        draw_other(desk, item, lambda: frame.leave(found.items, item))
    if found.with_agents:
        st.caption(f"With their designers: {', '.join(found.with_agents)}")
    with st.container(key="inbox-keys"):
        st.caption(f"{HINT if item.key.startswith('proposal:') else HINTS.get(item.kind, 'a what the first button says · d put off')} · n p next, previous · u undo")


def draw_empty(desk: Desk, found: Inbox) -> None:
    """What to do first, or next."""
    if found.items:
        st.info("Nothing of that kind waits.", icon=":material/filter_alt_off:")
        return
    if at_work(desk) or found.with_agents:
        st.info("Nothing waits for you. The agents are at work; what they need from you will appear here.", icon=":material/hourglass_top:")
    else:
        st.info("Nothing waits for you. Start a design session: its proposals come here to be read, judged and ranked.", icon=":material/inbox:")
    with st.container(horizontal=True):
        if st.button("Start a session", type="primary", icon=":material/forum:", key="inbox-start"):
            shell.go("studio", parents="gpt2,llama")
        shell.link("tree", "Choose parents on the tree", ":material/account_tree:")
    if found.deferred:
        st.caption(f"{len(found.deferred)} put off: see the list.")


main()
