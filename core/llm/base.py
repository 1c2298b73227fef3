"""The one interface to language models: turns in; deltas of text, reasoning and tool calls out; at the end an Answer with usage and finish reason.

A model is named `provider:model`, e.g. `openai:gpt-5`, `anthropic:claude-sonnet-4-5`, `ollama:qwen3:8b`; providers are entries of library/providers.yaml.
Everything here is data that goes into the store and comes back from it unchanged.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Protocol

from core.types import Json, sha256_text


class Finish(StrEnum):
    """Why an answer ended."""

    STOP = "stop"
    LENGTH = "length"        # max_tokens was reached
    CALLS = "calls"          # it waits for the results of its tool calls
    REFUSED = "refused"      # the provider's filter, or the model's own refusal


@dataclass(frozen=True)
class ToolCall:
    id: str
    name: str
    arguments: str                   # JSON as the model wrote it; parsed by whoever runs the tool


@dataclass(frozen=True)
class Turn:
    """One message. `role` is system, user, assistant or tool."""

    role: str
    text: str = ""
    calls: tuple[ToolCall, ...] = () # of an assistant
    call_id: str = ""                # of a tool's result: which call it answers
    opaque: tuple[Json, ...] = ()    # what a provider wants handed back as it was (signed reasoning); others leave it out


@dataclass(frozen=True)
class Tool:
    name: str
    about: str
    parameters: Mapping[str, Any]    # JSON schema of an object


@dataclass(frozen=True)
class Schema:
    """Structured output: the answer's text is one JSON object of this schema."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    schema: Schema | None = None
    max_tokens: int = 8192           # of the answer, reasoning included
    temperature: float | None = None # left out where a model does not take one
    effort: str = ""                 # of reasoning: "", low, medium or high
    deadline_s: float = 600.0        # for the whole answer, pings or not
    tool_choice: str = "auto"        # none: the tools are told, since turns hold calls of them, and no more of them may be called

    def to_dict(self) -> Json:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Request:
        turns = tuple(Turn(**{**t, "calls": tuple(ToolCall(**c) for c in t["calls"]), "opaque": tuple(t["opaque"])}) for t in data["turns"])
        return cls(**{**data, "turns": turns, "tools": tuple(Tool(**t) for t in data["tools"]), "schema": Schema(**data["schema"]) if data["schema"] else None})

    @property
    def hash(self) -> str:
        """Of what the answer depends on: how long one waits for it does not, and a choice that was left open is not named."""
        return sha256_text(json.dumps({k: v for k, v in self.to_dict().items() if k != "deadline_s" and (k, v) != ("tool_choice", "auto")}, sort_keys=True))


@dataclass(frozen=True)
class Delta:
    """The next piece of an answer. `kind` is text, reasoning or call (a piece of a tool call's arguments).

    Between a provider and its caller there are also `usage` (JSON of what is counted so far) and `wait` (nothing came for a moment); whoever asks the caller
    gets `restart` instead: what was said so far was cut off and is said again, for the reason in `text`.
    """

    kind: str
    text: str
    name: str = ""                   # of the tool, with its first piece


@dataclass(frozen=True)
class Usage:
    """Tokens, as the provider counted them; `estimated` where it did not and they were counted here."""

    input: int = 0                   # all of the prompt, cached ones included
    output: int = 0                  # all of the answer, reasoning included
    cached: int = 0                  # of the input: read from the provider's cache
    cache_written: int = 0           # of the input: written to it
    reasoning: int = 0               # of the output
    estimated: bool = False


@dataclass(frozen=True)
class Answer:
    text: str
    finish: Finish
    usage: Usage
    model: str                       # as the provider named it
    reasoning: str = ""
    calls: tuple[ToolCall, ...] = ()
    opaque: tuple[Json, ...] = ()

    def turn(self) -> Turn:
        """As the assistant's turn of the next request."""
        return Turn("assistant", self.text, self.calls, opaque=self.opaque)

    def to_dict(self) -> Json:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Answer:
        return cls(**{**data, "finish": Finish(data["finish"]), "usage": Usage(**data["usage"]), "opaque": tuple(data.get("opaque", ())),
                      "calls": tuple(ToolCall(**c) for c in data.get("calls", ()))})


class Provider(Protocol):
    """One way of reaching models. It tries once: retries, budgets and records are the caller's (core/llm/caller.py)."""

    name: str

    def stream(self, model: str, request: Request) -> Iterator[Delta | Answer]:
        """Deltas, then exactly one Answer. Raises a LanguageModelError for everything that goes wrong, a cut stream and a missing finish reason included.
        Closing the iterator closes the connection."""
        ...
