"""Other libraries behind one interface: Semantic Scholar, arXiv, OpenAlex and Papers on the Hub. What they say is kept in the store (core/papers/sources/door.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from core.store.citations import Lookups

BASES = {"semantic_scholar": "https://api.semanticscholar.org", "arxiv": "https://export.arxiv.org", "openalex": "https://api.openalex.org", "hub": "https://huggingface.co"}


@dataclass(frozen=True)
class SourceState:
    """`state`: ok, no key (it works, with a lower limit), limited or down."""

    name: str
    state: str
    words: str


NEEDS = {"semantic_scholar": ("semantic_scholar", "S2_API_KEY"), "hub": ("huggingface", "HF_KEY")}      # source → the key's name in the configuration, and its variable


def state_of(name: str, memory: Lookups, keyed: bool) -> SourceState:
    """As it was met last; nobody is asked."""
    last = memory.newest(name, "state")
    if last and last.state != "ok" and last.stands:
        seconds = (last.until - datetime.now(UTC)).total_seconds()
        return SourceState(name, last.state, f"{last.data.get('words', '')}; asked again in {seconds:,.0f} s")
    return SourceState(name, "ok", "") if keyed or name not in NEEDS else SourceState(name, "no key", f"works, with a lower limit: set {NEEDS[name][1]} to raise it")


def states(memory: Lookups, keys: Mapping[str, str]) -> list[SourceState]:
    return [state_of(name, memory, name in NEEDS and bool(keys.get(NEEDS[name][0]))) for name in BASES]
