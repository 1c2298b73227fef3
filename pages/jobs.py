"""Jobs: what runs, waits, ended, and why."""

from __future__ import annotations

import streamlit as st

from app import shell
from app.widgets.of_job import asked_number
from app.widgets.roles import may
from core.desk import Desk
from core.types import Job, JobState

ICONS = {JobState.QUEUED: "○ queued", JobState.RUNNING: "▶ running", JobState.DONE: "✓ done", JobState.FAILED: "✗ failed",
         JobState.CANCELLED: "– cancelled"}


def main() -> None:
    desk = shell.desk()
    st.subheader("Jobs", anchor=False)
    shell.live(lambda: overview(desk), bool(desk.queue.all(limit=1, states=shell.LIVE)))
    jobs = desk.queue.all(limit=100)
    if jobs:
        one_job(desk, jobs)


def overview(desk: Desk) -> bool:
    workers = desk.queue.workers()
    st.caption(f"Workers: {', '.join(w.name for w in workers) or 'none'}")
    jobs = desk.queue.all(limit=100)
    if not jobs:
        st.info("No jobs yet. Design sessions, checks and verifications appear here.", icon=":material/checklist:")
        return False
    st.dataframe([{"job": j.id, "state": ICONS[j.state], "kind": str(j.kind), "subject": j.subject, "progress": j.progress, "note": j.error or j.note,
                   "tries": j.attempts, "worker": j.worker, "started": shell.ago(j.started_at), "took": took(j)} for j in jobs],
                 hide_index=True, height=min(420, 38 + 35 * len(jobs)), key="jobs-table", column_config={
                     "progress": st.column_config.ProgressColumn(min_value=0, max_value=1, format="percent"),
                     "note": st.column_config.TextColumn(width="large")})
    return any(j.state in shell.LIVE for j in jobs)


def one_job(desk: Desk, jobs: list[Job]) -> None:
    ids = [j.id for j in jobs]
    asked = st.query_params.get("job", "")
    if asked and asked not in map(str, ids):
        st.caption(f":material/info: Job {shell.plain(shell.short(asked))} is not among the last {len(ids)}.")
    number = asked_number()
    index = ids.index(number) if number in ids else 0
    chosen = st.selectbox("Look at", ids, index=index, format_func=lambda i: next(f"{j.id}: {j.subject}" for j in jobs if j.id == i))
    shell.address({"job": str(chosen)})
    job = desk.queue.get(chosen)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{ICONS[job.state]}**")
        if job.state in shell.LIVE and st.button("Stop", icon=":material/stop:", **may("cancel", disabled=job.cancel_requested)) and shell.act(
                lambda: desk.cancel(job.id), "stopping"):
            st.rerun()
        if job.state in (JobState.FAILED, JobState.CANCELLED):
            offer_another_try(desk, job)
    if job.error:
        st.error(shell.plain(job.error), icon=":material/error:")
    with st.expander("Events", expanded=bool(job.error)):
        for event in desk.store.events.since(f"job:{job.id}"):
            st.caption(f"{event.created_at:%H:%M:%S} · {event.kind}")
            if "traceback" in event.data:
                st.code(event.data["traceback"], language=None)
    with st.expander("Settings and result"):
        st.json({"payload": job.payload, "result": job.result})


def offer_another_try(desk: Desk, job: Job) -> None:
    """Where the same was tried again already, the way to that."""
    newest = desk.queue.newest(job.subject)
    if newest.id != job.id and newest.payload == job.payload:
        shell.link("jobs", f"Tried again: job {newest.id}, {newest.state}", ":material/arrow_forward:", job=str(newest.id))
        return
    made: list[Job] = []
    if st.button("Try again", icon=":material/refresh:", **may("retry", "it goes on from what is stored")) and shell.act(lambda: made.append(desk.retry(job.id)), "queued again"):
        st.query_params["job"] = str(made[0].id)
        st.rerun()


def took(job: Job) -> str:
    return shell.took((job.finished_at - job.started_at).total_seconds()) if job.started_at and job.finished_at else ""


main()
