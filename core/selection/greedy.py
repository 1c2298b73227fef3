"""Two simple selectors: `greedy` prefers parents that scored well, `random` does not look at scores.

Both verify the reference first (a score means nothing without it), then each new design at the cheapest scale that has budget,
then promote the best of each scale to the next.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random

import networkx as nx

from core.errors import UsageError
from core.selection.base import REFERENCE
from core.types import DESIGN_BUDGET, Act, Design, Gates, Kind, Mode, Parents, Status, derive_seed

# Shares of the modes: the published system (Genesys, arXiv 2506.20249) mixes mutation and crossover about equally; the small share of
# scratch designs keeps the tree from closing over its roots. A judgement, not a measurement.
MODES = {Mode.MUTATION: 0.45, Mode.CROSSOVER: 0.45, Mode.SCRATCH: 0.10}
TEMPERATURE = 0.03  # bits per byte: about the gap between good and middling references at nano


class GreedySelector:
    """Fitness-weighted parents: softmax of −bits per byte at the largest scale where a design was measured."""

    def __init__(self, seed: int, scales: list[str], greedy: bool = True) -> None:
        self.seed = seed
        self.scales = scales  # cheapest first
        self.greedy = greedy

    def next_act(self, tree: nx.DiGraph, budgets: Mapping[str, float], gates: Gates) -> Act | None:
        candidates = self._candidates(tree, budgets)
        urgent = any(d.id == REFERENCE or d.kind is not Kind.REFERENCE for d, _ in candidates)
        if urgent:
            return Act.VERIFY
        if budgets.get(DESIGN_BUDGET, 0) >= 1:
            return Act.DESIGN
        return Act.VERIFY if candidates else None

    def parents(self, tree: nx.DiGraph) -> Parents:
        rng = self._rng("parents", tree)
        pool = [d for d in _designs(tree) if d.status in (Status.IMPLEMENTED, Status.VERIFIED)]
        mode = rng.choices(list(MODES), list(MODES.values()))[0]
        wanted = {Mode.SCRATCH: 0, Mode.MUTATION: 1, Mode.CROSSOVER: 2}[mode]
        if len(pool) < wanted:
            return Parents(Mode.SCRATCH, ())
        chosen: list[Design] = []
        while len(chosen) < wanted:
            rest = [d for d in pool if d not in chosen]
            chosen.append(rng.choices(rest, self._weights(rest))[0])
        return Parents(mode, tuple(d.id for d in chosen))

    def choose(self, tree: nx.DiGraph, budgets: Mapping[str, float]) -> tuple[str, str]:
        candidates = self._candidates(tree, budgets)
        if not candidates:
            raise UsageError("there is nothing to verify", "implement a design or raise a scale's budget")
        design, scale = min(candidates, key=self._priority)
        return design.id, scale

    def learn(self, tree: nx.DiGraph) -> None:
        """Nothing to refit: every choice reads the scores from the tree."""

    def _priority(self, candidate: tuple[Design, str]) -> tuple:
        design, scale = candidate
        return (design.id != REFERENCE, design.kind is Kind.REFERENCE, self.scales.index(scale), self._loss(design),
                -(design.rating or 0.0), design.created_at, design.id)

    def _candidates(self, tree: nx.DiGraph, budgets: Mapping[str, float]) -> list[tuple[Design, str]]:
        """Each design that runs, with the next scale of its climb if that can be paid for."""
        found = []
        for node, data in tree.nodes(data=True):
            design: Design = data["design"]
            if design.status not in (Status.IMPLEMENTED, Status.VERIFIED):
                continue
            tried = data.get("tried", set())
            scale = next((s for s in self.scales if s not in tried), None)
            climbs = scale is not None and (scale == self.scales[0] or self._leads(tree, node, scale))
            if climbs and budgets.get(scale, 0) >= 1:
                found.append((design, scale))
        return found

    def _leads(self, tree: nx.DiGraph, node: str, scale: str) -> bool:
        """Whether the design is in the better half of those measured one scale below, or is the reference."""
        below = self.scales[self.scales.index(scale) - 1]
        scores = sorted(d.scores[below] for d in _designs(tree) if below in d.scores)
        own = tree.nodes[node]["design"].scores.get(below)
        return node == REFERENCE or (own is not None and own <= scores[(len(scores) - 1) // 2])

    def _loss(self, design: Design) -> float:
        for scale in reversed(self.scales):
            if scale in design.scores:
                return design.scores[scale]
        return math.inf

    def _weights(self, pool: list[Design]) -> list[float]:
        """Softmax over fitness; a design without a score counts as the median of those with one."""
        if not self.greedy:
            return [1.0] * len(pool)
        losses = sorted(loss for d in pool if (loss := self._loss(d)) < math.inf)
        if not losses:
            return [1.0] * len(pool)
        middle = losses[len(losses) // 2]
        known = [middle if self._loss(d) == math.inf else self._loss(d) for d in pool]
        return [math.exp(-(loss - losses[0]) / TEMPERATURE) + 1e-3 for loss in known]

    def _rng(self, step: str, tree: nx.DiGraph) -> Random:
        tried = sum(len(data.get("tried", ())) for _, data in tree.nodes(data=True))
        return Random(derive_seed(self.seed, step, tree.number_of_nodes(), tried))


def _designs(tree: nx.DiGraph) -> list[Design]:
    return [data["design"] for _, data in tree.nodes(data=True)]
