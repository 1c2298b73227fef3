"""Searching the papers' library: two rankings by BM25 (cards, passages) and, where there are embeddings, one by meaning, joined by reciprocal ranks.

Reciprocal rank fusion: Cormack, Clarke and Büttcher 2009, score(d) = Σ weight / (60 + rank). What one ranking alone puts first stands near the top; what several have, above it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from core.store import paper_index as index
from core.store.engine import Database
from core.store.paper_nouns import EVERY, Filters, Hit, Paper
from core.store.papers import Papers

K = 60.0
WEIGHTS = {"card": 1.0, "text": 0.7, "meaning": 0.8}
DEPTH = 60               # of each ranking, in cards or passages


@dataclass
class _Scored:
    score: float = 0.0
    by: list[str] = field(default_factory=list)
    passage: int = 0
    section: str = ""
    snippet: str = ""
    id: int = 0


def search(database: Database, papers: Papers, query: str, filters: Filters = EVERY, limit: int = 10, prefix: bool = False, meaning: Sequence[int] = ()) -> list[Hit]:
    """Best first. `prefix`: the last word may be half typed. `meaning`: the papers' numbers by likeness, likest first. Nothing for a question without a word."""
    spoken = index.terms(query)
    if not spoken:
        return []
    named = papers.has(query.strip()) if len(query) < 120 and " " not in query.strip() else ""
    where, values = _where(filters)
    sqlite, scored = database.is_sqlite, dict[int, _Scored]()
    with database.read() as c:
        words = index.asked(c, sqlite, spoken, prefix)
        for rank, found in enumerate(index.cards(c, sqlite, words, where, dict(values), DEPTH)):
            one = scored.setdefault(found.rowid, _Scored())
            one.score += WEIGHTS["card"] / (K + rank + 1)
            one.by.append("card")
            one.snippet = found.snippet
        texts = _passages(c, sqlite, words, where, values)
        known = papers.passages_of([f.rowid for f in texts]) if texts else {}
        seqs = _seqs(c, {p.paper_id for p in known.values()})
        rank = 0
        for found in texts:
            passage = known[found.rowid]
            one = scored.setdefault(seqs[passage.paper_id], _Scored())
            if "text" in one.by:
                continue                                       # its best passage is named already
            one.score += WEIGHTS["text"] / (K + rank + 1)
            one.by.append("text")
            one.passage, one.section, one.snippet, one.id = passage.number, passage.section, found.snippet, found.rowid
            rank += 1
        for rank, seq in enumerate(meaning[:DEPTH]):
            one = scored.setdefault(seq, _Scored())
            one.score += WEIGHTS["meaning"] / (K + rank + 1)
            one.by.append("meaning")
        best = sorted(scored.items(), key=lambda pair: (-pair[1].score, pair[0]))[: limit + 1]
        cut = index.snippets(c, sqlite, words, [one.id for _, one in best if one.id])
        cards = index.card_snippets(c, sqlite, words, [seq for seq, one in best if "card" in one.by and not cut.get(one.id)])
    found_papers = papers.of_seq([seq for seq, _ in best])
    hits = [_hit(found_papers[seq], one, cut.get(one.id) or cards.get(seq, "")) for seq, one in best if seq in found_papers]
    if named:
        own = [h for h in hits if h.paper.id == named] or [Hit(papers.get(named), 1.0, 0, "", "", ("card",))]
        hits = own + [h for h in hits if h.paper.id != named]
    return hits[:limit]


def _hit(paper: Paper, one: _Scored, cut: str) -> Hit:
    return Hit(paper, one.score, one.passage, one.section, cut or one.snippet or paper.gist[:300], tuple(one.by))


def _passages(c: Connection, sqlite: bool, words: Sequence[index.Term], where: str, values: dict[str, object]) -> list[index.Found]:
    """Those with every word first; where they are few, those with the rare ones. Of a few papers, those with most of the words."""
    if where and sqlite and (few := index.few_papers(c, where, values)) is not None:
        return index.passages_within(c, words, few, DEPTH)
    found = index.passages(c, sqlite, words, where, dict(values), DEPTH, every=True)
    if len(found) >= index.ENOUGH or len(words) < 2:
        return found
    seen = {f.rowid for f in found}
    rare = index.rarest(c, sqlite, words)
    more = index.passages(c, sqlite, rare, where, dict(values), DEPTH, every=False) if rare else []
    return found + [f for f in more if f.rowid not in seen]


def _where(f: Filters) -> tuple[str, dict[str, object]]:
    """As SQL after a WHERE that is there already."""
    parts: list[tuple[str, str, object]] = []
    if f.since is not None:
        parts.append(("papers.year >= :since", "since", f.since))
    if f.until is not None:
        parts.append(("papers.year <= :until", "until", f.until))
    if f.tier:
        parts.append(("papers.tiers LIKE :tier ESCAPE '!'", "tier", _within(f.tier)))
    if f.design:
        parts.append(("papers.designs LIKE :design ESCAPE '!'", "design", _within(f.design)))
    where = "".join(f" AND {sql}" for sql, _, _ in parts) + (" AND papers.designs <> '  '" if f.related else "")
    return where, {name: value for _, name, value in parts}


def _within(word: str) -> str:
    """A pattern for a word between spaces."""
    return "% " + re.sub(r"([!_%])", r"!\1", word) + " %"


def _seqs(c: Connection, ids: set[str]) -> dict[str, int]:
    from sqlalchemy import select

    from core.store.paper_tables import PaperRow

    return {r.id: r.seq for r in c.execute(select(PaperRow.id, PaperRow.seq).where(PaperRow.id.in_(ids)))}
