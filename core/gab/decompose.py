"""Reads a gab.py back into its tree of units, by its syntax alone: nothing is executed, no torch is loaded.

A block whose GAB derives from ComposedGAB is the tree that it says; any other is a tree of one unit, the whole file. Classes that equal a
unit of the library are that unit; others become own units, which travel with the tree (`Block.library`).
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import Any

from core.errors import CodeError, UnitError
from core.gab.canonical import canonical_hash
from core.gab.units import UnitInfo, UnitLibrary, read_class
from core.types import UnitTree


@dataclass(frozen=True)
class Block:
    tree: UnitTree
    library: UnitLibrary             # the given one, and the block's own units

    @property
    def flat(self) -> bool:
        return self.library.info(self.tree.unit).flat


def decompose(code: str, library: UnitLibrary, filename: str = "gab.py") -> Block:
    """Raises CodeError or UnitError with file, line, unit and mend."""
    try:
        module = ast.parse(code)
    except SyntaxError as error:
        raise CodeError(f"{filename}:{error.lineno}: {error.msg}", "mend the syntax") from None
    return _Reader(code, module, library, filename).block()


class _Reader:
    def __init__(self, code: str, module: ast.Module, library: UnitLibrary, filename: str) -> None:
        self.code, self.module, self.library, self.filename = code, module, library, filename
        self.classes = {n.name: n for n in module.body if isinstance(n, ast.ClassDef)}
        self.values = {t.id: n.value for n in module.body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)}
        self.functions = {n.name: n for n in module.body if isinstance(n, ast.FunctionDef)}
        self.own: dict[str, UnitInfo] = {}
        self.reading: list[str] = []

    def block(self) -> Block:
        gabs = [n for n in self.module.body if isinstance(n, ast.ClassDef) and n.name == "GAB"]
        if len(gabs) != 1:
            lines = ", ".join(f"line {n.lineno}" for n in gabs) or "none"
            raise CodeError(f"{self.filename}: {len(gabs)} classes GAB ({lines})", "define exactly one class GAB(GABBase)")
        composed = any(isinstance(base, ast.Name) and base.id == "ComposedGAB" for base in gabs[0].bases)
        tree = next((n.value for n in gabs[0].body if isinstance(n, ast.Assign) and [getattr(t, "id", "") for t in n.targets] == ["tree"]), None)
        if not composed or tree is None:
            return self._flat()
        found = self._configured(self._node(tree, "block"))
        extended = self.library.extended(self.own.values())
        extended.validate(found)
        return Block(found, extended)

    def _flat(self) -> Block:
        name = f"flat_{canonical_hash(self.code)[:12]}"
        whole = UnitInfo(name, "GAB", "block", {}, {}, {}, ast.get_docstring(self.module) or "a whole gab.py", self.code, flat=True)
        return Block(UnitTree(name), UnitLibrary(self.library.folder, [*self.library.own, whole]))

    def _node(self, node: ast.expr, where: str) -> UnitTree:
        """unit(Class, name=value or unit(...)), or the name of one."""
        if isinstance(node, ast.Name) and node.id in self.values:
            if node.id in self.reading:
                raise UnitError(f"{self.filename}:{node.lineno}: {where}: {' → '.join([*self.reading, node.id])} is a cycle of units", "a block's units form a tree")
            self.reading.append(node.id)
            found = self._node(self.values[node.id], where)
            self.reading.pop()
            return found
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "unit" and node.args and isinstance(node.args[0], ast.Name)):
            raise UnitError(f"{self.filename}:{node.lineno}: {where}: not unit(Class, …)", "write the tree as nested unit(Class, setting=value, slot=unit(…))")
        info = self._unit(node.args[0], where)
        config: dict[str, Any] = {}
        children: dict[str, UnitTree] = {}
        for keyword in node.keywords:
            if keyword.arg in info.slots:
                children[keyword.arg] = self._node(keyword.value, f"{where}.{keyword.arg}")
                continue
            try:
                config[str(keyword.arg)] = ast.literal_eval(keyword.value)
            except ValueError:
                raise UnitError(f"{self.filename}:{keyword.value.lineno}: {where}: {info.name}.{keyword.arg} is no literal, and no slot",
                                f"its slots are {', '.join(info.slots) or 'none'}") from None
        return UnitTree(info.name, config, children)

    def _unit(self, name: ast.Name, where: str) -> UnitInfo:
        cls = self.classes.get(name.id)
        if cls is None:
            raise UnitError(f"{self.filename}:{name.lineno}: {where}: there is no class {name.id}", "define it above, or use another unit")
        helpers = self._helpers(cls)
        imports = [n for n in self.module.body if isinstance(n, (ast.Import, ast.ImportFrom)) and getattr(n, "module", "") != "__future__"]
        info = read_class(cls, snake(name.id), self.code, self.filename, imports, [self._source(h) for h in helpers])
        for known in self.library.names():
            stored = self.library.info(known)
            if stored.cls == info.cls and _same(stored.source, info.source) and self._library_helpers(helpers):
                return stored
        if info.name in self.library.names():
            info = replace(info, name=f"{info.name}_{canonical_hash(info.source)[:6]}")
        return self.own.setdefault(info.name, info)

    def _helpers(self, cls: ast.ClassDef) -> list[ast.stmt]:
        """The module's functions and plain classes that the class uses, and those that these use, in the file's order."""
        known = {**self.functions, **{n: c for n, c in self.classes.items() if not _is_unit(c)}}
        needed, waiting = set(), [cls]
        while waiting:
            for node in ast.walk(waiting.pop()):
                if isinstance(node, ast.Name) and node.id in known and node.id not in needed:
                    needed.add(node.id)
                    waiting.append(known[node.id])
        return [known[n] for n in sorted(needed, key=lambda n: known[n].lineno)]

    def _library_helpers(self, helpers: list[ast.stmt]) -> bool:
        stored = {}
        for path in self.library.folder.glob("_[a-z]*.py"):
            stored |= {n.name: ast.dump(n) for n in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
        return all(stored.get(h.name) == ast.dump(h) for h in helpers)

    def _source(self, node: ast.stmt) -> str:
        return ast.get_source_segment(self.code, node) or ""

    def _configured(self, tree: UnitTree) -> UnitTree:
        """The tree with what gab_config says: it is what the block is built with."""
        try:
            given = ast.literal_eval(self.values["gab_config"])
        except (KeyError, ValueError):
            raise CodeError(f"{self.filename} has no literal gab_config", "add gab_config = {...} with plain values") from None

        def apply(node: UnitTree, prefix: str) -> UnitTree:
            config = {name: given.get(f"{prefix}{name}", value) for name, value in node.config.items()}
            return UnitTree(node.unit, config, {slot: apply(child, f"{prefix}{slot}__") for slot, child in node.children.items()})

        return apply(tree, "")


def _is_unit(cls: ast.ClassDef) -> bool:
    return any(isinstance(n, ast.Assign) and any(getattr(t, "id", "") == "kind" for t in n.targets) for n in cls.body) or cls.name == "GAB"


def _same(a: str, b: str) -> bool:
    return ast.dump(ast.parse(a)) == ast.dump(ast.parse(b))


def snake(name: str) -> str:
    """ShortConv → short_conv, RMSNorm → rms_norm"""
    out = ""
    for i, letter in enumerate(name):
        after = name[i + 1 : i + 2]
        if letter.isupper() and i and (name[i - 1].islower() or name[i - 1].isdigit() or (after.islower() and name[i - 1].isupper())):
            out += "_"
        out += letter.lower()
    return out
