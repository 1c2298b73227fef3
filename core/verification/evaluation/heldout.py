"""Held-out bits per byte: the score that ranks. It does not depend on the tokenizer, and lower is better."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.errors import CorpusError, DesignError
from core.types import Documents
from core.verification.evaluation.reader import TokenReader
from core.verification.training.corpus import PreparedCorpus

PROBES = 24          # windows in which the future is hidden once
FEW = 8              # documents
TOLERANCE = 0.02     # nats of one token: rounding in float32 stays far below
ROUNDING = {"float32": TOLERANCE, "bfloat16": 0.5}  # what bfloat16 rounds differently between batches of other shapes has no direction: its mean is held to TOLERANCE


@dataclass(frozen=True)
class HeldOut:
    bits_per_byte: float
    bits_per_byte_se: float          # over documents; over windows where there are fewer than FEW of them
    loss: float                      # nats a token
    tokens: int
    documents: Documents             # each one, in the split's order


def held_out(reader: TokenReader, corpus: PreparedCorpus, max_tokens: int, split: str = "valid") -> HeldOut:
    """Score whole documents of a split, "valid" or "test", in its fixed order, up to about `max_tokens`. Raises CorpusError when the split is not there.

    Documents are packed with the end-of-text token between them, in windows of the context without overlap, as in training. A document's nats
    are those of its tokens and of the end-of-text that closes it.
    """
    stream, starts, sizes = _stream(corpus, max_tokens, split)
    windows = _cut(stream, reader.context)
    probes = Probes(windows, corpus.vocab_size)
    blind = probes.score(reader)  # first: what was never shown cannot be remembered
    whole = reader.nats(windows)
    probes.compare(blind, whole, ROUNDING[reader.precision])
    nats = np.concatenate(whole)  # of stream[1:]
    bounds = [s - 1 for s in starts]
    per_document = np.add.reduceat(nats, bounds)
    bits, size = per_document / math.log(2), np.asarray(sizes, float)
    if len(bits) >= FEW:
        se = ratio_se(bits, size)
    else:  # too few documents to tell how they differ: windows stand in, each with its tokens' share of the bytes
        pieces = np.asarray([piece.sum() / math.log(2) for piece in whole])
        se = ratio_se(pieces, np.asarray([len(piece) for piece in whole]) * size.sum() / len(nats))
    return HeldOut(float(bits.sum() / size.sum()), se, float(nats.mean()), len(nats), Documents(tuple(bits.tolist()), tuple(size.tolist())))


def held_out_windows(corpus: PreparedCorpus, max_tokens: int, context: int) -> list[np.ndarray]:
    """The validation text as a model reads it: windows of at most `context` tokens."""
    return [window[:-1] for window in _cut(_stream(corpus, max_tokens, "valid")[0], context)]


class Probes:
    """Sampled positions of the held-out windows, scored once with what follows them replaced at random.

    A model that reads ahead, in whatever way it hid from the checks, loses what it gained there. Lengths stay as they are.
    """

    def __init__(self, windows: list[np.ndarray], vocab_size: int) -> None:
        rng = np.random.default_rng(len(windows))
        long = [i for i, w in enumerate(windows) if len(w) > 2]
        self.chosen = [(int(i), int(rng.integers(1, len(windows[i]) - 1))) for i in rng.permutation(long)[:PROBES]]
        self.labels = [windows[i].astype(np.int64) for i, _ in self.chosen]
        self.shown = [np.concatenate([w[:cut], rng.integers(0, vocab_size, len(w) - cut)]) for w, (_, cut) in zip(self.labels, self.chosen, strict=True)]

    def score(self, reader: TokenReader) -> list[np.ndarray]:
        """Nats of the tokens up to and with the one at the cut, which the model is not shown."""
        out = []
        for shown, labels, (_, cut) in zip(self.shown, self.labels, self.chosen, strict=True):
            logp = reader.log_probs(shown[None, :-1])[0]
            out.append(-logp[np.arange(cut), labels[1 : cut + 1]].double().numpy())
        return out

    def compare(self, blind: list[np.ndarray], whole: list[np.ndarray], tolerance: float) -> None:
        """Raises DesignError where the true future changes what was said before it."""
        for (i, cut), hidden in zip(self.chosen, blind, strict=True):
            off = float(np.abs(whole[i][:cut] - hidden).max())
            if not off <= tolerance:
                raise _reads_ahead(f"with the future after token {cut} of held-out window {i} hidden, its loss before it changes by {off:.3g} nats")
        gain = float(np.mean([hidden[-1] - whole[i][cut - 1] for (i, cut), hidden in zip(self.chosen, blind, strict=True)])) if blind else 0.0
        if not gain <= TOLERANCE:
            raise _reads_ahead(f"with the future hidden, the loss of the token before it is {gain:.3g} nats higher, in the mean over {len(blind)} windows")


def _reads_ahead(how: str) -> DesignError:
    return DesignError(f"the trained model reads ahead: {how}", "let position t see X[:, :t+1] only")


def ratio_se(x: np.ndarray, y: np.ndarray) -> float:
    """Standard error of Σx/Σy over independent documents, by linearisation (the delta method; Cochran 1977, eq. 6.4). Of one alone: all of it."""
    n, ratio = len(x), x.sum() / y.sum()
    if n < 2:
        return float(ratio)
    return float(math.sqrt(n / (n - 1) * ((x - ratio * y) ** 2).sum()) / y.sum())


def _cut(stream: np.ndarray, context: int) -> list[np.ndarray]:
    """Windows (context + 1,), each starting with the last one's end, so that every token but the first is a label once."""
    return [stream[i : i + context + 1] for i in range(0, len(stream) - 1, context)]


def _stream(corpus: PreparedCorpus, max_tokens: int, split: str) -> tuple[np.ndarray, list[int], list[int]]:
    """(tokens with the end-of-text before, between and after, where each document starts, its bytes)"""
    try:
        index = json.loads(Path(corpus.dir, f"{split}.json").read_text())
        tokens = np.memmap(corpus.dir / f"{split}.bin", np.uint16 if corpus.vocab_size <= 2**16 else np.uint32, "r")
    except (OSError, ValueError) as error:
        raise CorpusError(f"the {split} split of {corpus.name} cannot be read: {error}", f"remove {corpus.dir}: the corpus is made again") from error
    ends = [*index["starts"][1:], len(tokens)]
    n = max(1, sum(end <= max_tokens + 1 for end in ends))
    return np.asarray(tokens[: ends[n - 1]]), index["starts"][:n], index["bytes"][:n]
