"""Semantic Scholar's Graph API: with S2_API_KEY one request a second, without it a limit shared by everybody."""

from __future__ import annotations

import json
from urllib.parse import quote

from core.papers.sources import SourceState
from core.papers.sources.door import Door, listed
from core.store.paper_nouns import Facts
from core.types import Json

FIELDS = "paperId,externalIds,url,title,abstract,venue,year,citationCount,authors.name,tldr,openAccessPdf"


class SemanticScholar:
    name = "semantic_scholar"

    def __init__(self, door: Door) -> None:
        self._door = door

    def search(self, query: str, limit: int = 10) -> list[Facts]:
        return self._door.ask(f"search:{limit}:{query}", "/graph/v1/paper/search", {"query": query, "limit": limit, "fields": FIELDS}, lambda body: [_facts(p) for p in _found(body)])

    def get(self, kind: str, value: str) -> Facts | None:
        name = {"arxiv": f"ARXIV:{value}", "doi": f"DOI:{value}", "s2": value}.get(kind)
        found = self._door.ask(f"get:{kind}:{value}", f"/graph/v1/paper/{quote(name, safe=':/')}", {"fields": FIELDS}, lambda body: [_facts(json.loads(body))]) if name else []
        return found[0] if found else None

    def state(self) -> SourceState:
        return self._door.state()


def _found(body: bytes) -> list[Json]:
    data = json.loads(body)
    return listed(data.get("data") or []) if "total" in data or "data" in data else listed(data)


def _facts(p: Json) -> Facts:
    ids = p.get("externalIds") or {}
    return Facts(title=p["title"], authors=tuple(a["name"] for a in p.get("authors") or [] if a.get("name")), year=p.get("year"), venue=p.get("venue") or "", abstract=p.get("abstract") or "",
                 tldr=(p.get("tldr") or {}).get("text") or "", citations=p.get("citationCount"), arxiv=ids.get("ArXiv") or "", doi=(ids.get("DOI") or "").lower(), s2=p["paperId"] or "",
                 url=p.get("url") or "", pdf=(p.get("openAccessPdf") or {}).get("url") or "")
