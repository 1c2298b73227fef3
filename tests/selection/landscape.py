"""A small synthetic world for selectors: designs are choices of a unit for each of six slots, a score is a sum of what the units are worth, the same at every rung but for a part of its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import networkx as nx

from core.selection.base import Rung
from core.types import Act, Design, Gates, Kind, Mode, Parents, Status

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SCALES = ["small", "middle", "large"]
RUNGS = {"small": Rung(1e6, 1.0, 0.02, 8), "middle": Rung(4e6, 3.0, 0.02, 8), "large": Rung(16e6, 9.0, 0.02, 8)}
SLOTS, UNITS = 6, 4


class Landscape:
    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        worth = [[self.rng.gauss(0, 0.05) for _ in range(UNITS)] for _ in range(SLOTS)]
        own = {s: [[self.rng.gauss(0, 0.01) for _ in range(UNITS)] for _ in range(SLOTS)] for s in SCALES}
        self.worth = {s: [[w + o for w, o in zip(ws, os, strict=True)] for ws, os in zip(worth, own[s], strict=True)] for s in SCALES}
        self.tree = nx.DiGraph()
        self.genes: dict[str, tuple[int, ...]] = {}
        for name in ("gpt2", "llama", "gla"):
            self.add(name, self.drawn(), (), Kind.REFERENCE)

    def drawn(self) -> tuple[int, ...]:
        return tuple(self.rng.randrange(UNITS) for _ in range(SLOTS))

    def truth(self, node: str, scale: str = "large") -> float:
        return 3 + sum(self.worth[scale][slot][unit] for slot, unit in enumerate(self.genes[node]))

    def add(self, name: str, genes: tuple[int, ...], parents: tuple[str, ...], kind: Kind = Kind.AGENT) -> str:
        self.genes[name] = genes
        made = NOW + timedelta(seconds=len(self.genes))
        self.tree.add_node(name, design=Design(name, name, kind, Mode.MUTATION, parents, "t", None, 0, made, Status.IMPLEMENTED), tried=set(), seeds={}, failed=set(), barred=set(),
                           running={}, units=frozenset(f"slot{i}={u}" for i, u in enumerate(genes)), words=frozenset())
        self.tree.add_edges_from((p, name) for p in parents)
        return name

    def child(self, chosen: Parents) -> str:
        genes = list(self.genes[chosen.ids[0]]) if chosen.ids else list(self.drawn())
        if chosen.mode is Mode.CROSSOVER:
            genes = [self.rng.choice(pair) for pair in zip(genes, self.genes[chosen.ids[1]], strict=True)]
        elif chosen.ids:
            genes[self.rng.randrange(SLOTS)] = self.rng.randrange(UNITS)
        return self.add(f"d{len(self.genes)}", tuple(genes), chosen.ids)

    def measure(self, node: str, scale: str, times: int = 1) -> None:
        data = self.tree.nodes[node]
        for _ in range(times):
            data["seeds"][scale] = (*data["seeds"].get(scale, ()), self.truth(node, scale) + self.rng.gauss(0, 0.02))
        data["tried"].add(scale)

    def run(self, selector, budgets: dict[str, int]) -> list[str]:
        """Until it rests; what it did. Raises where it chose what cannot be paid for."""
        left, did = dict(budgets), []
        while act := selector.next_act(self.tree, left, Gates()):
            if act is Act.DESIGN:
                account, done = "design", self.child(selector.parents(self.tree))
            else:
                done, account = selector.choose(self.tree, left)
                self.measure(done, account)
                selector.learn(self.tree)
            assert left.get(account, 0) >= 1, f"{act} of {done} at {account} cannot be paid for: {left}"
            left[account] -= 1
            did.append(f"{done}@{account}")
        return did
