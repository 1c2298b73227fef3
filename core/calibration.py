"""How good people's and reviewers' forecasts were, and how often they agreed with each other and with the measurements. Pure functions of what is stored.

A forecast says with which probability a design beats a reference at a scale. Once both are measured there it is scored by (Brier 1950, "Verification of forecasts expressed in
terms of probability"): (probability − outcome)², 0 is perfect, 0.25 is what always saying 50 % gets. The outcome is 1 where the design's mean bits per byte over its seeds is
the lower one. A difference within two standard deviations of seed noise may be chance: it is scored like the others, and counted as close.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from core.types import Decision, Design, Review, Verb

BINS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)       # edges: narrow where people are surest
LARGEST = 64         # proposals of a session: no session has more
REFERENCE = "gpt2"   # whom a reviewer's forecast is about


@dataclass(frozen=True)
class Forecast:
    who: str
    design_id: str
    reference: str
    scale: str
    probability: float               # that the design beats the reference there
    outcome: int | None              # 1 it did, 0 it did not, None while either is not measured there
    close: bool = False              # within the seed noise

    @property
    def brier(self) -> float | None:
        return None if self.outcome is None else (self.probability - self.outcome) ** 2


@dataclass(frozen=True)
class Bin:
    """Forecasts of about the same probability, and how often they came true."""

    said: float                      # the mean of the probabilities
    came: float                      # the share that came true
    n: int


@dataclass(frozen=True)
class Record:
    """One forecaster's."""

    who: str
    person: bool
    forecasts: tuple[Forecast, ...]

    @property
    def scored(self) -> tuple[Forecast, ...]:
        return tuple(f for f in self.forecasts if f.outcome is not None)

    @property
    def brier(self) -> float | None:
        """The mean over what is scored, 0 best; None before the first."""
        found = [f.brier for f in self.scored if f.brier is not None]
        return fmean(found) if found else None

    @property
    def bins(self) -> tuple[Bin, ...]:
        groups: dict[int, list[Forecast]] = defaultdict(list)
        for f in self.scored:
            groups[next(i for i, edge in enumerate(BINS[1:]) if f.probability <= edge)].append(f)
        return tuple(Bin(fmean(f.probability for f in g), fmean(f.outcome or 0 for f in g), len(g)) for _, g in sorted(groups.items()))


@dataclass(frozen=True)
class Agreement:
    """(of how many pairs of designs, in how many) two of the three put them in the same order."""

    person_reviewer: tuple[int, int] = (0, 0)
    person_result: tuple[int, int] = (0, 0)
    reviewer_result: tuple[int, int] = (0, 0)


def records(said: Iterable[Decision], reviews: Iterable[Review], designs: Iterable[Design], noise: Mapping[str, float], scales: Mapping[str, str]) -> list[Record]:
    """Persons first, then reviewers, each by name. Of several forecasts of one person about the same thing the last counts; of several reviews of a design its first: later ones
    judge another text. `noise`: scale → one standard deviation of a difference over one seed; `scales`: session → the scale that its reviewer speaks of."""
    by_id = {d.id: d for d in designs}
    found: dict[tuple[str, bool], dict[tuple[str, str, str], float]] = defaultdict(dict)
    for d in said:
        found[d.author, True][d.design_id or "", d.data["reference"], d.data["scale"]] = float(d.data["probability"])
    for r in reviews:
        design = by_id.get(r.design_id)
        scale = scales.get(design.session_id or "") if design else None
        if scale and "forecast" in r.data:
            found[r.reviewer, False].setdefault((r.design_id, REFERENCE, scale), float(r.data["forecast"]))
    return [Record(who, person, tuple(_scored(who, key, p, by_id, noise) for key, p in told.items()))
            for (who, person), told in sorted(found.items(), key=lambda item: (not item[0][1], item[0][0]))]


def _scored(who: str, key: tuple[str, str, str], probability: float, designs: Mapping[str, Design], noise: Mapping[str, float]) -> Forecast:
    design_id, reference, scale = key
    own, base = (designs[i].scores.get(scale) if i in designs else None for i in (design_id, reference))
    if own is None or base is None:
        return Forecast(who, design_id, reference, scale, probability, None)
    seeds = max(1, min(designs[i].n_seeds.get(scale, 1) for i in (design_id, reference)))
    return Forecast(who, design_id, reference, scale, probability, int(own < base), abs(own - base) < 2 * noise.get(scale, 0.0) / seeds**0.5)


def agreement(decisions: Sequence[Decision], designs: Sequence[Design], scales: Sequence[str]) -> Agreement:
    """Over every two designs of one session. A person's order of two: the last time that they met or were ranked, else an approval over a refusal; the reviewers': their mean ratings;
    the result's: bits per byte at the largest scale where both were measured. Ties say nothing."""
    person = _by_people(decisions)
    sessions: dict[str, list[Design]] = defaultdict(list)
    for d in designs:
        if d.session_id:
            sessions[d.session_id].append(d)
    counts: dict[str, list[bool]] = {"person_reviewer": [], "person_result": [], "reviewer_result": []}
    for group in sessions.values():
        for a, b in combinations(group[-LARGEST:], 2):
            views = {"person": person.get((a.id, b.id)), "reviewer": _sign(a.rating, b.rating), "result": _by_result(a, b, scales)}
            for pair, same in counts.items():
                first, _, second = pair.partition("_")
                if views[first] and views[second]:
                    same.append(views[first] == views[second])
    return Agreement(**{name: (len(same), sum(same)) for name, same in counts.items()})


def _by_people(decisions: Sequence[Decision]) -> dict[tuple[str, str], int]:
    """(a, b) → 1 where a is before b, −1 where behind."""
    found: dict[tuple[str, str], int] = {}

    def say(better: str, worse: str) -> None:
        found[better, worse], found[worse, better] = 1, -1

    verdicts = {d.design_id: d.verb is Verb.APPROVE for d in decisions if d.verb in (Verb.APPROVE, Verb.REFUSE) and d.design_id}
    sessions: dict[str, list[str]] = defaultdict(list)
    for design_id in verdicts:
        sessions[design_id.rpartition("-")[0]].append(design_id)
    for group in sessions.values():
        for a, b in combinations(group[-LARGEST:], 2):
            if verdicts[a] != verdicts[b]:
                say(*((a, b) if verdicts[a] else (b, a)))
    for d in decisions:
        if d.verb is Verb.PREFER:
            for other in d.data["worse"]:
                say(d.data["better"], other)
        elif d.verb is Verb.RERANK and "by" not in d.data:
            for a, b in combinations(d.data["order"], 2):
                say(a, b)
    return found


def _sign(a: float | None, b: float | None) -> int:
    return 0 if a is None or b is None else (a > b) - (a < b)


def _by_result(a: Design, b: Design, scales: Sequence[str]) -> int:
    scale = next((s for s in reversed(scales) if s in a.scores and s in b.scores), None)
    return _sign(-a.scores[scale], -b.scores[scale]) if scale else 0
