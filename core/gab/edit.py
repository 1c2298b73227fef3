"""Changing a tree of units, checked: every function returns a tree that composes, or raises UnitError with path, unit and mend."""

from __future__ import annotations

from core.errors import UnitError
from core.gab.units import UnitLibrary
from core.types import UnitTree

Path = tuple[str, ...]               # slots from the root: ("mixer", "norm")


def swap(tree: UnitTree, path: Path, unit: str, library: UnitLibrary) -> UnitTree:
    """Another unit at `path`; it takes over the hyperparameters and children that it knows too."""
    old, new = at(tree, path), library.info(unit)
    config = {name: value for name, value in old.config.items() if name in new.config}
    kinds = {slot: info.kind for slot, info in library.info(old.unit).slots.items()}
    children = {slot: child for slot, child in old.children.items() if slot in new.slots and new.slots[slot].kind == kinds[slot]}
    return _checked(_put(tree, path, UnitTree(unit, config, children)), library)


def graft(tree: UnitTree, path: Path, branch: UnitTree, library: UnitLibrary) -> UnitTree:
    """`branch` at `path`, in the place of what is there, or in an empty slot."""
    if path:
        at(tree, path[:-1])
    return _checked(_put(tree, path, branch), library)


def delete(tree: UnitTree, path: Path, library: UnitLibrary) -> UnitTree:
    """The slot at `path` empty; raises where it must be filled."""
    at(tree, path)
    if not path:
        raise UnitError("block: the root cannot be deleted", "swap it for another block")
    parent = at(tree, path[:-1])
    children = {slot: child for slot, child in parent.children.items() if slot != path[-1]}
    return _checked(_put(tree, path[:-1], UnitTree(parent.unit, parent.config, children)), library)


def at(tree: UnitTree, path: Path) -> UnitTree:
    for depth, slot in enumerate(path):
        if slot not in tree.children:
            where = ".".join(("block", *path[:depth]))
            raise UnitError(f"{where}: {tree.unit} has nothing in slot {slot!r}", f"its filled slots are {', '.join(tree.children) or 'none'}")
        tree = tree.children[slot]
    return tree


def _put(tree: UnitTree, path: Path, new: UnitTree) -> UnitTree:
    if not path:
        return new
    child = _put(tree.children[path[0]], path[1:], new) if len(path) > 1 else new
    return UnitTree(tree.unit, tree.config, {**tree.children, path[0]: child})


def _checked(tree: UnitTree, library: UnitLibrary) -> UnitTree:
    library.validate(tree)
    return tree
