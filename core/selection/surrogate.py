"""The surrogate: a Gaussian process over (design, scale) → bits per byte.

    y_i = β_s + f(d, s) + e,        i = one design at one scale, the mean over n_i seeds
    cov f((d, s), (d', s')) = σ_s σ_s' exp(−|log p_s − log p_s'| / λ) · Σ_k w_k g(S_k(d, d'); ℓ_k)
    g(S; ℓ) = (e^(S/ℓ) − 1) / (e^(1/ℓ) − 1)
    var β_s = WIDE² σ²,  var e = v_s / n_i

    symbol   shape      what
    S_k      (N, N)     similarity of designs, one for ancestry, structure and text (core/selection/likeness.py), and "own": 1 for the same design, else 0
    w_k      kinds      weights, softmax of θ: they sum to 1, and "own" is what no relative tells
    ℓ_k      kinds      lengthscale: g tends to S itself as ℓ grows (an additive model), and to the identity as it shrinks
    σ_s      scales     how far designs lie apart at a scale
    λ        1          how fast rungs lose each other, in log parameters p: the exponential kernel is Markov in the ladder, the autoregressive model of
                        Kennedy & O'Hagan 2000 ("Predicting the output from a complex computer code when fast approximations are available")
    v_s      scales     variance of a score over seeds
    β_s      scales     the mean of all designs, a random effect with a wide prior: its posterior mean is the generalised-least-squares mean, so that good designs, which alone
                        climb, are not taken for average ones higher up (restricted likelihood; Rasmussen & Williams 2006, section 2.7)

g keeps positive semidefiniteness: its series in S has positive coefficients (Schur). Hyperparameters θ are fitted by the marginal likelihood (Rasmussen & Williams 2006, eq. 5.8
and 5.9) times a log-normal prior on each, which tells what is to be expected before there are data. f is lower for better designs, like bits per byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

from core.selection.likeness import Likeness

WIDE = 10.0          # of the σ: the prior standard deviation of a scale's mean
JITTER = 1e-6        # of σ²
STEPS = 40           # of L-BFGS
MOST_FIT = 300       # points that hyperparameters are fitted on
MOST = 600           # points of the posterior
FIRM = 0.1           # of log σ: only designs that were chosen climb, and how far these lie apart says little of how far all would
BOUND = 3.0          # prior standard deviations that a hyperparameter may move


@dataclass(frozen=True)
class Points:
    """One row for each design at each scale where it was measured."""

    row: np.ndarray                  # (N,) of the design in the likeness
    scale: np.ndarray                # (N,) index into the ladder
    y: np.ndarray                    # (N,) bits per byte, mean over seeds
    n: np.ndarray                    # (N,) seeds

    def __len__(self) -> int:
        return len(self.y)

    def of(self, which: np.ndarray) -> Points:
        return Points(self.row[which], self.scale[which], self.y[which], self.n[which])


@dataclass(frozen=True)
class Space:
    """What hyperparameters there are, and what is expected of them: independent normal priors on their logarithms."""

    kinds: tuple[str, ...]           # of similarity, without "own"
    log_sizes: np.ndarray            # (S,) log parameters of the scales
    mean: np.ndarray                 # (P,) of log w (K), log ℓ (K), log σ (S), log λ (1), log v (S)
    sd: np.ndarray                   # (P,)

    @classmethod
    def expected(cls, kinds: Sequence[str], sizes: Sequence[float], spread: float, noise: Sequence[tuple[float, float]]) -> Space:
        """`spread`: of designs at the cheapest scale, bits per byte; `noise`: (standard deviation, degrees of freedom) a scale."""
        K, S = len(kinds), len(sizes)
        weight = [{"ancestry": 0.0, "structure": 1.0, "text": -1.0}[k] for k in kinds]
        v = [2 * np.log(sd) for sd, _ in noise]
        loose = [min(1.5, float(np.sqrt(2 / df))) for _, df in noise]        # of the log of a scaled inverse chi-squared
        return cls(tuple(kinds), np.log(np.asarray(sizes, float)), np.array([*weight, *[np.log(0.7)] * K, *[np.log(spread)] * S, np.log(6.0), *v]),
                   np.array([*[1.0] * K, *[0.7] * K, *[FIRM] * S, 0.8, *loose]))

    def parts(self, theta: np.ndarray) -> Theta:
        K, S = len(self.kinds), len(self.log_sizes)
        logits = np.append(theta[:K], 0.0)
        w = np.exp(logits - logits.max())
        return Theta(w / w.sum(), np.exp(theta[K : 2 * K]), np.exp(theta[2 * K : 2 * K + S]), float(np.exp(theta[2 * K + S])), np.exp(theta[2 * K + S + 1 :]))


@dataclass(frozen=True)
class Theta:
    """See the table above; `w` has "own" last."""

    w: np.ndarray
    length: np.ndarray
    sigma: np.ndarray
    reach: float
    v: np.ndarray


def sharpened(S: np.ndarray, length: float) -> np.ndarray:
    """g(S; ℓ)"""
    u = 1 / length
    return (np.exp(u * (S - 1)) - np.exp(-u)) / (1 - np.exp(-u))


def sharpened_slope(S: np.ndarray, length: float) -> np.ndarray:
    """d g / d log ℓ"""
    u = 1 / length
    top, low = np.exp(u * (S - 1)), np.exp(-u)
    return -u * (((S - 1) * top + low) / (1 - low) - (top - low) * low / (1 - low) ** 2)


def rungs(space: Space, theta: Theta, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(len a, len b) of σσ'exp(−distance/λ) for scales a and b."""
    apart = np.abs(space.log_sizes[:, None] - space.log_sizes[None])
    return (np.outer(theta.sigma, theta.sigma) * np.exp(-apart / theta.reach))[a][:, b]


