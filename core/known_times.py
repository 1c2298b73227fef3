"""How long trainings took, and what that says of others: of the same design, of another one, at another scale.

From the best of what is known about each design:

    1. measured      its own verifications at the scale on this kind of machine: the median
    2. timed         a short timed run here: start + steps × seconds a step + evaluation
    3. extrapolated  its own time here at the nearest scale where it has one, by what grows from there to here: tokens × FLOPs a token. Where other designs have
                     both times, by theirs
    4. others        the other designs' times here, each scaled by the two designs' FLOPs a token, the median. FLOPs are not time: a recurrence
                     written as a loop takes longer than its FLOPs say
    5. extrapolated  as 3, from the others' times at the nearest scale where there is any
    6. elsewhere     as 1 and 4, measured on another kind of machine
    7. guess         the minutes of scales.yaml, the reference's on the machine named there, scaled by FLOPs

An extrapolation is good to a factor of two on a processor: on two busy cores gpt2, gla and mamba reached 1.2 to 1.3 times the FLOPs a second at micro that they reached at
nano, and 0.5 to 1.3 times at 14M, whose softmax over 32,000 words FLOPs leave out. A GPU is hardly used by the smallest models: upward it errs to the long side.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from statistics import median

from core.machine import Machine
from core.store import Store
from core.types import Costs, Metrics, Scale, Timing, Verification

REFERENCE = "gpt2"           # whose minutes scales.yaml gives
STARTING = 1.5               # a run's wall time is believed up to so many times its training and evaluation: beyond, it was interrupted
RECENT = 30                  # verifications of other designs that are looked at, the newest ones
LOOKED_THROUGH = 300         # among so many, for those that were made with the scale's settings of now
BY_OTHERS = "where a design itself never ran here, by other designs' FLOPs: it may be several times off"
SETTINGS = ("n_layers", "d_model", "context", "vocab_size", "tokens", "batch_tokens", "eval_tokens", "optimizer", "precision")


class Basis(StrEnum):
    MEASURED = "measured here"
    TIMED = "from a timed run here"
    OTHERS = "like other designs measured here, by FLOPs"
    EXTRAPOLATED = "extrapolated from {} here"       # a scale
    ELSEWHERE = "measured on another machine"
    GUESS = "a guess from scales.yaml"


@dataclass(frozen=True)
class Spent:
    """Seconds of one training."""

    start: float                     # building, compiling, loading data
    train: float
    evaluation: float

    @property
    def all(self) -> float:
        return self.start + self.train + self.evaluation

    def __mul__(self, ratio: float) -> Spent:
        return Spent(ratio * self.start, ratio * self.train, ratio * self.evaluation)


@dataclass(frozen=True)
class Found:
    """What one training of a design takes."""

    seconds: float
    basis: str                       # a Basis, in words
    memory_mb: float | None = None   # at the peak, resident; None where it was not measured
    doubt: str = ""                  # which way it may err


@dataclass(frozen=True)
class Known:
    """What the store tells about a scale, read once."""

    scale: Scale
    here: tuple[tuple[str, Spent, Metrics], ...]          # (design, seconds, metrics)
    elsewhere: tuple[tuple[str, Spent, Metrics], ...]
    timings: Mapping[str, Timing]                         # by code hash
    tasks: tuple[tuple[str, Metrics, float], ...]         # (design, metrics, seconds of all its tasks) here
    codes: Mapping[str, str]                              # design → newest code's hash
    costs: Mapping[str, Costs]                            # by code hash, at this scale

    @classmethod
    def read(cls, store: Store, scale: Scale, machine: Machine, design_ids: Sequence[str]) -> Known:
        asked = set(design_ids)
        able: list[Verification] = []
        for most in (RECENT, LOOKED_THROUGH):             # a row costs 0.1 ms to read, and mostly the newest are all of the scale as it is now
            read = store.verifications.scored(scale.name, most, design_ids)
            able = [v for v in read if v.metrics and _same_settings(v, scale)]
            if len(able) == len(read):
                break
        rows = [v for v in able[:-RECENT] if v.design_id in asked] + able[-RECENT:]
        here = tuple((v.design_id, _spent(v), v.metrics) for v in rows if v.metrics and machine.made(v))
        elsewhere = tuple((v.design_id, _spent(v), v.metrics) for v in rows if v.metrics and not machine.made(v))
        tasks = tuple((v.design_id, v.metrics, v.provenance.get("task_seconds", 0.0)) for v in rows if v.metrics and machine.made(v))
        codes = store.implementations.newest_hashes([*{*asked, *(v.design_id for v in rows), REFERENCE}])
        timings = store.measurements.timings(scale, machine.key)
        return cls(scale, here, elsewhere, timings, tasks, codes, store.costs.at(scale, [*{*codes.values(), *_last(timings)}]))

    def counted(self, design_id: str) -> Costs | None:
        return self.costs.get(self.codes.get(design_id, ""))

    def ratio(self, design_id: str, other: str) -> float:
        """Of training FLOPs a token; 1 where they are not counted."""
        return _ratio(self.counted(design_id), self.counted(other))

    def own(self, design_id: str) -> tuple[list[Spent], Found] | None:
        """Its trainings here, measured or timed, and what they say of the next."""
        rows = [(spent, m.peak_memory_mb) for owner, spent, m in self.here if owner == design_id]
        if rows:
            return [spent for spent, _ in rows], Found(median(spent.all for spent, _ in rows), Basis.MEASURED, median(mb for _, mb in rows))
        timing = self.timings.get(self.codes.get(design_id, ""))
        if timing:
            spent = self._timed(timing)
            return [spent], Found(spent.all, Basis.TIMED, timing.memory_mb)
        return None

    def others(self, design_id: str) -> list[Spent]:
        """What it would take like each training of other designs here, by FLOPs; like each timed run where nothing was measured."""
        if self.here:
            return [spent * self.ratio(design_id, owner) for owner, spent, _ in self.here]
        return [self._timed(self.timings[code]) * _ratio(self.counted(design_id), self.costs.get(code)) for code in _last(self.timings)]

    def away(self, design_id: str) -> Found | None:
        """By what another kind of machine took."""
        own = [(spent.all, m.peak_memory_mb) for owner, spent, m in self.elsewhere if owner == design_id]
        if own:
            return Found(median(s for s, _ in own), Basis.ELSEWHERE, median(mb for _, mb in own))
        if self.elsewhere:
            return Found(median(spent.all * self.ratio(design_id, owner) for owner, spent, _ in self.elsewhere), Basis.ELSEWHERE)
        return None

    def by_code(self) -> dict[str, Spent]:
        """Code hash → what its training takes here."""
        rows: dict[str, list[Spent]] = {}
        for owner, spent, _ in self.here:
            rows.setdefault(self.codes[owner], []).append(spent)
        return {code: self._timed(self.timings[code]) for code in _last(self.timings)} | {code: _middle(some) for code, some in rows.items()}

    def _timed(self, timing: Timing) -> Spent:
        return Spent(timing.start_seconds, self.scale.steps * timing.seconds_per_step, timing.eval_seconds)


@dataclass(frozen=True)
class Climb:
    """From a scale where something was measured here to one where it was not."""

    near: Known
    rung: Known
    seen: tuple[tuple[float, float, float], ...]          # of code that was measured at both: growth of FLOPs a token, of seconds of training, of seconds of evaluation

    @classmethod
    def between(cls, near: Known, rung: Known) -> Climb:
        low, high = near.by_code(), rung.by_code()
        both = [code for code in low if code in high and low[code].train and low[code].evaluation]
        plain = cls(near, rung, ())
        return cls(near, rung, tuple((plain.growth(code), high[code].train / low[code].train, high[code].evaluation / low[code].evaluation) for code in both))

    def growth(self, code: str) -> float:
        """Of training FLOPs a token: this code's, else the reference's, where they are counted at both; else of the reference's parameters."""
        for one in (code, self.near.codes.get(REFERENCE, "")):
            low, high = self.near.costs.get(one), self.rung.costs.get(one)
            if low and high:
                return high.flops_train / low.flops_train
        return size(self.rung.scale) / size(self.near.scale)

    def found(self, design_id: str, spent: Sequence[Spent], device: str) -> Found:
        """By what it takes at the lower scale. The start takes as long anywhere."""
        below, rung, near = _middle(spent), self.rung.scale, self.near.scale
        growth = self.growth(self.rung.codes.get(design_id, ""))
        trained, scored = rung.steps * rung.batch_tokens / (near.steps * near.batch_tokens), rung.eval_tokens / near.eval_tokens
        if self.seen:
            trained, scored = median(train / own for own, train, _ in self.seen), median(evaluation / own for own, _, evaluation in self.seen)
        seconds = below.start + growth * (trained * below.train + scored * below.evaluation)
        return Found(seconds, Basis.EXTRAPOLATED.format(near.name), None, "" if self.seen else self._doubt(device))

    def _doubt(self, device: str) -> str:
        if device != "cuda":
            return "it may take half or twice as long"
        if size(self.rung.scale) > size(self.near.scale):
            return "larger models use a GPU better, so it may take much less"
        return "smaller models use a GPU less well, so it may take much longer"


