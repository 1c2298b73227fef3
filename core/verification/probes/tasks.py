"""Every task by its name."""

from __future__ import annotations

from core.errors import UsageError
from core.verification.probes import copying, recall, tracking
from core.verification.probes.base import Batch, Task

TASKS: dict[str, Task] = {task.name: task for family in (recall, copying, tracking) for task in family.TASKS}


def get_task(name: str) -> Task:
    if name not in TASKS:
        raise UsageError(f"there is no probe task {name!r}", f"the tasks are {', '.join(TASKS)}")
    return TASKS[name]


__all__ = ["TASKS", "Batch", "Task", "get_task"]
