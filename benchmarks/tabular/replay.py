"""An evolution over a table: the loop of core/discovery.py with a table in the place of agents and engine. A whole run takes a second or a few.

The world begins with the references in the tree. A design session "designs" one that the table holds and nobody has found yet: near its parent by structure
(mutation: softmax of −distance / NEAR), near to both (crossover: of the mean distance), or any (scratch). A verification reveals the
score of the next seed at that scale; the order of the seeds is drawn for each evolution, and is the same for all designs, as in a run. A design whose training
failed in the table fails here; one that does not fit the cheapest scale fails its check.

Costs: a verification costs the mean processor seconds of its scale in the table, over those of the cheapest one; a design session costs DESIGN_COST of the
cheapest verification. Accounts hold units, as a run's ledger does; none goes below zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from statistics import NormalDist, fmean

import networkx as nx
import numpy as np

from benchmarks.tabular.table import DONE, Table
from core.agents.similarity import words
from core.selection.base import REFERENCE, Rung, Selector
from core.types import DESIGN_BUDGET, Act, Design, Gates, Kind, Mode, Status, derive_seed

NEAR = 0.05          # distance in units: what one change of a unit moves a design by is about 0.1
DESIGN_COST = 1.0
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
TRUE_NOISE_DF = 2.0  # what a run knows of its scales' noise before it starts is worth a few pairs of seeds


@dataclass(frozen=True)
class Point:
    cost: float                      # spent so far
    regret: float                    # of the design that would be handed over now
    found: float                     # of the best design that is in the tree, recognised or not


@dataclass(frozen=True)
class Evolution:
    selector: str
    seed: int
    recommended: str | None
    regret: float                    # true mean at the largest scale of what is handed over, less the best of the table; bits per byte
    found: float                     # the same of the best design that was found at all, or the reference, recognised or not
    cost: float
    designs: int
    spent: Mapping[str, int]         # account → units
    path: tuple[Point, ...] = field(repr=False, default=())
    failures: int = 0                # verifications that gave no score
    acts: tuple[str, ...] = field(repr=False, default=())


@dataclass(frozen=True)
class Person:
    """A simulated one who, after each design session, says which of two designs they would train: right more often the further these lie apart.

    `noise` in standard deviations of the table's designs: 1.5 is right about two times in three.
    """

    noise: float = 1.5
    name: str = "person"


def rungs(table: Table) -> dict[str, Rung]:
    """What a run knows of the table's scales: size, relative cost, seed noise. Rungs differ by tokens as much as by parameters N, so a rung's size is
    the N that its compute would be optimal for where tokens grow with N: √(N · tokens) (Hoffmann et al. 2022, arXiv 2203.15556)."""
    cheapest, tokens = table.cost[table.scales[0]], {s["name"]: s["tokens"] for s in table.manifest["scales"]}
    params = {s: fmean(t.params for t in table.trainings if t.scale == s and t.params) for s in table.scales}
    return {s: Rung((params[s] * tokens[s]) ** 0.5, table.cost[s] / cheapest, max(table.noise[s], 1e-3), TRUE_NOISE_DF) for s in table.scales}


class World:
    """One evolution's tree and ledger."""

    def __init__(self, table: Table, budgets: Mapping[str, float], seed: int, person: Person | None = None) -> None:
        self.table, self.seed, self.person = table, seed, person
        self.scales = table.scales
        self.left = dict(budgets)
        self.spent = dict.fromkeys(budgets, 0)
        self.prices = {s: r.cost for s, r in rungs(table).items()} | {DESIGN_BUDGET: DESIGN_COST}
        self.order = list(table.entries)
        self.place = {d: i for i, d in enumerate(self.order)}
        largest = table.means[self.scales[-1]]
        self.truth = {d: largest[d] for d in table.entries if d in largest}
        self.best = min(self.truth[d] for d in table.grown if d in self.truth)
        self.worst = max(self.truth.values())
        self.shuffled = sorted({t.seed for t in table.trainings})
        Random(derive_seed(seed, "order of seeds")).shuffle(self.shuffled)
        self.tree = nx.DiGraph()
        self.failures, self.number = 0, 0
        for entry in table.entries.values():
            if entry.kind is Kind.REFERENCE:
                self._add(entry.id, Mode.SEED, ())

    # ------------------------------------------------------------------------------------------ acts

    def design(self, mode: Mode, parents: Sequence[str]) -> str | None:
        """Costs a unit; None where the table has nothing left to find."""
        self._pay(DESIGN_BUDGET)
        free = [d for d in self.table.grown if d not in self.tree]
        if not free:
            return None
        at = [self.place[d] for d in free]
        rng = Random(derive_seed(self.seed, "design", self.number, mode, *parents))
        if parents:
            near = self.table.distances[[self.place[p] for p in parents]][:, at].mean(0)
            weights = np.exp(-(near - near.min()) / NEAR)
            chosen = rng.choices(free, weights.tolist())[0]
        else:
            chosen = rng.choice(free)
        self._add(chosen, mode, tuple(parents))
        if self.person:
            self._compared(chosen, rng)
        return chosen

    def verify(self, node: str, scale: str) -> float | None:
        """Costs a unit; the next seed's bits per byte, None for a training that fails."""
        self._pay(scale)
        data = self.tree.nodes[node]
        states, scores = self.table.states.get((node, scale), {}), self.table.scores.get((node, scale), {})
        done = data["seeds"].get(scale, ())
        seeds = [s for s in self.shuffled if s in states]
        used = data["used"].get(scale, 0)
        data["tried"].add(scale)
        data["used"][scale] = used + 1
        if used + 1 >= len(seeds):
            data["barred"].add(scale)
        found = scores.get(seeds[used]) if used < len(seeds) else None
        if found is None:
            self.failures += 1
            data["failed"].add(scale)
            data["barred"].add(scale)
            return None
        data["seeds"][scale] = (*done, found)
        design: Design = data["design"]
        known = data["seeds"]
        data["design"] = replace(design, status=Status.VERIFIED, scores={s: fmean(y) for s, y in known.items()}, n_seeds={s: len(y) for s, y in known.items()})
        return found

    def budgets(self) -> dict[str, float]:
        return dict(self.left)

    @property
    def cost(self) -> float:
        return sum(self.prices[account] * n for account, n in self.spent.items())

    def regret(self, design: str | None) -> float:
        """Of nothing: the reference's, which one would keep. Of a design that fails at the largest scale: the worst there is."""
        return self.truth.get(design or REFERENCE, self.worst) - self.best

    # ------------------------------------------------------------------------------------------ inside

    def _pay(self, account: str) -> None:
        if self.left.get(account, 0) < 1:
            raise ValueError(f"the account {account} is spent: {self.left.get(account, 0)} units are left")
        self.left[account] -= 1
        self.spent[account] += 1

    def _add(self, node: str, mode: Mode, parents: tuple[str, ...]) -> None:
        entry = self.table.entries[node]
        fits = any(state == DONE for state in self.table.states.get((node, self.scales[0]), {}).values())
        generation = 1 + max((self.tree.nodes[p]["design"].generation for p in parents), default=-1)
        design = Design(node, entry.title, entry.kind, mode, parents, "table", None, generation, BEGAN + timedelta(seconds=self.number), Status.IMPLEMENTED if fits else Status.FAILED)
        self.number += 1
        self.tree.add_node(node, design=design, tried=set(), seeds={}, failed=set(), barred=set(), running={}, used={},
                           units=self.table.facts[node], words=frozenset(words(entry.title)))
        self.tree.add_edges_from((p, node) for p in parents)

    def _compared(self, node: str, rng: Random) -> None:
        """The person's word on the new design and another one."""
        spread = float(np.std(list(self.truth.values())))
        others = [n for n in self.tree if n != node and n in self.truth]
        if node in self.truth and others:
            other = rng.choice(others)
            right = NormalDist().cdf((self.truth[other] - self.truth[node]) / (self.person.noise * spread))
            pair = (node, other) if rng.random() < right else (other, node)
            self.tree.graph.setdefault("preferences", []).append((self.person.name, *pair))


def evolve(selector: Selector, world: World, name: str = "") -> Evolution:
    """ALG 1 to 3 over the table, until the accounts are spent or the selector rests."""
    gates, path, acts, known = Gates(), [], [], None
    reached = found = world.regret(None)
    path.append(Point(0.0, reached, found))
    while act := selector.next_act(world.tree, world.budgets(), gates):
        if act is Act.DESIGN:
            chosen = selector.parents(world.tree)
            made = world.design(chosen.mode, chosen.ids)
            acts.append(f"{chosen.mode} {' '.join(chosen.ids)} → {made}")
            found = min(found, world.regret(made))
            path.append(Point(world.cost, reached, found))
            continue
        node, scale = selector.choose(world.tree, world.budgets())
        score = world.verify(node, scale)
        acts.append(f"{node} at {scale}: {score}")
        selector.learn(world.tree)
        known = selector.best(world.tree)
        reached = world.regret(known)
        path.append(Point(world.cost, reached, found))
    new = sum(world.table.entries[n].kind is not Kind.REFERENCE for n in world.tree)
    return Evolution(name, world.seed, known, world.regret(known), found, world.cost, new, world.spent, tuple(path), world.failures, tuple(acts))
