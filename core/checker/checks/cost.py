"""Time beside the reference, and how it grows with length."""

from __future__ import annotations

import math

from core.checker.subject import Outcome, Subject

SLOW = 25.0          # times the reference: a design of that speed would take an hour for what takes minutes


def cost(subject: Subject) -> Outcome:
    """Forward time at the training length, and the exponent of its growth over a fourfold length: 1 is linear, 2 quadratic. Above 25 times gpt2, or an exponent above 2.2, a warning."""
    subject.build()
    short, long = max(16, subject.context // 4), subject.context
    own = {n: _seconds(subject, n) for n in (short, long)}
    with subject.fresh(reference=True) as reference:
        reference.load_code()
        reference.build()
        base = _seconds(reference, long)
    exponent = math.log(own[long] / own[short]) / math.log(long / short)
    times = own[long] / base
    evidence = f"{times:.1f} times gpt2's time at length {long}; grows with length to the power {exponent:.1f} from {short} on"
    if times > SLOW or exponent > 2.2:
        return Outcome("warn", evidence, "use a chunked or parallel form: no Python loop over single positions")
    return Outcome("pass", evidence)


def _seconds(subject: Subject, length: int) -> float:
    """The quickest of three."""
    ids = subject.ids(2, length)
    return max(1e-6, min(float(subject.answered(ids)[1]["seconds"]) for _ in range(3)))
