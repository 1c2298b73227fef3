"""How long `bayes` (and each other selector) takes on a large tree: a selection (next_act, choose, parents, each on a tree that has just grown) and `optimize`.

    python benchmarks/selection_speed.py [--designs 10000] [--verifications 2000]

The tree is synthetic: designs are choices of a unit for each of eight slots, children change one slot of a parent or mix two, each has a text of sixty words; verifications are
two seeds of half as many designs, on three rungs. Times are of the wall clock and of the processor, on as many threads as the machine gives.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random

sys.path[0] = str(Path(__file__).resolve().parent.parent)

import networkx as nx  # noqa: E402
import numpy as np  # noqa: E402
import scipy  # noqa: E402

from core.selection.base import Rung  # noqa: E402
from core.selection.make import SELECTORS, make_selector  # noqa: E402
from core.types import Design, Gates, Kind, Mode, Status  # noqa: E402

RUNGS = {"nano": Rung(1e6, 1.0, 0.03, 8), "micro": Rung(4e6, 5.0, 0.02, 8), "14M": Rung(14e6, 20.0, 0.01, 8)}
SLOTS, UNITS, WORDS = 8, 6, 60
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def grown(designs: int, verifications: int) -> nx.DiGraph:
    rng = Random(0)
    tree, genes = nx.DiGraph(), []
    worth = [[rng.gauss(0, 0.05) for _ in range(UNITS)] for _ in range(SLOTS)]
    for i in range(designs):
        parents = tuple(dict.fromkeys(rng.choice(range(max(0, i - 400), i)) for _ in range(rng.choice((1, 2))))) if i > 8 else ()
        own = [rng.choice([genes[p][s] for p in parents]) if parents else rng.randrange(UNITS) for s in range(SLOTS)]
        own[rng.randrange(SLOTS)] = rng.randrange(UNITS)
        genes.append(own)
        name = "gpt2" if not i else f"d{i}"
        names = tuple("gpt2" if not p else f"d{p}" for p in parents)
        design = Design(name, name, Kind.AGENT if i else Kind.REFERENCE, Mode.MUTATION, names, "t", None, 0, NOW, Status.IMPLEMENTED)
        tree.add_node(name, design=design, tried=set(), seeds={}, failed=set(), barred=set(), running={},
                      units=frozenset(f"slot{s}={u}" for s, u in enumerate(own)), words=frozenset(f"w{rng.randrange(3000)}" for _ in range(WORDS)))
        tree.add_edges_from((p, name) for p in names)
    for n, (name, own) in enumerate(zip(list(tree), genes, strict=True)):
        for s, scale in enumerate(RUNGS):
            if verifications > 0 and n % 5 == 0 and n % (5 * (s * 5 + 1)) == 0:
                y = 3 - 0.2 * s + sum(w[u] for w, u in zip(worth, own, strict=True))
                tree.nodes[name]["seeds"][scale] = (y + rng.gauss(0, 0.02), y + rng.gauss(0, 0.02))
                tree.nodes[name]["tried"].add(scale)
                verifications -= 2
    for name in tree:                                    # what is left: one seed each
        if verifications > 0 and not tree.nodes[name]["seeds"]:
            tree.nodes[name]["seeds"]["nano"] = (3 + rng.gauss(0, 0.1),)
            tree.nodes[name]["tried"].add("nano")
            verifications -= 1
    return tree


def timed(what: str, act: Callable[[], object]) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    act()
    print(f"{what:58}{time.perf_counter() - wall:8.2f} s{time.process_time() - cpu:8.2f} s of the processor")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--designs", type=int, default=10_000)
    parser.add_argument("--verifications", type=int, default=2_000)
    args = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}, networkx {nx.__version__}")
    tree = grown(args.designs, args.verifications)
    made = sum(len(y) for _, data in tree.nodes(data=True) for y in data["seeds"].values())
    print(f"{len(tree)} designs, {made} verifications")
    selector, budgets = make_selector("bayes", 0, list(RUNGS), RUNGS), {"design": 10.0, "nano": 50.0, "micro": 20.0, "14M": 5.0}
    timed("optimize, from nothing (features, fit, posterior)", lambda: selector.learn(tree))
    timed("next_act", lambda: selector.next_act(tree, budgets, Gates()))
    timed("choose", lambda: selector.choose(tree, budgets))
    timed("parents", lambda: selector.parents(tree))
    node = next(n for n in tree if not tree.nodes[n]["seeds"])
    tree.nodes[node]["seeds"]["nano"] = (2.9,)
    timed("optimize, after one more verification", lambda: selector.learn(tree))
    timed("a selection after it: next_act and choose", lambda: (selector.next_act(tree, budgets, Gates()), selector.choose(tree, budgets)))
    timed("a selection after it: parents", lambda: selector.parents(tree))
    for name in SELECTORS:
        if name not in ("bayes", "person"):
            other = make_selector(name, 0, list(RUNGS), RUNGS)
            timed(f"{name}: next_act and choose", lambda: (other.next_act(tree, budgets, Gates()), other.choose(tree, budgets)))  # noqa: B023
            timed(f"{name}: parents", lambda: other.parents(tree))  # noqa: B023


if __name__ == "__main__":
    main()
