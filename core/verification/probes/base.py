"""What a task is: a pure function of (generator, rows, settings) to token ids, targets and the positions that are asked.

Every task has a vocabulary, a set of possible answers (chance is one over their number) and settings that make it harder: its levels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.errors import UsageError
from core.types import Json

NOTHING = -1                         # no target at this position


@dataclass(frozen=True)
class Batch:
    """`ids` (b, l) in 0…vocab−1; `targets` (b, t) the right answer at a position, or NOTHING; `asked` (b, t) which of them count in an accuracy.

    t is l, except where a decoder answers (`Task.decoder`). What is asked always has a target; in training every target is learned from.
    """

    ids: np.ndarray
    targets: np.ndarray
    asked: np.ndarray


Make = Callable[..., Batch]          # (rng, rows, **settings)


@dataclass(frozen=True)
class Task:
    """`settings`: the names a level may set, with their defaults. `vocab`, `answers`: of the settings."""

    name: str
    source: str
    make: Make
    settings: Mapping[str, Any]
    vocab: Callable[[Json], int]
    answers: Callable[[Json], int]
    decoder: bool = False            # answers come from the last position's vector, through a small network (compression)
    fixed: bool = False              # what is asked is the same in every batch (memorisation): `make` is also given `secret`, the run's seed
    doc: str = field(default="", repr=False)

    def full(self, level: Mapping[str, Any]) -> Json:
        """The level's settings over the defaults. Raises UsageError naming an unknown one."""
        unknown = sorted(set(level) - set(self.settings))
        if unknown:
            raise UsageError(f"probe {self.name} has no setting {unknown[0]!r}", f"it has {', '.join(self.settings)}")
        return {**self.settings, **level}

    def batch(self, rng: np.random.Generator, rows: int, settings: Json, secret: int = 0) -> Batch:
        return self.make(rng, rows, **settings, **({"secret": secret} if self.fixed else {}))

    def chance(self, settings: Json) -> float:
        """Of guessing evenly among the possible answers."""
        return 1 / self.answers(settings)


def interleaved(*columns: np.ndarray) -> np.ndarray:
    """(b, p) each → (b, p · how many), turn by turn."""
    return np.stack(columns, -1).reshape(len(columns[0]), -1)


def seen_before(x: np.ndarray) -> np.ndarray:
    """(b, p) → whether the same value stands earlier in the row."""
    first = (x[:, :, None] == x[:, None, :]).argmax(-1)
    return first < np.arange(x.shape[1])


def mapped(table: np.ndarray, x: np.ndarray) -> np.ndarray:
    """table (b, n), x (b, p) in 0…n−1 → table[row, x[row]]"""
    return np.take_along_axis(table, x, 1)


def choices(rng: np.random.Generator, rows: int, n: int, k: int) -> np.ndarray:
    """(rows, k): k different ones of 0…n−1 in each row, in random order."""
    return rng.random((rows, n)).argsort(1)[:, :k]
