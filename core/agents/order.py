"""Several orders of the same proposals put together into one.

Orders become pairs; strengths are fitted to the pairs by the model of Bradley and Terry (1952, "Rank analysis of incomplete block designs") with the
minorisation steps of Hunter (2004, "MM algorithms for generalized Bradley–Terry models", eq. 3). A person's pairs weigh PERSON times as much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

PERSON = 20.0
PRIOR = 0.1          # of a win against, and a loss to, an average proposal: keeps strengths finite
STEPS = 200


def strengths(orders: Sequence[tuple[Sequence[str], float]]) -> dict[str, float]:
    """(order, best first, and its weight)… → strength of each, 1 on average: the chance that a beats b is s_a / (s_a + s_b)."""
    names = list(dict.fromkeys(name for order, _ in orders for name in order))
    wins = dict.fromkeys(names, 0.0)
    met: dict[tuple[str, str], float] = {}
    for order, weight in orders:
        for i, better in enumerate(order):
            for worse in order[i + 1 :]:
                wins[better] += weight
                pair = (min(better, worse), max(better, worse))
                met[pair] = met.get(pair, 0.0) + weight
    found = dict.fromkeys(names, 1.0)
    for _ in range(STEPS):
        new = {}
        for name in names:
            against = sum(n / (found[a] + found[b]) for (a, b), n in met.items() if name in (a, b)) + 2 * PRIOR / (found[name] + 1.0)
            new[name] = (wins[name] + PRIOR) / against
        mean = sum(new.values()) / len(new) if new else 1.0
        found = {name: s / mean for name, s in new.items()}
    return found


def together(person: Sequence[str] | None, model: Sequence[str] | None, ratings: Mapping[str, float]) -> dict[str, float]:
    """Strengths from a person's order, the ranker's, and the ratings as an order of their own (half a voice)."""
    by_rating = sorted(ratings, key=lambda name: -ratings[name])
    orders = [(order, weight) for order, weight in ((person, PERSON), (model, 1.0), (by_rating, 0.5)) if order]
    return strengths(orders)
