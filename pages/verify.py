"""Verify: choose designs, a scale and seeds; see the cost first; follow the curves; compare with the references."""

from __future__ import annotations

import streamlit as st

from app import shell
from app.widgets.curves import curve_figure
from app.widgets.results import draw_results
from core.desk import Desk
from core.types import Design, Job, JobKind, Kind, Status

DRAWN = 6            # curves drawn at once


def main() -> None:
    desk = shell.desk()
    designs = desk.store.designs.all()
    left, right = st.columns([1, 1.7], gap="large")
    with left:
        scale = new_verification(desk, designs)
    with right:
        st.subheader("Under way", anchor=False)
        shell.live(lambda: under_way(desk), bool(verifying(desk)))
    draw_results(desk, designs, scale)


def new_verification(desk: Desk, designs: list[Design]) -> str:
    st.subheader("New verification", anchor=False)
    able = {d.id: d for d in designs if d.status in (Status.IMPLEMENTED, Status.VERIFIED)}
    asked = [d for d in st.query_params.get("designs", "").split(",") if d in able]
    chosen = st.multiselect("Designs", list(able), default=asked, format_func=lambda i: f"{i} · {able[i].title}", key="verify-designs",
                            placeholder="those with checked code")
    one, two = st.columns(2)
    scale = one.selectbox("Scale", list(desk.scales), key="verify-scale")
    n_seeds = int(two.number_input("Seeds", 1, 10, 1, help="0, 1, … : the same seeds for every design, so that comparisons are paired"))
    corpus = st.text_input("Corpus", placeholder="built in: Python's documentation", help="a text file or folder on this machine") or None
    account = desk.store.ledger.account(scale)
    needed = len(chosen) * n_seeds
    if chosen:
        estimate = desk.estimate(chosen, scale, n_seeds)
        with st.container(horizontal=True):
            st.metric("time", shell.took(estimate.seconds))
            st.metric("memory", f"{estimate.memory_mb / 1024:.1f} GB")
            st.metric("budget after", f"{account.left - needed:g} of {account.granted:g}")
        st.caption(shell.plain(estimate.basis))
    if st.button(f"Verify {needed or ''}".strip(), type="primary", icon=":material/play_arrow:", disabled=not chosen) and shell.act(
            lambda: desk.verify(chosen, scale, range(n_seeds), corpus), f"{needed} queued"):
        st.rerun()
    draw_budgets(desk, scale)
    return scale


def draw_budgets(desk: Desk, scale: str) -> None:
    with st.expander(f"Budgets: {desk.store.ledger.account(scale).left:g} left at {scale}"):
        names = ["design", *desk.scales]
        st.dataframe([{"account": a.name, "granted": a.granted, "spent": a.spent, "reserved": a.reserved, "left": a.left}
                      for a in (desk.store.ledger.account(n) for n in names) if a.granted], hide_index=True)
        name = st.selectbox("Set", names, index=names.index(scale))
        total = st.number_input("to a total of", 0.0, 1e6, float(desk.store.ledger.account(name).granted), step=5.0, key=f"budget-{name}")
        if st.button("Set the budget", key="set-budget") and shell.act(lambda: desk.set_budget(name, total), f"{name}: {total:g}"):
            st.rerun()


def verifying(desk: Desk) -> list[Job]:
    return [j for j in desk.queue.all(states=shell.LIVE) if j.kind in (JobKind.VERIFY, JobKind.EVOLVE)][::-1]


def under_way(desk: Desk) -> bool:
    """Running and waiting verifications, with their curves; whether there are any."""
    jobs = verifying(desk)
    running = [v for v in desk.store.verifications.all() if v.finished_at is None][-DRAWN:]
    if not jobs:
        st.caption("Nothing runs. Curves appear here, point by point, beside the references'.")
        return False
    for job in jobs[:8]:
        draw_job(desk, job)
    if len(jobs) > 8:
        st.caption(f"and {len(jobs) - 8} more, see Jobs")
    shown = [(f"{v.design_id} {v.scale} #{v.seed}", desk.store.curves.of(v.id), False) for v in running]
    if any(points for _, points, _ in shown):
        at = running[-1].scale
        references = {d.id for d in desk.store.designs.all() if d.kind is Kind.REFERENCE}
        done = {v.design_id: v for v in desk.store.verifications.all(at) if v.metrics and v.design_id in references}
        muted = [(name, desk.store.curves.of(v.id), True) for name, v in list(done.items())[:4]]
        st.plotly_chart(curve_figure([*shown, *muted]), key="live-curves", config={"displayModeBar": False})
    return True


def draw_job(desk: Desk, job: Job) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        words = f"{job.subject.removeprefix('verify:').split('|')[0]} · {job.note or job.state}"
        st.progress(job.progress, shell.plain(words))
        if st.button("Stop", icon=":material/stop:", key=f"stop-{job.id}", disabled=job.cancel_requested, help="its budget is given back") and shell.act(
                lambda: desk.cancel(job.id), "stopping"):
            st.rerun()


main()
