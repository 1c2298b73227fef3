"""Reads the source without running it: may this be a block at all? Each finding says file:line:column, the line, why, and what to write instead."""

from __future__ import annotations

import ast
import re
import unicodedata
from dataclasses import dataclass

MAX_KB = 64          # a reference is about 10 KB; a block of more cannot be reviewed by anybody
DEPTH = 80           # of nested brackets: deeper ones crash parsers
MODULES = {
    "torch", "einops", "math", "typing", "typing_extensions", "dataclasses", "functools", "itertools", "collections", "abc", "enum", "copy", "numbers", "warnings",
    "contextlib", "operator", "inspect", "numpy", "core.gab", "core.errors", "model_discovery", "block_registry", "__future__", "opt_einsum", "string", "re", "random"}
NOT_OF_TORCH = ("torch.distributed", "torch.multiprocessing", "torch.utils.cpp_extension", "torch.hub", "torch.package", "torch.serialization", "torch.utils.data",
                "torch._C", "torch.utils.tensorboard", "torch.profiler", "torch.onnx", "torch.ops", "torch.classes", "torch.library", "torch.overrides", "torch.utils._python_dispatch")
CALLS = {"eval", "exec", "compile", "open", "input", "breakpoint", "__import__", "globals", "locals", "vars", "exit", "quit", "memoryview"}
ATTRIBUTES = {"__globals__", "__builtins__", "__subclasses__", "__bases__", "__mro__", "__code__", "__closure__", "__loader__", "__spec__", "__reduce__", "__reduce_ex__",
              "__class__", "f_globals", "f_locals", "f_back", "gi_frame", "tb_frame", "_current_frames", "set_default_dtype", "set_default_device", "use_deterministic_algorithms",
              "set_num_threads", "manual_seed", "set_rng_state", "from_file", "from_blob", "ctypes", "load_inline", "storage", "untyped_storage", "data_ptr"}
NAMES = {"__builtins__", "__loader__", "__spec__"}
TORCH_CALLS = {"load", "save", "compile", "jit", "hub"}
CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
CODING = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")


@dataclass(frozen=True)
class Finding:
    line: int                        # from 1; 0 for the file as a whole
    column: int
    what: str
    mend: str
    text: str = ""                   # the line itself

    def __str__(self) -> str:
        where = f"gab.py:{self.line}:{self.column}: " if self.line else "gab.py: "
        caret = f"\n{self.text}\n{' ' * max(0, self.column - 1)}^" if self.text else ""
        return f"{where}{self.what}{caret}"


def findings(code: str) -> list[Finding]:
    """Empty for a file that may be a block. The first ones are those that keep the others from being found."""
    return _text(code) or _parsed(code)


def _text(code: str) -> list[Finding]:
    size = len(code.encode("utf-8", "replace"))
    if size > MAX_KB * 1024:
        return [Finding(0, 0, f"{size:,} bytes, at most {MAX_KB * 1024:,}", "shorten it")]
    found = []
    for number, line in enumerate(code.split("\n"), 1):
        for column, char in enumerate(line, 1):
            if CONTROL.match(char):
                found.append(Finding(number, column, f"a control character, U+{ord(char):04X}", "take it out"))
            elif ord(char) > 127 and unicodedata.category(char) in ("Cf", "Zl", "Zp", "Cs"):
                found.append(Finding(number, column, f"an invisible character, {unicodedata.name(char, f'U+{ord(char):04X}')}: the code may not be what it looks like", "take it out"))
        coding = CODING.match(line) if number <= 2 else None
        if coding and coding[1].lower() not in ("utf-8", "utf8"):
            found.append(Finding(number, 1, f"an encoding declaration, {coding[1]}", "write UTF-8, without a declaration"))
    depth = deepest = 0
    for char in code:
        depth += (char in "([{") - (char in ")]}")
        deepest = max(deepest, depth)
    if deepest > DEPTH:
        found.append(Finding(0, 0, f"brackets nested {deepest} deep, at most {DEPTH}", "write it in steps"))
    return found


def _parsed(code: str) -> list[Finding]:
    lines = code.split("\n")
    try:
        module = ast.parse(code)
    except SyntaxError as error:
        text = (error.text or "").rstrip("\n")
        return [Finding(error.lineno or 0, error.offset or 0, error.msg, "mend the syntax at the caret", text)]
    except (ValueError, RecursionError, MemoryError) as error:
        return [Finding(0, 0, f"cannot be parsed: {error}", "take out deep nesting")]
    found = [*_outline(module), *_names(module)]
    return [Finding(f.line, f.column, f.what, f.mend, lines[f.line - 1][:160] if 0 < f.line <= len(lines) else "") for f in sorted(found, key=lambda f: (f.line, f.column))]


