"""Over the scales: a curve of bits per byte against size for each design, where two curves cross, and whether a cheap rung foretells the next.

Curves. With y the mean bits per byte of a design at a rung and N its parameters (or FLOPs),

    two or three rungs   y = a + b log10 N             least squares
    four or more         y = E + A (N/N₀)^-α           the power law with an offset (Hoffmann et al. 2022, arXiv 2203.15556, with one variable);
                                                        linear in E and A, so α is searched on a grid; A, α > 0 and E ≥ 0

*Level* is the fitted y, and *slope* dy / d log10 N, both at the largest rung that was measured. Bands come from a parametric bootstrap: every point is
drawn anew with its standard error (seed noise over its seeds, and what the fit leaves over where it has freedom to leave anything), and the curve fitted again.

Two curves cross where their difference changes sign between the smallest measured size and REACH times the largest: designs do cross between scales, which
is why level alone never ranks. Beyond the measured sizes it is an extrapolation, and the band says how loose.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from core.types import derive_seed

DRAWS = 400
REACH = 100.0        # how far beyond the largest rung a crossing is looked for
GRID = tuple(0.02 * 1.06**k for k in range(72))      # of α: 0.02 to 1.25; published exponents are 0.05 to 0.6
LEVEL = (0.025, 0.975)
ENOUGH = 5           # designs for a bootstrap of a rank correlation
MANY = 200           # designs beyond which its interval is taken from a formula


@dataclass(frozen=True)
class Point:
    """One rung of one design."""

    scale: str
    size: float                      # parameters, or training FLOPs
    y: float                         # bits per byte, mean over seeds
    se: float                        # of that mean


@dataclass(frozen=True)
class Band:
    value: float
    low: float                       # 95 %
    high: float


@dataclass(frozen=True)
class Curve:
    design_id: str
    points: tuple[Point, ...]        # by size
    kind: str                        # "line in log size" or "power law with offset"
    level: Band                      # at the largest measured size
    slope: Band                      # bits per byte for ten times the size, there; negative is better
    sizes: tuple[float, ...]         # where it is drawn
    fitted: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Crossing:
    """Between two designs."""

    first: str                       # the better one at the smallest size that both have
    second: str
    size: Band | None                # where they cross, of the draws that do; None when the fits do not
    probability: float               # share of the draws in which they do
    extrapolated: bool               # beyond the largest size that both were measured at


@dataclass(frozen=True)
class RungCorrelation:
    """How well the order at one rung foretells the order at the next, over the designs measured at both."""

    low: str
    high: str
    n: int
    spearman: float | None           # None for fewer than three designs, or where all are equal
    spearman_interval: tuple[float, float] | None    # 95 %, designs resampled; None for fewer than ENOUGH
    kendall: float | None
    kendall_interval: tuple[float, float] | None


def curve(design_id: str, points: Sequence[Point]) -> Curve | None:
    """None for fewer than two sizes."""
    import numpy as np

    points = sorted(points, key=lambda p: p.size)
    if len({p.size for p in points}) < 2:
        return None
    sizes = _axis(points[0].size, points[-1].size)
    step = 1.01                                             # of the size, over which the slope is taken
    fits = _evaluate(_draws(design_id, points), points, np.array([*sizes, points[-1].size * step]))
    (best, *_), draws = fits, fits[1:]
    low, high = np.quantile(draws[:, :-1], LEVEL, axis=0)
    slopes = (fits[:, -1] - fits[:, -2]) / math.log10(step)
    return Curve(design_id, tuple(points), "power law with offset" if len(points) > 3 else "line in log size", _band(best[-2], draws[:, -2]),
                 _band(slopes[0], slopes[1:]), sizes, tuple(map(float, best[:-1])), tuple(map(float, low)), tuple(map(float, high)))


def crossing(a: Curve, b: Curve) -> Crossing:
    """Where the better of the two at the smallest common size is overtaken."""
    import numpy as np

    smallest = max(a.points[0].size, b.points[0].size)
    largest = min(a.points[-1].size, b.points[-1].size)
    at = np.geomspace(min(smallest, largest), max(smallest, largest) * REACH, 400)
    gaps = _evaluate(_draws(a.design_id, a.points), a.points, at) - _evaluate(_draws(b.design_id, b.points), b.points, at)  # row 0: the fits themselves
    first, second = (a, b) if gaps[0, 0] <= 0 else (b, a)
    turned = [_turn(gap, at) for gap in gaps]
    found = [x for x in turned[1:] if x is not None]
    size = None
    if turned[0] is not None:
        size = _band(turned[0], np.array(found)) if found else Band(turned[0], turned[0], turned[0])
    return Crossing(first.design_id, second.design_id, size, len(found) / (len(turned) - 1), turned[0] is not None and turned[0] > largest)


def correlation(low: str, high: str, below: Mapping[str, float], above: Mapping[str, float]) -> RungCorrelation:
    """`below`, `above`: design → score at the two rungs, both so that lower is better.

    Intervals of 95 % by bootstrap; beyond MANY designs, where they agree, by Fisher's transform with the variances of Bonett and Wright (2000) for Spearman's
    and of Fieller, Hartley and Pearson (1957) for Kendall's.
    """
    import numpy as np

    both = sorted(set(below) & set(above))
    x, y = np.array([below[d] for d in both]), np.array([above[d] for d in both])
    if len(both) < 3:
        return RungCorrelation(low, high, len(both), None, None, None, None)
    spearman, kendall = _spearman(x, y), _kendall(x, y)
    intervals: list[tuple[float, float] | None] = [None, None]
    if len(both) > MANY:
        z = NormalDist().inv_cdf(LEVEL[1])
        intervals = [_fisher(spearman, z * math.sqrt((1 + spearman**2 / 2) / (len(both) - 3))) if spearman is not None else None,
                     _fisher(kendall, z * math.sqrt(0.437 / (len(both) - 4))) if kendall is not None else None]
    elif len(both) >= ENOUGH:
        rng = np.random.default_rng(derive_seed("rungs", low, high, len(both)))
        picks = [rng.integers(0, len(both), len(both)) for _ in range(1000)]
        for n, measure in enumerate((_spearman, _kendall)):
            values = [v for pick in picks if (v := measure(x[pick], y[pick])) is not None]
            intervals[n] = tuple(map(float, np.quantile(values, LEVEL))) if values else None
    return RungCorrelation(low, high, len(both), spearman, intervals[0], kendall, intervals[1])


# ------------------------------------------------------------------------------------------------------ inside


def _draws(design_id: str, points: Sequence[Point]):
    """(1 + DRAWS, rungs): the measured scores first, then draws with each point's error and what the fit leaves over."""
    import numpy as np

    y = np.array([p.y for p in points])
    own = np.array([p.size for p in points])
    free = len(points) - (3 if len(points) > 3 else 2)
    left = float(((y - _evaluate(y[None], points, own)[0]) ** 2).sum() / free) if free > 0 else 0.0
    spread = np.sqrt(np.array([p.se for p in points]) ** 2 + left)
    rng = np.random.default_rng(derive_seed("ladder", design_id, len(points)))
    return np.concatenate([y[None], y + spread * rng.standard_normal((DRAWS, len(points)))])


