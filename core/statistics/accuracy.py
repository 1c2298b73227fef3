"""Accuracies of tasks, with their noise, and item by item against a reference.

An accuracy's standard error is √(p(1−p)/n) over items (the binomial's). Two models that answer the same items are compared on the items: the
difference is the mean of what each item adds, which is far less noisy than two independent accuracies (Miller 2024, arXiv 2411.00640, section 4). Over several
seeds an item's difference is its mean over them, so that the same item asked three times is not taken for three items.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.types import derive_seed

RESAMPLES = 2000


@dataclass(frozen=True)
class Accuracy:
    value: float
    se: float                        # over items
    n: int
    chance: float                    # of guessing, from the items themselves

    @property
    def above_chance(self) -> float:
        """0 at chance, 1 when all is right."""
        return (self.value - self.chance) / (1 - self.chance) if self.chance < 1 else 0.0

    @property
    def sigmas(self) -> float:
        """How many standard errors of guessing it lies above chance."""
        spread = math.sqrt(self.chance * (1 - self.chance) / self.n) if self.n else 0.0
        return (self.value - self.chance) / spread if spread else 0.0


@dataclass(frozen=True)
class TaskDifference:
    """A task's accuracy minus the reference's on the same items; positive is better."""

    task: str
    own: Accuracy
    base: Accuracy
    difference: float
    se: float                        # over items, paired
    low: float                       # 95 %, items resampled
    high: float
    p_value: float                   # McNemar's exact test, two-sided; of one seed's answers, the first
    seeds: int


def accuracy(items: Sequence[int], chance: float = 0.0) -> Accuracy:
    """`items`: 1 where it was right, else 0. At least one."""
    n = len(items)
    value = sum(items) / n
    return Accuracy(value, math.sqrt(value * (1 - value) / n), n, chance)


def compare(task: str, own: Sequence[Sequence[int]], base: Sequence[Sequence[int]], chance: float = 0.0) -> TaskDifference:
    """`own`, `base`: for each shared seed, one answer (1 or 0) an item, in the same order."""
    import numpy as np

    mine, theirs = np.asarray(own, dtype=float), np.asarray(base, dtype=float)   # (seeds, items)
    gap = (mine - theirs).mean(0)                                                # (items,)
    n = len(gap)
    values, counts = np.unique(gap, return_counts=True)                          # few: resampling items is drawing how often each value comes
    rng = np.random.default_rng(derive_seed("items", task, n, float(gap.sum())))
    means = rng.multinomial(n, counts / n, size=RESAMPLES) @ values / n
    low, high = np.quantile(means, [0.025, 0.975])
    se = float(gap.std(ddof=1) / math.sqrt(n)) if n > 1 else 0.0
    return TaskDifference(task, _over_seeds(mine, chance), _over_seeds(theirs, chance), float(gap.mean()), se, float(low), float(high), mcnemar(own[0], base[0]), len(own))


def mcnemar(own: Sequence[int], base: Sequence[int]) -> float:
    """Exact two-sided p of the discordant items being split evenly (McNemar 1947): the chance of a split at least so uneven between equals."""
    from scipy.special import bdtr

    wins = sum(a > b for a, b in zip(own, base, strict=True))
    losses = sum(a < b for a, b in zip(own, base, strict=True))
    n = wins + losses
    return min(1.0, 2 * float(bdtr(min(wins, losses), n, 0.5))) if n else 1.0


def _over_seeds(answers, chance: float) -> Accuracy:
    """answers (seeds, items): the mean, its error over items."""
    share = answers.mean(0)
    n = len(share)
    return Accuracy(float(share.mean()), float(share.std(ddof=0) / math.sqrt(n)), n, chance)
