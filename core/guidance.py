"""What people taught the agents: reasons of refusals, comments, edits and standing rules, each a decision; what is told of them, and where it was used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from core.agents.base import Guidance
from core.store import Store
from core.store.guidance import Use
from core.types import Decision, Verb

KINDS = {Verb.GUIDE: "rule", Verb.REFUSE: "refused", Verb.COMMENT: "comment", Verb.EDIT: "edited"}
ALSO = (Verb.APPROVE, Verb.RESET)     # their reasons are told of a parent, too
TOLD = 24            # lessons in one prompt, besides the standing rules
LONGEST = {"rule": 4000}      # characters of each; of others OTHERS
OTHERS = 600


@dataclass(frozen=True)
class Lesson:
    """One record as the page shows it."""

    decision: Decision
    kind: str
    text: str                        # as it is told: a person's newer words where there are some
    on: bool
    uses: tuple[Use, ...]


class Lessons:
    def __init__(self, store: Store) -> None:
        self.store = store

    def all(self) -> list[Lesson]:
        """Newest first."""
        decisions = self.store.decisions.all()
        changed = {d.data["decision"]: d for d in decisions if d.verb is Verb.MUTE}  # the last word on each
        uses = self.store.guidance.all()
        found = []
        for d in reversed(decisions):
            if d.verb in KINDS and d.reason:
                last = changed.get(d.id)
                found.append(Lesson(d, KINDS[d.verb], (last.data.get("text") if last else "") or d.reason, last.data["on"] if last else True, tuple(uses.get(d.id, ()))))
        return found

    def told(self, parents: Iterable[str], without: str = "") -> tuple[Guidance, ...]:
        """What a prompt carries: standing rules, then what was said of the parents and their offspring, then the newest. Nothing about the design `without`."""
        near = set(parents)
        related = near | {d.id for d in self.store.designs.all() if near & set(d.parents)}
        alive = [lesson for lesson in self.all() if lesson.on and not (without and lesson.decision.design_id == without)]
        rules = [x for x in alive if x.kind == "rule"]
        lessons = sorted((x for x in alive if x.kind != "rule"), key=lambda x: (x.decision.design_id not in related, -x.decision.id))[:TOLD]
        return tuple(Guidance(x.decision.id, x.kind, "" if x.kind == "rule" else x.decision.design_id or "", _cut(x)) for x in [*rules, *lessons])


    def said_of(self, design_id: str) -> list[Decision]:
        """What people decided on a design and still tell the agents, oldest first: records that teach in their newest words, and reasons of approvals."""
        taught = {lesson.decision.id: lesson for lesson in self.all() if lesson.decision.design_id == design_id}
        return [replace(d, reason=_cut(taught[d.id])) if d.id in taught else d for d in self.store.decisions.of(design_id)
                if d.reason and (taught[d.id].on if d.id in taught else d.verb in ALSO)]


def _cut(lesson: Lesson) -> str:
    most = LONGEST.get(lesson.kind, OTHERS)
    return lesson.text if len(lesson.text) <= most else f"{lesson.text[:most]} … (cut)"
