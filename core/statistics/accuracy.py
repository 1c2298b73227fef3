"""Accuracies of tasks, with their noise, and item by item against a reference.

Two models that answer the same items are compared on the items: the difference is the mean of what each item adds, which is far less noisy than two independent
accuracies (Miller 2024, arXiv 2411.00640, section 4). But the same design trained with another seed answers otherwise, by far more than its items tell. With answers
x_si of S seeds to n items,

    se² = var_s(mean_i x) / S + var_i(mean_s x) / n

where seeds and items are crossed (every seed answers the same items), so that what is neither's alone is in both terms, and the error is rather too large than too
small. The interval resamples the items, and draws the level of the seeds from Student's law with S − 1 degrees of freedom: resampling two or three of them says nothing of
their spread. One seed has no such term: its error is of the items only, and there is no p.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.types import derive_seed

RESAMPLES = 2000
ONE_SEED = "of the items only: seed noise is not in it"


@dataclass(frozen=True)
class Accuracy:
    value: float
    se: float                        # over items, and over seeds where there are several
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
    se: float                        # over seeds and items; of one seed, over items only
    low: float                       # 95 %, likewise
    high: float
    p_value: float | None            # two-sided, of there being no difference, seed noise considered; None for one seed
    seeds: int

    @property
    def words(self) -> str:
        """The figures, and what is not in them."""
        told = f"{self.difference:+.3f} ± {self.se:.3f}"
        return f"{told} (one seed, items only)" if self.p_value is None else f"{told} over {self.seeds} seeds, p {self.p_value:.2g}"


def accuracy(items: Sequence[int], chance: float = 0.0) -> Accuracy:
    """`items`: 1 where it was right, else 0. At least one."""
    n = len(items)
    value = sum(items) / n
    return Accuracy(value, math.sqrt(value * (1 - value) / n), n, chance)


def compare(task: str, own: Sequence[Sequence[int]], base: Sequence[Sequence[int]], chance: float = 0.0) -> TaskDifference:
    """`own`, `base`: for each shared seed, one answer (1 or 0) an item, in the same order."""
    import numpy as np

    mine, theirs = np.asarray(own, dtype=float), np.asarray(base, dtype=float)   # (seeds, items)
    gaps = mine - theirs
    gap, n = gaps.mean(0), gaps.shape[1]                                         # (items,)
    values, counts = np.unique(gap, return_counts=True)                          # few: resampling items is drawing how often each value comes
    rng = np.random.default_rng(derive_seed("items", task, n, float(gap.sum())))
    mean, seeds = float(gap.mean()), len(gaps)
    drawn = rng.multinomial(n, counts / n, size=RESAMPLES) @ values / n
    over_seeds = _seed_error(gaps)
    if seeds > 1:
        drawn = drawn + over_seeds * rng.standard_t(seeds - 1, size=RESAMPLES)
    low, high = np.quantile(drawn, [0.025, 0.975])
    over_items = float(gap.std(ddof=1) / math.sqrt(n)) if n > 1 else 0.0
    se = math.hypot(over_seeds, over_items)
    return TaskDifference(task, _over_seeds(mine, chance), _over_seeds(theirs, chance), mean, se, float(low), float(high),
                          _p_value(mean, se, seeds - 1) if seeds > 1 else None, seeds)


def _p_value(mean: float, se: float, df: int) -> float:
    """Student's, with the seeds' degrees of freedom alone: those of the sum (Satterthwaite's) call two like designs unlike at p < 0.05 in up to 14 of 100 trials with two
    seeds, and these in under 5."""
    from scipy.special import stdtr

    return 2 * float(stdtr(df, -abs(mean) / se)) if se else float(mean == 0)


def _seed_error(answers) -> float:
    """answers (seeds, items): the standard error of their mean that the seeds alone make; 0 where one seed tells nothing of it."""
    return float(answers.mean(1).std(ddof=1) / math.sqrt(len(answers))) if len(answers) > 1 else 0.0


def _over_seeds(answers, chance: float) -> Accuracy:
    """answers (seeds, items): the mean, and its error over seeds and items."""
    share = answers.mean(0)
    n = len(share)
    return Accuracy(float(share.mean()), math.hypot(_seed_error(answers), float(share.std(ddof=0) / math.sqrt(n))), n, chance)
