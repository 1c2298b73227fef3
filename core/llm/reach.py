"""Providers as objects, made when they are first asked."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from core.config import KEYS, Config
from core.errors import KeyRefused, UsageError
from core.llm.base import Provider
from core.llm.catalogue import Entry
from core.llm.scrub import Scrubber


class Reach:
    """`extra`: providers by name that stand in the place of those of the catalogue (the record, a fake)."""

    def __init__(self, config: Config, extra: Mapping[str, Provider] | None = None) -> None:
        self.keys = config.keys
        self.scrub = Scrubber(config.keys.values())
        self._variables = config.key_variables
        self._lock = threading.Lock()
        self._made: dict[str, Provider] = dict(extra or {})

    def provider(self, entry: Entry) -> Provider:
        with self._lock:
            if entry.name not in self._made:
                self._made[entry.name] = self._make(entry)
            return self._made[entry.name]

    def close(self) -> None:
        with self._lock:
            for provider in self._made.values():
                getattr(provider, "close", lambda: None)()

    def _make(self, entry: Entry) -> Provider:
        if entry.wire == "local":
            from core.llm.local import LocalWire

            return LocalWire(entry)
        if entry.wire == "replay":
            raise UsageError(f"{entry.name} answers from a record, and none was given", "replay a session")
        key = self.keys.get(entry.key, "") if entry.key else ""
        if entry.key and not key:
            raise KeyRefused(f"{entry.label} needs a key, and none is set", f"set {' or '.join(KEYS.get(entry.key, (entry.key,)))}, or use another provider")
        if not (key.isascii() and key.isprintable()):
            raise KeyRefused(f"what {self._variables.get(entry.key, entry.key)} holds is no key: there are characters in it that none has", "copy it again")
        return _wire(entry.wire)(entry, str.__str__(key), self._variables.get(entry.key, ""), self.scrub)


def _wire(kind: str) -> type:
    if kind == "chat":
        from core.llm.openai_chat import ChatWire

        return ChatWire
    if kind == "responses":
        from core.llm.openai_responses import ResponsesWire

        return ResponsesWire
    from core.llm.anthropic_messages import MessagesWire

    return MessagesWire
