"""The design tree as a graph. Loaded on first use: networkx takes a while to import."""

from __future__ import annotations

from collections.abc import Iterable

import networkx as nx

from core.types import Design


def tree_of(designs: Iterable[Design]) -> nx.DiGraph:
    """Node id → {"design": Design}, an edge from each parent to its child."""
    graph = nx.DiGraph()
    for design in designs:
        graph.add_node(design.id, design=design)
        graph.add_edges_from((parent, design.id) for parent in design.parents)
    return graph
