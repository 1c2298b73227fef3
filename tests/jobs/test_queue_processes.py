"""The queue among real processes, some of which are killed or stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pytest
from databases import actor, answer

from core.jobs import Queue
from core.types import Job, JobKind, JobState


def holding(process: subprocess.Popen[str]) -> int:
    """The fence under which the process holds the job, once it says so."""
    return json.loads(process.stdout.readline())["fence"]


@pytest.fixture
def processes():
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def put(queue: Queue, subject: str) -> Job:
    return queue.put(JobKind.CHECK, subject, {})


def claimed_within(queue: Queue, seconds: float) -> Job:
    until = time.monotonic() + seconds
    while (job := queue.claim("successor")) is None:
        assert time.monotonic() < until, f"nobody could claim it in {seconds} s"
        time.sleep(0.02)
    return job


def test_each_job_is_claimed_once_however_many_processes_claim(queue, database):
    jobs = [put(queue, f"subject {n}").id for n in range(60)]
    done = [answer(a) for a in [actor(database, "claim", f"w{n}") for n in range(4)]]
    assert sorted(id for d in done for id in d) == sorted(jobs), "each once"
    assert {j.state for j in queue.all()} == {JobState.DONE}
    assert {j.fence for j in queue.all()} == {1}
    by = {j.id: j.result["by"] for j in queue.all()}
    assert all(by[id] == f"w{n}" for n, ids in enumerate(done) for id in ids)


def test_after_kill_9_another_claims_at_once_with_a_higher_fence(queue, database, processes):
    job = put(queue, "a")
    processes.append(actor(database, "hold", "victim", 30))
    assert holding(processes[0]) == 1
    assert queue.claim("successor") is None, "it is alive and holds its lease of 30 s"
    processes[0].kill()
    processes[0].wait()
    mine = claimed_within(queue, 5)
    assert (mine.id, mine.fence, mine.attempts) == (job.id, 2, 2)
    queue.finish(mine, {})
    assert queue.get(job.id).state is JobState.DONE


def test_a_process_that_was_stopped_loses_its_job_and_is_told_when_it_goes_on(store, database, processes):
    queue = Queue(store, lease_s=1.0)
    job = put(queue, "a")
    processes.append(actor(database, "hold", "sleeper", 1.0))
    assert holding(processes[0]) == 1
    os.kill(processes[0].pid, signal.SIGSTOP)
    mine = claimed_within(queue, 10)
    assert (mine.id, mine.fence) == (job.id, 2)
    os.kill(processes[0].pid, signal.SIGCONT)
    assert "belongs to another worker" in answer(processes[0])["lost"]
    still = queue.get(job.id)
    assert (still.state, still.worker, still.fence) == (JobState.RUNNING, "successor", 2)
    queue.finish(mine, {})


def test_the_last_worker_killed_too_often_fails_the_job(queue, database, processes):
    job = queue.put(JobKind.CHECK, "a", {}, max_attempts=2)
    for n in range(2):
        processes.append(actor(database, "hold", f"victim {n}", 30))
        assert holding(processes[-1]) == n + 1
        processes[-1].kill()
        processes[-1].wait()
    assert queue.claim("successor") is None
    assert queue.get(job.id).state is JobState.FAILED
    assert "the last was victim 1" in queue.get(job.id).error
