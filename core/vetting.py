"""The part of the lab that works on trained weights and on the clock: audits of what is too good to count, the locked test split, timed runs.

Events on the stream "verification:ID": suspicious {"words"}, audited {"passed", "evidence"}, unaudited {"why"} (it stays suspicious), no_tripwire {"words"},
promoted {"bits_per_byte"}.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from core.errors import DesignError, LeaseLost, ModelDiscoveryError, NotFound
from core.store import Store
from core.store.suspicion import Suspect
from core.types import Kind, Scale, TestScore, Timing, Verification

if TYPE_CHECKING:
    from core.instruments import Engine, Progress, Task


class Vetting:
    """Mixed into the lab, whose store, engine, scales and progress it uses."""

    store: Store
    engine: Engine
    scales: dict[str, Scale]
    progress: Progress

    def _task(self, row: Verification) -> Task:
        raise NotImplementedError

    def vetted(self, row: Verification) -> Verification:
        """The verification as it is; if it is too good to count, audited first. A reference's score may turn older ones of its scale and corpus suspicious: these are audited too."""
        if row.metrics is None:
            return row
        suspects = self.store.verifications.suspects()
        reference = self.store.designs.get(row.design_id).kind is Kind.REFERENCE
        alike = [s for s in suspects.values() if (s.scale, s.corpus_hash) == (row.scale, row.corpus_hash) and s.passed is None]
        for suspect in alike if reference else [s for s in alike if s.verification_id == row.id]:
            self._audit_where_possible(suspect)
        if not reference and row.id not in suspects and not self._has_reference(row):
            self._tell(row.id, "no_tripwire", {"words": f"no reference was verified at {row.scale} on {row.corpus} yet: whether the score is too good cannot be said before"})
        return row

    def audited(self, verification_id: int, asked: datetime | None = None) -> tuple[bool, str]:
        """Run the deep causality audit of the weights, and store what it found; where that was done since it was `asked` for, what was found then.
        Raises NotFound where the weights are not on this machine."""
        row = self._measured(verification_id)
        last = self.store.measurements.audits().get(verification_id)
        if asked is not None and last is not None and last.created_at >= asked:
            return last.passed, last.evidence
        try:
            passed, evidence = self.engine.audit(self._task(row), row.provenance, self.progress)
        except DesignError as error:  # the block's own failure under other inputs is an answer
            passed, evidence = False, str(error)
        with self.progress.guard():
            self.store.measurements.add_audit(row.id, passed, evidence)
            self._tell(row.id, "audited", {"passed": passed, "evidence": evidence})
        return passed, evidence

    def promoted(self, verification_id: int, author: str) -> TestScore:
        """Score the locked test split, once; what is stored is returned as it is."""
        stored = self.store.measurements.test_scores().get(verification_id)
        if stored is not None:
            return stored
        row = self._measured(verification_id)
        found = self.engine.test_score(self._task(row), row.provenance, self.progress)
        with self.progress.guard():
            self.store.measurements.add_documents(row.id, "test", found.documents)
            score = self.store.measurements.add_test_score(row.id, found.bits_per_byte, found.bits_per_byte_se, len(found.documents.bits), author)
            self._tell(row.id, "promoted", {"bits_per_byte": found.bits_per_byte})
        return score

    def timed(self, design_id: str, scale: str, corpus: str | None, machine: str) -> Timing:
        """A short timed run of the newest code, stored for this kind of machine."""
        made = self.store.implementations.newest(design_id)
        if made is None:
            raise NotFound(f"{design_id} has no code yet", f"python -m core implement {design_id}")
        rung = self.scales[scale]
        found = self.engine.time(made.code, rung, self.engine.corpus(corpus, rung, self.progress), self.progress)
        with self.progress.guard():
            self.store.measurements.add_timing(made.code_hash, rung, machine, found)
        return found

    def _audit_where_possible(self, suspect: Suspect) -> None:
        if suspect.verification_id in self.store.measurements.audits():      # by another worker meanwhile
            return
        self._tell(suspect.verification_id, "suspicious", {"words": suspect.words})
        try:
            self.audited(suspect.verification_id)
        except ModelDiscoveryError as error:  # the measurement stands, suspicious as it is; a person may audit it later, or elsewhere
            if isinstance(error, LeaseLost):
                raise
            self._tell(suspect.verification_id, "unaudited", {"why": str(error)})

    def _has_reference(self, row: Verification) -> bool:
        references = {d.id for d in self.store.designs.all() if d.kind is Kind.REFERENCE}
        return any(v.design_id in references and v.corpus_hash == row.corpus_hash and v.own_rate in (row.own_rate, False) for v in self.store.verifications.counted(row.scale))

    def _measured(self, verification_id: int) -> Verification:
        row = self.store.verifications.get(verification_id)
        if row.metrics is None:
            raise NotFound(f"verification {verification_id} has no weights to look at: {row.failure or 'it is not finished'}", "choose one with a score")
        return row

    def _tell(self, verification_id: int, kind: str, data: dict) -> None:
        self.store.events.append(f"verification:{verification_id}", kind, "worker", data)
