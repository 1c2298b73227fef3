"""Gains on too few seeds. The best of many looks better than it is, so what a run ends with is measured again before it is believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.errors import UsageError
from core.evidence import Comparison
from core.types import Design

SURE = 3             # seeds of the best and of the reference before a gain is believed

Compare = Callable[[str, str], Comparison]      # (design, scale); UsageError where one of the two was not measured


@dataclass(frozen=True)
class Unconfirmed:
    """A run that ended with a gain on fewer than SURE seeds."""

    run: str
    found: Comparison
    seeds: Mapping[str, list[int]]       # design → those that lack
    ended: datetime

    @property
    def what(self) -> str:
        return f"{self.found.design_id}@{self.found.scale}"


def is_unsure(found: Comparison) -> bool:
    """It looks better than the reference, and fewer than SURE seeds are of both."""
    return found.difference < 0 and not found.suspicious and len(set(found.own) & set(found.base)) < SURE


def lacking(found: Comparison, failed: Mapping[str, set[int]]) -> dict[str, list[int]]:
    """Seeds yet to be trained, by design. `failed`: those that ended without a score, which a second time would end so too."""
    have = {found.design_id: found.own, found.reference: found.base}
    return {design: seeds for design, own in have.items() if (seeds := [s for s in range(SURE) if s not in own and s not in failed.get(design, ())])}


def best_of_each(designs: Sequence[Design], scales: Sequence[str], compare: Compare) -> tuple[list[Comparison], list[tuple[str, str, float]]]:
    """The best design of each scale against the reference, the largest scale first; and (scale, design, score) where the reference was not measured. `scales` cheapest first."""
    against: list[Comparison] = []
    bare: list[tuple[str, str, float]] = []
    for scale in reversed(scales):
        first = min((d for d in designs if scale in d.scores), key=lambda d: d.scores[scale], default=None)
        if first is None:
            continue
        try:
            against.append(compare(first.id, scale))
        except UsageError:
            bare.append((scale, first.id, first.scores[scale]))
    return against, bare
