"""The ranker: an order of a session's proposals from a language model, and how it is put together with a person's.

Orders become pairs; strengths are fitted to the pairs by the model of Bradley and Terry (1952, "Rank analysis of incomplete block designs") with the
minorisation steps of Hunter (2004, "MM algorithms for generalized Bradley–Terry models", eq. 3). A person's pairs weigh PERSON times as much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.agents.base import Brief
from core.agents.drafts import TEXT, list_of, object_of
from core.agents.speaker import Conversation, Opening, Setting
from core.agents.spec import AgentSpec
from core.errors import UsageError
from core.llm.base import Schema
from core.types import Json, Proposal, Review

PERSON = 20.0
PRIOR = 0.1          # of a win against, and a loss to, an average proposal: keeps strengths finite
STEPS = 200
RANKED = Schema("ranking", object_of({"order": list_of(TEXT), "why": TEXT}))


class ModelRanker:
    def __init__(self, spec: AgentSpec, setting: Setting) -> None:
        self.name = spec.name
        self.spec = spec
        self.setting = setting

    def rank(self, proposals: Sequence[Proposal], reviews: Mapping[str, Review], brief: Brief, key: str) -> tuple[list[str], str]:
        """(ids, best first, why)"""
        ids = [p.design_id for p in proposals]

        def opening() -> Opening:
            return Opening(self.spec.render("system", about=self.spec.about), self.spec.render("rank", proposals=proposals, reviews=reviews, brief=brief))

        def accept(data: Json) -> tuple[list[str], str]:
            if sorted(data["order"]) != sorted(ids):
                raise UsageError(f"the order names {', '.join(data['order']) or 'nothing'}", f"name each of {', '.join(ids)} once")
            return list(data["order"]), data["why"].strip()

        return Conversation(self.spec, self.setting, f"rank/{key}", None, opening).object(RANKED, accept)


def strengths(orders: Sequence[tuple[Sequence[str], float]]) -> dict[str, float]:
    """(order, best first, and its weight)… → strength of each, 1 on average: the chance that a beats b is s_a / (s_a + s_b)."""
    names = list(dict.fromkeys(name for order, _ in orders for name in order))
    wins = dict.fromkeys(names, 0.0)
    met: dict[tuple[str, str], float] = {}
    for order, weight in orders:
        for i, better in enumerate(order):
            for worse in order[i + 1 :]:
                wins[better] += weight
                pair = (min(better, worse), max(better, worse))
                met[pair] = met.get(pair, 0.0) + weight
    found = dict.fromkeys(names, 1.0)
    for _ in range(STEPS):
        new = {}
        for name in names:
            against = sum(n / (found[a] + found[b]) for (a, b), n in met.items() if name in (a, b)) + 2 * PRIOR / (found[name] + 1.0)
            new[name] = (wins[name] + PRIOR) / against
        mean = sum(new.values()) / len(new) if new else 1.0
        found = {name: s / mean for name, s in new.items()}
    return found


def together(person: Sequence[str] | None, model: Sequence[str] | None, ratings: Mapping[str, float]) -> dict[str, float]:
    """Strengths from a person's order, the ranker's, and the ratings as an order of their own (half a voice)."""
    by_rating = sorted(ratings, key=lambda name: -ratings[name])
    orders = [(order, weight) for order, weight in ((person, PERSON), (model, 1.0), (by_rating, 0.5)) if order]
    return strengths(orders)
