"""Verify: choose designs, a scale and seeds; see the cost first; follow the curves; compare with the references."""

from __future__ import annotations

import streamlit as st

from app import shell
from app.widgets.curves import curve_figure
from app.widgets.results import draw_results
from app.widgets.verify_form import draw_form
from core.desk import Desk
from core.types import Job, JobKind, Kind, Verification

DRAWN = 6            # curves drawn at once
JOBS = 8             # shown with a bar each
WORK = (JobKind.VERIFY, JobKind.EVOLVE, JobKind.TIME, JobKind.PROBE, JobKind.AUDIT, JobKind.PROMOTE, JobKind.DATA)
REFERENCE = "gpt2"


def main() -> None:
    desk = shell.desk()
    designs = desk.store.designs.all()
    left, right = st.columns([1, 1.7], gap="large")
    with left:
        scale = draw_form(desk, designs)
    with right:
        st.subheader("Under way", anchor=False)
        shell.live(lambda: under_way(desk), bool(verifying(desk)))
    draw_results(desk, designs, scale)


def verifying(desk: Desk) -> list[Job]:
    return [j for j in desk.queue.all(states=shell.LIVE) if j.kind in WORK][::-1]


def under_way(desk: Desk) -> bool:
    """Running and waiting verifications, with their curves; whether there are any."""
    jobs = verifying(desk)
    if not jobs:
        st.caption("Nothing runs. Curves appear here, point by point, beside the references'.")
        return False
    for job in jobs[:JOBS]:
        draw_job(desk, job)
    if len(jobs) > JOBS:
        st.caption(f"and {len(jobs) - JOBS} more, see Jobs")
    rows = desk.store.verifications.all()
    draw_live([v for v in rows if v.finished_at is None][-DRAWN:], rows, desk)
    return True


def draw_live(running: list[Verification], rows: list[Verification], desk: Desk) -> None:
    shown = [(f"{v.design_id} {v.scale} #{v.seed}", desk.store.curves.of(v.id), False) for v in running]
    if not any(points for _, points, _ in shown):
        return
    last = running[-1]
    references = {d.id for d in desk.store.designs.all() if d.kind is Kind.REFERENCE}
    done = {v.design_id: desk.store.curves.of(v.id) for v in rows
            if v.metrics and v.design_id in references and (v.scale, v.corpus_hash) == (last.scale, last.corpus_hash)}
    base = [(REFERENCE, done[REFERENCE], True)] if REFERENCE in done else []
    st.plotly_chart(curve_figure([*shown, *base], list(done.values()) if len(done) > 2 else ()), key="live-curves", config={"displayModeBar": False})
    st.caption("Lines: training text, smoothed; dots: the watched held-out documents" + ("; grey: from the best to the worst reference." if len(done) > 2 else "."))


def draw_job(desk: Desk, job: Job) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        words = f"{job.subject.removeprefix('verify:').split('|')[0]} · {job.note or job.state}"
        st.progress(job.progress, shell.plain(words))
        if st.button("Stop", icon=":material/stop:", key=f"stop-{job.id}", disabled=job.cancel_requested, help="its budget is given back") and shell.act(
                lambda: desk.cancel(job.id), "stopping"):
            st.rerun()


main()
