"""Ending a hopeless run early: only where a person asked for it, and said in the result.

The watched documents are scored at the same steps in every training of a scale, so a run's curve is compared with the references' point by point. It is hopeless when,
past a share of the steps, its last two points each lie above the *worst* reference's by a margin far beyond the seed noise. Curves do cross late (a high
learning rate pays only once it decays), hence the worst reference, two points and a wide margin: a rule for saving hours on designs that do not learn, not a judgement between good ones.
What is given up that way: a design that starts very slowly and would have caught up.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.types import CurvePoint

AFTER = 0.3          # share of the steps before which nothing is stopped
MARGIN = 0.15        # bits per byte: four times nano's seed noise of a difference (0.035, library/noise.yaml), assumed enough above
AGREE = 2            # points in a row


def hopeless(curve: Sequence[CurvePoint], references: Sequence[Sequence[CurvePoint]], steps: int, margin: float = MARGIN) -> str | None:
    """Why the run is to be ended, or None. `steps`: of the whole training. Points without a held-out score, and steps that no reference has, are passed over."""
    worst: dict[int, float] = {}
    for points in references:
        for p in points:
            if p.held_out is not None:
                worst[p.step] = max(worst.get(p.step, p.held_out), p.held_out)
    seen = [(p.step, p.held_out, worst[p.step]) for p in curve if p.held_out is not None and p.step in worst]
    last = seen[-AGREE:]
    if len(last) < AGREE or last[-1][0] < AFTER * steps or not all(held_out > bound + margin for _, held_out, bound in last):
        return None
    step, held_out, bound = last[-1]
    return f"{held_out:.4f} bits per byte on the watched documents at step {step}, {held_out - bound:.4f} worse than the worst of {len(references)} reference curves ({bound:.4f}); the margin is {margin:g}"
