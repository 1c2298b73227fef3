"""How alike two texts, two lists of points, two designs are. Pure functions; no model is asked.

Texts are compared by the Jaccard index of their shingles (Broder 1997, "On the resemblance and containment of documents"), designs by structure
(core/gab/structure.py) and text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from core.gab.structure import anonymous, distance, structural_hash
from core.types import UnitTree

SHINGLE = 3                          # words
SAME_TEXT = 0.9                      # two proposals of one shape whose texts are that alike are one
SAME_POINT = 0.5                     # of the words of the shorter one
COMMON = frozenset(["a", "an", "and", "are", "as", "at", "be", "but", "by", "can", "for", "from", "has", "have", "in", "into", "is", "it", "its", "may", "more", "no", "not", "of", "on", "or", "so", "than", "that", "the", "their", "then", "there", "this", "to", "was", "we", "which", "will", "with", "would"])


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9_]+", text.lower())


def resemblance(a: str, b: str) -> float:
    """0 for nothing in common, 1 for the same words in the same order."""
    first, second = _shingles(words(a)), _shingles(words(b))
    return len(first & second) / len(first | second) if first and second else float(words(a) == words(b))


def points_shared(a: Sequence[str], b: Sequence[str]) -> float:
    """The share of `a`'s points that `b` raises too, in whatever words; 0 where `a` has none."""
    return sum(any(_same_point(x, y) for y in b) for x in a) / len(a) if a else 0.0


def _shingles(tokens: Sequence[str]) -> set[tuple[str, ...]]:
    size = min(SHINGLE, len(tokens))
    return {tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1)} if tokens else set()


def _same_point(a: str, b: str) -> bool:
    first, second = set(words(a)) - COMMON, set(words(b)) - COMMON
    return bool(first and second) and len(first & second) / min(len(first), len(second)) >= SAME_POINT


@dataclass(frozen=True)
class Known:
    """A design of the tree as others are compared with it."""

    id: str
    title: str
    text: str                        # its proposal, new units without their names (`nameless`)
    units: UnitTree | None           # new units named by their declarations (`resolved`)


@dataclass(frozen=True)
class Relative:
    id: str
    title: str
    structure: float                 # similarity of the unit trees, 0–1
    text: float                      # resemblance of the proposals, 0–1
    same: bool = False               # the very same structure

    @property
    def likeness(self) -> float:
        return max(self.structure, self.text)


def nameless(text: str, names: Collection[str]) -> str:
    """The text with each of these units called the same."""
    return re.sub(rf"\b(?:{'|'.join(map(re.escape, sorted(names, key=len, reverse=True)))})\b", "it", text) if names else text


def copied(units: UnitTree, text: str, known: Iterable[tuple[str, UnitTree]], texts: Callable[[], Iterable[Known]]) -> str | None:
    """The id of the design that has this structure unit for unit, or the same one but for new units that are described in nearly the same words. Trees are `resolved`, texts `nameless`."""
    own, shape = structural_hash(units), structural_hash(anonymous(units))
    alike = []
    for owner, other in known:
        if structural_hash(other) == own:
            return owner
        if shape != own and structural_hash(anonymous(other)) == shape:
            alike.append(owner)
    bodies = {k.id: k.text for k in texts()} if alike else {}
    return next((owner for owner in alike if owner in bodies and resemblance(text, bodies[owner]) >= SAME_TEXT), None)


def nearest(units: UnitTree | None, text: str, known: Iterable[Known], limit: int = 8) -> list[Relative]:
    """The tree's designs most like this one, the likest first: a duplicate leads the list."""
    found = []
    for other in known:
        both = units is not None and other.units is not None
        structure = 1 - distance(units, other.units) if both else 0.0
        same = both and structural_hash(units) == structural_hash(other.units)
        found.append(Relative(other.id, other.title, round(structure, 3), round(resemblance(text, other.text), 3), same))
    return sorted(found, key=lambda r: (-r.same, -r.likeness, r.id))[:limit]
