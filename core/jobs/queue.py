"""A durable queue in the database: lease, heartbeat, fencing token, cancel, retry with a limit.

Claiming marks a job with a lease and a higher fence; only finishing retires it. A worker that falls silent loses its lease, and at
once when its process on this machine is gone. Every later write of the old one carries its old fence, matches no row, and
raises LeaseLost. A claim takes BEGIN IMMEDIATE on SQLite and FOR UPDATE SKIP LOCKED on PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from core.errors import JobError, LeaseLost, NotFound
from core.jobs.process import is_dead, process_id
from core.store import Store
from core.store.tables import JobRow, WorkerRow
from core.types import Job, JobKind, JobState, Json

LIVE = (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True)
class WorkerInfo:
    name: str
    process: str
    seen_at: datetime
    job_id: int | None


class Queue:
    def __init__(self, store: Store, lease_s: float = 30.0) -> None:
        self.store = store
        self.lease = timedelta(seconds=lease_s)
        self._db = store.database

    # --------------------------------------------------------------------------------------------- asking

    def put(self, kind: JobKind, subject: str, payload: Json, priority: int = 0, max_attempts: int = 3) -> Job:
        """Queue a job. One live job a subject: if there is one already, it is returned."""
        with self._db.write() as c:
            self._serialise(c)
            live = c.execute(select(JobRow.id).where(JobRow.kind == str(kind), JobRow.subject == subject, JobRow.state.in_(LIVE))).scalar()
            if live is None:
                live = c.execute(insert(JobRow).values(
                    kind=str(kind), subject=subject, payload=payload, state=str(JobState.QUEUED), priority=priority, attempts=0,
                    max_attempts=max_attempts, worker="", process="", fence=0, cancel_requested=False, progress=0.0, note="", error="",
                    result={}, created_at=_now())).inserted_primary_key[0]
        return self.get(live)

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

    def all(self, limit: int = 200, states: Sequence[JobState] | None = None) -> list[Job]:
        """Newest first."""
        query = select(JobRow).order_by(JobRow.id.desc()).limit(limit)
        with self._db.read() as c:
            return [_job(r) for r in c.execute(query if states is None else query.where(JobRow.state.in_([str(s) for s in states])))]

    def cancel(self, id: int) -> Job:
        """A queued job ends at once, a running one at its next step; one that is over stays as it is."""
        with self._db.write() as c:
            c.execute(update(JobRow).where(JobRow.id == id, JobRow.state == JobState.QUEUED).values(
                state=str(JobState.CANCELLED), finished_at=_now(), cancel_requested=True))
            c.execute(update(JobRow).where(JobRow.id == id, JobRow.state == JobState.RUNNING).values(cancel_requested=True))
        return self.get(id)

    def retry(self, id: int) -> Job:
        """Queue a failed or cancelled job again, with all its attempts; it goes on from what is stored."""
        job = self.get(id)
        if job.state not in (JobState.FAILED, JobState.CANCELLED):
            raise JobError(f"job {id} is {job.state}", "only a failed or cancelled job can be retried")
        return self.put(job.kind, job.subject, job.payload, job.priority, job.max_attempts)

    # --------------------------------------------------------------------------------------------- working

    def claim(self, worker: str, kinds: Sequence[JobKind] | None = None, only: int | None = None) -> Job | None:
        """The next job, now ours: queued ones by priority and age, and running ones whose worker is gone."""
        now = _now()
        with self._db.write() as c:
            query = select(JobRow).where(JobRow.state.in_(LIVE)).order_by(JobRow.priority.desc(), JobRow.id).with_for_update(skip_locked=True)
            if only is not None:
                query = query.where(JobRow.id == only)
            if kinds is not None:
                query = query.where(JobRow.kind.in_([str(k) for k in kinds]))
            for row in c.execute(query).all():
                if row.state == JobState.RUNNING and row.lease_until >= now and not is_dead(row.process):
                    continue
                if self._is_over(c, row, now):
                    continue
                c.execute(update(JobRow).where(JobRow.id == row.id).values(
                    state=str(JobState.RUNNING), worker=worker, process=process_id(), fence=row.fence + 1, attempts=row.attempts + 1,
                    lease_until=now + self.lease, started_at=row.started_at or now, error=""))
                return _job(c.execute(select(JobRow).where(JobRow.id == row.id)).one())
        return None

    def heartbeat(self, job: Job, progress: float | None = None, note: str | None = None) -> bool:
        """Prolong the lease; whether a person asked to stop. Raises LeaseLost when the job is another's."""
        values: Json = {"lease_until": _now() + self.lease}
        values |= {} if progress is None else {"progress": min(1.0, max(0.0, progress))}
        values |= {} if note is None else {"note": note}
        with self._db.write() as c:
            self._ours(c, job, **values)
            return bool(c.execute(select(JobRow.cancel_requested).where(JobRow.id == job.id)).scalar())

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

    # --------------------------------------------------------------------------------------------- workers

    def seen(self, worker: str, job_id: int | None) -> None:
        make = sqlite.insert if self._db.is_sqlite else postgresql.insert
        values = {"process": process_id(), "seen_at": _now(), "job_id": job_id}
        with self._db.write() as c:
            c.execute(make(WorkerRow).values(name=worker, **values).on_conflict_do_update(index_elements=["name"], set_=values))

    def gone(self, worker: str) -> None:
        with self._db.write() as c:
            c.execute(delete(WorkerRow).where(WorkerRow.name == worker))

    def workers(self) -> list[WorkerInfo]:
        """Those seen within a lease whose process is not known to be dead."""
        query = select(WorkerRow).where(WorkerRow.seen_at > _now() - self.lease).order_by(WorkerRow.name)
        with self._db.read() as c:
            rows = c.execute(query).all()
        return [WorkerInfo(r.name, r.process, r.seen_at, r.job_id) for r in rows if not is_dead(r.process)]

    # --------------------------------------------------------------------------------------------- inside

    def _is_over(self, c: Connection, row, now: datetime) -> bool:
        """Retire a job that a person stopped, or that has taken too many workers down."""
        if row.state == JobState.RUNNING and row.cancel_requested:
            c.execute(update(JobRow).where(JobRow.id == row.id).values(state=str(JobState.CANCELLED), finished_at=now))
            return True
        if row.attempts >= row.max_attempts:
            c.execute(update(JobRow).where(JobRow.id == row.id).values(
                state=str(JobState.FAILED), finished_at=now, error=f"its worker died {row.attempts} times, the last was {row.worker}"))
            return True
        return False

    def _ours(self, c: Connection, job: Job, **values) -> None:
        done = c.execute(update(JobRow).where(
            JobRow.id == job.id, JobRow.fence == job.fence, JobRow.state == JobState.RUNNING).values(**values))
        if done.rowcount == 0:
            raise LeaseLost(f"job {job.id} belongs to another worker now", "nothing to do: the other one goes on")

    def _retire(self, job: Job, state: JobState, **values) -> None:
        with self._db.write() as c:
            self._ours(c, job, state=str(state), finished_at=_now(), lease_until=None, **values)

    def _serialise(self, c: Connection) -> None:
        """Two askers at once must not both find no live job; SQLite's write lock sees to it already."""
        if not self._db.is_sqlite:
            c.execute(text("SELECT pg_advisory_xact_lock(724502)"))


def _now() -> datetime:
    return datetime.now(UTC)


def _job(r) -> Job:
    return Job(r.id, JobKind(r.kind), r.subject, r.payload, JobState(r.state), r.priority, r.attempts, r.max_attempts, r.worker, r.fence,
               r.lease_until, r.cancel_requested, r.progress, r.note, r.error, r.result, r.created_at, r.started_at, r.finished_at)
