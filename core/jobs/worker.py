"""A worker: claims jobs, keeps their leases alive while handlers work, and writes down how they ended.

Kinds of event on the stream "job:ID": started {"attempt", "answers": of language models, stored by then}, rests {"seconds", "answers", "why"}, done {"result"}, failed {"error"}, crash {"error", "traceback"},
cancelled {}, returned {} (the worker stopped, the job is queued again), lease_lost {}.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

from core.errors import Cancelled, LeaseLost, ModelDiscoveryError, ProviderPaused, StoreError
from core.jobs.patience import Later, Patience
from core.jobs.queue import Queue
from core.store import Store
from core.types import Job, JobKind, Json

IDLE_S = 0.3
AWAY_S = 2.0  # between two tries of a database that does not answer
log = logging.getLogger(__name__)


class Stopping(BaseException):
    """The worker itself was told to stop: the job goes back to the queue. Not an Exception, so that no handler swallows it."""


class JobContext:
    """What a handler holds: its job, the store, a place to report to, and the word whether to stop."""

    def __init__(self, job: Job, store: Store, queue: Queue, stop: threading.Event) -> None:
        self.job = job
        self.store = store
        self._queue = queue
        self._stop = stop
        self._lost = threading.Event()
        self._cancel = threading.Event()
        self._latest: tuple[float, str] | None = None
        self._beating = threading.Lock()
        self._beaten = time.monotonic()

    def event(self, kind: str, data: Json) -> None:
        self.store.events.append(f"job:{self.job.id}", kind, self.job.worker, data)

    def progress(self, fraction: float, note: str) -> None:
        """How far, in 0–1, and at what; written with the next heartbeat, so it may be called often."""
        self._latest = (fraction, note)
        self.check_cancel()

    def check_cancel(self) -> None:
        """Raises Cancelled when a person asked to stop, LeaseLost when another worker has the job.

        A process that was stopped for a while (or a heartbeat that found no database) asks before it goes on.
        """
        if self._stop.is_set():
            raise Stopping
        if time.monotonic() - self._beaten > self._queue.lease.total_seconds() / 2:
            self.beat()
        if self._lost.is_set():
            raise LeaseLost(f"job {self.job.id} belongs to another worker now", "nothing to do: the other one goes on")
        if self._cancel.is_set():
            raise Cancelled(f"job {self.job.id} was stopped by a person", f"python -m core jobs --retry {self.job.id}")

    def guard(self) -> AbstractContextManager[None]:
        """`with context.guard():` makes one transaction of the store's verbs inside, and refuses it when the lease is lost."""
        return self._queue.guard(self.job)

    def beat(self) -> None:
        """One heartbeat. What it learns, `check_cancel` raises."""
        with self._beating:
            started = time.monotonic()
            latest, self._latest = self._latest, None
            try:
                if self._queue.heartbeat(self.job, *(latest or (None, None))):
                    self._cancel.set()
            except LeaseLost:
                self._lost.set()
            self._beaten = started


