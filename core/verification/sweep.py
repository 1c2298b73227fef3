"""A design's own learning rate: a short sweep at the cheapest scale, so that designs are compared each at its best."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

from core.errors import Diverged
from core.types import Scale
from core.verification.train import trained, write_json
from core.verification.training.corpus import PreparedCorpus
from core.verification.work import Work

FACTORS = (0.5, 1.0, 2.0)    # of the scale's rate: neighbours on the grid that small models are usually tuned on
SHARE = 0.25                 # of the cheapest scale's tokens, each
FOUND = "sweep.json"
WORST = 1e9                  # bits per byte of a rate at which it diverged


def own_rate(work: Work) -> float:
    """The scale's learning rate times the factor that was best at the cheapest scale, by the watched documents (never by what is scored).

    Whether the best factor carries over to a larger scale is assumed, not shown. What was found is kept beside the weights; each factor resumes.
    """
    cheapest, corpus = work.cheapest or (work.scale, work.corpus)
    found = _stored(work)
    for factor in FACTORS:
        if str(factor) not in found:
            work.on_progress(0.01, f"learning rate × {factor:g} at {cheapest.name}")
            found[str(factor)] = _tried(work, cheapest, corpus, factor)
            write_json(work.folder / FOUND, found)
    best = min(FACTORS, key=lambda factor: (found[str(factor)], abs(factor - 1)))
    work.on_event("swept", {"scale": cheapest.name, "bits_per_byte": found, "factor": best})
    return work.scale.lr * best


def _stored(work: Work) -> dict[str, float]:
    try:
        return dict(json.loads((work.folder / FOUND).read_text()))
    except (OSError, ValueError):
        return {}


def _tried(work: Work, cheapest: Scale, corpus: PreparedCorpus, factor: float) -> float:
    """Bits per byte of the watched documents at the end."""
    scale = replace(cheapest, lr=cheapest.lr * factor, tokens=max(cheapest.batch_tokens, int(cheapest.tokens * SHARE)), watch_points=1)
    folder = work.folder / f"sweep-{factor:g}"
    folder.mkdir(exist_ok=True)
    trial = replace(work, scale=scale, corpus=corpus, folder=folder, on_point=lambda point: None, on_event=lambda kind, data: None, options=replace(work.options, trackers=()))
    try:
        return trained(trial)["watched"]
    except Diverged:
        return WORST
    finally:
        shutil.rmtree(folder, ignore_errors=True)
