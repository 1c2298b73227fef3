from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import update

from core.errors import JobError, LeaseLost, NotFound
from core.jobs import Queue
from core.jobs.process import host_and_pid, is_dead, process_id
from core.store.tables import JobRow
from core.types import Job, JobKind, JobState


def put(queue: Queue, subject: str = "a", **more) -> Job:
    return queue.put(JobKind.CHECK, subject, {"design": subject}, **more)


def held_by(queue: Queue, job: Job, process: str) -> None:
    """Pretend that another process holds the job."""
    with queue.store.database.write() as c:
        c.execute(update(JobRow).where(JobRow.id == job.id).values(process=process))


@pytest.fixture
def hasty(store) -> Queue:
    """A queue whose leases lapse as soon as they are given. The jobs' worker is this process, which is alive."""
    return Queue(store, lease_s=-1)


def test_a_job_comes_back_as_it_was_put(queue):
    job = queue.put(JobKind.VERIFY, "verify:a", {"seed": 3}, priority=2, max_attempts=5)
    assert (job.kind, job.subject, job.payload, job.state) == (JobKind.VERIFY, "verify:a", {"seed": 3}, JobState.QUEUED)
    assert (job.priority, job.max_attempts, job.attempts, job.fence) == (2, 5, 0, 0)
    assert queue.get(job.id) == job
    assert queue.newest("verify:a") == job
    for verb in (lambda: queue.get(99), lambda: queue.newest("ghost"), lambda: queue.cancel(99), lambda: queue.retry(99)):
        with pytest.raises(NotFound):
            verb()


def test_a_kind_and_subject_has_one_live_job(queue):
    job = put(queue)
    assert put(queue) == job
    assert queue.put(JobKind.IMPLEMENT, "a", {}).id != job.id
    mine = queue.claim("w", only=job.id)
    assert put(queue).id == job.id
    queue.finish(mine, {})
    assert put(queue).id != job.id


def test_the_same_job_put_by_many_at_once_is_one(queue):
    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(lambda _: put(queue), range(16)))
    assert len({j.id for j in jobs}) == 1


def test_claims_follow_priority_and_then_age(queue):
    put(queue, "old")
    put(queue, "new")
    put(queue, "urgent", priority=5)
    assert [queue.claim("w").subject for _ in range(3)] == ["urgent", "old", "new"]
    assert queue.claim("w") is None


def test_a_claim_takes_only_the_kinds_and_the_job_asked_for(queue):
    one, two = put(queue, "one"), put(queue, "two")
    assert queue.claim("w", kinds=[JobKind.VERIFY]) is None
    assert queue.claim("w", only=two.id).id == two.id
    assert queue.claim("w", only=two.id) is None
    assert queue.claim("w", kinds=[JobKind.CHECK, JobKind.VERIFY]).id == one.id


def test_a_claim_marks_the_job_and_finishing_retires_it(queue):
    put(queue)
    job = queue.claim("worker-1")
    assert (job.state, job.worker, job.attempts, job.fence) == (JobState.RUNNING, "worker-1", 1, 1)
    assert job.lease_until > job.started_at
    assert queue.heartbeat(job, 0.25, "reading") is False
    assert (queue.get(job.id).progress, queue.get(job.id).note) == (0.25, "reading")
    queue.finish(job, {"answer": 42})
    done = queue.get(job.id)
    assert (done.state, done.result, done.progress, done.lease_until) == (JobState.DONE, {"answer": 42}, 1.0, None)
    assert done.finished_at >= done.started_at
    assert queue.claim("w") is None


def test_a_heartbeat_prolongs_the_lease(queue):
    put(queue)
    job = queue.claim("w")
    time.sleep(0.01)
    queue.heartbeat(job)
    assert queue.get(job.id).lease_until > job.lease_until


def test_jobs_are_listed_newest_first_and_by_state(queue):
    jobs = [put(queue, s) for s in "abc"]
    running = queue.claim("w")
    assert [j.id for j in queue.all()] == [j.id for j in reversed(jobs)]
    assert [j.id for j in queue.all(limit=1)] == [jobs[-1].id]
    assert [j.id for j in queue.all(states=[JobState.RUNNING])] == [running.id]


# --------------------------------------------------------------------------------------------------- losing a lease


def test_a_lapsed_lease_is_claimable_and_the_old_holder_may_write_nothing(hasty, store):
    put(hasty)
    old = hasty.claim("old")
    new = Queue(store, 30).claim("new")
    assert (new.id, new.fence, new.attempts, new.worker) == (old.id, old.fence + 1, 2, "new")
    for write in (lambda: hasty.heartbeat(old), lambda: hasty.finish(old, {}), lambda: hasty.fail(old, "no", True),
                  lambda: hasty.fail(old, "no", False), lambda: hasty.cancelled(old), lambda: hasty.give_back(old)):
        with pytest.raises(LeaseLost):
            write()
    assert hasty.get(old.id) == new
    hasty.finish(new, {})


