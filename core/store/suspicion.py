"""Which verifications are too good to count yet (core/statistics/tripwire.py): derived from the scores and the audits, never stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, and_, false, or_, select

from core.statistics import tripwire
from core.store.current import OWN
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
    """verification → why; three queries. Where no reference was measured at a scale and corpus there is nothing to trip, but an audit that failed holds anything back.

    A score meets the references' that were made with the settings of its scale and at its kind of learning rate (at the scale's, where none was made at its own), of
    their newest code.
    """
    row = (V.id, V.design_id, V.scale, V.corpus_hash, V.bits_per_byte, V.implementation_id, V.settings, OWN.label("own"))
    scored = select(*row).join(DesignRow, DesignRow.id == V.design_id).where(V.bits_per_byte.is_not(None)).order_by(V.id)
    floors = _Floors(c.execute(scored.where(DesignRow.kind == str(Kind.REFERENCE))).all())
    low = or_(false(), *(and_(V.scale == scale, V.corpus_hash == corpus, V.bits_per_byte < tripwire.limit(most)) for (scale, corpus), most in floors.highest.items()))
    audits = {id: (passed, evidence) for id, passed, evidence in c.execute(select(AuditRow.verification_id, AuditRow.passed, AuditRow.evidence).order_by(AuditRow.id))}
    failed = {id for id, (passed, _) in audits.items() if not passed}
    found: dict[int, Suspect] = {}
    for r in c.execute(scored.where(or_(and_(DesignRow.kind != str(Kind.REFERENCE), low), V.id.in_(failed)))):
        lowest = floors.under(r)
        tripped = lowest is not None and r.design_id not in floors.references and r.bits_per_byte < tripwire.limit(lowest)
        if tripped or r.id in failed:
            found[r.id] = Suspect(r.id, r.design_id, r.scale, r.corpus_hash, r.bits_per_byte, lowest if tripped else None, *audits.get(r.id, (None, "")))
    return found


class _Floors:
    """The references' scores, by what they may be compared with."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.references = {r.design_id for r in rows}
        self.highest: dict[tuple[str, str], float] = {}      # of any reference: above a tenth less than this nothing trips
        self._rows: dict[tuple[str, str, bool], list[Row]] = defaultdict(list)
        self._known: dict[tuple[str, str, bool, str], float | None] = {}
        for r in rows:
            place = r.scale, r.corpus_hash
            self.highest[place] = max(self.highest.get(place, 0.0), r.bits_per_byte)
            self._rows[*place, bool(r.own)].append(r)

    def under(self, r: Row) -> float | None:
        """The lowest reference that the score may be compared with."""
        own = self._lowest(r.scale, r.corpus_hash, True, r.settings) if r.own else None
        return self._lowest(r.scale, r.corpus_hash, False, r.settings) if own is None else own

    def _lowest(self, scale: str, corpus_hash: str, own: bool, settings: str) -> float | None:
        key = (scale, corpus_hash, own, settings)
        if key not in self._known:
            alike = [r for r in self._rows[key[:3]] if "" in (settings, r.settings) or settings == r.settings]
            newest = {r.design_id: r.implementation_id for r in sorted(alike, key=lambda r: r.implementation_id)}
            self._known[key] = min((r.bits_per_byte for r in alike if r.implementation_id == newest[r.design_id]), default=None)
        return self._known[key]
