"""What agents are told of the work: the parents with their measures, reviews and what people said of them, the siblings, the standing rules. A part of the lab (core/lab.py)."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import stdev

from core.agents.base import Brief, Measured, Parent, Sibling
from core.convening import Convening
from core.errors import DesignError, NotFound
from core.gab.structure import renamed
from core.guidance import Lessons
from core.kin import Brought, Kin, brought
from core.types import (
    Design,
    Kind,
    Proposal,
    Session,
    UnitTree,
    derive_seed,
)

SIBLINGS = 12        # shown to a designer, the newest ones
REVIEWS = 2          # of each parent


class Briefing(Convening):
    def brief(self, session: Session, k: int, design_id: str) -> Brief:
        """Parents and surroundings of the k-th proposal; a person's steering words so far count as instructions."""
        kin, own = Kin(self.store), brought(self.store, self.team.library, session.parents)
        trees = {p: renamed(tree, own.names.get(p, {})) for p, tree in self.store.unit_trees() if p in session.parents}
        steering = [words for _, words in self._steering(session, "designer")]
        lessons = Lessons(self.store)
        return Brief(
            mode=session.mode, parents=tuple(self._parent(p, trees, lessons, own) for p in session.parents), index=k, seed=derive_seed(session.seed, k),
            instructions="\n".join([session.instructions, *steering]).strip(), known=() if session.team.get("replay") else kin.structures(design_id), siblings=self._siblings(session, design_id),
            guidance=lessons.told(session.parents), texts=kin.texts(), own=own.units, declared=kin.inherited(session.parents), scale=session.scale)

    def _bare_brief(self, design: Design) -> Brief:
        kin = Kin(self.store)
        return Brief(design.mode, (), 0, 0, "", kin.structures(design.id), guidance=Lessons(self.store).told(design.parents),
                     own=brought(self.store, self.team.library, design.parents).units, declared=kin.inherited(design.parents))

    def _parent(self, design_id: str, trees: Mapping[str, UnitTree], lessons: Lessons, own: Brought) -> Parent:
        design = self.store.designs.get(design_id)
        if design_id not in trees:
            raise DesignError(f"{design_id} has no units to change", "choose a parent that is composed of units")
        made = self.store.implementations.newest(design_id)
        largest = [design.scores[s] for s in reversed(self.scales) if s in design.scores]
        reviews = tuple(r.text for r in self.store.reviews.of(design_id)[: -REVIEWS - 1 : -1])
        heard = lessons.said_of(design_id)
        people = tuple(f"{d.author} {d.verb}: {d.reason}" for d in heard)
        return Parent(design.id, design.title, design.summary, trees[design_id], largest[0] if largest else None, own.code(design_id, made.code) if made else "", self._evidence_of(design), reviews, people, tuple(d.id for d in heard))

    def _evidence_of(self, design: Design) -> tuple[Measured, ...]:
        try:
            base = self.store.designs.get("gpt2").scores
        except NotFound:
            base = {}
        found = []
        for scale in (s for s in self.scales if s in design.scores):
            seeds = [v.metrics.bits_per_byte for v in self.store.verifications.counted(scale) if v.design_id == design.id and v.metrics and not v.own_rate]
            sd = stdev(seeds) if len(seeds) > 1 else None
            found.append(Measured(scale, design.scores[scale], sd, design.n_seeds.get(scale, 1), base.get(scale), self.team.noise(scale)))
        return tuple(found)

    def _siblings(self, session: Session, design_id: str) -> tuple[Sibling, ...]:
        parents = set(session.parents)
        near = [d for d in self.store.designs.all() if d.id != design_id and d.kind is Kind.AGENT and (d.session_id == session.id or (parents and parents & set(d.parents)))]
        return tuple(Sibling(d.id, d.title, d.summary, str(d.status)) for d in near[-SIBLINGS:])


def index_of(proposal: Proposal) -> int:
    return int(proposal.design_id.rsplit("-", 1)[1]) - 1
