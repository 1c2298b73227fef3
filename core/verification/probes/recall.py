"""Recall: what was a key's value in this sequence? Every sequence draws its own pairs, so that nothing can be learned by heart.

In-context, fuzzy and noisy recall follow MAD (Poli et al. 2024, arXiv 2403.17844, section 3 and appendix B); MQAR follows Zoology (Arora et al.
2023, arXiv 2312.04927, section 4 and appendix C.1). One difference to MAD: the loss counts the asked positions only, as Zoology's does, where
MAD trains on every next token; pairs that cannot be foreseen would only add noise to the few steps there are.
"""

from __future__ import annotations

import numpy as np

from core.verification.probes.base import NOTHING, Batch, Task, choices, interleaved, mapped, seen_before


def in_context_recall(rng: np.random.Generator, rows: int, length: int, keys: int, values: int, among: int = 0, noise: float = 0.0,
                      noise_vocab: int = 0) -> Batch:
    """Pairs key value key value …; each key that was seen before asks for its value, which follows. Among: so many of the keys are in use in a
    sequence (0: all of them). Noise: that share of pairs is two noise tokens."""
    pairs = length // 2
    key = mapped(choices(rng, rows, keys, among or keys), rng.integers(among or keys, size=(rows, pairs)))
    value = keys + mapped(rng.integers(values, size=(rows, keys)), key)
    noisy = rng.random((rows, pairs)) < noise
    asked = seen_before(np.where(noisy, keys + np.arange(pairs), key)) & ~noisy  # a noisy place is no key
    if noise_vocab:
        key, value = (np.where(noisy, keys + values + rng.integers(noise_vocab, size=key.shape), x) for x in (key, value))
    nothing = np.full_like(key, NOTHING)
    targets = interleaved(np.where(asked, value, NOTHING), nothing)
    return Batch(interleaved(key, value), targets, targets != NOTHING)


def fuzzy_recall(rng: np.random.Generator, rows: int, length: int, keys: int, values: int, key_tokens: int, value_tokens: int) -> Batch:
    """As in-context recall, but keys are 1…key_tokens tokens long and values 1…value_tokens, from two disjoint alphabets; each token of a value is
    asked once its key was seen. A sequence draws `key_tokens + 1` keys of each length, without which long keys would hardly ever return."""
    ids = np.zeros((rows, length), np.int64)
    targets = np.full((rows, length), NOTHING)
    for row in range(rows):
        known = _motifs(rng, keys, key_tokens)
        answers = [tuple(keys + rng.integers(values, size=rng.integers(1, value_tokens + 1))) for _ in known]
        seen: set[int] = set()
        at = 0
        while at < length:
            n = int(rng.integers(len(known)))
            motif = (*known[n], *answers[n])[: length - at]
            ids[row, at : at + len(motif)] = motif
            if n in seen:
                for i in range(len(known[n]), len(motif)):
                    targets[row, at + i - 1] = motif[i]
            seen.add(n)
            at += len(motif)
    return Batch(ids, targets, targets != NOTHING)


def _motifs(rng: np.random.Generator, alphabet: int, longest: int) -> list[tuple[int, ...]]:
    """longest + 1 different motifs of each length from 1."""
    found: list[tuple[int, ...]] = []
    for size in range(1, longest + 1):
        wanted = min(longest + 1, alphabet**size)
        mine: set[tuple[int, ...]] = set()
        while len(mine) < wanted:
            mine.add(tuple(int(t) for t in rng.integers(alphabet, size=size)))
        found += sorted(mine)
    return found


def mqar(rng: np.random.Generator, rows: int, length: int, pairs: int, vocab: int, power: float = 0.01) -> Batch:
    """`pairs` different keys, each followed by its value; then every key once more, at gaps that follow a power law, filled with token 0.

    A query asks for its value at its own position, and the value does not follow: nothing in the sequence gives it away.
    """
    half = vocab // 2
    key = 1 + choices(rng, rows, half - 1, pairs)
    value = half + choices(rng, rows, vocab - half, pairs)
    places = (length - 2 * pairs) // 2
    weight = power * np.arange(1, places + 1) ** (power - 1)
    # drawing without replacement by weight: the largest of log(u) / w (Efraimidis & Spirakis 2006)
    gaps = (np.log(rng.random((rows, places))) / weight).argsort(1)[:, ::-1][:, :pairs]
    at = 2 * pairs + 2 * gaps
    ids = np.concatenate([interleaved(key, value), np.zeros((rows, length - 2 * pairs), np.int64)], 1)
    targets = np.full((rows, length), NOTHING)
    np.put_along_axis(ids, at, key, 1)
    np.put_along_axis(targets, at, value, 1)
    return Batch(ids, targets, targets != NOTHING)


def induction(rng: np.random.Generator, rows: int, length: int, vocab: int, shortest: int, longest: int) -> Batch:
    """A random run of different tokens, then the same run again and again from a random place in it: once a token has returned, what followed it
    last time follows again (the copying of repeated random tokens by which Olsson et al. 2022, arXiv 2209.11895, tell induction heads)."""
    run = rng.integers(shortest, longest + 1, size=(rows, 1))
    start = rng.integers(0, run)
    order = choices(rng, rows, vocab, longest)
    t = np.arange(length + 1)[None]
    ids = mapped(order, np.where(t < run, t, (t - run + start) % run))
    same = (ids[:, :-1, None] == ids[:, None, :-1]) & np.tri(length, k=-1, dtype=bool)
    last = np.where(same.any(-1), length - 1 - same[:, :, ::-1].argmax(-1), 0)
    right = same.any(-1) & (mapped(ids, last + 1) == ids[:, 1:])
    targets = np.where(right, ids[:, 1:], NOTHING)
    return Batch(ids[:, :-1], targets, right)


MAD = "MAD, Poli et al. 2024, arXiv 2403.17844"
TASKS = (
    Task("in_context_recall", MAD, in_context_recall, {"length": 64, "keys": 8, "values": 8, "among": 0},
         lambda s: s["keys"] + s["values"], lambda s: s["values"]),
    Task("noisy_recall", MAD, in_context_recall, {"length": 64, "keys": 8, "values": 8, "among": 0, "noise": 0.4, "noise_vocab": 16},
         lambda s: s["keys"] + s["values"] + s["noise_vocab"], lambda s: s["values"]),
    Task("fuzzy_recall", MAD, fuzzy_recall, {"length": 64, "keys": 7, "values": 7, "key_tokens": 2, "value_tokens": 2},
         lambda s: s["keys"] + s["values"], lambda s: s["values"]),
    Task("mqar", "Zoology, Arora et al. 2023, arXiv 2312.04927", mqar, {"length": 64, "pairs": 8, "vocab": 64, "power": 0.01},
         lambda s: s["vocab"], lambda s: s["vocab"] - s["vocab"] // 2),
    Task("induction", "Olsson et al. 2022, arXiv 2209.11895", induction, {"length": 64, "vocab": 32, "shortest": 12, "longest": 24},
         lambda s: s["vocab"], lambda s: s["vocab"]),
)
