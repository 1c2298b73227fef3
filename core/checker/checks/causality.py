"""Whether the future leaks into the past: the check on which every score rests.

Position t may see X[:, :t+1] only. What comes after a cut is changed, in two sizes, or cut off; nothing before the cut may move. The whole model is
looked at, fed with tokens and with the blocks' input itself, so that leaks through Z and between blocks show too. Parameters are randomised, since a
leak may hide behind a gate that starts at zero; modes, lengths, batches, precisions and gradients are varied, since it may show in one of them only.
What a block does later than here is caught by `core/verification/evaluation/heldout.py`, which hides the future while it scores.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.checker.subject import VOCAB, Outcome, Subject, relative

EXACT = 1e-9         # relative, in float64: rounding stays below 1e-12, the smallest leak worth having is far above
LENGTHS = (2, 17, 64, 129, 256)
SINGLE, HALF = 1e-4, 0.15            # relative, in float32 and under bfloat16 autocast: above what rounding does to chunked forms
SMALL = 1e-2         # the smaller change of the blocks' input; the larger is another input altogether
MEND = "let position t see X[:, :t+1] only: no statistics, sorts, transforms, routing or padding over the whole sequence"


@dataclass(frozen=True)
class Trial:
    """One comparison: a sequence, and three variants that agree with it before their cuts."""

    length: int
    train: bool
    grad: bool
    tokens: bool                     # fed with tokens, or with the blocks' input
    seed: int


def causality(subject: Subject) -> Outcome:
    """Float64 to 1e-9 with parameters randomised mildly and wildly, train and eval, with and without gradients, lengths up to the training length; float32 and bfloat16; and again after training steps."""
    longest = subject.context
    lengths = sorted({n for n in LENGTHS if n <= longest} | {longest})
    worst, count = (0.0, ""), 0

    def settle(found: tuple[float, str], n: int) -> None:
        nonlocal worst, count
        worst, count = max(worst, found), count + n

    subject.build(dtype="float64", noise=0.1)
    settle(*battery(subject, list(_trials(lengths, seed=0)), np.float64, EXACT))
    if worst[0] <= EXACT:
        subject.build(dtype="float64", noise=3.0, seed=1)
        settle(*battery(subject, list(_trials([17, min(129, longest)], seed=1)), np.float64, EXACT, "wild parameters, "))
    if worst[0] <= EXACT:
        subject.build(dtype="float64", noise=0.02, seed=2)
        for n in range(3):
            ids = subject.ids(2, min(65, longest), seed=n)
            subject.ask("step", ids[:, :-1].copy(), ids[:, 1:].copy())
        settle(*battery(subject, [Trial(n, train, not train, True, 50 + n) for n in (min(64, longest), longest) for train in (False, True)], np.float64, EXACT, "after training steps, "))
    if not worst[0] <= EXACT:
        return Outcome("fail", f"the future leaks: hidden states move by {worst[0]:.1e} of their size ({worst[1]}), allowed {EXACT:.0e}", MEND)
    for words, allowed, settings in (("float32", SINGLE, {}), ("bfloat16", HALF, {"amp": True})):
        subject.build(noise=0.1, **settings)
        rough, n = battery(subject, [Trial(length, train, train, True, 80 + length) for length in (17, min(64, longest), longest) for train in (False, True)],
                           np.float32, allowed, f"{words}, ", same_shape=True)
        count += n
        if not rough[0] <= allowed:
            return Outcome("fail", f"the future leaks: hidden states move by {rough[0]:.1e} of their size ({rough[1]}), allowed {allowed:.0e}", MEND)
    return Outcome("pass", f"hidden states move by at most {worst[0]:.1e} of their size in float64, allowed {EXACT:.0e}; {count} comparisons, lengths {', '.join(map(str, lengths))}{subject.reduced}")


def _trials(lengths: list[int], seed: int) -> Iterator[Trial]:
    """Train and eval at every length; gradients and the kind of input take turns, so that each meets each."""
    for i, length in enumerate(lengths):
        for j, train in enumerate((False, True)):
            yield Trial(length, train, grad=bool((i + j) % 2), tokens=bool((i + i // 2 + j) % 2), seed=seed * 1000 + 10 * i + j)


def battery(subject: Subject, trials: list[Trial], dtype: type, allowed: float, words: str = "", same_shape: bool = False) -> tuple[tuple[float, str], int]:
    """((the largest movement, where), comparisons made); ends at the first that is not allowed. Wild parameters may overflow: what is not finite is not compared."""
    worst, count = (0.0, ""), 0
    for trial in trials:
        mode = {"train": trial.train, "grad": trial.grad}
        rng = np.random.default_rng([trial.seed, trial.length])
        given = subject.ids(1, trial.length, seed=trial.seed) if trial.tokens else subject.inputs(1, trial.length, seed=trial.seed)
        whole = subject.hidden(given, dtype, **mode)
        if not np.isfinite(whole).all():
            continue
        cuts = sorted({1, trial.length - 1, int(rng.integers(1, trial.length)), int(rng.integers(1, trial.length))})[:3]
        cuts += [cuts[-1]] * (3 - len(cuts))
        variants = np.repeat(given, 3, 0)
        for row, cut in enumerate(cuts):
            variants[row, cut:] = _changed(given[0, cut:], rng, small=row == 1)
        changed = subject.hidden(variants if not same_shape else variants[1:2], dtype, **mode)
        for row, cut in enumerate(cuts) if not same_shape else ((0, cuts[1]),):
            worst = max(worst, (relative(whole[:, :cut], changed[row : row + 1, :cut]), f"{words}later positions changed at {cut} of {trial.length}, {_mode(trial)}"))
            count += 1
        if not same_shape:
            cut = cuts[1]
            short = subject.hidden(np.ascontiguousarray(given[:, :cut]), dtype, **mode)
            worst = max(worst, (relative(whole[:, :cut], short), f"{words}later positions cut off at {cut} of {trial.length}, {_mode(trial)}"))
            count += 1
        if not worst[0] <= allowed:
            break
    return worst, count


def _changed(later: np.ndarray, rng: np.random.Generator, small: bool) -> np.ndarray:
    if later.dtype == np.int64:
        return (later + 1 + rng.integers(0, VOCAB - 2, later.shape)) % VOCAB
    return later + SMALL * rng.standard_normal(later.shape) if small else rng.standard_normal(later.shape)


def _mode(trial: Trial) -> str:
    return f"{'train' if trial.train else 'eval'} mode, {'with' if trial.grad else 'without'} gradients, fed with {'tokens' if trial.tokens else 'the block’s input'}"
