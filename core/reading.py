"""A person and the papers: search, read, note, import, fetch, link with a design. A part of the desk (core/desk.py)."""

from __future__ import annotations

import hashlib
import secrets
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from core.asked import words
from core.errors import PaperError, UsageError
from core.jobs import Queue
from core.papers.importing import Tally
from core.papers.library import Opened as Opened
from core.papers.library import PaperLibrary
from core.papers.readers import BIB, LARGEST, SUFFIXES
from core.papers.readers.ids import arxiv_id, doi_id
from core.papers.sources import BASES, SourceState, states
from core.store import Store
from core.store.paper_nouns import TIERS, Facts, Filters, Hit, Note, Paper, Passage
from core.types import Job, JobKind

if TYPE_CHECKING:
    from core.config import Config
    from core.papers.meaning import Embeddings

LONGEST_NOTE = 4000


class Reading:
    """What it needs of the desk: store, queue, config, author."""

    store: Store
    queue: Queue
    config: Config
    author: str

    @cached_property
    def paper_library(self) -> PaperLibrary:
        return PaperLibrary(self.store, self.config.library_dir, self.embeddings)

    @property
    def embeddings(self) -> Embeddings | None:
        """Where PAPERS_EMBEDDINGS names a server."""
        if not self.config.embeddings:
            return None
        from core.papers.meaning import Embeddings

        return Embeddings(self.store, self.config.embeddings, self.config.keys.get("embeddings", ""))

    # --------------------------------------------------------------------------------------------- looking

    def search_papers(self, query: str, filters: Filters | None = None, limit: int = 10, prefix: bool = False) -> list[Hit]:
        """Best first; nothing where there is no word in the question."""
        return self.paper_library.search(query, _checked(filters), limit, prefix)

    def papers(self, filters: Filters | None = None, limit: int = 100_000, offset: int = 0) -> list[Paper]:
        return self.paper_library.all(_checked(filters), limit, offset)

    def count_papers(self, filters: Filters | None = None) -> int:
        return self.paper_library.ready().store.papers.count(_checked(filters))

    def open_paper(self, name: str) -> Opened:
        """By its id here, its arXiv id or its DOI."""
        return self.paper_library.open(name)

    def paper_passages(self, paper: Paper, first: int = 0, last: int = 10**9) -> list[Passage]:
        return self.paper_library.passages(paper, first, last)

    def related_papers(self, paper: Paper) -> list[Paper]:
        return self.paper_library.related(paper)

    def source_states(self) -> list[SourceState]:
        """How each other library is: ok, no key, limited or down. Nobody is asked."""
        return states(self.store.lookups, self.config.keys)

    def import_tally(self, job: Job) -> Tally:
        """How far an import is, item by item."""
        return Tally(tuple(self.store.papers.of_import(job.payload["import"])))

    # --------------------------------------------------------------------------------------------- deciding

    def note_paper(self, name: str, text: str) -> Note:
        """Agents that read the paper are told it."""
        said = words(text, "there is nothing to note")
        if len(said) > LONGEST_NOTE:
            raise UsageError(f"the note has {len(said):,} characters", f"at most {LONGEST_NOTE:,}")
        return self.store.papers.note(self.paper_library.get(name).id, self.author, said)

    def link_paper(self, name: str, design_id: str) -> Paper:
        """Say that a design implements the paper: the paper then leads to it, and it to the paper."""
        design, paper = self.store.designs.get(design_id), self.paper_library.get(name)
        made, _ = self.store.papers.add(Facts(title=paper.title, designs=(*paper.facts.designs, design.id), **paper.facts.ids()), "person", paper.tiers[0] if paper.tiers else "primary", paper.id)
        return made

    def import_papers(self, source: str, tier: str = "primary") -> Job:
        """An arXiv id, a DOI or a link. What came of it: `import_tally`."""
        given = words(source, "there is nothing to import").strip()
        if not elsewhere(given):
            raise PaperError(f"{given[:200]!r} is no arXiv id, DOI or link", "for a folder or file of this machine: python -m core papers import PATH")
        return self._arriving(given, tier)

    def import_folder(self, path: str, tier: str = "primary") -> Job:
        """A folder or file of the workers' machine, whatever stands in it: an admin's. Each item's outcome: `import_tally`."""
        found = Path(words(path, "there is nothing to import").strip()).expanduser().absolute()
        if not found.exists():
            raise PaperError(f"there is no file or folder {found}", "give a path that is there, an arXiv id, a DOI or a link")
        return self._arriving(str(found), tier)

    def _arriving(self, source: str, tier: str) -> Job:
        subject = f"papers:{hashlib.sha256(source.encode()).hexdigest()[:16]}"
        return self.queue.put(JobKind.PAPERS, subject, {"source": source, "tier": _tier(tier), "import": secrets.token_hex(6), "author": self.author})

    def ask_source(self, source: str, query: str, limit: int = 10) -> Job:
        """Search another library; a worker asks it. What it found: the job's result, as facts."""
        if source not in BASES:
            raise UsageError(f"there is no source {source!r}", f"use one of {', '.join(BASES)}")
        asked = words(query, "there is nothing to look for").strip()[:300]
        subject = f"papers:{source}:{hashlib.sha256(asked.encode()).hexdigest()[:16]}"
        return self.queue.put(JobKind.PAPERS, subject, {"source": asked, "ask": source, "limit": limit, "tier": "online", "import": ""}, max_attempts=1)

    def drop_paper(self, name: str, data: bytes, tier: str = "primary") -> Job:
        """A file that a person handed over: kept in the data directory, then imported."""
        suffix = "." + name.lower().rpartition(".")[2]
        if suffix not in (*SUFFIXES, *BIB):
            raise PaperError(f"{name} is no kind of file that is read here", f"the kinds are {', '.join([*SUFFIXES, *BIB])}")
        if len(data) > LARGEST:
            raise PaperError(f"{name} has {len(data) / 2**20:,.0f} MB", f"at most {LARGEST // 2**20} MB are read")
        folder = self.config.data_dir / "papers" / hashlib.sha256(data).hexdigest()[:16]
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / (Path(name.replace("\\", "/")).name[:120] or f"paper{suffix}")
        path.write_bytes(data)
        return self._arriving(str(path), tier)


def elsewhere(source: str) -> bool:
    """Whether it names a paper outside of this machine: an arXiv id, a DOI or a link."""
    return bool(arxiv_id(source) or doi_id(source) or source.startswith(("http://", "https://")))


def _checked(filters: Filters | None) -> Filters:
    if filters and filters.tier:
        _tier(filters.tier)
    return filters or Filters()


def _tier(tier: str) -> str:
    if tier not in TIERS:
        raise UsageError(f"tier {tier!r} is unknown", f"use one of {', '.join(TIERS)}")
    return tier

