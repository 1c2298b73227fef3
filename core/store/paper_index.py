"""The index for searching papers: SQLite's FTS5, PostgreSQL's tsvector. Two indexes, `paper_cards` (a paper each: title, authors, what it is about) and `paper_words`
(a passage each), asked apart; core/store/paper_search.py joins what they say.

BM25 as FTS5 has it (Robertson and Zaragoza 2009, k1 = 1.2, b = 0.75), with a weight a column; `ts_rank_cd` on PostgreSQL.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import Connection, text

from core.store import paper_counts as counting
from core.store.paper_nouns import MARK, UNMARK

CARD_WEIGHTS = "8.0, 3.0, 4.0, 1.0"      # title, people (and tags, units, designs), gist, body
WORD_WEIGHTS = "2.0, 1.0"                # section, text
SNIPPET = 28                             # words
MOST_WORDS = 16                          # of one question
COMMON = 2500            # passages that a word may stand in and still be asked for by itself
WEIGHED = 2500           # passages of one question that are ranked; of words that more have, the papers' cards tell better than any passage
WIDE = 5000              # passages of a word from which BM25 is counted here among those that are ranked: FTS5 runs through all of a word's passages for each question
LOOKED_AT = 1000         # passages that are ranked so
ENOUGH = 12              # passages with every word: no need to look for those with some
FEW = 200                # papers that a filter may leave to be looked through one by one

EVERYTHING: Mapping[str, object] = MappingProxyType({})

# Words that nearly every sentence has: asked for, they find everything.
STOP = frozenset(re.findall(r"\w+", "a an and are as at be by can do does for from has have how in into is it its of on or our that the their these they this to via was we what which while with without"))


@dataclass(frozen=True)
class Found:
    rowid: int
    snippet: str


def terms(query: str) -> list[str]:
    """The words of a question, those that say nothing left out unless there are no others."""
    found = list(dict.fromkeys(re.findall(r"[^\W_]+", query.lower())))[:MOST_WORDS]
    return [w for w in found if w not in STOP] or found


def spellings(word: str) -> list[str]:
    """The word, and as it is written on the other side of the Atlantic: normalise and normalize. A spelling that nobody uses costs nothing."""
    made = (_swapped(re.fullmatch(r"(\w{2,}[iy])([sz])(e[drs]?|ers|i|in|ing|ab?|able?|at|ati|ations?|atio|)", word), "s", "z"),
            _swapped(re.fullmatch(r"(behavi|neighb|fav|col|lab|hon)(our?|or)(\w*)", word), "our", "or"),
            _swapped(re.fullmatch(r"(model|label|level|cancel|channel|signal|travel|pencil)(l?)(ed|ing|ers?)", word), "l", ""),
            _swapped(re.fullmatch(r"(cent|fib|met)(re|er)(s?)", word), "re", "er"))
    return list(dict.fromkeys([word, *filter(None, made)]))


def _swapped(found: re.Match[str] | None, here: str, there: str) -> str:
    return f"{found[1]}{there if found[2] == here else here}{found[3]}" if found else ""


# ----------------------------------------------------------------------------------------------------------- writing


def write_cards(c: Connection, sqlite: bool, rows: Sequence[tuple[int, str, str, str, str]]) -> None:
    """Rows of (number of the paper, title, people, gist, body), instead of those that are there."""
    values = [{"seq": seq, "title": title, "people": people, "gist": gist, "body": body, "all": "\n".join((title, gist, people, body))} for seq, title, people, gist, body in rows]
    c.execute(text("DELETE FROM paper_cards WHERE rowid = :seq"), values)
    if sqlite:
        c.execute(text("INSERT INTO paper_cards(rowid, title, people, gist, body) VALUES (:seq, :title, :people, :gist, :body)"), values)
        return
    weighed = " || ".join(f"setweight(to_tsvector('english', :{name}), '{weight}')" for name, weight in (("title", "A"), ("gist", "B"), ("people", "B"), ("body", "D")))
    c.execute(text(f"INSERT INTO paper_cards(rowid, body, words) VALUES (:seq, :all, {weighed})"), values)


def write_words(c: Connection, sqlite: bool, rows: Sequence[tuple[int, str, str]]) -> None:
    """Rows of (id of the passage, section, text)."""
    if not rows:
        return
    values = [{"id": id, "section": section, "text": words} for id, section, words in rows]
    if sqlite:
        c.execute(text("INSERT INTO paper_words(rowid, section, text) VALUES (:id, :section, :text)"), values)
    else:
        c.execute(text("INSERT INTO paper_words(rowid, body, words) VALUES (:id, '', setweight(to_tsvector('english', :section), 'B') || setweight(to_tsvector('english', :text), 'D'))"), values)


# ----------------------------------------------------------------------------------------------------------- asking


def cards(c: Connection, sqlite: bool, words: Sequence[str], where: str, values: dict[str, object], limit: int, prefix: bool) -> list[Found]:
    """Any of the words; those with more and rarer ones first. On SQLite without snippets: `card_snippets` cuts those of the few that are shown."""
    if sqlite:
        joined = "JOIN papers ON papers.seq = paper_cards.rowid" if where else ""
        sql = f"""SELECT paper_cards.rowid AS id, '' AS snippet FROM paper_cards {joined} WHERE paper_cards MATCH :query {where}
                  ORDER BY bm25(paper_cards, {CARD_WEIGHTS}) LIMIT :limit"""
        return _found(c, sql, {**values, "query": " OR ".join(_quoted(words, prefix)), "limit": limit})
    return _postgres(c, "paper_cards", "paper_cards.body", "JOIN papers ON papers.seq = paper_cards.rowid", words, where, values, limit, prefix, " | ")


def passages(c: Connection, sqlite: bool, words: Sequence[str], where: str, values: dict[str, object], limit: int, prefix: bool, every: bool) -> list[Found]:
    """Passages with every word, or with any."""
    joined = "JOIN paper_passages p ON p.id = {} JOIN papers ON papers.id = p.paper_id"
    if not sqlite:
        return _postgres(c, "paper_words", "p.text", joined.format("paper_words.rowid"), words, where, values, limit, prefix, " & " if every else " | ")
    query = (" AND " if every else " OR ").join(_quoted(words, prefix))
    counts = _counts(c, words, prefix)
    counts = counts if max(counts.values()) >= WIDE else {}
    best = _best(c, words, query, counts)
    if not where:
        return [Found(id, "") for id in best[:limit]]
    # The papers of the best are looked up first: of each passage that fits it would cost more than ranking it. Where that leaves too few, the filter is asked of all that fit.
    found = _kept(c, best, where, values)[:limit]
    if len(found) < ENOUGH and len(best) >= min(WEIGHED, LOOKED_AT if counts else WEIGHED):
        own = f"SELECT p.id FROM papers JOIN paper_passages p ON p.paper_id = papers.id WHERE 1 = 1 {where}"
        within = f"AND paper_words.rowid BETWEEN (SELECT min(id) FROM ({own})) AND (SELECT max(id) FROM ({own})) AND +paper_words.rowid IN ({own})"
        found = _best(c, words, query, counts, within, values)[:limit]
    return [Found(id, "") for id in found]


def _best(c: Connection, words: Sequence[str], query: str, counts: dict[str, int], within: str = "", values: Mapping[str, object] = EVERYTHING) -> list[int]:
    """The first passages that fit, best first: by FTS5's BM25, or by our own where it would count through half of the library for every word."""
    asked = {**values, "query": query, "weighed": min(WEIGHED, LOOKED_AT) if counts else WEIGHED}
    if counts:
        rows = c.execute(text(f"SELECT paper_words.rowid, section, text FROM paper_words WHERE paper_words MATCH :query {within} LIMIT :weighed"), asked)
        return [p.id for p in counting.ranked([counting.Passage(*row) for row in rows], _words(words, counts), found=True)]
    ranked = f"SELECT paper_words.rowid AS id, bm25(paper_words, {WORD_WEIGHTS}) AS score FROM paper_words WHERE paper_words MATCH :query {within} LIMIT :weighed"
    return [row.id for row in c.execute(text(f"SELECT id FROM ({ranked}) ORDER BY score"), asked)]


