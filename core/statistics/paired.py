"""Is a design better than the reference? A paired comparison at one scale on one corpus.

Both were trained with the same seeds, hence on the same order of the data: the difference of each seed is one observation, and what the seed does to both
cancels. With n shared seeds, mean difference d and the noise of a difference (df, s) as believed after the prior, the tree and these n differences,

    δ ~ d + s/√n · t_df        (normal data, flat prior on δ, scaled inverse chi-squared on the variance: Gelman et al., BDA 3, section 3.2)

and P(better) = P(δ < 0). A gain counts from two standard deviations of that noise: P ≥ Φ(2) = 0.977, so that the two become more where the noise
itself is known from few runs (Student). One seed is judged by the prior's noise alone. Not corrected for having tried many designs:
the best of fifty looks better than it is, which is what the locked test split is for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist, fmean

from core.statistics.noise import Noise, Spread
from core.types import Documents, derive_seed

SIGMAS = 2.0
CONFIDENT = NormalDist().cdf(SIGMAS)
LEVEL = 0.95
MOST_SEEDS = 16      # proposed, at most: beyond that a larger scale tells more for the same hours
RESAMPLES = 2000


class Verdict(StrEnum):
    BETTER = "better"
    WITHIN_NOISE = "within noise"
    WORSE = "worse"
    SUSPICIOUS = "suspicious"        # too good to count before its audit


@dataclass(frozen=True)
class Difference:
    """Design minus reference in bits per byte: negative is better."""

    mean: float
    se: float                        # of the seed noise
    df: float
    low: float                       # 95 % of the seed noise
    high: float
    p_better: float
    verdict: Verdict
    seeds: tuple[int, ...]           # shared; empty when unpaired
    paired: bool
    documents: tuple[float, float] | None   # 95 % over seeds and documents: would other text of this kind say the same?
    n_documents: int
    more: int | None                 # seeds that would decide it if the difference is as estimated; 0 decided, None more than MOST_SEEDS


def compare(own: Mapping[int, float], base: Mapping[int, float], noise: Noise,
            documents: Sequence[tuple[Documents, Documents]] = (), stream: object = 0) -> Difference:
    """`own`, `base`: seed → bits per byte. `noise` as known without the design itself: its own differences are taken in here. `documents`: (design's, reference's) of each shared seed. `stream` names the random stream of the bootstrap."""
    shared = tuple(sorted(set(own) & set(base)))
    if shared:
        gaps = [own[s] - base[s] for s in shared]
        mean, n = fmean(gaps), float(len(gaps))
        spread = further = noise.paired.updated(_spread(gaps))
    else:  # two independent means: sd² (1/n + 1/m)
        mean = fmean(own.values()) - fmean(base.values())
        n = 1 / (1 / len(own) + 1 / len(base))
        spread, further = noise.single.updated(_spread(own.values())), noise.paired  # further seeds would be shared
    se = spread.sd / math.sqrt(n)
    reach = _t_quantile(1 - (1 - LEVEL) / 2, spread.df) * se
    p = probability_below_zero(mean, se, spread.df)
    over, count = over_documents(mean, se, spread.df, documents, stream)
    return Difference(mean, se, spread.df, mean - reach, mean + reach, p, verdict(p), shared, bool(shared), over, count,
                      seeds_needed(mean, further, len(shared)) if verdict(p) is Verdict.WITHIN_NOISE else 0)


def verdict(p_better: float) -> Verdict:
    return Verdict.BETTER if p_better >= CONFIDENT else Verdict.WORSE if p_better <= 1 - CONFIDENT else Verdict.WITHIN_NOISE


def probability_below_zero(mean: float, se: float, df: float) -> float:
    from scipy.special import stdtr

    return float(stdtr(df, -mean / se)) if se > 0 else float(mean < 0) + 0.5 * (mean == 0)


def seeds_needed(mean: float, spread: Spread, have: int) -> int | None:
    """How many further shared seeds until |mean| reaches two standard deviations, the mean staying as it is; 0 when it has, None beyond MOST_SEEDS."""
    for more in range(MOST_SEEDS + 1):
        n = have + more
        if n and abs(mean) >= _t_quantile(CONFIDENT, spread.df + more) * spread.sd / math.sqrt(n):
            return more
    return None


def over_documents(mean: float, se: float, df: float, documents: Sequence[tuple[Documents, Documents]], stream: object) -> tuple[tuple[float, float] | None, int]:
    """(95 % interval over seeds and documents, number of documents): the difference that other text of this kind and other seeds would show.

    Documents are crossed with seeds, not nested in them (every seed scores the same ones), so one resample of the documents serves all seeds. The level of
    the seeds is drawn from its posterior: resampling two or three seeds says nothing of their spread (Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8).
    """
    import numpy as np

    usable = [(a, b) for a, b in documents if len(a.bits) == len(b.bits) > 1 and np.allclose(a.bytes, b.bytes)]
    if not usable or len({len(a.bits) for a, _ in usable}) > 1:
        return None, 0
    gap = np.mean([np.subtract(a.bits, b.bits) for a, b in usable], axis=0)  # (documents,) bits, over seeds
    size = np.asarray(usable[0][0].bytes, dtype=float)
    rng = np.random.default_rng(derive_seed("documents", stream))
    drawn = []
    chance = np.full(len(gap), 1 / len(gap))
    for _ in range(RESAMPLES // 100):
        weights = rng.multinomial(len(gap), chance, size=100)        # (100, documents)
        drawn.append((weights @ gap) / (weights @ size))
    moved = np.concatenate(drawn) - gap.sum() / size.sum()
    low, high = np.quantile(mean + moved + se * rng.standard_t(df, size=len(moved)), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return (float(low), float(high)), len(gap)


def _spread(values: Iterable[float]) -> Spread | None:
    values = list(values)
    if len(values) < 2:
        return None
    mean = fmean(values)
    return Spread(math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1)), len(values) - 1)


def _t_quantile(p: float, df: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(df, p))
