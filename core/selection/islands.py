"""`islands`: MAP-Elites on islands, as AlphaEvolve-like systems search (Mouret & Clune 2015, arXiv 1504.04909; Romera-Paredes et al. 2024, "Mathematical discoveries from program
search with large language models"). Roots are dealt out to islands and children live on their first parent's. On an island a cell holds the designs that fill one slot with the
same units; only the best of each cell breeds. Sessions go round the islands; now and then a crossover takes its second parent from the next island.
"""

from __future__ import annotations

import math
from collections import defaultdict
from random import Random

import networkx as nx

from core.selection.greedy import softmax
from core.selection.reading import loss, runnable, stream
from core.selection.simple import MODES, Simple, mode_words
from core.types import Design, Explanation, Mode, Parents

ISLANDS = 4
MIGRATES = 0.2       # the share of crossovers with another island; a judgement
TEMPERATURE = 0.1    # bits per byte: flatter than greedy's, for cells are to be kept alive


class IslandsSelector(Simple):
    rule = "the best of each cell of its island"
    weighs = False

    def parents(self, tree: nx.DiGraph) -> Parents:
        rng = stream(self.seed, "parents", tree)
        mode = rng.choices(list(MODES), list(MODES.values()))[0]
        elites = self._elites(tree)
        if mode is Mode.SCRATCH or not elites:
            return Parents(Mode.SCRATCH, ())
        home = sorted(elites)[_sessions(tree) % len(elites)]
        first = self._drawn(rng, tree, elites[home])
        if mode is Mode.MUTATION:
            return Parents(mode, (first,))
        order = sorted(elites)
        away = order[(order.index(home) + 1) % len(order)] if rng.random() < MIGRATES else home
        others = [d for d in elites[away] if d.id != first] or [d for island in elites.values() for d in island if d.id != first]
        return Parents(mode, (first, self._drawn(rng, tree, others))) if others else Parents(Mode.MUTATION, (first,))

    def _drawn(self, rng: Random, tree: nx.DiGraph, pool: list[Design]) -> str:
        return rng.choices(pool, softmax(tree, pool, self.scales, TEMPERATURE))[0].id

    def _elites(self, tree: nx.DiGraph) -> dict[int, list[Design]]:
        """Island → the best of each of its cells."""
        homes = islands(tree)
        cells: dict[tuple[int, str], list[Design]] = defaultdict(list)
        for d in runnable(tree):
            cells[homes[d.id], cell(tree, d.id)].append(d)
        found: dict[int, list[Design]] = defaultdict(list)
        for (island, _), members in sorted(cells.items()):
            found[island].append(min(members, key=lambda d: (known[1] if (known := loss(tree, d.id, self.scales)) else math.inf, d.id)))
        return dict(found)

    def _why_parents(self, tree: nx.DiGraph, parents: Parents) -> Explanation:
        told = super()._why_parents(tree, parents)
        homes = islands(tree)
        on = ", ".join(f"{i} on island {homes[i] + 1}" for i in parents.ids if i in homes)
        return Explanation(f"{mode_words(parents.mode)}; then {on}: {self.rule}." if on else told.words)


def islands(tree: nx.DiGraph) -> dict[str, int]:
    """Design → its island: roots in turn, children where their first parent is."""
    found: dict[str, int] = {}
    roots = 0
    for node in nx.topological_sort(tree):
        first = next((p for p in tree.nodes[node]["design"].parents if p in found), None)
        found[node] = found[first] if first else roots % ISLANDS
        roots += first is None
    return found


def _sessions(tree: nx.DiGraph) -> int:
    """Design sessions that have left a design, of however many each."""
    return len({data["design"].session_id or node for node, data in tree.nodes(data=True)})


def cell(tree: nx.DiGraph, node: str) -> str:
    """Which units mix the sequence, by what its facts say; its mode where they are not known."""
    mixers = sorted({fact.partition("=")[2].partition("#")[0] for fact in tree.nodes[node].get("units", ()) if fact.startswith("mixer=") and "." not in fact})
    return "+".join(mixers) or str(tree.nodes[node]["design"].mode)
