"""The order of a session's proposals."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, log

from core.agents.order import together
from core.types import Decision, Design, Status, Verb


def ranking(designs: Sequence[Design], decisions: Sequence[Decision]) -> list[Design]:
    """Best first. A person's order outweighs the ranker's, and that the ratings; without a person's, approved designs lead. Refused ones come last.

    `decisions` are the session's, oldest first; ties keep the order of `designs`.
    """
    orders = [d.data for d in decisions if d.verb is Verb.RERANK]
    ids = {d.id for d in designs}
    person = next(([i for i in o["order"] if i in ids] for o in reversed(orders) if "by" not in o), None)
    model = next(([i for i in o["order"] if i in ids] for o in reversed(orders) if "by" in o), None)
    strength = together(person, model, {d.id: d.rating for d in designs if d.rating is not None})
    return sorted(designs, key=lambda d: (d.status is Status.REFUSED, person is None and d.status is Status.PROPOSED, -round(log(strength[d.id]), 9) if d.id in strength else inf))   # ratios count: the last of many is very weak
