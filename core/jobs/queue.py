"""A durable queue in the database: lease, heartbeat, fencing token, cancel, retry with a limit.

Claiming marks a job with a lease and a higher fence; only finishing retires it. A worker that falls silent loses its lease, and at
once when its process on this machine is gone. Every later write of the old one carries its old fence, matches no row, and
raises LeaseLost. A claim takes BEGIN IMMEDIATE on SQLite and FOR UPDATE SKIP LOCKED on PostgreSQL.

A job may rest: it is queued, and not claimed before its time. Whoever puts it again in the meantime ends the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Row, and_, case, delete, insert, literal, not_, or_, select, update

from core.errors import JobError, LeaseLost, NotFound
from core.jobs.process import host_and_pid, is_dead, process_id
from core.store import Store
from core.store.tables import JobRow, WorkerRow
from core.types import Job, JobKind, JobState, Json

LIVE = (JobState.QUEUED, JobState.RUNNING)
FORGET_WORKERS = timedelta(days=1)


@dataclass(frozen=True)
class WorkerInfo:
    name: str
    process: str                     # see core/jobs/process.py
    seen_at: datetime
    job_id: int | None

    @property
    def host(self) -> str:
        return host_and_pid(self.process)[0]

    @property
    def pid(self) -> int:
        return host_and_pid(self.process)[1]


class Queue:
    def __init__(self, store: Store, lease_s: float = 30.0, abandoned: Callable[[Job], None] = lambda job: None, answers: Callable[[Job], int] = lambda job: 0) -> None:
        """`abandoned` is told of a job that ends without its worker's word (it was queued, or the worker is gone), in that transaction. `answers`: how many of
        language models are stored for a job; an attempt that added to them counts as none, however it ended."""
        self.store = store
        self._abandoned = abandoned
        self.answers = answers
        self.lease = timedelta(seconds=lease_s)
        self._db = store.database

    # --------------------------------------------------------------------------------------------- asking

    def put(self, kind: JobKind, subject: str, payload: Json, priority: int = 0, max_attempts: int = 3) -> Job:
        """Queue a job. One live job a kind and subject: if there is one already, it is returned, and rests no longer."""
        with self._db.write() as c:
            self._db.serialise(c, f"job:{kind}:{subject}")  # two askers at once must not both find none
            live = c.execute(select(JobRow.id).where(JobRow.kind == str(kind), JobRow.subject == subject, JobRow.state.in_(LIVE))).scalar()
            if live is None:
                live = c.execute(insert(JobRow).values(
                    kind=str(kind), subject=subject, payload=payload, state=str(JobState.QUEUED), priority=priority, attempts=0,
                    max_attempts=max_attempts, worker="", process="", fence=0, cancel_requested=False, progress=0.0, note="", error="",
                    result={}, created_at=self._db.now(c))).inserted_primary_key[0]
            else:
                c.execute(update(JobRow).where(JobRow.id == live, JobRow.state == JobState.QUEUED, JobRow.not_before.is_not(None)).values(not_before=None))
            return _job(c.execute(select(JobRow).where(JobRow.id == live)).one())

    def get(self, id: int) -> Job:
        with self._db.read() as c:
            row = c.execute(select(JobRow).where(JobRow.id == id)).first()
        if row is None:
            raise NotFound(f"there is no job {id}", "list them: python -m core jobs")
        return _job(row)

    def newest(self, subject: str) -> Job:
        """The last job of a subject."""
        with self._db.read() as c:
            row = c.execute(select(JobRow).where(JobRow.subject == subject).order_by(JobRow.id.desc()).limit(1)).first()
        if row is None:
            raise NotFound(f"there is no job of {subject}", "list them: python -m core jobs")
        return _job(row)

    def of(self, subjects: Sequence[str]) -> list[Job]:
        """Every job of these subjects, newest first."""
        with self._db.read() as c:
            return [_job(r) for r in c.execute(select(JobRow).where(JobRow.subject.in_(list(subjects))).order_by(JobRow.id.desc()))]

    def live_of(self, subjects: Sequence[str]) -> list[Job]:
        """The jobs of these subjects that are not over, oldest first."""
        with self._db.read() as c:
            return [_job(r) for r in c.execute(select(JobRow).where(JobRow.subject.in_(list(subjects)), JobRow.state.in_(LIVE)).order_by(JobRow.id))]

    def subjects(self, kind: JobKind) -> list[str]:
        """Of all jobs of a kind, the one asked for last first."""
        with self._db.read() as c:
            rows = c.execute(select(JobRow.subject).where(JobRow.kind == str(kind)).order_by(JobRow.id.desc())).scalars()
            return list(dict.fromkeys(rows))

    def all(self, limit: int = 200, states: Sequence[JobState] | None = None) -> list[Job]:
        """Newest first."""
        query = select(JobRow).order_by(JobRow.id.desc()).limit(limit)
        with self._db.read() as c:
            return [_job(r) for r in c.execute(query if states is None else query.where(JobRow.state.in_([str(s) for s in states])))]

    def cancel(self, id: int) -> Job:
        """A queued job ends at once, and so does one whose worker is gone; a running one at its next step; one that is over stays."""
        with self._db.together() as c:
            now = self._db.now(c)
            free = or_(JobRow.state == JobState.QUEUED, self._lapsed(c, now))
            ended = c.execute(update(JobRow).where(JobRow.id == id, free).values(
                state=str(JobState.CANCELLED), finished_at=now, cancel_requested=True, lease_until=None))
            if ended.rowcount:
                self._abandoned(_job(c.execute(select(JobRow).where(JobRow.id == id)).one()))
            c.execute(update(JobRow).where(JobRow.id == id, JobRow.state == JobState.RUNNING).values(cancel_requested=True))
        return self.get(id)

    def retry(self, id: int) -> Job:
        """Queue a failed or cancelled job again, as a new row with all its attempts; it goes on from what is stored."""
        job = self.get(id)
        if job.state not in (JobState.FAILED, JobState.CANCELLED):
            raise JobError(f"job {id} is {job.state}", "only a failed or cancelled job can be retried")
        return self.put(job.kind, job.subject, job.payload, job.priority, job.max_attempts)

    def prefer(self, id: int, priority: int) -> Job:
        """Give a job that waits another place: higher ones come first, of equal ones the older. Raises JobError for one that does not wait."""
        with self._db.write() as c:
            moved = c.execute(update(JobRow).where(JobRow.id == id, JobRow.state == JobState.QUEUED).values(priority=priority)).rowcount
        job = self.get(id)
        if not moved:
            raise JobError(f"job {id} is {job.state}", "only a job that waits can be moved")
        return job

    def in_line(self, line: str) -> list[Job]:
        """The live jobs of a line; none for ""."""
        with self._db.read() as c:
            rows = c.execute(select(JobRow).where(JobRow.state.in_(LIVE)).order_by(JobRow.id)).all() if line else []
        return [_job(r) for r in rows if r.payload.get("line") == line]

    # --------------------------------------------------------------------------------------------- working

    def claim(self, worker: str, kinds: Sequence[JobKind] | None = None, only: int | None = None) -> Job | None:
        """The next job, now ours: queued ones by priority and age, and running ones whose worker is gone."""
        with self._db.together() as c:
            now = self._db.now(c)
            due = and_(JobRow.state == JobState.QUEUED, or_(JobRow.not_before.is_(None), JobRow.not_before <= now))
            free = or_(due, self._lapsed(c, now))
            query = select(JobRow).where(free).order_by(JobRow.priority.desc(), JobRow.id).limit(1).with_for_update(skip_locked=True)
            if only is not None:
                query = query.where(JobRow.id == only)
            if kinds is not None:
                query = query.where(JobRow.kind.in_([str(k) for k in kinds]))
            passed: list[int] = []
            while (row := c.execute(query.where(JobRow.id.not_in(passed)) if passed else query).first()) is not None:
                if self._waits(c, row, now):
                    passed.append(row.id)
                elif not self._is_over(c, row, now, moved := self._moved(row)):
                    c.execute(update(JobRow).where(JobRow.id == row.id).values(
                        state=str(JobState.RUNNING), worker=worker, process=process_id(), fence=row.fence + 1, attempts=row.attempts + (not moved),
                        lease_until=now + self.lease, started_at=row.started_at or now, error="", not_before=None))
                    return _job(c.execute(select(JobRow).where(JobRow.id == row.id)).one())
        return None

    def heartbeat(self, job: Job, progress: float | None = None, note: str | None = None) -> bool:
        """Prolong the lease; whether a person asked to stop. Raises LeaseLost when the job is another's."""
        values: Json = {} if progress is None else {"progress": min(1.0, max(0.0, progress))}
        values |= {} if note is None else {"note": note}
        with self._db.write() as c:
            self._ours(c, job, lease_until=self._db.now(c) + self.lease, **values)
            return bool(c.execute(select(JobRow.cancel_requested).where(JobRow.id == job.id)).scalar())

    @contextmanager
    def guard(self, job: Job) -> Iterator[None]:
        """One transaction round the store's and the queue's verbs inside, refused with LeaseLost when the job is another's.

        The job's row stays locked until the transaction ends, so nobody can claim it between the question and the writes.
        """
        with self._db.together() as c:
            self._ours(c, job, fence=job.fence)
            yield

    def finish(self, job: Job, result: Json) -> None:
        self._retire(job, JobState.DONE, result=result, progress=1.0, error="")

    def cancelled(self, job: Job) -> None:
        self._retire(job, JobState.CANCELLED)

    def fail(self, job: Job, error: str, retry: bool) -> None:
        """Failed for good, or queued again while attempts are left."""
        if retry and job.attempts < job.max_attempts:
            with self._db.write() as c:
                self._ours(c, job, state=str(JobState.QUEUED), error=error, lease_until=None)
        else:
            self._retire(job, JobState.FAILED, error=error)

    def give_back(self, job: Job) -> None:
        """The worker stops: the job is queued again, and this attempt does not count."""
        with self._db.write() as c:
            self._ours(c, job, state=str(JobState.QUEUED), attempts=job.attempts - 1, lease_until=None)

    def put_off(self, job: Job, seconds: float, note: str) -> None:
        """The job rests for so long; this attempt does not count. One that a person stopped is not put off: its next claim ends it."""
        with self._db.write() as c:
            until = case((JobRow.cancel_requested, None), else_=literal(self._db.now(c) + timedelta(seconds=seconds), JobRow.not_before.type))
            self._ours(c, job, state=str(JobState.QUEUED), attempts=job.attempts - 1, lease_until=None, note=note, not_before=until)

    # --------------------------------------------------------------------------------------------- workers

    def seen(self, worker: str, job_id: int | None) -> None:
        """A worker's own heartbeat. Workers silent for a day are forgotten."""
        with self._db.write() as c:
            now = self._db.now(c)
            values = {"process": process_id(), "seen_at": now, "job_id": job_id}
            c.execute(self._db.insert(WorkerRow).values(name=worker, **values).on_conflict_do_update(index_elements=["name"], set_=values))
            c.execute(delete(WorkerRow).where(WorkerRow.seen_at < now - FORGET_WORKERS))

    def gone(self, worker: str) -> None:
        with self._db.write() as c:
            c.execute(delete(WorkerRow).where(WorkerRow.name == worker))

    def workers(self) -> list[WorkerInfo]:
        """Those seen within a lease whose process is not known to be dead."""
        with self._db.read() as c:
            rows = c.execute(select(WorkerRow).where(WorkerRow.seen_at > self._db.now(c) - self.lease).order_by(WorkerRow.name)).all()
        return [WorkerInfo(r.name, r.process, r.seen_at, r.job_id) for r in rows if not is_dead(r.process)]

    def idle(self) -> list[WorkerInfo]:
        """Those of them that have no job."""
        return [worker for worker in self.workers() if worker.job_id is None]

    # --------------------------------------------------------------------------------------------- inside

    def _waits(self, c: Connection, row: Row, now: datetime) -> bool:
        """Whether another job of its line is being done: payload["line"] names what is never done by two at once."""
        line = row.payload.get("line")
        if not line:
            return False
        self._db.serialise(c, f"line:{line}")
        running = c.execute(select(JobRow.payload).where(JobRow.state == JobState.RUNNING, JobRow.kind == row.kind, JobRow.id != row.id, not_(self._lapsed(c, now)))).scalars()
        return any(payload.get("line") == line for payload in running)

    def _lapsed(self, c: Connection, now: datetime) -> ColumnElement[bool]:
        """Running, but its worker is silent for longer than the lease, or known to be dead."""
        holders = c.execute(select(JobRow.process).where(JobRow.state == JobState.RUNNING).distinct()).scalars().all()
        dead = [process for process in holders if is_dead(process)]
        return and_(JobRow.state == JobState.RUNNING, or_(JobRow.lease_until < now, JobRow.process.in_(dead)))

    def _moved(self, row: Row) -> bool:
        """Whether the attempt that a worker took with it stored an answer."""
        if row.state != JobState.RUNNING:
            return False
        begun = self.store.events.last(f"job:{row.id}", "started")
        return begun is not None and self.answers(_job(row)) > begun.data.get("answers", 0)

    def _is_over(self, c: Connection, row: Row, now: datetime, moved: bool) -> bool:
        """Retire a free job that a person stopped, or that has taken too many workers down without getting anywhere."""
        if row.cancel_requested:
            values: Json = {"state": str(JobState.CANCELLED)}
        elif row.attempts >= row.max_attempts and not moved:
            values = {"state": str(JobState.FAILED), "error": f"its worker crashed or died {row.attempts} times, the last was {row.worker}"}
        else:
            return False
        c.execute(update(JobRow).where(JobRow.id == row.id).values(finished_at=now, lease_until=None, **values))
        self._abandoned(_job(row))
        return True

    def _ours(self, c: Connection, job: Job, **values: object) -> None:
        done = c.execute(update(JobRow).where(
            JobRow.id == job.id, JobRow.fence == job.fence, JobRow.state == JobState.RUNNING).values(**values))
        if done.rowcount == 0:
            raise LeaseLost(f"job {job.id} belongs to another worker now", "nothing to do: the other one goes on")

    def _retire(self, job: Job, state: JobState, **values: object) -> None:
        with self._db.write() as c:
            self._ours(c, job, state=str(state), finished_at=self._db.now(c), lease_until=None, **values)


def _job(r: Row) -> Job:
    return Job(r.id, JobKind(r.kind), r.subject, r.payload, JobState(r.state), r.priority, r.attempts, r.max_attempts, r.worker, r.fence,
               r.lease_until, r.cancel_requested, r.progress, r.note, r.error, r.result, r.created_at, r.started_at, r.finished_at, r.not_before)
