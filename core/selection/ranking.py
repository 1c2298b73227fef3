"""The order of a session's proposals."""

from __future__ import annotations

from collections.abc import Sequence

from core.types import Decision, Design, Status, Verb


def ranking(designs: Sequence[Design], decisions: Sequence[Decision]) -> list[Design]:
    """Best first. A person's order wins; without one approved designs lead, then ratings decide; refused ones come last.

    `decisions` are the session's, oldest first; ties keep the order of `designs`.
    """
    orders = [d.data["order"] for d in decisions if d.verb is Verb.RERANK]
    place = {design_id: i for i, design_id in enumerate(orders[-1])} if orders else {}
    return sorted(designs, key=lambda d: (
        d.status is Status.REFUSED, place.get(d.id, len(place)), d.status is Status.PROPOSED, -(d.rating or 0.0)))
