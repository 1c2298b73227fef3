"""Doing a job from the command line."""

from __future__ import annotations

import os

from core import cli_text as text
from core.build import BuildSystem
from core.desk import Desk
from core.errors import JobError
from core.types import Job, JobState


def work(desk: Desk, job: Job) -> Job:
    """Do the job here, or follow the worker that has it; its progress goes to stderr. Raises JobError when it does not end well."""
    done = text.follow(desk.queue, job, lambda: BuildSystem().worker(desk.store, f"cli-{os.getpid()}").run_one(only=job.id))
    if done.state is not JobState.DONE:
        raise JobError(done.error or f"job {done.id} was stopped by a person", f"then: python -m core jobs --retry {done.id}")
    return done
