"""How a design climbs the ladder: which verifications may be chosen at all. Every selector picks among these steps, and each in its own order.

    first     at the cheapest rung, once; nothing is asked
    confirm   a further seed where it was measured, until it has `seeds` of them
    climb     the next rung: with `seeds` seeds on the rung below, held against the reference's with the same seeds, and not worse than it by more than `doubt` standard errors of
              the paired difference; from the third rung on, the line through its last two differences to the reference must not cross zero, by more than `doubt` standard
              errors, before the next rung: a gain that fades with size is not followed
    again     a further seed beyond that, for selectors that ask for it

With `screens` > 0, climbs from so many of the lowest rungs need one seed, unless they lead to the largest rung; a climb from above needs `seeds` seeds on every rung below it: many are screened, and only those
that go on are confirmed. From rungs of fewer than `free_below` parameters the reference, though it is measured all the same, says nothing against a climb.

The reference goes before everybody: nothing is measured at a rung where it was not, nothing climbs from a rung where it has fewer than `seeds` seeds. Where a rung's budget is
spent, or no further seed can be had, what is known there must do. So many units of a rung as the climbs above it will need for further seeds are held back from new designs and further seeds, though never more than half.
Ratings have no say here. A person's word before the largest rungs is a gate of the run (`needs_word` in core/gates.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import fmean

import networkx as nx

from core.selection.base import Rung
from core.selection.reading import barred, is_new, reference_of, runnable, running, seeds
from core.types import Design

MOST_SEEDS = 8       # of one design at one rung
Wanted = Callable[[Design, str], bool]


class Need(StrEnum):
    REFERENCE = "reference"
    FIRST = "first"
    CONFIRM = "confirm"
    CLIMB = "climb"
    AGAIN = "again"
    KNOWN = "known"      # another known architecture, when no new design waits


@dataclass(frozen=True)
class Step:
    design: Design
    scale: str
    need: Need


class Climb:
    """`scales`: cheapest first. `seeds`, `doubt`, `screens`, `free_below`: see above."""

    def __init__(self, scales: Sequence[str], rungs: Mapping[str, Rung], seeds: int = 2, doubt: float = 1.0, screens: int = 0, free_below: float = 0.0) -> None:
        self.scales = list(scales)
        self.rungs = rungs
        self.seeds = seeds
        self.doubt = doubt
        self.free_below = free_below
        self.screens = max(0, min(screens, len(self.scales) - 2))

    def steps(self, tree: nx.DiGraph, budgets: Mapping[str, float], wanted: Wanted | None = None, again: bool = False) -> list[Step]:
        """What may be verified next and can be paid for. `wanted(design, scale)`: whether the selector would like to see it above that scale; it costs seeds."""
        paid = [s for s in self.scales if budgets.get(s, 0) >= 1]
        if not paid:
            return []
        reference = reference_of(tree)
        steps = [step for d in runnable(tree) if d.id != reference for step in self._of(tree, budgets, d, wanted, again)]
        full = {s for s in paid if budgets[s] <= self.held_back(tree, budgets, s)}
        kept = (Need.FIRST, Need.KNOWN, Need.AGAIN, *([Need.CLIMB] if self.screens else []))
        steps = [s for s in steps if not (s.scale in full and s.need in kept)] or steps
        return self._reference_first(tree, budgets, steps, reference)

    def _of(self, tree: nx.DiGraph, budgets: Mapping[str, float], design: Design, wanted: Wanted | None, again: bool) -> list[Step]:
        at = max((i for i, s in enumerate(self.scales) if seeds(tree, design.id, s)), default=-1)
        found = []

        def offer(i: int, need: Need) -> None:
            if budgets.get(self.scales[i], 0) >= 1 and not barred(tree, design.id, self.scales[i]) and not (need is not Need.AGAIN and running(tree, design.id, self.scales[i])):
                found.append(Step(design, self.scales[i], need if is_new(design) else Need.KNOWN))

        if at < 0:
            offer(0, Need.FIRST)
            return found
        scale, climbs = self.scales[at], at + 1 < len(self.scales) and budgets.get(self.scales[at + 1], 0) >= 1
        if climbs and (wanted is None or wanted(design, scale)) and self.promising(tree, design.id, scale):
            thin = [i for i, n in self._needed(at) if len(seeds(tree, design.id, s := self.scales[i])) < n and budgets.get(s, 0) >= 1 and not barred(tree, design.id, s)]
            offer(*((thin[0], Need.CONFIRM) if thin else (at + 1, Need.CLIMB)))
        if again:
            taken = {s.scale for s in found}
            for i, s in enumerate(self.scales[: at + 1]):
                if s not in taken and 0 < len(seeds(tree, design.id, s)) + running(tree, design.id, s) < MOST_SEEDS:
                    offer(i, Need.AGAIN)
        return found

    def above(self, tree: nx.DiGraph, node: str) -> str:
        """The rung that it would climb to next; the largest where it is there."""
        at = max((i for i, s in enumerate(self.scales) if seeds(tree, node, s)), default=-1)
        return self.scales[min(at + 1, len(self.scales) - 1)]

    def _needed(self, at: int) -> list[tuple[int, int]]:
        """(rung, seeds there) that a climb from rung `at` needs, the rung itself first."""
        if self.screens == 0:
            return [(at, self.seeds)]
        return [(at, 1)] if at < self.screens else [(i, self.seeds) for i in range(at, -1, -1)]

    def _reference_first(self, tree: nx.DiGraph, budgets: Mapping[str, float], steps: list[Step], reference: str | None) -> list[Step]:
        """The steps whose reference is there, and the reference's own where it is lacking."""
        if reference is None:
            return steps
        design: Design = tree.nodes[reference]["design"]
        own: dict[str, Step] = {}
        ready = []

        def has(scale: str, n: int) -> bool:
            there = len(seeds(tree, reference, scale)) + running(tree, reference, scale)
            if there >= n or (there and barred(tree, reference, scale)) or budgets.get(scale, 0) < 1 or barred(tree, reference, scale):
                return True
            own[scale] = Step(design, scale, Need.REFERENCE)
            return False

        for step in steps:
            below = self._needed(self.scales.index(step.scale) - 1) if step.need is Need.CLIMB else []
            if all(has(self.scales[i], n) for i, n in below) and has(step.scale, 1):
                ready.append(step)
        if not steps and has(self.scales[0], 1):             # nothing else is to be done: what could climb later is to find it there
            above = next((s for s in self.scales[1:] if not has(s, 1)), None)
            own = {above: replace(own[above], need=Need.KNOWN)} if above else {}
        return [*own.values(), *ready]

    def held_back(self, tree: nx.DiGraph, budgets: Mapping[str, float], scale: str) -> int:
        """Units of the rung that further seeds will need before the rung above can be spent."""
        at, reference = self.scales.index(scale), reference_of(tree)
        if at + 1 == len(self.scales):
            return 0
        above = self.scales[max(at, self.screens) + 1]
        lacking = 0 if reference is None else max(0, self.seeds - len(seeds(tree, reference, scale)))
        climbs = int(budgets.get(above, 0)) - int(reference is not None and not seeds(tree, reference, above))
        spent = sum(len(seeds(tree, n, scale)) for n in tree)
        return min(lacking + climbs * (self.seeds - 1), int(budgets[scale] + spent) // 2) if climbs > 0 else 0

    # ------------------------------------------------------------------------------------------ against the reference

    def promising(self, tree: nx.DiGraph, node: str, scale: str) -> bool:
        """Whether what is known of it by now speaks for the rung above `scale`; True where there is no reference to hold it against."""
        if self.rungs[scale].size < self.free_below:
            return True
        at = self.scales.index(scale)
        gaps = [(self.rungs[s].size, gap) for s in self.scales[: at + 1] if (gap := self.gap(tree, node, s))]
        if not gaps or gaps[-1][1] != self.gap(tree, node, scale):
            return True
        value, se = gaps[-1][1]
        if value > self.doubt * se:
            return False
        if len(gaps) < 2 or at + 1 == len(self.scales) or gaps[-2][0] >= gaps[-1][0]:    # rungs that differ in tokens alone have no slope over size
            return True
        (x1, (g1, se1)), (x2, (g2, se2)) = gaps[-2:]
        reach = math.log(self.rungs[self.scales[at + 1]].size / x2) / math.log(x2 / x1)
        ahead, error = g2 + reach * (g2 - g1), math.hypot((1 + reach) * se2, reach * se1)
        return ahead <= self.doubt * error

    def gap(self, tree: nx.DiGraph, node: str, scale: str) -> tuple[float, float] | None:
        """(mean difference to the reference over the seeds that both have, its standard error); negative is better."""
        reference = reference_of(tree)
        if reference is None or node == reference:
            return None
        both = list(zip(seeds(tree, node, scale), seeds(tree, reference, scale), strict=False))
        if not both:
            return None
        return fmean(a - b for a, b in both), self.rungs[scale].noise * math.sqrt(2 / len(both))
