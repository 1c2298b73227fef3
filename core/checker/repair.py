"""Mends what language models get wrong most often in a gab.py, by syntax alone; each repair is told as a diff, none is silent."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

FENCE = re.compile(r"^[ \t]*```[\w+-]*[ \t]*$", re.M)
IMPORTS = {"torch": "import torch", "nn": "from torch import nn", "F": "import torch.nn.functional as F", "Tensor": "from torch import Tensor", "math": "import math",
           "einops": "import einops", "rearrange": "from einops import rearrange", "repeat": "from einops import repeat", "einsum": "from torch import einsum",
           "GABBase": "from core.gab import GABBase", "GAUBase": "from core.gab import GAUBase", "Optional": "from typing import Optional", "Any": "from typing import Any"}


@dataclass(frozen=True)
class Repair:
    name: str
    diff: str


def repaired(code: str) -> tuple[str, list[Repair]]:
    """The mended code and what was done to it; code that cannot be parsed even without its fences comes back as it is."""
    return _mended(code, REPAIRS)


def repaired_unit(code: str, name: str) -> tuple[str, list[str]]:
    """The same for a unit of a block, the class `name`: its text with what could be mended, and the repairs in words."""
    as_block = re.sub(r"\bGAUBase\b", "GABBase", re.sub(rf"\b{re.escape(name)}\b", "GAB", code))
    mended, done = _mended(as_block, [r for r in REPAIRS if r[1] not in (_silent, _configured)])
    back = re.sub(r"\bGABBase\b", "GAUBase", re.sub(r"\bGAB\b", name, mended))
    return (back, [r.name.replace("GABBase", "GAUBase").replace("GAB", name) for r in done]) if done else (code, [])


def _mended(code: str, repairs: Sequence[tuple[str, Callable[[str], str]]]) -> tuple[str, list[Repair]]:
    done: list[Repair] = []
    for name, mend in repairs:
        try:
            new = mend(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        if new != code:
            lines = difflib.unified_diff(code.splitlines(), new.splitlines(), "as it was", name, lineterm="", n=1)
            done.append(Repair(name, "\n".join(lines)))
            code = new
    return code, done


def _unfenced(code: str) -> str:
    """The longest fenced part, where there are fences; code that reads as it is may have them in a docstring."""
    if _reads(code):
        return code
    fences = list(FENCE.finditer(code))
    if not fences:
        return code
    parts = [code[a.end() : b.start()] for a, b in pairwise(fences)] or [code[fences[0].end() :]]
    return max(parts, key=lambda part: ("class " in part, len(part))).strip("\n") + "\n"


def _reads(code: str) -> bool:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _named(code: str) -> str:
    """The only block under another name becomes GAB, wherever it is named."""
    module = ast.parse(code)
    classes = [n for n in module.body if isinstance(n, ast.ClassDef)]
    if any(c.name == "GAB" for c in classes):
        return code
    blocks = [c for c in classes if any(getattr(b, "id", getattr(b, "attr", "")) == "GABBase" for b in c.bases)]
    blocks = blocks or [c for c in classes if len(classes) == 1 and any(getattr(b, "attr", getattr(b, "id", "")) == "Module" for b in c.bases)]
    return re.sub(rf"\b{re.escape(blocks[0].name)}\b", "GAB", code) if len(blocks) == 1 else code


def _based(code: str) -> str:
    """GAB(nn.Module) becomes GAB(GABBase), and its forward _forward."""
    gab = _gab(ast.parse(code))
    if gab is None or [getattr(b, "attr", getattr(b, "id", "")) for b in gab.bases] not in (["Module"], []):
        return code
    lines = code.split("\n")
    lines[gab.lineno - 1] = re.sub(r"class\s+GAB\s*(\([^)]*\))?\s*:", "class GAB(GABBase):", lines[gab.lineno - 1])
    for f in gab.body:
        if isinstance(f, ast.FunctionDef) and f.name == "forward":
            lines[f.lineno - 1] = re.sub(r"def\s+forward\b", "def _forward", lines[f.lineno - 1])
    return "\n".join(lines)


def _forwarding(code: str) -> str:
    """A GAB whose only method is forward means _forward."""
    gab = _gab(ast.parse(code))
    methods = {f.name: f for f in gab.body if isinstance(f, ast.FunctionDef)} if gab else {}
    if "forward" not in methods or "_forward" in methods:
        return code
    lines, line = code.split("\n"), methods["forward"].lineno - 1
    lines[line] = re.sub(r"def\s+forward\b", "def _forward", lines[line])
    return "\n".join(lines)


def _signed(code: str) -> str:
    """device=None, dtype=None where GAB's constructor lacks them."""
    gab = _gab(ast.parse(code))
    init = next((f for f in gab.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"), None) if gab else None
    if init is None or init.args.kwarg is not None:
        return code
    given = {a.arg for a in (*init.args.posonlyargs, *init.args.args, *init.args.kwonlyargs)}
    missing = [n for n in ("device", "dtype") if n not in given]
    if not missing or init.args.vararg is not None:
        return code
    last = (init.args.kwonlyargs or init.args.args)[-1]
    defaults = [d for d in (*init.args.defaults, *init.args.kw_defaults) if d is not None]
    line, column = max([(last.end_lineno, last.end_col_offset), *((d.end_lineno, d.end_col_offset) for d in defaults)])
    lines = code.split("\n")
    encoded = lines[line - 1].encode()
    lines[line - 1] = (encoded[:column] + "".join(f", {n}=None" for n in missing).encode() + encoded[column:]).decode()
    return "\n".join(lines)


def _initialised(code: str) -> str:
    """super().__init__(embed_dim, block_loc) in GAB, added or with its arguments."""
    gab = _gab(ast.parse(code))
    init = next((f for f in gab.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"), None) if gab else None
    if init is None:
        return code
    lines = code.split("\n")
    call = next((n for n in ast.walk(init) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr == "__init__"
                 and isinstance(n.func.value, ast.Call) and getattr(n.func.value.func, "id", "") == "super"), None)
    if call is None:
        first = init.body[0]
        docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
        at = first.end_lineno if docstring else first.lineno - 1
        lines.insert(at, " " * first.col_offset + "super().__init__(embed_dim, block_loc)")
    elif not call.args and not call.keywords and call.lineno == call.end_lineno:
        encoded = lines[call.lineno - 1].encode()
        lines[call.lineno - 1] = (encoded[: call.col_offset] + b"super().__init__(embed_dim, block_loc)" + encoded[call.end_col_offset :]).decode()
    return "\n".join(lines)


def _silent(code: str) -> str:
    """Without statements that only print."""
    lines = code.split("\n")
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and getattr(node.value.func, "id", "") == "print":
            first = lines[node.lineno - 1].encode()
            before, after = first[: node.col_offset].decode(), lines[node.end_lineno - 1].encode()[node.end_col_offset :].decode()
            lines[node.lineno - 1 : node.end_lineno] = [f"{before}pass{after}"] + [""] * (node.end_lineno - node.lineno)
    return "\n".join(lines)


def _configured(code: str) -> str:
    module = ast.parse(code)
    names = {t.id for n in module.body if isinstance(n, (ast.Assign, ast.AnnAssign))
             for t in (n.targets if isinstance(n, ast.Assign) else [n.target]) if isinstance(t, ast.Name)}
    return code if "gab_config" in names or _gab(module) is None else code.rstrip("\n") + "\n\n\ngab_config = {}\n"


def _imported(code: str) -> str:
    """What is used and never bound."""
    module = ast.parse(code)
    bound = {a.asname or a.name.split(".")[0] for n in ast.walk(module) if isinstance(n, (ast.Import, ast.ImportFrom)) for a in n.names}
    bound |= {n.id for n in ast.walk(module) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    bound |= {n.name for n in ast.walk(module) if isinstance(n, (ast.ClassDef, ast.FunctionDef))} | {n.arg for n in ast.walk(module) if isinstance(n, ast.arg)}
    used = {n.id for n in ast.walk(module) if isinstance(n, ast.Name)}
    missing = [line for name, line in IMPORTS.items() if name in used - bound]
    if not missing:
        return code
    body = [n for n in module.body if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))]
    future = [n for n in module.body if isinstance(n, ast.ImportFrom) and n.module == "__future__"]
    at = future[-1].end_lineno if future else min((n.lineno - 1 - len(getattr(n, "decorator_list", ())) for n in body), default=0)
    lines = code.split("\n")
    return "\n".join([*lines[:at], *missing, *lines[at:]])


def _gab(module: ast.Module) -> ast.ClassDef | None:
    return next((n for n in module.body if isinstance(n, ast.ClassDef) and n.name == "GAB"), None)


REPAIRS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("without the Markdown fences", _unfenced), ("the block is called GAB", _named), ("GAB derives from GABBase", _based), ("_forward, not forward", _forwarding),
    ("the constructor takes device and dtype", _signed), ("super().__init__ gets embed_dim and block_loc", _initialised), ("without prints", _silent),
    ("a gab_config", _configured), ("the missing imports", _imported))
