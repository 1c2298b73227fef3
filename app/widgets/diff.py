"""What changed between two texts: one column of lines, the words that differ marked in them, told apart by sign and by blue and orange."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

import streamlit as st

from app import shell

NEAR = 3             # unchanged lines round a change
ALIKE = 0.4          # of two lines: from here on their words are compared, below they are two lines
LONGEST = 4000       # characters of a line that are compared and shown
MOST = 3000          # lines drawn
Span = tuple[bool, str]              # (whether it differs, text)

CSS = """<style>
.difference {border: 1px solid rgba(128,128,128,.3); border-radius: .5rem; overflow: hidden; font-size: .86rem; line-height: 1.5;}
.difference.code {font-family: ui-monospace, SFMono-Regular, Menlo, monospace; font-size: .8rem;}
.difference div {display: flex; white-space: pre-wrap; overflow-wrap: anywhere;}
.difference .sign {flex: 0 0 1.4rem; text-align: center; user-select: none; font-family: ui-monospace, monospace;}
.difference .line {flex: 1 1 auto; min-width: 0; padding-right: .5rem; unicode-bidi: plaintext;}
.difference .new {background: rgba(0,114,178,.13);} .difference .old {background: rgba(213,94,0,.12);}
.difference .new b {background: rgba(0,114,178,.32); font-weight: 600; border-radius: 2px;}
.difference .old b {background: rgba(213,94,0,.3); font-weight: 600; border-radius: 2px; text-decoration: line-through;}
.difference .gap {justify-content: center; opacity: .6; background: rgba(128,128,128,.1); font-size: .76rem;}
</style>"""


@dataclass(frozen=True)
class Line:
    """`sign`: "+" new, "−" old, " " in both; "…" stands for `count` lines that are the same."""

    sign: str
    spans: tuple[Span, ...] = ()
    count: int = 0


def draw_diff(old: str, new: str, key: str, language: str | None = None) -> None:
    """In a container of that key. With a `language` it is code: in one width of letters. What was written is shown as text, whatever it holds."""
    lines = list(compared(shell.upright(old), shell.upright(new)))
    with st.container(key=key):
        if not any(line.sign in "+−" for line in lines):
            st.caption("No difference.")
            return
        added, removed = (sum(line.sign == sign for line in lines) for sign in "+−")
        st.caption(f":blue[+{added}] :orange[−{removed}] line{'s' * (added + removed != 1)}")
        st.html(f"{CSS}<div class='difference{' code' if language else ''}' role='group' aria-label='what changed'>{''.join(map(_html, lines[:MOST]))}</div>")
        if len(lines) > MOST:
            st.caption(shell.plain(f"… and {len(lines) - MOST} lines more"))


def compared(old: str, new: str) -> Iterator[Line]:
    """The lines of both, in order; what is far from any change becomes one line that counts it."""
    before, after = old.splitlines(), new.splitlines()
    blocks = difflib.SequenceMatcher(None, before, after, autojunk=len(before) + len(after) > 4000).get_opcodes()
    for n, (tag, a, b, c, d) in enumerate(blocks):
        if tag == "equal":
            yield from _kept(before[a:b], first=n == 0, last=n == len(blocks) - 1)
        else:
            yield from _changed(before[a:b], after[c:d])


def _kept(lines: Sequence[str], first: bool, last: bool) -> Iterator[Line]:
    head, tail = 0 if first else NEAR, 0 if last else NEAR
    if len(lines) <= head + tail + 1:
        head, tail = len(lines), 0
    yield from (_plain(" ", line) for line in lines[:head])
    if hidden := len(lines) - head - tail:
        yield Line("…", count=hidden)
    yield from (_plain(" ", line) for line in lines[len(lines) - tail:])


def _changed(old: Sequence[str], new: Sequence[str]) -> Iterator[Line]:
    """Lines that stand in for each other are compared word by word."""
    pairs = [_words(a, b) for a, b in zip(old, new, strict=False)] if len(old) == len(new) or max(len(old), len(new)) <= 40 else []
    yield from (Line("−", pair[0]) if pair else _plain("−", line) for line, pair in _with(old, pairs))
    yield from (Line("+", pair[1]) if pair else _plain("+", line) for line, pair in _with(new, pairs))


def _with(lines: Sequence[str], pairs: Sequence[tuple[tuple[Span, ...], tuple[Span, ...]] | None]) -> Iterable[tuple[str, tuple[tuple[Span, ...], tuple[Span, ...]] | None]]:
    return ((line, pairs[n] if n < len(pairs) else None) for n, line in enumerate(lines))


def _words(old: str, new: str) -> tuple[tuple[Span, ...], tuple[Span, ...]] | None:
    """Both lines as spans; None where they have too little in common."""
    before, after = (re.findall(r"\w+|\s+|[^\w\s]", line[:LONGEST]) for line in (old, new))
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    if len(before) * len(after) > 400_000 or matcher.ratio() < ALIKE:
        return None
    left: list[Span] = []
    right: list[Span] = []
    for tag, a, b, c, d in matcher.get_opcodes():
        left += [(tag != "equal", "".join(before[a:b]))] if b > a else []
        right += [(tag != "equal", "".join(after[c:d]))] if d > c else []
    return tuple(left), tuple(right)


def _plain(sign: str, line: str) -> Line:
    return Line(sign, ((False, line if len(line) <= LONGEST else f"{line[:LONGEST]} … ({len(line) - LONGEST} characters more)"),))


def _html(line: Line) -> str:
    if line.sign == "…":
        return f"<div class='gap'>{line.count} line{'s' * (line.count != 1)} the same</div>"
    kind = {"+": "new", "−": "old"}.get(line.sign, "same")
    spoken = {"+": "added", "−": "removed"}.get(line.sign, "")
    text = "".join(f"<b>{escape(words)}</b>" if differs else escape(words) for differs, words in line.spans)
    return f"<div class='{kind}'><span class='sign'{f' aria-label={spoken!r}' if spoken else ''}>{line.sign}</span><span class='line'>{text or ' '}</span></div>"
