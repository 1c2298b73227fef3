"""`python -m core papers search|list|show|import|fetch|online|sources|embed|note`: the library that agents and people read before they design."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence

from core import cli_text as text
from core.build import BuildSystem
from core.cli_data import Bar
from core.cli_work import work
from core.desk import Desk
from core.errors import UsageError
from core.papers.sources import BASES
from core.reading import elsewhere
from core.store.paper_nouns import MARK, TIERS, UNMARK, Facts, Filters, Hit, Paper, Passage
from core.types import Json

SHOWN = 3            # passages of a paper, unless more are asked for


def papers(args: argparse.Namespace) -> tuple[object, str, int]:
    """Answer one of the verbs."""
    desk = BuildSystem().open()
    given = " ".join(args.what).strip()
    if args.action not in ("list", "sources", "embed") and not given:
        raise UsageError(f"papers {args.action} of what?", f"python -m core papers {args.action} …; see --help")
    return {"search": _search, "list": _list, "show": _show, "import": _import, "fetch": _import, "online": _online, "sources": _sources, "embed": _embed, "note": _note}[args.action](desk, args, given)


def _search(desk: Desk, args: argparse.Namespace, query: str) -> tuple[object, str, int]:
    hits = desk.search_papers(query, _filters(args), args.limit)
    lines = [line for n, hit in enumerate(hits, 1) for line in _lines(n, hit)]
    return [_hit(h) for h in hits], "\n".join(lines) or "no paper has these words", 0


def _list(desk: Desk, args: argparse.Namespace, given: str) -> tuple[object, str, int]:
    found = desk.papers(_filters(args), args.limit)
    total = desk.count_papers(_filters(args))
    rows = [(p.id, p.facts.year or "", ",".join(p.tiers), ",".join(p.facts.designs), p.title[:80]) for p in found]
    more = f"\n{total - len(found):,} more: --limit {total}" if total > len(found) else ""
    return [_paper(p) for p in found], text.table(("id", "year", "tier", "designs", "title"), rows) + more if rows else "no papers of that sort", 0


def _show(desk: Desk, args: argparse.Namespace, name: str) -> tuple[object, str, int]:
    opened = desk.open_paper(name)
    p, f = opened.paper, opened.paper.facts
    total = desk.store.papers.n_passages(p.id)
    first = args.passage if args.passage is not None else 1
    passages = desk.paper_passages(p, first, first + args.passages - 1)
    facts = (("authors", ", ".join(f.authors)), ("year", f.year), ("venue", f.venue), ("arxiv", f.arxiv), ("doi", f.doi), ("citations", f.citations), ("idea", f.idea), ("in short", f.tldr),
             ("abstract", f.abstract), ("units", ", ".join(f.units)), ("designs", ", ".join(f.designs)), ("tags", ", ".join(f.tags)), ("known from", ", ".join(opened.sources)),
             ("link", p.link), *(("file", f"{file.name} ({file.form}, {file.passages} passages{', ' + file.note if file.note else ''})") for file in opened.files))
    lines = [f"{p.id}  {p.title}", *[f"  {key:<11} {value}" for key, value in facts if value], *[f"  note of {n.author}: {n.text}" for n in opened.notes],
             *[f"  {c.kind:<11} by {c.design_id}" + (f", passage {c.passage}" if c.passage >= 0 else "") for c in opened.citations]]
    lines += [f"\n[{q.number}] {q.section}\n{q.text}" for q in passages]
    lines += [f"\n… {total} passages: --passage N --passages 5"] if total > len(passages) else []
    data = {**_paper(p), "files": [vars(x) for x in opened.files], "notes": opened.notes, "citations": opened.citations, "sources": opened.sources, "passages": [_passage(q) for q in passages], "n_passages": total}
    return data, "\n".join(lines), 0


def _import(desk: Desk, args: argparse.Namespace, source: str) -> tuple[object, str, int]:
    job = (desk.import_papers if elsewhere(source) else desk.import_folder)(source, args.tier or "primary")
    done = work(desk, job)
    tally = desk.import_tally(done)
    lines = [*(f"broken  {i.item}: {i.note}" for i in tally.broken), *(f"in part {i.item}: {i.note}" for i in tally.items if i.note and i.state != "broken"), tally.words]
    lines += [f"  {p.id}  {p.title}" for name in dict.fromkeys(i.paper_id for i in tally.items if i.paper_id) for p in [desk.store.papers.get(name)]][:10]
    return {**done.result, "items": tally.items}, "\n".join(lines), 0


def _online(desk: Desk, args: argparse.Namespace, query: str) -> tuple[object, str, int]:
    done = work(desk, desk.ask_source(args.source, query, args.limit))
    found = [Facts.from_dict(f) for f in done.result["papers"]]
    lines = [f"{n:>2}  {f.arxiv or f.doi or f.url}  {f.title} ({f.year or '?'})" + (f", cited {f.citations:,} times" if f.citations else "") for n, f in enumerate(found, 1)]
    return done.result, "\n".join([*lines, "bring one in: python -m core papers fetch ID"] if lines else [f"{args.source} has nothing with these words"]), 0


def _sources(desk: Desk, args: argparse.Namespace, given: str) -> tuple[object, str, int]:
    found = desk.source_states()
    return found, text.table(("source", "state", ""), [(s.name, s.state, s.words) for s in found]), 0


def _embed(desk: Desk, args: argparse.Namespace, given: str) -> tuple[object, str, int]:
    desk.paper_library.ready()
    if desk.embeddings is None:
        raise UsageError("no server of embeddings is named", "set PAPERS_EMBEDDINGS, as http://localhost:11434/v1#nomic-embed-text")
    bar = Bar(sys.stderr.isatty())
    try:
        made = desk.embeddings.refresh(bar)
    finally:
        bar.close()
    return {"embedded": made}, f"{made:,} papers embedded" if made else "every paper is embedded already", 0


def _note(desk: Desk, args: argparse.Namespace, given: str) -> tuple[object, str, int]:
    if not args.text:
        raise UsageError("there is nothing to note", f'python -m core papers note {given} --text "…"')
    note = desk.note_paper(given, args.text)
    return note, f"noted; agents that read {given} are told it", 0


def _filters(args: argparse.Namespace) -> Filters:
    years = re.fullmatch(r"(\d{4})?(-)?(\d{4})?", args.year or "")
    if years is None:
        raise UsageError(f"--year {args.year!r} is no year", "use 2024, 2021-2024, 2021- or -2024")
    since, dash, until = years[1], years[2], years[3]
    return Filters(int(since) if since else None, int(until) if until else int(since) if since and not dash else None, args.tier or "", args.design or "", args.related)


def _lines(n: int, hit: Hit) -> list[str]:
    p = hit.paper
    where = f"[{hit.passage}] {hit.section}: " if hit.passage else ""
    return [f"{n:>2}  {p.id}  {p.title} ({p.cite})" + (f"  → {', '.join(p.facts.designs)}" if p.facts.designs else ""), f"      {where}{_bare(hit.snippet)}"]


def _bare(snippet: str) -> str:
    return " ".join(snippet.replace(MARK, "").replace(UNMARK, "").split())


def _paper(p: Paper) -> Json:
    return {"id": p.id, **p.facts.to_dict(), "tiers": list(p.tiers), "link": p.link}


def _hit(h: Hit) -> Json:
    return {**_paper(h.paper), "score": round(h.score, 6), "passage": h.passage, "section": h.section, "snippet": _bare(h.snippet), "by": list(h.by)}


def _passage(q: Passage) -> Json:
    return {"number": q.number, "section": q.section, "text": q.text}


OPTIONS: Sequence[tuple] = (
    ("action", {"choices": ["search", "list", "show", "import", "fetch", "online", "sources", "embed", "note"]}),
    ("what", {"nargs": "*", "help": "words to search; a paper's id, arXiv id or DOI; a folder, file, .bib or link"}),
    ("--year", {"default": "", "help": "2024, 2021-2024, 2021- or -2024"}),
    ("--tier", {"default": "", "help": f"one of {', '.join(TIERS)}"}),
    ("--design", {"default": "", "metavar": "ID", "help": "papers that this design implements"}),
    ("--related", {"action": "store_true", "help": "only papers that some design implements"}),
    ("--limit", {"type": int, "default": 10}),
    ("--passage", {"type": int, "metavar": "N", "help": "show from this passage on"}),
    ("--passages", {"type": int, "default": SHOWN, "metavar": "N", "help": "how many passages to show"}),
    ("--source", {"default": "arxiv", "choices": list(BASES), "help": "whom `online` asks"}),
    ("--text", {"default": "", "help": "a note"}),
)
