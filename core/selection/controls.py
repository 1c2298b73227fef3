"""Two controls: `best_of_n` asks what the same budget finds without evolution, `person` does only what a person picks."""

from __future__ import annotations

from collections.abc import Mapping

import networkx as nx

from core.selection.simple import Simple
from core.types import Act, Explanation, Gates, Mode, Parents


class BestOfNSelector(Simple):
    """Every design is made from scratch, none from another; the best one is kept."""

    def parents(self, tree: nx.DiGraph) -> Parents:
        return Parents(Mode.SCRATCH, ())

    def _why_parents(self, tree: nx.DiGraph, parents: Parents) -> Explanation:
        return Explanation("From scratch, as every time: without evolution, the same budget finds the best of so many.")


class PersonSelector(Simple):
    """It starts nothing by itself: what a person chose, pinned or let go on is done, and then it rests."""

    def next_act(self, tree: nx.DiGraph, budgets: Mapping[str, float], gates: Gates) -> Act | None:
        return next((act for act in tree.graph.get("chosen", ()) if act is Act.VERIFY or budgets.get("design", 0) >= 1), None)

    def parents(self, tree: nx.DiGraph) -> Parents:
        return Parents(Mode.SCRATCH, ())

    def _why_parents(self, tree: nx.DiGraph, parents: Parents) -> Explanation:
        return Explanation("A person wanted a session and named no parents: it starts from scratch.")
