"""A gab.py that needs nothing of this project: what it imports from the contract is written into it. Loads no torch.

For others' systems (Genesys's contract) and for Hugging Face folders (core/gab/hub.py).
"""

from __future__ import annotations

import ast
from pathlib import Path

OURS = ("core.gab", "core.errors")
THEIRS = "model_discovery.model.utils.modules"
CONTRACT = Path(__file__).with_name("contract.py")
ERRORS = '''class ContractError(ValueError):
    """A block broke the contract: what happened, and how to mend it."""

    def __init__(self, what: str, mend: str = "") -> None:
        super().__init__(f"{what} — {mend}" if mend else what)
'''


def standalone(code: str) -> str:
    """With the whole contract inside."""
    return _inlined(code, outside=set())


def for_genesys(code: str) -> str:
    """With its GAB deriving from Genesys's GABBase; the units stay ours, inside the file."""
    return _inlined(code, outside={"GABBase"})


def _inlined(code: str, outside: set[str]) -> str:
    module = ast.parse(code)
    lines = code.splitlines()
    wanted: set[str] = set()
    future = False
    for node in module.body:
        if not isinstance(node, ast.ImportFrom):
            continue
        ours, theirs = node.module in OURS, node.module == THEIRS
        future |= node.module == "__future__"
        if ours or theirs or node.module == "__future__":
            wanted |= {alias.name for alias in node.names} if ours else set()
            if ours or node.module == "__future__":
                lines[node.lineno - 1 : node.end_lineno] = [""] * (node.end_lineno - node.lineno + 1)
    if not wanted:
        return code
    definitions, imports = _definitions(wanted - outside)
    doc = module.body[0] if isinstance(module.body[0], ast.Expr) else None
    head = lines[: doc.end_lineno] if doc else []
    rest = "\n".join(lines[doc.end_lineno if doc else 0 :]).strip("\n")
    external = [f"from {THEIRS} import {', '.join(sorted(outside))}"] if outside else []
    parts = ["\n".join(head), "from __future__ import annotations", "\n".join([*imports, *external]), definitions, rest]
    return "\n\n".join(part for part in parts if part) + "\n"


def _definitions(names: set[str]) -> tuple[str, list[str]]:
    """The contract's classes and functions of these names, with all that they use, and the import lines that these need."""
    text = CONTRACT.read_text(encoding="utf-8")
    body = ast.parse(text).body
    known = {n.name: n for n in body if isinstance(n, (ast.ClassDef, ast.FunctionDef))}
    needed, waiting = set(), [name for name in names if name in known]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += [n.id for n in ast.walk(known[name]) if isinstance(n, ast.Name) and n.id in known]
    sources = [_segment(text, node) for name, node in known.items() if name in needed]
    imports = [ast.unparse(n) for n in body if isinstance(n, (ast.Import, ast.ImportFrom)) and getattr(n, "module", "") not in ("__future__", *OURS)]
    return "\n\n\n".join([ERRORS.rstrip(), *sources]), imports


def _segment(text: str, node: ast.ClassDef | ast.FunctionDef) -> str:
    """With its decorators."""
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    return "\n".join(text.splitlines()[first - 1 : node.end_lineno])
