"""The ranker: an order of a session's proposals from a language model. How it is put together with a person's: core/agents/order.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.agents.base import Brief
from core.agents.drafts import TEXT, list_of, object_of
from core.agents.speaker import Conversation, Opening, Setting
from core.agents.spec import AgentSpec
from core.errors import UsageError
from core.llm.base import Schema
from core.types import Json, Proposal, Review

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
            return Opening(self.spec.render("system", about=self.spec.about), self.spec.render("rank", proposals=proposals, reviews=reviews, brief=brief), rules=brief.rules)

        def accept(data: Json) -> tuple[list[str], str]:
            if sorted(data["order"]) != sorted(ids):
                raise UsageError(f"the order names {', '.join(data['order']) or 'nothing'}", f"name each of {', '.join(ids)} once")
            return list(data["order"]), data["why"].strip()

        return Conversation(self.spec, self.setting, f"rank/{key}", None, opening).object(RANKED, accept)
