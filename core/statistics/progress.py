"""How a search goes, from what it measured in the order in which it was measured. Pure functions; a score is bits per byte, lower is better, and scales are never mixed.

Drawdown and variability are those of the published system (Genesys, arXiv 2506.20249, section 5: maximum drawdown and sharpe-like ratios over a curve of fitness), said in
bits per byte instead of fitness: see each function.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev


@dataclass(frozen=True)
class Point:
    """One verification of a design that the run made; `score` None where its training failed."""

    design: str
    scale: str
    seed: int
    score: float | None


@dataclass(frozen=True)
class Step:
    """A scale after one more verification there."""

    n: int                           # verifications at this scale so far
    design: str
    score: float                     # mean over the design's seeds, as known then
    best: float                      # lowest mean so far
    mean: float                      # of the population: all designs measured there by then
    better: bool                     # than everything before


def curve(points: Sequence[Point], scale: str) -> list[Step]:
    """The search at one scale, a step a verification with a score."""
    scores: dict[str, list[float]] = {}
    found: list[Step] = []
    for point in (p for p in points if p.scale == scale and p.score is not None):
        assert point.score is not None
        before = found[-1].best if found else math.inf
        scores.setdefault(point.design, []).append(point.score)
        means = {design: fmean(own) for design, own in scores.items()}
        best = min(means.values())
        found.append(Step(len(found) + 1, point.design, means[point.design], best, fmean(means.values()), best < before))
    return found


def since_better(points: Sequence[Point]) -> int:
    """How many of the last verifications, failed ones among them, brought no better design at any scale."""
    scores: dict[tuple[str, str], list[float]] = {}
    best: dict[str, float] = {}
    idle = 0
    for point in points:
        idle += 1
        if point.score is None:
            continue
        scores.setdefault((point.scale, point.design), []).append(point.score)
        now = min(fmean(own) for (scale, _), own in scores.items() if scale == point.scale)
        if now < best.get(point.scale, math.inf):
            idle = 0
        best[point.scale] = now
    return idle


def drawdown(steps: Sequence[Step]) -> float:
    """The largest rise of the population's mean above its lowest value before, bits per byte: how far the search went astray; 0 where it only fell."""
    lowest, worst = math.inf, 0.0
    for step in steps:
        lowest = min(lowest, step.mean)
        worst = max(worst, step.mean - lowest)
    return worst


def improvement(steps: Sequence[Step]) -> tuple[float, float] | None:
    """(mean, standard deviation) of what one verification took off the best, bits per byte; None before the third."""
    gains = [a.best - b.best for a, b in itertools.pairwise(steps)]
    return (fmean(gains), stdev(gains)) if len(gains) > 1 else None


def diversity(facts: Mapping[str, frozenset], most: int = 400) -> float | None:
    """Mean Jaccard distance between two designs, each as the set of the facts of its unit tree (0 all alike, 1 nothing shared); None for fewer than two. Of more than `most`, the newest."""
    own = list(facts.values())[-most:]
    pairs = [1 - len(a & b) / len(a | b) for i, a in enumerate(own) for b in own[:i] if a | b]
    return fmean(pairs) if pairs else None


def means(points: Sequence[Point], scale: str) -> dict[str, float]:
    """Design → mean over its seeds at the scale."""
    scores: dict[str, list[float]] = {}
    for point in points:
        if point.scale == scale and point.score is not None:
            scores.setdefault(point.design, []).append(point.score)
    return {design: fmean(own) for design, own in scores.items()}
