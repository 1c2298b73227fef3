"""Events: append-only streams, what a screen reads while something runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Row, insert, select

from core.store.engine import Database
from core.store.tables import EventRow
from core.types import Event, Json


class Events:
    def __init__(self, database: Database) -> None:
        self._db = database

    def append(self, stream: str, kind: str, author: str, data: Json) -> Event:
        return self.append_many(stream, [(kind, author, data)])[0]

    def append_many(self, stream: str, events: Sequence[tuple[str, str, Json]]) -> list[Event]:
        """All or none; each is (kind, author, data).

        PostgreSQL hands out ids before a transaction commits. Two writers of a stream take turns, so that a reader who has
        seen an id never finds a smaller one appear behind it.
        """
        if not events:
            return []
        now = datetime.now(UTC)
        rows = [{"stream": stream, "kind": kind, "author": author, "data": data, "created_at": now} for kind, author, data in events]
        with self._db.write() as c:
            self._db.serialise(c, f"events:{stream}")
            ids = c.execute(insert(EventRow).returning(EventRow.id, sort_by_parameter_order=True), rows).scalars().all()
        return [Event(id, **row) for id, row in zip(ids, rows, strict=True)]

    def since(self, stream: str, after_id: int = 0, limit: int = 1000) -> list[Event]:
        """The first `limit` events behind an id, oldest first."""
        query = select(EventRow).where(EventRow.stream == stream, EventRow.id > after_id).order_by(EventRow.id).limit(limit)
        with self._db.read() as c:
            return [_event(r) for r in c.execute(query)]

    def recent(self, stream: str, kind: str, limit: int = 20) -> list[Event]:
        """The last of a kind, newest first."""
        query = select(EventRow).where(EventRow.stream == stream, EventRow.kind == kind).order_by(EventRow.id.desc()).limit(limit)
        with self._db.read() as c:
            return [_event(r) for r in c.execute(query)]

    def last(self, stream: str, kind: str | None = None) -> Event | None:
        query = select(EventRow).where(EventRow.stream == stream).order_by(EventRow.id.desc()).limit(1)
        with self._db.read() as c:
            row = c.execute(query if kind is None else query.where(EventRow.kind == kind)).first()
        return _event(row) if row else None


def _event(r: Row) -> Event:
    return Event(r.id, r.stream, r.kind, r.author, r.data, r.created_at)
