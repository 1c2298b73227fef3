"""The papers' library as everybody else sees it: search, read, list. What is shipped is indexed before the first question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from core.papers.shipped import index_shipped
from core.store import Store
from core.store.paper_nouns import Citation, Filters, Hit, Note, Paper, PaperFile, Passage
from core.store.paper_search import search

RELATED = 6          # papers beside a paper


class Meaning(Protocol):
    """Ranks papers by likeness of meaning (core/papers/meaning.py)."""

    def ranked(self, query: str, limit: int) -> Sequence[int]: ...


@dataclass(frozen=True)
class Opened:
    """A paper with all that hangs on it."""

    paper: Paper
    files: tuple[PaperFile, ...]
    sources: tuple[str, ...]
    notes: tuple[Note, ...]
    citations: tuple[Citation, ...]      # of proposals that read or cite it


class PaperLibrary:
    def __init__(self, store: Store, library_dir: Path, meaning: Meaning | None = None) -> None:
        self.store = store
        self._dir = library_dir
        self._meaning = meaning
        self._ready = False

    def ready(self) -> PaperLibrary:
        """With what is shipped; asked once an object."""
        if not self._ready:
            index_shipped(self.store, self._dir)
            self._ready = True
        return self

    def search(self, query: str, filters: Filters | None = None, limit: int = 10, prefix: bool = False) -> list[Hit]:
        """Best first. `prefix`: the last word may be half typed."""
        self.ready()
        meaning = self._meaning.ranked(query, 60) if self._meaning and not prefix else ()
        return search(self.store.database, self.store.papers, query, filters or Filters(), limit, prefix, meaning)

    def all(self, filters: Filters | None = None, limit: int = 100_000, offset: int = 0) -> list[Paper]:
        return self.ready().store.papers.all(filters or Filters(), limit, offset)

    def get(self, name: str) -> Paper:
        return self.ready().store.papers.get(name)

    def open(self, name: str) -> Opened:
        paper, papers = self.get(name), self.store.papers
        return Opened(paper, tuple(papers.files(paper.id)), tuple(papers.sources(paper.id)), tuple(papers.notes(paper.id)), tuple(self.store.citations.of_paper(paper.id)))

    def passages(self, paper: Paper, first: int = 1, last: int = 10**9) -> list[Passage]:
        """Number 0 is its abstract, or the shortest account there is."""
        card = [Passage(paper.id, 0, "Abstract", paper.facts.abstract or paper.gist)] if first <= 0 and (paper.facts.abstract or paper.gist) else []
        return card + self.store.papers.passages(paper.id, max(1, first), last)

    def related(self, paper: Paper, limit: int = RELATED) -> list[Paper]:
        """Papers whose cards have most of its rare words: its title, our sentence, its tags and units."""
        f = paper.facts
        query = " ".join([f.title, " ".join(f.tags), " ".join(f.units).replace("_", " ")])
        return [hit.paper for hit in self.search(query, limit=limit + 1) if hit.paper.id != paper.id][:limit]
