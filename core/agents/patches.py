"""Edits of code as a language model writes them: search/replace blocks that apply exactly, or are refused with what was there instead.

    <<<<<<< SEARCH
    lines as they are
    =======
    lines as they shall be
    >>>>>>> REPLACE
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from core.errors import UsageError

BLOCK = re.compile(r"^<{5,9} ?SEARCH[^\n]*\n(.*?)^={5,9}[^\n]*\n(.*?)^>{5,9} ?REPLACE[^\n]*$", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^(`{3,})[^\n`]*\n(.*?)^\1[ \t]*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Edit:
    search: str
    replace: str


def edits_in(text: str) -> list[Edit]:
    return [Edit(m.group(1), m.group(2)) for m in BLOCK.finditer(text)]


def code_in(text: str) -> str | None:
    """The longest fenced block that is no edit; the whole text where it is code without a fence; None where there is none."""
    blocks = [m.group(2) for m in FENCE.finditer(text) if not BLOCK.search(m.group(2))]
    if blocks:
        return max(blocks, key=len)
    unclosed = re.search(r"^`{3,}[^\n`]*\n(.*)\Z", text, re.MULTILINE | re.DOTALL)
    if unclosed and not BLOCK.search(text):
        return unclosed.group(1)
    return text if re.search(r"^class \w+", text, re.MULTILINE) and "```" not in text and not BLOCK.search(text) else None


def apply(code: str, edits: list[Edit]) -> str:
    """All of them or none. Raises UsageError saying which one does not fit and what is there that comes nearest."""
    for n, edit in enumerate(edits, 1):
        where = f"edit {n} of {len(edits)}"
        if not edit.search.strip():
            raise UsageError(f"{where}: its SEARCH part is empty", "copy the lines that shall be replaced, or write the whole unit")
        found = _occurrences(code, edit.search)
        if not found:
            raise UsageError(f"{where}: its SEARCH part is not in the code; nearest is:\n{_nearest(code, edit.search)}",
                             "copy the lines exactly as they are, spaces included")
        if len(found) > 1:
            raise UsageError(f"{where}: its SEARCH part is in the code {len(found)} times", "take more lines around it, so that it fits once")
        start, end = found[0]
        code = code[:start] + edit.replace + code[end:]
    return code


def _occurrences(code: str, search: str) -> list[tuple[int, int]]:
    """Whole lines only; spaces at the ends of lines do not count."""
    lines, wanted = code.splitlines(keepends=True), [line.rstrip() for line in search.splitlines()]
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    bare = [line.rstrip() for line in lines]
    return [(starts[i], starts[i + len(wanted)]) for i in range(len(bare) - len(wanted) + 1) if bare[i : i + len(wanted)] == wanted]


def _nearest(code: str, search: str) -> str:
    lines, n = code.splitlines(), max(1, len(search.splitlines()))
    windows = ["\n".join(lines[i : i + n]) for i in range(max(1, len(lines) - n + 1))]
    return max(windows, key=lambda window: difflib.SequenceMatcher(None, window, search, autojunk=False).quick_ratio(), default="(the code is empty)")
