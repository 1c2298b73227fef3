"""What is computed once: the plan of a reading.

Causality makes a position's hidden state a function of the tokens up to it alone. So two sequences that begin alike share the states of their common
beginning: a sequence that begins another needs no forward pass of its own, and the head looks at each distinct beginning once, however many sequences have it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

SHORTEST = 0.5  # of a batch's longest sequence: padding never exceeds what is read


@dataclass(frozen=True)
class Batch:
    """One forward pass, and what is asked of it. Answers are numbered over all sequences, position by position."""

    ids: np.ndarray      # (b, l) int64, shorter sequences padded at the end
    rows: np.ndarray     # (m,) the positions that are looked at, in ids flattened, ascending
    answers: np.ndarray  # (k,) the answers that these give
    slots: np.ndarray    # (k,) which of the rows gives it, ascending


def plan(sequences: Sequence[np.ndarray], first: Sequence[int], batch_tokens: int) -> Iterator[Batch]:
    """The batches, longest first, that answer for positions `first[i]` … of sequences[i] (l_i,). A batch holds `batch_tokens` at most, or one sequence."""
    base = np.concatenate([[0], np.cumsum([len(s) for s in sequences])]).astype(np.int64)  # sequence i is base[i] … base[i + 1] of all positions
    asked = np.concatenate([np.arange(base[i] + first[i], base[i + 1]) for i in range(len(sequences))])
    rows, row_of = np.unique(_same(sequences, base)[asked], return_inverse=True)
    answers = np.argsort(row_of, kind="stable")  # grouped by row
    row_of = row_of[answers]
    rows_from = np.searchsorted(rows, base)      # of each sequence, in rows
    answers_from = np.searchsorted(row_of, rows_from)
    owners = sorted(np.flatnonzero(np.diff(rows_from)).tolist(), key=lambda i: -len(sequences[i]))
    for group in _groups([len(sequences[i]) for i in owners], batch_tokens):
        batch = owners[group]
        length = len(sequences[batch[0]])
        ids = np.zeros((len(batch), length), np.int64)
        for r, i in enumerate(batch):
            ids[r, : len(sequences[i])] = sequences[i]
        looked = [rows[rows_from[i] : rows_from[i + 1]] - base[i] + r * length for r, i in enumerate(batch)]
        skipped = rows_from[batch] - np.concatenate([[0], np.cumsum([len(x) for x in looked])[:-1]])  # from a row's number to its place in the batch
        yield Batch(ids, np.concatenate(looked), np.concatenate([answers[answers_from[i] : answers_from[i + 1]] for i in batch]),
                    np.concatenate([row_of[answers_from[i] : answers_from[i + 1]] - skip for i, skip in zip(batch, skipped, strict=True)]))


def _groups(lengths: Sequence[int], batch_tokens: int) -> Iterator[slice]:
    start = 0
    while start < len(lengths):
        end, longest = start + 1, lengths[start]
        while end < len(lengths) and (end + 1 - start) * longest <= batch_tokens and lengths[end] >= SHORTEST * longest:
            end += 1
        yield slice(start, end)
        start = end


def _same(sequences: Sequence[np.ndarray], base: np.ndarray) -> np.ndarray:
    """For each position of all sequences, the one position that stands for all with the same beginning.

    In lexicographic order all sequences with one beginning are neighbours, so that it is enough to compare each with the next.
    """
    keys = [s.astype(">u4").tobytes() for s in sequences]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    same = np.arange(base[-1])
    for i, following in zip(order[-2::-1], order[:0:-1], strict=True):
        n = _common(sequences[i], sequences[following])
        same[base[i] : base[i] + n] = same[base[following] : base[following] + n]
    return same


def _common(a: np.ndarray, b: np.ndarray) -> int:
    n = min(len(a), len(b))
    differ = np.flatnonzero(a[:n] != b[:n])
    return int(differ[0]) if len(differ) else n
