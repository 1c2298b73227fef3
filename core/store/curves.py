"""Loss curves: one row a step. The key is (verification, step), so that a step repeated after a resume is there once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, fields
from types import TracebackType

from sqlalchemy import select

from core.store.engine import Database
from core.store.tables import CurveRow
from core.types import CurvePoint

WRITE_EVERY_S = 0.7  # the pages poll once a second


class Curves:
    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, verification_id: int, points: Sequence[CurvePoint]) -> None:
        """A step that is there already is left as it is."""
        if not points:
            return
        with self._db.write() as c:
            c.execute(self._db.insert(CurveRow).on_conflict_do_nothing(), [{"verification_id": verification_id, **asdict(p)} for p in points])

    def of(self, verification_id: int, after_step: int = -1) -> list[CurvePoint]:
        columns = [getattr(CurveRow, f.name) for f in fields(CurvePoint)]
        query = select(*columns).where(CurveRow.verification_id == verification_id, CurveRow.step > after_step).order_by(CurveRow.step)
        with self._db.read() as c:
            return [CurvePoint(*row) for row in c.execute(query)]


class CurveWriter:
    """Writes points in batches, so that a fast training does not wait for the database."""

    def __init__(self, curves: Curves, verification_id: int) -> None:
        self._curves = curves
        self._id = verification_id
        self._waiting: list[CurvePoint] = []
        self._written = 0.0

    def add(self, point: CurvePoint) -> None:
        self._waiting.append(point)
        if time.monotonic() - self._written > WRITE_EVERY_S:
            self.flush()

    def flush(self) -> None:
        self._curves.add(self._id, self._waiting)
        self._waiting = []
        self._written = time.monotonic()

    def __enter__(self) -> CurveWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.flush()
