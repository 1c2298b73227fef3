from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager

import pytest

from core.errors import Cancelled, CorpusError, LeaseLost, StoreError
from core.jobs import JobContext, Queue, Worker
from core.types import Job, JobKind, JobState, Json


def put(queue: Queue, subject: str = "a", **more) -> Job:
    return queue.put(JobKind.CHECK, subject, {"design": subject}, **more)


def worker(queue: Queue, handler: Callable[[JobContext], Json], name: str = "w") -> Worker:
    return Worker(queue.store, queue, {JobKind.CHECK: handler}, name)


def kinds(queue: Queue, job: Job) -> list[str]:
    return [e.kind for e in queue.store.events.since(f"job:{job.id}")]


def eventually(true: Callable[[], bool], seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.01)


@contextmanager
def running(worker: Worker):
    stop = threading.Event()
    thread = threading.Thread(target=worker.run_forever, args=(stop,))
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture
def quick(store) -> Queue:
    """A lease short enough to wait for."""
    return Queue(store, lease_s=0.4)


def test_a_job_is_done_and_its_story_told(queue):
    job = put(queue)

    def work(context: JobContext) -> Json:
        context.event("said", {"text": "hello"})
        return {"design": context.job.payload["design"]}

    done = worker(queue, work).run_one()
    assert (done.id, done.state, done.result) == (job.id, JobState.DONE, {"design": "a"})
    assert kinds(queue, job) == ["started", "said", "done"]
    assert worker(queue, work).run_one() is None


def test_jobs_without_a_handler_are_left_to_others(queue):
    queue.put(JobKind.VERIFY, "a", {})
    assert worker(queue, lambda context: {}).run_one() is None


def test_one_job_can_be_asked_for(queue):
    put(queue, "first")
    second = put(queue, "second")
    assert worker(queue, lambda context: {}).run_one(only=second.id).id == second.id


def test_a_known_error_fails_the_job_with_its_text_and_no_retry(queue):
    def work(context: JobContext) -> Json:
        raise CorpusError("corpus x is empty", "give it some text")

    put(queue)
    job = worker(queue, work).run_one()
    assert (job.state, job.error) == (JobState.FAILED, "corpus x is empty — give it some text")
    assert kinds(queue, job) == ["started", "failed"]


def test_trouble_with_the_database_is_tried_again(queue):
    def work(context: JobContext) -> Json:
        if context.job.attempts == 1:
            raise StoreError("the disk is full", "free some space")
        return {}

    put(queue)
    hand = worker(queue, work)
    assert hand.run_one().state is JobState.QUEUED
    assert hand.run_one().state is JobState.DONE


def test_a_crash_is_stored_with_its_traceback_and_tried_up_to_the_limit(queue, caplog):
    def work(context: JobContext) -> Json:
        raise ZeroDivisionError("of all things \x00 \udcff")

    caplog.set_level(logging.CRITICAL)
    job = put(queue, max_attempts=2)
    hand = worker(queue, work)
    assert hand.run_one().state is JobState.QUEUED
    failed = hand.run_one()
    assert failed.state is JobState.FAILED
    assert failed.error.startswith("ZeroDivisionError: of all things")
    events = queue.store.events.since(f"job:{job.id}")
    assert [e.kind for e in events] == ["started", "crash", "started", "crash"]
    assert "in work" in events[-1].data["traceback"]
    assert hand.run_one() is None


def test_a_result_that_cannot_be_stored_is_a_crash_and_the_worker_lives_on(queue, caplog):
    caplog.set_level(logging.CRITICAL)
    put(queue, max_attempts=1)
    hand = worker(queue, lambda context: {"a set": {1, 2}})
    job = hand.run_one()
    assert job.state is JobState.FAILED
    assert "not JSON serializable" in job.error
    assert kinds(queue, job) == ["started", "crash"], "done was not said"


def test_progress_is_stored_with_the_heartbeat(quick):
    def work(context: JobContext) -> Json:
        context.progress(0.3, "a third")
        eventually(lambda: quick.get(context.job.id).progress == 0.3)
        assert quick.get(context.job.id).note == "a third"
        return {}

    put(quick)
    assert worker(quick, work).run_one().state is JobState.DONE


