"""The order of a session's proposals."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, log

from core.agents.order import strengths, together
from core.selection.preferences import pairs
from core.types import Decision, Design, Status, Verb


def ranking(designs: Sequence[Design], decisions: Sequence[Decision]) -> list[Design]:
    """Best first. A person's order outweighs the ranker's, and that the ratings; without a person's, approved designs lead. Refused ones come last.

    `decisions` are the session's, oldest first; ties keep the order of `designs`.
    """
    orders = [d.data for d in decisions if d.verb is Verb.RERANK]
    ids = {d.id for d in designs}
    person = _persons(decisions, ids)
    model = next(([i for i in o["order"] if i in ids] for o in reversed(orders) if "by" in o), None)
    strength = together(person, model, {d.id: d.rating for d in designs if d.rating is not None})
    return sorted(designs, key=lambda d: (d.status is Status.REFUSED, person is None and d.status is Status.PROPOSED, -round(log(strength[d.id]), 9) if d.id in strength else inf))   # ratios count: the last of many is very weak


def _persons(decisions: Sequence[Decision], ids: set[str]) -> list[str] | None:
    """A person's order: the last one that was given whole, changed by what was preferred since, side by side. None where nobody said anything."""
    whole = [d for d in decisions if d.verb is Verb.RERANK and "by" not in d.data]
    order = [i for i in whole[-1].data["order"] if i in ids] if whole else None
    since = pairs([d for d in decisions if not whole or d.id > whole[-1].id], ids)
    if not since:
        return order
    strength = strengths([*([(order, 1.0)] if order else []), *((pair, 2.0) for pair in since)])
    return sorted(strength, key=lambda i: -strength[i])
