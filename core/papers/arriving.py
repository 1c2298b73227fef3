"""The work behind an import: what stands in a folder or file; or a paper fetched by an arXiv id, a DOI or a link; or another library searched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from core.config import Config
from core.errors import PaperError, SourceError
from core.papers.fetching import Fetcher
from core.papers.importing import Report, Tally, add_file, import_all
from core.papers.readers.ids import arxiv_id, doi_id
from core.papers.sources.door import Source
from core.papers.sources.make import get_source, make_sources
from core.store import Store
from core.store.paper_nouns import Facts, Imported, Paper
from core.store.papers import clean
from core.types import Json

ASKED = {"arxiv": ("arxiv", "semantic_scholar", "hub"), "doi": ("semantic_scholar", "openalex"), "s2": ("semantic_scholar",), "openalex": ("openalex",)}
SOUGHT = ("abstract", "venue", "citations", "tldr")      # for what is missing of these the next source is asked


@dataclass(frozen=True)
class Roads:
    """The ways out of this machine."""

    sources: Mapping[str, Source]
    fetcher: Fetcher


def roads(store: Store, config: Config) -> Roads:
    client = httpx.Client(timeout=httpx.Timeout(30.0, connect=8.0), follow_redirects=True, max_redirects=4)
    return Roads(make_sources(store, config.keys, client=client), Fetcher(client))


def arrive(store: Store, config: Config, payload: Json, report: Report, out: Roads | None = None) -> Json:
    """The job's result: how many of each fate, and every broken one with its reason. Raises PaperError where there is nothing to import."""
    source = payload["source"]
    if payload.get("ask"):
        found = get_source((out or roads(store, config)).sources, payload["ask"]).search(source, payload.get("limit", 10))
        return {"source": payload["ask"], "query": source, "papers": [f.to_dict() for f in found]}
    arxiv, doi = arxiv_id(source), doi_id(source)
    if arxiv or doi or source.startswith(("http://", "https://")):
        done = store.papers.of_import(payload["import"])
        if not done:
            paper, new, note = fetch(store, out or roads(store, config), payload["tier"], arxiv, doi, source, report)
            store.papers.imported(payload["import"], source, "added" if new else "known", note, paper.id)
        tally = Tally(tuple(store.papers.of_import(payload["import"])))
    else:
        tally = import_all(store, payload["import"], Path(source), payload["tier"], report)
    return told(tally)


def fetch(store: Store, out: Roads, tier: str, arxiv: str, doi: str, url: str, report: Report) -> tuple[Paper, bool, str]:
    """Facts from the libraries that know the id, and its file where one is to be had; whether anything was new, and what could not be had."""
    report(0.1, f"asking about {arxiv or doi or url}")
    notes: list[str] = []
    facts = _facts(out, {"arxiv": arxiv} if arxiv else {"doi": doi} if doi else {}, notes)
    before = (store.papers.has(arxiv or doi) if arxiv or doi else "")
    with store.together():
        paper = None
        for name, said in facts:
            paper, _ = store.papers.add(said, name, "online" if tier == "primary" else tier)
    known = paper.facts if paper else None
    report(0.5, "fetching its file")
    arxiv = arxiv or (known.arxiv if known else "")
    new = not before
    try:
        if arxiv:
            got = out.fetcher.arxiv_file(arxiv)
        elif known and known.pdf:
            got = out.fetcher.get(known.pdf)
        elif not doi:
            got = out.fetcher.get(url)
        else:
            raise SourceError(f"no open file of {doi} is known", "import its PDF, if you have it")
        about = known or (Facts(title="", arxiv=arxiv, doi=doi) if arxiv or doi else None)
        paper, fresh, note = add_file(store, got.name, got.data, tier, got.url, about)
        new = new or fresh
        notes += [note] if note else []
    except PaperError as error:
        if paper is None:
            raise
        notes.append(str(error))
    report(1.0, "done")
    return paper, new, "; ".join(notes)


def _facts(out: Roads, ids: Mapping[str, str], notes: list[str]) -> list[tuple[str, Facts]]:
    """What the sources say: of the first that knows it, and of the next ones as long as something that is shown of a paper is missing. A source that is down is told of, and the
    others are asked; one whose answer is about another paper is not believed."""
    found: list[tuple[str, Facts]] = []
    for kind, value in ids.items():
        for name in ASKED[kind]:
            if found and all(any(getattr(said, field) for _, said in found) for field in SOUGHT):
                break
            try:
                said = out.sources[name].get(kind, value)
            except SourceError as error:
                notes.append(str(error))
                continue
            if said is not None and getattr(clean(said), kind) in ("", value):
                found.append((name, replace(said, **{kind: value})))
    return found


def told(tally: Tally) -> Json:
    def items(state: str) -> list[Imported]:
        return [i for i in tally.items if i.state == state]

    return {"words": tally.words, **{state: len(items(state)) for state in ("added", "known", "broken")}, "papers": list(dict.fromkeys(i.paper_id for i in tally.items if i.paper_id))[:20],
            "troubles": [{"item": i.item, "why": i.note} for i in tally.items if i.note][:200]}