def _evaluate(scores, points: Sequence[Point], at):
    """scores (draws, rungs), at (sizes,) → the fitted curves there (draws, sizes)."""
    import numpy as np

    own = np.array([p.size for p in points])
    if len(points) < 4:
        X = np.stack([np.ones(len(own)), np.log10(own)], 1)
        return np.linalg.lstsq(X, scores.T, rcond=None)[0].T @ np.stack([np.ones(len(at)), np.log10(at)])
    best, left = np.zeros((len(scores), len(at))), np.full(len(scores), np.inf)
    for alpha in GRID:
        shape, there = (own / own[0]) ** -alpha, (at / own[0]) ** -alpha
        offset, factor = _line(shape, scores)
        offset, factor = np.where(offset < 0, 0.0, offset), np.where(offset < 0, scores @ shape / (shape @ shape), factor)
        factor = np.maximum(factor, 0.0)
        offset = np.where(factor == 0, scores.mean(1), offset)
        error = ((offset[:, None] + factor[:, None] * shape - scores) ** 2).sum(1)
        better = error < left
        best[better] = (offset[:, None] + factor[:, None] * there)[better]
        left = np.minimum(left, error)
    return best


def _line(x, scores):
    """Least squares of every row of scores on x: (intercepts, slopes)."""
    centred = x - x.mean()
    slope = scores @ centred / (centred @ centred)
    return scores.mean(1) - slope * x.mean(), slope


def _axis(low: float, high: float, n: int = 40) -> tuple[float, ...]:
    return tuple(low * (high / low) ** (k / (n - 1)) for k in range(n))


def _band(value: float, draws) -> Band:
    import numpy as np

    low, high = np.quantile(draws, LEVEL)
    return Band(float(value), float(low), float(high))


def _turn(gap, at) -> float | None:
    """Where a difference of two curves first changes sign, interpolated in log size."""
    import numpy as np

    turned = np.flatnonzero(np.sign(gap[1:]) * np.sign(gap[:-1]) < 0)
    if not len(turned):
        return None
    i = int(turned[0])
    share = gap[i] / (gap[i] - gap[i + 1])
    return float(math.exp(math.log(at[i]) + share * (math.log(at[i + 1]) - math.log(at[i]))))


def _spearman(x, y) -> float | None:
    """Pearson's correlation of the ranks, ties sharing theirs (Spearman 1904)."""
    import numpy as np

    a, b = _ranks(x), _ranks(y)
    if a.std() == 0 or b.std() == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def _fisher(r: float, reach: float) -> tuple[float, float]:
    middle = math.atanh(max(-1 + 1e-12, min(1 - 1e-12, r)))
    return math.tanh(middle - reach), math.tanh(middle + reach)


def _kendall(x, y) -> float | None:
    """τ-b: concordant minus discordant pairs, corrected for ties (Kendall 1945)."""
    import numpy as np

    if len(x) > MANY:    # n log n there; below, the import takes longer than the pairs
        from scipy.stats import kendalltau

        found = float(kendalltau(x, y).statistic)
        return None if math.isnan(found) else found
    dx, dy = np.sign(x[:, None] - x[None]), np.sign(y[:, None] - y[None])
    scale = math.sqrt(float((dx**2).sum()) * float((dy**2).sum()))
    return float((dx * dy).sum() / scale) if scale else None


def _ranks(x):
    import numpy as np

    _, place, ties = np.unique(x, return_inverse=True, return_counts=True)
    return (np.cumsum(ties) - ties + (ties - 1) / 2)[place]
