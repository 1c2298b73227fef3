"""Loss curves: one row a step. The key is (verification, step), so that a step repeated after a resume is there once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, fields
from types import TracebackType

from sqlalchemy import delete, select

from core.store.engine import Database
from core.store.tables import CurveRow
from core.types import CurvePoint

WRITE_EVERY_S = 0.7  # the pages poll once a second


class Curves:
    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, verification_id: int, points: Sequence[CurvePoint], anew: bool = False) -> None:
        """A step that is there already is left as it is. With `anew`, where another loss is there for the first of these steps, it was of a training that was given up
        (with other settings), and gives way from there on."""
        if not points:
            return
        with self._db.write() as c:
            if anew and c.execute(select(CurveRow.loss).where(CurveRow.verification_id == verification_id, CurveRow.step == points[0].step)).scalar() not in (None, points[0].loss):
                c.execute(delete(CurveRow).where(CurveRow.verification_id == verification_id, CurveRow.step >= points[0].step))
            c.execute(self._db.insert(CurveRow).on_conflict_do_nothing(), [{"verification_id": verification_id, **asdict(p)} for p in points])

    def of(self, verification_id: int, after_step: int = -1) -> list[CurvePoint]:
        columns = [getattr(CurveRow, f.name) for f in fields(CurvePoint)]
        query = select(*columns).where(CurveRow.verification_id == verification_id, CurveRow.step > after_step).order_by(CurveRow.step)
        with self._db.read() as c:
            return [CurvePoint(*row) for row in c.execute(query)]


class CurveWriter:
    """Writes points in batches, so that a fast training does not wait for the database. Where steps begin anew, what an earlier attempt told from there on goes."""

    def __init__(self, curves: Curves, verification_id: int) -> None:
        self._curves = curves
        self._id = verification_id
        self._waiting: list[CurvePoint] = []
        self._written = 0.0
        self._anew = True
        self._step = 0

    def add(self, point: CurvePoint) -> None:
        if point.step <= self._step:
            self.flush()
            self._anew = True
        self._step = point.step
        self._waiting.append(point)
        if time.monotonic() - self._written > WRITE_EVERY_S:
            self.flush()

    def flush(self) -> None:
        self._curves.add(self._id, self._waiting, self._anew)
        self._anew = self._anew and not self._waiting
        self._waiting = []
        self._written = time.monotonic()

    def __enter__(self) -> CurveWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.flush()
