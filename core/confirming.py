"""Gains on too few seeds. The best of many looks better than it is, so what a run ends with is measured again before it is believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from core.errors import Conflict, UsageError
from core.evidence import Comparison
from core.jobs import Queue
from core.jobs.hands import run_of
from core.run_view import standing
from core.statistics.paired import Verdict
from core.store import Store
from core.types import Design, Job, JobKind, JobState, Json, Scale

SURE = 3             # seeds of the best and of the reference before a gain is believed
LATELY = timedelta(days=14)      # a run that ended before that asks no more for its best to be confirmed
LOOKED = 20                      # runs that are looked through for such, the newest ones
LIVE = (JobState.QUEUED, JobState.RUNNING)

Compare = Callable[[str, str], Comparison]      # (design, scale); UsageError where one of the two was not measured


@dataclass(frozen=True)
class Unconfirmed:
    """A run that ended with a gain on fewer than SURE seeds."""

    run: str
    found: Comparison
    seeds: Mapping[str, list[int]]       # design → those that lack
    ended: datetime

    @property
    def what(self) -> str:
        return f"{self.found.design_id}@{self.found.scale}"

    @property
    def small(self) -> bool:
        """So small that more seeds would hardly decide it."""
        return self.found.verdict is Verdict.WITHIN_NOISE and not self.found.more_seeds


def is_unsure(found: Comparison) -> bool:
    """It looks better than the reference, and fewer than SURE seeds are of both."""
    return found.difference < 0 and not found.suspicious and len(set(found.own) & set(found.base)) < SURE


def lacking(found: Comparison, failed: Mapping[str, set[int]]) -> dict[str, list[int]]:
    """Seeds yet to be trained, by design; none where even with them fewer than SURE are of both. `failed`: those that ended without a score, which a second time would end so too."""
    have = {found.design_id: set(found.own), found.reference: set(found.base)}
    shared = set(found.own) & set(found.base)
    to_have = {s for s in range(SURE) if all(s in own or s not in failed.get(design, ()) for design, own in have.items())}
    if len(shared | to_have) < SURE:
        return {}
    return {design: seeds for design, own in have.items() if (seeds := sorted(to_have - own))}


def best_of_each(designs: Sequence[Design], scales: Sequence[str], compare: Compare) -> tuple[list[Comparison], list[tuple[str, str, float]]]:
    """The best design of each scale against the reference, the largest scale first; and (scale, design, score) where the reference was not measured. `scales` cheapest first."""
    against: list[Comparison] = []
    bare: list[tuple[str, str, float]] = []
    for scale in reversed(scales):
        first = min((d for d in designs if scale in d.scores), key=lambda d: d.scores[scale], default=None)
        if first is None:
            continue
        try:
            against.append(compare(first.id, scale))
        except UsageError:
            bare.append((scale, first.id, first.scores[scale]))
    return against, bare


class Confirming:
    """What it needs of the desk: store, queue, scales, compare, verify, run_settings, `_is_over`, `_jobs`."""

    store: Store
    queue: Queue
    scales: dict[str, Scale]
    _looked_at: dict[str, tuple[str, Unconfirmed | None]]      # run that ended → what of the store it was told from, and the answer: an inbox asks at every drawing

    if TYPE_CHECKING:
        def compare(self, design_id: str, scale: str, *, corpus: str | None = None) -> Comparison: ...
        def verify(self, design_ids: Sequence[str], scale: str, seeds: Sequence[int], corpus: str | None) -> list[Job]: ...
        def run_settings(self, run_id: str) -> Json: ...
        def _is_over(self, run_id: str) -> bool: ...
        def _jobs(self, run_id: str) -> list[Job]: ...

    def confirm(self, run_id: str, seen: str = "") -> list[Job]:
        """Verify its best at the largest scale, and the reference, until both have SURE seeds. `seen`: DESIGN@SCALE as a person saw it. Raises UsageError where that is not needed,
        Conflict where another design is the best by now, BudgetExceeded."""
        waits = self.unsure(run_id)
        if waits is None:
            raise UsageError(f"nothing of run {run_id} needs confirming or can be confirmed", "its best has its seeds, or is no better than the reference, or the seeds that lack ended without a score")
        if seen and seen != waits.what:
            raise Conflict(f"the best of run {run_id} is {waits.what} by now, not {seen}", "look at it as it is now, then decide")
        corpus = self.run_settings(run_id).get("corpus")
        with self.store.together():
            return [job for design, seeds in waits.seeds.items() for job in self.verify([design], waits.found.scale, seeds, corpus)]

    def unconfirmed(self) -> list[Unconfirmed]:
        """Of the runs that ended lately, those with a gain on too few seeds, the newest first; without those whose best is being measured further."""
        edge = datetime.now(UTC) - LATELY
        runs = list(dict.fromkeys(map(run_of, self.queue.subjects(JobKind.EVOLVE))))[:LOOKED]
        lately = [run_id for run_id in runs if self._is_over(run_id) and (standing(self._jobs(run_id)).finished_at or edge) > edge]
        measuring = {(j.payload["design"], j.payload["scale"], j.payload["seed"]) for j in self.queue.all(limit=1000, states=LIVE) if j.kind is JobKind.VERIFY}
        measured = self.store.measured()
        found = [u for run_id in lately if (u := self._unsure_as_of(run_id, measured)) and not any((d, u.found.scale, s) in measuring for d, some in u.seeds.items() for s in some)]
        return sorted(found, key=lambda u: u.ended, reverse=True)

    def _unsure_as_of(self, run_id: str, measured: str) -> Unconfirmed | None:
        state = f"{measured} {standing(self._jobs(run_id)).finished_at}"
        known, answer = self._looked_at.get(run_id, ("", None))
        if known != state:
            self._looked_at[run_id] = (state, answer := self.unsure(run_id))
        return answer

    def unsure(self, run_id: str) -> Unconfirmed | None:
        """The run's best against the reference where that is a gain on too few seeds which can still be had, all of it on the run's own corpus."""
        own, compare = self._made_by(run_id)
        best, _ = best_of_each(own, list(self.scales), compare)
        if not best or not is_unsure(best[0]):
            return None
        both = (best[0].design_id, best[0].reference)
        corpus = self._corpus_of(run_id)
        code = {d: made.id for d in both if (made := self.store.implementations.newest(d))}
        failed = {d: {v.seed for v in self.store.verifications.of(d) if v.failure and not v.provenance.get("cut_off") and not v.own_rate and v.scale == best[0].scale
                      and v.settings == self.scales[v.scale].settings and v.implementation_id == code.get(d) and corpus in (None, v.corpus_hash)} for d in both}
        seeds, last = lacking(best[0], failed), standing(self._jobs(run_id))
        return Unconfirmed(run_id, best[0], seeds, last.finished_at or last.created_at) if seeds else None

    def _made_by(self, run_id: str) -> tuple[list[Design], Compare]:
        """Its designs, oldest first, with their scores on the corpus on which it measured most, and a comparison on that corpus."""
        sessions = self.store.sessions.ids_of(run_id)
        corpus = self._corpus_of(run_id)
        own = sorted(self.store.designs.of_sessions(sessions, corpus), key=lambda d: d.created_at)
        return own, lambda design, scale: self.compare(design, scale, corpus=corpus)

    def _corpus_of(self, run_id: str) -> str | None:
        return self.store.verifications.corpus_of(list(self.store.designs.ids_of_run(run_id)))