def _kept(c: Connection, ids: Sequence[int], where: str, values: Mapping[str, object]) -> list[int]:
    """Those whose papers a filter leaves, in their order."""
    sql = f"SELECT p.id FROM paper_passages p JOIN papers ON papers.id = p.paper_id WHERE p.id IN (SELECT value FROM json_each(:ids)) {where}"
    left = {row.id for row in c.execute(text(sql), {**values, "ids": json.dumps(ids)})}
    return [id for id in ids if id in left]


def few_papers(c: Connection, where: str, values: dict[str, object]) -> list[str] | None:
    """The papers with passages that a filter leaves; None where they are more than FEW."""
    sql = f"SELECT papers.id FROM papers WHERE EXISTS (SELECT 1 FROM paper_passages p WHERE p.paper_id = papers.id) {where} LIMIT :most"
    found = [row.id for row in c.execute(text(sql), {**values, "most": FEW + 1})]
    return found if len(found) <= FEW else None


def passages_within(c: Connection, words: Sequence[str], papers: Sequence[str], prefix: bool, limit: int) -> list[Found]:
    """Of each of a few papers, in SQLite, the passage that speaks most of the words, the best paper first. The papers are read: an index that holds ten thousand others takes longer."""
    sql = text("SELECT id, section, text, paper_id AS paper FROM paper_passages WHERE paper_id IN (SELECT value FROM json_each(:papers)) ORDER BY id")
    rows = [counting.Passage(*row) for row in c.execute(sql, {"papers": json.dumps(papers)})]
    return [Found(p.id, "") for p in counting.best_of_papers(rows, _words(words, _counts(c, words, prefix)), limit)] if rows else []


