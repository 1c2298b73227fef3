"""What the tables are made of: scales, corpora, probes, numbers of designs and seeds.

Measured on twelve grown designs and two references, three seeds, wikitext2: standard deviation between designs 0.092, 0.158 and 0.173 bits per byte at xs, s
and m, of the seeds 0.039, 0.072 and 0.047; Spearman's rank correlation of two rungs 0.94 to 0.98, of two seeds 0.72 to 0.97. Learning rates half as
high again had more seed noise at m (0.068), and at twice the rates the ranks of the smallest rung said little (0.2 to 0.5 between rungs).
"""

from __future__ import annotations

from dataclasses import dataclass

from core.types import Scale
from core.verification.probes.suites import Probe
from core.verification.probes.tasks import get_task

VOCAB = 512                  # byte-level BPE trained on the corpus
TOLERANCE = 0.3              # two blocks cannot be fitted finely
SEEDS = 3
LIMIT_S = {"xs": 5.0, "s": 9.0, "m": 16.0}       # of the processor; six to eight times the mean
PROBE_LIMIT_S = 12.0


def _scale(name: str, width: int, context: int, batch: int, steps: int, lr: float) -> Scale:
    return Scale(name, 2, width, context, VOCAB, steps * batch, batch, lr, tolerance=TOLERANCE, eval_tokens=8192)


SCALES = (_scale("xs", 48, 32, 256, 50, 7e-3), _scale("s", 48, 48, 384, 90, 6e-3), _scale("m", 64, 64, 512, 150, 5e-3))   # cheapest first


def _probe(task: str, steps: int, **settings: int) -> Probe:
    full = get_task(task).full(settings)
    return Probe("tabular", task, task, "", full, full, width=32, steps=steps, batch=16, lrs=(5e-3,), state=16)


# Smaller than the suites of library/probes.yaml: a second each. Attention, recurrences and convolutions part ways at both.
PROBES = (_probe("mqar", 250, length=12, pairs=2, vocab=16), _probe("parity", 160, length=8))


@dataclass(frozen=True)
class TableSettings:
    """`growth`: the seed of the designs' own growth, so that no two tables hold the same ones, references apart."""

    name: str
    text: str                        # a file of the text folder
    designs: int                     # references among them
    growth: int


TABLES = {
    "main": TableSettings("main", "wikitext2-valid.txt", 340, 1),
    "second": TableSettings("second", "tinyshakespeare.txt", 200, 2),
}
