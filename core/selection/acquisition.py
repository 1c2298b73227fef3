"""What a measurement is worth: how much lower the best posterior mean is expected to be after it (the knowledge gradient; Frazier, Powell & Dayanik 2009, "The knowledge-gradient policy
for correlated normal beliefs", eq. 11). f is lower for better designs.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

NODES = np.linspace(-4.5, 4.5, 73)                       # of a standard normal outcome
SHARES = np.exp(-0.5 * NODES**2) / np.exp(-0.5 * NODES**2).sum()     # symmetric, so that its mean is 0 and no gain is below 0


def knowledge_gradient(mean: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """mean (n,) of the designs' f; moves (candidates, n): by how much one standard deviation of a candidate's outcome moves each mean. → (candidates,) gains, 0 or more.

    min over designs of mean + moves · Z is concave and piecewise linear in Z; the sum over the nodes is its expectation but for the kinks between two nodes.
    """
    best = mean.min()
    gains = np.empty(len(moves))
    for i, move in enumerate(moves):
        rivals = np.flatnonzero(mean - 4.5 * np.abs(move) <= best + 4.5 * np.abs(move).max())        # nobody else can become the best
        gains[i] = best - SHARES @ (mean[rivals, None] + move[rivals, None] * NODES).min(0)
    return np.maximum(gains, 0.0)


def expected_improvement(mean: float | np.ndarray, sd: float | np.ndarray, best: float) -> float | np.ndarray:
    """Of one design whose posterior mean will move by `sd` standard deviations (Jones, Schonlau & Welch 1998, eq. 15), below `best`."""
    sd = np.maximum(sd, 1e-12)
    z = (best - mean) / sd
    return sd * (z * ndtr(z) + np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi))
