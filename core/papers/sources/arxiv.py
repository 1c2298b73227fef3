"""arXiv's API: Atom, one request in three seconds as its terms ask."""

from __future__ import annotations

import re

from core.papers.sources import SourceState
from core.papers.sources.door import Door
from core.store.paper_nouns import Facts

ATOM, OWN = "{http://www.w3.org/2005/Atom}", "{http://arxiv.org/schemas/atom}"


class Arxiv:
    name = "arxiv"

    def __init__(self, door: Door) -> None:
        self._door = door

    def search(self, query: str, limit: int = 10) -> list[Facts]:
        words = re.findall(r"[^\W_]+(?:-[^\W_]+)*", query)
        if not words:
            return []
        asked = " AND ".join(f"all:{w}" for w in words[:12])
        return self._door.ask(f"search:{limit}:{query}", "/api/query", {"search_query": asked, "max_results": limit, "sortBy": "relevance"}, _read)

    def get(self, kind: str, value: str) -> Facts | None:
        found = self._door.ask(f"get:{kind}:{value}", "/api/query", {"id_list": value, "max_results": 1}, _read) if kind == "arxiv" else []
        return found[0] if found else None

    def state(self) -> SourceState:
        return self._door.state()


def _read(body: bytes) -> list[Facts]:
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        feed = fromstring(body)
    except (ParseError, DefusedXmlException) as error:
        raise ValueError(str(error)) from None
    if feed.tag != f"{ATOM}feed":
        raise ValueError("no Atom feed")
    return [made for entry in feed.findall(f"{ATOM}entry") if (made := _facts(entry)) is not None]


def _facts(entry) -> Facts | None:
    """None for what the API says of a mistake, which it sends as an entry."""
    def text(tag: str) -> str:
        return " ".join((entry.findtext(tag) or "").split())

    found = re.search(r"arxiv\.org/abs/(.+?)(?:v\d+)?$", text(f"{ATOM}id"))
    if found is None or not text(f"{ATOM}title"):
        return None
    published = text(f"{ATOM}published")
    pdf = next((link.get("href", "") for link in entry.findall(f"{ATOM}link") if link.get("title") == "pdf"), "")
    return Facts(title=text(f"{ATOM}title"), authors=tuple(" ".join((a.findtext(f"{ATOM}name") or "").split()) for a in entry.findall(f"{ATOM}author")),
                 year=int(published[:4]) if published[:4].isdigit() else None, abstract=text(f"{ATOM}summary"), arxiv=found[1], doi=text(f"{OWN}doi").lower(), venue=text(f"{OWN}journal_ref"), pdf=pdf)
