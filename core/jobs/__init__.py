"""The durable queue and the worker that empties it."""

from core.jobs.queue import Queue, WorkerInfo
from core.jobs.worker import Handler, JobContext, Worker

__all__ = ["Handler", "JobContext", "Queue", "Worker", "WorkerInfo"]
