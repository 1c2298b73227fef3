"""Views that are kept under a name: an address with all that was chosen, one click away for everybody."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from app import shell
from app.widgets.roles import may
from app.widgets.switch import fresh, renew
from core.desk import Desk


def draw_views(desk: Desk, page: str, shown: Mapping[str, str]) -> None:
    """What is shown now can be kept; what was kept can be opened or taken away."""
    with st.popover("Views", icon=":material/bookmark:", key=f"views-{page}"):
        kept = desk.views(page)
        for view in kept:
            with st.container(horizontal=True, vertical_alignment="center"):
                shell.link(page, shell.plain(view.name), ":material/bookmark:", **view.query)
                st.caption(f"by {shell.plain(view.author)}", width="content")
                if st.button("", icon=":material/delete:", key=f"forget-{page}-{view.name}", type="tertiary", **may("forget_view", "take this view away")) and shell.act(
                        lambda v=view: desk.forget_view(page, v.name), "taken away"):
                    st.rerun()
        if not kept:
            st.caption("No view was kept yet. A view is what you see now, under a name, for everybody here.")
        name = st.text_input("Keep what I see as", key=fresh(f"view-name-{page}"), max_chars=60)
        if st.button("Keep it", icon=":material/bookmark_add:", key=f"keep-{page}", **may("keep_view")) and shell.act(
                lambda: desk.keep_view(page, name, {k: v for k, v in shown.items() if v}), "kept"):
            renew(f"view-name-{page}")
            st.rerun()
