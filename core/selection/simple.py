"""What the simple selectors share: they take the steps of the climb in an order of their own, and draw parents by weights of their own.

New designs are measured before the next is designed; known architectures other than the reference only when nothing else is left to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import networkx as nx

from core.errors import UsageError
from core.selection.base import Rung, ladder
from core.selection.climb import Climb, Need, Step
from core.selection.reading import best_measured, loss, measured, runnable, stream
from core.types import DESIGN_BUDGET, Act, Candidate, Design, Explanation, Gates, Mode, Parents

# Shares of the modes: the published system (Genesys, arXiv 2506.20249) mixes mutation and crossover about equally; the small share of
# scratch designs keeps the tree from closing over its roots. A judgement, not a measurement.
MODES = {Mode.MUTATION: 0.45, Mode.CROSSOVER: 0.45, Mode.SCRATCH: 0.10}
WANTED = {Mode.SCRATCH: 0, Mode.MUTATION: 1, Mode.CROSSOVER: 2}      # parents
EXPLAINED = 12       # candidates that are told of
WORDS = {Need.REFERENCE: "the reference comes first, a score says nothing without it", Need.FIRST: "new, at the cheapest scale first", Need.KNOWN: "another reference, when no new design waits",
         Need.CONFIRM: "a further seed before it may climb", Need.CLIMB: "it climbs", Need.AGAIN: "a further seed"}


def nothing_left() -> UsageError:
    return UsageError("there is nothing to verify", "implement a design or raise a scale's budget")


def mode_words(mode: Mode) -> str:
    return f"{str(mode).capitalize()} was drawn ({', '.join(f'{m} {share:.0%}' for m, share in MODES.items())})"


def designing_pays(budgets: Mapping[str, float]) -> bool:
    return budgets.get(DESIGN_BUDGET, 0) >= 1


class Simple:
    """`scales`: cheapest first. Subclasses say whom they want higher up, in which order, and which parents weigh what."""

    weighs = True        # boosts and pins are in the weights
    rule = "all alike"   # of the weights, in words

    def __init__(self, seed: int, scales: list[str], rungs: Mapping[str, Rung] | None = None) -> None:
        self.seed = seed
        self.scales = list(scales)
        self.rungs = ladder(scales, rungs)
        self.climb = Climb(self.scales, self.rungs)

    # ------------------------------------------------------------------------------------------ what subclasses may change

    def wanted(self, tree: nx.DiGraph, scale: str) -> set[str]:
        """Whom of those measured at the scale it would like to see above it: the better half."""
        scores = measured(tree, scale)
        middle = sorted(scores.values())[(len(scores) - 1) // 2] if scores else 0.0
        return {n for n, score in scores.items() if score <= middle}

    def order(self, tree: nx.DiGraph) -> Callable[[Step], tuple]:
        """The key of a step, smaller is sooner, among steps of one need: cheap rungs, low scores, high ratings, old designs first."""
        def key(step: Step) -> tuple:
            known = loss(tree, step.design.id, self.scales)
            return self.scales.index(step.scale), known[1] if known else 0.0, -(step.design.rating or 0.0), step.design.created_at

        return key

    def fitness(self, tree: nx.DiGraph, pool: list[Design]) -> list[float]:
        """What each weighs as a parent."""
        return [1.0] * len(pool)

    # ------------------------------------------------------------------------------------------ the protocol

    def next_act(self, tree: nx.DiGraph, budgets: Mapping[str, float], gates: Gates) -> Act | None:
        steps = self._steps(tree, budgets)
        if any(s.need is not Need.KNOWN for s in steps):
            return Act.VERIFY
        if designing_pays(budgets):
            return Act.DESIGN
        return Act.VERIFY if steps else None

    def parents(self, tree: nx.DiGraph) -> Parents:
        rng = stream(self.seed, "parents", tree)
        pool = runnable(tree)
        mode = rng.choices(list(MODES), list(MODES.values()))[0]
        if len(pool) < WANTED[mode]:
            return Parents(Mode.SCRATCH, ())
        chosen: list[Design] = []
        while len(chosen) < WANTED[mode]:
            rest = [d for d in pool if d not in chosen]
            chosen.append(rng.choices(rest, self._weights(tree, rest))[0])
        return Parents(mode, tuple(d.id for d in chosen))

    def choose(self, tree: nx.DiGraph, budgets: Mapping[str, float]) -> tuple[str, str]:
        steps = self._steps(tree, budgets)
        if not steps:
            raise nothing_left()
        return steps[0].design.id, steps[0].scale

    def learn(self, tree: nx.DiGraph) -> None:
        """Nothing to refit: every choice reads the scores from the tree."""

    def best(self, tree: nx.DiGraph) -> str | None:
        return best_measured(tree, self.scales)

    # ------------------------------------------------------------------------------------------ why

    def explain(self, tree: nx.DiGraph, what: Parents | tuple[str, str], budgets: Mapping[str, float]) -> Explanation:
        """Of parents: everyone's share of the draw. Of a verification: the order in which candidates come, and why."""
        return self._why_parents(tree, what) if isinstance(what, Parents) else self._why_verify(tree, what, budgets)

    def _why_parents(self, tree: nx.DiGraph, parents: Parents) -> Explanation:
        pool = runnable(tree)
        weights = self._weights(tree, pool)
        own = {d.id: w / sum(weights) for d, w in zip(pool, weights, strict=True)}
        shares = sorted(own, key=lambda i: -own[i])
        told = tuple(Candidate(i, str(parents.mode), round(own[i], 4), self._score_words(tree, i)) for n, i in enumerate(shares) if n < EXPLAINED or i in parents.ids)
        mode = mode_words(parents.mode)
        if not parents.ids:
            return Explanation(f"{mode}: no parent is needed.", told)
        drawn = " and ".join(f"{i} with a share of {own.get(i, 0):.0%}" for i in parents.ids)
        return Explanation(f"{mode}; then {drawn} ({self.rule}).", told)

    def _why_verify(self, tree: nx.DiGraph, what: tuple[str, str], budgets: Mapping[str, float]) -> Explanation:
        steps = self._steps(tree, budgets)
        told = tuple(Candidate(s.design.id, s.scale, None, self.why(tree, s)) for s in steps[:EXPLAINED])
        first = next((self.why(tree, s) for s in steps if (s.design.id, s.scale) == what), "")
        return Explanation(f"{what[0]} at {what[1]}: {first}." + (f" {len(steps) - 1} other{'s' if len(steps) > 2 else ''} could be paid for." if len(steps) > 1 else ""), told)

    def why(self, tree: nx.DiGraph, step: Step) -> str:
        """Why it stands where it does in the order."""
        words = WORDS[step.need]
        if step.need in (Need.CLIMB, Need.CONFIRM):
            scale, score = loss(tree, step.design.id, self.scales) or ("", 0.0)
            return f"{words}, {self.rank_words} at {scale} ({score:.4f})"
        return words + (f", rated {step.design.rating:.1f}" if step.need is Need.FIRST and step.design.rating is not None else "")

    rank_words = "in the better half"

    def _score_words(self, tree: nx.DiGraph, node: str) -> str:
        known = loss(tree, node, self.scales)
        return f"{known[1]:.4f} at {known[0]}" if known else "not measured: counts as the median"

    # ------------------------------------------------------------------------------------------ inside

    def _steps(self, tree: nx.DiGraph, budgets: Mapping[str, float]) -> list[Step]:
        """What can be paid for, first ones first: the reference, new designs, then the climb."""
        wanted = {s: self.wanted(tree, s) for s in self.scales[:-1]}
        steps = self.climb.steps(tree, budgets, lambda d, s: d.id in wanted[s])
        needs, order = {Need.REFERENCE: 0, Need.KNOWN: 2}, self.order(tree)
        return sorted(steps, key=lambda s: (needs.get(s.need, 1), *order(s), s.design.id))

    def _weights(self, tree: nx.DiGraph, pool: list[Design]) -> list[float]:
        """Fitness times what a person boosts; one that is pinned weighs as much as the mean at least."""
        weights = self.fitness(tree, pool)
        mean = sum(weights) / max(1, len(weights))
        return [(max(w, mean) if d.pinned else w) * d.boost for w, d in zip(weights, pool, strict=True)]
