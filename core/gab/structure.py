"""What two unit trees have in common, whatever their names and wording: hash, features and distance. Loads no torch."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping

from core.types import NewUnit, UnitTree, sha256_text


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


# ------------------------------------------------------------------------------------------------ new units by what they are

LABEL = "new "       # no unit's name has a space: a label is never mistaken for one


def renamed(tree: UnitTree, names: Mapping[str, str]) -> UnitTree:
    """The tree with units called otherwise."""
    return UnitTree(names.get(tree.unit, tree.unit), tree.config, {slot: renamed(child, names) for slot, child in tree.children.items()})


def resolved(tree: UnitTree, declared: Mapping[str, NewUnit]) -> UnitTree:
    """The tree with each declared unit named by its declaration: equal where only a name differs, different where only the name is the same."""
    return renamed(tree, {name: label(unit) for name, unit in declared.items()})


def label(unit: NewUnit) -> str:
    """Kind and a hash of what it shall compute: its words but for its own name, its slots and hyperparameters."""
    about = re.sub(rf"\b{re.escape(unit.name)}\b", "it", " ".join(unit.about.lower().split()))
    slots = {slot: [s.get("kind"), bool(s.get("optional"))] for slot, s in unit.slots.items()}
    return f"{LABEL}{unit.kind} {sha256_text(json.dumps([about, slots, dict(unit.config)], sort_keys=True, default=str))[:12]}"


def anonymous(tree: UnitTree) -> UnitTree:
    """A resolved tree in which a new unit says no more than its kind."""
    names = {node.unit: node.unit.rpartition(" ")[0] for _, node in tree.walk() if node.unit.startswith(LABEL)}
    return renamed(tree, names)
