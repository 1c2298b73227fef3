"""What an inbox asks of the store, each in one query: whose newest code failed, what code costs, when a stream last spoke."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from core.store.engine import Database
from core.store.tables import CallRow, CheckRow, EventRow, ImplementationRow, ProposalRow, ReviewRow
from core.types import CallState, CheckReport, Json


@dataclass(frozen=True)
class FailedCode:
    """A design whose newest code failed its newest check."""

    design_id: str
    revision: int
    author: str
    check_id: int
    at: datetime
    report: CheckReport


@dataclass(frozen=True)
class Opinions:
    """A design's newest revision and what reviewers say of it."""

    revision: int
    by_person: bool
    author: str
    created_at: datetime
    reviews: tuple[tuple[str, float, Json], ...]     # (reviewer, rating, data), oldest first; of an earlier revision where the newest has none
    reviewed: bool                                   # the newest revision itself


class WaitingReads:
    def __init__(self, database: Database) -> None:
        self._db = database

    def failed_code(self, limit: int = 50) -> list[FailedCode]:
        """Newest first."""
        code = select(func.max(ImplementationRow.id)).group_by(ImplementationRow.design_id)
        check = select(func.max(CheckRow.id)).where(CheckRow.implementation_id.in_(code)).group_by(CheckRow.implementation_id)
        query = (select(ImplementationRow.design_id, ImplementationRow.revision, ImplementationRow.author, CheckRow.id, CheckRow.created_at, CheckRow.report)
                 .join(CheckRow, CheckRow.implementation_id == ImplementationRow.id).where(CheckRow.id.in_(check), CheckRow.passed.is_(False)).order_by(CheckRow.id.desc()).limit(limit))
        with self._db.read() as c:
            return [FailedCode(r.design_id, r.revision, r.author, r.id, r.created_at, CheckReport.from_dict(r.report)) for r in c.execute(query)]

    def opinions(self, design_ids: Sequence[str]) -> dict[str, Opinions]:
        P, R = ProposalRow, ReviewRow
        texts = select(P.id, P.design_id, P.revision, P.by_person, P.author, P.created_at).where(P.design_id.in_(design_ids)).order_by(P.design_id, P.revision)
        said = select(P.design_id, R.proposal_id, R.reviewer, R.rating, R.data).join(P, P.id == R.proposal_id).where(P.design_id.in_(design_ids)).order_by(R.id)
        with self._db.read() as c:
            newest = {r.design_id: r for r in c.execute(texts)}
            reviews = c.execute(said).all()
        found = {}
        for design_id, row in newest.items():
            own = [r for r in reviews if r.design_id == design_id]
            last = max((r.proposal_id for r in own), default=0)
            kept = tuple((r.reviewer, r.rating, r.data or {}) for r in own if r.proposal_id == last)
            found[design_id] = Opinions(row.revision, row.by_person, row.author, row.created_at, kept, last == row.id)
        return found

    def last_heard(self, streams: Collection[str]) -> Mapping[str, datetime]:
        """Stream → when its last event came."""
        last = select(func.max(EventRow.id)).where(EventRow.stream.in_(streams)).group_by(EventRow.stream)
        with self._db.read() as c:
            return {r.stream: r.created_at for r in c.execute(select(EventRow.stream, EventRow.created_at).where(EventRow.id.in_(last)))} if streams else {}

    def phases(self, session_ids: Sequence[str]) -> dict[str, tuple[Json, datetime]]:
        """Session → what its agents told last of where they are, and when."""
        streams = {f"session:{s}": s for s in session_ids}
        last = select(func.max(EventRow.id)).where(EventRow.stream.in_(streams), EventRow.kind == "phase").group_by(EventRow.stream)
        with self._db.read() as c:
            return {streams[r.stream]: (r.data, r.created_at) for r in c.execute(select(EventRow.stream, EventRow.data, EventRow.created_at).where(EventRow.id.in_(last)))} if streams else {}

    def code_costs(self, authors: Collection[str], limit: int = 10) -> list[tuple[int, float | None]]:
        """(tokens, US dollars or None where a price is not known) of the last designs that these agents wrote code for, newest first."""
        ended = (CallRow.author.in_(authors), CallRow.state != str(CallState.ASKED), CallRow.design_id.is_not(None))
        query = (select(func.sum(CallRow.input_tokens + CallRow.output_tokens), func.sum(CallRow.money), func.count() - func.count(CallRow.money))
                 .where(*ended).group_by(CallRow.design_id).order_by(func.max(CallRow.id).desc()).limit(limit))
        with self._db.read() as c:
            return [(int(tokens or 0), None if unknown else float(money or 0.0)) for tokens, money, unknown in c.execute(query)] if authors else []
