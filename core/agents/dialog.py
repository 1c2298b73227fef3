"""How agents speak: typed events on a session's stream, written as they are said, read by the pages as they come.

| kind | data |
| --- | --- |
| phase | {"phase": proposing, reviewing, waiting, implementing or closed, "note": words} |
| message | {"role": designer, reviewer, coder, system or person, "message": number, "design": id or None} |
| delta | {"message": number, "text": the next piece of Markdown} |
| message_end | {"message": number} |
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from core.types import Json

Append = Callable[[str, str, Json], None]  # (kind, author, data)


class Message:
    """One open message. `say` streams a piece of Markdown."""

    def __init__(self, append: Append, author: str, number: int) -> None:
        self._append = append
        self._author = author
        self._number = number
        self.text = ""

    def say(self, text: str) -> None:
        if text:
            self._append("delta", self._author, {"message": self._number, "text": text})
            self.text += text


class Dialog:
    """A session's stream, seen by those who speak in it."""

    def __init__(self, append: Append) -> None:
        self._append = append

    def phase(self, phase: str, note: str = "") -> None:
        self._append("phase", "system", {"phase": phase, "note": note})

    @contextmanager
    def message(self, author: str, role: str, design: str | None = None) -> Iterator[Message]:
        """Open a message; it ends with the block, also when the block fails, so that no reader waits for more."""
        number = secrets.randbits(31)
        self._append("message", author, {"role": role, "message": number, "design": design})
        try:
            yield Message(self._append, author, number)
        finally:
            self._append("message_end", author, {"message": number})
