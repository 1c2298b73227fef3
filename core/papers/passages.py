"""Sections cut into passages: whole paragraphs, about a thousand characters each, never through a formula or a sentence if it can be helped."""

from __future__ import annotations

import re
from collections.abc import Iterable

AIM, MOST = 1000, 1600       # characters
MOST_PASSAGES = 2000         # of one file


def passages(sections: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """(section, passage), in order."""
    found = [(head, piece) for head, text in sections for piece in _pieces(text)]
    return found[:MOST_PASSAGES]


def _pieces(text: str) -> list[str]:
    pieces, now = list[str](), ""
    for part in _parts(text):
        if now and len(now) + len(part) > AIM:
            pieces.append(now)
            now = ""
        now = f"{now}\n\n{part}" if now else part
    return [*pieces, now] if now else pieces


def _parts(text: str) -> list[str]:
    """Paragraphs, those that are too long by sentences; a line that breaks in the middle of a sentence is one line."""
    found = []
    for paragraph in re.split(r"\n\s*\n", text):
        words = _lines(paragraph)
        if len(words) <= MOST:
            found += [words] if words else []
            continue
        now = ""
        for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z(\[$])", words):
            while len(sentence) > MOST:                          # a table, or text without a full stop
                cut = sentence.rfind(" ", 0, MOST)
                cut = cut if cut > AIM // 2 else MOST
                found += [f"{now} {sentence[:cut]}".strip()]
                now, sentence = "", sentence[cut:].strip()
            if now and len(now) + len(sentence) > AIM:
                found.append(now)
                now = ""
            now = f"{now} {sentence}".strip()
        found += [now] if now else []
    return found


def _lines(paragraph: str) -> str:
    """Lists, tables and code keep their lines; prose does not."""
    lines = [line.rstrip() for line in paragraph.strip("\n").splitlines()]
    if any(re.match(r"\s*(?:[-*+•|>]|\d+[.)]\s|```|~~~| {4}|\t)", line) for line in lines):
        return "\n".join(lines).strip()
    return " ".join(" ".join(lines).split())
