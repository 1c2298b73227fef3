"""Keys (which, never what), places with their free space, workers, and a check-up of the machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from app import shell
from app.widgets.roles import may
from core.desk import Desk, Finding

SIGNS = {"ok": ":green[:material/check_circle:]", "warn": ":orange[:material/warning:]", "fail": ":red[:material/error:]"}
LOW = 5 * 2**30              # bytes of free space under which it is told


def draw_workers(desk: Desk) -> None:
    st.subheader("Workers", anchor=False)
    workers = desk.queue.workers()
    if not workers:
        st.info("None is running: nothing is designed, checked or trained until one is. `python -m core worker` starts one; `run_demo.sh` does it for you.", icon=":material/engineering:")
        return
    jobs = {job.id: job for job in desk.queue.all(states=shell.LIVE)}
    st.dataframe([{"worker": w.name, "on": w.host, "process": w.pid, "heard of": shell.ago(w.seen_at), "does": f"{jobs[w.job_id].kind}: {jobs[w.job_id].subject}" if w.job_id in jobs else "nothing now"}
                  for w in workers], hide_index=True, column_config={"process": st.column_config.NumberColumn(format="%d", width="small")})
    shell.link("jobs", "Jobs", ":material/checklist:")


def draw_places(desk: Desk) -> None:
    st.subheader("Places", anchor=False)
    places = desk.places()
    with st.container(gap="small"):
        for p in places:
            told = ", ".join(w for w in (p.note, f"{size(p.free)} free" if p.free is not None else "") if w)
            st.markdown(f"**{shell.plain(p.name)}** :small[:gray[{shell.plain(told)}]]  \n`{p.path.replace('`', '')}`")
    for place in places:
        if place.free is not None and place.free < LOW:
            st.warning(f"{shell.plain(place.name)}: only {size(place.free)} are free. Checkpoints and token files go there; free some space, or set another folder.", icon=":material/hard_drive:")


def draw_keys(desk: Desk) -> None:
    st.subheader("Keys", anchor=False)
    states = desk.key_states()
    st.dataframe([{"service": s.service.replace("_", " "), "present": bool(s.found), "variable": s.found or " or ".join(s.variables), "for": s.what_for} for s in states],
                 hide_index=True, column_config={"present": st.column_config.CheckboxColumn(width="small")})
    st.caption("All optional, and environment variables: set one where the app and the worker are started, then start both again. A key is never shown, stored, or told to an agent.")
    shell.link("agents", "Providers, models, prices and what was spent", ":material/payments:", tab="models")


@dataclass
class Examined:
    """The last check-up of this server, and when it was, in seconds of time.time()."""

    findings: list[Finding]
    at: float = 0.0


@st.cache_resource(show_spinner=False)
def examined() -> Examined:
    return Examined([])


def draw_check_up(desk: Desk) -> None:
    st.subheader("This machine", anchor=False)
    last = examined()
    with st.container(horizontal=True, vertical_alignment="center"):
        asked = st.button("Check it again" if last.at else "Check this machine", icon=":material/health_and_safety:", key="check-up",
                          **may("check_up", "devices, packages, database, the layers of the sandbox: some ten seconds"))
        if last.at:
            st.caption(f"looked at {time.strftime('%H:%M', time.localtime(last.at))}", width="content")
    if asked:
        with st.spinner("Looking at devices, packages, database and sandbox"):
            found: list[Finding] = []
            if shell.act(lambda: found.extend(desk.check_up())):
                last.findings, last.at = found, time.time()
                st.rerun()
    if not last.at:
        st.caption("Devices, packages and the sandbox's layers are looked at when you press; it loads what a page never does.")
        return
    with st.container(gap="small"):
        draw_findings(last.findings)


def draw_findings(findings: Sequence[Finding]) -> None:
    """What is amiss first."""
    for f in sorted(findings, key=lambda f: list(SIGNS).index(f.state) if f.state in SIGNS else 0, reverse=True):
        st.markdown(f"{SIGNS.get(f.state, '')} **{shell.plain(f.name)}** {shell.plain(f.words)}" + (f"  \n:small[To mend it: {shell.plain(f.mend)}]" if f.mend else ""))


def draw_versions(desk: Desk) -> None:
    with st.expander("Versions", icon=":material/tag:"):
        st.dataframe([{"what": name, "version": version} for name, version in desk.versions().items()], hide_index=True, placeholder="", height=420)


def size(n: int) -> str:
    for unit, power in (("TiB", 40), ("GiB", 30), ("MiB", 20)):
        if n >= 2**power:
            return f"{n / 2**power:,.1f} {unit}"
    return f"{n / 1024:,.0f} kB"
