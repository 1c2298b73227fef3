"""A selector that obeys what persons want of branches, whatever selector it asks.

Pruned: the design, and what descends from pruned designs alone, is neither a parent nor verified (the reference that every score is held against is
still measured). Boosted: a branch's designs are parents `factor` times as often; a design in several branches takes its own factor, else the largest
of its parents'. Pinned: never crowded out of the pool of parents, and verified at the next scale of its climb that has budget.

A selector that draws by weights reads `boost` (of the branch) and `pinned` from the designs it is shown, and says so by `weighs = True`: then the odds are exact. One that
learns from designs out of play too says `sees_all = True`: they stay in the tree that it is shown, and `tree.graph["closed"]` names them. For any other the first parent is, now and then, one that is wanted, and what it drew itself comes second in a crossover: with N designs that
can be parents and extra weights w − 1, the share of such draws is Σ(w − 1) / (N + Σ(w − 1)), which makes the odds exact where the selector draws evenly, and nearly so elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

import networkx as nx

from core.selection.base import REFERENCE, Selector
from core.selection.reading import RUNS, failed, running, waits
from core.types import Act, Design, Explanation, Gates, Parents, Verb, derive_seed


class Wishes:
    """Wraps `inner`; `scales` are the run's, cheapest first."""

    def __init__(self, inner: Selector, scales: Sequence[str], seed: int = 0) -> None:
        self.inner = inner
        self.scales = scales
        self.seed = seed

    def next_act(self, tree: nx.DiGraph, budgets: Mapping[str, float], gates: Gates) -> Act | None:
        return Act.VERIFY if self._climbing(tree, budgets) else self.inner.next_act(self._shown(tree, _measurable(tree)), budgets, gates)

    def parents(self, tree: nx.DiGraph) -> Parents:
        shown, first = self._breeding(tree)
        found = self.inner.parents(shown)
        return replace(found, ids=(first, *(i for i in found.ids if i != first))[: len(found.ids)]) if first and found.ids else found

    def choose(self, tree: nx.DiGraph, budgets: Mapping[str, float]) -> tuple[str, str]:
        return self._climbing(tree, budgets) or self.inner.choose(self._shown(tree, _measurable(tree)), budgets)

    def learn(self, tree: nx.DiGraph) -> None:
        """Of everything: what was measured in a pruned branch is still known."""
        self.inner.learn(tree)

    def best(self, tree: nx.DiGraph) -> str | None:
        return self.inner.best(tree)

    def explain(self, tree: nx.DiGraph, what: Parents | tuple[str, str], budgets: Mapping[str, float]) -> Explanation:
        """What the inner selector says of it, and which wishes had a part in it."""
        if not isinstance(what, Parents) and what == self._climbing(tree, budgets):
            return Explanation(f"{what[0]} at {what[1]}: " + ("the reference goes before what is pinned." if what[0] == REFERENCE else f"pinned {_by(tree.nodes[what[0]]['design'], Verb.PIN)}, it climbs whatever its score."))
        view = _eligible(tree) if isinstance(what, Parents) else _measurable(tree)
        shown, first = self._breeding(tree) if isinstance(what, Parents) else (self._shown(tree, view), None)
        found = self.inner.explain(shown, what, budgets) if hasattr(self.inner, "explain") else Explanation()
        named = what.ids if isinstance(what, Parents) else what[:1]
        touched = [(n, view.nodes[n]["design"]) for n in named if n in view] if isinstance(what, Parents) else []
        said = [f"{n} is boosted {_by(d, Verb.BOOST)} ×{d.boost:g}." for n, d in touched if d.boost != 1] + [f"{n} is pinned {_by(d, Verb.PIN)}." for n, d in touched if d.pinned]
        if first in named:
            said.append(f"{first} comes first in this draw because it is wanted.")
        if left := len(tree) - len(view):
            said.append(f"{_designs(left)} in pruned branches {'is' if left == 1 else 'are'} left alone.")
        candidates = tuple(replace(c, why=" · ".join([c.why, *_marks(view, c.id)])) for c in found.candidates)
        return Explanation(" ".join([found.words, *said]).strip(), candidates)

    @staticmethod
    def words(tree: nx.DiGraph) -> list[str]:
        return words(tree)

    def _breeding(self, tree: nx.DiGraph) -> tuple[nx.DiGraph, str | None]:
        """(what the inner selector is shown to draw parents from, who is the first parent whatever it draws)"""
        view, first = _eligible(tree), None
        if not getattr(self.inner, "weighs", False):
            view, first = self._wanted(view)
        return self._shown(tree, view), first

    def _shown(self, tree: nx.DiGraph, view: nx.DiGraph) -> nx.DiGraph:
        """The view, or for a selector that sees all the tree with what is not in the view named."""
        if not getattr(self.inner, "sees_all", False) or len(view) == len(tree):
            return view
        whole = tree.copy()
        whole.graph["closed"] = frozenset(tree) - frozenset(view)
        return whole

    def _climbing(self, tree: nx.DiGraph, budgets: Mapping[str, float]) -> tuple[str, str] | None:
        """The first pinned design with a scale still to be tried and paid for; the reference goes before it, so that its score means something."""
        out = pruned(tree)
        for node, data in tree.nodes(data=True):
            design: Design = data["design"]
            if not design.pinned or node in out or design.status not in RUNS:
                continue
            scale = next((s for s in self.scales if running(tree, node, s) or s in failed(tree, node) or (waits(tree, node, s) and budgets.get(s, 0) >= 1)), None)
            if scale is not None and waits(tree, node, scale):        # not past a scale where it runs or failed
                return (REFERENCE if waits(tree, REFERENCE, scale) else node), scale
        return None

    def _wanted(self, view: nx.DiGraph) -> tuple[nx.DiGraph, str | None]:
        """(the view, now and then without what is wanted less; now and then one that is wanted more)"""
        pool = [n for n, data in view.nodes(data=True) if data["design"].status in RUNS]
        tried = sum(len(data.get("tried", ())) for _, data in view.nodes(data=True))
        rng = Random(derive_seed(self.seed, "wishes", view.number_of_nodes(), tried))
        designs: dict[str, Design] = {n: view.nodes[n]["design"] for n in pool}
        unwanted = [n for n, d in designs.items() if d.boost < 1 and rng.random() > d.boost]
        extra = {n: max(0.0, d.boost - 1) + d.pinned for n, d in designs.items()}
        total = sum(extra.values())
        if total and rng.random() < total / (len(pool) + total):
            return view, rng.choices(list(extra), list(extra.values()))[0]
        return view.subgraph(set(view) - set(unwanted)).copy(), None


