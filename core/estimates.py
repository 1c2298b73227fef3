"""What verifications will take, before they start: seconds, memory, FLOPs, and money where an hour has a price.

From the best of what is known about each design, which the answer names:

    1. measured   its own verifications at the scale on this kind of machine: the median
    2. timed      a short timed run here: start + steps × seconds a step + evaluation
    3. others     the other designs' verifications here, each scaled by the two designs' FLOPs a token, the median. FLOPs are not time: a recurrence
                  written as a loop takes longer than its FLOPs say
    4. elsewhere  as 1 and 3, measured on another kind of machine
    5. guess      the minutes of scales.yaml, the reference's on the machine named there, scaled by FLOPs
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import median

from core.machine import Machine
from core.store import Store
from core.types import Costs, Metrics, Scale, Timing, Verification, VerifyOptions

REFERENCE = "gpt2"           # whose minutes scales.yaml gives
STARTING = 1.5               # a run's wall time is believed up to so many times its training and evaluation: beyond, it was interrupted
SWEPT, SHARE, OPENING_S = 3, 0.25, 3.0   # a sweep of learning rates: so many trainings of this share of the cheapest scale's tokens, each with a start
RECENT = 30                  # verifications of other designs that are looked at, the newest ones
LOOKED_THROUGH = 300         # among so many, for those that were made with the scale's settings of now
SETTINGS = ("n_layers", "d_model", "context", "vocab_size", "tokens", "batch_tokens", "eval_tokens", "optimizer", "precision")


class Basis(StrEnum):
    MEASURED = "measured here"
    TIMED = "from a timed run here"
    OTHERS = "like other designs measured here, by FLOPs"
    ELSEWHERE = "measured on another machine"
    GUESS = "a guess from scales.yaml"


@dataclass(frozen=True)
class Part:
    """One seed of one design."""

    design_id: str
    seconds: float
    memory_mb: float                 # at the peak, resident
    flops: float | None              # of the training; None until they are counted
    basis: Basis


@dataclass(frozen=True)
class Estimate:
    """What verifications will take, one after another."""

    seconds: float
    memory_mb: float                 # of the largest
    basis: str                       # where the figures come from, in words
    flops: float | None = None       # of all trainings; None where one is not counted
    money: float | None = None       # None without a price an hour
    parts: tuple[Part, ...] = ()     # one a design


def estimate(store: Store, scales: Mapping[str, Scale], design_ids: Sequence[str], rung: Scale, n_seeds: int | Mapping[str, int], machine: Machine, price_an_hour: float = 0.0,
             options: VerifyOptions | None = None) -> Estimate:
    """For all of `design_ids` × `n_seeds` (or so many of each) at the scale, one after another on this machine; with what the options ask for besides."""
    seeds = n_seeds if isinstance(n_seeds, Mapping) else dict.fromkeys(design_ids, n_seeds)
    known = _Known.read(store, scales, rung, machine, design_ids)
    parts = tuple(known.part(design_id) for design_id in design_ids)
    options = options or VerifyOptions()
    more, unknown = _tasks(known, options.tasks)
    parts = tuple(replace(p, seconds=p.seconds + more * known.ratio(p.design_id, REFERENCE)) for p in parts)
    if options.sweep:
        cheapest = next(iter(scales.values()))
        lower = known if cheapest.name == rung.name else _Known.read(store, scales, cheapest, machine, design_ids)
        parts = tuple(replace(p, seconds=p.seconds + SWEPT * (SHARE * lower.part(p.design_id).seconds + OPENING_S)) for p in parts)
    seconds = sum(seeds[p.design_id] * p.seconds for p in parts)
    flops = None if any(p.flops is None for p in parts) else sum(seeds[p.design_id] * (p.flops or 0.0) for p in parts)
    words = _words(parts, rung) + (f"; without {', '.join(unknown)}, which was not run here yet" if unknown else "")
    return Estimate(seconds, max((p.memory_mb for p in parts), default=0.0), words, flops,
                    seconds / 3600 * price_an_hour if price_an_hour else None, parts)


def _tasks(known: _Known, names: Sequence[str]) -> tuple[float, list[str]]:
    """(the reference's seconds for the tasks that a verification does not run anyway, those of which nothing is known)"""
    rates: list[float] = []
    items: dict[str, float] = {}
    for design_id, metrics, seconds in known.tasks:
        whole = {task: found["n"] for task, found in metrics.tasks.items() if "/" not in task and "n" in found}
        items |= whole
        if seconds and sum(whole.values()):
            rates.append(seconds / sum(whole.values()) / known.ratio(design_id, REFERENCE))
    extra = [name for name in names if name not in VerifyOptions().tasks]
    told = [name for name in extra if name in items and rates]
    return sum(items[name] for name in told) * (median(rates) if rates else 0.0), [name for name in extra if name not in told]


def took(seconds: float) -> str:
    """8 s, 1.6 min, 42 min, 2.5 h, 3.0 days."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.2g} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"


@dataclass(frozen=True)
class _Known:
    """What the store tells about a scale, read once."""

    scale: Scale
    here: tuple[tuple[str, float, Metrics], ...]          # (design, seconds, metrics)
    elsewhere: tuple[tuple[str, float, Metrics], ...]
    timings: Mapping[str, Timing]                         # by code hash
    tasks: tuple[tuple[str, Metrics, float], ...]         # (design, metrics, seconds of all its tasks) here
    codes: Mapping[str, str]                              # design → newest code's hash
    costs: Mapping[str, Costs]                            # design → at this scale

    @classmethod
    def read(cls, store: Store, scales: Mapping[str, Scale], rung: Scale, machine: Machine, design_ids: Sequence[str]) -> _Known:
        able = [v for v in store.verifications.scored(rung.name, LOOKED_THROUGH, design_ids) if v.metrics and _same_settings(v, rung)]
        rows = [v for v in able[:-RECENT] if v.design_id in design_ids] + able[-RECENT:]
        wanted = {*design_ids, *(v.design_id for v in rows), REFERENCE}
        made = {d: newest for d in wanted if (newest := store.implementations.newest(d)) is not None}
        counted = {d: store.costs.of(i.code_hash, {rung.name: rung}).get(rung.name) for d, i in made.items()}
        here = tuple((v.design_id, _seconds(v), v.metrics) for v in rows if v.metrics and machine.made(v))
        elsewhere = tuple((v.design_id, _seconds(v), v.metrics) for v in rows if v.metrics and not machine.made(v))
        tasks = tuple((v.design_id, v.metrics, v.provenance.get("task_seconds", 0.0)) for v in rows if v.metrics and machine.made(v))
        return cls(rung, here, elsewhere, store.measurements.timings(rung, machine.key), tasks, {d: i.code_hash for d, i in made.items()},
                   {d: c for d, c in counted.items() if c is not None})

    def part(self, design_id: str) -> Part:
        seconds, basis, measured_mb = self._time(design_id)
        costs = self.costs.get(design_id)
        memory = measured_mb or (costs.peak_mb if costs else rough_memory_mb(self.scale))
        return Part(design_id, seconds, memory, costs.flops_train * self.scale.steps * self.scale.batch_tokens if costs else None, basis)

    def _time(self, design_id: str) -> tuple[float, Basis, float | None]:
        """(seconds, where from, memory where it was measured)"""
        own = [(s, m.peak_memory_mb) for owner, s, m in self.here if owner == design_id]
        if own:
            return median(s for s, _ in own), Basis.MEASURED, median(mb for _, mb in own)
        timing = self.timings.get(self.codes.get(design_id, ""))
        if timing:
            return timing.start_seconds + self.scale.steps * timing.seconds_per_step + timing.eval_seconds, Basis.TIMED, timing.memory_mb
        if self.here:
            return median(s * self.ratio(design_id, owner) for owner, s, _ in self.here), Basis.OTHERS, None
        away = [(s, m.peak_memory_mb) for owner, s, m in self.elsewhere if owner == design_id]
        if away:
            return median(s for s, _ in away), Basis.ELSEWHERE, median(mb for _, mb in away)
        if self.elsewhere:
            return median(s * self.ratio(design_id, owner) for owner, s, _ in self.elsewhere), Basis.ELSEWHERE, None
        return self.scale.minutes * 60 * self.ratio(design_id, REFERENCE), Basis.GUESS, None

    def ratio(self, design_id: str, other: str) -> float:
        """Of training FLOPs a token; 1 where they are not counted."""
        own, theirs = self.costs.get(design_id), self.costs.get(other)
        return own.flops_train / theirs.flops_train if own and theirs else 1.0


def _seconds(row: Verification) -> float:
    """Wall time, start-up included, unless the run was interrupted."""
    m = row.metrics
    assert m
    assert row.finished_at
    counted, wall = m.train_seconds + m.eval_seconds, (row.finished_at - row.created_at).total_seconds()
    return wall if counted <= wall <= STARTING * counted else counted


def _same_settings(row: Verification, rung: Scale) -> bool:
    """Whether the scale was then what it is now; a row that does not say is taken to be."""
    then = row.provenance.get("scale") or {}
    return all(then[k] == getattr(rung, k) for k in SETTINGS if k in then)


def _words(parts: Sequence[Part], rung: Scale) -> str:
    by: dict[Basis, list[str]] = {}
    for part in parts:
        by.setdefault(part.basis, []).append(part.design_id)
    if set(by) == {Basis.GUESS}:
        return f"a guess: nothing was verified at {rung.name} here yet; time from scales.yaml, memory counted"
    told = [f"{basis}: {', '.join(ids[:3])}{f' and {len(ids) - 3} more' if len(ids) > 3 else ''}" for basis, ids in by.items()]
    return f"time at {rung.name} " + "; ".join(told)


def rough_memory_mb(scale: Scale) -> float:
    """Weights, gradients and AdamW's two moments in float32 (16 bytes a parameter) + activations of one micro-batch + the runtime.

    12·L·d² is a Transformer's non-embedding count (Kaplan et al. 2020, arXiv 2001.08361); 34·L·b·t·d bytes of activations after
    Korthikanti et al. 2022 (arXiv 2205.05198), doubled for float32; 400 MB for Python and torch. Rough: ±50 %.
    """
    params = 12 * scale.n_layers * scale.d_model**2 + scale.vocab_size * scale.d_model
    micro_tokens = min(scale.batch_tokens, 16_384)
    return (16 * params + 68 * scale.n_layers * micro_tokens * scale.d_model + 8 * micro_tokens * scale.vocab_size) / 2**20 + 400
