"""What a report is made of. All of it is plain data: `to_json` is strict JSON (what is no number becomes null)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from core.evidence import Comparison, Ladder
from core.store.suspicion import Suspect
from core.types import Audit, CurvePoint, Design, Json, TestScore


@dataclass(frozen=True)
class SeedScore:
    """One seed of one implementation, at the report's scale and corpus."""

    seed: int
    verification: int
    bits_per_byte: float
    se_documents: float              # standard error over held-out documents


@dataclass(frozen=True)
class Score:
    """Held-out bits per byte (lower is better), with each of its doubts named."""

    bits_per_byte: float
    se_documents: float              # of this seed, over held-out documents
    loss: float                      # nats a token, held out
    perplexity: float
    train_loss: float                # nats a token, mean of the last tenth
    seeds: tuple[SeedScore, ...]     # this one among them
    mean: float                      # over the seeds
    se_seeds: float | None           # standard error of that mean over seeds; None for a single seed
    test: TestScore | None           # the locked test split, where a person promoted it

    @property
    def se(self) -> float:
        """The wider of what is known: over seeds where there are several, else over documents."""
        return self.se_documents if self.se_seeds is None else self.se_seeds


@dataclass(frozen=True)
class Curve:
    name: str
    design: str
    verification: int
    seed: int
    points: tuple[CurvePoint, ...]   # thinned evenly; those with a held-out score are all there
    of: int                          # how many there were


@dataclass(frozen=True)
class TaskLine:
    task: str
    metric: str                      # "acc" where there is one
    value: float
    se: float | None                 # over items
    chance: float | None             # computed from the items
    n: int
    reference: float | None          # the same seed of the reference, else any seed of it
    reference_se: float | None
    difference: float | None         # to the reference
    difference_se: float | None      # over seeds and items; of one seed, over items only
    paired: bool                     # item by item, on the same items
    seeds: int                       # that the difference is over; 0: none
    more: Mapping[str, float]        # whatever else the task told


@dataclass(frozen=True)
class ProbeLine:
    suite: str
    task: str
    level: str
    accuracy: float                  # mean over seeds
    se: float | None                 # over seeds; None for one
    chance: float
    seeds: int
    lr: float                        # the best one of the sweep, of the last seed
    reference: float | None          # the reference's accuracy
    failure: str


@dataclass(frozen=True)
class Rung:
    """One scale of the ladder, on the same corpus."""

    scale: str
    params: int                      # non-embedding
    mean: float                      # bits per byte over seeds
    se: float                        # over seeds, else over documents
    seeds: int
    reference: float | None
    reference_se: float | None
    reference_params: int | None


@dataclass(frozen=True)
class Peer:
    """Another design measured at the same scale on the same corpus."""

    design: str
    title: str
    is_reference: bool
    mean: float
    se: float
    seeds: int


@dataclass(frozen=True)
class Cost:
    train_seconds: float
    eval_seconds: float
    tokens: int
    tokens_per_s: float
    mfu: float | None
    peak_memory_mb: float
    energy_kj: float | None
    flops: float | None              # of the training, counted
    price_an_hour: float             # 0: not set
    money: float | None
    params: int
    params_embedding: int
    n_layers: int
    d_model: int
    lr: float | None


@dataclass(frozen=True)
class Caution:
    """`grave`: it may turn the verdict over."""

    kind: str
    words: str
    grave: bool = False


@dataclass(frozen=True)
class Report:
    verification: int
    design: Design
    revision: int                    # of the code that was trained
    newest_revision: int
    code_hash: str                   # SHA-256 of that code
    scale: str
    seed: int
    corpus: str
    corpus_hash: str
    label: str
    state: str                       # running, done, failed, stopped early
    failure: str
    created_at: datetime
    finished_at: datetime | None
    reference: str                   # whom it is compared with
    score: Score | None
    comparison: Comparison | None    # with the reference, over seeds: a probability, a verdict, both in words
    no_comparison: str               # why there is none
    curve: Curve
    references: tuple[Curve, ...]    # one of each reference, the same seed where there is one
    peers: tuple[Peer, ...]          # best first, the design itself among them
    tasks: tuple[TaskLine, ...]
    probes: tuple[ProbeLine, ...]
    ladder: tuple[Rung, ...]
    scaling: Ladder | None           # curves fitted over the rungs, of the design and the reference; None for fewer than two rungs
    cost: Cost | None
    training: Json                   # precision, compiled and why not, optimizer, micro-batch, schedule, world size, …
    story: tuple[str, ...]           # what happened on the way: resumed from, steps skipped
    layers_held: tuple[str, ...]     # of the sandbox
    layers_missing: tuple[str, ...]
    suspect: Suspect | None          # where it tripped the wire: more than 10 % below every reference
    audit: Audit | None
    warnings: tuple[Caution, ...]
    provenance: Json                 # versions, commit, hashes, fit, machine

    @property
    def name(self) -> str:
        return f"{self.design.id} at {self.scale}, seed {self.seed}" + (f", repetition {self.label}" if self.label else "")


def to_json(found: Report) -> Json:
    """Strict JSON with every field of the report, `name` besides."""
    return {"name": found.name, **_plain(found)}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(v) for v in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
