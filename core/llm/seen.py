"""The two ends of one try: the request as its model takes it, and what was received of the answer."""

from __future__ import annotations

import json
from dataclasses import replace

from core.llm.base import Answer, Delta, Request, ToolCall, Turn, Usage
from core.llm.catalogue import Card
from core.llm.purse import Held, input_bound
from core.llm.schemas import in_words
from core.llm.scrub import Scrubber


class Seen:
    """What was received of an answer: cleaned of keys, and counted in case that no more comes."""

    def __init__(self, held: Held, card: Card, scrub: Scrubber) -> None:
        self._held = held
        self._card = card
        self._scrub = scrub
        self._pieces = {kind: scrub.pieces() for kind in ("text", "reasoning", "call")}
        self._bytes = 0
        self._usage: Usage | None = None

    def take(self, delta: Delta) -> list[Delta]:
        """The delta as it may be shown, if it may."""
        if delta.kind == "usage":
            self._usage = Usage(**json.loads(delta.text))
        pieces = self._pieces.get(delta.kind)
        if pieces is None:
            return []
        self._bytes += len(delta.text.encode("utf-8", "replace")) + len(delta.name)
        text = pieces.feed(delta.text)
        return [replace(delta, text=text)] if text or delta.name else []

    def rest(self) -> list[Delta]:
        return [Delta(kind, text) for kind, pieces in self._pieces.items() if (text := pieces.rest())]

    def clean(self, answer: Answer) -> Answer:
        """Sealed reasoning cannot be cleaned, its seal would break: where a key is in it, it is left out."""
        exact = self._scrub.exact
        calls = tuple(ToolCall(exact(c.id), exact(c.name), exact(c.arguments)) for c in answer.calls)
        opaque = tuple(o for o in answer.opaque if (text := json.dumps(o, ensure_ascii=False)) == exact(text))
        return replace(answer, text=exact(answer.text), reasoning=exact(answer.reasoning), model=exact(answer.model), calls=calls, opaque=opaque)

    def most(self) -> Usage:
        """The most that a cut answer can have taken. A token is at least a byte; reasoning out of sight may have taken all."""
        input_tokens = self._usage.input if self._usage and self._usage.input else self._held.input_bound
        output = self._held.request.max_tokens
        if not self._card.hidden:
            output = min(output, self._bytes)
        return Usage(min(input_tokens, self._held.input_bound), output, estimated=True)


def fitted(request: Request, card: Card) -> Request:
    """The request as the model takes it: what it does not know is left out, a schema becomes words, the answer fits its context."""
    if request.temperature is not None and not card.temperature:
        request = replace(request, temperature=None)
    if request.effort and not card.effort:
        request = replace(request, effort="")
    if request.schema and not card.schema:
        request = in_words(request)
    if not card.tools:
        request = replace(request, tools=(), tool_choice="auto", turns=tuple(_told(t) for t in request.turns))
    turns = tuple(replace(t, text=_utf8(t.text), calls=tuple(replace(c, arguments=_utf8(c.arguments)) for c in t.calls)) for t in request.turns)
    most = request.max_tokens
    if card.max_output:
        most = min(most, card.max_output)
    if card.context:  # about three bytes a token; where that guess is wrong the provider says so
        most = min(most, max(256, card.context - input_bound(request) // 3))
    return replace(request, turns=turns, max_tokens=most)


def _told(turn: Turn) -> Turn:
    """Calls and results that another model made, for one that knows no tools."""
    if turn.role == "tool":
        return Turn("user", f"The result:\n{turn.text}")
    return replace(turn, text="\n".join(filter(None, [turn.text, *(f"I look up: {c.name} {c.arguments}" for c in turn.calls)])), calls=()) if turn.calls else turn


def _utf8(text: str) -> str:
    """Half a surrogate pair (from a file read carelessly) cannot be sent."""
    return text.encode("utf-8", "replace").decode("utf-8")
