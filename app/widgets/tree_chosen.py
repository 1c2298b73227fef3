"""What can be done with the designs that were chosen on the tree, one or many at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import networkx as nx
import streamlit as st

from app import shell
from app.widgets.design_card import REASONS
from core.desk import Desk
from core.types import Design, Kind, Status

NAMED = 6            # of those chosen, before "and n more"
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
        more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
        st.markdown(f"**Chosen:** {', '.join(shell.plain(i) for i in ids[:NAMED])}{more}")
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
            draw_tags(desk, chosen)
            draw_branches(desk, chosen)
            if st.button("Clear", icon=":material/close:", key="tray-clear"):
                st.session_state["tray"] = []
                st.rerun()


def draw_verify(desk: Desk, chosen: Sequence[Design]) -> None:
    able = [d.id for d in chosen if d.status in (Status.IMPLEMENTED, Status.VERIFIED)]
    with st.popover("Verify", icon=":material/science:", disabled=not able, key="tray-verify"):
        scale = st.selectbox("at", list(desk.scales), key="tray-scale")
        lacking = [d.id for d in chosen if d.id in able and scale not in d.scores]
        if len(able) < len(chosen):
            st.caption(f"{len(chosen) - len(able)} without checked code are left out.")
        with shell.worded():
            cost, left = desk.estimate(able, scale), next((a.left for a in desk.store.ledger.accounts() if a.name == scale), 0)
            st.caption(f"{len(able)} at {scale}, {len(able) - len(lacking)} of them measured there already: at most {shell.took(cost.seconds)}, {len(able)} of the {left:g} left in the budget.")
        with st.container(horizontal=True):
            if st.button(f"Verify {len(able)}", type="primary", key="tray-verify-now") and shell.act(lambda: desk.verify(able, scale), f"{len(able)} queued at {scale}"):
                st.rerun()
            if st.button("On the Verify page", key="tray-verify-page", help="seeds, corpus, estimates"):
                shell.go("verify", designs=",".join(able), scale=scale)


def draw_refuse(desk: Desk, chosen: Sequence[Design]) -> None:
    able = [d.id for d in chosen if d.kind is not Kind.REFERENCE and d.status in (Status.PROPOSED, Status.APPROVED)]
    with st.popover("Refuse", icon=":material/thumb_down:", disabled=not able, key="tray-refuse"):
        quick = st.pills("Why?", REASONS, key="tray-why")
        words = st.text_input("In your words", key="tray-words")
        if len(able) < len(chosen):
            st.caption(f"{len(chosen) - len(able)} that are no open proposals are left out.")
        if st.button(f"Refuse {len(able)}", key="tray-refuse-now") and _all(desk, able, lambda i: desk.refuse(i, " — ".join(t for t in (quick or "", words) if t)), "refused"):
            st.rerun()


def draw_tags(desk: Desk, chosen: Sequence[Design]) -> None:
    with st.popover("Tag", icon=":material/sell:", key="tray-tag"):
        word = st.text_input("Word", key="tray-tag-word", max_chars=40)
        if st.button(f"Tag {len(chosen)}", key="tray-tag-now") and _all(desk, [d.id for d in chosen], lambda i: desk.tag(i, word), f"tagged {word}"):
            st.rerun()
        for n, tag in enumerate(sorted({t for d in chosen for t in d.tags})):
            if st.button(f"Take {shell.plain(tag)} away", key=f"tray-untag-{n}", type="tertiary", icon=":material/close:") and _all(
                    desk, [d.id for d in chosen if tag in d.tags], lambda i, tag=tag: desk.tag(i, tag, False), f"{tag} taken away"):
                st.rerun()


def draw_branches(desk: Desk, chosen: Sequence[Design]) -> None:
    """Pin, boost, prune: what the selector is to do with these and what descends from them."""
    with st.popover("Branch", icon=":material/account_tree:", key="tray-branch"):
        pinned, pruned, boosted = all(d.pinned for d in chosen), all(d.pruned for d in chosen), any(d.boost != 1 for d in chosen)
        st.caption("The selector obeys these, and says so.")
        ids = [d.id for d in chosen]
        with st.container(horizontal=True, vertical_alignment="bottom"):
            if st.button("Unpin" if pinned else "Pin", icon=":material/keep:", key="tray-pin", help="stays among the parents, and climbs the ladder whatever its score") and _all(
                    desk, ids, lambda i: desk.pin(i, not pinned), "unpinned" if pinned else "pinned"):
                st.rerun()
            if st.button("Let it grow again" if pruned else "Prune", icon=":material/content_cut:", key="tray-prune", help="neither it nor what descends from it alone is a parent, or verified by a run") and _all(
                    desk, ids, lambda i: desk.prune(i, not pruned), "growing again" if pruned else "pruned"):
                st.rerun()
        factor = st.slider("Boost", 0.25, 10.0, 3.0, 0.25, key="tray-factor", help="so many times as often a parent, with all that descends from it")
        with st.container(horizontal=True):
            if st.button(f"Boost ×{factor:g}", icon=":material/trending_up:", key="tray-boost") and _all(desk, ids, lambda i: desk.boost(i, factor), f"boosted ×{factor:g}"):
                st.rerun()
            if boosted and st.button("No boost", key="tray-unboost") and _all(desk, [d.id for d in chosen if d.boost != 1], lambda i: desk.boost(i, 1.0), "no boost"):
                st.rerun()


def _all(desk: Desk, ids: Sequence[str], verb: Callable[[str], object], done: str) -> bool:
    """The same for every one, together or not at all."""
    def act() -> None:
        with desk.store.together():
            for i in ids:
                verb(i)

    return shell.act(act, f"{len(ids)} {done}" if len(ids) > 1 else f"{ids[0]} {done}")
