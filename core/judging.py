"""The desk's verbs about what was measured: comparisons, noise, scaling curves; audits of what is too good; the locked test split."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.asked import words
from core.config import Config
from core.errors import Conflict, UsageError
from core.evidence import REFERENCE, Comparison, Evidence, Ladder
from core.export import write_hub
from core.gab.scales import get_scale
from core.jobs import Queue
from core.machine import this_machine
from core.standings import Standing, standings
from core.statistics.ladder import RungCorrelation
from core.statistics.noise import Noise, Spread, load_priors
from core.store import Store
from core.store.suspicion import Suspect
from core.types import Job, JobKind, Scale, Verb, Verification


@dataclass(frozen=True)
class View:
    """What was chosen on a page, kept under a name."""

    name: str
    query: Mapping[str, str]
    author: str


class Judging:
    """Mixed into the desk, whose store, queue, scales, author and config it uses."""

    store: Store
    queue: Queue
    scales: dict[str, Scale]
    author: str
    config: Config

    # ------------------------------------------------------------------------------------------ what measurements say

    def compare(self, design_id: str, scale: str, reference: str = REFERENCE, corpus: str | None = None, own_rate: bool | None = None) -> Comparison:
        """Is it better than the reference? A probability, a verdict, both in words, and what would tell more. Raises UsageError where one was not measured."""
        self.store.designs.get(design_id)
        self.store.designs.get(reference)
        get_scale(self.scales, scale)
        return self._evidence.compare(design_id, scale, reference, corpus, own_rate)

    def standings(self, scale: str, corpus_hash: str, own_rate: bool = False, reference: str = REFERENCE) -> dict[str, Standing]:
        """Every design that was measured there against the reference; empty where that was not."""
        return standings(scale, [v for v in self.store.verifications.counted(scale) if v.corpus_hash == corpus_hash and v.own_rate is own_rate], reference,
                         [id for id, s in self.store.verifications.suspects().items() if not s.counts], load_priors(self.config.noise_file), list(self.scales))

    def noise(self, scale: str, corpus: str | None = None) -> Noise:
        """How much scores at the scale move with the seed alone."""
        get_scale(self.scales, scale)
        return self._evidence.noise(scale, corpus)

    def measured_noise(self, scale: str, design_ids: Sequence[str], corpus: str | None = None, seeds: Collection[int] | None = None) -> tuple[Spread, Spread]:
        """(of one score, of a difference on the same seed) over the seeds of these designs alone."""
        return self._evidence.measured_noise(scale, design_ids, corpus, seeds)[:2]

    def write_noise(self, scale: str, design_ids: Sequence[str], corpus: str | None = None, seeds: Collection[int] | None = None) -> Path:
        """Make what was measured the scale's prior, in library/noise.yaml."""
        return self._evidence.write_noise(scale, design_ids, corpus, seeds)

    def rungs(self) -> list[RungCorrelation]:
        """How well the order of designs at each rung foretells that at the next, from what this tree has verified."""
        return self._evidence.rungs()

    def ladder(self, design_ids: Sequence[str], corpus: str | None = None, flops: bool = False) -> Ladder:
        """Scaling curves with bands, over parameters or the training's FLOPs, and where they cross."""
        for design_id in design_ids:
            self.store.designs.get(design_id)
        return self._evidence.ladder(list(dict.fromkeys(design_ids)), corpus, flops)

    # ------------------------------------------------------------------------------------------ views

    def views(self, page: str) -> list[View]:
        """Those that are kept, by name; of one name the last counts."""
        found: dict[str, View] = {}
        for d in self.store.decisions.by_verb(Verb.VIEW):
            if d.data["page"] == page:
                found.pop(d.data["name"], None)
                if d.data["on"]:
                    found[d.data["name"]] = View(d.data["name"], d.data["query"], d.author)
        return sorted(found.values(), key=lambda v: v.name.lower())

    def keep_view(self, page: str, name: str, query: Mapping[str, str]) -> None:
        if not name.strip():
            raise UsageError("the view has no name", "write one")
        self.store.decisions.add(Verb.VIEW, self.author, data={"page": page, "name": name.strip(), "query": dict(query), "on": True})

    def forget_view(self, page: str, name: str) -> None:
        self.store.decisions.add(Verb.VIEW, self.author, data={"page": page, "name": name, "query": {}, "on": False})

    # ------------------------------------------------------------------------------------------ audits, the test split

    def suspicious(self) -> list[Suspect]:
        """Verifications too good to count: those without an audit, and those whose audit failed."""
        return [s for s in self.store.verifications.suspects().values() if not s.counts]

    def audit(self, verification_id: int) -> Job:
        """The deep causality audit of a verification's weights, suspicious or not."""
        self._measured(verification_id)
        return self.queue.put(JobKind.AUDIT, f"audit:{verification_id}", {"verification": verification_id})

    def promote(self, verification_id: int, reason: str) -> Job:
        """Have a verification scored on the locked test split: once, on a person's word, references too (a comparison needs theirs)."""
        row = self._measured(verification_id)
        reason = words(reason, "a promotion needs a reason: each look at the test split weakens it")
        suspect = self.store.verifications.suspects().get(verification_id)
        if suspect is not None and not suspect.counts:
            raise UsageError(f"verification {verification_id} is suspicious: {suspect.words}", f"audit it first: python -m core audit {verification_id}")
        if verification_id in self.store.measurements.test_scores():
            raise Conflict(f"verification {verification_id} has its test score already", "it is scored once: see python -m core show " + row.design_id)
        with self.store.together():
            self.store.decisions.add(Verb.PROMOTE, self.author, design_id=row.design_id, reason=reason, data={"verification": verification_id})
            return self.queue.put(JobKind.PROMOTE, f"promote:{verification_id}", {"verification": verification_id, "author": self.author})

    def hub_folder(self, design_id: str, verification_id: int, out: Path) -> Path:
        """The trained model of a verification as a folder that transformers loads."""
        return write_hub(self.store, self.config, design_id, out, verification_id)

    def test_looks(self, corpus_hash: str) -> int:
        """How often the test split of a corpus has been looked at: each look weakens what it proves."""
        scored = self.store.measurements.test_scores()
        return sum(v.id in scored for v in self.store.verifications.all() if v.corpus_hash == corpus_hash) if scored else 0

    # ------------------------------------------------------------------------------------------ inside

    def _measured(self, verification_id: int) -> Verification:
        row = self.store.verifications.get(verification_id)
        if row.metrics is None:
            raise UsageError(f"verification {verification_id} has no score: {row.failure or 'it is not finished'}", "choose one that has")
        return row

    @property
    def _evidence(self) -> Evidence:
        return Evidence(self.store, self.scales, self.config.noise_file, this_machine(self.config))