def test_the_heartbeat_keeps_a_long_job_from_lapsing(quick):
    def work(context: JobContext) -> Json:
        for _ in range(12):
            time.sleep(0.1)
            assert quick.claim("thief") is None
        return {}

    put(quick)
    assert worker(quick, work).run_one().state is JobState.DONE


def test_a_cancelled_job_stops_at_its_next_step(quick):
    def work(context: JobContext) -> Json:
        quick.cancel(context.job.id)
        eventually(lambda: asks_to_stop(context))
        context.progress(0.5, "on and on")
        raise AssertionError("it went on")

    def asks_to_stop(context: JobContext) -> bool:
        try:
            context.check_cancel()
        except Cancelled:
            return True
        return False

    put(quick)
    job = worker(quick, work).run_one()
    assert job.state is JobState.CANCELLED
    assert kinds(quick, job) == ["started", "cancelled"]


def test_a_job_that_another_took_over_is_told_so_and_leaves_its_end_to_the_other(store, queue):
    """The lease lapsed at once and nobody beat: what a process that was stopped and went on would find."""
    hasty = Queue(store, lease_s=-1)
    stolen: list[Job] = []

    def work(context: JobContext) -> Json:
        stolen.append(queue.claim("thief"))
        with pytest.raises(LeaseLost):
            context.check_cancel()
        context.progress(0.1, "goes on all the same")
        return {}

    put(hasty)
    job = worker(hasty, work).run_one()
    assert (job.state, job.worker, job.fence) == (JobState.RUNNING, "thief", 2)
    assert kinds(hasty, job) == ["started", "lease_lost"]
    queue.finish(stolen[0], {})


def test_a_handler_that_never_asks_cannot_finish_anothers_job(store, queue):
    hasty = Queue(store, lease_s=-1)

    def work(context: JobContext) -> Json:
        queue.claim("thief")
        return {"from": "the old one"}

    put(hasty)
    job = worker(hasty, work).run_one()
    assert (job.state, job.worker, job.result) == (JobState.RUNNING, "thief", {})
    assert kinds(hasty, job) == ["started", "lease_lost"]


def test_what_a_handler_writes_under_guard_is_refused_when_the_lease_is_lost(store, queue):
    hasty = Queue(store, lease_s=-1)

    def work(context: JobContext) -> Json:
        with context.guard():
            store.ledger.grant("nano", 1, "w")
        eventually(lambda: queue.claim("thief") is not None)     # PostgreSQL passes over a row that a heartbeat holds at this moment
        with context.guard():
            store.ledger.grant("nano", 1, "w")
        return {}

    put(hasty)
    worker(hasty, work).run_one()
    assert store.ledger.account("nano").granted == 1


# ------------------------------------------------------------------------------------------------------- for ever


def test_a_worker_goes_on_until_it_is_stopped_and_is_seen_meanwhile(queue):
    for subject in "abc":
        put(queue, subject)
    with running(worker(queue, lambda context: {}, "steady")):
        eventually(lambda: all(j.state is JobState.DONE for j in queue.all()))
        assert [w.name for w in queue.workers()] == ["steady"]
        late = put(queue, "late")
        eventually(lambda: queue.get(late.id).state is JobState.DONE)
    assert queue.workers() == []


def test_a_worker_that_is_stopped_gives_its_job_back(queue):
    begun = threading.Event()

    def work(context: JobContext) -> Json:
        begun.set()
        while True:
            context.check_cancel()
            time.sleep(0.01)

    job = put(queue)
    with running(worker(queue, work)) as stop:
        assert begun.wait(10)
        stop.set()
    back = queue.get(job.id)
    assert (back.state, back.attempts) == (JobState.QUEUED, 0)
    assert kinds(queue, job) == ["started", "returned"]


def test_a_worker_without_a_name_gets_one_of_its_own(queue):
    assert worker(queue, lambda context: {}, "").name


class Flickering(Queue):
    """A queue whose database is away the first time it is asked."""

    failures = 1

    def claim(self, *args, **kwargs):
        if self.failures:
            self.failures -= 1
            raise StoreError("the server does not answer", "start it")
        return super().claim(*args, **kwargs)


def test_a_worker_outlives_a_database_that_is_away_for_a_while(store, caplog):
    queue = Flickering(store, 30)
    job = put(queue)
    with running(worker(queue, lambda context: {})):
        eventually(lambda: queue.get(job.id).state is JobState.DONE)
    assert "waits: the server does not answer" in caplog.text
