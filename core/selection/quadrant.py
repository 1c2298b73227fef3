"""`quadrant`: fitness × confidence, as Genesys selects (arXiv 2506.20249): good or poor, sure or unsure, each split at its median.

Parents are mostly good and sure (exploit), now and then poor and sure (explore). What is verified is mostly good and unsure, now and then poor and unsure. Confidence counts
rungs and seeds; fitness is the rank at the largest rung where a design was measured.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

import networkx as nx

from core.selection.climb import Need, Step
from core.selection.reading import measured, seeds, stream
from core.selection.simple import Simple
from core.types import Design

EXPLOIT = 0.8        # the share of choices among the good ones; a judgement
ASIDE = 1e-3         # what a design in another quadrant weighs


class QuadrantSelector(Simple):
    rule = f"good and sure ones {EXPLOIT:.0%} of the time, poor and sure ones else"
    rank_words = "unsure"

    def wanted(self, tree: nx.DiGraph, scale: str) -> set[str]:
        """All that are in the quadrants that may be verified: the unsure ones."""
        return set(measured(tree, scale))

    def order(self, tree: nx.DiGraph) -> Callable[[Step], tuple]:
        usual, good = super().order(tree), stream(self.seed, "verify", tree).random() < EXPLOIT
        fitness, confidence = self._scored(tree)

        def key(step: Step) -> tuple:
            if step.need is Need.FIRST:
                return 0, *usual(step)
            own = fitness.get(step.design.id, 0.5)
            return 1, (own >= 0.5) != good, confidence.get(step.design.id, 0), -own

        return key

    def fitness(self, tree: nx.DiGraph, pool: list[Design]) -> list[float]:
        good = stream(self.seed, "quadrant", tree).random() < EXPLOIT
        fitness, confidence = self._scored(tree)
        known = [d.id for d in pool if d.id in fitness]
        if not known:
            return [1.0] * len(pool)
        sure = median(confidence[i] for i in known)
        middle = median(fitness[i] for i in known)
        inside = {i for i in known if (fitness[i] >= middle) == good and confidence[i] >= sure}
        return [1.0 if d.id in inside else ASIDE for d in pool]

    def _scored(self, tree: nx.DiGraph) -> tuple[dict[str, float], dict[str, int]]:
        """Design → its rank at its largest rung, 1 best; and rungs and seeds together."""
        fitness: dict[str, float] = {}
        for scale in self.scales:                       # larger rungs overwrite
            scores = measured(tree, scale)
            ranked = sorted(scores, key=lambda n: -scores[n])
            fitness |= {n: (i + 1) / len(ranked) for i, n in enumerate(ranked)}
        return fitness, {n: sum(len(seeds(tree, n, s)) + bool(seeds(tree, n, s)) for s in self.scales) for n in fitness}
