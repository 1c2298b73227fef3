"""Seed noise: how far the same design lands from itself when only the seed changes.

A score of design d with seed s is read as  y_ds = m_d + a_s + e_ds : the seed fixes the order of the data, which all designs meet alike (a), and the
initial weights, which they do not share (e). So there are two noises: of one score, sd² = var a + var e, and of the difference of two designs on
the same seed, paired² = 2 var e, which is what a paired comparison meets. Each is believed as a scaled inverse chi-squared, whose update is

    df' = df₀ + df,    s'² = (df₀ s₀² + df s²) / df'          (Gelman et al., Bayesian Data Analysis, 3rd ed., section 2.6)

with the prior (df₀, s₀) measured once a scale (library/noise.yaml). It weighs as LENT degrees of freedom at most: another design, or another corpus,
may be noisier than those it was measured with. The noise of an unstable design is its own: `compare` also updates by the design's own differences.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import ConfigError

LENT = 8.0           # degrees of freedom of a prior on the corpus it was measured on, at most
ELSEWHERE = 4.0      # on another corpus
BORROWED = 2.0       # of another scale's prior
GUESS = 0.01         # bits per byte where nothing was measured at any scale: the order of what nano shows; one degree of freedom
WILD = 3.0           # a design whose spread is so many times the median one is left out of the pool
NUMBERS = ("sd", "df", "paired_sd", "paired_df")
Scores = Mapping[str, Mapping[int, float]]   # design → seed → bits per byte


@dataclass(frozen=True)
class Spread:
    """What is believed of a standard deviation: its square is scaled inverse chi-squared (df, sd²)."""

    sd: float                        # bits per byte
    df: float

    def updated(self, other: Spread | None) -> Spread:
        if other is None:
            return self
        df = self.df + other.df
        return Spread(math.sqrt((self.df * self.sd**2 + other.df * other.sd**2) / df), df)

    def at_most(self, df: float) -> Spread:
        return Spread(self.sd, min(self.df, df))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        from scipy.special import chdtri  # of the upper tail

        tail = (1 - level) / 2
        return self.sd * math.sqrt(self.df / chdtri(self.df, tail)), self.sd * math.sqrt(self.df / chdtri(self.df, 1 - tail))


@dataclass(frozen=True)
class Prior:
    """One scale's entry of library/noise.yaml."""

    single: Spread
    paired: Spread
    corpus: str
    date: str
    designs: tuple[str, ...]
    seeds: tuple[int, ...]           # the prior was measured with these


@dataclass(frozen=True)
class Noise:
    """Of one scale on one corpus."""

    single: Spread                   # of one score over seeds
    paired: Spread                   # of the difference of two designs on the same seed
    basis: str                       # where it comes from, in words
    prior_only: bool                 # nothing was measured here


def noise(scale: str, scores: Scores, priors: Mapping[str, Prior], order: Sequence[str], corpus: str) -> Noise:
    """`scores`: at this scale on this corpus; `order`: the ladder; `corpus`: its name."""
    return Around(scale, scores, priors, order, corpus).without()


class Around:
    """The noise of a scale, for each design as the others tell it: what `noise` says without that design's scores, at once for thousands."""

    def __init__(self, scale: str, scores: Scores, priors: Mapping[str, Prior], order: Sequence[str], corpus: str) -> None:
        self._lent = lent(scale, priors, order, corpus)
        self._pool = Pool(unless_lent(scores, priors.get(scale), corpus))
        self._whole = self._told(None)

    def without(self, design_id: str | None = None) -> Noise:
        return self._told(design_id) if design_id in self._pool.place else self._whole

    def _told(self, design_id: str | None) -> Noise:
        single, paired, basis = self._lent
        mine, both, n = self._pool.told(design_id, tame=True)
        if mine is not None:
            basis = f"{n} verifications here, and {basis}"
        return Noise(single.updated(mine), paired.updated(both), basis, mine is None)


def lent(scale: str, priors: Mapping[str, Prior], order: Sequence[str], corpus: str) -> tuple[Spread, Spread, str]:
    """The prior as far as it speaks for this scale and corpus: its own, else the nearest scale's, else a guess."""
    found = priors.get(scale)
    if found is not None:
        most = LENT if found.corpus == corpus else ELSEWHERE
        return found.single.at_most(most), found.paired.at_most(most), f"the noise of {scale} measured on {found.corpus} ({found.date})"
    near = [name for name in order if name in priors]
    if near:
        at = order.index(scale) if scale in order else len(order)
        name = min(near, key=lambda n: abs(order.index(n) - at))
        return priors[name].single.at_most(BORROWED), priors[name].paired.at_most(BORROWED), f"the noise of {name}, for want of {scale}'s own"
    return Spread(GUESS, 1.0), Spread(GUESS, 1.0), f"a guess of {GUESS} bits per byte: the noise of {scale} was never measured"


def unless_lent(scores: Scores, prior: Prior | None, corpus: str) -> dict[str, Mapping[int, float]]:
    """Without the runs that the prior was measured with: the same design, seed and corpus give the same score again, and must not count twice."""
    if prior is None or prior.corpus != corpus:
        return dict(scores)
    return {d: {seed: y for seed, y in s.items() if d not in prior.designs or seed not in prior.seeds} for d, s in scores.items()}


def pooled(scores: Scores) -> Spread | None:
    """Within designs, over those with two seeds or more; None where there are none. df = sum of (seeds - 1)."""
    return Pool(scores).told()[0]


