"""Which verifications are too good to count yet (core/statistics/tripwire.py): derived from the scores and the audits, never stored."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from core.statistics import tripwire
from core.store.tables import AuditRow, DesignRow
from core.store.tables import VerificationRow as V
from core.types import Kind


@dataclass(frozen=True)
class Suspect:
    """A verification that tripped the wire, or whose newest audit failed. It counts when its newest audit passed."""

    verification_id: int
    design_id: str
    scale: str
    corpus_hash: str
    bits_per_byte: float
    lowest_reference: float | None   # at that scale on that corpus; None where the score alone would not have been suspicious
    passed: bool | None              # the newest audit; None: not audited yet
    evidence: str = ""               # the audit's

    @property
    def counts(self) -> bool:
        return self.passed is True

    @property
    def words(self) -> str:
        state = "not audited yet" if self.passed is None else f"the audit {'passed' if self.passed else 'failed'}: {self.evidence}"
        return state if self.lowest_reference is None else f"{tripwire.words(self.bits_per_byte, self.lowest_reference)}; {state}"


def suspects(c: Connection) -> dict[int, Suspect]:
    """verification → why; three queries. Where no reference was measured at a scale and corpus there is nothing to trip, but an audit that failed holds anything back."""
    lowest = (select(V.scale, V.corpus_hash, func.min(V.bits_per_byte).label("lowest")).join(DesignRow, DesignRow.id == V.design_id)
              .where(DesignRow.kind == str(Kind.REFERENCE), V.bits_per_byte.is_not(None)).group_by(V.scale, V.corpus_hash).subquery())
    tripped = (select(V.id, V.design_id, V.scale, V.corpus_hash, V.bits_per_byte, lowest.c.lowest)
               .join(lowest, (lowest.c.scale == V.scale) & (lowest.c.corpus_hash == V.corpus_hash)).join(DesignRow, DesignRow.id == V.design_id)
               .where(DesignRow.kind != str(Kind.REFERENCE), V.bits_per_byte < tripwire.limit(1.0) * lowest.c.lowest).order_by(V.id))
    rows = [tuple(row) for row in c.execute(tripped)]
    audits = {id: (passed, evidence) for id, passed, evidence in c.execute(select(AuditRow.verification_id, AuditRow.passed, AuditRow.evidence).order_by(AuditRow.id))}
    failed = {id for id, (passed, _) in audits.items() if not passed} - {r[0] for r in rows}
    if failed:
        scored = select(V.id, V.design_id, V.scale, V.corpus_hash, V.bits_per_byte).where(V.bits_per_byte.is_not(None), V.id.in_(failed)).order_by(V.id)
        rows += [(*row, None) for row in c.execute(scored)]
    return {r[0]: Suspect(*r, *audits.get(r[0], (None, ""))) for r in sorted(rows)}
