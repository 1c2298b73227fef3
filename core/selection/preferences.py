"""What people said when two or three designs stood side by side: "which would you train?", put together into strengths, and which to show next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import combinations, pairwise

from core.agents.order import strengths
from core.types import Decision, Verb

MOST = 200           # designs among which the next match is looked for: their pairs are counted


def pairs(decisions: Sequence[Decision], design_ids: Collection[str]) -> list[tuple[str, str]]:
    """(better, worse) of each two of these designs that met, oldest first."""
    among = set(design_ids)
    return [(d.data["better"], other) for d in decisions if d.verb is Verb.PREFER for other in d.data["worse"] if {d.data["better"], other} <= among]


def preferred(decisions: Sequence[Decision], design_ids: Collection[str]) -> dict[str, float]:
    """Strengths after Bradley and Terry (core/agents/order.py) of those that met; the mean is 1."""
    return strengths([(pair, 1.0) for pair in pairs(decisions, design_ids)])


def most_telling(decisions: Sequence[Decision], design_ids: Sequence[str], cards: int = 2, skipped: Collection[frozenset[str]] = ()) -> tuple[str, ...]:
    """`cards` designs of which no two have met, first those that met fewest others, then those closest in strength: an even match tells most. Fewer where fewer are left."""
    ids = list(dict.fromkeys(design_ids))[:MOST]
    found = pairs(decisions, ids)
    met = {frozenset(pair) for pair in found} | set(skipped)
    times = Counter(name for pair in found for name in pair)
    strength = strengths([(pair, 1.0) for pair in found])
    place = {name: i for i, name in enumerate(ids)}

    def apart(a: str, b: str) -> tuple[int, float, int, int]:
        return times[a] + times[b], abs(strength.get(a, 1.0) - strength.get(b, 1.0)), place[a], place[b]

    free = [pair for pair in combinations(ids, 2) if frozenset(pair) not in met]
    if not free:
        return ()
    chosen = list(min(free, key=lambda pair: apart(*pair)))
    while len(chosen) < cards:
        others = [name for name in ids if name not in chosen and all(frozenset((name, c)) not in met for c in chosen)]
        if not others:
            break
        chosen.append(min(others, key=lambda name: apart(chosen[0], name)))
    return tuple(sorted(chosen, key=place.__getitem__))


def spoken(decisions: Sequence[Decision], design_ids: Collection[str]) -> tuple[list[tuple[str, str, str]], list[tuple[str, str, bool]]]:
    """([(who, better, worse)], [(who, design, approved)]) of persons' decisions, oldest first: each two neighbours of a person's last order of a session are one preference; each person's
    last judgement of a design counts; one that was taken back is none."""
    found: list[tuple[str, str, str]] = []
    orders: dict[tuple[str, str | None], list[tuple[str, str, str]]] = {}
    verdicts: dict[tuple[str, str], tuple[str, str, bool]] = {}
    for d in decisions:
        if d.verb is Verb.PREFER:
            found += [(d.author, d.data["better"], other) for other in d.data["worse"]]
        elif d.verb is Verb.RERANK and "by" not in d.data:
            orders[d.author, d.session_id] = [(d.author, *pair) for pair in pairwise(d.data["order"])]
        elif d.verb is Verb.RESET and d.design_id:
            verdicts = {key: verdict for key, verdict in verdicts.items() if key[1] != d.design_id}
        elif d.verb in (Verb.APPROVE, Verb.REFUSE) and d.design_id in design_ids:
            verdicts[d.author, d.design_id] = d.author, d.design_id, d.verb is Verb.APPROVE
    return [p for p in (*found, *(p for order in orders.values() for p in order)) if p[1] in design_ids and p[2] in design_ids], list(verdicts.values())
