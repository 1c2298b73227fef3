"""Code without its wording: the same block under other names, comments, docstrings, annotations or order of keywords reads alike.

Names that the module itself binds (classes, functions, arguments, variables, attributes set on self) are numbered in the order of their
first appearance; names from outside (torch's, the contract's) stay.
"""

from __future__ import annotations

import ast
from collections import Counter

from core.types import sha256_text

CONTRACT = {"GAB", "gab_config", "_forward", "__init__", "self", "X", "Z", "embed_dim", "block_loc", "device", "dtype", "children", "kwarg_all"}


def canonical_hash(code: str) -> str:
    """Raises SyntaxError."""
    return sha256_text(canonical(code))


def canonical(code: str) -> str:
    module = ast.parse(code)
    _Plain().visit(module)
    own = _bound(module) - CONTRACT
    parameters = {c.name: [a.arg for a in _arguments(f)] for c in ast.walk(module) if isinstance(c, ast.ClassDef)
                  for f in c.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"}
    parameters |= {f.name: [a.arg for a in _arguments(f)] for f in module.body if isinstance(f, ast.FunctionDef)}
    _Ordered(parameters).visit(module)
    return ast.dump(_Numbered(own).visit(module))


def code_distance(a: str, b: str) -> float:
    """1 − weighted Jaccard similarity of the two files' statements, names left out: 0 for the same code, 1 for nothing in common."""
    bag_a, bag_b = _statements(a), _statements(b)
    return 1 - (bag_a & bag_b).total() / max(1, (bag_a | bag_b).total())


def _statements(code: str) -> Counter[str]:
    module = _Plain().visit(ast.parse(code))
    bag: Counter[str] = Counter()
    for node in ast.walk(module):
        if isinstance(node, ast.stmt) and not isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)):
            bag[ast.dump(_Numbered(_bound(module) - CONTRACT).visit(ast.parse(ast.unparse(node))))] += 1
    return bag


def _arguments(function: ast.FunctionDef) -> list[ast.arg]:
    a = function.args
    return [*a.posonlyargs, *a.args, *a.kwonlyargs, *([a.vararg] if a.vararg else []), *([a.kwarg] if a.kwarg else [])]


def _bound(module: ast.Module) -> set[str]:
    """Every name that the module gives to something of its own."""
    names: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name) and node.value.id == "self":
            names.add(node.attr)
    return names


class _Plain(ast.NodeTransformer):
    """Without docstrings, annotations and `from __future__`; imports sorted."""

    def visit_Module(self, node: ast.Module) -> ast.Module:
        _undocumented(node)
        self.generic_visit(node)
        imports = sorted((n for n in node.body if isinstance(n, (ast.Import, ast.ImportFrom))), key=ast.unparse)
        node.body = [n for n in imports if getattr(n, "module", "") != "__future__"] + [n for n in node.body if n not in imports]
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        self.generic_visit(node)
        return _undocumented(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        node.returns = None
        return _undocumented(node)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt | None:
        self.generic_visit(node)
        return ast.Assign([node.target], node.value) if node.value else None


def _undocumented(node):
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        node.body = node.body[1:] or [ast.Pass()]
    return node


class _Ordered(ast.NodeTransformer):
    """Keywords of calls, and gab_config's keys, in the order of the parameters they meet; by name where these are unknown."""

    def __init__(self, parameters: dict[str, list[str]]) -> None:
        self.parameters = parameters

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        callee = node.func.id if isinstance(node.func, ast.Name) else ""
        if callee == "unit" and node.args and isinstance(node.args[0], ast.Name):
            callee = node.args[0].id
        node.keywords.sort(key=lambda k: self._place(callee, k.arg))
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.Assign:
        self.generic_visit(node)
        if [t.id for t in node.targets if isinstance(t, ast.Name)] == ["gab_config"] and isinstance(node.value, ast.Dict):
            pairs = sorted(zip(node.value.keys, node.value.values, strict=True), key=lambda pair: self._place("GAB", getattr(pair[0], "value", None)))
            node.value = ast.Dict([k for k, _ in pairs], [v for _, v in pairs])
        return node

    def _place(self, callee: str, name: object) -> tuple[int, str]:
        known = self.parameters.get(callee, [])
        return (known.index(name), "") if name in known else (len(known), str(name))


class _Numbered(ast.NodeTransformer):
    """Own names by number, gab_config's keys with them."""

    def __init__(self, own: set[str]) -> None:
        self.own = own
        self.numbers: dict[str, str] = {}

    def _new(self, name: str | None) -> str | None:
        return self.numbers.setdefault(name, f"n{len(self.numbers)}") if name in self.own else name

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self._new(node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.arg = self._new(node.arg)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.Attribute:
        self.visit(node.value)
        if isinstance(node.value, ast.Name) and node.value.id == "self":
            node.attr = self._new(node.attr)
        return node

    def visit_keyword(self, node: ast.keyword) -> ast.keyword:
        self.visit(node.value)
        node.arg = self._new(node.arg)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.Assign:
        if [t.id for t in node.targets if isinstance(t, ast.Name)] == ["gab_config"] and isinstance(node.value, ast.Dict):
            for key in node.value.keys:
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    key.value = "__".join(str(self._new(part)) for part in key.value.split("__"))
        self.generic_visit(node)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        node.name = self._new(node.name)
        self.generic_visit(node)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.name = self._new(node.name)
        self.generic_visit(node)
        return node
