"""What hangs on a verification besides its metrics: tasks, documents, the test split, audits; and probes and timed runs of a design."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from sqlalchemy import insert, select

from core.errors import Conflict
from core.store.engine import Database
from core.store.tables import AuditRow, DocumentsRow, ProbeRow, TaskRow, TestScoreRow, TimingRow
from core.types import Audit, Documents, Json, ProbeResult, Scale, TestScore, Timing


class Measurements:
    def __init__(self, database: Database) -> None:
        self._db = database

    # ------------------------------------------------------------------------------------------ tasks and documents

    def add_tasks(self, verification_id: int, scores: Mapping[str, Mapping[str, float]], items: Mapping[str, Sequence[int]]) -> None:
        """`items`: 1 where an item was right, in the task's order; what is there already stays."""
        rows = [{"verification_id": verification_id, "task": task, "scores": dict(found), "items": zlib.compress(bytes(items.get(task, ()))), "created_at": datetime.now(UTC)}
                for task, found in scores.items()]
        if rows:
            with self._db.write() as c:
                c.execute(self._db.insert(TaskRow).on_conflict_do_nothing(), rows)

    def items(self, verification_id: int) -> dict[str, list[int]]:
        """task → 1 or 0 an item."""
        with self._db.read() as c:
            rows = c.execute(select(TaskRow.task, TaskRow.items).where(TaskRow.verification_id == verification_id).order_by(TaskRow.task)).all()
        return {task: list(zlib.decompress(items)) for task, items in rows}

    def add_documents(self, verification_id: int, split: str, documents: Documents) -> None:
        """What is there already stays."""
        with self._db.write() as c:
            c.execute(self._db.insert(DocumentsRow).values(verification_id=verification_id, split=split, bits=_packed(documents.bits),
                                                           bytes_=_packed(documents.bytes)).on_conflict_do_nothing())

    def documents(self, verification_id: int, split: str = "valid") -> Documents | None:
        query = select(DocumentsRow.bits, DocumentsRow.bytes_).where(DocumentsRow.verification_id == verification_id, DocumentsRow.split == split)
        with self._db.read() as c:
            row = c.execute(query).first()
        return Documents(_unpacked(row[0]), _unpacked(row[1])) if row else None

    # ------------------------------------------------------------------------------------------ the test split, audits

    def add_test_score(self, verification_id: int, bits_per_byte: float, se: float, documents: int, author: str) -> TestScore:
        """Once a verification: a second score raises Conflict."""
        values = {"bits_per_byte": bits_per_byte, "bits_per_byte_se": se, "documents": documents, "author": author, "created_at": datetime.now(UTC)}
        with self._db.write() as c:
            done = c.execute(self._db.insert(TestScoreRow).values(verification_id=verification_id, **values).on_conflict_do_nothing())
            if done.rowcount == 0:
                raise Conflict(f"verification {verification_id} has its test score already", "it is scored once")
        return TestScore(verification_id, **values)

    def test_scores(self) -> dict[int, TestScore]:
        with self._db.read() as c:
            rows = c.execute(select(TestScoreRow).order_by(TestScoreRow.created_at)).all()
        return {r.verification_id: TestScore(r.verification_id, r.bits_per_byte, r.bits_per_byte_se, r.documents, r.author, r.created_at) for r in rows}

    def add_audit(self, verification_id: int, passed: bool, evidence: str) -> None:
        with self._db.write() as c:
            c.execute(insert(AuditRow).values(verification_id=verification_id, passed=passed, evidence=evidence, created_at=datetime.now(UTC)))

    def audits(self) -> dict[int, Audit]:
        """The newest of each verification."""
        with self._db.read() as c:
            rows = c.execute(select(AuditRow).order_by(AuditRow.id)).all()
        return {r.verification_id: Audit(r.id, r.verification_id, r.passed, r.evidence, r.created_at) for r in rows}

    # ------------------------------------------------------------------------------------------ probes, timed runs

    def add_probes(self, design_id: str, implementation_id: int, results: Sequence[ProbeResult], provenance: Json) -> None:
        rows = [{"design_id": design_id, "implementation_id": implementation_id, "suite": r.suite, "task": r.task, "level": r.level, "seed": r.seed,
                 "result": asdict(r), "provenance": provenance, "created_at": datetime.now(UTC)} for r in results]
        if rows:
            with self._db.write() as c:
                c.execute(insert(ProbeRow), rows)

    def probes(self, design_id: str | None = None) -> list[tuple[str, int, ProbeResult]]:
        """(design, implementation, result) of each probe as it was last defined, oldest first; a later one of the same task, level and seed stands beside the earlier."""
        query = select(ProbeRow.design_id, ProbeRow.implementation_id, ProbeRow.result, ProbeRow.provenance).order_by(ProbeRow.id)
        with self._db.read() as c:
            rows = [(owner, implementation, ProbeResult(**result), facts.get("hash")) for owner, implementation, result, facts in c.execute(query)]
        defined = {(p.suite, p.task, p.level): definition for _, _, p, definition in rows}
        return [(owner, implementation, p) for owner, implementation, p, definition in rows
                if definition == defined[p.suite, p.task, p.level] and design_id in (None, owner)]

    def probed(self, design_id: str, implementation_id: int) -> list[tuple[ProbeResult, Json]]:
        """(result, its provenance) of one implementation, oldest first."""
        query = select(ProbeRow.result, ProbeRow.provenance).where(ProbeRow.design_id == design_id, ProbeRow.implementation_id == implementation_id).order_by(ProbeRow.id)
        with self._db.read() as c:
            return [(ProbeResult(**result), provenance) for result, provenance in c.execute(query)]

    def add_timing(self, code_hash: str, scale: Scale, machine: str, timing: Timing) -> None:
        data = {k: v for k, v in asdict(timing).items() if k != "created_at"}
        with self._db.write() as c:
            c.execute(insert(TimingRow).values(code_hash=code_hash, scale=scale.name, shape=scale.shape, machine=machine, data=data, created_at=datetime.now(UTC)))

    def timings(self, scale: Scale, machine: str) -> dict[str, Timing]:
        """code hash → the newest timed run at the scale as it is now, on that kind of machine."""
        query = select(TimingRow.code_hash, TimingRow.data, TimingRow.created_at).where(
            TimingRow.scale == scale.name, TimingRow.shape == scale.shape, TimingRow.machine == machine).order_by(TimingRow.id)
        with self._db.read() as c:
            return {code_hash: Timing(**data, created_at=at) for code_hash, data, at in c.execute(query)}


def _packed(values: Sequence[float]) -> bytes:
    return zlib.compress(array("f", values).tobytes())


def _unpacked(data: bytes) -> tuple[float, ...]:
    found = array("f")
    found.frombytes(zlib.decompress(data))
    return tuple(found)
