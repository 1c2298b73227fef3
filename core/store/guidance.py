"""Where a person's records were used: which prompts carried them, and how the answers say they took them up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select, update

from core.store.engine import Database
from core.store.tables import GuidanceUseRow


@dataclass(frozen=True)
class Use:
    decision_id: int
    key: str                         # of the conversation
    design_id: str | None
    how: str                         # in the designer's words; "" where it said nothing
    created_at: datetime


class GuidanceUses:
    def __init__(self, database: Database) -> None:
        self._db = database

    def carried(self, decisions: Iterable[int], key: str, design_id: str | None) -> None:
        """A prompt carried them; told once a conversation."""
        rows = [{"decision_id": d, "key": key, "design_id": design_id, "how": "", "created_at": datetime.now(UTC)} for d in decisions]
        if rows:
            with self._db.write() as c:
                c.execute(self._db.insert(GuidanceUseRow).on_conflict_do_nothing(index_elements=["decision_id", "key"]), rows)

    def heeded(self, how: Mapping[int, str], key: str) -> None:
        with self._db.write() as c:
            for decision, words in how.items():
                c.execute(update(GuidanceUseRow).where(GuidanceUseRow.decision_id == decision, GuidanceUseRow.key.in_([key, *(f"{key}~{n}" for n in range(1, 10))])).values(how=words))

    def all(self) -> dict[int, list[Use]]:
        """By decision, oldest first."""
        found: dict[int, list[Use]] = {}
        with self._db.read() as c:
            for r in c.execute(select(GuidanceUseRow).order_by(GuidanceUseRow.id)):
                found.setdefault(r.decision_id, []).append(Use(r.decision_id, r.key, r.design_id, r.how, r.created_at))
        return found
