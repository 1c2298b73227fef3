"""How new a parent is, and how unlike another: what adds to the draw of `bayes` (core/selection/bayes.py)."""

from __future__ import annotations

from collections.abc import Sequence

import networkx as nx
import numpy as np

from core.selection.belief import Belief

NEAREST = 5          # neighbours by which novelty is told


def novelty(tree: nx.DiGraph, belief: Belief, nodes: Sequence[str]) -> np.ndarray:
    """0–1: the distance to the nearest designs, less the more children there are."""
    rows = belief.rows(nodes)
    kind = belief.telling
    apart = np.ones(len(nodes))
    if kind and len(nodes) > 1:
        near = np.sort(belief.likeness.between(kind, rows, rows), 1)[:, ::-1][:, 1 : 1 + NEAREST]
        apart = 1 - near.mean(1)
    children = np.array([tree.out_degree(n) for n in nodes])
    return apart / np.sqrt(1 + children)


def unlike(belief: Belief, nodes: Sequence[str], one: int, cov: np.ndarray) -> np.ndarray:
    """0–1: how little a design shares with the first parent: units or ancestors, and what is unknown of both."""
    rows = belief.rows(nodes)
    kind = belief.telling
    alike = belief.likeness.between(kind, rows[one : one + 1], rows)[0] if kind else np.zeros(len(nodes))
    sd = np.sqrt(np.maximum(np.diag(cov), 1e-12))
    together = np.clip(cov[one] / (sd[one] * sd), 0, 1)
    return 1 - (alike + together) / 2
