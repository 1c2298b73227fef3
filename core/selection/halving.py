"""`halving`: asynchronous successive halving over the ladder (ASHA; Li et al. 2020, arXiv 1810.05934, algorithm 2). A design climbs when it is among the best 1/η of its rung, the
highest rung first; otherwise a new one enters at the bottom. Parents are drawn evenly from the best 1/η of the highest rung that has η designs.
"""

from __future__ import annotations

from collections.abc import Callable

import networkx as nx

from core.selection.climb import Need, Step
from core.selection.reading import measured
from core.selection.simple import Simple
from core.types import Design

ETA = 3              # the paper's usual 3 or 4


class HalvingSelector(Simple):
    rule = f"the best 1/{ETA} of the highest rung that has {ETA} designs, all alike"
    rank_words = f"among the best 1/{ETA}"

    def wanted(self, tree: nx.DiGraph, scale: str) -> set[str]:
        return best_share(measured(tree, scale))

    def order(self, tree: nx.DiGraph) -> Callable[[Step], tuple]:
        usual = super().order(tree)
        return lambda step: (0 if step.need is Need.FIRST else -1 - self.scales.index(step.scale), *usual(step))

    def fitness(self, tree: nx.DiGraph, pool: list[Design]) -> list[float]:
        inside = {d.id for d in pool}
        for scale in reversed(self.scales):
            scores = {n: y for n, y in measured(tree, scale).items() if n in inside}
            if len(scores) >= ETA:
                top = best_share(scores)
                return [float(d.id in top) or 1e-3 for d in pool]
        return [1.0] * len(pool)


def best_share(scores: dict[str, float]) -> set[str]:
    return set(sorted(scores, key=lambda n: (scores[n], n))[: len(scores) // ETA])
