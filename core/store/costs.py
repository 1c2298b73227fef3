"""What designs cost at each scale, counted once a gab.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from sqlalchemy import insert, select

from core.store.engine import Database
from core.store.tables import CostRow, ImplementationRow
from core.types import Costs, Scale


class CostTable:
    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, counted: Iterable[tuple[str, Scale, Costs]]) -> None:
        """(code hash, scale, costs); what is there already stays."""
        with self._db.write() as c:
            known = {tuple(row) for row in c.execute(select(CostRow.code_hash, CostRow.scale, CostRow.shape))}
            rows = [{"code_hash": code_hash, "scale": scale.name, "shape": scale.shape, "costs": asdict(costs), "created_at": datetime.now(UTC)}
                    for code_hash, scale, costs in counted if (code_hash, scale.name, scale.shape) not in known]
            if rows:
                c.execute(insert(CostRow), rows)

    def by_design(self, scale: Scale) -> dict[str, Costs]:
        """Of every design's newest code that was counted at the scale as it is now."""
        query = select(ImplementationRow.design_id, CostRow.costs).join(CostRow, CostRow.code_hash == ImplementationRow.code_hash).where(
            CostRow.scale == scale.name, CostRow.shape == scale.shape).order_by(ImplementationRow.id)
        with self._db.read() as c:
            return {design: Costs(**costs) for design, costs in c.execute(query)}

    def at(self, scale: Scale, code_hashes: Sequence[str]) -> dict[str, Costs]:
        """By code hash, of those that were counted at the scale as it is now."""
        query = select(CostRow.code_hash, CostRow.costs).where(CostRow.code_hash.in_(code_hashes), CostRow.scale == scale.name, CostRow.shape == scale.shape)
        with self._db.read() as c:
            return {code_hash: Costs(**costs) for code_hash, costs in c.execute(query)}

    def of(self, code_hash: str, scales: Mapping[str, Scale]) -> dict[str, Costs]:
        """By scale, in the ladder's order, as far as they were counted for the scales as they are now."""
        with self._db.read() as c:
            rows = c.execute(select(CostRow.scale, CostRow.shape, CostRow.costs).where(CostRow.code_hash == code_hash))
            found = {(scale, shape): costs for scale, shape, costs in rows}
        return {name: Costs(**found[name, s.shape]) for name, s in scales.items() if (name, s.shape) in found}