class Worker:
    """Handlers are called with a JobContext and return the job's result, or Later."""

    def __init__(self, store: Store, queue: Queue, handlers: Mapping[JobKind, Handler], name: str = "", patience: Patience | None = None, idle: Callable[[], None] = lambda: None) -> None:
        """`idle` is called when it begins to have nothing to do, though not after a run's own job: that one looked."""
        self.store = store
        self.queue = queue
        self.handlers = handlers
        self.name = name or f"{socket.gethostname()}-{os.getpid()}"
        self.patience = patience or Patience()
        self._idle = idle
        self._stop = threading.Event()

    def run_forever(self, stop: threading.Event) -> None:
        """Until `stop` is set. A running job then goes back to the queue, to be resumed from what is stored."""
        self._stop = stop
        seen, offered = -1e9, False
        while not stop.is_set():
            try:
                if time.monotonic() - seen > self._seen_every:
                    self.queue.seen(self.name, None)
                    seen = time.monotonic()
                if (done := self.run_one()) is not None:
                    seen, offered = -1e9, done.kind is JobKind.EVOLVE
                elif not offered:
                    offered = True
                    self._idle()
                else:
                    stop.wait(IDLE_S)
            except StoreError as error:  # the database is away: a job that was under way is claimed again when its lease has lapsed
                log.warning("worker %s waits: %s", self.name, error)
                stop.wait(AWAY_S)
        try:
            self.queue.gone(self.name)
        except StoreError as error:
            log.warning("worker %s could not sign off: %s", self.name, error)

    def run_one(self, only: int | None = None) -> Job | None:
        """Claim and do one job; its state afterwards. None when there was none to claim."""
        job = self.queue.claim(self.name, list(self.handlers), only)
        if job is None:
            return None
        context = JobContext(job, self.store, self.queue, self._stop)
        with self._heartbeat(context):
            self._do(context)
        return self.queue.get(job.id)

    def _do(self, context: JobContext) -> None:
        job, queue = context.job, self.queue
        try:
            context.event("started", {"attempt": job.attempts, "answers": queue.answers(job)})
            result = self.handlers[job.kind](context)
            if isinstance(result, Later):
                if self._rested(context, result.why):
                    return
                result = result.result
            self._end(context, "done", {"result": result}, partial(queue.finish, job, result))
        except Stopping:
            self._end(context, "returned", {}, partial(queue.give_back, job))
        except KeyboardInterrupt:
            self._end(context, "returned", {}, partial(queue.give_back, job))
            raise
        except LeaseLost:
            context.event("lease_lost", {})
        except Cancelled:
            self._end(context, "cancelled", {}, partial(queue.cancelled, job))
        except ProviderPaused as why:
            if not self._rested(context, why):
                self._end(context, "failed", {"error": str(why)}, partial(queue.fail, job, str(why), retry=False))
        except ModelDiscoveryError as error:
            retry = type(error) is StoreError  # disk, lock, connection: another try may go well. Its branches are answers, not accidents
            self._end(context, "failed", {"error": str(error)}, partial(queue.fail, job, str(error), retry))
        except Exception as error:  # the worker's edge: whatever a handler raised is stored, and the worker lives on
            log.exception("job %s crashed", job.id)
            words = f"{type(error).__name__}: {error}"
            self._end(context, "crash", {"error": words, "traceback": traceback.format_exc()[-8000:]}, partial(queue.fail, job, words, retry=True))

    def _rested(self, context: JobContext, why: ProviderPaused) -> bool:
        """Whether the job is put off until the provider may answer again; else patience is at its end."""
        job, answers = context.job, self.queue.answers(context.job)
        past = [e.data["seconds"] for e in self.store.events.recent(f"job:{job.id}", "rests", 1000) if e.data["answers"] == answers]
        seconds = self.patience.rest(past, why)
        if seconds is None:
            return False
        at = datetime.now(UTC) + timedelta(seconds=seconds)
        note = f"{why.what}; tried again by itself at {at:%H:%M} UTC"
        self._end(context, "rests", {"seconds": seconds, "answers": answers, "why": why.what}, partial(self.queue.put_off, job, seconds, note))
        return True

    def _end(self, context: JobContext, kind: str, data: Json, write: Callable[[], None]) -> None:
        """The job's new state and its event, both or neither."""
        try:
            with context.guard():
                context.event(kind, data)
                write()
        except LeaseLost:
            context.event("lease_lost", {})

    @property
    def _seen_every(self) -> float:
        return self.queue.lease.total_seconds() / 4

    @contextmanager
    def _heartbeat(self, context: JobContext) -> Iterator[None]:
        """A thread beats round the work, which does not see it. Progress is written at most twice a second."""
        over = threading.Event()
        every = min(0.5, max(0.05, self._seen_every))

        def beat() -> None:
            seen = -1e9
            while not over.wait(every):
                try:
                    context.beat()
                    if time.monotonic() - seen > self._seen_every:
                        self.queue.seen(self.name, context.job.id)
                        seen = time.monotonic()
                except StoreError as error:  # the database is away for a while: the lease decides
                    log.warning("job %s: no heartbeat: %s", context.job.id, error)

        thread = threading.Thread(target=beat, name=f"heartbeat-{context.job.id}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


Handler = Callable[[JobContext], Json | Later]