def pruned(tree: nx.DiGraph) -> set[str]:
    """Every design that a person's prune reaches."""
    out: set[str] = set()
    if any(data["design"].pruned for _, data in tree.nodes(data=True)):
        for node in nx.topological_sort(tree):
            parents = list(tree.predecessors(node))
            if tree.nodes[node]["design"].pruned or (parents and out.issuperset(parents)):
                out.add(node)
    return out


def factors(tree: nx.DiGraph) -> dict[str, float]:
    """How many times as often a person wants each design as a parent."""
    found = dict.fromkeys(tree, 1.0)
    if any(data["design"].boost != 1 for _, data in tree.nodes(data=True)):
        for node in nx.topological_sort(tree):
            own = tree.nodes[node]["design"].boost
            found[node] = own if own != 1 else max((found[p] for p in tree.predecessors(node) if found[p] != 1), default=1.0)
    return found


def words(tree: nx.DiGraph, reader: str = "") -> list[str]:
    """What the selector is bound to, a line a wish, as it is told to `reader`; empty when nobody wished anything."""
    out, said = pruned(tree), []
    for node, data in tree.nodes(data=True):
        design: Design = data["design"]
        if design.pruned:
            reach = {node, *(n for n in nx.descendants(tree, node) if n in out)}
            measured = ": it is still measured, since every score is held against it" if node == REFERENCE else ""
            idle = [word for word, there in (("pin", design.pinned), ("boost", design.boost != 1)) if there]
            over = f"; while it is, its {' and '.join(idle)} do{'es' * (len(idle) == 1)} nothing" if idle else ""
            said.append(f"{node} is pruned {_by(design, Verb.PRUNE, reader)}: {_designs(len(reach))} left alone{measured}{over}")
            continue
        if design.pinned:
            said.append(f"{node} is pinned {_by(design, Verb.PIN, reader)}" + (": it stays in play and climbs whatever its score" if node not in out else ", but its branch is pruned"))
        if design.boost != 1:
            said.append(f"{node} is boosted {_by(design, Verb.BOOST, reader)} ×{design.boost:g}: {_designs(1 + len(nx.descendants(tree, node)))} in its branch")
    return said


def _by(design: Design, verb: Verb, reader: str = "") -> str:
    """By whom it was wished: "you" for that person alone.."""
    author = design.wished.get(verb, "a person")
    return f"by {'you' if author == reader else author}"


def _designs(n: int) -> str:
    return f"{n} design{'s' if n > 1 else ''}"


def _marks(view: nx.DiGraph, node: str) -> list[str]:
    design: Design | None = view.nodes[node]["design"] if node in view else None
    return [] if design is None else [f"boosted {_by(design, Verb.BOOST)} ×{design.boost:g}"] * (design.boost != 1) + [f"pinned {_by(design, Verb.PIN)}"] * design.pinned


def _eligible(tree: nx.DiGraph) -> nx.DiGraph:
    """Those that may be parents, each with its branch's factor as its own."""
    weights, out = factors(tree), pruned(tree)
    view = tree.subgraph(set(tree) - out).copy()
    for node, data in view.nodes(data=True):
        if weights[node] != data["design"].boost:
            data["design"] = replace(data["design"], boost=weights[node])
    return view


def _measurable(tree: nx.DiGraph) -> nx.DiGraph:
    out = pruned(tree) - {REFERENCE}
    return tree.subgraph(set(tree) - out).copy() if out else tree

