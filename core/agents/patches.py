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

BEGIN, MIDDLE, END = re.compile(r"([ \t]*)<{5,9} ?SEARCH\b"), re.compile(r"={5,9}\s*$"), re.compile(r">{5,9} ?REPLACE\b")
FENCE = re.compile(r"(`{3,})[^`]*$")


@dataclass(frozen=True)
class Edit:
    search: str
    replace: str


def edits_in(text: str) -> list[Edit]:
    """Every edit of an answer, or UsageError for the first that is cut off or ill-formed: half of what a model meant is not what it meant.

    Line by line, so that an answer that repeats a marker ten thousand times is read as fast as any other. A block that is indented as a whole (in a list) counts without it.
    """
    found: list[Edit] = []
    search: list[str] | None = None
    replace: list[str] | None = None
    indent = ""
    for line in text.splitlines(keepends=True):
        begins = BEGIN.match(line)
        line = line.removeprefix(indent)
        if begins:
            if search is not None:
                raise _ill_formed(found, "another one begins before its end")
            search, replace, indent = [], None, begins.group(1)
        elif END.match(line):
            if search is None or replace is None:
                raise _ill_formed(found, "its end comes " + ("without a beginning" if search is None else "before its ======="))
            found.append(Edit("".join(search), "".join(replace)))
            search, replace, indent = None, None, ""
        elif search is not None and MIDDLE.match(line):
            if replace is not None:
                raise _ill_formed(found, "it has two lines =======")
            replace = []
        elif replace is not None:
            replace.append(line)
        elif search is not None:
            search.append(line)
    if search is not None:
        raise _ill_formed(found, "it is cut off before its >>>>>>> REPLACE")
    return found


def _ill_formed(before: list[Edit], why: str) -> UsageError:
    return UsageError(f"edit {len(before) + 1}: {why}; none of the edits was applied",
                      "give all of them again, each as <<<<<<< SEARCH, the lines as they are, =======, the lines as they shall be, >>>>>>> REPLACE")


def _has_edits(text: str) -> bool:
    return any(BEGIN.match(line) or END.match(line) for line in text.splitlines())


def code_in(text: str) -> str | None:
    """The longest fenced block that is no edit; the whole text where it is code without a fence; None where there is none."""
    blocks, edits = _fenced(text), _has_edits(text)
    code = [block for block in blocks if not _has_edits(block)]
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
