"""Everything that is stored about one design, gathered."""

from __future__ import annotations

from dataclasses import dataclass

from core.store import Store
from core.types import Decision, Design, Implementation, Proposal, Review, Verification


@dataclass(frozen=True)
class Dossier:
    design: Design
    proposals: list[Proposal]
    reviews: list[Review]
    decisions: list[Decision]
    implementations: list[Implementation]   # every revision, oldest first
    verifications: list[Verification]

    @property
    def implementation(self) -> Implementation | None:
        """The newest revision of its code."""
        return self.implementations[-1] if self.implementations else None


def dossier(store: Store, design_id: str) -> Dossier:
    return Dossier(
        store.designs.get(design_id), store.proposals.revisions(design_id), store.reviews.of(design_id),
        store.decisions.of(design_id=design_id),
        store.implementations.revisions(design_id), store.verifications.of(design_id))
