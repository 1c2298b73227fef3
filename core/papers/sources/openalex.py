"""OpenAlex: works of all publishers, without a key. Abstracts come as an inverted index (word → positions)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from core.papers.readers.ids import arxiv_id
from core.papers.sources import SourceState
from core.papers.sources.door import Door, listed
from core.store.paper_nouns import Facts
from core.types import Json

FIELDS = "id,doi,title,publication_year,authorships,cited_by_count,abstract_inverted_index,primary_location,best_oa_location,locations"


class OpenAlex:
    name = "openalex"

    def __init__(self, door: Door) -> None:
        self._door = door

    def search(self, query: str, limit: int = 10) -> list[Facts]:
        return self._door.ask(f"search:{limit}:{query}", "/works", {"search": query, "per-page": limit, "select": FIELDS},
                              lambda body: [_facts(w) for w in listed(json.loads(body)["results"]) if w.get("title")])

    def get(self, kind: str, value: str) -> Facts | None:
        name = {"doi": f"doi:{value}", "arxiv": f"doi:10.48550/arXiv.{value}", "openalex": value}.get(kind)
        found = self._door.ask(f"get:{kind}:{value}", f"/works/{quote(name, safe=':/')}", {"select": FIELDS}, lambda body: [_facts(json.loads(body))]) if name else []
        return found[0] if found else None

    def state(self) -> SourceState:
        return self._door.state()


def _facts(w: Json) -> Facts:
    places = [p for p in [w.get("best_oa_location"), w.get("primary_location"), *(w.get("locations") or [])] if p]
    doi = re.sub(r"^https?://doi\.org/", "", (w.get("doi") or "").lower())
    arxiv = next((found for p in places if (found := arxiv_id(p.get("landing_page_url") or ""))), "")
    return Facts(title=w["title"], authors=tuple(a["author"]["display_name"] for a in w.get("authorships") or []), year=w.get("publication_year"), citations=w.get("cited_by_count"),
                 venue=next((p["source"]["display_name"] for p in places if p.get("source")), ""), abstract=_straight(w.get("abstract_inverted_index") or {}), arxiv=arxiv, doi=doi,
                 openalex=w["id"].rpartition("/")[2], pdf=next((p["pdf_url"] for p in places if p.get("pdf_url")), ""), url=w.get("doi") or w["id"])


def _straight(index: Mapping[str, Sequence[int]]) -> str:
    return " ".join(word for _, word in sorted((at, word) for word, places in index.items() for at in places[:500]))
