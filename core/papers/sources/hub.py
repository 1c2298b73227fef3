"""Papers on the Hub (huggingface.co/papers): arXiv papers that people there discuss; a sentence by a model stands in for a summary."""

from __future__ import annotations

import json
from urllib.parse import quote

from core.papers.readers.ids import year_of
from core.papers.sources import SourceState
from core.papers.sources.door import Door, listed
from core.store.paper_nouns import Facts
from core.types import Json


class Hub:
    name = "hub"

    def __init__(self, door: Door) -> None:
        self._door = door

    def search(self, query: str, limit: int = 10) -> list[Facts]:
        return self._door.ask(f"search:{limit}:{query}", "/api/papers/search", {"q": query}, lambda body: [_facts(e.get("paper") or e) for e in listed(json.loads(body))][:limit])

    def get(self, kind: str, value: str) -> Facts | None:
        found = self._door.ask(f"get:{kind}:{value}", f"/api/papers/{quote(value, safe='')}", {}, lambda body: [_facts(json.loads(body))]) if kind == "arxiv" else []
        return found[0] if found else None

    def state(self) -> SourceState:
        return self._door.state()


def _facts(p: Json) -> Facts:
    return Facts(title=p["title"], authors=tuple(a["name"] for a in p.get("authors") or [] if a.get("name")), year=year_of(p.get("publishedAt") or ""), abstract=p.get("summary") or "",
                 tldr=p.get("ai_summary") or "", arxiv=p["id"], url=f"https://huggingface.co/papers/{p['id']}")
