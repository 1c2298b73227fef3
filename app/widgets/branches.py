"""Words and wishes for one design or many: tags, pin, boost, prune. The selector obeys the wishes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from app import shell
from app.widgets.roles import may
from app.widgets.switch import fresh, renew
from core.desk import Desk
from core.types import Design


def draw_marks(design: Design) -> None:
    """What persons said of it, as badges."""
    if design.pinned:
        st.badge("pinned", icon=":material/keep:", color="violet")
    if design.boost != 1:
        st.badge(f"boosted ×{design.boost:g}", icon=":material/trending_up:", color="violet")
    if design.pruned:
        st.badge("pruned", icon=":material/content_cut:", color="gray")
    for tag in design.tags:
        st.badge(shell.on_badge(tag), icon=":material/sell:", color="gray")


def draw_tags(desk: Desk, chosen: Sequence[Design], where: str) -> None:
    with st.popover("Tag", icon=":material/sell:", key=f"{where}-tag"):
        word = st.text_input("Word", key=fresh(f"{where}-tag-word"), max_chars=40)
        if st.button(f"Tag {len(chosen)}", key=f"{where}-tag-now", **may("tag")) and for_all(desk, [d.id for d in chosen], lambda i: desk.tag(i, word), f"tagged {word}"):
            renew(f"{where}-tag-word")
            st.rerun()
        for n, tag in enumerate(sorted({t for d in chosen for t in d.tags})):
            if st.button(f"Take {shell.plain(tag)} away", key=f"{where}-untag-{n}", type="tertiary", icon=":material/close:", **may("tag")) and for_all(
                    desk, [d.id for d in chosen if tag in d.tags], lambda i, tag=tag: desk.tag(i, tag, False), f"{tag} taken away"):
                st.rerun()


def draw_branches(desk: Desk, chosen: Sequence[Design], where: str) -> None:
    """Pin, boost, prune: what the selector is to do with these and what descends from them."""
    with st.popover("Branch", icon=":material/account_tree:", key=f"{where}-branch"):
        pinned, pruned, boosted = all(d.pinned for d in chosen), all(d.pruned for d in chosen), any(d.boost != 1 for d in chosen)
        st.caption("The selector obeys these, and says so.")
        if any(d.pruned and (d.pinned or d.boost != 1) for d in chosen):
            st.caption(":orange[Pruned comes first: while a design is, its pin and boost do nothing.]")
        ids = [d.id for d in chosen]
        with st.container(horizontal=True, vertical_alignment="bottom"):
            if st.button("Unpin" if pinned else "Pin", icon=":material/keep:", key=f"{where}-pin",
                         **may("pin", "stays among the parents, and climbs the ladder whatever its score")) and for_all(
                    desk, ids, lambda i: desk.pin(i, not pinned), "unpinned" if pinned else "pinned"):
                st.rerun()
            if st.button("Let it grow again" if pruned else "Prune", icon=":material/content_cut:", key=f"{where}-prune",
                         **may("prune", "neither it nor what descends from it alone is a parent, or verified by a run")) and for_all(
                    desk, ids, lambda i: desk.prune(i, not pruned), "growing again" if pruned else "pruned"):
                st.rerun()
        factor = st.slider("Boost", 0.25, 10.0, 3.0, 0.25, key=f"{where}-factor", help="so many times as often a parent, with all that descends from it")
        with st.container(horizontal=True):
            if st.button(f"Boost ×{factor:g}", icon=":material/trending_up:", key=f"{where}-boost",
                         **may("boost")) and for_all(desk, ids, lambda i: desk.boost(i, factor), f"boosted ×{factor:g}"):
                st.rerun()
            if boosted and st.button("No boost", key=f"{where}-unboost",
                                     **may("boost")) and for_all(desk, [d.id for d in chosen if d.boost != 1], lambda i: desk.boost(i, 1.0), "no boost"):
                st.rerun()


def for_all(desk: Desk, ids: Sequence[str], verb: Callable[[str], object], done: str) -> bool:
    """The same for every one, together or not at all."""
    def act() -> None:
        with desk.store.together():
            for i in ids:
                verb(i)

    return shell.act(act, f"{len(ids)} {done}" if len(ids) > 1 else f"{ids[0]} {done}")
