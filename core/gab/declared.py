"""Units that a proposal names before anybody has written them: what they are called, where they fit, what they shall compute.

A tree may hold them at once; `core/agents/coder.py` writes them, and `check_written` holds what was written against what was declared.
"""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Iterable, Sequence

from core.errors import UnitError
from core.gab.decompose import snake
from core.gab.units import SlotInfo, UnitInfo, UnitLibrary, read_class
from core.types import NewUnit, UnitTree

GIVEN = ("self", "embed_dim", "block_loc", "device", "dtype", "children", "X", "Z")
NAME = re.compile(r"[a-z][a-z0-9_]{1,47}")


def class_name(name: str) -> str:
    """gated_conv → GatedConv"""
    return "".join(part.capitalize() for part in name.split("_"))


def normal_name(name: str) -> str:
    """The name under which its class is read back: mean_2 and mean2 are both written as Mean2."""
    return snake(class_name(name.strip().lower().replace("-", "_").replace(" ", "_")))


def declared(unit: NewUnit) -> UnitInfo:
    """The unit as a tree sees it; its source is empty until it is written."""
    slots = {slot: SlotInfo(s["kind"], s.get("doc", ""), bool(s.get("optional"))) for slot, s in unit.slots.items()}
    return UnitInfo(unit.name, class_name(unit.name), unit.kind, slots, dict(unit.config), {}, unit.about, "")


def with_declared(library: UnitLibrary, units: Iterable[NewUnit]) -> UnitLibrary:
    """Raises UnitError for a name that is none, or that the library has already."""
    made, kinds = [], {library.info(name).kind for name in library.names()}
    for unit in units:
        if unit.kind not in kinds:
            raise UnitError(f"new unit {unit.name}: there is no kind {unit.kind!r}", f"use one of {', '.join(sorted(kinds))}")
        if unit.name in [info.name for info in made]:
            raise UnitError(f"two new units are called {unit.name}", "name one otherwise")
        for word in (*unit.config, *unit.slots):
            if not word.isidentifier() or keyword.iskeyword(word) or word in GIVEN:
                raise UnitError(f"new unit {unit.name}: {word!r} can be no name of a hyperparameter or slot", "use another word")
        if not NAME.fullmatch(unit.name) or normal_name(unit.name) != unit.name:
            raise UnitError(f"new unit {unit.name!r}: that is no name", "use small letters, digits and underscores, a letter first")
        if unit.name in library.names():
            raise UnitError(f"new unit {unit.name}: the library has one of that name", "use it, or name yours otherwise")
        if not unit.about.strip():
            raise UnitError(f"new unit {unit.name}: it does not say what it computes", "give its equations and shapes")
        made.append(declared(unit))
    return library.extended(made)


def read_written(text: str, unit: NewUnit) -> UnitInfo:
    """A unit from the text that a coder gave: one class, imports and helpers beside it. Raises UnitError naming the line and the mend."""
    where = f"{unit.name}.py"
    try:
        module = ast.parse(text)
    except SyntaxError as error:
        raise UnitError(f"{where}:{error.lineno}: {error.msg}", "mend the syntax") from None
    except (RecursionError, MemoryError, ValueError):
        raise UnitError(f"{where}: it is nested too deeply to be read", "write it plainly") from None
    wanted = class_name(unit.name)
    classes = {node.name: node for node in module.body if isinstance(node, ast.ClassDef)}
    found = classes.get(wanted)
    if found is None:
        raise UnitError(f"{where}: there is no class {wanted}", f"write `class {wanted}(GAUBase)`; here are {', '.join(classes) or 'no classes'}")
    imports = [node for node in module.body if isinstance(node, (ast.Import, ast.ImportFrom)) and getattr(node, "module", "") != "__future__"]
    helpers = [ast.get_source_segment(text, node) or "" for node in module.body if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node is not found]
    info = read_class(found, unit.name, text, where, imports, helpers)
    check_written(info, unit)
    return info


def check_written(info: UnitInfo, unit: NewUnit) -> None:
    """Raises UnitError where kind, slots or hyperparameters are not the declared ones: the tree around it counts on them."""
    if info.kind != unit.kind:
        raise UnitError(f"{unit.name}: its kind is {info.kind!r}", f"it was declared as {unit.kind!r}: write `kind = {unit.kind!r}`")
    own, wanted = {slot: s.kind for slot, s in info.slots.items()}, {slot: s["kind"] for slot, s in unit.slots.items()}
    if own != wanted:
        raise UnitError(f"{unit.name}: its slots are {own or 'none'}", f"it was declared with {wanted or 'none'}: set the class attribute `slots` to these")
    missing = [name for name in unit.config if name not in info.config]
    if missing:
        raise UnitError(f"{unit.name}: it has no hyperparameter {missing[0]}", f"take {', '.join(unit.config)} as keyword-only arguments of __init__, with defaults")


def standing_in(tree: UnitTree, unwritten: Iterable[str], library: UnitLibrary) -> UnitTree:
    """The tree with a known unit of the same kind wherever one of `unwritten` stands, so that the others can be tried already."""
    names = set(unwritten)
    if tree.unit in names:
        return _plainest(library.info(tree.unit).kind, library, names)
    return UnitTree(tree.unit, tree.config, {slot: standing_in(child, names, library) for slot, child in tree.children.items()})


def _plainest(kind: str, library: UnitLibrary, without: set[str]) -> UnitTree:
    """A unit of the kind with only its required slots filled. Raises UnitError where there is none."""
    def filled(name: str) -> UnitTree:
        return UnitTree(name, {}, {slot: _plainest(s.kind, library, without) for slot, s in library.info(name).slots.items() if not s.optional})

    able: Sequence[str] = [name for name in library.names(kind) if name not in without and not library.info(name).reads and library.info(name).source]
    if not able:
        raise UnitError(f"the library has no {kind}", "declare new units of a kind that it knows")
    return filled(min(able, key=lambda name: (sum(not s.optional for s in library.info(name).slots.values()), name)))
