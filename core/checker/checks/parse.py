"""Reads the source without running it."""

from __future__ import annotations

import ast

from core.checker.checks.common import Outcome

MAX_KB = 64          # a reference is about 10 KB; a block of more cannot be reviewed by anybody


def parse(code: str) -> Outcome:
    """One module of at most 64 KB with one class GAB and one gab_config; what cannot be read cannot be reviewed."""
    size = len(code.encode())
    if size > MAX_KB * 1024:
        return Outcome("fail", f"{size:,} bytes, at most {MAX_KB * 1024:,}", "shorten it")
    try:
        tree = ast.parse(code)
    except SyntaxError as error:
        line = (error.text or "").rstrip("\n")
        caret = " " * max(0, (error.offset or 1) - 1) + "^"
        return Outcome("fail", f"gab.py:{error.lineno}:{error.offset}: {error.msg}\n{line}\n{caret}", "mend the syntax at the caret")
    except (ValueError, RecursionError, MemoryError) as error:
        return Outcome("fail", f"gab.py cannot be parsed: {error}", "take out NUL bytes and deep nesting")
    classes = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "GAB"]
    if len(classes) != 1:
        where = ", ".join(f"line {n.lineno}" for n in classes)
        return Outcome("fail", f"{len(classes)} classes GAB" + (f" ({where})" if where else ""), "define exactly one class GAB(GABBase)")
    names = {t.id for n in tree.body if isinstance(n, (ast.Assign, ast.AnnAssign))
             for t in (n.targets if isinstance(n, ast.Assign) else [n.target]) if isinstance(t, ast.Name)}
    if "gab_config" not in names:
        return Outcome("fail", "no gab_config", "add gab_config = {...}, empty if there are no hyperparameters")
    return Outcome("pass", f"{len(code.splitlines())} lines, {size / 1024:.1f} KB")
