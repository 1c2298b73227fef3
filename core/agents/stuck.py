"""A reviewer that repeats itself: found by the text of its last reviews and by the set of points it raises, whatever the words.

Two reviews of one proposal may well agree, since a point that was not mended comes back: they count only where the wording is nearly the same. Those of different
proposals should not agree. What is done about it is the reviewer's (core/agents/reviewer.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.agents.similarity import points_shared, resemblance

TEXT, POINTS = 0.5, 0.75             # from here on a review says nothing new; tests/agents holds both against real and repeated reviews
SAME_TEXT = 0.85                     # of an earlier revision of the same proposal; a judgement, not a measurement
LAST = 8                             # of its own reviews are looked at
FEWEST = 2                           # points; one alone may come back by chance


@dataclass(frozen=True)
class Said:
    """A review as it is compared: on which design, its text and its points."""

    design_id: str
    text: str
    points: tuple[str, ...]


@dataclass(frozen=True)
class Repeats:
    design_id: str                   # whose review it repeats
    text: float
    points: float

    def __str__(self) -> str:
        return f"it repeats its review of {self.design_id}: {self.text:.0%} of the wording, {self.points:.0%} of the points"


def repeats(new: Said, past: Sequence[Said]) -> Repeats | None:
    """The earlier review that `new` repeats most, or None. `past` is newest last."""
    found = [Repeats(old.design_id, resemblance(new.text, old.text), points_shared(new.points, old.points) if len(new.points) >= FEWEST else 0.0)
             for old in past[-LAST:]]
    stuck = [r for r in found if (r.text >= SAME_TEXT if r.design_id == new.design_id else r.text >= TEXT or r.points >= POINTS)]
    return max(stuck, key=lambda r: (r.text, r.points), default=None)
