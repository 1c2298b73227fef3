"""How designs that people edited fared against the untouched ones of the same session: what a person's hand was worth, as far as it was measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from core.faithful import behind
from core.store import Store
from core.types import Design


@dataclass(frozen=True)
class Pair:
    """One session at one scale. Bits per byte, held out: lower is better."""

    session: str
    scale: str
    edited: tuple[str, ...]          # designs whose proposal or code a person changed
    untouched: tuple[str, ...]
    difference: float                # mean of the edited − mean of the untouched: below 0, the person's hand helped


@dataclass(frozen=True)
class Effect:
    pairs: tuple[Pair, ...]

    def at(self, scale: str) -> tuple[float, float | None, int] | None:
        """(mean difference, its standard error over sessions, sessions) at a scale; no error of one session. None where nothing was measured."""
        found = [p.difference for p in self.pairs if p.scale == scale]
        return (fmean(found), stdev(found) / len(found) ** 0.5 if len(found) > 1 else None, len(found)) if found else None


def edited_by_people(store: Store) -> set[str]:
    """Designs of agents of which a person wrote a revision of the proposal, or of the code."""
    return store.proposals.edited() | store.implementations.edited()


def effect(store: Store, all_designs: Sequence[Design] | None = None) -> Effect:
    edited = edited_by_people(store)
    sessions: dict[str, list[Design]] = defaultdict(list)
    for design in all_designs if all_designs is not None else store.designs.all():
        if design.session_id:
            sessions[design.session_id].append(design)
    behind_of = {d.id for designs in sessions.values() for d in designs if d.id in edited and d.scores and behind(store, d.id)}
    pairs = []
    for session, designs in sessions.items():
        for scale in dict.fromkeys(s for d in designs for s in d.scores):
            by_hand = [d for d in designs if scale in d.scores and d.id in edited and d.id not in behind_of and scale not in d.older]      # measured as it was edited
            alone = [d for d in designs if scale in d.scores and d.id not in edited]
            if by_hand and alone:
                gap = fmean(d.scores[scale] for d in by_hand) - fmean(d.scores[scale] for d in alone)
                pairs.append(Pair(session, scale, tuple(d.id for d in by_hand), tuple(d.id for d in alone), gap))
    return Effect(tuple(pairs))
