"""What the papers' library hands over: papers, passages, hits, files, notes, citations."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime

from core.types import Json

TIERS = ("index", "primary", "secondary", "further", "online")     # index: the entries that are shipped; online: fetched from another library
MARK, UNMARK = "\x02", "\x03"                                      # round what was found, in a snippet; no stored text has them
ET_AL = "et al."                                                     # the last of a list of authors that leaves some out
LISTS = ("authors", "units", "designs", "tags")


@dataclass(frozen=True)
class Facts:
    """What one source says of a paper, or all of them together. Empty where it says nothing."""

    title: str = ""
    authors: tuple[str, ...] = ()
    year: int | None = None
    venue: str = ""
    abstract: str = ""
    tldr: str = ""                   # one sentence, by Semantic Scholar or the Hub
    idea: str = ""                   # one sentence of our own
    citations: int | None = None
    arxiv: str = ""                  # 2406.06484, without the version
    doi: str = ""                    # in small letters
    s2: str = ""                     # Semantic Scholar's paperId
    openalex: str = ""
    url: str = ""
    pdf: str = ""                    # where the file is to be had
    units: tuple[str, ...] = ()      # units of ours that it introduced
    designs: tuple[str, ...] = ()    # reference designs that implement it
    tags: tuple[str, ...] = ()

    def to_dict(self) -> Json:
        """Without what is empty."""
        return {f.name: list(v) if f.name in LISTS else v for f in fields(self) if (v := getattr(self, f.name)) not in ("", (), None)}

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> Facts:
        return cls(**{f.name: tuple(data[f.name]) if f.name in LISTS else data[f.name] for f in fields(cls) if data.get(f.name) is not None})  # type: ignore[arg-type]

    def ids(self) -> dict[str, str]:
        return {kind: value for kind in ("arxiv", "doi", "s2", "openalex") if (value := getattr(self, kind))}


@dataclass(frozen=True)
class Paper:
    id: str
    seq: int
    facts: Facts
    tiers: tuple[str, ...]
    added_at: datetime

    @property
    def title(self) -> str:
        return self.facts.title

    @property
    def who(self) -> str:
        return " and ".join(a) if len(a := self.facts.authors) < 3 and ET_AL not in a else f"{a[0]} et al."

    @property
    def cite(self) -> str:
        """`Yang et al. 2024`."""
        surname = self.facts.authors[0].split()[-1] if self.facts.authors else ""
        return " ".join(filter(None, [surname + (" et al." if len(self.facts.authors) > 1 else ""), str(self.facts.year or "")])) or self.title[:40]

    @property
    def link(self) -> str:
        """The page where it is to be had elsewhere; "" where none is known."""
        f = self.facts
        return f"https://arxiv.org/abs/{f.arxiv}" if f.arxiv else f"https://doi.org/{f.doi}" if f.doi else f.url if f.url.startswith(("http://", "https://")) else ""

    @property
    def gist(self) -> str:
        """The shortest account there is."""
        return self.facts.idea or self.facts.tldr or self.facts.abstract


@dataclass(frozen=True)
class Passage:
    """`number` counts from 1 within the paper; 0 stands for its abstract."""

    paper_id: str
    number: int
    section: str
    text: str


@dataclass(frozen=True)
class PaperFile:
    hash: str
    name: str
    path: str
    form: str
    tier: str
    first: int
    passages: int
    note: str


@dataclass(frozen=True)
class Hit:
    """A paper that was found, and the passage that fits best. Snippets have MARK and UNMARK round the words."""

    paper: Paper
    score: float                     # of reciprocal ranks: more is better, comparable within one answer only
    passage: int                     # 0: its card (title, abstract, our sentence)
    section: str
    snippet: str
    by: tuple[str, ...] = ()         # card, text, meaning: which rankings have it


@dataclass(frozen=True)
class Note:
    id: int
    author: str
    text: str
    created_at: datetime


@dataclass(frozen=True)
class Citation:
    """`kind`: read or cited. `trouble` says why it is none, where it is none."""

    kind: str
    told: str
    paper_id: str
    passage: int                     # -1: no particular one
    trouble: str
    proposal_id: int = 0
    design_id: str = ""


@dataclass(frozen=True)
class Imported:
    """What became of one item of an import: added, known or broken."""

    item: str
    state: str
    note: str
    paper_id: str


@dataclass(frozen=True)
class Filters:
    since: int | None = None         # years, both included
    until: int | None = None
    tier: str = ""
    design: str = ""                 # that implements it
    related: bool = False            # to any design at all


EVERY = Filters()


@dataclass(frozen=True)
class Read:
    """What reading a file gave: facts, and the text in sections."""

    facts: Facts
    form: str
    sections: tuple[tuple[str, str], ...] = ()          # title, text
    note: str = ""                                       # what could not be read of it
    extra: Json = field(default_factory=dict, hash=False)


def title_key(title: str) -> str:
    """By which titles are compared: no accents, no case, no punctuation."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", title) if not unicodedata.combining(c))
    return re.sub(r"[^\w]|_", "", bare.lower())[:200]


def merged(said: Iterable[tuple[str, Facts]]) -> Facts:
    """One account of (source, facts), the most trusted source first: a field is the first that says something; citations the largest count; lists of ours joined."""
    order = ("person", "index", "semantic_scholar", "openalex", "arxiv", "hub", "bibtex", "file")
    ranked = [f for _, f in sorted(said, key=lambda pair: order.index(pair[0].partition(":")[0]))]
    found: Json = {}
    for facts in ranked:
        for name, value in facts.to_dict().items():
            if name == "citations":
                found[name] = max(value, found.get(name, 0))
            elif name in ("units", "designs", "tags"):
                found[name] = list(dict.fromkeys([*found.get(name, []), *value]))
            elif name == "authors" and len(found.get(name, ())) < len(value) and len(found.get(name, ())) <= 1:
                found[name] = value
            else:
                found.setdefault(name, value)
    return Facts.from_dict(found)
