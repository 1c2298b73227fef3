"""The inbox's frame: which item is open, what was decided last and can be undone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import streamlit as st

from app import shell
from app.widgets import drafts
from app.widgets.cookie import keep_cookie
from app.widgets.judging import decided
from app.widgets.keys import listen
from app.widgets.roles import may
from core.desk import Desk, Item, TakenBack, Waits
from core.types import Decision, JobKind

AT, ITEM, PANEL, LAST = "inbox-at", "inbox-item", "inbox-panel", "inbox-last"
STAYS, STAYS_S = "model_discovery_tree", 600.0      # a cookie, and for how long after one was on the Tree
COLOURS = {Waits.DISPUTE: "orange", Waits.PROPOSAL: "blue", Waits.SESSION: "violet", Waits.GATE: "violet", Waits.PAUSED: "orange", Waits.STUCK: "orange", Waits.BUDGET: "orange",
           Waits.CHECK: "red", Waits.AUDIT: "red", Waits.CONFIRM: "green", Waits.JOB: "red"}
ICONS = {Waits.DISPUTE: "gavel", Waits.PROPOSAL: "rate_review", Waits.SESSION: "forum", Waits.GATE: "front_hand", Waits.PAUSED: "pause_circle", Waits.STUCK: "hourglass_top",
         Waits.BUDGET: "savings", Waits.CHECK: "rule", Waits.AUDIT: "troubleshoot", Waits.CONFIRM: "verified", Waits.JOB: "error"}
KEYS = {"a": "inbox-approve", "s": "inbox-back", "r": "inbox-refuse", "e": "inbox-edit", "c": "inbox-comment", "d": "inbox-defer", "n": "inbox-next", "j": "inbox-next",
        "p": "inbox-previous", "k": "inbox-previous", "u": "inbox-undo-it", "Escape": "inbox-close", "x": "inbox-tick",
        "0": "inbox-forecast@0", **{str(n): f"inbox-forecast@{n}" for n in range(1, 10)}}
FOCUS = {f"inbox-{panel}": f'.st-key-inbox-panel [class*="st-key-draft-{field}-"] input' for panel, field in (("back", "back"), ("refuse", "refuse"), ("edit", "title"), ("comment", "comment"))}

CSS = """<style>
[data-testid="stLayoutWrapper"]:has(> .st-key-inbox-actions) {position: sticky; bottom: 0; z-index: 50;}
.st-key-inbox-actions {background: light-dark(#ffffff, #12171d); padding: .6rem 0 .7rem; border-top: 1px solid rgba(128,128,128,.25);}
.st-key-inbox-body :is(h1, h2, h3, h4, h5) {font-size: 1.05rem; padding: .35rem 0 .1rem;}
.st-key-inbox-undo {position: fixed; right: 1.2rem; bottom: 5.2rem; z-index: 60; width: auto !important; max-width: min(32rem, calc(100vw - 2rem)); background: light-dark(#f4f6f8, #1c242d);
  border: 1px solid rgba(128,128,128,.35); border-radius: .6rem; padding: .45rem .8rem; box-shadow: 0 4px 18px rgba(0,0,0,.18);}
[class*="st-key-inbox-approve--"] p {white-space: normal; text-align: left;}
.st-key-keys {height: 0; overflow: hidden;}
.st-key-inbox-panel [data-testid="stForm"]:has(input[placeholder]) [data-testid="InputInstructions"] {display: none;}
@media (min-width: 641px) {body:has(.st-key-inbox-panel) .st-key-inbox-undo {bottom: auto; top: 4rem;} .st-key-inbox-body, .st-key-inbox-reviews {max-height: max(16rem, calc(100vh - 26rem)); overflow-y: auto; padding-right: .6rem;}}
@media (max-width: 640px) {.st-key-inbox-undo {bottom: auto; top: 4rem; right: .6rem;} .st-key-inbox-keys {display: none;}
  .st-key-inbox-buttons {gap: .35rem !important;} .st-key-inbox-buttons > * {flex: 0 0 auto;} .st-key-inbox-buttons > [class*="st-key-inbox-approve--"] {flex: 1 0 100%;}
  .st-key-inbox-buttons button {padding: .2rem .5rem; min-height: 2.1rem; width: 100%;}}
</style>"""


def first_look(page: object) -> bool:
    """Whether a visitor comes to the bare address for the first time, while something waits or a run is on. Links, and whoever walks to the Tree, are left alone: also by a reload there."""
    if st.session_state.get("looked"):
        return False
    st.session_state["looked"] = True
    if not st.context.url or not _bare(page) or STAYS in st.context.cookies:
        return False
    with shell.worded():
        desk = shell.desk()
        at_work = any(job.kind in (JobKind.SESSION, JobKind.EVOLVE) for job in desk.queue.all(limit=50, states=shell.LIVE))
        return at_work or bool(desk.inbox().items)
    return False


def stay(page: object) -> None:
    """Have the browser know for a while that its visitor is on the Tree by their own will. Last on the page: it moves nothing that is there."""
    if _bare(page):
        keep_cookie(STAYS, "yes", STAYS_S, "tree-cookie")


def _bare(page: object) -> bool:
    return getattr(page, "url_path", None) == "" and not st.query_params


def current(items: Sequence[Item], waiting: Sequence[Item]) -> Item | None:
    """The item that is open: the one that was, the one that a link names, or the first. `items`: of all that is `waiting`, the kinds that are chosen.

    What no longer waits stays open until the visitor leaves it: nothing typed is lost, and no press that was meant for it decides another.
    """
    by_key = {item.key: item for item in items}
    wanted = st.session_state.get(AT) or st.query_params.get("item", "")
    kept: Item | None = st.session_state.get(ITEM)
    if kept is not None and kept.key == wanted and wanted not in {item.key for item in waiting}:
        return kept
    st.session_state[ITEM] = by_key.get(wanted) or next(iter(items), None)
    return st.session_state[ITEM]


def open_item(key: str) -> None:
    st.session_state[AT] = key
    st.session_state[PANEL] = ""
    st.session_state[ITEM] = None


def step(items: Sequence[Item], at: Item, by: int) -> None:
    place = next((n for n, item in enumerate(items) if item.key == at.key), -1 if by > 0 else 0)
    open_item(items[(place + by) % len(items)].key if items else "")


def leave(items: Sequence[Item], at: Item) -> None:
    """After a decision: on to the next one, or to the one before the last."""
    place = next((n for n, item in enumerate(items) if item.key == at.key), 0)
    rest = [item for item in items if item.key != at.key]
    open_item(rest[min(place, len(rest) - 1)].key if rest else "")


# ------------------------------------------------------------------------------------------------ deciding and undoing


def decide(verb: Callable[[], Decision | object], words: str, after: Callable[[], None]) -> None:
    """Do it, remember it for Undo, and go on; where it cannot be done that is said, and what was typed stays."""
    remembered, item = last(), st.session_state.get(AT, "")
    if shell.act(lambda: remembered.keep(decided(verb()), words, item)):
        after()
        st.rerun()


@dataclass
class Last:
    """What this visitor decided last. It is kept in the same breath as it is done: a second click ends the page's run wherever the state of the session is asked for next."""

    ids: list[int] = field(default_factory=list)
    words: str = ""
    item: str = ""                   # the inbox's, where it was one

    def keep(self, ids: list[int], words: str, item: str = "") -> None:
        self.ids, self.words, self.item = ids, words, item


def last() -> Last:
    return st.session_state.setdefault(LAST, Last())


def draw_undo(desk: Desk) -> None:
    """The last decision, with Undo, until the next one."""
    remembered = last()
    if not remembered.ids:
        return
    with st.container(key="inbox-undo", horizontal=True, vertical_alignment="center"):
        st.markdown(shell.plain(remembered.words), width="content")
        if st.button("Undo", key="inbox-undo-it", icon=":material/undo:", **may("undo_all", "key u")):
            _undo(desk, remembered)


def _undo(desk: Desk, remembered: Last) -> None:
    """What stays is told, and why: it is not offered again. What was taken back is open again, if it was one."""
    found: list[TakenBack] = []
    words, item = remembered.words, remembered.item
    if not shell.act(lambda: (found.append(desk.undo_all(remembered.ids)), remembered.keep([], ""))):
        return
    st.session_state["inbox-told"] = list(found[0].failed.values())
    if found[0].done:
        st.toast(shell.plain(f"taken back: {words}"))
        if item:
            open_item(item)
    st.rerun()


def draw_keys() -> None:
    listen(KEYS, FOCUS)
    drafts.keep()
