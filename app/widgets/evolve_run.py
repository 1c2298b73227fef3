"""One run: how it stands and what it waits for, live; its budgets, gates and guidance; what it brought."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import streamlit as st

from app import shell
from app.widgets.evolve_gates import draw_gates, draw_waiting
from app.widgets.evolve_measures import draw_measures
from app.widgets.evolve_stalls import draw_stalls
from app.widgets.evolve_why import draw_instead, draw_why, draw_wishes
from app.widgets.roles import may
from app.widgets.switch import draw_refusal, fresh, switch
from core.desk import SURE, Desk, Ends, RunState, RunView
from core.types import Act

BADGES = {RunState.QUEUED: ("blue", "schedule"), RunState.RUNNING: ("green", "play_circle"), RunState.PAUSING: ("orange", "pause_circle"),
          RunState.PAUSED: ("orange", "pause_circle"), RunState.WAITING: ("orange", "front_hand"), RunState.DONE: ("gray", "check_circle"),
          RunState.FAILED: ("red", "error"), RunState.STOPPED: ("red", "stop_circle")}
IDLE = {RunState.DONE: "raise a budget, and it goes on by itself"}
EVERY_S = 2.0        # between two looks while it runs
UNITS = {"design": "design sessions", "money": "US dollars", "tokens": "tokens"}
PERIODS = {"the whole run": None, "the last 12 hours": 12, "the last 24 hours": 24, "the last hour": 1}


def draw_run(desk: Desk, run_id: str) -> None:
    run = desk.run(run_id)
    with st.container(horizontal=True, vertical_alignment="center", key="run-controls"):
        st.subheader(f"Run {shell.plain(run.id)}", anchor=False, width="content")
        _draw_controls(desk, run)
    left, right = st.columns([1.35, 1], gap="large")
    with left:
        shell.live(lambda: _draw_now(desk, run_id), run.live, EVERY_S)
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown("**What the selector thinks**", width="content")
            draw_instead(desk, run_id)
        draw_wishes(desk)
        shell.live(lambda: _draw_thoughts(desk, run_id), run.live, 2 * EVERY_S)
    with right:
        shell.live(lambda: _draw_spent(desk, run_id), run.live, 2 * EVERY_S)
        _draw_budgets(desk, run)
        draw_gates(desk, run_id)
        _draw_guidance(desk, run)
    shell.live(lambda: _draw_search(desk, run_id), run.live, 5 * EVERY_S)
    if st.toggle("The report: what it brought", run.state is RunState.DONE, key=f"report-{run_id}", help="what was made, the best against the reference, what it spent, refused, failed, and what waits"):
        _draw_report(desk, run_id)


def _draw_now(desk: Desk, run_id: str) -> bool:
    """What changes while it runs; whether it runs."""
    run = desk.run(run_id)
    colour, icon = BADGES[run.state]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(str(run.state), color=colour, icon=f":material/{icon}:")
        st.markdown(shell.plain(run.words[:300]), width="stretch")
    if run.live and run.job.progress:
        st.progress(run.job.progress)
    draw_stalls(desk, run)
    draw_waiting(desk, run_id)
    told = desk.forecast(run_id)
    st.caption(shell.plain(f"{told.acts} act{'' if told.acts == 1 else 's'} done in {shell.took(run.worked)}; {told.words}{told.until if run.live else ''}."))
    return run.live


def _draw_search(desk: Desk, run_id: str) -> bool:
    draw_measures(desk, run_id)
    return desk.run(run_id).live


def _draw_thoughts(desk: Desk, run_id: str) -> bool:
    run = desk.run(run_id)
    draw_why(desk, run_id)
    if run.sessions:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption("Sessions:", width="content")
            for session in run.sessions[:8]:
                shell.link("studio", session.id, ":material/forum:" if session.closed_at is None else None, session=session.id)
    return run.live


def _draw_controls(desk: Desk, run: RunView) -> None:
    """Not among the live parts: what is pressed is never lost between two looks."""
    going = run.state in (RunState.RUNNING, RunState.QUEUED, RunState.WAITING)
    if going:
        if st.button("Pause", icon=":material/pause:", key="run-pause",
                     **may("pause_run", "what you let through begins when you resume it" if run.state is RunState.WAITING else
                           "after the act under way: agents stop before their next call, a training goes on to its end")) and shell.act(
                lambda: desk.pause_run(run.id), "paused" if run.state is RunState.WAITING else "it pauses after what is under way"):
            st.rerun()
    elif run.state is not RunState.PAUSING or not run.job.cancel_requested:
        words = "Try again" if run.state is RunState.FAILED else "Resume"
        if st.button(words, type="primary" if run.state in (RunState.PAUSED, RunState.STOPPED, RunState.FAILED) else "secondary", icon=":material/play_arrow:", key="run-resume",
                     **may("resume_run", IDLE.get(run.state), disabled=run.state in IDLE)) and shell.act(
                lambda: desk.resume_run(run.id), "it goes on"):
            st.rerun()
    if st.button("Step", icon=":material/skip_next:", key="run-step",
                 **may("step_run", "exactly one act, a design session or a verification; then it pauses", run.state in (RunState.DONE, RunState.PAUSING) or run.stepping)) and shell.act(
            lambda: desk.step_run(run.id), "one act, then it pauses"):
        st.rerun()
    if run.live and st.button("Stop now", icon=":material/stop:", key="run-stop",
                              **may("stop_run", "in the middle of what it does; a training goes on from its checkpoint later", disabled=run.job.cancel_requested)) and shell.act(
            lambda: desk.stop_run(run.id), "stopping"):
        st.rerun()
    if run.stepping and run.state in (RunState.RUNNING, RunState.QUEUED, RunState.WAITING):
        st.caption("one act, then it pauses", width="content")


def _draw_spent(desk: Desk, run_id: str) -> bool:
    run = desk.run(run_id)
    st.markdown("**Budgets**")
    for name, account in run.accounts.items():
        unit = UNITS.get(name, f"verifications at {name}")
        st.progress(min(1.0, account.spent / account.granted) if account.granted else 0.0,
                    shell.plain(f"{account.spent:,.6g} of {account.granted:,.6g} {unit}" + (f", {account.reserved:,.6g} under way" if account.reserved else "")))
    return run.live


def _draw_budgets(desk: Desk, run: RunView) -> None:
    _draw_ends(desk, run)
    with st.popover("Raise or lower", icon=":material/account_balance_wallet:"):
        names = ["design", *desk.scales, "money", "tokens"]
        name = st.selectbox("Budget", names, format_func=lambda n: UNITS.get(n, f"verifications at {n}"), key=f"raise-{run.id}")
        now = run.accounts.get(name)
        step = {"money": 1.0, "tokens": 100_000.0}.get(name, 1.0)
        total = st.number_input("In all", 0.0, 1e12, float(now.granted if now else 0.0), step=step, key=f"total-{run.id}-{name}-{now.granted if now else 0}",
                                format="%.2f" if name == "money" else "%.0f", help=f"{now.spent:g} are spent" if now else "this run has none of it yet")
        if st.button("Set", key=f"set-budget-{run.id}", type="primary", **may("set_budget")) and shell.act(lambda: desk.set_budget(f"{run.id}/{name}", total), "from now on"):
            st.rerun()


def _draw_ends(desk: Desk, run: RunView) -> None:
    """How much goes on at once, and where it ends before its budgets do."""
    most, ends = desk.at_once(run.settings), desk.ends(run.id)
    st.caption(shell.plain(f"At once, where there are workers: {most[Act.DESIGN]} session{'' if most[Act.DESIGN] == 1 else 's'}, {most[Act.VERIFY]} training{'' if most[Act.VERIFY] == 1 else 's'}."
                           + (f" It ends when {ends.words}." if ends.words else "")))
    if ends.words and st.button("Do not end there", key=f"no-end-{run.id}", type="tertiary", icon=":material/all_inclusive:", **may("set_ends")) and shell.act(
            lambda: desk.set_ends(run.id, Ends()), "it goes on until its budgets are spent"):
        st.rerun()


def _draw_guidance(desk: Desk, run: RunView) -> None:
    """Rules in every prompt from now on, and a word to the session that is open."""
    st.markdown("**Guidance**")
    for lesson in [x for x in desk.lessons() if x.kind == "rule"][:6]:
        name = f"rule-{lesson.decision.id}-{lesson.on}"
        with st.container(horizontal=True, gap="small", key=f"standing-rule-{lesson.decision.id}"):   # a toggle's own label is cut to one line
            on = st.toggle(shell.plain(lesson.text[:200]), lesson.on, key=fresh(name), label_visibility="collapsed", width="content",
                           **may("teach", "off: no prompt carries it any more"))
            st.markdown(shell.plain(lesson.text) if lesson.on else f":gray[{shell.plain(lesson.text)}]", width="stretch")
        draw_refusal(name)
        if on != lesson.on:
            switch(name, lambda x=lesson, o=on: desk.teach(x.decision.id, o, x.text if x.text != x.decision.reason else ""), "on again" if on else "off")
    if run.settings.get("instructions"):
        st.caption(f"It was begun with: {shell.plain(run.settings['instructions'][:400])}")
    with st.form(f"guide-{run.id}", clear_on_submit=True, border=False):
        words = st.text_input("A standing rule for all agents", placeholder="for instance: nothing that needs the whole sequence at once", key=f"guide-words-{run.id}")
        if st.form_submit_button("Give this rule", icon=":material/gavel:", **may("guide")) and shell.act(lambda: desk.guide(words), "in every prompt from now on"):
            st.rerun()
    shell.link("agents", "All that was taught, to edit", ":material/school:", tab="taught")


def _draw_report(desk: Desk, run_id: str) -> None:
    with st.container(border=True):
        chosen, taken = st.columns([1, 3], vertical_alignment="bottom")
        hours = PERIODS[chosen.selectbox("Of", list(PERIODS), key=f"report-of-{run_id}") or "the whole run"]
        found = desk.morning(run_id, datetime.now(UTC) - timedelta(hours=hours) if hours else None)
        text = found.markdown()
        taken.download_button("Download as Markdown", text, f"{run_id}.md", "text/markdown", icon=":material/download:", key=f"report-download-{run_id}", on_click="ignore")
        if (lacks := found.lacks) and st.button(f"Confirm {lacks.found.design_id} with {SURE} seeds", icon=":material/verified:", key=f"confirm-{run_id}", **may("confirm", help="what lacks, of it and of the reference: the best of many looks better than it is")) \
                and shell.act(lambda: desk.confirm(run_id, lacks.what), "queued"):
            st.rerun()
        st.markdown(shell.prose(text.replace("\n## ", "\n#### ").replace("# Run", "### Run", 1)))
