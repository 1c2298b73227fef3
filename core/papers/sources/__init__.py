"""Other libraries behind one interface: Semantic Scholar, arXiv, OpenAlex and Papers on the Hub. What they say is kept in the store (core/papers/sources/door.py)."""

from __future__ import annotations

from dataclasses import dataclass

BASES = {"semantic_scholar": "https://api.semanticscholar.org", "arxiv": "https://export.arxiv.org", "openalex": "https://api.openalex.org", "hub": "https://huggingface.co"}


@dataclass(frozen=True)
class SourceState:
    """`state`: ok, no key (it works, with a lower limit), limited or down."""

    name: str
    state: str
    words: str
