"""Held-out bits per byte: the score that ranks. It does not depend on the tokenizer, and lower is better."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.verification.evaluation.reader import Reader
from core.verification.training.corpus import PreparedCorpus


@dataclass(frozen=True)
class HeldOut:
    bits_per_byte: float
    bits_per_byte_se: float          # over documents
    loss: float                      # nats a token
    documents: int
    tokens: int


def held_out(reader: Reader, corpus: PreparedCorpus, max_tokens: int) -> HeldOut:
    """Score whole documents of the validation split, in its fixed order, up to about `max_tokens`.

    Documents are packed with the end-of-text token between them, in windows of the context without overlap, as in training. A document's nats
    are those of its tokens and of the end-of-text that closes it.
    """
    stream, starts, sizes = _stream(corpus, max_tokens)
    windows = [stream[i : i + reader.context + 1] for i in range(0, len(stream) - 1, reader.context)]
    nats = np.concatenate(reader.nats(windows))  # of stream[1:]
    bounds = [s - 1 for s in starts]
    per_document = np.add.reduceat(nats, bounds)
    bits, size = per_document / math.log(2), np.asarray(sizes, float)
    return HeldOut(bits.sum() / size.sum(), ratio_se(bits, size), float(nats.mean()), len(sizes), len(nats))


def ratio_se(x: np.ndarray, y: np.ndarray) -> float:
    """Standard error of Σx/Σy over independent documents, by linearisation (the delta method; Cochran 1977, eq. 6.4)."""
    n, ratio = len(x), x.sum() / y.sum()
    if n < 2:
        return math.nan
    return float(math.sqrt(n / (n - 1) * ((x - ratio * y) ** 2).sum()) / y.sum())


def _stream(corpus: PreparedCorpus, max_tokens: int) -> tuple[np.ndarray, list[int], list[int]]:
    """(tokens with the end-of-text before, between and after, where each document starts, its bytes)"""
    index = json.loads(Path(corpus.dir, "valid.json").read_text())
    tokens = np.memmap(corpus.dir / "valid.bin", np.uint16 if corpus.vocab_size <= 2**16 else np.uint32, "r")
    ends = [*index["starts"][1:], len(tokens)]
    n = max(1, sum(end <= max_tokens + 1 for end in ends))
    return np.asarray(tokens[: ends[n - 1]]), index["starts"][:n], index["bytes"][:n]
