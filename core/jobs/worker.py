"""A worker: claims jobs, keeps their leases alive while handlers work, and writes down how they ended.

Kinds of event on the stream "job:ID": started {"attempt"}, note {"text"}, done {"result"}, failed {"error"}, crash {"error", "traceback"},
cancelled {}, lease_lost {}.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from core.errors import Cancelled, LeaseLost, ModelDiscoveryError
from core.jobs.queue import Queue
from core.store import Store
from core.types import Job, JobKind, Json

IDLE_S = 0.3
log = logging.getLogger(__name__)


class Stopping(BaseException):
    """The worker itself was told to stop: the job goes back to the queue."""


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

    def event(self, kind: str, data: Json) -> None:
        self.store.events.append(f"job:{self.job.id}", kind, self.job.worker, data)

    def progress(self, fraction: float, note: str) -> None:
        """How far, in 0–1, and at what; written with the next heartbeat, so it may be called often."""
        self._latest = (fraction, note)
        self.check_cancel()

    def check_cancel(self) -> None:
        """Raises Cancelled when a person asked to stop, LeaseLost when another worker has the job."""
        if self._stop.is_set():
            raise Stopping
        if self._lost.is_set():
            raise LeaseLost(f"job {self.job.id} belongs to another worker now", "nothing to do: the other one goes on")
        if self._cancel.is_set():
            raise Cancelled(f"job {self.job.id} was stopped by a person", f"python -m core jobs --retry {self.job.id}")

    def beat(self) -> None:
        latest, self._latest = self._latest, None
        try:
            if self._queue.heartbeat(self.job, *(latest or (None, None))):
                self._cancel.set()
        except LeaseLost:
            self._lost.set()


class Worker:
    """Handlers are called with a JobContext and return the job's result."""

    def __init__(self, store: Store, queue: Queue, handlers: Mapping[JobKind, Handler], name: str) -> None:
        self.store = store
        self.queue = queue
        self.handlers = handlers
        self.name = name
        self._stop = threading.Event()

    def run_forever(self, stop: threading.Event) -> None:
        """Until `stop` is set. A running job then goes back to the queue, to be resumed from what is stored."""
        self._stop = stop
        seen = -1e9
        try:
            while not stop.is_set():
                if time.monotonic() - seen > self.queue.lease.total_seconds() / 4:
                    self.queue.seen(self.name, None)
                    seen = time.monotonic()
                if self.run_one() is None:
                    stop.wait(IDLE_S)
                else:
                    seen = -1e9
        finally:
            self.queue.gone(self.name)

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
        job = context.job
        context.event("started", {"attempt": job.attempts})
        try:
            result = self.handlers[job.kind](context)
            context.beat()
            self.queue.finish(job, result)
            context.event("done", {"result": result})
        except Stopping:
            self.queue.give_back(job)
        except Cancelled:
            self.queue.cancelled(job)
            context.event("cancelled", {})
        except LeaseLost:
            context.event("lease_lost", {})
        except ModelDiscoveryError as error:
            self._failed(context, str(error), retry=False)
            context.event("failed", {"error": str(error)})
        except KeyboardInterrupt:
            self.queue.give_back(job)
            raise
        except Exception as error:  # the worker's edge: whatever a handler raised is stored, and the worker lives on
            log.exception("job %s crashed", job.id)
            self._failed(context, f"{type(error).__name__}: {error}", retry=True)
            context.event("crash", {"error": str(error), "traceback": traceback.format_exc()[-8000:]})

    def _failed(self, context: JobContext, error: str, retry: bool) -> None:
        try:
            self.queue.fail(context.job, error, retry)
        except LeaseLost:
            context.event("lease_lost", {})

    @contextmanager
    def _heartbeat(self, context: JobContext) -> Iterator[None]:
        """A thread beats round the work, which does not see it. Progress is written at most twice a second."""
        over = threading.Event()
        every = min(0.5, self.queue.lease.total_seconds() / 4)

        def beat() -> None:
            seen = -1e9
            while not over.wait(every):
                try:
                    context.beat()
                    if time.monotonic() - seen > self.queue.lease.total_seconds() / 4:
                        self.queue.seen(self.name, context.job.id)
                        seen = time.monotonic()
                except ModelDiscoveryError as error:  # the database is away for a while: the lease decides
                    log.warning("job %s: no heartbeat: %s", context.job.id, error)

        thread = threading.Thread(target=beat, name=f"heartbeat-{context.job.id}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


Handler = Callable[[JobContext], Json]
