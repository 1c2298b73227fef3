"""Several orders of the same proposals put together into one.

Orders become pairs; strengths are fitted to the pairs by the model of Bradley and Terry (1952, "Rank analysis of incomplete block designs") with the
minorisation steps of Hunter (2004, "MM algorithms for generalized Bradley–Terry models", eq. 3). A person's pairs weigh PERSON times as much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

PERSON = 20.0
PRIOR = 0.1          # of a win against, and a loss to, an average proposal: keeps strengths finite
STEPS = 200


def strengths(orders: Sequence[tuple[Sequence[str], float]]) -> dict[str, float]:
    """(order, best first, and its weight)… → strength of each, 1 on average: the chance that a beats b is s_a / (s_a + s_b)."""
    names = list(dict.fromkeys(name for order, _ in orders for name in order))
    if not names:
        return {}
    place = {name: i for i, name in enumerate(names)}
    beats = np.zeros((len(names), len(names)))       # [better, worse]
    for order, weight in orders:
        at = [place[name] for name in order]
        for i, better in enumerate(at):
            beats[better, at[i + 1 :]] += weight
    wins, met = beats.sum(1) + PRIOR, beats + beats.T
    found = np.ones(len(names))
    for _ in range(STEPS):
        found = wins / ((met / (found[:, None] + found)).sum(1) + 2 * PRIOR / (found + 1))
        found /= found.mean()
    return dict(zip(names, found.tolist(), strict=True))


def together(person: Sequence[str] | None, model: Sequence[str] | None, ratings: Mapping[str, float]) -> dict[str, float]:
    """Strengths from a person's order, the ranker's, and the ratings as an order of their own (half a voice)."""
    by_rating = sorted(ratings, key=lambda name: -ratings[name])
    orders = [(order, weight) for order, weight in ((person, PERSON), (model, 1.0), (by_rating, 0.5)) if order]
    return strengths(orders)
