"""What verifications will take, before they start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from core.store import Store
from core.types import Scale


@dataclass(frozen=True)
class Estimate:
    """What a verification will take. `basis` says where the figures come from."""

    seconds: float
    memory_mb: float
    basis: str


def estimate(store: Store, scales: Mapping[str, Scale], design_ids: Sequence[str], rung: Scale, n_seeds: int) -> Estimate:
    """Time as measured here, else the scale's figure; memory as measured, else counted (core/gab/costs.py), else by rule of thumb."""
    done = [(v.design_id, v.metrics) for v in store.verifications.all(scale=rung.name) if v.metrics]
    seconds, memory, measured = 0.0, 0.0, 0
    for design_id in design_ids:
        own = [m for owner, m in done if owner == design_id]
        like = own or [m for _, m in done]
        measured += bool(own)
        made = store.implementations.newest(design_id)
        counted = store.costs.of(made.code_hash, scales).get(rung.name) if made else None
        seconds += n_seeds * (median(m.train_seconds + m.eval_seconds for m in like) if like else rung.minutes * 60)
        memory = max(memory, median(m.peak_memory_mb for m in own) if own else counted.peak_mb if counted else _rough_memory_mb(rung))
    if not done:
        return Estimate(seconds, memory, f"a guess: nothing was verified at {rung.name} here yet; time from scales.yaml, memory counted")
    return Estimate(seconds, memory, f"measured here: {measured} of {len(design_ids)} designs at {rung.name}, the others' time like their median")


def _rough_memory_mb(scale: Scale) -> float:
    """Weights, gradients and AdamW's two moments in float32 (16 bytes a parameter) + activations of one micro-batch + the runtime.

    12·L·d² is a Transformer's non-embedding count (Kaplan et al. 2020, arXiv 2001.08361); 34·L·b·t·d bytes of activations after
    Korthikanti et al. 2022 (arXiv 2205.05198), doubled for float32; 400 MB for Python and torch. Rough: ±50 %.
    """
    params = 12 * scale.n_layers * scale.d_model**2 + scale.vocab_size * scale.d_model
    micro_tokens = min(scale.batch_tokens, 16_384)
    return (16 * params + 68 * scale.n_layers * micro_tokens * scale.d_model + 8 * micro_tokens * scale.vocab_size) / 2**20 + 400
