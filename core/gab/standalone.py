"""A gab.py that needs nothing of this project: what it imports from the contract is written into it. Loads no torch.

For others' systems (Genesys's contract) and for Hugging Face folders (core/gab/hub.py).
"""

from __future__ import annotations

import ast
from collections.abc import Collection
from pathlib import Path

OURS = ("core.gab", "core.errors")
THEIRS = "model_discovery.model.utils.modules"
THEIR_MODULES = (THEIRS, "block_registry")
THEIR_NAMES = {"GABBase": "GenesysGAB", "GAUBase": "GenesysGAU", "BlockRegister": "block_register"}
CONTRACT, GENESYS = Path(__file__).with_name("contract.py"), Path(__file__).with_name("genesys.py")
ERRORS = '''class ContractError(ValueError):
    """A block broke the contract: what happened, and how to mend it."""

    def __init__(self, what: str, mend: str = "") -> None:
        super().__init__(f"{what} — {mend}" if mend else what)
'''


def standalone(code: str) -> str:
    """With the whole contract inside; for a block written for Genesys, what it imports from there."""
    return _inlined(code, outside=set())


def for_genesys(code: str) -> str:
    """With its GAB deriving from Genesys's GABBase; the units stay ours, inside the file. A block written for Genesys stays as it is."""
    return _inlined(code, outside={"GABBase"}) if _imported(ast.parse(code), OURS) else code


def _imported(module: ast.Module, packages: tuple[str, ...]) -> dict[str, ast.ImportFrom]:
    """Names that the module imports from these, each with its line."""
    return {alias.name: node for node in module.body if isinstance(node, ast.ImportFrom) and node.module in packages for alias in node.names}


def _inlined(code: str, outside: set[str]) -> str:
    module = ast.parse(code)
    ours, theirs, future = (_imported(module, packages) for packages in (OURS, THEIR_MODULES, ("__future__",)))
    lines = code.splitlines()
    for node in (*ours.values(), *theirs.values(), *future.values()):
        lines[node.lineno - 1 : node.end_lineno] = [""] * (node.end_lineno - node.lineno + 1)
    if not ours and not theirs:
        return code
    definitions, imports = _definitions(CONTRACT, set(ours) | ({"GABBase", "GAUBase"} if theirs else set()), outside)
    if theirs:
        more, more_imports = _definitions(GENESYS, {THEIR_NAMES.get(name, name) for name in theirs})
        definitions += "\n\n\n" + more + "\n\n\n" + "\n".join(f"{name} = {THEIR_NAMES[name]}" for name in theirs if name in THEIR_NAMES)
        imports += [line for line in more_imports if line not in imports]
    doc = module.body[0] if isinstance(module.body[0], ast.Expr) else None
    head = lines[: doc.end_lineno] if doc else []
    rest = "\n".join(lines[doc.end_lineno if doc else 0 :]).strip("\n")
    external = [f"from {THEIRS} import {', '.join(sorted(outside))}"] if outside else []
    parts = ["\n".join(head), "from __future__ import annotations", "\n".join([*imports, *external]), ERRORS.rstrip(), definitions, rest]
    return "\n\n".join(part for part in parts if part) + "\n"


def _definitions(path: Path, names: set[str], outside: Collection[str] = ()) -> tuple[str, list[str]]:
    """The file's classes and functions of these names, with all that they use in it, and the import lines that these need."""
    text = path.read_text(encoding="utf-8")
    body = ast.parse(text).body
    known = {n.name: n for n in body if isinstance(n, (ast.ClassDef, ast.FunctionDef)) and n.name not in outside}
    needed, waiting = set(), [name for name in names if name in known]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += [n.id for n in ast.walk(known[name]) if isinstance(n, ast.Name) and n.id in known]
    sources = [_segment(text, node) for name, node in known.items() if name in needed]
    used = {n.id for name in needed for n in ast.walk(known[name]) if isinstance(n, ast.Name)}
    found = [n for n in body if isinstance(n, (ast.Import, ast.ImportFrom)) and not getattr(n, "module", "").startswith(("__future__", "core"))]
    kept = [(n, [a for a in n.names if (a.asname or a.name).split(".")[0] in used]) for n in found]
    imports = [ast.unparse(ast.ImportFrom(n.module, names, n.level) if isinstance(n, ast.ImportFrom) else ast.Import(names)) for n, names in kept if names]
    return "\n\n\n".join(sources), imports


def _segment(text: str, node: ast.ClassDef | ast.FunctionDef) -> str:
    """With its decorators."""
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    return "\n".join(text.splitlines()[first - 1 : node.end_lineno])
