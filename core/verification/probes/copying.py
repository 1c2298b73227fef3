"""Keeping tokens: copying, squeezing them into one vector, learning a table by heart. All after MAD (Poli et al. 2024, arXiv 2403.17844, section 3)."""

from __future__ import annotations

import numpy as np

from core.types import derive_seed
from core.verification.probes.base import NOTHING, Batch, Task, interleaved
from core.verification.probes.recall import MAD


def selective_copying(rng: np.random.Generator, rows: int, length: int, copied: int, vocab: int) -> Batch:
    """`copied` tokens strewn among blanks, a mark, then blanks at which the tokens are asked in their order: what came when, whatever the gaps.

    Content is 0…vocab−3, the blank vocab−2, the mark vocab−1.
    """
    before = length - copied - 1
    places = np.sort(rng.random((rows, before)).argsort(1)[:, :copied], 1)
    content = rng.integers(vocab - 2, size=(rows, copied))
    ids = np.full((rows, length), vocab - 2)
    np.put_along_axis(ids, places, content, 1)
    ids[:, before] = vocab - 1
    targets = np.full((rows, length), NOTHING)
    targets[:, before + 1 :] = content
    return Batch(ids, targets, targets != NOTHING)


def compression(rng: np.random.Generator, rows: int, length: int, vocab: int) -> Batch:
    """Random tokens and a mark; from the mark's vector alone a small network must tell every token (asked: all of them)."""
    tokens = rng.integers(vocab - 1, size=(rows, length - 1))
    ids = np.concatenate([tokens, np.full((rows, 1), vocab - 1)], 1)
    return Batch(ids, tokens, np.ones_like(tokens, bool))


def memorisation(rng: np.random.Generator, rows: int, length: int, facts: int, secret: int) -> Batch:
    """Key, mark, key, mark …: at each mark the key's value is asked, by a table that is the same in every sequence and can only be learned.

    Keys are 0…facts−1, values facts…2·facts−1, the mark 2·facts. The table follows from `secret`.
    """
    table = facts + np.random.default_rng(derive_seed(secret, "facts")).permutation(facts)
    key = rng.integers(facts, size=(rows, length // 2))
    mark = np.full_like(key, 2 * facts)
    targets = interleaved(np.full_like(key, NOTHING), table[key])
    return Batch(interleaved(key, mark), targets, targets != NOTHING)


TASKS = (
    Task("selective_copying", MAD, selective_copying, {"length": 64, "copied": 8, "vocab": 16}, lambda s: s["vocab"], lambda s: s["vocab"] - 2),
    Task("compression", MAD, compression, {"length": 16, "vocab": 16}, lambda s: s["vocab"], lambda s: s["vocab"] - 1, decoder=True),
    Task("memorisation", MAD, memorisation, {"length": 32, "facts": 127}, lambda s: 2 * s["facts"] + 1, lambda s: s["facts"], fixed=True),
)
