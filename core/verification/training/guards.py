"""What ends a training before its last step: a loss that is no number, one that spikes and stays up, gradients that are never finite."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from core.errors import Diverged

SPIKE = 1.0                  # nats above the best smoothed loss: an e-fold worse a token
PATIENCE = 0.05              # of the steps, and 20 at least: how long it may stay there
SMOOTH = 0.9
SKIPS = 10                   # updates left out in a row
MEND = "a lower learning rate, or another normalisation"


@dataclass
class Guard:
    """`loss` and `norm` are told of each step; the state is saved with a checkpoint. Thresholds are judgements, stated above."""

    steps: int
    smooth: float = math.nan
    best: float = math.inf
    above: int = 0
    skipped: int = 0
    spikes: list[int] = field(default_factory=list)

    def loss(self, step: int, loss: float) -> None:
        """Raises Diverged."""
        if not math.isfinite(loss):
            raise Diverged(f"diverged at step {step} of {self.steps}: the loss is {loss}", MEND)
        self.smooth = loss if math.isnan(self.smooth) else SMOOTH * self.smooth + (1 - SMOOTH) * loss
        self.best = min(self.best, self.smooth)
        if self.smooth <= self.best + SPIKE:
            self.above = 0
            return
        self.above += 1
        if self.above == 1:
            self.spikes.append(step)
        if self.above > max(20, PATIENCE * self.steps):
            raise Diverged(f"diverged at step {step} of {self.steps}: the loss rose to {self.smooth:.2f} nats from {self.best:.2f} at step {self.spikes[-1]} and stayed there", MEND)

    def norm(self, step: int, norm: float) -> bool:
        """Whether the update may be made. Raises Diverged after ten in a row that may not."""
        if math.isfinite(norm):
            self.skipped = 0
            return True
        self.skipped += 1
        if self.skipped >= SKIPS:
            raise Diverged(f"diverged at step {step} of {self.steps}: the gradients of {SKIPS} steps in a row are not finite", MEND)
        return False
