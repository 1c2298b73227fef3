"""What persons and forecasters said, as evidence about f, weighed by what it has earned.

A preference is a probit likelihood (Chu & Ghahramani 2005, "Preference learning with Gaussian processes"): P(a before b) = Φ(c · (f_b − f_a)), f being lower for better designs, with one c ≥ 0
for each person: 0 where their word tells nothing. An approval is read as "better than the mean of all designs", a refusal as "worse". A forecast with probability p that a design beats a
reference is read as Φ⁻¹(p) = c · (f_reference − f_design) + noise of variance 1, with one c ≥ 0 for each forecaster: "how likely" is not taken at its word, only as far as it went with results.

c is learned from what was measured of the same designs: its posterior mean under a half-normal prior (`EXPECTED`, in units of the spread of designs), on a grid. It shrinks with every word
that goes against the results, and is 0 once it is below the grid's first step; whoever has said nothing that was measured has the small c of the prior. A forecast about a cheaper scale is
read as one about the largest: what a forecaster's scale is worth there is in their c.

Each word about h = a·f becomes a Gaussian site by Laplace's method (Newton's steps on the mode): f given the points has mean m and covariance C over the designs that were spoken
of, and h's negative log likelihood gradient and curvature W; the mode solves f = m − C Aᵀ ∇, and cov = C − C Aᵀ (W⁻¹ + A C Aᵀ)⁻¹ A C.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np
from scipy.special import log_ndtr, ndtri

EXPECTED = 0.5       # of c · spread, before anything was measured: a hint, no more
GRID = np.concatenate([[0.0], np.geomspace(0.05, 5.0, 24)])      # of c · spread
MOST = {"preference": 200, "verdict": 100, "forecast": 200}        # the newest words of each kind that are read: no kind crowds out another
FORETOLD = "forecasts of "       # before the name of who gave them; other words bear the name alone
SURE = (0.02, 0.98)  # a forecast says no more than that
NEWTON = 20


@dataclass(frozen=True)
class Said:
    """One word: `better` is before `worse`; None stands for the mean of all designs. `z`: Φ⁻¹ of a forecast's probability, None for a preference."""

    who: str
    better: str | None
    worse: str | None
    z: float | None = None


def said(tree: nx.DiGraph) -> list[Said]:
    """What the tree knows persons and forecasters to have said of its designs, oldest first in each kind."""
    verdicts = {(who, node): approved for who, node, approved in tree.graph.get("verdicts", ())}         # the last one of each counts
    found = {"preference": [Said(who, better, worse) for who, better, worse in tree.graph.get("preferences", ())],
             "verdict": [Said(who, node, None) if approved else Said(who, None, node) for (who, node), approved in verdicts.items()],
             "forecast": [Said(f"{FORETOLD}{who}", node, other, float(ndtri(np.clip(p, *SURE)))) for who, node, other, _, p in tree.graph.get("forecasts", ())]}
    return [s for kind, words in found.items() for s in [w for w in words if all(n is None or n in tree for n in (w.better, w.worse))][-MOST[kind]:]]


def slopes(words: Sequence[Said], mean: Mapping[str, float], spread: float) -> dict[str, float]:
    """Who → c, from the posterior means (bits per byte) of designs that were measured."""
    gaps: dict[str, list[tuple[float, float | None]]] = defaultdict(list)
    for w in words:
        gaps[w.who]                                      # whoever spoke has a c, measured or not
        if (w.better is None or w.better in mean) and (w.worse is None or w.worse in mean):
            gaps[w.who].append(((mean.get(w.worse or "", 0.0) - mean.get(w.better or "", 0.0)) / spread, w.z))
    found = {}
    for who, known in gaps.items():
        fit = -0.5 * (GRID / EXPECTED) ** 2
        for gap, z in known:
            fit = fit + (log_ndtr(GRID * gap) if z is None else -0.5 * (z - GRID * gap) ** 2)
        weight = np.exp(fit - fit.max()) * np.gradient(GRID)
        found[who] = float((weight * GRID).sum() / weight.sum() / spread) if known else EXPECTED * 0.8 / spread   # √(2/π): the prior's mean
    return {who: 0.0 if c * spread < GRID[1] else c for who, c in found.items()}


@dataclass(frozen=True)
class Update:
    """mean += C_* Aᵀ `shift`;  cov −= C_* Aᵀ `shrink` A C_*ᵀ"""

    A: np.ndarray                    # (words, designs spoken of)
    shift: np.ndarray                # (words,)
    shrink: np.ndarray               # (words, words)


def update(words: Sequence[Said], c: Mapping[str, float], place: Mapping[str, int], mean: np.ndarray, C: np.ndarray) -> Update | None:
    """`place`: design → its index in `mean` (q,) and `C` (q, q), f given the points at the scale that is looked at. None where nothing was said that counts."""
    words = [w for w in words if c.get(w.who, 0.0) > 0]
    if not words:
        return None
    A = np.zeros((len(words), len(mean)))
    for i, w in enumerate(words):
        if w.worse is not None:
            A[i, place[w.worse]] += 1
        if w.better is not None:
            A[i, place[w.better]] -= 1
    slope = np.array([c[w.who] for w in words])
    z = np.array([np.nan if w.z is None else w.z for w in words])
    AC = A @ C
    S = AC @ A.T
    h0 = A @ mean
    h = h0.copy()
    for _ in range(NEWTON):
        pull, W = _site(h, slope, z)
        # the Newton step in the space of h: h = h0 + S (W⁻¹ + S)⁻¹ (h + pull / W − h0)
        step = h0 + S @ np.linalg.solve(np.diag(1 / W) + S, h + pull / W - h0)
        moved, h = np.abs(step - h).max(), step
        if moved < 1e-10:
            break
    pull, W = _site(h, slope, z)
    return Update(A, pull, np.linalg.inv(np.diag(1 / W) + S))


def _site(h: np.ndarray, slope: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(gradient of the log likelihood by h, its negative curvature): a probit where z is not a number, else a Gaussian."""
    t = slope * h
    ratio = np.exp(-0.5 * t**2 - 0.5 * np.log(2 * np.pi) - log_ndtr(t))         # φ/Φ
    gaussian = ~np.isnan(z)
    pull = np.where(gaussian, slope * (np.where(gaussian, z, 0.0) - t), slope * ratio)
    return pull, np.where(gaussian, slope**2, np.maximum(slope**2 * ratio * (ratio + t), 1e-12))
