"""Designs × scales as a grid: what is measured, runs, waits, can be paid for; and the desk's verbs about the order of the queue. A part of the desk (core/desk.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from core.errors import UsageError
from core.types import Act, Design, Job, JobKind, JobState, Scale, Status

if TYPE_CHECKING:
    from core.jobs import Queue
    from core.jobs.hands import Held
    from core.store import Store


class Cell(StrEnum):
    """How it stands with a design at a scale; what runs comes before what is measured."""

    RUNNING = "running"
    QUEUED = "queued"
    DONE = "done"
    OPEN = "open"            # not measured, and the budget has something left
    DEAR = "dear"            # not measured, and the scale's budget is spent
    WITHOUT_CODE = "without code"


@dataclass(frozen=True)
class Place:
    """One cell of the grid."""

    design: str
    scale: str
    cell: Cell
    score: float | None              # mean bits per byte
    seeds: int                       # measured
    progress: float                  # 0–1, of what runs
    older: bool = False              # the score is of older code than its newest
    held_back: bool = False          # a score is too good to count before an audit


class Planning:
    """What it needs of the desk: store, queue, scales."""

    store: Store
    queue: Queue
    scales: dict[str, Scale]

    def grid(self, designs: Sequence[Design], scales: Sequence[str]) -> list[list[Place]]:
        """A row a design, a cell a scale."""
        live: dict[tuple[str, str], list[Job]] = {}
        for job, (design, scale, _) in self.trainings():
            live.setdefault((design, scale), []).append(job)
        left = {scale: self.store.ledger.account(scale).left for scale in scales}
        return [[_place(d, s, live.get((d.id, s), []), left[s]) for s in scales] for d in designs]

    def trainings(self) -> list[tuple[Job, tuple[str, str, int]]]:
        """What trains, or waits to: each job with its design, scale and seed; those of runs, too."""
        jobs = self.queue.all(states=(JobState.QUEUED, JobState.RUNNING))
        found = [(j, (j.payload["design"], j.payload["scale"], j.payload["seed"])) for j in jobs if j.kind is JobKind.VERIFY]
        running = {j.id: j for j in jobs if j.kind is JobKind.EVOLVE and j.state is JobState.RUNNING}
        for run in dict.fromkeys(j.payload["run"] for j in running.values()):
            found += [(running[id], (held.design, held.scale, held.seed)) for id, held in self.under_way(run).items() if held.act is Act.VERIFY and id in running]
        return found

    def next_scale(self, design: Design) -> str | None:
        """The rung above the largest at which it was measured; the first one for one that never was; None at the top."""
        names = list(self.scales)
        reached = [i for i, name in enumerate(names) if name in design.scores]
        above = reached[-1] + 1 if reached else 0
        return names[above] if above < len(names) else None

    def climb(self, design_ids: Sequence[str], seeds: Sequence[int] = (0,)) -> list[Job]:
        """Verify each at the next scale of its climb, all or none. Raises UsageError for one that stands at the top."""
        steps = []
        for ident in dict.fromkeys(design_ids):
            scale = self.next_scale(self.store.designs.get(ident))
            if scale is None:
                raise UsageError(f"{ident} was measured at the largest scale already", "add a larger one to library/scales.yaml, or verify it with another seed")
            steps.append((ident, scale))
        with self.store.together():
            return [job for ident, scale in steps for job in self.verify([ident], scale, seeds)]

    def put_first(self, job_id: int) -> Job:
        """Before all that waits."""
        return self.queue.prefer(job_id, 1 + max((j.priority for j in self.queue.all(states=(JobState.QUEUED,))), default=0))

    def put_last(self, job_id: int) -> Job:
        return self.queue.prefer(job_id, min((j.priority for j in self.queue.all(states=(JobState.QUEUED,))), default=0) - 1)

    if TYPE_CHECKING:
        def under_way(self, run_id: str) -> dict[int, Held]: ...
        def verify(self, design_ids: Sequence[str], scale: str, seeds: Sequence[int] = (0,)) -> list[Job]: ...


def _place(design: Design, scale: str, jobs: Sequence[Job], left: float) -> Place:
    running = [j for j in jobs if j.state is JobState.RUNNING]
    seeds = design.n_seeds.get(scale, 0)
    if running:
        cell = Cell.RUNNING
    elif jobs:
        cell = Cell.QUEUED
    elif seeds or scale in design.held_back:
        cell = Cell.DONE
    elif design.status not in (Status.IMPLEMENTED, Status.VERIFIED):
        cell = Cell.WITHOUT_CODE
    else:
        cell = Cell.OPEN if left >= 1 else Cell.DEAR
    return Place(design.id, scale, cell, design.scores.get(scale), seeds, max((j.progress for j in running), default=0.0), scale in design.older, scale in design.held_back)
