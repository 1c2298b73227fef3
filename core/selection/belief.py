"""What `bayes` believes of a tree: its points, the surrogate fitted to them, what persons said taken in. A function of the tree alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from statistics import median

import networkx as nx
import numpy as np

from core.selection import opinions
from core.selection.base import Parts, Rung
from core.selection.likeness import KINDS, Likeness
from core.selection.reading import failed, reference_of, seeds
from core.selection.surrogate import MOST, MOST_FIT, Places, Points, Posterior, Space, fitted
from core.statistics.noise import Pool, Spread

UNKNOWN = 0.05       # bits per byte that designs lie apart where fewer than three were measured: about what references do at nano
FEW = 50             # designs that are looked at one by one: for more, all are, and once
REACHES = 3.0        # robust standard deviations above the median: a worse score says no more than that
LEAST = 0.3          # of the seed noise: designs lie at least so far apart, or there is nothing to be found


class Belief:
    def __init__(self, tree: nx.DiGraph, scales: Sequence[str], ladder: Mapping[str, Rung], parts: Parts, likeness: Likeness, former: Belief | None = None) -> None:
        """`former`: the belief of an earlier tree; what it fitted to the same points is not fitted again."""
        self.tree, self.scales, self.ladder, self.parts, self.likeness = tree, list(scales), ladder, parts, likeness
        self.scores = {s: {n: found for n in tree if (found := seeds(tree, n, s))} for s in scales}
        self.noise = [self._noise(s) for s in scales]
        limits = [_limit(self.scores[s]) for s in scales]
        self.points, self.centre = self._points(limits)
        self.spread = self._spread()
        self.space = Space.expected(self._kinds(), [ladder[s].size if parts.scale else 1.0 for s in scales], self.spread, [(n.sd, n.df) for n in self.noise])
        self.target = len(self.scales) - 1
        self._former = former if former is not None and self._same_points(former) else None
        if self._former is not None:
            former._former = None                        # no chain of all that was ever believed

    # ------------------------------------------------------------------------------------------ the points

    def _noise(self, scale: str) -> Spread:
        """Of one score over seeds: what the rung is known to have, and what designs measured here show."""
        rung = self.ladder[scale]
        return Spread(rung.noise, rung.noise_df).updated(Pool({n: dict(enumerate(y)) for n, y in self.scores[scale].items()}).told(tame=True)[0])

    def _points(self, limits: Sequence[float]) -> tuple[Points, np.ndarray]:
        """(points with centred scores, what was taken off at each scale). A failed training counts as a score at the limit."""
        rows: list[tuple[int, int, float, int]] = []
        for s, scale in enumerate(self.scales):
            found = {n: [min(y, limits[s]) for y in self.scores[scale][n]] for n in self.scores[scale]}
            found |= {n: [limits[s]] for n in self.tree if scale in failed(self.tree, n) and n not in found and found}
            rows += [(self.likeness.index[n], s, sum(y) / len(y), len(y)) for n, y in found.items()]
        row, scale, y, n = (np.array(column) for column in zip(*rows, strict=True)) if rows else (np.zeros(0, int),) * 4
        centre = np.array([float(y[scale == s].mean()) if (scale == s).any() else 0.0 for s in range(len(self.scales))])
        return Points(row.astype(int), scale.astype(int), y - centre[scale] if rows else y.astype(float), n.astype(float)), centre

    def _spread(self) -> float:
        """Standard deviation of designs at the cheapest scale that tells, without the seeds'."""
        for s, noise in enumerate(self.noise):
            at = self.points.scale == s
            if at.sum() >= 3:
                left = float(self.points.y[at].var(ddof=1)) - noise.sd**2 * float((1 / self.points.n[at]).mean())
                return max(left, (LEAST * noise.sd) ** 2, 1e-10) ** 0.5
        return max(UNKNOWN, self.noise[0].sd)

    def _kinds(self) -> list[str]:
        """Those similarities that are wanted and can be told."""
        has = {"ancestry": self.parts.ancestry and self.tree.number_of_edges() > 0,
               "structure": self.parts.structure and any(data.get("units") for _, data in self.tree.nodes(data=True)),
               "text": self.parts.text and any(data.get("words") for _, data in self.tree.nodes(data=True))}
        return [kind for kind in KINDS if has[kind]]

    @property
    def telling(self) -> str | None:
        """The similarity that tells most of what a design is, of those there are."""
        return next((kind for kind in ("structure", "text", "ancestry") if kind in self.space.kinds), None)

    # ------------------------------------------------------------------------------------------ the surrogate

    def _same_points(self, other: Belief) -> bool:
        mine, theirs = ((*vars(b.points).values(), b.space.mean, b.space.sd, b.space.log_sizes) for b in (self, other))
        return other.likeness is self.likeness and other.space.kinds == self.space.kinds and all(np.array_equal(a, b) for a, b in zip(mine, theirs, strict=True))

    @cached_property
    def theta(self) -> np.ndarray:
        if self._former is not None:
            return self._former.theta
        chosen = self.points.of(thinned(self.points, MOST_FIT))
        return fitted(self.space, chosen, [self.likeness.between(k, chosen.row, chosen.row) for k in self.space.kinds])

    @cached_property
    def posterior(self) -> Posterior:
        if self._former is not None:
            return self._former.posterior
        return Posterior(self.space, self.theta, self.points.of(thinned(self.points, MOST)), self.likeness)

    def rows(self, nodes: Sequence[str]) -> np.ndarray:
        return np.array([self.likeness.index[n] for n in nodes], int)

    def at_target(self, nodes: Sequence[str]) -> Places:
        return Places.at(self.rows(nodes), self.target)

    def screen(self, nodes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """(posterior mean, standard deviation) of each design's f at the target scale."""
        if len(nodes) <= FEW:
            return self._screened(self.rows(nodes))
        mean, sd = self._everyone
        return mean[rows := self.rows(nodes)], sd[rows]

    @cached_property
    def _everyone(self) -> tuple[np.ndarray, np.ndarray]:
        """The same of every row of the likeness."""
        known = self._former.__dict__.get("_everyone") if self._former is not None and not self._words and not self._former._words else None
        found = self._screened(np.arange(0 if known is None else len(known[0]), len(self.likeness.index)))
        return found if known is None else (np.concatenate([known[0], found[0]]), np.concatenate([known[1], found[1]]))

    def _screened(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        places = Places.at(rows, self.target)
        mean, V = self.posterior.at(places)
        variance = self.posterior.variance(places, V)
        if self._said:
            update, asked, Vq = self._said
            C = (self.posterior.prior(places, asked) - V @ Vq.T) @ update.A.T
            mean, variance = mean + C @ update.shift, variance - np.einsum("ij,jk,ik->i", C, update.shrink, C)
        return mean, np.sqrt(np.maximum(variance, 1e-12))

    def joint(self, places: Places) -> tuple[np.ndarray, np.ndarray]:
        """(mean (n,), covariance (n, n))"""
        mean, V = self.posterior.at(places)
        cov = self.posterior.prior(places, places) - V @ V.T
        if self._said:
            update, asked, Vq = self._said
            C = (self.posterior.prior(places, asked) - V @ Vq.T) @ update.A.T
            mean, cov = mean + C @ update.shift, cov - C @ update.shrink @ C.T
        return mean, cov

    # ------------------------------------------------------------------------------------------ what was said

    @cached_property
    def trust(self) -> dict[str, float]:
        """Who spoke → how far their word goes, in units of 1 / spread; 0 not at all."""
        return {who: c * self.spread for who, c in self._slopes.items()}

    @cached_property
    def _words(self) -> list[opinions.Said]:
        return opinions.said(self.tree) if self.parts.preferences else []

    @cached_property
    def _slopes(self) -> dict[str, float]:
        known = sorted({n for s in self.scores.values() for n in s} & {n for w in self._words for n in (w.better, w.worse) if n})
        if not known:
            return opinions.slopes(self._words, {}, self.spread)
        mean, _ = self.posterior.at(self.at_target(known))
        return opinions.slopes(self._words, dict(zip(known, mean.tolist(), strict=True)), self.spread)

    @cached_property
    def _said(self) -> tuple[opinions.Update, Places, np.ndarray] | None:
        nodes = sorted({n for w in self._words for n in (w.better, w.worse) if n})
        if not nodes:
            return None
        asked = self.at_target(nodes)
        mean, V = self.posterior.at(asked)
        found = opinions.update(self._words, self._slopes, {n: i for i, n in enumerate(nodes)}, mean, self.posterior.prior(asked, asked) - V @ V.T)
        return (found, asked, V) if found else None

    # ------------------------------------------------------------------------------------------ in words

    def words(self, node: str) -> str:
        mean, sd = self.screen([node])
        reference = reference_of(self.tree)
        base = self.screen([reference])[0][0] if reference and reference != node else None
        scale = self.scales[self.target]
        return f"expected {mean[0] - base:+.4f} ± {sd[0]:.4f} of {reference} at {scale}" if base is not None else f"expected {mean[0]:+.4f} ± {sd[0]:.4f} of the mean at {scale}"


def thinned(points: Points, most: int) -> np.ndarray:
    """Indices of at most so many points: larger scales have what they need first, half of each scale's share goes to its best scores, where decisions fall, and the rest spans its range."""
    if len(points) <= most:
        return np.arange(len(points))
    kept: list[int] = []
    groups: dict[int, np.ndarray] = defaultdict(lambda: np.zeros(0, int))
    for s in np.unique(points.scale):
        at = np.flatnonzero(points.scale == s)
        groups[int(s)] = at[np.lexsort((at, points.y[at]))]
    for left, s in enumerate(sorted(groups, key=lambda s: (len(groups[s]), -s))):
        share = (most - len(kept)) // (len(groups) - left)
        at = groups[s]
        best, rest = at[: (share + 1) // 2], at[(share + 1) // 2 :]
        kept += [*at] if len(at) <= share else [*best, *rest[np.linspace(0, len(rest) - 1, share - len(best)).round().astype(int)]]
    return np.array(sorted(set(kept)))


def _limit(scores: Mapping[str, Sequence[float]]) -> float:
    """The worst score that is taken at its word."""
    flat = [y for found in scores.values() for y in found]
    if len(flat) < 3:
        return max(flat, default=0.0)
    middle = median(flat)
    robust = 1.4826 * median(abs(y - middle) for y in flat)
    return min(max(flat), middle + max(REACHES * robust, 1e-6))
