"""What a model turns out not to take: an optional part of the request that it refused by name is left out, and left out from then on.

library/providers.yaml says what is known about models; new ones, and servers at home, know better.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from core.llm.base import Request
from core.llm.catalogue import Card
from core.llm.schemas import in_words

COMPLAINT = re.compile(r"unsupported|not supported|n.t support|unknown|unrecogni[sz]ed|not permitted|not allowed|extra inputs|deprecated|not available|unexpected|must be verified", re.I)


@dataclass(frozen=True)
class Part:
    """An optional part of a request: how a refusal names it, whether it is there, and the request without it."""

    name: str
    words: re.Pattern[str]
    there: Callable[[Request, Card], bool]
    without: Callable[[Request, Card], tuple[Request, Card]]


PARTS = (
    Part("temperature", re.compile(r"temperature", re.I), lambda r, c: r.temperature is not None, lambda r, c: (replace(r, temperature=None), c)),
    Part("max_tokens", re.compile(r"max_completion_tokens", re.I), lambda r, c: c.limit_name == "max_tokens", lambda r, c: (r, replace(c, limit_name="max_completion_tokens"))),
    Part("summary", re.compile(r"thinking|summary|summaries", re.I), lambda r, c: c.summary, lambda r, c: (r, replace(c, summary=False))),
    Part("tool_choice", re.compile(r"tool_choice", re.I), lambda r, c: r.tool_choice != "auto", lambda r, c: (replace(r, tool_choice="auto"), c)),
    Part("effort", re.compile(r"effort", re.I), lambda r, c: bool(r.effort), lambda r, c: (replace(r, effort=""), c)),
    Part("schema", re.compile(r"response_format|json_schema|output_config|text\.format|structured output|grammar|schema", re.I), lambda r, c: r.schema is not None,
         lambda r, c: (in_words(r), c)),
    Part("cache", re.compile(r"prompt_cache_key|cache_control", re.I), lambda r, c: c.cache, lambda r, c: (r, replace(c, cache=False))),
    Part("hidden", re.compile(r"encrypted_content|\binclude\b", re.I), lambda r, c: c.hidden, lambda r, c: (r, replace(c, hidden=False))),
)


class Declined:
    """Of one provider, by model; lives as long as the provider's object does. A set is replaced, never changed: threads may read it meanwhile."""

    def __init__(self) -> None:
        self._parts: dict[str, frozenset[str]] = {}

    def without(self, model: str, request: Request, card: Card) -> tuple[Request, Card]:
        for part in PARTS:
            if part.name in self._parts.get(model, ()) and part.there(request, card):
                request, card = part.without(request, card)
        return request, card

    def learn(self, model: str, words: str, request: Request, card: Card) -> bool:
        """Whether a refusal in these words named a part that was there and can be left out."""
        if not COMPLAINT.search(words):
            return False
        part = next((p for p in PARTS if p.words.search(words) and p.there(request, card)), None)
        if part is None:
            return False
        self._parts[model] = self._parts.get(model, frozenset()) | {part.name}
        return True
