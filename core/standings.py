"""All designs of one scale against a reference at once: what a leaderboard shows. `Evidence.compare` (core/evidence.py) says the same of one of them, and more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.evidence import by_design
from core.statistics import paired
from core.statistics.noise import Around, Prior
from core.statistics.paired import Verdict
from core.types import Verification


@dataclass(frozen=True)
class Standing:
    """Of one design. Bits per byte; a negative difference is better."""

    difference: float
    se: float                        # of the seed noise
    p_better: float | None           # None while it is suspicious
    verdict: Verdict
    shared: int                      # seeds that both have, on which it is paired; 0: unpaired

    @property
    def paired(self) -> bool:
        return self.shared > 0

    @property
    def suspicious(self) -> bool:
        return self.verdict is Verdict.SUSPICIOUS


def standings(scale: str, rows: Iterable[Verification], reference: str, suspects: Iterable[int], priors: Mapping[str, Prior], order: list[str]) -> dict[str, Standing]:
    """`rows`: counted verifications on one corpus at one kind of learning rate; `suspects`: ids of those that do not count. Empty where the reference is not among them."""
    rows = list(rows)
    by, held_back = by_design(rows), set(suspects)
    if reference not in by:
        return {}
    scores = {d: {s: v.metrics.bits_per_byte for s, v in seeds.items() if v.metrics} for d, seeds in by.items()}
    around = Around(scale, scores, priors, order, rows[0].corpus)
    found = {}
    for design, seeds in by.items():
        if design == reference:
            continue
        d = paired.compare(scores[design], scores[reference], around.without(design))
        odd = any(v.id in held_back for v in (*seeds.values(), *by[reference].values()))
        found[design] = Standing(d.mean, d.se, None if odd else d.p_better, Verdict.SUSPICIOUS if odd else d.verdict, len(d.seeds) if d.paired else 0)
    return found