def test_a_silent_worker_that_nobody_replaced_goes_on(hasty):
    put(hasty)
    job = hasty.claim("w")
    assert hasty.heartbeat(job) is False
    hasty.finish(job, {"late": True})
    assert hasty.get(job.id).state is JobState.DONE


def test_a_job_whose_lease_lasts_is_left_alone(queue):
    put(queue)
    queue.claim("w")
    assert queue.claim("other") is None


def test_a_job_of_a_dead_process_of_this_machine_is_claimable_at_once(queue):
    put(queue)
    job = queue.claim("w")
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    held_by(queue, job, process_id(process.pid))
    assert queue.claim("other") is None
    process.kill()
    process.wait()
    assert queue.claim("other").fence == 2


def test_a_process_of_another_machine_is_never_taken_for_dead(queue):
    put(queue)
    job = queue.claim("w")
    held_by(queue, job, f"elsewhere/boot|{2**22 + 5}|1")
    assert queue.claim("other") is None


def test_a_job_that_takes_its_workers_down_fails_after_its_attempts(hasty):
    job = put(hasty, max_attempts=2)
    assert hasty.claim("one").attempts == 1
    assert hasty.claim("two").attempts == 2
    assert hasty.claim("three") is None
    failed = hasty.get(job.id)
    assert failed.state is JobState.FAILED
    assert "died 2 times, the last was two" in failed.error


def test_an_attempt_that_stored_an_answer_does_not_count(store):
    stored = [0]
    hasty = Queue(store, lease_s=-1, answers=lambda job: stored[0])
    job = put(hasty, max_attempts=2)

    def taken_down(worker: str, answers: int) -> int:
        """The number of the attempt; its worker dies after so many answers."""
        taken = hasty.claim(worker)
        store.events.append(f"job:{taken.id}", "started", worker, {"attempt": taken.attempts, "answers": stored[0]})
        stored[0] += answers
        return taken.attempts

    assert [taken_down(str(n), answers) for n, answers in enumerate([1, 2, 1, 1, 0, 0])] == [1, 1, 1, 1, 1, 2]
    assert hasty.claim("late") is None
    assert hasty.get(job.id).state is JobState.FAILED


def test_a_job_that_rests_is_not_claimed_before_its_time(queue):
    put(queue)
    job = queue.claim("w")
    queue.put_off(job, 0.2, "the provider is down")
    rests = queue.get(job.id)
    assert (rests.state, rests.attempts, rests.note, rests.resting) == (JobState.QUEUED, 0, "the provider is down", True)
    assert queue.claim("w") is None
    time.sleep(0.25)
    again = queue.claim("w")
    assert (again.id, again.attempts, again.not_before, again.fence) == (job.id, 1, None, 2)


def test_whoever_asks_for_a_job_again_ends_its_rest(queue):
    put(queue)
    queue.put_off(queue.claim("w"), 3600, "down")
    assert put(queue).resting is False
    assert queue.claim("w").attempts == 1


def test_a_job_that_rests_can_be_stopped(queue):
    put(queue)
    job = queue.claim("w")
    queue.put_off(job, 3600, "down")
    assert queue.cancel(job.id).state is JobState.CANCELLED
    with pytest.raises(LeaseLost):
        queue.put_off(job, 1, "too late")


def test_a_broken_job_does_not_keep_the_next_from_being_claimed(hasty):
    put(hasty, "breaks", max_attempts=1)
    hasty.claim("one")
    put(hasty, "next")
    assert hasty.claim("two").subject == "next"


# ----------------------------------------------------------------------------------------------------- the guard


def test_what_is_written_under_guard_is_stored_with_the_jobs_end(queue):
    put(queue)
    job = queue.claim("w")
    with queue.guard(job):
        queue.store.ledger.grant("nano", 1, "w")
        queue.finish(job, {})
    assert queue.store.ledger.account("nano").granted == 1
    assert queue.get(job.id).state is JobState.DONE


def test_what_is_written_under_guard_is_refused_when_the_lease_is_lost(hasty, store):
    put(hasty)
    old = hasty.claim("old")
    new = hasty.claim("new")

    def write_for(job: Job) -> None:
        with hasty.guard(job):
            store.events.append("s", "written", job.worker, {})

    with pytest.raises(LeaseLost):
        write_for(old)
    write_for(new)
    assert [e.author for e in store.events.since("s")] == ["new"]