@dataclass
class _Ladder:
    """The other scales, the nearest first, for designs of which this one knows nothing; each is read when it is first asked for."""

    store: Store
    scales: Mapping[str, Scale]
    rung: Known
    machine: Machine
    design_ids: Sequence[str]
    read: dict[str, Climb] = field(default_factory=dict)

    def nearest(self) -> list[Scale]:
        """By tokens × parameters."""
        own = self.rung.scale
        return sorted((s for s in self.scales.values() if s.name != own.name), key=lambda s: abs(math.log(s.tokens * size(s) / (own.tokens * size(own)))))

    def of(self, scale: Scale) -> Climb:
        if scale.name not in self.read:
            self.read[scale.name] = Climb.between(Known.read(self.store, scale, self.machine, [*self.design_ids, REFERENCE]), self.rung)
        return self.read[scale.name]

    def own(self) -> dict[str, Found]:
        """Of designs with code, from the nearest scale at which they have a time here. A scale with none of them is not read."""
        coded = [d for d in self.design_ids if d in self.rung.codes]
        scored = self.store.verifications.scored_at(coded) if coded else {}
        found: dict[str, Found] = {}
        for scale in self.nearest() if coded else ():
            timings = self.store.measurements.timings(scale, self.machine.key)
            for design_id in coded:
                if design_id not in found and (design_id in scored.get(scale.name, ()) or self.rung.codes[design_id] in timings):
                    climb = self.of(scale)
                    if own := climb.near.own(design_id):
                        found[design_id] = climb.found(design_id, own[0], self.machine.device)
        return found

    def others(self) -> Climb | None:
        """From the nearest scale at which anything was measured or timed here."""
        scored = self.store.verifications.scales()
        for scale in self.nearest():
            if scale.name in scored or self.store.measurements.timings(scale, self.machine.key):
                climb = self.of(scale)
                if climb.near.here or climb.near.timings:
                    return climb
        return None


