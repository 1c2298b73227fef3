"""Whether code is what its proposal says: a proposal may be revised while its code is written, and after."""

from __future__ import annotations

from dataclasses import dataclass

from core.store import Store
from core.types import Implementation, Json, Proposal, UnitTree


@dataclass(frozen=True)
class Behind:
    """A design whose newest code was written for an older revision of its proposal, which said something else."""

    code: Implementation
    proposal: Proposal

    @property
    def words(self) -> str:
        return f"revision {self.code.revision} of the code was written before revision {self.proposal.revision} of the proposal, and is not what that says"


def behind(store: Store, design_id: str) -> Behind | None:
    """None where the code is what the proposal says, a person wrote it since, or one of the two is lacking."""
    made, proposal = store.implementations.newest(design_id), store.proposals.newest(design_id)
    if made is None or proposal is None or made.created_at >= proposal.created_at or as_proposed(store, made.units, proposal):
        return None
    return Behind(made, proposal)


def as_proposed(store: Store, units: UnitTree | None, proposal: Proposal) -> bool:
    """Whether code of these units is what the proposal says: its tree, and where units were written for it, their declarations and the text."""
    if units != proposal.units or not proposal.new_units:
        return units == proposal.units
    was = written_for(store, proposal)
    return was is not None and alike(was, proposal)


def alike(one: Proposal, other: Proposal) -> bool:
    """Whether the same code is written for both."""
    return one.units == other.units and one.new_units == other.new_units and (one.body == other.body or not one.new_units)


def written_for(store: Store, proposal: Proposal) -> Proposal | None:
    """The revision for which the design's new units were written last; None where they never were."""
    last = rounds(store, proposal.design_id)[-1:]
    return next((p for p in store.proposals.revisions(proposal.design_id) if last and p.id == last[0].get("proposal")), None)


def rounds(store: Store, design_id: str) -> list[Json]:
    """What came of each time that the design's new units were written."""
    found, after = [], 0
    while events := store.events.since(f"design:{design_id}", after):
        found += [e.data for e in events if e.kind == "written"]
        after = events[-1].id
    return found
