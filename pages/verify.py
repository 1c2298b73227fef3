"""Verify: choose designs, a scale and seeds; see the cost first; follow the curves; compare with the references."""

from __future__ import annotations

import streamlit as st

from app import shell
from app.widgets.chart import chart
from app.widgets.curves import curve_figure
from app.widgets.results import draw_results
from app.widgets.roles import may
from app.widgets.verify_form import draw_form
from app.widgets.verify_grid import draw_grid
from core.desk import Desk
from core.types import Job, JobKind, JobState, Kind, Verification

DRAWN = 6            # curves drawn at once
JOBS = 8             # shown with a bar each
STOPPED = 4          # shown with a way to go on
WAYS = {"form": "One by one", "grid": "Grid of designs and scales"}
WORK = (JobKind.VERIFY, JobKind.EVOLVE, JobKind.TIME, JobKind.PROBE, JobKind.AUDIT, JobKind.PROMOTE, JobKind.DATA)
REFERENCE = "gpt2"


def main() -> None:
    desk = shell.desk()
    shell.from_address("way", "form", WAYS, "verify-way")
    way = st.segmented_control("How to choose", list(WAYS), format_func=WAYS.get, required=True, key="verify-way", label_visibility="collapsed")
    shell.to_address("way", "form", "verify-way")
    if way == "grid":
        draw_grid(desk)
        draw_under_way(desk)
        return
    left, right = st.columns([1, 1.7], gap="large")
    with left:
        scale = draw_form(desk)
    with right:
        draw_under_way(desk)
    draw_results(desk, scale)


def draw_under_way(desk: Desk) -> None:
    st.subheader("Under way", anchor=False)
    measured = desk.store.measured()
    shell.live(lambda: under_way(desk) and desk.store.measured() == measured, bool(verifying(desk)))      # the results are drawn anew as soon as one ends
    draw_stopped(desk)


def draw_stopped(desk: Desk) -> None:
    """Verifications that were stopped or failed and can go on from their last checkpoint."""
    newest: dict[str, Job] = {}
    for job in desk.queue.all(limit=200):
        if job.kind is JobKind.VERIFY:
            newest.setdefault(job.subject, job)
    for job in [j for j in newest.values() if j.state in (JobState.CANCELLED, JobState.FAILED)][:STOPPED]:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(shell.plain(f"{_named(job)}: {job.error or 'stopped'}"), width="content")
            if st.button("Resume", icon=":material/resume:", key=f"resume-{job.id}",
                         **may("retry", "it goes on from its last checkpoint")) and shell.act(lambda j=job: desk.retry(j.id), "queued again"):
                st.rerun()


def _named(job: Job, trains: tuple[str, str, int] | None = None) -> str:
    if job.kind is JobKind.VERIFY:
        return f"{job.payload['design']} at {job.payload['scale']}, seed {job.payload['seed']}"
    if job.kind is JobKind.EVOLVE:
        return job.payload["run"] + (f": {trains[0]} at {trains[1]}, seed {trains[2]}" if trains else "")
    return job.subject.split("|")[0]


def verifying(desk: Desk) -> list[Job]:
    """What runs, then what waits, in the order in which it will be done."""
    live = [j for j in desk.queue.all(states=shell.LIVE) if j.kind in WORK and not (j.kind is JobKind.EVOLVE and j.state is JobState.QUEUED and "!" in j.subject)]    # another hand of a run
    return sorted(live, key=lambda j: (j.state is JobState.QUEUED, -j.priority, j.id))


def under_way(desk: Desk) -> bool:
    """Running and waiting verifications, with their curves; whether there are any."""
    jobs = verifying(desk)
    if not jobs:
        st.caption("Nothing runs. Curves appear here, point by point, beside the references'.")
        return False
    trains = {job.id: place for job, place in desk.trainings() if job.state is JobState.RUNNING}
    for job in jobs[:JOBS]:
        draw_job(desk, job, trains.get(job.id))
    if len(jobs) > JOBS:
        st.caption(f"and {len(jobs) - JOBS} more, see Jobs")
    rows = desk.store.verifications.all()
    newest = {(v.design_id, v.scale, v.seed): v for v in rows if v.finished_at is None}        # one that a dead worker left is no training
    running: dict[tuple[str, str], list[Verification]] = {}
    for v in [v for place, v in newest.items() if place in set(trains.values())][-DRAWN:]:
        running.setdefault((v.scale, v.corpus_hash), []).append(v)
    for alike in running.values():                  # what is at another scale, or of another corpus, has axes of its own
        draw_live(alike, rows, desk)
    return True


def draw_live(running: list[Verification], rows: list[Verification], desk: Desk) -> None:
    """Trainings at one scale on one corpus, beside the references'."""
    shown = [(f"{v.design_id} {v.scale} #{v.seed}", desk.store.curves.of(v.id), False) for v in running]
    if not any(points for _, points, _ in shown):
        return
    scale, corpus = running[0].scale, running[0].corpus_hash
    references = {d.id for d in shell.designs() if d.kind is Kind.REFERENCE}
    done = {v.design_id: desk.store.curves.of(v.id) for v in rows
            if v.metrics and v.design_id in references and (v.scale, v.corpus_hash) == (scale, corpus)}
    base = [(REFERENCE, done[REFERENCE], True)] if REFERENCE in done else []
    chart(curve_figure([*shown, *base], list(done.values()) if len(done) > 2 else ()), f"live-curves-{scale}-{corpus[:8]}", f"Loss curves of what is training at {scale} now")
    st.caption("Lines: training text, smoothed; dots: the watched held-out documents" + ("; grey: from the best to the worst reference." if len(done) > 2 else "."))


def draw_job(desk: Desk, job: Job, trains: tuple[str, str, int] | None) -> None:
    """`trains`: what it trains now, where it is a run's."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(job.progress, shell.plain(f"{_named(job, trains)} · {job.note or job.state}"))
        if job.state is JobState.QUEUED:
            for icon, verb, move, words in (("vertical_align_top", "put_first", desk.put_first, "before all that waits"),
                                            ("vertical_align_bottom", "put_last", desk.put_last, "after all that waits")):
                if st.button("", icon=f":material/{icon}:", key=f"{icon}-{job.id}", type="tertiary", **may(verb, words)) and shell.act(lambda m=move: m(job.id), "moved"):
                    st.rerun()
        if st.button("Stop", icon=":material/stop:", key=f"stop-{job.id}", **may("cancel", "its budget is given back", disabled=job.cancel_requested)) and shell.act(
                lambda: desk.cancel(job.id), "stopping"):
            st.rerun()


main()
