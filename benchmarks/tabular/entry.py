"""One design of a table. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass

from core.types import Json, Kind, Mode, UnitTree


@dataclass(frozen=True)
class Entry:
    """One design of a table."""

    id: str                          # a reference's slug, or "d017": the seventeenth that was made
    kind: Kind
    mode: Mode
    parents: tuple[str, ...]         # as it was generated
    title: str
    units: UnitTree
    hash: str                        # of its code without the wording (core/gab/canonical.py)

    def to_dict(self) -> Json:
        return {"id": self.id, "kind": str(self.kind), "mode": str(self.mode), "parents": list(self.parents), "title": self.title, "hash": self.hash,
                "units": self.units.to_dict()}

    @classmethod
    def from_dict(cls, data: Json) -> Entry:
        return cls(data["id"], Kind(data["kind"]), Mode(data["mode"]), tuple(data["parents"]), data["title"], UnitTree.from_dict(data["units"]), data["hash"])
