"""Runs the design forward."""

from __future__ import annotations

import torch

from core.checker.checks.common import Outcome, Subject


def forward(subject: Subject) -> Outcome:
    """Finite logits of the right shape at odd sizes; the same twice; each sequence for itself, whatever stands beside it in the batch.

    Sums may be ordered otherwise in another batch, so that equality is to 1e-4 of the logits' scale, in float32.
    """
    model = subject.model().eval()
    shapes = [(1, 1), (2, 17), (3, min(64, subject.scale.context)), (1, subject.scale.context if subject.scale.context <= 512 else 512)]
    with torch.no_grad():
        for batch, length in shapes:
            logits = model(ids := subject.ids(batch, length))
            if logits.shape != (batch, length, 97):
                return Outcome("fail", f"logits of shape {tuple(logits.shape)} for ids of shape {tuple(ids.shape)}", "return Y shaped like X")
            if not torch.isfinite(logits).all():
                bad = int((~torch.isfinite(logits)).sum())
                return Outcome("fail", f"{bad} of {logits.numel()} logits are not finite at batch {batch}, length {length}", "look for a division by zero, a log or an overflow")
        ids = subject.ids(3, 33)
        together, again = model(ids), model(ids)
        if not torch.equal(together, again):
            return Outcome("fail", f"two runs on the same input differ by {(together - again).abs().max():.1e}", "keep no state, draw nothing at random")
        alone = torch.cat([model(row[None]) for row in ids])
    off = ((together - alone).abs().max() / together.abs().max().clamp_min(1e-6)).item()
    if off > 1e-4:
        return Outcome("fail", f"a sequence's logits change by {off:.1e} with its neighbours in the batch", "mix nothing across the batch")
    sizes = ", ".join(f"{b}×{n}" for b, n in shapes)
    return Outcome("pass", f"finite at {sizes}; repeatable; independent of the batch{subject.reduced}")
