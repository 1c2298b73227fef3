"""What verifications will take, before they start: seconds, memory, FLOPs, and money where an hour has a price. Where the seconds come from: core/known_times.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from core.known_times import REFERENCE, Basis, Found, Known, known_times, size
from core.machine import Machine
from core.store import Store
from core.types import Scale, VerifyOptions

SWEPT, SHARE, OPENING_S = 3, 0.25, 3.0   # a sweep of learning rates: so many trainings of this share of the cheapest scale's tokens, each with a start
HERE = (Basis.MEASURED, Basis.TIMED, Basis.OTHERS)   # rests on what ran at the scale on this kind of machine


@dataclass(frozen=True)
class Part:
    """One seed of one design."""

    design_id: str
    seconds: float
    memory_mb: float                 # at the peak, resident
    flops: float | None              # of the training; None until they are counted
    basis: str                       # where the seconds come from (core/known_times.py, Basis)
    doubt: str = ""                  # which way they may err


@dataclass(frozen=True)
class Estimate:
    """What verifications will take, one after another."""

    seconds: float
    memory_mb: float                 # of the largest
    basis: str                       # where the figures come from, in words
    flops: float | None = None       # of all trainings; None where one is not counted
    money: float | None = None       # None without a price an hour
    parts: tuple[Part, ...] = ()     # one a design
    remark: str = ""                 # what to say beside the time where nothing ran at the scale on this kind of machine


def estimate(store: Store, scales: Mapping[str, Scale], design_ids: Sequence[str], rung: Scale, n_seeds: int | Mapping[str, int], machine: Machine, price_an_hour: float = 0.0,
             options: VerifyOptions | None = None) -> Estimate:
    """For all of `design_ids` × `n_seeds` (or so many of each) at the scale, one after another on this machine; with what the options ask for besides."""
    seeds = n_seeds if isinstance(n_seeds, Mapping) else dict.fromkeys(design_ids, n_seeds)
    known, found = known_times(store, scales, rung, machine, design_ids)
    parts = tuple(_part(known, design_id, found[design_id]) for design_id in design_ids)
    options = options or VerifyOptions()
    more, unknown = _tasks(known, options.tasks)
    parts = tuple(replace(p, seconds=p.seconds + more * known.ratio(p.design_id, REFERENCE)) for p in parts)
    if options.sweep:
        cheapest = next(iter(scales.values()))
        lower = found if cheapest.name == rung.name else known_times(store, scales, cheapest, machine, design_ids)[1]
        parts = tuple(replace(p, seconds=p.seconds + SWEPT * (SHARE * lower[p.design_id].seconds + OPENING_S)) for p in parts)
    seconds = sum(seeds[p.design_id] * p.seconds for p in parts)
    flops = None if any(p.flops is None for p in parts) else sum(seeds[p.design_id] * (p.flops or 0.0) for p in parts)
    words = _words(parts, rung, machine) + (f"; without {', '.join(unknown)}, which was not run at {rung.name} here yet" if unknown else "")
    return Estimate(seconds, max((p.memory_mb for p in parts), default=0.0), words, flops,
                    seconds / 3600 * price_an_hour if price_an_hour else None, parts, _remark(parts, rung))


def _part(known: Known, design_id: str, found: Found) -> Part:
    costs, scale = known.counted(design_id), known.scale
    memory = found.memory_mb or (costs.peak_mb if costs else rough_memory_mb(scale))
    return Part(design_id, found.seconds, memory, costs.flops_train * scale.steps * scale.batch_tokens if costs else None, found.basis, found.doubt)


def _tasks(known: Known, names: Sequence[str]) -> tuple[float, list[str]]:
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


def _words(parts: Sequence[Part], rung: Scale, machine: Machine) -> str:
    by: dict[str, list[str]] = {}
    for part in parts:
        by.setdefault(part.basis, []).append(part.design_id)
    if set(by) == {Basis.GUESS}:
        other = ", not of this one" if machine.device == "cpu" else ""
        return f"a guess: nothing was measured or timed on this kind of machine yet; time at {rung.name} from scales.yaml, of {_named(rung)}{other}; memory counted"
    told = [f"{basis}: {', '.join(ids[:3])}{f' and {len(ids) - 3} more' if len(ids) > 3 else ''}" for basis, ids in by.items()]
    return "; ".join([f"time at {rung.name} {told[0] if told else ''}", *told[1:], *dict.fromkeys(part.doubt for part in parts if part.doubt)])


def _remark(parts: Sequence[Part], rung: Scale) -> str:
    far = dict.fromkeys(part.basis for part in parts if part.basis not in HERE)
    return ", ".join(f"a guess, of {_named(rung)}" if basis == Basis.GUESS else basis for basis in far)


def _named(rung: Scale) -> str:
    """The machine of scales.yaml's minutes."""
    return rung.minutes_on or "the machine named there"


def rough_memory_mb(scale: Scale) -> float:
    """Weights, gradients and AdamW's two moments in float32 (16 bytes a parameter) + activations of one micro-batch + the runtime.

    34·L·b·t·d bytes of activations after Korthikanti et al. 2022 (arXiv 2205.05198), doubled for float32; 400 MB for Python and torch. Rough: ±50 %.
    """
    micro_tokens = min(scale.batch_tokens, 16_384)
    return (16 * size(scale) + 68 * scale.n_layers * micro_tokens * scale.d_model + 8 * micro_tokens * scale.vocab_size) / 2**20 + 400
