"""What a tree says of a design, whoever made the tree (see core/selection/base.py for what a node holds)."""

from __future__ import annotations

from random import Random
from statistics import fmean

import networkx as nx

from core.selection.base import REFERENCE
from core.types import Design, Kind, Status, derive_seed

RUNS = (Status.IMPLEMENTED, Status.VERIFIED)


def designs(tree: nx.DiGraph) -> list[Design]:
    return [data["design"] for _, data in tree.nodes(data=True)]


def runnable(tree: nx.DiGraph) -> list[Design]:
    return [d for d in designs(tree) if d.status in RUNS]


def is_new(design: Design) -> bool:
    """It was proposed here; a known architecture is no find."""
    return design.kind is not Kind.REFERENCE


def seeds(tree: nx.DiGraph, node: str, scale: str) -> tuple[float, ...]:
    """Bits per byte of each seed; where only the mean is known, that for each."""
    data = tree.nodes[node]
    if found := data.get("seeds", {}).get(scale):
        return tuple(found)
    design: Design = data["design"]
    return (design.scores[scale],) * max(1, design.n_seeds.get(scale, 1)) if scale in design.scores else ()


def measured(tree: nx.DiGraph, scale: str) -> dict[str, float]:
    """Design → mean bits per byte at the scale."""
    return {n: fmean(found) for n in tree if (found := seeds(tree, n, scale))}


def running(tree: nx.DiGraph, node: str, scale: str) -> int:
    return tree.nodes[node].get("running", {}).get(scale, 0)


def failed(tree: nx.DiGraph, node: str) -> set[str]:
    return set(tree.nodes[node].get("failed", ()))


def barred(tree: nx.DiGraph, node: str, scale: str) -> bool:
    """It may not be verified there, now or ever: its training fails, a gate is closed, or (as a tree without these tells it) it was tried and gave no score."""
    data = tree.nodes[node]
    closed = scale in data.get("failed", ()) or scale in data.get("barred", ())
    return closed or (scale in data.get("tried", ()) and not seeds(tree, node, scale))


def waits(tree: nx.DiGraph, node: str, scale: str) -> bool:
    """Whether it runs and was not tried at the scale."""
    return node in tree and tree.nodes[node]["design"].status in RUNS and scale not in tree.nodes[node].get("tried", ()) and not running(tree, node, scale)


def loss(tree: nx.DiGraph, node: str, scales: list[str]) -> tuple[str, float] | None:
    """(the largest scale where it was measured, its mean bits per byte there)"""
    return next(((s, fmean(found)) for s in reversed(scales) if (found := seeds(tree, node, s))), None)


def best_measured(tree: nx.DiGraph, scales: list[str]) -> str | None:
    """The lowest mean at the largest scale where a new design was measured, else where any was."""
    for pool in ([n for n in tree if is_new(tree.nodes[n]["design"])], list(tree)):
        for scale in reversed(scales):
            scores = measured(tree, scale)
            if found := [n for n in pool if n in scores]:
                return min(found, key=lambda n: (scores[n], n))
    return None


def stream(seed: int, step: str, tree: nx.DiGraph) -> Random:
    """The randomness of one choice, from what the tree holds: the same again after a restart."""
    tried = sum(len(found) for _, data in tree.nodes(data=True) for found in (data.get("seeds") or dict.fromkeys(data.get("tried", ()), (0,))).values())
    under_way = sum(sum(data.get("running", {}).values()) for _, data in tree.nodes(data=True))
    return Random(derive_seed(seed, step, tree.number_of_nodes(), tried, *([under_way] if under_way else []), *([n] if (n := tree.graph.get("sessions")) else [])))


def reference_of(tree: nx.DiGraph) -> str | None:
    return REFERENCE if REFERENCE in tree and tree.nodes[REFERENCE]["design"].status in RUNS else None
