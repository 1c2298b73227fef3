"""The measures of a run, read from the store: see `Measures`. What is computed is in core/statistics/progress.py."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from core.budgets import Ends
from core.gates import VERIFY
from core.statistics.progress import Point, since_better
from core.store import Store
from core.types import Verification

REFERENCE = "gpt2"


def own_designs(store: Store, run_id: str) -> set[str]:
    sessions = {s.id for s in store.sessions.all() if s.run_id == run_id}
    return {d.id for d in store.designs.all() if d.session_id in sessions}


def verifications_of(store: Store, run_id: str) -> list[Verification]:
    """What the run measured, in the order in which it ended; references among them."""
    begun = {(e.facts["design"], e.facts["scale"], e.facts["seed"]) for e in store.gates.read(run_id).entries.values() if e.began and e.step.startswith(VERIFY)}
    ended = [v for v in store.verifications.all() if v.finished_at and not v.cut_off and not v.own_rate and (v.design_id, v.scale, v.seed) in begun]
    return sorted(ended, key=lambda v: (v.finished_at, v.id))


def points_of(rows: Sequence[Verification], own: set[str]) -> list[Point]:
    return [Point(v.design_id, v.scale, v.seed, v.metrics.bits_per_byte if v.metrics else None) for v in rows if v.design_id in own]


def reached(store: Store, run_id: str, ends: Ends, corpus_hash: str) -> str:
    """Why the run is at its end by `ends`; "" where it is not."""
    own = own_designs(store, run_id)
    if ends.patience and (idle := since_better(points_of(verifications_of(store, run_id), own))) >= ends.patience:
        return f"it stopped: {idle} verifications in a row brought nothing better"
    if ends.scale:
        gains = gains_at(store, ends.scale, corpus_hash, own)
        if gains and (best := max(gains, key=lambda d: gains[d])) and gains[best] >= ends.gain:
            return f"it reached its target: {best} beats {REFERENCE} by {gains[best]:.4f} bits per byte at {ends.scale}, {ends.gain:g} were asked for"
    return ""


def gains_at(store: Store, scale: str, corpus_hash: str, own: set[str]) -> dict[str, float]:
    """Design → how much it is below the reference, over the seeds that both have; suspicious scores are left out until they are audited."""
    doubted = {id for id, suspect in store.verifications.suspects().items() if not suspect.passed}
    by: dict[str, dict[int, float]] = {}
    for v in store.verifications.counted(scale):
        if v.corpus_hash == corpus_hash and not v.own_rate and v.metrics and v.id not in doubted and v.design_id in {*own, REFERENCE}:
            by.setdefault(v.design_id, {})[v.seed] = v.metrics.bits_per_byte
    base = by.pop(REFERENCE, {})
    return {design: fmean(base[s] - scores[s] for s in both) for design, scores in by.items() if (both := sorted(set(base) & set(scores)))}
