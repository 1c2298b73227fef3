"""How new each design's structure was when it came: its distance to the nearest earlier one, of core/gab/structure.py, for thousands at once. Loads no torch.

The weighted Jaccard index of two bags is the plain one of sets in which a fact that occurs k times stands as k members (fact, 1) … (fact, k). So with a
0/1 row per design the common parts of all pairs are one product of matrices, and |A ∪ B| = |A| + |B| − |A ∩ B|.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from core.gab.structure import features
from core.types import UnitTree

BLOCK = 512                          # rows that are compared at once


class Novelty:
    """Takes trees in the order of their coming and remembers what it was told: each is compared with earlier ones once. Not for several threads at once."""

    def __init__(self) -> None:
        self._columns: dict[tuple[str, int], int] = {}
        self._known: dict[frozenset[int], None] = {}    # distinct structures, oldest first

    def add(self, trees: Iterable[UnitTree]) -> list[float]:
        """0 for a structure that was there before, 1 for one that shares nothing with any; the very first is 1."""
        rows = [self._members(tree) for tree in trees]
        before = len(self._known)
        fresh = [row for row in dict.fromkeys(rows) if row not in self._known]
        self._known.update(dict.fromkeys(fresh))
        distances = dict(zip(fresh, self._distances(before), strict=True))
        return [distances.pop(row, 0.0) for row in rows]

    def _members(self, tree: UnitTree) -> frozenset[int]:
        columns = self._columns
        return frozenset(columns.setdefault((fact, k), len(columns)) for fact, n in features(tree).items() for k in range(n))

    def _distances(self, before: int) -> list[float]:
        """Of every known row from `before` on, to the nearest that is earlier."""
        rows = list(self._known)
        if len(rows) == before:
            return []
        table = np.zeros((len(rows), len(self._columns)), dtype=np.float32)      # (structures, members)
        for i, row in enumerate(rows):
            table[i, list(row)] = 1
        sizes = table.sum(1)
        nearest = np.ones(len(rows) - before)
        for start in range(before, len(rows), BLOCK):
            stop = min(start + BLOCK, len(rows))
            common = table[start:stop] @ table[:stop].T                          # (block, earlier)
            alike = common / np.maximum(1, sizes[start:stop, None] + sizes[None, :stop] - common)
            alike[np.arange(stop)[None, :] >= np.arange(start, stop)[:, None]] = 0   # itself and later ones
            nearest[start - before : stop - before] = 1 - alike.max(1)
        return nearest.tolist()
