"""What can be done with the designs that were chosen on the tree, one or many at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import networkx as nx
import streamlit as st

from app import shell
from app.widgets.branches import draw_branches, draw_tags
from app.widgets.design_card import REASONS
from app.widgets.judging import draw_meanwhile, saw, seen_all
from app.widgets.roles import may
from app.widgets.switch import fresh, renew
from core.desk import Desk
from core.types import Decision, Design, Kind, Seen, Status

NAMED = 6            # of those chosen, before "and n more"
LISTED = 60          # of those chosen, one below the other; a search brings up the others
MOST_PARENTS = 4


def tray() -> list[str]:
    """The chosen designs, kept while the visitor walks from page to page."""
    return st.session_state.setdefault("tray", [])


def draw_chosen(desk: Desk, graph: nx.DiGraph) -> None:
    chosen: list[Design] = [graph.nodes[i]["design"] for i in tray() if i in graph]
    if not chosen:
        return
    ids = [d.id for d in chosen]
    with st.container(border=True, key="tree-chosen"):
        more = f" and {len(ids) - NAMED:,} more" if len(ids) > NAMED else ""
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**Chosen:** {', '.join(shell.plain(i) for i in ids[:NAMED])}{more}", width="content")
            if len(ids) > 1:
                draw_list(chosen)
        with st.container(horizontal=True):
            many = len(ids) > 1
            if st.button("Crossover" if many else "Mutate", type="primary", icon=":material/merge:" if many else ":material/edit:", key="tray-cross",
                         disabled=len(ids) > MOST_PARENTS, help=f"propose from these; at most {MOST_PARENTS} parents" if many else "propose from this one"):
                shell.go("studio", parents=",".join(ids))
            draw_verify(desk, chosen)
            if "compare" in shell.PAGES and st.button("Compare", icon=":material/leaderboard:", key="tray-compare", disabled=not any(d.scores for d in chosen),
                                                      help="scores, curves and ladders side by side"):
                shell.go("compare", designs=",".join(d.id for d in chosen if d.scores))
            draw_refuse(desk, chosen)
            draw_tags(desk, chosen, "tray")
            draw_branches(desk, chosen, "tray")
            if st.button("Clear", icon=":material/close:", key="tray-clear"):
                st.session_state["tray"] = []
                st.rerun()


def draw_list(chosen: Sequence[Design]) -> None:
    """Each of them, to be looked at or taken out. It is sent only to who opens it."""
    with st.popover("See all", icon=":material/checklist:", type="tertiary", key="tray-list", on_change="rerun") as folded:
        if not folded.open:
            return
        found = list(chosen)
        if len(chosen) > LISTED:
            words = st.text_input("Search among them", key="tray-find", placeholder="a title or an id").casefold()
            found = [d for d in chosen if words in d.id.casefold() or words in d.title.casefold()]
        with st.container(gap=None):
            for design in found[:LISTED]:
                with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
                    title = "" if design.title == design.id else f" · {shell.escaped(shell.short(design.title))}"
                    shell.link("design", f"{shell.escaped(design.id)}{title}", design=design.id)
                    if st.button("Take out", icon=":material/close:", key=f"tray-out-{design.id}", type="tertiary"):
                        tray().remove(design.id)
                        st.rerun()
        if len(found) > LISTED:
            st.caption(f"and {len(found) - LISTED:,} more: search for them")
        elif not found:
            st.caption("None of them is called so.")


def draw_verify(desk: Desk, chosen: Sequence[Design]) -> None:
    able = [d.id for d in chosen if d.status in (Status.IMPLEMENTED, Status.VERIFIED)]
    with st.popover("Verify", icon=":material/science:", disabled=not able, key="tray-verify"):
        lacking, needed, dear = {}, 0, False
        scale = st.selectbox("at", list(desk.scales), key="tray-scale")
        if len(able) < len(chosen):
            st.caption(f"{len(chosen) - len(able)} without checked code are left out.")
        with shell.worded():
            lacking, left = desk.to_train(able, scale, [0]), next((a.left for a in desk.store.ledger.accounts() if a.name == scale), 0)
            needed, dear = sum(lacking.values()), sum(lacking.values()) > left
            there = f"{len(able) - needed} of {len(able)} are measured there or under way. " if needed < len(able) else ""
            if needed:
                found = desk.estimate(list(lacking), scale, lacking)
                st.caption(f"{there}{needed} to train: {shell.about(found.seconds, [found.remark])}, {needed} of the {left:g} left in the budget.")
            else:
                st.caption(f"{there}Nothing is left to train.")
            if dear:
                st.caption(f":orange[The budget of {scale} is too small: raise it on the Verify page.]")
        with st.container(horizontal=True):
            if st.button(f"Verify {needed or ''}".strip(), type="primary", key="tray-verify-now", **may("verify", disabled=not needed or dear)) and shell.act(
                    lambda: desk.verify(list(lacking), scale), f"{needed} queued at {scale}"):
                st.rerun()
            if st.button("On the Verify page", key="tray-verify-page", help="seeds, corpus, estimates"):
                shell.go("verify", designs=",".join(able), scale=scale)


def draw_refuse(desk: Desk, chosen: Sequence[Design]) -> None:
    able = [d.id for d in chosen if d.kind is not Kind.REFERENCE and d.status in (Status.PROPOSED, Status.APPROVED)]
    last = seen_all(desk, able)
    with st.popover("Refuse", icon=":material/thumb_down:", disabled=not able, key=fresh("tray-refuse")):     # another one once it was pressed: closed, and empty
        quick = st.pills("Why?", REASONS, key=fresh("tray-why"))
        words = st.text_input("In your words", key=fresh("tray-words"))
        if len(able) < len(chosen):
            st.caption(f"{len(chosen) - len(able)} that are no open proposals are left out.")
        if st.button(f"Refuse {len(able)}", key="tray-refuse-now", **may("refuse")) and _refuse(desk, last, " — ".join(t for t in (quick or "", words) if t)):
            for name in ("tray-refuse", "tray-why", "tray-words"):
                renew(name)
            st.rerun()
    for design, (before, now) in last.items():
        if now > before:
            draw_meanwhile(desk, design, before)
        saw(design, now)


def _refuse(desk: Desk, last: Mapping[str, tuple[Seen, Seen]], reason: str) -> bool:
    """Together or not at all, as they were seen."""
    made: list[Decision] = []

    def act() -> None:
        with desk.store.together():
            made.extend(desk.refuse(design, reason, before) for design, (before, _) in sorted(last.items()))

    return shell.act(act, f"{len(last)} refused")
