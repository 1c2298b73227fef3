"""Evolve: start a run, see what it does and why, decide at its gates, change its budgets, read what a night brought."""

from __future__ import annotations

import streamlit as st

from app import shell
from app.widgets.evolve_run import BADGES, draw_run
from app.widgets.evolve_start import draw_start
from core.desk import Desk


def main() -> None:
    desk = shell.desk()
    if run_id := st.query_params.get("run"):
        draw_run(desk, run_id)
        shell.link("evolve", "All runs", ":material/arrow_back:")
        return
    left, right = st.columns([1.15, 1], gap="large")
    with left:
        draw_start(desk)
    with right:
        runs(desk)


def runs(desk: Desk) -> None:
    st.subheader("Runs", anchor=False)
    found = desk.runs()
    if not found:
        st.info("None yet. A run designs and verifies by itself until its budgets are spent, and stops wherever you ask it to. The settings beside this are a good "
                "first one: press Start, and watch.", icon=":material/rocket_launch:")
    for run in found:
        with st.container(border=True, gap="small"):
            with st.container(horizontal=True, vertical_alignment="center"):
                colour, icon = BADGES[run.state]
                st.badge(str(run.state), color=colour, icon=f":material/{icon}:")
                shell.link("evolve", run.id, ":material/open_in_new:", run=run.id)
                st.caption(f"begun {shell.ago(run.begun)}", width="content")
            budgets = ", ".join(f"{a.spent:g} of {a.granted:g} {name}" for name, a in run.accounts.items() if a.granted)
            st.caption(shell.plain(f"{run.words[:160]}. Spent: {budgets or 'no budget'}."))


main()
