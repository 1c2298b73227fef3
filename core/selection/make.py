"""Selectors by name. All are bound by what persons want of branches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from core.errors import UsageError
from core.selection.base import Parts, Rung, Selector
from core.selection.controls import BestOfNSelector, PersonSelector
from core.selection.greedy import GreedySelector
from core.selection.halving import HalvingSelector
from core.selection.islands import IslandsSelector
from core.selection.quadrant import QuadrantSelector
from core.selection.wishes import Wishes
from core.statistics.noise import Prior, lent
from core.types import Scale

DEFAULT = "bayes"
Rungs = Mapping[str, Rung] | None


def rungs_of(scales: Sequence[Scale], priors: Mapping[str, Prior], corpus: str) -> dict[str, Rung]:
    """Size, cost and noise of a run's scales, cheapest first, from what is written down of them: what was measured meanwhile the tree tells itself. Cost: parameters × tokens; the minutes
    of scales.yaml are of different machines."""
    names = [s.name for s in scales]
    found = {}
    for s in scales:
        size = 12.0 * s.n_layers * s.d_model**2 + s.vocab_size * s.d_model          # of the reference: attention and a feed-forward of four times the width, and the embedding
        single, _, _ = lent(s.name, priors, names, corpus)
        found[s.name] = Rung(size, size * s.tokens, single.sd, single.df)
    return found


def _bayes(seed: int, scales: list[str], rungs: Rungs, parts: Parts | None) -> Selector:
    from core.selection.bayes import BayesSelector  # scipy

    return BayesSelector(seed, scales, rungs, parts or Parts())


SELECTORS: Mapping[str, Callable[[int, list[str], Rungs, Parts | None], Selector]] = {
    "bayes": _bayes,
    "quadrant": lambda seed, scales, rungs, _: QuadrantSelector(seed, scales, rungs),
    "halving": lambda seed, scales, rungs, _: HalvingSelector(seed, scales, rungs),
    "islands": lambda seed, scales, rungs, _: IslandsSelector(seed, scales, rungs),
    "best_of_n": lambda seed, scales, rungs, _: BestOfNSelector(seed, scales, rungs),
    "greedy": lambda seed, scales, rungs, _: GreedySelector(seed, scales, True, rungs),
    "random": lambda seed, scales, rungs, _: GreedySelector(seed, scales, False, rungs),
    "person": lambda seed, scales, rungs, _: PersonSelector(seed, scales, rungs),
}


def make_selector(name: str, seed: int, scales: Sequence[str], rungs: Rungs = None, parts: Parts | None = None) -> Wishes:
    """`scales`: the run's, cheapest first; the rest: see core/selection/base.py. Raises UsageError for a name that is none."""
    if name not in SELECTORS:
        raise UsageError(f"selector {name!r} is unknown", f"use one of {', '.join(SELECTORS)}")
    return Wishes(SELECTORS[name](seed, list(scales), rungs, parts), scales, seed)
