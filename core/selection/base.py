"""What a selector is (ALG 5), and what it reads.

`make_selector(name, seed, scales, rungs=None, parts=None)` (core/selection/make.py, also core/build.py) gives any of them, bound by persons' wishes. `scales`: the run's, cheapest
first; `rungs`: scale → `Rung` (size, cost, noise; what is lacking is guessed from the order); `parts`: `Parts`, what `bayes` is made of, for ablations.

The tree is a networkx DiGraph, parents before children. A node has
    "design"   Design; its `scores` are the means over seeds
    "tried"    set of scales where a verification ended, well or badly, or may not begin
and, where they are known,
    "seeds"    {scale: (bits per byte, …)}, in the order of the seeds
    "failed"   set of scales where its training failed (it diverged, say)
    "barred"   set of scales where it may not be verified now (a gate is closed, the machine is too small)
    "running"  {scale: how many verifications are under way}
    "units"    frozenset of the facts of its unit tree, "words" frozenset of the words of its proposal
and `tree.graph` has, where persons or reviewers said something,
    "preferences"  [(who, better, worse)], "verdicts" [(who, design, approved)], "forecasts" [(who, design, reference, scale, probability)], each oldest first
    "chosen"       the acts that a person chose, or that were begun and wait to go on
    "sessions"     how many design sessions were begun or turned down, where some are under way or were turned down

Lifecycle: one selector is made for a run with the run's seed. `next_act`, `parents` and `choose` read the tree and change nothing;
their randomness comes from (seed, what the tree holds), so that a restart repeats the same choice. `learn` is called after
each verification and may refit what the selector believes; it must be able to rebuild that from the tree alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import networkx as nx

from core.types import Act, Explanation, Gates, Parents

REFERENCE = "gpt2"  # what every design is compared with


@dataclass(frozen=True)
class Rung:
    """What a selector knows of a scale."""

    size: float                      # parameters; orders the ladder
    cost: float                      # of one verification, in any one unit for all rungs (minutes, FLOPs)
    noise: float = 0.01              # standard deviation of a score over seeds, bits per byte
    noise_df: float = 1.0            # how many degrees of freedom that is worth


def ladder(scales: Sequence[str], rungs: Mapping[str, Rung] | None = None) -> dict[str, Rung]:
    """Every scale's rung; one that is not told is taken to be four times as large and dear as the one below."""
    known = dict(rungs or {})
    return {name: known.get(name, Rung(1e6 * 4.0**i, 4.0**i)) for i, name in enumerate(scales)}


@dataclass(frozen=True)
class Parts:
    """What `bayes` is made of; each can be left out to see what it is worth."""

    ancestry: bool = True            # relatives are alike
    structure: bool = True           # designs of the same units are alike
    text: bool = True                # designs described in the same words are alike
    scale: bool = True               # rungs are correlated by their distance; without, a score counts the same wherever it was measured
    preferences: bool = True         # what persons and forecasters said counts, as far as they earned it
    cost: bool = True                # value is held against cost; without, the most telling measurement is taken whatever it costs
    novelty: bool = True             # parents that are unlike others, and have few children, are preferred


class Selector(Protocol):
    def next_act(self, tree: nx.DiGraph, budgets: Mapping[str, float], gates: Gates) -> Act | None:
        """Design or verify next; None when neither can be paid for. `budgets`: account → what is left."""

    def parents(self, tree: nx.DiGraph) -> Parents:
        """Whom the next session starts from, and in which mode."""

    def choose(self, tree: nx.DiGraph, budgets: Mapping[str, float]) -> tuple[str, str]:
        """(design id, scale) to verify next, with its next seed. Called only after `next_act` said VERIFY."""

    def learn(self, tree: nx.DiGraph) -> None:
        """Take the newest verification in."""

    def explain(self, tree: nx.DiGraph, what: Parents | tuple[str, str], budgets: Mapping[str, float]) -> Explanation:
        """Why; `what` is what `parents` or `choose` gave for this very tree."""

    def best(self, tree: nx.DiGraph) -> str | None:
        """The design that it would hand over if the run ended now; None where nothing was measured."""