def test_nobody_can_claim_a_job_while_it_is_guarded(hasty, store):
    """Its lease has lapsed, but its holder asked first: the other gets it only after what was written is stored."""
    put(hasty)
    job, claimed, inside = hasty.claim("old"), [], threading.Event()

    def claim() -> None:
        inside.wait()
        while not claimed:
            found = hasty.claim("new")
            if found:
                claimed.append((found.fence, [e.kind for e in store.events.since("s")]))

    thread = threading.Thread(target=claim)
    thread.start()
    with hasty.guard(job):
        inside.set()
        time.sleep(0.2)
        assert not claimed
        store.events.append("s", "written", "old", {})
    thread.join()
    assert claimed == [(2, ["written"])]


# ------------------------------------------------------------------------------------------- cancel, retry, give back


def test_a_queued_job_is_cancelled_at_once(queue):
    job = queue.cancel(put(queue).id)
    assert job.state is JobState.CANCELLED
    assert job.finished_at is not None
    assert queue.claim("w") is None


def test_a_running_job_hears_of_its_cancellation_at_the_next_heartbeat(queue):
    put(queue)
    job = queue.claim("w")
    assert queue.cancel(job.id).state is JobState.RUNNING
    assert queue.heartbeat(job) is True
    queue.cancelled(job)
    assert queue.get(job.id).state is JobState.CANCELLED


def test_a_job_whose_worker_is_gone_is_cancelled_at_once(hasty):
    put(hasty)
    job = hasty.claim("w")
    assert hasty.cancel(job.id).state is JobState.CANCELLED
    with pytest.raises(LeaseLost):
        hasty.finish(job, {})


@pytest.mark.parametrize("return_it", [lambda q, j: q.fail(j, "broken", True), lambda q, j: q.give_back(j)])
def test_a_job_that_was_cancelled_while_it_ran_is_not_begun_again(queue, return_it):
    put(queue)
    job = queue.claim("w")
    queue.cancel(job.id)
    return_it(queue, job)
    assert queue.claim("w") is None
    assert queue.get(job.id).state is JobState.CANCELLED


def test_cancelling_what_is_over_changes_nothing(queue):
    put(queue)
    job = queue.claim("w")
    queue.finish(job, {})
    done = queue.get(job.id)
    assert queue.cancel(job.id) == done


def test_a_failure_is_retried_up_to_the_limit(queue):
    put(queue, max_attempts=2)
    queue.fail(queue.claim("w"), "first", retry=True)
    job = queue.claim("w")
    assert job.attempts == 2
    queue.fail(job, "second", retry=True)
    assert (queue.get(job.id).state, queue.get(job.id).error) == (JobState.FAILED, "second")


def test_a_failure_that_is_an_answer_is_final(queue):
    put(queue)
    job = queue.claim("w")
    queue.fail(job, "no such corpus", retry=False)
    assert (queue.get(job.id).state, queue.get(job.id).error) == (JobState.FAILED, "no such corpus")


def test_a_job_that_is_given_back_has_not_used_an_attempt(queue):
    put(queue, max_attempts=1)
    for _ in range(3):
        job = queue.claim("w")
        assert job.attempts == 1
        queue.give_back(job)
    assert queue.claim("w").fence == 4


def test_a_failed_or_cancelled_job_is_retried_as_a_new_one(queue):
    job = queue.put(JobKind.VERIFY, "a", {"seed": 1}, priority=3, max_attempts=4)
    with pytest.raises(JobError, match="queued"):
        queue.retry(job.id)
    queue.fail(queue.claim("w"), "broken", retry=False)
    again = queue.retry(job.id)
    assert (again.payload, again.priority, again.max_attempts, again.attempts) == ({"seed": 1}, 3, 4, 0)
    assert again.id != job.id
    assert queue.get(job.id).error == "broken"
    assert queue.retry(job.id) == again, "one live job a subject"


# ------------------------------------------------------------------------------------------------------- workers


def test_workers_are_seen_with_host_pid_and_job(queue):
    queue.seen("w1", None)
    queue.seen("w1", 7)
    queue.seen("w2", None)
    one, two = queue.workers()
    assert (one.name, one.job_id, two.name, two.job_id) == ("w1", 7, "w2", None)
    assert f"{one.host}|{one.pid}" == "{}|{}".format(*host_and_pid(process_id()))
    queue.gone("w1")
    assert [w.name for w in queue.workers()] == ["w2"]


def test_a_silent_worker_is_not_listed(store):
    hasty = Queue(store, lease_s=0.05)
    hasty.seen("w", None)
    assert [w.name for w in hasty.workers()] == ["w"]
    time.sleep(0.1)
    assert hasty.workers() == []


def test_a_process_is_told_from_another_that_got_its_number():
    assert not is_dead(process_id())
    machine, pid, started = process_id().split("|")
    assert is_dead(f"{machine}|{pid}|{int(started) + 1}")
    assert not is_dead("")
    assert not is_dead(f"{machine}|{pid}|"), "where start times are unknown, the lease decides"
