"""Writes a tree of units as one readable, self-contained gab.py."""

from __future__ import annotations

import ast
import pprint
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from core.types import UnitTree

if TYPE_CHECKING:
    from core.gab.units import UnitInfo

HELPERS = "library.units._"
WIDTH = 140
CONTRACT = ("ComposedGAB", "GAUBase", "Slot", "build", "unit")


def write_block(folder: Path, units: Mapping[str, UnitInfo], tree: UnitTree, title: str, summary: str, source: str) -> str:
    """`tree` has every hyperparameter written out; `units` holds each unit it names."""
    used = {info.name: info for info in units.values()}
    order = sorted(used, key=lambda name: (-_depth(tree, name), name))
    helpers, imports = _helpers(folder, [used[name] for name in order])
    body = "\n\n\n".join(helpers + [used[name].source for name in order])
    names = [name for name in CONTRACT if name in ("ComposedGAB", "unit") or name in body]
    parts = [
        _docstring(title, summary, source, [used[name] for name in sorted(used)]),
        "from __future__ import annotations\n",
        "\n".join(_import_lines(imports, body)) + f"\nfrom core.gab import {', '.join(names)}\n\n",
        body + "\n\n",
        f"TREE = {_tree(tree, used, '')}\n",
        f"gab_config = {pprint.pformat(_flat(tree), width=WIDTH - 4, sort_dicts=False)}\n\n",
        'class GAB(ComposedGAB):\n    """The tree of units above, with `gab_config` as its hyperparameters."""\n\n    tree = TREE\n',
    ]
    return "\n".join(parts)


def _docstring(title: str, summary: str, source: str, units: list[UnitInfo]) -> str:
    lines = [_clean(title) + (f" ({_clean(source)})" if source else "") + "."]
    if summary:
        lines += ["", *textwrap.wrap(_clean(summary), WIDTH - 10)]
    lines += ["", "Shapes: b batch, l length, d embed_dim, h heads. Units, each with its source in its own docstring:", ""]
    lines += [f"  {info.name:<26} {info.kind}" for info in units]
    return '"""' + "\n".join(lines) + '\n"""\n'


def _clean(text: str) -> str:
    """Words that cannot end the docstring they stand in."""
    return " ".join(text.split()).replace("\\", "/").replace('"', "'")


def _depth(tree: UnitTree, name: str) -> int:
    return max(len(path) for path, node in tree.walk() if node.unit == name)


def _helpers(folder: Path, units: list[UnitInfo]) -> tuple[list[str], list[ast.stmt]]:
    """The helpers (functions, and classes that are no units) that the units import, and those that these use; and every import that is left."""
    functions: dict[str, tuple[ast.stmt, str]] = {}
    own: dict[str, list[ast.stmt]] = {}
    for path in sorted(folder.glob("_[a-z]*.py")):
        text = path.read_text(encoding="utf-8")
        body = ast.parse(text).body
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                functions[node.name] = (node, ast.get_source_segment(text, node) or "")
                own[node.name] = [n for n in body if isinstance(n, (ast.Import, ast.ImportFrom))]
    wanted = {alias.name for info in units for node in info.imports if _helper(node) for alias in node.names}
    needed = _closure(wanted, {name: node for name, (node, _) in functions.items()})
    imports = [node for info in units for node in info.imports] + [node for name in functions if name in needed for node in own[name]]
    brought = dict.fromkeys(text for info in units for text in info.helpers)
    return [*(text for name, (_, text) in functions.items() if name in needed), *brought], [node for node in imports if not _helper(node)]


def _helper(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and (node.module or "").startswith(HELPERS)


def _closure(names: set[str], functions: Mapping[str, ast.stmt]) -> set[str]:
    needed, waiting = set(), list(names)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += [n.id for n in ast.walk(functions[name]) if isinstance(n, ast.Name) and n.id in functions]
    return needed


def _import_lines(imports: list[ast.stmt], body: str) -> list[str]:
    """What `body` uses of `imports`, sorted as isort does; the contract's own names are written apart."""
    used = set(re.findall(r"\w+", body))
    plain: set[str] = set()
    named: dict[str, set[str]] = {}
    for node in imports:
        if isinstance(node, ast.Import):
            plain |= {f"import {a.name}" + (f" as {a.asname}" if a.asname else "") for a in node.names if (a.asname or a.name) in used}
        elif isinstance(node, ast.ImportFrom) and node.module not in ("__future__", "core.gab"):
            named.setdefault(node.module or "", set()).update(a.name for a in node.names if a.name in used)
    named = {module: names for module, names in named.items() if names}
    standard = sorted(line for line in plain if "torch" not in line)
    torch = sorted(line for line in plain if "torch" in line)
    froms = {m: f"from {m} import {', '.join(sorted(names))}" for m, names in sorted(named.items())}
    theirs = torch + [line for m, line in froms.items() if not m.startswith("core")]
    ours = [line for m, line in froms.items() if m.startswith("core")]
    return [*standard, *([""] if standard else []), *theirs, "", *ours]


def _tree(tree: UnitTree, used: Mapping[str, UnitInfo], indent: str) -> str:
    inner = indent + "    "
    settings = "".join(f", {name}={value!r}" for name, value in tree.config.items())
    if not tree.children:
        return f"unit({used[tree.unit].cls}{settings})"
    children = "".join(f"{inner}{slot}={_tree(child, used, inner)},\n" for slot, child in tree.children.items())
    return f"unit(\n{inner}{used[tree.unit].cls}{settings},\n{children}{indent})"


def _flat(tree: UnitTree, prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {f"{prefix}{name}": value for name, value in tree.config.items()}
    for slot, child in tree.children.items():
        flat |= _flat(child, f"{prefix}{slot}__")
    return flat
