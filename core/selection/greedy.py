"""Two simple selectors: `greedy` prefers parents that scored well, `random` does not look at scores.

Both verify the reference first (a score means nothing without it), then each new design at the cheapest scale that has budget,
then let the better half of each scale climb to the next.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import networkx as nx

from core.selection.base import Rung
from core.selection.reading import loss
from core.selection.simple import Simple
from core.types import Design

TEMPERATURE = 0.03  # bits per byte: about the gap between good and middling references at nano


class GreedySelector(Simple):
    """Fitness-weighted parents: softmax of −bits per byte at the largest scale where a design was measured."""

    def __init__(self, seed: int, scales: list[str], greedy: bool = True, rungs: Mapping[str, Rung] | None = None) -> None:
        super().__init__(seed, scales, rungs)
        self.greedy = greedy
        self.rule = f"low bits per byte weighs more: softmax at {TEMPERATURE:g}" if greedy else "all alike, scores are not looked at"

    def fitness(self, tree: nx.DiGraph, pool: list[Design]) -> list[float]:
        return softmax(tree, pool, self.scales) if self.greedy else [1.0] * len(pool)


def softmax(tree: nx.DiGraph, pool: list[Design], scales: list[str], temperature: float = TEMPERATURE) -> list[float]:
    """Over fitness; a design without a score counts as the median of those with one."""
    found = [known[1] if (known := loss(tree, d.id, scales)) else math.inf for d in pool]
    losses = sorted(x for x in found if x < math.inf)
    if not losses:
        return [1.0] * len(pool)
    middle = losses[len(losses) // 2]
    return [math.exp(-((middle if x == math.inf else x) - losses[0]) / temperature) + 1e-3 for x in found]
