"""A designer's JSON, and what becomes of it: a unit tree that composes, new units declared, a text in Markdown.

The tree is a flat list of nodes, since a strict JSON schema cannot say "a tree": {"path": "mixer.norm", "unit": "rms_norm", "config": []}; the root's path is "".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.agents.base import Brief, Draft
from core.agents.similarity import copied, nameless
from core.errors import UnitError
from core.gab.declared import normal_name, with_declared
from core.gab.structure import resolved
from core.gab.units import UnitLibrary
from core.llm.base import Schema
from core.types import Json, Mode, NewUnit, UnitTree

SECTIONS = (("motivation", "Motivation"), ("change", "What changes"), ("effect", "Expected effect"), ("risks", "Risks"))


def object_of(properties: Mapping[str, Any]) -> Json:
    return {"type": "object", "properties": dict(properties), "required": list(properties), "additionalProperties": False}


def list_of(item: Mapping[str, Any]) -> Json:
    return {"type": "array", "items": dict(item)}


TEXT, VALUE = {"type": "string"}, {"anyOf": [{"type": "number"}, {"type": "string"}, {"type": "boolean"}]}
PROPOSAL = Schema("proposal", object_of({
    "title": TEXT, "summary": TEXT, **{key: TEXT for key, _ in SECTIONS},
    "nodes": list_of(object_of({"path": TEXT, "unit": TEXT, "config": list_of(object_of({"name": TEXT, "value": VALUE}))})),
    "new_units": list_of(object_of({"name": TEXT, "kind": TEXT, "about": TEXT, "slots": list_of(object_of({"name": TEXT, "kind": TEXT, "about": TEXT, "optional": {"type": "boolean"}})),
                                "config": list_of(object_of({"name": TEXT, "default": VALUE}))})),
    "heeded": list_of(object_of({"id": {"type": "integer"}, "how": TEXT}))}))


def draft_of(data: Json, brief: Brief, library: UnitLibrary) -> Draft:
    """Raises UnitError where the tree does not compose, is one that exists, or is no answer to what was asked."""
    new = tuple(_new_unit(entry) for entry in data["new_units"])
    written = {entry["name"]: normal_name(entry["name"]) for entry in data["new_units"]}
    tree = tree_of([{**node, "unit": written.get(node["unit"], node["unit"])} for node in data["nodes"]])
    used = {node.unit for _, node in tree.walk()}
    idle = [unit.name for unit in new if unit.name not in used]
    if idle:
        raise UnitError(f"new unit {idle[0]} is nowhere in the tree", "put it into a node, or leave it out")
    vocabulary = with_declared(library, new)
    tree = _whole_numbers(tree, vocabulary)
    vocabulary.validate(tree)
    if brief.mode is Mode.MUTATION and brief.parents:
        _refuse_many_changes(brief.parents[0].units, tree)
    title = " ".join(data["title"].split())[:120]
    if not title:
        raise UnitError("the proposal has no title", "give one of a few words")
    body = "\n\n".join(f"#### {head}\n\n{data[key].strip()}" for key, head in SECTIONS if data[key].strip())
    if new:
        body += "\n\n#### New units\n\n" + "\n".join(f"- **`{u.name}`** ({u.kind}): {u.about}" for u in new)
    _refuse_known(tree, new, body, brief)
    return Draft(title, " ".join(data["summary"].split())[:400], body, tree, new, {int(h["id"]): h["how"] for h in data["heeded"]})


def tree_of(nodes: Sequence[Json]) -> UnitTree:
    """Raises UnitError naming the path that is twice, or hangs on nothing."""
    by_path: dict[str, Json] = {}
    for node in nodes:
        path = node["path"].strip().removeprefix("block").strip(". ")
        if path in by_path:
            raise UnitError(f"two nodes have the path {path!r}", "give each place one unit")
        by_path[path] = node
    if "" not in by_path:
        raise UnitError("no node has the path ''", "the root of the tree is the whole block, e.g. pre_norm")
    for path in by_path:
        parent = path.rpartition(".")[0]
        if path and parent not in by_path:
            raise UnitError(f"{path} hangs on nothing: there is no node {parent!r}", "give every node on the way from the root")

    def made(path: str) -> UnitTree:
        node = by_path[path]
        inner = f"{path}." if path else ""
        slots = [p.removeprefix(inner) for p in by_path if p and p.startswith(inner) and "." not in p.removeprefix(inner)]
        return UnitTree(node["unit"], {c["name"]: c["value"] for c in node["config"]}, {slot: made(f"{inner}{slot}") for slot in slots})

    return made("")


def nodes_of(tree: UnitTree) -> list[Json]:
    """The inverse of `tree_of`."""
    return [{"path": ".".join(path), "unit": node.unit, "config": [{"name": n, "value": v} for n, v in node.config.items()]} for path, node in tree.walk()]


def changed(a: UnitTree, b: UnitTree, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The places where two trees differ, each as far down as it can be told."""
    if a.unit != b.unit or set(a.children) != set(b.children):
        return [path]
    below = [place for slot in a.children for place in changed(a.children[slot], b.children[slot], (*path, slot))]
    return ([path] if dict(a.config) != {**a.config, **b.config} else []) + below


def _refuse_known(tree: UnitTree, new: Sequence[NewUnit], body: str, brief: Brief) -> None:
    declared = {**brief.declared, **{unit.name: unit for unit in new}}
    owner = copied(resolved(tree, declared), nameless(body, declared), brief.known, lambda: brief.texts)
    if owner:
        raise UnitError(f"this is {owner}, unit for unit" + (", whatever its new units are called" if new else ""), "change something that it does not have")


def _refuse_many_changes(parent: UnitTree, tree: UnitTree) -> None:
    places = changed(parent, tree)
    if len(places) > 1:
        told = " and ".join(".".join(("block", *p)) for p in places[:3])
        raise UnitError(f"a mutation changes one place of its parent, this changes {told}", "keep the parent everywhere else, so that a difference in score can be put down to the change")


def _new_unit(entry: Json) -> NewUnit:
    return NewUnit(normal_name(entry["name"]), entry["kind"].strip(), entry["about"].strip(),
                   {s["name"]: {"kind": s["kind"], "doc": s["about"], "optional": s["optional"]} for s in entry["slots"]}, {c["name"]: c["default"] for c in entry["config"]})


def _whole_numbers(tree: UnitTree, library: UnitLibrary) -> UnitTree:
    """JSON has one kind of number: 4.0 is 4 where the unit's default is a whole one."""
    known = library.info(tree.unit).config if tree.unit in library.names() else {}
    config = {name: int(value) if isinstance(value, float) and value.is_integer() and isinstance(known.get(name), int) and not isinstance(known.get(name), bool) else value
              for name, value in tree.config.items()}
    return UnitTree(tree.unit, config, {slot: _whole_numbers(child, library) for slot, child in tree.children.items()})