def residual(scores: Scores) -> Spread | None:
    """Of a paired difference: √2 times the residual of the two-way layout design + seed, by least squares, however unbalanced.

    Differences to one reference all hold the reference's own noise and are no independent sample; the residual counts it once. df = scores - rank.
    """
    return Pool(scores).told()[1]


class Pool:
    """Sums of squares of each design with two seeds or more: one with a single seed says nothing of noise.

    The designs' own levels are taken out first (the theorem of Frisch, Waugh and Lovell), so that only the seeds' effects are left to fit: with y and the
    seeds' indicators Z centred within each design d, A = Σ ZᵀZ, b = Σ Zᵀy, the residual is Σ yᵀy − bᵀA⁺b with Σ(n_d − 1) − rank A degrees of freedom.
    """

    def __init__(self, scores: Scores) -> None:
        import numpy as np

        several = {d: s for d, s in scores.items() if len(s) > 1}
        seeds = {seed: i for i, seed in enumerate(sorted({seed for s in several.values() for seed in s}))}
        self.place = {d: i for i, d in enumerate(several)}
        self.df = np.array([len(s) - 1 for s in several.values()], dtype=float)      # (designs,)
        self.squares = np.zeros(len(several))                                        # (designs,)
        self.A = np.zeros((len(several), len(seeds), len(seeds)))
        self.b = np.zeros((len(several), len(seeds)))
        for i, by_seed in enumerate(several.values()):
            y = np.array(list(by_seed.values()))
            y = y - y.mean()
            at = [seeds[seed] for seed in by_seed]
            self.squares[i] = y @ y
            self.A[i][np.ix_(at, at)] = np.eye(len(at)) - 1 / len(at)
            self.b[i, at] = y

    def told(self, without: str | None = None, tame: bool = False) -> tuple[Spread | None, Spread | None, int]:
        """(of one score, of a difference on the same seed, verifications that tell it). `tame`: without designs far more restless than the others, whose noise
        is their own, and would hide everybody's gain."""
        import numpy as np

        kept = np.ones(len(self.df), dtype=bool)
        if without is not None and without in self.place:
            kept[self.place[without]] = False
        if tame and kept.sum() > 2:
            spreads = np.sqrt(self.squares / self.df)
            kept &= spreads <= WILD * np.median(spreads[kept])
        df, squares = float(self.df[kept].sum()), float(self.squares[kept].sum())
        if not df:
            return None, None, 0
        A, b = self.A[kept].sum(0), self.b[kept].sum(0)
        effects, _, rank, _ = np.linalg.lstsq(A, b, rcond=1e-10)
        left, free = max(0.0, squares - float(b @ effects)), df - int(rank)
        return Spread(math.sqrt(squares / df), df), Spread(math.sqrt(2 * left / free), free) if free else None, int(df + kept.sum())


# ------------------------------------------------------------------------------------------------------ the file


def load_priors(path: Path) -> dict[str, Prior]:
    """scale → prior. A file that is not there holds none; raises ConfigError naming file, scale and key for one that is wrong."""
    import yaml

    from core.quick_yaml import parsed

    try:
        data = parsed(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", "restore it, or remove it: it is measured again by python -m core noise --write") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ConfigError(f"{path}:{mark.line + 1 if mark else '?'}: {getattr(error, 'problem', error)}", "mend the YAML") from None
    if not isinstance(data or {}, dict):
        raise ConfigError(f"{path} is no mapping", "one mapping of a scale to its noise")
    return {str(scale): _prior(path, str(scale), entry) for scale, entry in (data or {}).items()}


def _prior(path: Path, scale: str, entry: Any) -> Prior:
    mend = "python -m core noise --scale " + scale + " --seeds 8 --write measures it again"
    if not isinstance(entry, dict):
        raise ConfigError(f"{path}: {scale} is no mapping", mend)
    for key in NUMBERS:
        value = entry.get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
            raise ConfigError(f"{path}: {scale}: {key} is {value!r}, and must be a positive number", mend)
    return Prior(Spread(entry["sd"], entry["df"]), Spread(entry["paired_sd"], entry["paired_df"]), str(entry.get("corpus", "")), str(entry.get("date", "")),
                 tuple(entry.get("designs") or ()), _seeds(entry.get("seeds")))


def _seeds(value: Any) -> tuple[int, ...]:
    """A list of them, or how many from 0 on."""
    return tuple(value) if isinstance(value, list) else tuple(range(int(value or 0)))


def prior_entry(single: Spread, paired: Spread, corpus: str, designs: Sequence[str], seeds: Sequence[int], date: str) -> str:
    """The YAML lines of one scale, without its name."""
    return (f"  {{sd: {single.sd:.5f}, df: {single.df:g}, paired_sd: {paired.sd:.5f}, paired_df: {paired.df:g},\n"
            f"   corpus: {corpus}, designs: [{', '.join(designs)}], seeds: [{', '.join(map(str, seeds))}], date: {date}}}\n")


def write_prior(path: Path, scale: str, entry: str) -> None:
    """Put the scale's entry in; the others and the words at the head stay as they are."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
        kept, inside = [], False
        for line in lines:
            inside = line.startswith(f"{scale}:") or (inside and line[:1].isspace() and bool(line.strip()))
            kept += [] if inside else [line]
        path.write_text("".join(kept).rstrip("\n") + f"\n{scale}:\n{entry}", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}", "make it writable, or set NOISE_FILE to one that is") from error
