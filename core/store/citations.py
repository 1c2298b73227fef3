"""What each proposal's author read and cites, by revision; and what other libraries were asked. Rows are added and never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert, select

from core.store.engine import Database
from core.store.paper_nouns import Citation
from core.store.paper_tables import CitationRow, LookupRow
from core.types import Json


class Citations:
    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, proposal_id: int, design_id: str, found: Sequence[Citation]) -> None:
        """Said again, they are there once."""
        with self._db.write() as c:
            for one in found:
                c.execute(self._db.insert(CitationRow).values(
                    proposal_id=proposal_id, design_id=design_id, kind=one.kind, told=one.told, paper_id=one.paper_id, passage=one.passage, trouble=one.trouble, created_at=datetime.now(UTC))
                    .on_conflict_do_nothing(index_elements=["proposal_id", "kind", "told", "passage"]))

    def of_design(self, design_id: str) -> list[Citation]:
        """Of all revisions, oldest first."""
        return self._read(CitationRow.design_id == design_id)

    def of_paper(self, paper_id: str) -> list[Citation]:
        return self._read(CitationRow.paper_id == paper_id)

    def _read(self, where) -> list[Citation]:
        with self._db.read() as c:
            rows = c.execute(select(CitationRow).where(where).order_by(CitationRow.id)).all()
        return [Citation(r.kind, r.told, r.paper_id, r.passage, r.trouble, r.proposal_id, r.design_id) for r in rows]


@dataclass(frozen=True)
class Lookup:
    """`state`: ok, limited or down. An `ok` one is fresh until `until`; the others say when to ask again."""

    state: str
    data: Json
    until: datetime

    @property
    def stands(self) -> bool:
        return self.until > datetime.now(UTC)


class Lookups:
    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, source: str, key: str, state: str, data: Json, seconds: float) -> None:
        now = datetime.now(UTC)
        with self._db.write() as c:
            c.execute(insert(LookupRow).values(source=source, key=key, state=state, data=data, until=now + timedelta(seconds=seconds), created_at=now))

    def newest(self, source: str, key: str) -> Lookup | None:
        query = select(LookupRow).where(LookupRow.source == source, LookupRow.key == key).order_by(LookupRow.id.desc()).limit(1)
        with self._db.read() as c:
            row = c.execute(query).first()
        return Lookup(row.state, row.data, row.until) if row else None
