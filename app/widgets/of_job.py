"""A job that the address names, and what one that waits is waiting for."""

from __future__ import annotations

import streamlit as st

from core.desk import Desk
from core.types import Job, JobKind, JobState

LONGEST = 12         # digits of a number


def asked_number(name: str = "job") -> int | None:
    """The number that stands in the address; None where none does that could be one."""
    asked = st.query_params.get(name, "")
    return int(asked) if asked.isascii() and asked.isdecimal() and len(asked) <= LONGEST else None


def asked_job(desk: Desk, kind: JobKind) -> Job | None:
    """The job that the address names. Raises NotFound for a number of none."""
    number = asked_number()
    job = desk.queue.get(number) if number is not None else None
    return job if job is not None and job.kind is kind else None


def waits_for(desk: Desk) -> str:
    """Why a job that is queued has not begun, as Markdown of a progress bar."""
    workers, running = desk.queue.workers(), desk.queue.all(limit=20, states=(JobState.RUNNING,))
    if not workers:
        return "waiting: no worker is running"
    if not running or len(running) < len(workers):
        return "waiting for a worker"
    first = max(running, key=lambda j: j.progress)
    return f"waiting for the worker, which is at job {first.id}, {first.kind}, {first.progress:.0%} done" if len(workers) == 1 else f"waiting: all {len(workers)} workers are at other jobs"
