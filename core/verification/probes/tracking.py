"""State tracking: what has a sequence of moves made of the state? Asked in the second half, learned at every position.

Parity is the product in Z2; S3 and S5 are the permutations of 3 and 5 things, whose word problems are in and beyond what constant-depth
attention and diagonal recurrences can do at any length (Merrill et al. 2024, arXiv 2404.08819; Grazzi et al. 2024, arXiv 2411.12537: parity needs
negative eigenvalues of the state's transition, S3 and S5 non-diagonal ones).
"""

from __future__ import annotations

import functools
import itertools

import numpy as np

from core.verification.probes.base import Batch, Task


def parity(rng: np.random.Generator, rows: int, length: int) -> Batch:
    """Bits; the answer is whether the ones so far are odd in number."""
    ids = rng.integers(2, size=(rows, length))
    return Batch(ids, ids.cumsum(1) % 2, _later(ids))


def permutations(rng: np.random.Generator, rows: int, length: int, things: int, swaps: bool) -> Batch:
    """Permutations of `things` things, composed from the left; the answer is the number of the product. `swaps`: exchanges of two and the identity only."""
    products, exchanges = group(things)
    moves = exchanges if swaps else np.arange(len(products))
    ids = moves[rng.integers(len(moves), size=(rows, length))]
    state, states = np.zeros(rows, np.int64), []
    for move in ids.T:
        state = products[state, move]
        states.append(state)
    return Batch(ids, np.stack(states, 1), _later(ids))


@functools.cache
def group(things: int) -> tuple[np.ndarray, np.ndarray]:
    """(the table of products, the numbers of the identity and the exchanges of two); elements in the order of itertools, 0 the identity.

    products[a, b] is first a, then b: x ↦ b[a[x]].
    """
    elements = list(itertools.permutations(range(things)))
    number = {element: n for n, element in enumerate(elements)}
    products = np.array([[number[tuple(b[i] for i in a)] for b in elements] for a in elements])
    moved = np.array([sum(i != x for i, x in enumerate(element)) for element in elements])
    return products, np.flatnonzero((moved == 0) | (moved == 2))


def _later(ids: np.ndarray) -> np.ndarray:
    asked = np.zeros(ids.shape, bool)
    asked[:, ids.shape[1] // 2 :] = True
    return asked


GRAZZI = "Grazzi et al. 2024, arXiv 2411.12537"
MERRILL = "Merrill et al. 2024, arXiv 2404.08819"
SIZES = {2: 2, 3: 6, 4: 24, 5: 120}
TASKS = (
    Task("parity", GRAZZI, parity, {"length": 32}, lambda s: 2, lambda s: 2),
    Task("permutations", MERRILL, permutations, {"length": 16, "things": 3, "swaps": False}, lambda s: SIZES[s["things"]], lambda s: SIZES[s["things"]]),
)
