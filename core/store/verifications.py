"""Verifications: what was measured, once, and what it was measured with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from sqlalchemy import Connection, Row, Select, func, insert, or_, select, true, update

from core.errors import Conflict, NotFound
from core.store.current import Current, newest_code, with_settings
from core.store.engine import Database
from core.store.suspicion import Suspect, suspects
from core.store.tables import ImplementationRow, TaskRow
from core.store.tables import VerificationRow as V
from core.types import Json, Metrics, Verification, settings_of


class Verifications:
    def __init__(self, database: Database, current: Current) -> None:
        self._db = database
        self._current = current

    def start(self, design_id: str, implementation_id: int, scale: str, seed: int, corpus: str, corpus_hash: str, label: str = "", settings: str = "") -> Verification:
        """The row of this measurement, finished or under way; a new one when there is none, or the last one failed. One that was cut off is opened again.

        `label` sets a repetition apart from the first measurement. `settings` are the scale's (`Scale.settings`): what was measured with others is not it.
        """
        owner = select(ImplementationRow.id).where(ImplementationRow.id == implementation_id, ImplementationRow.design_id == design_id)
        with self._db.write() as c:
            if c.execute(owner.with_for_update(key_share=True)).first() is None:  # locked: two who start at once get one row
                raise NotFound(f"{design_id} has no implementation {implementation_id}", "implement it first")
            row = c.execute(_newest(implementation_id, scale, seed, corpus_hash, label, settings)).first()
            if row is not None and row.provenance.get("cut_off"):
                c.execute(update(V).where(V.id == row.id).values(finished_at=None, failure="", provenance={}, settings=settings or row.settings))
                row = c.execute(select(V).where(V.id == row.id)).one()
            elif row is None or row.failure:
                done = c.execute(insert(V).values(
                    design_id=design_id, implementation_id=implementation_id, scale=scale, seed=seed, corpus=corpus, corpus_hash=corpus_hash,
                    label=label, created_at=datetime.now(UTC), failure="", provenance={}, settings=settings))
                row = c.execute(select(V).where(V.id == done.inserted_primary_key[0])).one()
            return _verifications(c, [row])[0]

    def find(self, implementation_id: int, scale: str, seed: int, corpus_hash: str, label: str = "", settings: str = "") -> Verification | None:
        """The newest row of this measurement, failed ones included."""
        with self._db.read() as c:
            row = c.execute(_newest(implementation_id, scale, seed, corpus_hash, label, settings)).first()
            return _verifications(c, [row])[0] if row else None

    def finish(self, id: int, metrics: Metrics, provenance: Json) -> Verification:
        told = self.get(id)
        settings = told.settings or ("" if told.own_rate else settings_of(provenance.get("scale") or {}))   # at its own rate the provenance has that one
        return self._end(id, bits_per_byte=metrics.bits_per_byte, metrics=asdict(metrics), provenance=provenance, settings=settings)

    def fail(self, id: int, reason: str, provenance: Json) -> Verification:
        return self._end(id, failure=reason, provenance=provenance)

    def cut_off(self, id: int, reason: str) -> Verification:
        """It failed for its surroundings' sake; `start` opens it again."""
        return self._end(id, failure=reason, provenance={"cut_off": True})

    def _end(self, id: int, **values: object) -> Verification:
        self.get(id)
        with self._db.write() as c:
            done = c.execute(update(V).where(V.id == id, V.finished_at.is_(None)).values(finished_at=datetime.now(UTC), **values))
            if done.rowcount == 0:
                raise Conflict(f"verification {id} is finished already", "its first result stands")
        return self.get(id)

    def get(self, id: int) -> Verification:
        with self._db.read() as c:
            row = c.execute(select(V).where(V.id == id)).first()
            if row is None:
                raise NotFound(f"there is no verification {id}", "see: python -m core show DESIGN")
            return _verifications(c, [row])[0]

    def of(self, design_id: str) -> list[Verification]:
        with self._db.read() as c:
            return _verifications(c, c.execute(select(V).where(V.design_id == design_id).order_by(V.id)).all())

    def all(self, scale: str | None = None) -> list[Verification]:
        query = select(V).order_by(V.id)
        with self._db.read() as c:
            return _verifications(c, c.execute(query if scale is None else query.where(V.scale == scale)).all())

    def scored(self, scale: str, most: int, design_ids: Sequence[str]) -> list[Verification]:
        """The newest `most` with a score, and all that these designs have; oldest first."""
        scored = (V.scale == scale, V.bits_per_byte.is_not(None))
        newest = select(V.id).where(*scored).order_by(V.id.desc()).limit(most)
        with self._db.read() as c:
            return _verifications(c, c.execute(select(V).where(*scored, or_(V.id.in_(newest), V.design_id.in_(design_ids))).order_by(V.id)).all())

    def scored_at(self, design_ids: Sequence[str]) -> dict[str, set[str]]:
        """Scale → which of these designs have a score there."""
        query = select(V.scale, V.design_id).where(V.design_id.in_(design_ids), V.bits_per_byte.is_not(None)).distinct()
        found: dict[str, set[str]] = {}
        with self._db.read() as c:
            for scale, design_id in c.execute(query):
                found.setdefault(scale, set()).add(design_id)
        return found

    def scales(self) -> set[str]:
        """At which anything has a score."""
        with self._db.read() as c:
            return set(c.execute(select(V.scale).where(V.bits_per_byte.is_not(None)).distinct()).scalars())

    def failed(self, scale: str, most: int) -> list[Verification]:
        """The newest that ended without a score, newest first."""
        with self._db.read() as c:
            return _verifications(c, c.execute(select(V).where(V.scale == scale, V.failure != "").order_by(V.id.desc()).limit(most)).all())

    def counted(self, scale: str | None = None) -> list[Verification]:
        """Those that may be compared (core/store/current.py), suspicious ones and every corpus among them, and those at designs' own rates, which are compared
        among themselves only."""
        with self._db.read() as c:
            query = select(V).where(V.bits_per_byte.is_not(None), with_settings(self._current.settings(c))).order_by(V.id)
            return newest_code(_verifications(c, c.execute(query if scale is None else query.where(V.scale == scale)).all()))

    def corpus_of(self, design_ids: Sequence[str]) -> str | None:
        """The hash of the corpus on which most of these designs' scores were measured."""
        query = select(V.corpus_hash).where(V.design_id.in_(design_ids), V.bits_per_byte.is_not(None)).group_by(V.corpus_hash).order_by(func.count().desc(), func.min(V.id)).limit(1)
        with self._db.read() as c:
            return c.execute(query).scalar()

    def suspects(self) -> dict[int, Suspect]:
        """Those too good to be counted without an audit, audited or not."""
        with self._db.read() as c:
            return suspects(c)


def _newest(implementation_id: int, scale: str, seed: int, corpus_hash: str, label: str, settings: str) -> Select:
    key = (V.implementation_id == implementation_id, V.scale == scale, V.seed == seed, V.corpus_hash == corpus_hash, V.label == label,
           V.settings.in_([settings, ""]) if settings else true())
    return select(V).where(*key).order_by(V.id.desc()).limit(1)


def _verifications(c: Connection, rows: Sequence[Row]) -> list[Verification]:
    """With the tasks that were scored later merged in."""
    ids = [r.id for r in rows]
    query = select(TaskRow.verification_id, TaskRow.task, TaskRow.scores)
    later: dict[int, dict[str, Json]] = {}
    for id, task, scores in c.execute(query.where(TaskRow.verification_id.in_(ids)) if len(ids) < 500 else query) if ids else ():
        later.setdefault(id, {})[task] = scores
    return [Verification(r.id, r.design_id, r.implementation_id, r.scale, r.seed, r.corpus, r.corpus_hash, r.created_at, r.finished_at,
                         Metrics(**{**r.metrics, "tasks": {**r.metrics["tasks"], **later.get(r.id, {})}}) if r.metrics else None, r.failure, r.provenance, r.label, r.settings)
            for r in rows]
