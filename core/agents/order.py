"""Several orders of the same proposals put together into one.

Orders become pairs; strengths are fitted to the pairs by the model of Bradley and Terry (1952, "Rank analysis of incomplete block designs") with the
minorisation steps of Hunter (2004, "MM algorithms for generalized Bradley–Terry models", eq. 3). A person's pairs weigh PERSON times as much, which places what they did not
name; among what they named their order holds whatever the others say (`held_to`): in the fit alone, enough opposing pairs outweigh any weight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

PERSON = 20.0
STEP = 1e-6          # by how much at least a proposal is weaker than the one that a person put before it
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
    return held_to(person or (), strengths(orders))


def held_to(order: Sequence[str], found: Mapping[str, float]) -> dict[str, float]:
    """The same strengths, dealt out anew among the names of `order` so that each is stronger than the next."""
    dealt, last = dict(found), float("inf")
    for name, strength in zip(order, sorted((found[name] for name in order), reverse=True), strict=True):
        last = min(strength, last * (1 - STEP))
        dealt[name] = last
    return dealt
