"""What the lab works with, behind protocols: the engine that checks, trains and measures, and whoever is told how far a step is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from core.types import (
    CheckReport,
    Costs,
    CurvePoint,
    Documents,
    Json,
    Metrics,
    ProbeResult,
    Scale,
    Timing,
    VerifyOptions,
)

if TYPE_CHECKING:
    from core.verification.probes.suites import Probe, Suite


class Progress(Protocol):
    """The seam to whoever runs a step (a job's context): words for a person, and the place to stop."""

    def progress(self, fraction: float, note: str) -> None: ...

    def check_cancel(self) -> None: ...

    def guard(self) -> AbstractContextManager[None]:
        """One transaction of the store's verbs inside; refused with LeaseLost when another has taken the step over."""
        ...


class Measured(Protocol):
    metrics: Metrics
    provenance: Json
    documents: Documents
    items: Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Task:
    """One verification as the engine is given it."""

    id: int                          # the verification's
    code: str
    scale: Scale
    seed: int
    corpus: Corpus
    given: str | None                # the corpus as it was asked for
    options: VerifyOptions


class Corpus(Protocol):
    name: str
    hash: str


class TestOutcome(Protocol):
    bits_per_byte: float
    bits_per_byte_se: float
    documents: Documents


@dataclass(frozen=True)
class Recorded:
    """A corpus as a verification names it; its files are found by the provenance."""

    name: str
    hash: str


Scored = tuple[Mapping[str, Mapping[str, float]], Mapping[str, Sequence[int]]]


@dataclass(frozen=True)
class Engine:
    """The heavy work, handed in by `core/build.py`: nothing here imports torch until it is called."""

    check: Callable[[str, Scale], CheckReport]                       # (code, scale)
    corpus: Callable[[str | None, Scale, Progress], Corpus]          # (name or path, scale, progress): vocabulary and tokenizer are the scale's
    costs: Callable[[str, Sequence[Scale], Progress], Iterable[tuple[Scale, Costs]]]
    verify: Callable[[Task, Callable[[CurvePoint], None], Progress, Callable[[str, Json], None]], Measured]
    tasks: Callable[[Task, Json, Progress], Scored]                  # further tasks from saved weights; provenance in, (scores, items) out
    audit: Callable[[Task, Json, Progress], tuple[bool, str]]        # the deep causality audit of saved weights: (passed, evidence)
    test_score: Callable[[Task, Json, Progress], TestOutcome]        # of saved weights on the locked test split
    suite: Callable[[str], Suite]                                    # of probes, by its name
    time: Callable[[str, Scale, Corpus, Progress], Timing]           # a short timed run
    probe: Callable[[str, Sequence[Probe], int, Callable[[ProbeResult, Json], None], Progress], None]  # (code, probes, seed, on result and provenance, progress)
