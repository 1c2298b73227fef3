"""The vocabulary of units: read from library/units/*.py by their syntax trees, so that no torch is loaded and nothing is executed.

A unit file holds one class deriving from GAUBase with `kind`, and where they apply `slots`, `choices`, `writes` and keyword-only
hyperparameters with defaults. `compose` writes a tree of units out as one readable gab.py; `core.gab.decompose` reads it back.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from core.errors import UnitError
from core.gab.writer import write_block
from core.types import UnitTree

ROOT_KIND = "block"
GIVEN = ("children",)                # keyword-only arguments that are no hyperparameters
PASSED = {"gate": {"source"}}        # names in Z that whoever opens a slot of this kind passes along


@dataclass(frozen=True)
class SlotInfo:
    kind: str
    doc: str
    optional: bool


@dataclass(frozen=True)
class UnitInfo:
    name: str
    cls: str
    kind: str
    slots: Mapping[str, SlotInfo]
    config: Mapping[str, Any]        # hyperparameters and their defaults
    choices: Mapping[str, tuple]     # the values that a mutation may give them
    doc: str
    source: str                      # the class's text
    reads: tuple[str, ...] = ()      # names in Z that it cannot do without
    writes: Mapping[str, str] = field(default_factory=dict)      # names that it puts into Z, with their meaning
    imports: tuple[ast.stmt, ...] = field(repr=False, default=())
    helpers: tuple[str, ...] = field(repr=False, default=())     # functions that it brings along; the library's are found by import
    flat: bool = False               # a whole gab.py that is no tree: `source` is the file


class UnitLibrary:
    """The units of a folder, and `own` ones that a single gab.py brings along."""

    def __init__(self, folder: Path, own: Iterable[UnitInfo] = ()) -> None:
        self.folder = folder
        self.own = tuple(own)

    def extended(self, own: Iterable[UnitInfo]) -> UnitLibrary:
        """With further units beside these; the folder is not read again."""
        more = tuple(own)
        other = UnitLibrary(self.folder, [*self.own, *more])
        other.__dict__["_units"] = {**self._units, **{info.name: info for info in more}}
        return other

    @cached_property
    def _units(self) -> dict[str, UnitInfo]:
        if not self.folder.is_dir():
            raise UnitError(f"{self.folder} is no folder of units", "restore library/, or set LIBRARY_DIR")
        return {path.stem: read_unit(path) for path in sorted(self.folder.glob("[!_]*.py"))} | {info.name: info for info in self.own}

    def names(self, kind: str | None = None) -> list[str]:
        return [name for name, info in self._units.items() if kind in (None, info.kind)]

    def info(self, name: str) -> UnitInfo:
        if name not in self._units:
            raise UnitError(f"there is no unit {name!r}", f"the units are {', '.join(self._units)}")
        return self._units[name]

    def validate(self, tree: UnitTree, root_kind: str = ROOT_KIND) -> None:
        """Raises UnitError with the path of slots to the first unit that does not fit, or that reads from Z what no unit writes."""
        self._validate(tree, root_kind, ())
        written = {name for _, node in tree.walk() for name in self.info(node.unit).writes}
        for path, node in tree.walk():
            info = self.info(node.unit)
            missing = [name for name in info.reads if name not in written | PASSED.get(info.kind, set())]
            if missing:
                writers = [name for name in self.names() if missing[0] in self.info(name).writes]
                raise UnitError(f"{'.'.join(('block', *path))}: {node.unit} reads Z[{missing[0]!r}], which no unit of the block writes",
                                f"add {' or '.join(writers) or 'a unit that writes it'}, or give {missing[0]} a default in its _forward", path)

    def full(self, tree: UnitTree) -> UnitTree:
        """The tree with every hyperparameter written out."""
        info = self.info(tree.unit)
        return UnitTree(tree.unit, {**info.config, **tree.config}, {slot: self.full(child) for slot, child in tree.children.items()})

    def compose(self, tree: UnitTree, title: str, summary: str = "", source: str = "") -> str:
        """One self-contained gab.py. `source`: the paper it follows, in words."""
        self.validate(tree)
        flat = [node.unit for _, node in tree.walk() if self.info(node.unit).flat]
        if flat == [tree.unit]:
            return self.info(tree.unit).source
        if flat:
            raise UnitError(f"{flat[0]} is a flat gab.py: it cannot be put together with other units", "write it as units first")
        return write_block(self.folder, {name: self.info(name) for name in {node.unit for _, node in tree.walk()}}, self.full(tree),
                           title, summary, source)

    def _validate(self, tree: UnitTree, kind: str, path: tuple[str, ...]) -> None:
        where = ".".join(("block", *path))
        if tree.unit not in self._units:
            raise UnitError(f"{where}: there is no unit {tree.unit!r}", f"the units of this kind are {', '.join(self.names(kind))}", path)
        info = self._units[tree.unit]
        if info.kind != kind:
            raise UnitError(f"{where}: {tree.unit} is a {info.kind}, a {kind} belongs here", f"use one of {', '.join(self.names(kind))}", path)
        for name, value in tree.config.items():
            if name not in info.config:
                raise UnitError(f"{where}: {tree.unit} has no hyperparameter {name!r}", f"it has {', '.join(info.config) or 'none'}", path)
            if not _same_type(value, info.config[name]):
                wanted = type(info.config[name]).__name__
                raise UnitError(f"{where}: {tree.unit}.{name} is {value!r}", f"give a {wanted} such as {info.config[name]!r}", path)
        for slot in tree.children:
            if slot not in info.slots:
                raise UnitError(f"{where}: {tree.unit} has no slot {slot!r}", f"its slots are {', '.join(info.slots) or 'none'}", path)
        for slot, wanted in info.slots.items():
            if slot in tree.children:
                self._validate(tree.children[slot], wanted.kind, (*path, slot))
            elif not wanted.optional:
                raise UnitError(f"{where}: {tree.unit}'s slot {slot!r} is empty", f"fill it with one of {', '.join(self.names(wanted.kind))}", path)


def read_unit(path: Path) -> UnitInfo:
    """Raises UnitError naming file and line."""
    text = path.read_text(encoding="utf-8")
    try:
        module = ast.parse(text)
    except SyntaxError as error:
        raise UnitError(f"{path}:{error.lineno}: {error.msg}", "mend the unit's syntax") from None
    classes = [node for node in module.body if isinstance(node, ast.ClassDef)]
    if len(classes) != 1:
        raise UnitError(f"{path} holds {len(classes)} classes", "a unit file holds one, deriving from GAUBase")
    imports = tuple(node for node in module.body if isinstance(node, (ast.Import, ast.ImportFrom)))
    return read_class(classes[0], path.stem, text, str(path), imports)


def read_class(cls: ast.ClassDef, name: str, text: str, where: str, imports: Sequence[ast.stmt] = (), helpers: Sequence[str] = ()) -> UnitInfo:
    """A unit from its class in `text`. Raises UnitError naming file and line."""
    facts = {target.id: node.value for node in cls.body if isinstance(node, ast.Assign) for target in node.targets if isinstance(target, ast.Name)}
    doc = ast.get_docstring(cls)
    if "kind" not in facts or not doc:
        raise UnitError(f"{where}:{cls.lineno}: {cls.name} lacks {'a docstring' if 'kind' in facts else '`kind`'}", "every unit says its kind and its source")
    try:
        return UnitInfo(
            name=name, cls=cls.name, kind=ast.literal_eval(facts["kind"]), slots=_slots(facts.get("slots")), config=_config(cls),
            choices=ast.literal_eval(facts["choices"]) if "choices" in facts else {}, doc=doc, source=ast.get_source_segment(text, cls) or "",
            reads=_reads(cls), writes=ast.literal_eval(facts["writes"]) if "writes" in facts else {}, imports=tuple(imports), helpers=tuple(helpers))
    except (ValueError, IndexError, AttributeError, KeyError, TypeError) as error:
        raise UnitError(f"{where}:{cls.lineno}: kind, slots, choices, writes and defaults of {cls.name} must be plain literals ({error})",
                        "see library/units/attention.py") from None


def _slots(node: ast.expr | None) -> dict[str, SlotInfo]:
    if node is None:
        return {}
    slots = {}
    for key, call in zip(node.keys, node.values, strict=True):
        given = dict(zip(("kind", "doc", "optional"), [ast.literal_eval(a) for a in call.args], strict=False))
        given |= {k.arg: ast.literal_eval(k.value) for k in call.keywords}
        slots[ast.literal_eval(key)] = SlotInfo(given["kind"], given.get("doc", ""), given.get("optional", False))
    return slots


def _config(cls: ast.ClassDef) -> dict[str, Any]:
    init = next((n for n in cls.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
    if init is None:
        return {}
    pairs = zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True)
    return {arg.arg: ast.literal_eval(default) for arg, default in pairs if arg.arg not in GIVEN}


def _reads(cls: ast.ClassDef) -> tuple[str, ...]:
    """The arguments of `_forward` after X that have no default."""
    forward = next((n for n in cls.body if isinstance(n, ast.FunctionDef) and n.name == "_forward"), None)
    if forward is None:
        return ()
    given = forward.args.args[2 : len(forward.args.args) - len(forward.args.defaults)]
    named = [arg for arg, default in zip(forward.args.kwonlyargs, forward.args.kw_defaults, strict=True) if default is None]
    return tuple(arg.arg for arg in (*given, *named))


def _same_type(value: Any, default: Any) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    return isinstance(value, (int, float)) if isinstance(default, float) else isinstance(value, type(default))
