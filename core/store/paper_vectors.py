"""Embeddings of the papers' cards: an index, written anew when a card changes."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, insert, select

from core.store.engine import Database
from core.store.paper_tables import VectorRow


class Vectors:
    def __init__(self, database: Database) -> None:
        self._db = database

    def hashes(self, model: str) -> dict[int, str]:
        """Paper's number → hash of the card that its vector was made of."""
        with self._db.read() as c:
            return {r.paper_seq: r.card_hash for r in c.execute(select(VectorRow.paper_seq, VectorRow.card_hash).where(VectorRow.model == model))}

    def put(self, model: str, rows: Sequence[tuple[int, str, Sequence[float]]]) -> None:
        import numpy as np

        with self._db.write() as c:
            c.execute(delete(VectorRow).where(VectorRow.model == model, VectorRow.paper_seq.in_([seq for seq, _, _ in rows])))
            for seq, card, vector in rows:
                v = np.asarray(vector, dtype=np.float32)
                c.execute(insert(VectorRow).values(paper_seq=seq, model=model, card_hash=card, vector=(v / max(float(np.linalg.norm(v)), 1e-12)).tobytes()))

    def likest(self, model: str, vector: Sequence[float], limit: int) -> list[int]:
        """By cosine. Vectors of another length, from a model that was changed under its name, are left out."""
        import numpy as np

        v = np.asarray(vector, dtype=np.float32)
        with self._db.read() as c:
            rows = [(r.paper_seq, r.vector) for r in c.execute(select(VectorRow.paper_seq, VectorRow.vector).where(VectorRow.model == model)) if len(r.vector) == v.nbytes]
        if not rows:
            return []
        scores = np.frombuffer(b"".join(b for _, b in rows), dtype=np.float32).reshape(len(rows), -1) @ (v / max(float(np.linalg.norm(v)), 1e-12))
        return [rows[i][0] for i in np.argsort(-scores, kind="stable")[:limit]]
