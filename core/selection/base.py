"""What a selector is (ALG 5). The tree is a networkx DiGraph: node → {"design": Design, "tried": set of scales}.

Lifecycle: one selector is made for a run with the run's seed. `next_act`, `parents` and `choose` read the tree and change nothing;
their randomness comes from (seed, what the tree holds), so that a restart repeats the same choice. `learn` is called after
each verification and may refit what the selector believes; it must be able to rebuild that from the tree alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import networkx as nx

from core.types import Act, Gates, Parents

REFERENCE = "gpt2"  # what every design is compared with


class Selector(Protocol):
    def next_act(self, tree: nx.DiGraph, budgets: Mapping[str, float], gates: Gates) -> Act | None:
        """Design or verify next; None when neither can be paid for. `budgets`: account → what is left."""

    def parents(self, tree: nx.DiGraph) -> Parents:
        """Whom the next session starts from, and in which mode."""

    def choose(self, tree: nx.DiGraph, budgets: Mapping[str, float]) -> tuple[str, str]:
        """(design id, scale) to verify next. Called only after `next_act` said VERIFY."""

    # A selector may also say why: `explain(tree, what, budgets) -> Explanation`, `what` being what `parents` or `choose` gave for this very tree.

    def learn(self, tree: nx.DiGraph) -> None:
        """Take the newest verification in."""
