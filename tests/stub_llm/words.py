"""What is asked and answered, whatever the wire."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Asked:
    wire: str                            # chat, responses or messages
    model: str
    turns: tuple[tuple[str, str], ...]   # (role, text); a tool's result has the role tool
    tools: tuple[str, ...]               # that may be called
    schema: dict[str, Any] | None
    max_tokens: int
    temperature: float | None
    key: str
    stream: bool
    body: dict[str, Any]                 # as it came
    number: int = 0                      # of the request, from 1

    @property
    def system(self) -> str:
        return "\n\n".join(text for role, text in self.turns if role == "system")

    @property
    def last(self) -> str:
        return self.turns[-1][1] if self.turns else ""

    @property
    def input_tokens(self) -> int:
        """A token is four bytes of what was sent, tools and schema included."""
        return -(-len(json.dumps({k: self.body.get(k) for k in ("messages", "input", "system", "instructions", "tools")}, ensure_ascii=False).encode()) // 4)


@dataclass(frozen=True)
class Call:
    name: str
    arguments: str                       # JSON text, or what the script wants to pass for it
    id: str = ""


@dataclass(frozen=True)
class Reply:
    text: str = ""
    calls: tuple[Call, ...] = ()
    reasoning: str = ""
    finish: str = ""                     # "" (stop, or calls), length, refused
    cached: int = 0                      # tokens of the prompt that were read from a cache

    @property
    def output_tokens(self) -> int:
        return tokens(self.text) + tokens(self.reasoning) + sum(tokens(c.name + c.arguments) for c in self.calls)


def tokens(text: str) -> int:
    return -(-len(text.encode()) // 4)


@dataclass
class Tally:
    """What a provider would bill: the prompt once the answer began, and what was said of it, cut off or not."""

    calls: int = 0
    input: int = 0
    output: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def began(self, input_tokens: int) -> None:
        with self._lock:
            self.calls += 1
            self.input += input_tokens

    def said(self, text: str) -> None:
        with self._lock:
            self.output += tokens(text)
