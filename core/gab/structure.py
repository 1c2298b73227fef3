"""What two unit trees have in common, whatever their names and wording: hash, features and distance. Loads no torch."""

from __future__ import annotations

import json
from collections import Counter

from core.types import UnitTree, sha256_text


def structural_hash(tree: UnitTree) -> str:
    """The same for trees that differ only in the order of their keywords and slots."""
    return sha256_text(json.dumps(tree.to_dict(), sort_keys=True))


def features(tree: UnitTree) -> Counter[str]:
    """A bag of the tree's facts: each unit in its slot, each parent–child pair, each hyperparameter."""
    bag: Counter[str] = Counter()
    for path, node in tree.walk():
        slot = path[-1] if path else "root"
        bag[f"{slot}={node.unit}"] += 2  # which unit fills a slot says more than its hyperparameters
        for name, value in node.config.items():
            bag[f"{slot}={node.unit}.{name}={value}"] += 1
        for child_slot, child in node.children.items():
            bag[f"{node.unit}>{child_slot}={child.unit}"] += 1
    return bag


def distance(a: UnitTree, b: UnitTree) -> float:
    """1 − weighted Jaccard similarity of the two bags (Ruzicka): 0 for equal structures, 1 for nothing in common."""
    bag_a, bag_b = features(a), features(b)
    return 1 - (bag_a & bag_b).total() / max(1, (bag_a | bag_b).total())
