"""Events: append-only streams, what a screen reads while something runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import insert, select

from core.store.engine import Database
from core.store.tables import EventRow
from core.types import Event, Json


class Events:
    def __init__(self, database: Database) -> None:
        self._db = database

    def append(self, stream: str, kind: str, author: str, data: Json) -> Event:
        return self.append_many(stream, [(kind, author, data)])[0]

    def append_many(self, stream: str, events: Sequence[tuple[str, str, Json]]) -> list[Event]:
        """All or none; each is (kind, author, data)."""
        with self._db.write() as c:
            added = []
            for kind, author, data in events:
                now = datetime.now(UTC)
                done = c.execute(insert(EventRow).values(stream=stream, kind=kind, author=author, data=data, created_at=now))
                added.append(Event(done.inserted_primary_key[0], stream, kind, author, data, now))
        return added

    def since(self, stream: str, after_id: int = 0, limit: int = 1000) -> list[Event]:
        query = select(EventRow).where(EventRow.stream == stream, EventRow.id > after_id).order_by(EventRow.id).limit(limit)
        with self._db.read() as c:
            return [_event(r) for r in c.execute(query)]

    def last(self, stream: str, kind: str | None = None) -> Event | None:
        query = select(EventRow).where(EventRow.stream == stream).order_by(EventRow.id.desc()).limit(1)
        with self._db.read() as c:
            row = c.execute(query if kind is None else query.where(EventRow.kind == kind)).first()
        return _event(row) if row else None


def _event(r) -> Event:
    return Event(r.id, r.stream, r.kind, r.author, r.data, r.created_at)