def mixed(theta: Theta, similar: Sequence[np.ndarray], same: np.ndarray) -> np.ndarray:
    """Σ w g(S): `similar` in the order of the kinds, `same` is 1 for the same design."""
    found = theta.w[-1] * same.astype(float)
    for w, length, S in zip(theta.w, theta.length, similar, strict=False):
        found += w * sharpened(S, length)
    return found


def wide(space: Space) -> float:
    """The prior variance of a scale's mean."""
    K, S = len(space.kinds), len(space.log_sizes)
    return float(WIDE**2 * np.exp(2 * space.mean[2 * K : 2 * K + S].max()))


def covariance(space: Space, theta: Theta, points: Points, similar: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(of f, of y), each (N, N)"""
    own = mixed(theta, similar, points.row[:, None] == points.row[None]) * rungs(space, theta, points.scale, points.scale)
    full = own + wide(space) * (points.scale[:, None] == points.scale[None])
    full[np.diag_indices_from(full)] += theta.v[points.scale] / points.n + JITTER * theta.sigma[points.scale] ** 2
    return own, full


def evidence(vector: np.ndarray, space: Space, points: Points, similar: Sequence[np.ndarray]) -> tuple[float, np.ndarray]:
    """(log marginal likelihood plus log prior, its gradient by θ). `points.y` is taken as it is: centre it first."""
    theta = space.parts(vector)
    K, S = len(space.kinds), len(space.log_sizes)
    R = rungs(space, theta, points.scale, points.scale)
    own, full = covariance(space, theta, points, similar)
    L = cholesky(full, lower=True)
    inverse = cho_solve((L, True), np.eye(len(points)))
    alpha = inverse @ points.y
    value = -0.5 * points.y @ alpha - np.log(np.diag(L)).sum() - 0.5 * len(points) * np.log(2 * np.pi)
    G = np.outer(alpha, alpha) - inverse                     # d value / d K = G / 2
    GR = G * R
    gradient = np.empty_like(vector)
    total = (G * own).sum()
    for k, similarity in enumerate(similar):
        sharp = sharpened(similarity, theta.length[k])
        gradient[k] = theta.w[k] * ((GR * sharp).sum() - total)
        gradient[K + k] = theta.w[k] * (GR * sharpened_slope(similarity, theta.length[k])).sum()
    by_row = (G * own).sum(1)
    diagonal = np.diag(G)
    for s in range(S):
        at = points.scale == s
        gradient[2 * K + s] = 2 * by_row[at].sum() + 2 * JITTER * theta.sigma[s] ** 2 * diagonal[at].sum()
        gradient[2 * K + S + 1 + s] = theta.v[s] * (diagonal[at] / points.n[at]).sum()
    apart = np.abs(space.log_sizes[points.scale][:, None] - space.log_sizes[points.scale][None])
    gradient[2 * K + S] = (G * own * apart).sum() / theta.reach
    z = (vector - space.mean) / space.sd
    return float(value - 0.5 * z @ z), 0.5 * gradient - z / space.sd


def fitted(space: Space, points: Points, similar: Sequence[np.ndarray]) -> np.ndarray:
    """The θ of the largest evidence near what is expected; always from the same start, so that it follows from the points alone."""
    if len(points) < 3:
        return space.mean

    def cost(vector: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = evidence(vector, space, points, similar)
        return -value, -gradient

    bounds = list(zip(space.mean - BOUND * space.sd, space.mean + BOUND * space.sd, strict=True))
    return minimize(cost, space.mean, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": STEPS, "ftol": 1e-6, "gtol": 1e-3}).x


@dataclass(frozen=True)
class Places:
    """Where f is looked at: (design, scale) each. `mean` adds β of the scale: what a measurement there would show, but for seed noise."""

    row: np.ndarray                  # (n,) in the likeness
    scale: np.ndarray                # (n,)
    mean: np.ndarray                 # (n,) bool

    @classmethod
    def at(cls, rows: Sequence[int] | np.ndarray, scale: int | np.ndarray, mean: bool = False) -> Places:
        row = np.asarray(rows, int)
        return cls(row, np.broadcast_to(np.asarray(scale, int), row.shape), np.full(row.shape, mean))

    def __add__(self, other: Places) -> Places:
        return Places(*(np.concatenate([a, b]) for a, b in ((self.row, other.row), (self.scale, other.scale), (self.mean, other.mean))))

    def __len__(self) -> int:
        return len(self.row)


class Posterior:
    """f given the points: mean K*(Z) α, cov K** − V Vᵀ with V = K* W and W Wᵀ = (K_y)⁻¹. Scores are centred by `centre` (S,) first."""

    def __init__(self, space: Space, vector: np.ndarray, points: Points, likeness: Likeness) -> None:
        self.space, self.theta, self.points, self.likeness = space, space.parts(vector), points, likeness
        self.designs, self.back = np.unique(points.row, return_inverse=True)
        _, full = covariance(space, self.theta, points, [likeness.between(k, points.row, points.row) for k in space.kinds])
        L = cholesky(full, lower=True)
        self.alpha = cho_solve((L, True), points.y)
        self.W = solve_triangular(L, np.eye(len(points)), lower=True).T

    def at(self, places: Places) -> tuple[np.ndarray, np.ndarray]:
        """(mean (n,), V (n, N))"""
        cross = self._prior(places.row, self.designs)[:, self.back] * rungs(self.space, self.theta, places.scale, self.points.scale).astype(np.float32)
        if places.mean.any():
            cross += np.float32(wide(self.space)) * (places.mean[:, None] & (places.scale[:, None] == self.points.scale[None]))
        return cross @ self.alpha, cross @ self.W.astype(cross.dtype)

    def prior(self, a: Places, b: Places) -> np.ndarray:
        found = self._prior(a.row, b.row) * rungs(self.space, self.theta, a.scale, b.scale)
        return found + wide(self.space) * (a.mean[:, None] & b.mean[None] & (a.scale[:, None] == b.scale[None]))

    def variance(self, places: Places, V: np.ndarray) -> np.ndarray:
        """(n,)"""
        own = self.theta.sigma[places.scale] ** 2 + wide(self.space) * places.mean
        return np.maximum(own - np.einsum("ij,ij->i", V, V), 0.0)

    def _prior(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return mixed(self.theta, [self.likeness.between(k, a, b) for k in self.space.kinds], a[:, None] == b[None])