def known_times(store: Store, scales: Mapping[str, Scale], rung: Scale, machine: Machine, design_ids: Sequence[str]) -> tuple[Known, dict[str, Found]]:
    """(what is known at the scale, design → its time there)"""
    known = Known.read(store, rung, machine, design_ids)
    found = {d: own[1] for d in design_ids if (own := known.own(d))}
    rest = [d for d in dict.fromkeys(design_ids) if d not in found]
    if not rest:
        return known, found
    ladder = _Ladder(store, scales, known, machine, rest)
    found |= ladder.own()
    left = [d for d in rest if d not in found]
    climb = ladder.others() if left and not known.here and not known.timings else None
    for design_id in left:
        if climb:
            found[design_id] = replace(climb.found(design_id, climb.near.others(design_id), machine.device), doubt=BY_OTHERS)
        elif others := known.others(design_id):
            found[design_id] = Found(median(spent.all for spent in others), Basis.OTHERS)
        else:
            found[design_id] = known.away(design_id) or Found(rung.minutes * 60 * known.ratio(design_id, REFERENCE), Basis.GUESS)
    return known, found


def size(scale: Scale) -> float:
    """Parameters of the reference, embeddings included: 12·L·d² is a Transformer's non-embedding count (Kaplan et al. 2020, arXiv 2001.08361)."""
    return 12.0 * scale.n_layers * scale.d_model**2 + scale.vocab_size * scale.d_model


def _middle(spent: Iterable[Spent]) -> Spent:
    some = list(spent)
    return Spent(median(s.start for s in some), median(s.train for s in some), median(s.evaluation for s in some))


def _ratio(own: Costs | None, theirs: Costs | None) -> float:
    return own.flops_train / theirs.flops_train if own and theirs else 1.0


def _last(timings: Mapping[str, Timing]) -> list[str]:
    return list(timings)[-RECENT:]


def _spent(row: Verification) -> Spent:
    """Wall time, start-up included, unless the run was interrupted."""
    m = row.metrics
    assert m
    assert row.finished_at
    counted, wall = m.train_seconds + m.eval_seconds, (row.finished_at - row.created_at).total_seconds()
    return Spent(wall - counted if counted <= wall <= STARTING * counted else 0.0, m.train_seconds, m.eval_seconds)


def _same_settings(row: Verification, rung: Scale) -> bool:
    """Whether the scale was then what it is now; a row that does not say is taken to be."""
    then = row.provenance.get("scale") or {}
    return all(then[k] == getattr(rung, k) for k in SETTINGS if k in then)
