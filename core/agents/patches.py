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

BEGIN, MIDDLE, END = re.compile(r"<{5,9} ?SEARCH\b"), re.compile(r"={5,9}\s*$"), re.compile(r">{5,9} ?REPLACE\b")
FENCE = re.compile(r"(`{3,})[^`]*$")


@dataclass(frozen=True)
class Edit:
    search: str
    replace: str


def edits_in(text: str) -> list[Edit]:
    """Line by line: an answer that repeats a marker ten thousand times is read as fast as any other."""
    found: list[Edit] = []
    search: list[str] | None = None
    replace: list[str] | None = None
    for line in text.splitlines(keepends=True):
        if BEGIN.match(line):
            search, replace = [], None
        elif search is not None and replace is None and MIDDLE.match(line):
            replace = []
        elif search is not None and replace is not None and END.match(line):
            found.append(Edit("".join(search), "".join(replace)))
            search = replace = None
        elif replace is not None:
            replace.append(line)
        elif search is not None:
            search.append(line)
    return found


def code_in(text: str) -> str | None:
    """The longest fenced block that is no edit; the whole text where it is code without a fence; None where there is none."""
    blocks, edits = _fenced(text), BEGIN.search(text) is not None and bool(edits_in(text))
    code = [block for block in blocks if not edits_in(block)]
    if code:
        return max(code, key=len)
    bare = not blocks and not edits and "```" not in text
    return text if bare and re.search(r"^class \w+", text, re.MULTILINE) else None


def _fenced(text: str) -> list[str]:
    """What stands between fences; the last one need not be closed."""
    found: list[str] = []
    fence, held = "", []
    for line in text.splitlines(keepends=True):
        mark = FENCE.match(line)
        if not fence and mark:
            fence, held = mark.group(1), []
        elif fence and line.rstrip() == fence:
            found.append("".join(held))
            fence = ""
        elif fence:
            held.append(line)
    return [*found, "".join(held)] if fence and held else found


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