def _outline(module: ast.Module) -> list[Finding]:
    """One class GAB with a fitting constructor, one gab_config."""
    found = []
    classes = [n for n in ast.walk(module) if isinstance(n, ast.ClassDef)]
    gabs = [n for n in module.body if isinstance(n, ast.ClassDef) and n.name == "GAB"]
    if len(gabs) != 1:
        where = ", ".join(f"line {n.lineno}" for n in gabs)
        found.append(Finding(gabs[1].lineno if gabs else 0, 1, f"{len(gabs)} classes GAB" + (f" ({where})" if where else ""), "define exactly one class GAB(GABBase)"))
    elif not gabs[0].bases:
        found.append(Finding(gabs[0].lineno, gabs[0].col_offset + 1, "GAB derives from nothing", "write class GAB(GABBase)"))
    for cls in classes:
        for f in cls.body:
            if isinstance(f, ast.FunctionDef) and f.name in ("forward", "__call__", "__getattribute__", "__setattr__", "__init_subclass__") and _is_unit(cls):
                found.append(Finding(f.lineno, f.col_offset + 1, f"{cls.name} overrides {f.name}", "define _forward(self, X, **Z) instead: forward keeps the Z contract"))
    if len(gabs) == 1:
        found += _constructor(gabs[0])
    names = {t.id for n in module.body if isinstance(n, (ast.Assign, ast.AnnAssign))
             for t in (n.targets if isinstance(n, ast.Assign) else [n.target]) if isinstance(t, ast.Name)}
    if "gab_config" not in names:
        found.append(Finding(0, 0, "no gab_config", "add gab_config = {...}, empty if there are no hyperparameters"))
    return found


def _is_unit(cls: ast.ClassDef) -> bool:
    return any(getattr(base, "id", getattr(base, "attr", "")) in ("GABBase", "GAUBase", "ComposedGAB") for base in cls.bases)


def _constructor(cls: ast.ClassDef) -> list[Finding]:
    init = next((f for f in cls.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"), None)
    if init is None:
        return []
    a = init.args
    given = {arg.arg for arg in (*a.posonlyargs, *a.args, *a.kwonlyargs)}
    missing = [n for n in ("embed_dim", "block_loc") if n not in given] + [n for n in ("device", "dtype") if n not in given and a.kwarg is None]
    if missing and a.vararg is None:
        return [Finding(init.lineno, init.col_offset + 1, f"GAB.__init__ takes no {', '.join(missing)}",
                        "write def __init__(self, embed_dim, block_loc, device=None, dtype=None, …)")]
    return []


def _names(module: ast.Module) -> list[Finding]:
    """Imports and names that a computation has no use for."""
    found = []

    def say(node: ast.AST, what: str, mend: str) -> None:
        found.append(Finding(node.lineno, node.col_offset + 1, what, mend))

    for node in ast.walk(module):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else [f"{node.module or ''}.{a.name}" for a in node.names]
            for name in modules:
                plain = name.removeprefix(".")
                if not any(plain == m or plain.startswith(m + ".") for m in MODULES) or any(plain == m or plain.startswith(m + ".") for m in NOT_OF_TORCH):
                    say(node, f"imports {plain}", f"use {', '.join(sorted(m for m in MODULES if '.' not in m and not m.startswith('_'))[:9])}, …: nothing else is needed for tensors")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            say(node, f"calls {node.func.id}", "a block computes with tensors, and nothing else")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name) and node.func.value.id == "torch" and node.func.attr in TORCH_CALLS:
            say(node, f"calls torch.{node.func.attr}", "a block computes with tensors, and nothing else")
        elif isinstance(node, ast.Attribute) and node.attr in ATTRIBUTES and not (node.attr == "__class__" and _only_named(node)):
            say(node, f"uses .{node.attr}", "a block computes with tensors, and nothing else")
        elif isinstance(node, ast.Name) and node.id in NAMES:
            say(node, f"uses {node.id}", "a block computes with tensors, and nothing else")
        elif isinstance(node, ast.Assign) and any(isinstance(t, ast.Attribute) and _root(t) in ("torch", "nn", "F", "math", "einops") for t in node.targets):
            say(node, "assigns into a module that others use", "keep what you change inside your own classes")
    return found


def _only_named(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id == "self"


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
