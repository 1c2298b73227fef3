"""Genetic operators on unit trees: each takes a tree (or two) and returns a changed one with words for what changed, or None.

Pure functions of (tree, vocabulary, random stream). The operators are those of genetic programming (Koza 1992): point mutation,
subtree insertion and deletion, subtree crossover; over a typed vocabulary, so that offspring keep the grammar.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from random import Random

from core.gab.units import UnitLibrary
from core.types import UnitTree

HYBRID = "hybrid"
MAX_DEPTH = 6


@dataclass(frozen=True)
class Change:
    where: str                       # path of slots, e.g. "block.channel"
    what: str


@dataclass(frozen=True)
class Vocabulary:
    """The units a designer may use: the library's, less those a person told it to avoid; preferred ones are drawn more often."""

    library: UnitLibrary
    preferred: Collection[str] = ()
    avoided: Collection[str] = ()

    def names(self, kind: str, without: Collection[str] = ()) -> list[str]:
        return [name for name in self.library.names(kind) if name not in self.avoided and name not in without]

    def pull(self, kind: str) -> int:
        """How much more often a place of this kind is changed than others: where a preferred unit would fit."""
        return 5 if any(name in self.preferred for name in self.names(kind)) else 1

    def draw(self, kind: str, rng: Random, without: Collection[str] = ()) -> str | None:
        names = self.names(kind, without)
        return rng.choices(names, [5 if name in self.preferred else 1 for name in names])[0] if names else None

    def fresh(self, kind: str, rng: Random, without: Collection[str] = ()) -> UnitTree | None:
        """A random unit of a kind with its required slots filled, each optional one in three filled."""
        name = self.draw(kind, rng, {*without, HYBRID})
        return self.filled(name, rng) if name else None

    def filled(self, name: str, rng: Random, like: UnitTree | None = None) -> UnitTree | None:
        """Unit `name` taking over what fits of `like`: same-named hyperparameters and same-named slots of the same kind."""
        info = self.library.info(name)
        old = self.library.info(like.unit) if like else None
        config = {key: rng.choice(values) for key, values in sorted(info.choices.items()) if like is None and rng.random() < 0.3}
        if like:
            config = {k: v for k, v in like.config.items() if k in info.config and v in info.choices.get(k, (v,))}
        children: dict[str, UnitTree] = {}
        for slot, want in info.slots.items():
            if like and old and slot in like.children and old.slots[slot].kind == want.kind:
                children[slot] = like.children[slot]
            elif not want.optional or (like is None and rng.random() < 1 / 3):
                child = self.fresh(want.kind, rng)
                if child is None and not want.optional:
                    return None
                if child is not None:
                    children[slot] = child
        return UnitTree(name, config, children)

    def kind_at(self, tree: UnitTree, path: tuple[str, ...]) -> str:
        return "block" if not path else self.library.info(tree.at(path[:-1]).unit).slots[path[-1]].kind


Offspring = tuple[UnitTree, list[Change]]
Operator = Callable[[UnitTree, Vocabulary, Random], Offspring | None]


def swap(tree: UnitTree, words: Vocabulary, rng: Random) -> Offspring | None:
    """Another unit of the same kind in one slot: mixer, channel mixer, norm, gate, convolution or position encoding."""
    paths = [path for path, _ in tree.walk() if path and words.kind_at(tree, path) != "block"]
    if not paths:
        return None
    path = rng.choices(paths, [words.pull(words.kind_at(tree, path)) for path in paths])[0]
    old = tree.at(path)
    name = words.draw(words.kind_at(tree, path), rng, {old.unit})
    new = words.filled(name, rng, like=old) if name else None
    return (tree.replace(path, new), [Change(_where(path), f"`{old.unit}` → `{new.unit}`")]) if new else None


def clear(tree: UnitTree, words: Vocabulary, rng: Random) -> Offspring:
    """Every unit that is to be avoided, below the block itself, swapped for another of its kind; one that nothing can stand in for stays."""
    changes: list[Change] = []
    stuck: set[tuple[str, ...]] = set()
    while path := next((p for p, node in tree.walk() if p and node.unit in words.avoided and p not in stuck), None):
        old = tree.at(path)
        name = words.draw(words.kind_at(tree, path), rng, {old.unit})
        new = words.filled(name, rng, like=old) if name else None
        if new is None:
            stuck.add(path)
            continue
        tree = tree.replace(path, new)
        changes.append(Change(_where(path), f"`{old.unit}` → `{new.unit}`, since `{old.unit}` is to be avoided"))
    return tree, changes


def tune(tree: UnitTree, words: Vocabulary, rng: Random) -> Offspring | None:
    """Another value of one hyperparameter, from the unit's own choices (head count, expansion, window, …)."""
    options = [(path, key, value) for path, node in tree.walk()
               for key, values in sorted(words.library.info(node.unit).choices.items())
               for value in values if value != _value(words, node, key)]
    if not options:
        return None
    path, key, value = rng.choice(options)
    node = tree.at(path)
    changed = UnitTree(node.unit, {**node.config, key: value}, node.children)
    return tree.replace(path, changed), [Change(_where(path), f"`{node.unit}`: {key} {_value(words, node, key)} → {value}")]


