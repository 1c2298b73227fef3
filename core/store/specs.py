"""Agent specs as they were used or saved, by revision: a message's agent can be read as it was then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select

from core.errors import NotFound
from core.store.engine import Database
from core.store.tables import SpecRow


@dataclass(frozen=True)
class SpecRevision:
    revision: str
    name: str
    files: Mapping[str, str]         # "designer.yaml" and "prompts/designer/<step>.md" → text
    author: str
    created_at: datetime


class SpecRevisions:
    def __init__(self, database: Database) -> None:
        self._db = database

    def keep(self, revision: str, name: str, files: Mapping[str, str], author: str) -> None:
        """One that is kept already stays as it is."""
        with self._db.write() as c:
            c.execute(self._db.insert(SpecRow).values(revision=revision, name=name, files=dict(files), author=author, created_at=datetime.now(UTC))
                      .on_conflict_do_nothing(index_elements=["revision"]))

    def get(self, revision: str) -> SpecRevision:
        with self._db.read() as c:
            row = c.execute(select(SpecRow).where(SpecRow.revision == revision)).first()
        if row is None:
            raise NotFound(f"there is no spec revision {revision!r}", "see: python -m core agents list")
        return SpecRevision(row.revision, row.name, row.files, row.author, row.created_at)

    def names(self) -> set[str]:
        """Of every agent that was ever used or saved here."""
        with self._db.read() as c:
            return set(c.execute(select(SpecRow.name).distinct()).scalars())

    def of(self, name: str) -> list[SpecRevision]:
        """Newest first."""
        with self._db.read() as c:
            rows = c.execute(select(SpecRow).where(SpecRow.name == name).order_by(SpecRow.created_at.desc())).all()
        return [SpecRevision(r.revision, r.name, r.files, r.author, r.created_at) for r in rows]
