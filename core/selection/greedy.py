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
from core.types import DESIGN_BUDGET, Act, Candidate, Design, Explanation, Gates, Kind, Mode, Parents, Status, derive_seed

# Shares of the modes: the published system (Genesys, arXiv 2506.20249) mixes mutation and crossover about equally; the small share of
# scratch designs keeps the tree from closing over its roots. A judgement, not a measurement.
MODES = {Mode.MUTATION: 0.45, Mode.CROSSOVER: 0.45, Mode.SCRATCH: 0.10}
EXPLAINED = 12       # candidates that are told of
TEMPERATURE = 0.03  # bits per byte: about the gap between good and middling references at nano


class GreedySelector:
    """Fitness-weighted parents: softmax of −bits per byte at the largest scale where a design was measured."""

    weighs = True        # boosts and pins are in the weights

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

    def explain(self, tree: nx.DiGraph, what: Parents | tuple[str, str], budgets: Mapping[str, float]) -> Explanation:
        """Of parents: everyone's share of the draw. Of a verification: the order in which candidates come, and why."""
        return self._why_parents(tree, what) if isinstance(what, Parents) else self._why_verify(tree, what, budgets)

    def _why_parents(self, tree: nx.DiGraph, parents: Parents) -> Explanation:
        pool = [d for d in _designs(tree) if d.status in (Status.IMPLEMENTED, Status.VERIFIED)]
        weights = self._weights(pool)
        shares = sorted(zip(pool, weights, strict=True), key=lambda pair: -pair[1])
        told = tuple(Candidate(d.id, str(parents.mode), round(w / sum(weights), 4), self._score_words(d)) for i, (d, w) in enumerate(shares) if i < EXPLAINED or d.id in parents.ids)
        mode = f"{parents.mode} was drawn ({', '.join(f'{m} {share:.0%}' for m, share in MODES.items())})"
        if not parents.ids:
            return Explanation(f"{mode[0].upper()}{mode[1:]}: no parent is needed.", told)
        own = {d.id: w / sum(weights) for d, w in shares}
        rule = f"low bits per byte weighs more: softmax at {TEMPERATURE:g}" if self.greedy else "all alike, scores are not looked at"
        drawn = " and ".join(f"{i} with a share of {own.get(i, 0):.0%}" for i in parents.ids)
        return Explanation(f"{mode[0].upper()}{mode[1:]}; then {drawn} ({rule}).", told)

    def _why_verify(self, tree: nx.DiGraph, what: tuple[str, str], budgets: Mapping[str, float]) -> Explanation:
        ordered = sorted(self._candidates(tree, budgets), key=self._priority)
        told = tuple(Candidate(d.id, scale, None, self._place(d, scale)) for d, scale in ordered[:EXPLAINED])
        first = next((self._place(d, scale) for d, scale in ordered if (d.id, scale) == what), "")
        return Explanation(f"{what[0]} at {what[1]}: {first}." + (f" {len(ordered) - 1} other{'s' if len(ordered) > 2 else ''} could be paid for." if len(ordered) > 1 else ""), told)

    def _place(self, design: Design, scale: str) -> str:
        """Why it stands where it does in the order."""
        if design.id == REFERENCE:
            return "the reference comes first, a score says nothing without it"
        if design.kind is Kind.REFERENCE:
            return "another reference, when no new design waits"
        at = self.scales.index(scale)
        climb = f"in the better half at {self.scales[at - 1]} ({design.scores.get(self.scales[at - 1], math.inf):.4f})" if at else "new, at the cheapest scale first"
        return climb + (f", rated {design.rating:.1f}" if design.rating is not None and not at else "")

    def _score_words(self, design: Design) -> str:
        scale = next((s for s in reversed(self.scales) if s in design.scores), None)
        return f"{design.scores[scale]:.4f} at {scale}" if scale else "not measured: counts as the median"

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
        """Fitness times what a person boosts; one that is pinned weighs as much as the mean at least."""
        weights = self._fitness(pool)
        mean = sum(weights) / max(1, len(weights))
        return [(max(w, mean) if d.pinned else w) * d.boost for w, d in zip(weights, pool, strict=True)]

    def _fitness(self, pool: list[Design]) -> list[float]:
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
