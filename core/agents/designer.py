"""The designer that is a language model: reads its brief, looks things up, proposes a tree of units with reasons, and mends it after a review."""

from __future__ import annotations

from collections.abc import Sequence

from core.agents.base import Back, Brief, Draft, Guidance
from core.agents.dialog import Dialog
from core.agents.drafts import PROPOSAL, draft_of, nodes_of
from core.agents.speaker import Conversation, Opening, Setting
from core.agents.spec import AgentSpec
from core.agents.vocabulary import vocabulary
from core.gab.units import UnitLibrary
from core.types import Proposal, Review


class ModelDesigner:
    def __init__(self, spec: AgentSpec, library: UnitLibrary, setting: Setting) -> None:
        self.name = spec.name
        self.spec = spec
        self.library = library
        self.setting = setting

    def propose(self, brief: Brief, dialog: Dialog, design_id: str) -> Draft:
        """Raises LanguageModelError where no usable draft came."""
        library = self._library(brief)
        talk = Conversation(self.spec, self.setting, f"{design_id}/propose", design_id, lambda: self._opening(brief, library, "propose"))
        return talk.object(PROPOSAL, lambda data: draft_of(data, brief, library))

    def revise(self, proposal: Proposal, review: Review | None, brief: Brief, dialog: Dialog, round: int, back: Back | None = None) -> Draft | None:
        library = self._library(brief)

        def opening() -> Opening:
            first = self._opening(brief, library, "propose")
            again = self.spec.render("revise", proposal=proposal, nodes=nodes_of(proposal.units) if proposal.units else [], review=review, round=round, back=back)
            return Opening(first.system, f"{first.user}\n\n{again}", first.guidance, first.rules)

        talk = Conversation(self.spec, self.setting, f"{proposal.design_id}/revise{round}" + (f"/back{back.id}" if back else ""), proposal.design_id, opening)
        return talk.object(PROPOSAL, lambda data: draft_of(data, brief, library))

    def _library(self, brief: Brief) -> UnitLibrary:
        return self.library.extended(brief.own)

    def _opening(self, brief: Brief, library: UnitLibrary, step: str) -> Opening:
        system = self.spec.render("system", about=self.spec.about, units=vocabulary(library))
        user = self.spec.render(step, brief=brief, mode=str(brief.mode), nodes={p.id: nodes_of(p.units) for p in brief.parents}, **told(brief.guidance))
        return Opening(system, user, tuple(dict.fromkeys([*(g.id for g in brief.guidance), *(n for p in brief.parents for n in p.said_ids)])), brief.rules)


def told(guidance: Sequence[Guidance]) -> dict[str, list[Guidance]]:
    """Standing rules apart from what was said of single designs."""
    return {"rules": [g for g in guidance if not g.about], "lessons": [g for g in guidance if g.about]}
