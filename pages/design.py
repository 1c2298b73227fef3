"""Design: one design in full."""

from __future__ import annotations

import streamlit as st

from app import shell
from app.widgets import choose
from app.widgets.design_page import draw_design


def main() -> None:
    desk = shell.desk()
    if session := st.query_params.get("session"):
        shell.go("studio", session=session)
    elif design := st.query_params.get("design"):
        draw_design(desk, design)
    else:
        chosen = choose.one("Design", {d.id: d for d in shell.designs()}, "choose-design", placeholder="choose one", index=None)
        if chosen:
            shell.go("design", design=chosen)
        st.info("Choose a design to read its proposal, units, code, checks, scores and decisions. The Tree shows them all.", icon=":material/account_tree:")


main()
