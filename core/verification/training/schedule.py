"""The learning rate of each step."""

from __future__ import annotations

import math

from core.types import Scale

FLOOR = 0.1                  # of the peak, at the end
DECAY = 0.2                  # share of the steps in which "wsd" falls


def learning_rate(scale: Scale, step: int) -> float:
    """Of the step counted from 0: linear warm-up, then a cosine to a tenth (Brown et al. 2020, arXiv 2005.14165), or "wsd": a plateau, and a
    linear fall to a tenth over the last fifth (Hu et al. 2024, arXiv 2404.06395)."""
    warm = max(1, round(scale.warmup * scale.steps))
    if step < warm:
        return scale.lr * (step + 1) / warm
    if scale.schedule == "wsd":
        falling = max(1, round(DECAY * scale.steps))
        left = min(1.0, (scale.steps - step) / falling)
        return scale.lr * (FLOOR + (1 - FLOOR) * left)
    done = (step - warm) / max(1, scale.steps - warm)
    return scale.lr * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * done)))