def _counts(c: Connection, words: Sequence[str], prefix: bool) -> dict[str, int]:
    """Passages of each word, up to WIDE. A half-typed word is not counted: to gather what begins like it is what takes long."""
    return {word: 1 if star else _count(c, query, WIDE) for (word, star), query in zip(_starred(words, prefix, "*"), _quoted(words, prefix), strict=True)}


def _words(words: Sequence[str], counts: Mapping[str, int]) -> list[counting.Word]:
    return counting.weighed({word: spellings(word) for word in words}, counts, WIDE)


def snippets(c: Connection, sqlite: bool, words: Sequence[str], ids: Sequence[int], prefix: bool) -> dict[int, str]:
    """Of these passages only: a snippet costs more than finding it."""
    return _cut(c, "paper_words", 1, words, ids, prefix) if sqlite else {}


def card_snippets(c: Connection, sqlite: bool, words: Sequence[str], rowids: Sequence[int], prefix: bool) -> dict[int, str]:
    """Of these cards, from the sentence on what they are about."""
    return _cut(c, "paper_cards", 2, words, rowids, prefix) if sqlite else {}


def _cut(c: Connection, table: str, column: int, words: Sequence[str], ids: Sequence[int], prefix: bool) -> dict[int, str]:
    query = " OR ".join(_quoted(words, prefix))
    sql = text(f"SELECT snippet({table}, {column}, :mark, :unmark, '…', {SNIPPET}) FROM {table} WHERE {table} MATCH :query AND rowid = :id")
    return {id: c.execute(sql, {"mark": MARK, "unmark": UNMARK, "query": query, "id": id}).scalar() or "" for id in ids}


def is_common(c: Connection, sqlite: bool, word: str) -> bool:
    """A word as it stands, with enough passages of its own: that more may come is no reason to gather all that begins like it, which takes SQLite twice as long."""
    return sqlite and _count(c, _quoted([word], False)[0]) > COMMON


def rarest(c: Connection, sqlite: bool, words: Sequence[str]) -> list[str]:
    """The words that few passages have; all where none is rare. So that a question of common words does not weigh half of the library."""
    if not sqlite or len(words) < 2:
        return list(words)
    counts = {word: _count(c, query) for word, query in zip(words, _quoted(words, False), strict=True)}
    return [w for w in words if 0 < counts[w] <= COMMON] or sorted((w for w in words if counts[w]), key=lambda w: counts[w])[:1]


def _count(c: Connection, query: str, most: int = 0) -> int:
    """Passages that fit it, up to `most`, or to a few more than are common."""
    return c.execute(text("SELECT count(*) FROM (SELECT 1 FROM paper_words WHERE paper_words MATCH :query LIMIT :most)"), {"query": query, "most": most or COMMON + 1}).scalar() or 0


def _quoted(words: Sequence[str], prefix: bool) -> list[str]:
    """Each in its spellings, as strings of FTS5's, so that no word is taken for an operator; the last one may be half typed."""
    return ["(" + " OR ".join(f'"{said}"{star}' for said in spellings(word)) + ")" for word, star in _starred(words, prefix, " *")]


def _starred(words: Sequence[str], prefix: bool, star: str) -> list[tuple[str, str]]:
    """Each with the sign of a word that goes on, or none."""
    return [(word, star if prefix and n == len(words) - 1 and len(word) > 1 else "") for n, word in enumerate(words)]


def _found(c: Connection, sql: str, values: dict[str, object]) -> list[Found]:
    return [Found(row.id, row.snippet or "") for row in c.execute(text(sql), values)]


def _postgres(c: Connection, table: str, body: str, joined: str, words: Sequence[str], where: str, values: dict[str, object], limit: int, prefix: bool, sign: str) -> list[Found]:
    query = sign.join("(" + " | ".join(f"'{said}'{star}" for said in spellings(word)) + ")" for word, star in _starred(words, prefix, ":*"))      # letters and digits only: nothing to escape
    sql = f"""WITH found AS (SELECT {table}.rowid AS id, {body} AS body, ts_rank_cd({table}.words, to_tsquery('english', :query)) AS score FROM {table} {joined}
                             WHERE {table}.words @@ to_tsquery('english', :query) {where} ORDER BY score DESC, {table}.rowid LIMIT :limit)
              SELECT id, ts_headline('english', body, to_tsquery('english', :query), :how) AS snippet FROM found ORDER BY score DESC, id"""
    how = f'StartSel="{MARK}", StopSel="{UNMARK}", MaxWords={SNIPPET}, MinWords=12, MaxFragments=1'
    return _found(c, sql, {**values, "query": query, "limit": limit, "how": how})
