"""Assembling the sources."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from core.errors import UsageError
from core.papers.sources import BASES
from core.papers.sources.door import Door, Source, Wait
from core.store import Store


def make_sources(store: Store, keys: Mapping[str, str], bases: Mapping[str, str] | None = None, client: httpx.Client | None = None, wait: Wait | None = None) -> dict[str, Source]:
    """By name. `bases`: other addresses of their servers; `wait`: how a pause is made."""
    from core.papers.sources.arxiv import Arxiv
    from core.papers.sources.hub import Hub
    from core.papers.sources.openalex import OpenAlex
    from core.papers.sources.scholar import SemanticScholar

    at, client, wait = {**BASES, **(bases or {})}, client or httpx.Client(timeout=httpx.Timeout(20.0, connect=8.0), follow_redirects=True, max_redirects=4), wait or Wait()
    s2_key, hub_key = keys.get("semantic_scholar", ""), keys.get("huggingface", "")
    return {
        "semantic_scholar": SemanticScholar(Door("semantic_scholar", at["semantic_scholar"], 1.1 if s2_key else 3.0, store.lookups, client, wait, {"x-api-key": s2_key} if s2_key else {})),
        "arxiv": Arxiv(Door("arxiv", at["arxiv"], 3.0, store.lookups, client, wait)),
        "openalex": OpenAlex(Door("openalex", at["openalex"], 0.2, store.lookups, client, wait)),
        "hub": Hub(Door("hub", at["hub"], 0.5, store.lookups, client, wait, {"Authorization": f"Bearer {hub_key}"} if hub_key else {}))}


def get_source(sources: Mapping[str, Source], name: str) -> Source:
    if name not in sources:
        raise UsageError(f"there is no source {name!r}", f"use one of {', '.join(sources)}")
    return sources[name]
