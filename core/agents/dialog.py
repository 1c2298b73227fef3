"""How agents speak: typed events on a session's stream, written as they are said, read by the pages as they come.

| kind | data |
| --- | --- |
| phase | {"phase": proposing, reviewing, waiting, paused, implementing or closed, "note": words}; of a pause for a budget its "account", too |
| message | {"role": designer, reviewer, coder, … system or person, "message": number, "design": id or None, "key": of the call} |
| delta | {"message": number, "text": the next piece of Markdown, "kind": text or reasoning} |
| restart | {"message": number, "why": words}: what was said of the message so far was cut off, and is said again |
| call | {"message": number, "name": tool, "arguments": JSON text} |
| result | {"message": number, "key": of the answer that asked, "call": id, "text": what the tool said} |
| message_end | {"message": number}, and of a language model {"model", "usage", "money"} |
| prompt | {"key": of the conversation, "turns": what it began with, "spec", "revision", "guidance": ids of a person's records in it, "asking": models, parameters, tools, limits} |
| gave_up | {"key": of the conversation}: its answers could not be used; tried again, it begins anew instead of from them |

The stream is the record of the conversation, too: one that was cut off goes on from its last complete message, with the prompt and the tools'
results that were recorded, so that answers already paid for fit and are not asked again.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property

from core.types import Event, Json, sha256_text

Append = Callable[[str, str, Json], None]  # (kind, author, data)
FLUSH_S, FLUSH_CHARS = 0.2, 600            # an event a token would be thousands of them


class Message:
    """One open message. `say` writes a piece of Markdown at once, `stream` gathers small ones."""

    def __init__(self, append: Append, author: str, number: int) -> None:
        self._append = append
        self._author = author
        self._number = number
        self._waiting: list[str] = []
        self._kind = "text"
        self._flushed = time.monotonic()
        self.text = ""
        self.facts: Json = {}                # told with its end: model, usage, money

    def say(self, text: str, kind: str = "text") -> None:
        self.flush()
        self._kind = kind
        self._waiting.append(text)
        self.flush()

    def stream(self, text: str, kind: str = "text") -> None:
        if kind != self._kind:
            self.flush()
            self._kind = kind
        self._waiting.append(text)
        if time.monotonic() - self._flushed > FLUSH_S or sum(map(len, self._waiting)) > FLUSH_CHARS:
            self.flush()

    def flush(self) -> None:
        text = "".join(self._waiting)
        self._waiting.clear()
        self._flushed = time.monotonic()
        if text:
            self._write("delta", {"text": text} if self._kind == "text" else {"text": text, "kind": self._kind})
            self.text += text if self._kind == "text" else ""

    def restart(self, why: str) -> None:
        """What was said so far was cut off; it is said again."""
        self._waiting.clear()
        self.text = ""
        self._write("restart", {"why": why})

    def call(self, name: str, arguments: str) -> None:
        self.flush()
        self._write("call", {"name": name, "arguments": arguments})

    def result(self, key: str, call: str, text: str) -> None:
        self._write("result", {"key": key, "call": call, "text": text})

    def _write(self, kind: str, data: Json) -> None:
        self._append(kind, self._author, {"message": self._number, **data})


class Dialog:
    """A session's stream, seen by those who speak in it. `recorded` gives what is on it already."""

    def __init__(self, append: Append, recorded: Callable[[], Iterable[Event]] = tuple) -> None:
        self._append = append
        self._recorded = recorded

    def phase(self, phase: str, note: str = "", **facts: str) -> None:
        self._append("phase", "system", {"phase": phase, "note": note, **facts})

    @contextmanager
    def message(self, author: str, role: str, design: str | None = None, key: str = "") -> Iterator[Message]:
        """Open a message; it ends with the block, also when the block fails, so that no reader waits for more.

        With the `key` of a call it is said once: begun anew where it was cut off, silent where it is complete already.
        """
        number = int(sha256_text(key)[:8], 16) >> 1 if key else secrets.randbits(31)
        if key and number in self._past.ended:
            yield Message(lambda kind, author, data: None, author, number)
            return
        self._append("message", author, {"role": role, "message": number, "design": design} | ({"key": key} if key else {}))
        message = Message(self._append, author, number)
        complete = False
        try:
            yield message
            complete = True
        finally:
            message.flush()
            self._append("message_end", author, {"message": number, **message.facts} | ({} if complete or not key else {"cut": True}))

    def prompt(self, key: str, author: str, make: Callable[[], Json]) -> Json:
        """What the conversation began with: as it was recorded, or made and recorded now. {"turns", "spec", "revision", "guidance"}"""
        if key not in self._past.prompts:
            made = make()
            self._append("prompt", author, {"key": key, **made})
            self._past.prompts[key] = made
        return self._past.prompts[key]

    def give_up(self, key: str, author: str) -> None:
        self._append("gave_up", author, {"key": key})
        self._past.given_up[key] = self._past.given_up.get(key, 0) + 1

    def anew(self, key: str) -> str:
        """The key under which a conversation is had now: another one each time it was given up."""
        times = self._past.given_up.get(key, 0)
        return f"{key}~{times}" if times else key

    def result(self, key: str, call: str) -> str | None:
        """What a tool said to a call, if it was asked before."""
        return self._past.results.get((key, call))

    def note_result(self, key: str, call: str, text: str) -> None:
        self._past.results[key, call] = text

    @cached_property
    def _past(self) -> _Past:
        return _Past(list(self._recorded()))


class _Past:
    def __init__(self, events: Sequence[Event]) -> None:
        self.ended: set[int] = set()
        self.prompts: dict[str, Json] = {}
        self.results: dict[tuple[str, str], str] = {}
        self.given_up: dict[str, int] = {}
        for event in events:
            if event.kind == "message_end" and not event.data.get("cut"):
                self.ended.add(event.data["message"])
            elif event.kind == "prompt":
                self.prompts[event.data["key"]] = event.data
            elif event.kind == "gave_up":
                self.given_up[event.data["key"]] = self.given_up.get(event.data["key"], 0) + 1
            elif event.kind == "result":
                self.results[event.data["key"], event.data["call"]] = event.data["text"]
