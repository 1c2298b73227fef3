"""Design sessions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Row, select, update

from core.errors import NotFound
from core.store.engine import Database
from core.store.tables import SessionRow
from core.types import Json, Mode, Session


class Sessions:
    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, id: str, mode: Mode, parents: Sequence[str], n_proposals: int, n_implement: int, instructions: str, seed: int, gate: str,
            scale: str, author: str, designer: str, reviewer: str, run_id: str | None = None, team: Json | None = None) -> Session:
        """One of that id that is there already is returned as it is."""
        with self._db.write() as c:
            c.execute(self._db.insert(SessionRow).values(
                id=id, mode=str(mode), parents=list(parents), n_proposals=n_proposals, n_implement=n_implement, instructions=self._db.hide(instructions),
                seed=seed, gate=gate, scale=scale, author=author, designer=designer, reviewer=reviewer, run_id=run_id,
                created_at=datetime.now(UTC), team=team or {}).on_conflict_do_nothing(index_elements=["id"]))
        return self.get(id)

    def get(self, id: str) -> Session:
        with self._db.read() as c:
            row = c.execute(select(SessionRow).where(SessionRow.id == id)).first()
        if row is None:
            raise NotFound(f"there is no session {id!r}", "see the Studio page, or start one: python -m core design")
        return _session(row)

    def all(self, limit: int | None = None) -> list[Session]:
        """Newest first."""
        with self._db.read() as c:
            return [_session(r) for r in c.execute(select(SessionRow).order_by(SessionRow.seq.desc()).limit(limit))]

    def ids_of(self, run_id: str) -> list[str]:
        """A run's, oldest first."""
        with self._db.read() as c:
            return list(c.execute(select(SessionRow.id).where(SessionRow.run_id == run_id).order_by(SessionRow.seq)).scalars())

    def open(self, run_id: str | None = None) -> list[Session]:
        """Not closed, oldest first; of one run when it is named."""
        query = select(SessionRow).where(SessionRow.closed_at.is_(None)).order_by(SessionRow.seq)
        with self._db.read() as c:
            return [_session(r) for r in c.execute(query if run_id is None else query.where(SessionRow.run_id == run_id))]

    def closed(self) -> set[str]:
        """The ids of all that are."""
        with self._db.read() as c:
            return set(c.execute(select(SessionRow.id).where(SessionRow.closed_at.is_not(None))).scalars())

    def close(self, id: str) -> None:
        """Set `closed_at`; a session that is closed already keeps its time."""
        self.get(id)
        with self._db.write() as c:
            c.execute(update(SessionRow).where(SessionRow.id == id, SessionRow.closed_at.is_(None)).values(closed_at=datetime.now(UTC)))


def _session(r: Row) -> Session:
    return Session(r.id, Mode(r.mode), tuple(r.parents), r.n_proposals, r.n_implement, r.instructions, r.seed, r.gate, r.scale, r.author,
                   r.designer, r.reviewer, r.run_id, r.created_at, r.closed_at, r.team)
