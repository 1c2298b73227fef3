"""What a run waits for, and for how long: with retry, another model, skip. Nothing stalls silently."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from app import shell
from app.widgets.roles import may
from core.desk import Desk, RunState, RunView, Stall


def draw_stalls(desk: Desk, run: RunView) -> None:
    for stall in desk.stalls(run.id):
        n = "".join(c if c.isalnum() else "-" for c in f"{stall.kind}-{stall.session or stall.what}")
        with st.container(border=True, gap="small", key=f"stall-{n}"):
            took = shell.took((datetime.now(UTC) - stall.since).total_seconds())
            icon = "error" if stall.kind == "failed" else "hourglass_top"
            st.markdown(f":orange[:material/{icon}:] **{'Failed' if stall.kind == 'failed' else 'Waiting on ' + shell.plain(stall.what)}** for {took}" if stall.kind != "failed"
                        else f":red[:material/{icon}:] **The run failed** {took} ago")
            st.caption(shell.plain(stall.why[:500]))
            _draw_ways_out(desk, run, stall, n)
    _draw_skip_training(desk, run)


def _draw_ways_out(desk: Desk, run: RunView, stall: Stall, n: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if stall.kind == "session":
            if st.button("Try again", key=f"stall-again-{n}", icon=":material/refresh:", type="primary",
                         **may("go_on")) and shell.act(lambda: desk.go_on(stall.session), "it is asked again"):
                st.rerun()
        elif stall.kind in ("call", "failed") and st.button("Try again", key=f"stall-retry-{n}", icon=":material/refresh:", type="primary",
                                                            **may("retry_run", "what hangs is stopped, and asked anew from what is stored")) and shell.act(
                lambda: desk.retry_run(run.id), "it is taken up again"):
            st.rerun()
        if stall.agent:
            with st.popover("Another model", icon=":material/swap_horiz:"):
                model = st.text_input(f"Model of {stall.agent}", stall.model, key=f"stall-model-{n}", help="provider:model, or tier:strong; as on the Agents page, for every run")
                if st.button("Switch, and try again", key=f"stall-switch-{n}", type="primary", **may("switch_model")) and shell.act(
                        lambda: (desk.switch_model(stall.agent, model.strip()), desk.retry_run(run.id)), "it is asked from now on"):
                    st.rerun()
        if stall.session and st.button("Skip this session", key=f"stall-skip-{n}", icon=":material/redo:",
                                       **may("skip_session", "it is closed as it is; what it proposed stays")) and shell.act(
                lambda: desk.skip_session(run.id, stall.session), "the run goes on with the next act"):
            st.rerun()
        if stall.kind == "worker":
            shell.link("jobs", "Jobs", ":material/checklist:")
        if stall.session:
            shell.link("studio", "Its session", ":material/forum:", session=stall.session)


def _draw_skip_training(desk: Desk, run: RunView) -> None:
    """A training that takes too long can be passed over while it runs."""
    for held in desk.verifying(run.id) if run.state is RunState.RUNNING else ():
        with st.container(horizontal=True, vertical_alignment="center"):
            shell.link("verify", f"{held.words} is being trained: its curve", ":material/monitoring:")
            if st.button("Skip it", key=f"skip-training-{held.design}-{held.scale}-{held.seed}", icon=":material/redo:", type="tertiary",
                         **may("skip_verification", "its budget is given back")) and shell.act(
                    lambda h=held: desk.skip_verification(run.id, "", h.subject), "the run goes on with the next act"):
                st.rerun()
