"""Jobs outlive workers: lease, heartbeat, fence, cancel, retry; with real processes where it matters."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from core.config import Config
from core.errors import Cancelled, JobError, LeaseLost, UsageError
from core.jobs import JobContext, Queue, Worker
from core.jobs.process import is_dead, process_id
from core.store import Store
from core.types import JobKind, JobState

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def queue(store: Store) -> Queue:
    return Queue(store, lease_s=5)


def worker(store: Store, handler, lease_s: float = 5, name: str = "w") -> Worker:
    return Worker(store, Queue(store, lease_s), {JobKind.CHECK: handler}, name)


def test_one_live_job_a_subject(queue: Queue):
    first = queue.put(JobKind.CHECK, "x", {"n": 1})
    assert queue.put(JobKind.CHECK, "x", {"n": 2}).id == first.id
    assert queue.put(JobKind.CHECK, "y", {}).id != first.id
    queue.finish(queue.claim("w", only=first.id), {})
    assert queue.put(JobKind.CHECK, "x", {}).id != first.id


def test_priority_then_age_decides(queue: Queue):
    low, high, later = (queue.put(JobKind.CHECK, s, {}, p).id for s, p in (("a", 0), ("b", 5), ("c", 0)))
    assert [queue.claim("w").id for _ in range(3)] == [high, low, later]
    assert queue.claim("w") is None


def test_a_worker_does_a_job_and_stores_how_it_ended(store: Store, queue: Queue):
    job = queue.put(JobKind.CHECK, "x", {"n": 2})
    done = worker(store, lambda c: {"double": 2 * c.job.payload["n"]}).run_one()
    assert (done.state, done.result, done.attempts, done.progress) == (JobState.DONE, {"double": 4}, 1, 1.0)
    assert [e.kind for e in store.events.since(f"job:{job.id}")] == ["started", "done"]


def test_an_error_in_words_fails_at_once_and_a_crash_is_tried_again(store: Store, queue: Queue):
    def wrong(context: JobContext):
        raise UsageError("wrong name", "use another")

    def crash(context: JobContext):
        raise ZeroDivisionError("bug")

    queue.put(JobKind.CHECK, "x", {})
    done = worker(store, wrong).run_one()
    assert (done.state, done.error, done.attempts) == (JobState.FAILED, "wrong name — use another", 1)
    job = queue.put(JobKind.CHECK, "y", {}, max_attempts=2)
    crashing = worker(store, crash)
    assert crashing.run_one().state is JobState.QUEUED
    assert crashing.run_one().state is JobState.FAILED
    assert "ZeroDivisionError" in store.events.last(f"job:{job.id}").data["traceback"]
    assert queue.retry(job.id).state is JobState.QUEUED
    with pytest.raises(JobError, match="only a failed or cancelled"):
        queue.retry(queue.newest("y").id)


def test_a_running_job_is_cancelled_at_its_next_step(store: Store, queue: Queue):
    started = threading.Event()

    def long(context: JobContext):
        started.set()
        while True:
            context.check_cancel()
            time.sleep(0.02)

    job = queue.put(JobKind.CHECK, "x", {})
    thread = threading.Thread(target=worker(store, long).run_one)
    thread.start()
    assert started.wait(5)
    queue.cancel(job.id)
    thread.join(10)
    assert queue.get(job.id).state is JobState.CANCELLED


def test_a_queued_job_is_cancelled_at_once(queue: Queue):
    job = queue.put(JobKind.CHECK, "x", {})
    assert queue.cancel(job.id).state is JobState.CANCELLED
    assert queue.claim("w") is None


def test_heartbeats_keep_a_lease_longer_than_itself(store: Store):
    queue = Queue(store, lease_s=0.6)
    queue.put(JobKind.CHECK, "x", {})
    slow = worker(store, lambda c: time.sleep(1.5) or {}, lease_s=0.6)
    thread = threading.Thread(target=slow.run_one)
    thread.start()
    time.sleep(1.1)
    assert queue.claim("thief") is None
    thread.join()
    assert queue.newest("x").state is JobState.DONE


def test_a_silent_worker_loses_its_lease_and_its_writes(store: Store, queue: Queue, monkeypatch):
    job = queue.put(JobKind.CHECK, "x", {})
    mine = queue.claim("silent")
    monkeypatch.setattr(queue, "lease", queue.lease * -1)
    queue.heartbeat(mine)  # its lease ended in the past
    monkeypatch.undo()
    theirs = queue.claim("other")
    assert theirs.id == job.id
    assert theirs.fence == mine.fence + 1
    for write in (lambda: queue.heartbeat(mine), lambda: queue.finish(mine, {}), lambda: queue.fail(mine, "x", True), lambda: queue.cancelled(mine)):
        with pytest.raises(LeaseLost):
            write()
    queue.finish(theirs, {"ok": True})
    assert queue.get(job.id).result == {"ok": True}


def test_a_job_that_kills_its_workers_is_given_up(queue: Queue, store: Store):
    job = queue.put(JobKind.CHECK, "x", {}, max_attempts=2)
    dead = replace(queue.claim("a"))
    for _ in range(2):
        with store.database.write() as c:
            from sqlalchemy import update

            from core.store.tables import JobRow

            c.execute(update(JobRow).where(JobRow.id == dead.id).values(process=process_id().rsplit("|", 1)[0] + "|1"))
        queue.claim("b")
    assert queue.get(job.id).state is JobState.FAILED
    assert "died 2 times" in queue.get(job.id).error


def test_a_worker_that_stops_gives_its_job_back(store: Store, queue: Queue):
    stop = threading.Event()

    def long(context: JobContext):
        stop.set()
        while True:
            context.check_cancel()
            time.sleep(0.02)

    job = queue.put(JobKind.CHECK, "x", {})
    thread = threading.Thread(target=worker(store, long).run_forever, args=(stop,))
    thread.start()
    thread.join(10)
    again = queue.get(job.id)
    assert (again.state, again.attempts) == (JobState.QUEUED, 0)
    assert queue.workers() == []


def test_this_process_lives_and_a_past_one_does_not():
    assert not is_dead(process_id())
    done = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    name = process_id(done.pid)
    assert not is_dead(name)
    done.kill()
    done.wait()
    assert is_dead(name)
    assert not is_dead("elsewhere/boot|1|1")


def start(database: Config, body: str) -> subprocess.Popen:
    """Another process with the queue in `queue`."""
    code = textwrap.dedent(f"""
        import sys, time, os
        from pathlib import Path
        from core.config import Config
        from core.jobs import Queue, Worker
        from core.store import Store
        from core.types import JobKind
        store = Store.open(Config(data_dir=Path({str(database.data_dir)!r}), ckpt_dir=Path({str(database.ckpt_dir)!r}), database_url={database.database_url!r}))
        queue = Queue(store, 5)
    """) + textwrap.dedent(body)
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_processes_share_a_queue_and_do_each_job_once(database: Config, queue: Queue):
    for i in range(40):
        queue.put(JobKind.CHECK, str(i), {})
    body = """
        done = []
        worker = Worker(store, queue, {JobKind.CHECK: lambda c: done.append(c.job.subject) or {}}, str(os.getpid()))
        while worker.run_one() is not None: pass
        print(" ".join(done))
    """
    processes = [start(database, body) for _ in range(4)]
    done = [subject for p in processes for subject in p.communicate(timeout=60)[0].split()]
    assert sorted(done, key=int) == [str(i) for i in range(40)]
    assert all(j.state is JobState.DONE and j.attempts == 1 for j in queue.all())


def test_a_worker_killed_outright_is_replaced_at_once(database: Config, queue: Queue):
    job = queue.put(JobKind.CHECK, "x", {})
    victim = start(database, "print(queue.claim('victim').id, flush=True); time.sleep(60)")
    assert victim.stdout.readline().strip() == str(job.id)
    assert queue.claim("other") is None
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    again = queue.claim("other")  # well within the lease of five seconds
    assert (again.id, again.attempts, again.fence) == (job.id, 2, 2)


def test_check_cancel_tells_lost_leases(store: Store, queue: Queue):
    queue.put(JobKind.CHECK, "x", {})
    context = JobContext(queue.claim("w"), store, queue, threading.Event())
    context.check_cancel()
    queue.cancel(context.job.id)
    context.beat()
    with pytest.raises(Cancelled):
        context.check_cancel()
    other = JobContext(replace(context.job, fence=99), store, queue, threading.Event())
    other.beat()
    with pytest.raises(LeaseLost):
        other.check_cancel()
