"""The deep causality audit of trained weights: does anything but a token's past change what is said of it?

A block can pass every check untrained and read ahead once its weights have learnt to, or read ahead rarely. Here each of many windows of held-out text is
scored again with its future hidden in several ways, in other company and at other lengths, and the log-probabilities before the change are compared over the
whole vocabulary. It asks hundreds of positions, not all: a leak at one position in a thousand can go unseen, and can gain little.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.types import derive_seed
from core.verification.evaluation.heldout import TOLERANCE, held_out_windows
from core.verification.evaluation.reader import TokenReader
from core.verification.training.corpus import PreparedCorpus

WINDOWS = 48
CUTS = 4                     # hidden futures a window, of each kind
COMPANY = 3                  # rows of a batch in which a window has company
AGAIN, SAMPLE = 8, 256       # each eighth window is asked again at the end, and so many words of the vocabulary are compared
LIKELY = 1e-4                # tokens below this probability on both sides are not compared: their rounding is large, and nothing is gained there
SHORT = 8
ROWS = 256                   # compared at once


@dataclass(frozen=True)
class Finding:
    """The largest change that one way of looking found."""

    how: str
    nats: float
    where: str


def deep_audit(reader: TokenReader, corpus: PreparedCorpus, max_tokens: int) -> tuple[bool, str]:
    """(passed, evidence in words). `max_tokens` of the validation split are looked at, at most; the reader is to be one in float32.

    Raises VerificationError where the model gives no numbers, CorpusError where the split is not there.
    """
    rng = np.random.default_rng(derive_seed("audit", corpus.hash, max_tokens))
    windows = _windows(held_out_windows(corpus, max_tokens, reader.context), rng)
    sample = torch.from_numpy(rng.permutation(corpus.vocab_size)[:SAMPLE])
    worst: dict[str, Finding] = {}
    asked, first = 0, {}
    for number in range(len(windows)):
        alone, found = _window(reader, number, windows, corpus.vocab_size, rng)
        asked += len(found)
        worst = _worst([*worst.values(), *found])
        if number % AGAIN == 0:
            first[number] = alone[:, sample]
    for number, said in first.items():
        nats, at = _change(reader.log_probs(windows[number][None])[0][:, sample], said, len(windows[number]))
        worst = _worst([*worst.values(), Finding("asked again later", nats, f"at token {at} of window {number}")])
    total = f"{asked + len(first)} comparisons in {len(windows)} windows of up to {max(map(len, windows))} held-out tokens"
    failed = sorted((f for f in worst.values() if not f.nats <= TOLERANCE), key=lambda f: -f.nats)
    if failed:
        return False, f"what is said of a token changes by more than {TOLERANCE} nats ({total}): " + "; ".join(f"{f.how}, {f.nats:.3g} nats {f.where}" for f in failed)
    return True, f"nothing changes by more than {TOLERANCE} nats ({total}): " + ", ".join(f"{f.how} {f.nats:.2g}" for f in worst.values())


def _worst(findings: list[Finding]) -> dict[str, Finding]:
    """The largest of each way of looking; what is no number is larger than any."""
    out: dict[str, Finding] = {}
    for finding in findings:
        if finding.how not in out or not finding.nats <= out[finding.how].nats:
            out[finding.how] = finding
    return out


def _window(reader: TokenReader, number: int, windows: list[np.ndarray], vocab_size: int, rng: np.random.Generator) -> tuple[Tensor, list[Finding]]:
    """What is said of one window (l, vocab), and the changes found. The hidden futures come first: what was never shown cannot be remembered."""
    window = windows[number]
    length = len(window)
    cases = [*_futures(window, vocab_size, rng)]
    cut = int(rng.integers(1, length))
    cases.append(("the future cut off", cut, window[:cut]))
    room = reader.context - length
    if room > 0:
        cases.append(("more text appended", length, np.concatenate([window, rng.integers(0, vocab_size, int(rng.integers(1, room + 1)))])))
    said = [reader.log_probs(ids[None])[0, :end] for _, end, ids in cases]
    for how, fill in (("other windows in its batch", lambda: np.resize(windows[int(rng.integers(len(windows)))], length)),
                      ("random rows in its batch", lambda: rng.integers(0, vocab_size, length))):
        row = int(rng.integers(COMPANY))
        cases.append((how, length, window))
        said.append(reader.log_probs(np.stack([window if r == row else fill() for r in range(COMPANY)]))[row])
    alone = reader.log_probs(window[None])[0]
    found = []
    for (how, end, _), then in zip(cases, said, strict=True):
        nats, at = _change(then, alone, end)
        found.append(Finding(how, nats, f"at token {at} of window {number}" + (f", changed from token {end} on" if end < length else "")))
    return alone, found


def _futures(window: np.ndarray, vocab_size: int, rng: np.random.Generator) -> Iterator[tuple[str, int, np.ndarray]]:
    """(how, the first token that may differ, the window with another future)"""
    for cut in rng.integers(1, len(window), CUTS).tolist():
        yield "the future replaced at random", cut, np.concatenate([window[:cut], rng.integers(0, vocab_size, len(window) - cut)])
    for cut in rng.integers(1, len(window), CUTS).tolist():
        yield "the future permuted", cut, np.concatenate([window[:cut], rng.permutation(window[cut:])])
    for at in rng.integers(1, len(window), CUTS).tolist():
        one = window.copy()
        one[at] = (one[at] + rng.integers(1, vocab_size)) % vocab_size
        yield "one later token changed", at, one


def _change(a: Tensor, b: Tensor, end: int) -> tuple[float, int]:
    """(the largest difference in nats before `end`, over likely tokens, and where). a, b (l, vocab)."""
    off = [torch.where(torch.maximum(x, y) > math.log(LIKELY), (x - y).abs(), 0.0).amax(-1) for x, y in zip(a[:end].split(ROWS), b[:end].split(ROWS), strict=True)]
    worst = torch.cat(off)
    return float(worst.max()), int(worst.argmax())


def _windows(stream: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """Up to WINDOWS of them, spread over the text; every third is shortened to a length at random."""
    whole = [w.astype(np.int64) for w in stream if len(w) > SHORT]
    kept = [whole[i] for i in np.unique(np.linspace(0, len(whole) - 1, WINDOWS).astype(int))]
    return [w[: int(rng.integers(SHORT, len(w)))] if i % 3 == 2 else w for i, w in enumerate(kept)]
