"""How alike designs are, in three ways, each a positive semidefinite similarity in [0, 1] with ones on the diagonal.

    ancestry    h_i = e_i / √(1 − r²) for a root, h_i = e_i + r · mean h_parents for a child;  similarity = cosine of h. For one parent each this is the stationary first-order
                process on the tree: r to the power of the number of steps between two relatives (r = KINSHIP). It is the relationship matrix of quantitative genetics
                (Henderson 1976, "A simple method for computing the inverse of a numerator relationship matrix") with r in place of ½.
    structure   Jaccard index of the facts of their unit trees (core/gab/structure.py); a fact that is there twice counts as two
    text        Jaccard index of the words of their proposals

A Jaccard index is positive semidefinite (Gower 1971). Rows are made once per design and kept; a design whose facts, words or parents changed is made anew.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import networkx as nx
import numpy as np
from scipy import sparse

KINSHIP = 0.95       # r: kept high, for the surrogate's lengthscale sharpens it (core/selection/surrogate.py)
FADED = 0.02         # an ancestor that matters less is forgotten: rows stay short
KINDS = ("ancestry", "structure", "text")


class Likeness:
    """`index[design]` is its row. `grown(tree)` gives the one for a tree, made from this one where the tree only grew."""

    def __init__(self) -> None:
        self.index: dict[str, int] = {}
        self._signature: list[tuple] = []
        self._kin: list[dict[int, float]] = []           # ancestry rows before they are made a matrix
        self._facts = _Bags()
        self._words = _Bags()
        self._kinship: sparse.csr_array | None = None

    def grown(self, tree: nx.DiGraph) -> Likeness:
        known = len(self._signature)
        order = [n for n in nx.topological_sort(tree)] if not _in_order(tree) else list(tree)
        signature = [_signature(tree, node) for node in order]
        made = self if signature[:known] == self._signature else Likeness()
        for node, sign in zip(order[len(made._signature):], signature[len(made._signature):], strict=True):
            made._add(node, sign)
        return made

    def _add(self, node: str, signature: tuple) -> None:
        _, parents, facts, words = signature
        row = self.index[node] = len(self._signature)
        self._signature.append(signature)
        kin = {row: 1.0 if parents else 1 / np.sqrt(1 - KINSHIP**2)}
        for parent in parents:
            for ancestor, weight in self._kin[self.index[parent]].items():
                kin[ancestor] = kin.get(ancestor, 0.0) + KINSHIP * weight / len(parents)
        most = max(kin.values())
        self._kin.append({a: w for a, w in kin.items() if w >= FADED * most})
        self._facts.add(facts)
        self._words.add(words)
        self._kinship = None

    def between(self, kind: str, rows: Sequence[int] | np.ndarray, columns: Sequence[int] | np.ndarray) -> np.ndarray:
        """(rows, columns) of similarities of one of KINDS, float32."""
        if kind == "ancestry":
            if self._kinship is None:
                self._kinship = _unit_rows(self._kin)
            found = (self._kinship[rows] @ self._kinship[columns].T).toarray()
        else:
            found = (self._facts if kind == "structure" else self._words).jaccard(rows, columns)
        found[np.asarray(rows)[:, None] == np.asarray(columns)[None]] = 1.0
        return np.clip(found, 0.0, 1.0, out=found)


class _Bags:
    """Sets of words as rows of a sparse binary matrix."""

    def __init__(self) -> None:
        self._place: dict[str, int] = {}
        self._columns: list[int] = []
        self._ends: list[int] = [0]
        self._matrix: sparse.csr_array | None = None

    def add(self, bag: Collection[str]) -> None:
        self._columns += [self._place.setdefault(word, len(self._place)) for word in sorted(bag)]
        self._ends.append(len(self._columns))
        self._matrix = None

    def jaccard(self, rows: Sequence[int] | np.ndarray, columns: Sequence[int] | np.ndarray) -> np.ndarray:
        if self._matrix is None:
            shape = (len(self._ends) - 1, max(1, len(self._place)))
            self._matrix = sparse.csr_array((np.ones(len(self._columns), np.float32), self._columns, self._ends), shape=shape)
        a, b = self._matrix[rows], self._matrix[columns]
        both = (a @ b.T).toarray()
        return both / np.maximum(a.sum(1)[:, None] + b.sum(1)[None] - both, 1.0)


def _unit_rows(rows: list[dict[int, float]]) -> sparse.csr_array:
    values = np.concatenate([np.fromiter(r.values(), np.float32, len(r)) / np.sqrt(sum(w * w for w in r.values())) for r in rows])
    columns = np.concatenate([np.fromiter(r, np.int64, len(r)) for r in rows])
    return sparse.csr_array((values.astype(np.float32), columns, np.cumsum([0, *map(len, rows)])), shape=(len(rows), len(rows)))


def _signature(tree: nx.DiGraph, node: str) -> tuple:
    data = tree.nodes[node]
    return node, tuple(p for p in data["design"].parents if p in tree), data.get("units", frozenset()), data.get("words", frozenset())


def _in_order(tree: nx.DiGraph) -> bool:
    """Whether parents come before their children."""
    seen: set[str] = set()
    for node in tree:
        if any(p not in seen for p in tree.predecessors(node)):
            return False
        seen.add(node)
    return True
