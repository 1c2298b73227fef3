"""The desk's verbs that shape the search: keep a design in play, ask more of its branch, leave the branch alone, give it a word to be found by.

Each is a decision that its opposite takes back; what the selector makes of them is in core/selection/wishes.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from core.errors import UsageError
from core.outlines import Outlines
from core.store import Store
from core.types import Decision, Design, Json, Status, Verb

if TYPE_CHECKING:
    import networkx as nx

LARGEST_BOOST = 100.0
LONGEST_TAG = 40                     # characters


class Shaping:
    """Mixed into the desk, whose store and author it uses."""

    store: Store
    author: str

    def pin(self, design_id: str, on: bool = True, reason: str = "") -> Decision:
        """Keep it among the parents, and let it climb the ladder whatever its score."""
        return self._shape(Verb.PIN, design_id, {"on": on}, reason)

    def boost(self, design_id: str, factor: float, reason: str = "") -> Decision:
        """Let it and what descends from it be parents `factor` times as often; 1 takes it back."""
        if not (math.isfinite(factor) and 0 < factor <= LARGEST_BOOST):
            raise UsageError(f"a boost by {factor:g}", f"the factor must lie above 0, and at most at {LARGEST_BOOST:g}; 1 takes it back, prune leaves the branch alone")
        return self._shape(Verb.BOOST, design_id, {"factor": float(factor)}, reason)

    def prune(self, design_id: str, on: bool = True, reason: str = "") -> Decision:
        """Neither it nor what descends from it alone is a parent again, or verified by a run."""
        return self._shape(Verb.PRUNE, design_id, {"on": on}, reason)

    def tag(self, design_id: str, tag: str, on: bool = True) -> Decision:
        """Give it a word, or take the word away."""
        word = " ".join(tag.split())
        if not word:
            raise UsageError("a tag needs a word", "write one")
        if len(word) > LONGEST_TAG:
            raise UsageError(f"a tag of {len(word)} characters", f"use at most {LONGEST_TAG}")
        if not on and word not in (tags := self.store.designs.get(design_id).tags):
            raise UsageError(f"{design_id} has no tag {word!r}", f"its tags are {', '.join(tags) or 'none'}")
        return self._shape(Verb.TAG, design_id, {"tag": word, "on": on})

    # ------------------------------------------------------------------------------------------ seeing

    def bound(self, tree: nx.DiGraph) -> list[str]:
        """What every selector is bound to by persons' words, a line each."""
        from core.selection.wishes import words  # networkx, for those who ask

        return words(tree, self.author)

    def left_alone(self, tree: nx.DiGraph) -> set[str]:
        """Every design that a prune reaches."""
        from core.selection.wishes import pruned

        return pruned(tree)

    def passed_over(self, designs: Iterable[Design]) -> set[str]:
        """Proposals whose session closed without implementing them: others of it were better."""
        closed = self.store.sessions.closed()
        return {d.id for d in designs if d.session_id in closed and d.status in (Status.PROPOSED, Status.APPROVED)}

    @cached_property
    def outlines(self) -> Outlines:
        """Unit trees and novelty of all designs, for screens that show thousands."""
        return Outlines(self.store)

    def _shape(self, verb: Verb, design_id: str, data: Json, reason: str = "") -> Decision:
        self.store.designs.get(design_id)
        return self.store.decisions.add(verb, self.author, design_id=design_id, reason=reason.strip(), data=data)