def insert(tree: UnitTree, words: Vocabulary, rng: Random) -> Offspring | None:
    """Fill an empty optional slot (a short convolution, a gate, a position encoding)."""
    empty = [(path, slot, info.kind) for path, node in tree.walk()
             for slot, info in words.library.info(node.unit).slots.items() if info.optional and slot not in node.children]
    if not empty:
        return None
    path, slot, kind = rng.choice(empty)
    child = words.fresh(kind, rng)
    if child is None:
        return None
    node = tree.at(path)
    changed = UnitTree(node.unit, node.config, {**node.children, slot: child})
    return tree.replace(path, changed), [Change(_where((*path, slot)), f"nothing → `{child.unit}`")]


def remove(tree: UnitTree, words: Vocabulary, rng: Random) -> Offspring | None:
    """Empty an optional slot."""
    filled = [(path, slot) for path, node in tree.walk()
              for slot, info in words.library.info(node.unit).slots.items() if info.optional and slot in node.children]
    if not filled:
        return None
    path, slot = rng.choice(filled)
    node = tree.at(path)
    changed = UnitTree(node.unit, node.config, {k: v for k, v in node.children.items() if k != slot})
    return tree.replace(path, changed), [Change(_where((*path, slot)), f"`{node.children[slot].unit}` → nothing")]


def topology(tree: UnitTree, words: Vocabulary, rng: Random) -> Offspring | None:
    """Another residual topology around the same units (norm placement, parallel branches, no channel mixer)."""
    paths = [path for path, node in tree.walk() if words.kind_at(tree, path) == "block" and node.unit != HYBRID]
    path = rng.choice(paths)
    old = tree.at(path)
    name = words.draw("block", rng, {old.unit, HYBRID})
    new = words.filled(name, rng, like=old) if name else None
    return (tree.replace(path, new), [Change(_where(path), f"topology `{old.unit}` → `{new.unit}`")]) if new else None


def hybridise(tree: UnitTree, words: Vocabulary, rng: Random) -> Offspring | None:
    """Stack two kinds of block in turn: the parent, and the parent with another mixer."""
    if tree.unit == HYBRID or HYBRID not in words.names("block") or "mixer" not in tree.children:
        return None
    old = tree.children["mixer"]
    name = words.draw("mixer", rng, {old.unit})
    other = words.filled(name, rng, like=old) if name else None
    if other is None:
        return None
    every = rng.choice(words.library.info(HYBRID).choices["every"])
    stacked = UnitTree(HYBRID, {"every": every}, {"a": tree, "b": tree.replace(("mixer",), other)})
    return stacked, [Change("block", f"each {_nth(every)} block mixes by `{other.unit}`, the others by `{old.unit}`")]


def graft(a: UnitTree, b: UnitTree, words: Vocabulary, rng: Random) -> Offspring | None:
    """Subtree crossover: one unit of `a` gives way to a different one of the same kind from `b`."""
    pairs = [(pa, pb) for pa, na in a.walk() if pa for pb, nb in b.walk()
             if pb and na != nb and words.kind_at(a, pa) == words.kind_at(b, pb)]
    if not pairs:
        return None
    pa, pb = rng.choice(pairs)
    return a.replace(pa, b.at(pb)), [Change(_where(pa), f"`{a.at(pa).unit}` → `{b.at(pb).unit}` of the second parent")]


def stack(a: UnitTree, b: UnitTree, words: Vocabulary, rng: Random) -> Offspring | None:
    """Hybrid stacking: whole blocks of both parents in turn."""
    if HYBRID in (a.unit, b.unit) or HYBRID not in words.names("block") or a == b:
        return None
    every = rng.choice(words.library.info(HYBRID).choices["every"])
    return UnitTree(HYBRID, {"every": every}, {"a": a, "b": b}), [
        Change("block", f"each {_nth(every)} block is the second parent's, the others the first's")]


def scratch(words: Vocabulary, rng: Random) -> Offspring | None:
    tree = words.fresh("block", rng)
    return (tree, [Change("block", "every unit drawn from the vocabulary")]) if tree else None


MUTATIONS: dict[str, Operator] = {
    "swap": swap, "tune": tune, "insert": insert, "remove": remove, "topology": topology, "hybridise": hybridise}
CROSSOVERS = {"graft": graft, "stack": stack}


def depth(tree: UnitTree) -> int:
    return max(len(path) for path, _ in tree.walk()) + 1


def describe(tree: UnitTree) -> str:
    """A short name for a structure: what mixes positions and channels, and how it is wired."""
    if tree.unit == HYBRID:
        return f"{describe(tree.children['a'])} / {describe(tree.children['b'])}"
    parts = [child.unit + "".join(f"+{c.unit}" for s, c in child.children.items() if s in ("conv", "gate"))
             for slot, child in tree.children.items() if slot in ("mixer", "channel")]
    return " · ".join(parts) + ("" if tree.unit == "pre_norm" else f" ({tree.unit})")


def diagram(tree: UnitTree, slot: str = "block", indent: str = "") -> str:
    """The tree as indented text."""
    config = ", ".join(f"{k}={v}" for k, v in tree.config.items())
    lines = [f"{indent}{slot}: {tree.unit}" + (f" ({config})" if config else "")]
    lines += [diagram(child, name, indent + "  ") for name, child in tree.children.items()]
    return "\n".join(lines)


def _where(path: tuple[str, ...]) -> str:
    return ".".join(("block", *path))


def _value(words: Vocabulary, node: UnitTree, key: str) -> object:
    return node.config.get(key, words.library.info(node.unit).config.get(key))


def _nth(n: int) -> str:
    return {2: "second", 3: "third", 4: "fourth"}.get(n, f"{n}th")
