"""Several workers at one run: each has a hand in it, and sees what the others hold.

A hand is a job of the run. What it holds, one act at most, is an event of its job's stream: it belongs to the job, not to the process, so a worker that is killed leaves it to whoever
takes the job up next, and a job that is over holds nothing. Taking and leaving happen in the transaction of whoever decides (core/pacing.py).

Kinds of event on the stream "job:ID": took {"act", "subject", "design", "scale", "seed"}, left {}.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from core.jobs.queue import Queue
from core.store import Store
from core.types import Act, Job, JobKind, JobState, Json

AGAIN = "!again"     # the subject of the job that waits behind a running one
MOST = 64            # hands of one run


@dataclass(frozen=True)
class Held:
    """What one hand does: a session, or a verification by the name that it has in the ledger."""

    act: Act
    subject: str
    design: str = ""
    scale: str = ""
    seed: int = 0

    @property
    def words(self) -> str:
        return f"session {self.subject}" if self.act is Act.DESIGN else f"{self.design} at {self.scale}, seed {self.seed}"


def subjects(run_id: str) -> list[str]:
    """Of every job that a run can have."""
    return [run_id, run_id + AGAIN, *(f"{run_id}!{n}" for n in range(2, MOST + 1))]


def run_of(subject: str) -> str:
    return subject.partition("!")[0]


def in_hand(store: Store, queue: Queue, run_id: str) -> dict[int, Held]:
    """By job: what is held by jobs that run, or that wait for a worker after theirs died."""
    found = {}
    for job in queue.live_of(subjects(run_id)):
        took = store.events.last(f"job:{job.id}", "took")
        left = store.events.last(f"job:{job.id}", "left")
        if took and (left is None or left.id < took.id):
            found[job.id] = Held(**{**took.data, "act": Act(took.data["act"])})
    return found


class Hands:
    """Of one run, as one of its jobs sees them. `settings`: the run's, for another hand's job."""

    def __init__(self, store: Store, queue: Queue, job: Job, settings: Mapping[str, object]) -> None:
        self._store = store
        self._queue = queue
        self._job = job
        self._settings = settings
        self.run_id = run_of(job.subject)
        self.helps = bool(job.payload.get("helps"))      # called by another hand: it takes up nothing that waits for a person's word

    def mine(self) -> Held | None:
        return in_hand(self._store, self._queue, self.run_id).get(self._job.id)

    def others(self) -> list[Held]:
        return [held for job, held in in_hand(self._store, self._queue, self.run_id).items() if job != self._job.id]

    def take(self, held: Held) -> None:
        self._tell("took", {**asdict(held), "act": str(held.act)})

    def leave(self) -> None:
        self._tell("left", {})

    def call(self) -> Job | None:
        """One more, where a worker has nothing to do and none of the run's jobs waits for one."""
        return call(self._queue, self.run_id, self._settings, self._job.worker)

    def _tell(self, kind: str, data: Json) -> None:
        self._store.events.append(f"job:{self._job.id}", kind, self._job.worker, data)


def call(queue: Queue, run_id: str, settings: Mapping[str, object], but: str = "") -> Job | None:
    """Hand the run to one more worker, where one (`but` that of this name) is idle and none of its jobs waits for a worker yet."""
    live = {job.subject: job for job in queue.live_of(subjects(run_id))}
    if any(job.state is JobState.QUEUED and not job.resting and job.subject != run_id + AGAIN for job in live.values()) or all(worker.name == but for worker in queue.idle()):
        return None
    free = next((s for s in subjects(run_id)[2:] if s not in live), None)
    return queue.put(JobKind.EVOLVE, free, {**settings, "line": free, "helps": True}, max_attempts=5) if free else None
