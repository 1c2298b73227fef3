"""The reviewer that is a language model. It is not told who proposed; what it is shown first are the tree's designs most like the proposal.

A review that repeats its own earlier ones (core/agents/stuck.py) is asked for again, with the points that came back named, another temperature and, where the
spec names one, another model; one that still repeats is handed to the person.
"""

from __future__ import annotations

from core.agents.base import Brief, Opinion
from core.agents.designer import told
from core.agents.dialog import Dialog
from core.agents.drafts import TEXT, list_of, nodes_of, object_of
from core.agents.similarity import Relative, nameless, nearest
from core.agents.speaker import Conversation, Opening, Setting
from core.agents.spec import AgentSpec
from core.agents.stuck import Repeats, Said, repeats
from core.errors import UsageError
from core.gab.structure import resolved
from core.gab.units import UnitLibrary
from core.llm.base import Schema
from core.types import Json, Proposal

AXES = ("novelty", "soundness", "causality", "efficiency", "scalability")
SHOWN = 6            # relatives
SCORE = {"type": "number", "minimum": 0, "maximum": 5}
REVIEW = Schema("review", object_of({
    **{axis: object_of({"score": SCORE, "why": TEXT}) for axis in AXES}, "nearest": list_of(TEXT), "points": list_of(TEXT),
    "forecast": {"type": "number", "minimum": 0, "maximum": 1}, "verdict": {"type": "string", "enum": ["accept", "revise"]}, "summary": TEXT}))


class ModelReviewer:
    def __init__(self, spec: AgentSpec, library: UnitLibrary, setting: Setting) -> None:
        self.name = spec.name
        self.spec = spec
        self.library = library
        self.setting = setting

    def review(self, proposal: Proposal, brief: Brief, dialog: Dialog) -> Opinion:
        declared = {**brief.declared, **{u.name: u for u in proposal.new_units}}
        units = resolved(proposal.units, declared) if proposal.units else None
        relatives = nearest(units, nameless(proposal.body, declared), [k for k in brief.texts if k.id != proposal.design_id], SHOWN)
        first = self._asked(proposal, brief, relatives, None)
        stuck = repeats(_said(first, proposal), brief.past)
        if stuck is None:
            return first
        again = self._asked(proposal, brief, relatives, stuck)
        still = repeats(_said(again, proposal), brief.past)
        return Opinion(again.rating, again.scores, again.text, again.accepted, {**again.data, "stuck": 2 if still else 1, "repeats": str(still or stuck)})

    def _asked(self, proposal: Proposal, brief: Brief, relatives: list[Relative], stuck: Repeats | None) -> Opinion:
        settings = self.spec.settings.get("stuck", {})
        old = next((s for s in reversed(brief.past) if stuck and s.design_id == stuck.design_id), None)

        def opening() -> Opening:
            system = self.spec.render("system", about=self.spec.about, axes=AXES)
            user = self.spec.render("review", proposal=proposal, nodes=nodes_of(proposal.units) if proposal.units else [], brief=brief, relatives=relatives, again=old, **told(brief.guidance))
            return Opening(system, user, tuple(g.id for g in brief.guidance), brief.rules)

        key = f"{proposal.design_id}/review{proposal.revision}" + ("/again" if stuck else "")
        talk = Conversation(self.spec, self.setting, key, proposal.design_id, opening, temperature=settings.get("temperature") if stuck else None,
                            models=settings.get("models", ()) if stuck else ())
        known = {k.id for k in brief.texts}
        return talk.object(REVIEW, lambda data: _opinion(data, known))


def _opinion(data: Json, known: set[str]) -> Opinion:
    """Raises UsageError for relatives that are no designs of the tree, since they would lead a person nowhere."""
    wrong = [name for name in data["nearest"] if name not in known]
    if wrong:
        raise UsageError(f"nearest names {wrong[0]!r}, which is no design of the tree", "name ids that you were shown, or none")
    scores = {axis: float(data[axis]["score"]) for axis in AXES}
    rating = round(sum(scores.values()) / len(scores), 2)
    rows = "\n".join(f"| {axis} | {scores[axis]:.1f} | {' '.join(data[axis]['why'].split())} |" for axis in AXES)
    text = f"{data['summary'].strip()}\n\n| | 0–5 | why |\n| --- | --- | --- |\n{rows}\n\n" + "\n".join(f"- {p}" for p in data["points"])
    text += f"\n\nChance to beat the reference at the next scale: **{data['forecast']:.0%}**. " + ("Accepted." if data["verdict"] == "accept" else "To be revised.")
    if data["nearest"]:
        text += f" Nearest: {', '.join(data['nearest'])}."
    facts = {"points": list(data["points"]), "nearest": list(data["nearest"]), "forecast": float(data["forecast"]), "why": {axis: data[axis]["why"] for axis in AXES}, "summary": data["summary"]}
    return Opinion(rating, scores, text, data["verdict"] == "accept", facts)


def _said(opinion: Opinion, proposal: Proposal) -> Said:
    return said(proposal.design_id, opinion.data)


def said(design_id: str, data: Json) -> Said:
    """A stored review as it is compared: the words of its reasons, without the frame that all reviews share."""
    words = " ".join([str(data.get("summary", "")), *map(str, data.get("why", {}).values()), *map(str, data.get("points", ()))])
    return Said(design_id, words, tuple(data.get("points", ())))
