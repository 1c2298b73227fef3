"""What the whole tree's structures and costs look like at a glance, kept beside the store and brought up to date by what is new: for screens that show thousands."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from core.store import Store
from core.types import UnitTree

if TYPE_CHECKING:
    from core.gab.novelty import Novelty


class Outlines:
    """Safe in several threads. Reads each proposal once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._last = 0
        self._trees: dict[str, UnitTree] = {}
        self._waiting: dict[str, UnitTree] = {}            # first structures whose novelty is not known yet
        self._novelty: dict[str, float] = {}
        self._measure: Novelty | None = None

    def trees(self) -> Mapping[str, UnitTree]:
        """Every design's newest unit tree."""
        with self._lock:
            self._read()
            return dict(self._trees)

    def novelty(self) -> Mapping[str, float]:
        """0–1 of every design with a unit tree: the distance of its first structure to the nearest that was there before (core/gab/novelty.py)."""
        from core.gab.novelty import Novelty  # numpy, for those who ask

        with self._lock:
            self._read()
            self._measure = self._measure or Novelty()
            self._novelty.update(zip(self._waiting, self._measure.add(self._waiting.values()), strict=True))
            self._waiting.clear()
            return dict(self._novelty)

    def _read(self) -> None:
        for id, design, units in self._store.proposals.units_since(self._last):
            tree, self._last = UnitTree.from_dict(units), id
            if design not in self._trees:
                self._waiting[design] = tree
            self._trees[design] = tree
