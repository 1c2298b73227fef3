"""The index for searching papers: SQLite's FTS5, PostgreSQL's tsvector. Two indexes, `paper_cards` (a paper each: title, authors, what it is about) and `paper_words`
(a passage each), asked apart; core/store/paper_search.py joins what they say.

BM25 as FTS5 has it (Robertson and Zaragoza 2009, k1 = 1.2, b = 0.75), with a weight a column; `ts_rank_cd` on PostgreSQL.
"""

from __future__ import annotations

import json
import re
import unicodedata
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
ENOUGH = 12              # passages with every word: no need to look for those with some
FEW = 200                # papers that a filter may leave to be looked through one by one,
READ = 4000              # and their passages

COMPLETED = 6            # words that a half-typed one is taken for
ENDING, SHORTEST = 4, 4  # letters that a half-typed word may have beyond a stem, and those of the shortest such stem

EVERYTHING: Mapping[str, object] = MappingProxyType({})

# Words that nearly every sentence has: asked for, they find everything.
STOP = frozenset(re.findall(r"\w+", "a an and are as at be by can do does for from has have how in into is it its of on or our that the their these they this to via was we what which while with without"))


@dataclass(frozen=True)
class Found:
    rowid: int
    snippet: str


@dataclass(frozen=True)
class Term:
    """A word of a question and what is asked for it: its spellings, and, if it is half typed, what it may become. `starts`: anything that begins so."""

    word: str
    said: tuple[str, ...]
    starts: bool = False

    @property
    def query(self) -> str:
        """As strings of FTS5's, so that no word is taken for an operator."""
        star = " *" if self.starts else ""
        return "(" + " OR ".join(f'"{said}"{star}' for said in self.said) + ")"


def terms(query: str) -> list[str]:
    """The words of a question, those that say nothing left out unless there are no others."""
    found = list(dict.fromkeys(re.findall(r"[^\W_]+", query.lower())))[:MOST_WORDS]
    return [w for w in found if w not in STOP] or found


def asked(c: Connection, sqlite: bool, words: Sequence[str], prefix: bool) -> list[Term]:
    """`prefix`: the last word may be half typed. PostgreSQL is then asked for all that begins so. SQLite would gather the passages of each such word: it is asked for the few of them that
    most cards have, and for all only where no card has any and few passages have the word as it stands."""
    made = [Term(word, tuple(spellings(word))) for word in words]
    if prefix and len(words[-1]) > 1:
        last = made.pop()
        if not sqlite:
            return [*made, Term(last.word, tuple(_begun(c, said) for said in last.said), starts=True)]
        more = [form for said in last.said for form in completions(c, said)]
        if not more and not any(_count(c, Term(said, (said,), starts).query, 1) for starts in (False, True) for said in last.said):
            more = _of_stem(c, last.word)
        rare = not more and _count(c, last.query) <= COMMON
        made.append(Term(last.word, tuple(sorted({*last.said, *more}, key=lambda said: (said != last.word, said))), starts=rare))
    return made


def _shorter(word: str) -> list[str]:
    return [word[:-n] for n in range(1, ENDING + 1) if len(word) - n >= SHORTEST]


def _begun(c: Connection, word: str) -> str:
    """The word, or of one that nothing in PostgreSQL begins with and that is longer than a stem, the longest beginning that something has."""
    sql = text("SELECT EXISTS (SELECT 1 FROM paper_cards WHERE words @@ to_tsquery('english', :query)) OR EXISTS (SELECT 1 FROM paper_words WHERE words @@ to_tsquery('english', :query))")
    return next((begun for begun in (word, *_shorter(word)) if c.execute(sql, {"query": f"'{begun}':*"}).scalar()), word)


def completions(c: Connection, word: str) -> list[str]:
    """Words for the stems of the cards that begin so, those of most papers first."""
    begin = text("SELECT term, doc FROM paper_cards_terms WHERE term >= :low AND term < :high ORDER BY doc DESC, term LIMIT :most")
    plain = _plain(word)
    return [form for row in c.execute(begin, {"low": plain, "high": plain + "\U0010ffff", "most": COMPLETED}).all() if (form := _form(c, row.term, row.doc))]


def _of_stem(c: Connection, word: str) -> list[str]:
    """Of a word that is longer than its stem (`selectiv`), one for the stem: a card's, or what passages have."""
    shorter = _shorter(_plain(word))
    known = text("SELECT term, doc FROM paper_cards_terms WHERE term IN (SELECT value FROM json_each(:stems)) ORDER BY length(term) DESC LIMIT 1")
    found = [form for row in c.execute(known, {"stems": json.dumps(shorter)}).all() if (form := _form(c, row.term, row.doc))]
    return found or [begun for begun in shorter if _count(c, Term(begun, (begun,)).query, 1)][:1]


def _plain(word: str) -> str:
    """Without accents, as the index has its terms."""
    return "".join(letter for letter in unicodedata.normalize("NFKD", word) if not unicodedata.combining(letter))


def _form(c: Connection, stem: str, cards: int) -> str:
    """A word that the index reads as this stem, which it would stem once more: `embed` of `embedding` becomes `emb`, but `embeding` is `embed`. Empty where none is."""
    sql = text("SELECT count(*) FROM paper_cards WHERE paper_cards MATCH :query")
    return next((form for form in (stem, f"{stem}ing", f"{stem}ed", f"{stem}e", f"{stem}s") if c.execute(sql, {"query": f'"{form}"'}).scalar() == cards), "")


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


def cards(c: Connection, sqlite: bool, words: Sequence[Term], where: str, values: dict[str, object], limit: int) -> list[Found]:
    """Any of the words; those with more and rarer ones first. On SQLite without snippets: `card_snippets` cuts those of the few that are shown."""
    if sqlite:
        joined = "JOIN papers ON papers.seq = paper_cards.rowid" if where else ""
        sql = f"""SELECT paper_cards.rowid AS id, '' AS snippet FROM paper_cards {joined} WHERE paper_cards MATCH :query {where}
                  ORDER BY bm25(paper_cards, {CARD_WEIGHTS}) LIMIT :limit"""
        return _found(c, sql, {**values, "query": " OR ".join(w.query for w in words), "limit": limit})
    return _postgres(c, "paper_cards", "paper_cards.body", "JOIN papers ON papers.seq = paper_cards.rowid", words, where, values, limit, " | ")


def passages(c: Connection, sqlite: bool, words: Sequence[Term], where: str, values: dict[str, object], limit: int, every: bool) -> list[Found]:
    """Passages with every word, or with any."""
    joined = "JOIN paper_passages p ON p.id = {} JOIN papers ON papers.id = p.paper_id"
    if not sqlite:
        return _postgres(c, "paper_words", "p.text", joined.format("paper_words.rowid"), words, where, values, limit, " & " if every else " | ")
    query = (" AND " if every else " OR ").join(w.query for w in words)
    counts = _counts(c, words)
    counts = counts if max(counts.values()) >= WIDE else {}
    best = _best(c, words, query, counts)
    if not where:
        return [Found(id, "") for id in best[:limit]]
    # The papers of the best are looked up first: of each passage that fits it would cost more than ranking it. Where that leaves too few, the filter is asked of all that fit.
    found = _kept(c, best, where, values)[:limit]
    if len(found) < ENOUGH and len(best) >= WEIGHED:
        own = f"SELECT p.id FROM papers CROSS JOIN paper_passages p ON p.paper_id = papers.id WHERE 1 = 1 {where}"
        within = f"AND paper_words.rowid BETWEEN (SELECT min(id) FROM ({own})) AND (SELECT max(id) FROM ({own})) AND +paper_words.rowid IN ({own})"
        found = _best(c, words, query, counts, within, values)[:limit]
    return [Found(id, "") for id in found]


def _best(c: Connection, words: Sequence[Term], query: str, counts: dict[str, int], within: str = "", values: Mapping[str, object] = EVERYTHING) -> list[int]:
    """The first passages that fit, best first: by FTS5's BM25, or by our own where it would count through half of the library for every word."""
    asked = {**values, "query": query, "weighed": WEIGHED, "half": WEIGHED // 2}
    if counts:
        # Of more than are weighed, those that came first and those that came last.
        fits = f"SELECT paper_words.rowid, section, text FROM paper_words WHERE paper_words MATCH :query {within} ORDER BY paper_words.rowid {{}} LIMIT :half"
        rows = {row[0]: counting.Passage(*row) for row in c.execute(text(fits.format("ASC")), asked)}
        if len(rows) == asked["half"]:
            rows |= {row[0]: counting.Passage(*row) for row in c.execute(text(fits.format("DESC")), asked)}
        return [p.id for p in counting.ranked(list(rows.values()), _words(words, counts), found=True)]
    ranked = f"SELECT paper_words.rowid AS id, bm25(paper_words, {WORD_WEIGHTS}) AS score FROM paper_words WHERE paper_words MATCH :query {within} LIMIT :weighed"
    return [row.id for row in c.execute(text(f"SELECT id FROM ({ranked}) ORDER BY score"), asked)]


def _kept(c: Connection, ids: Sequence[int], where: str, values: Mapping[str, object]) -> list[int]:
    """Those whose papers a filter leaves, in their order."""
    sql = f"SELECT p.id FROM paper_passages p JOIN papers ON papers.id = p.paper_id WHERE p.id IN (SELECT value FROM json_each(:ids)) {where}"
    left = {row.id for row in c.execute(text(sql), {**values, "ids": json.dumps(ids)})}
    return [id for id in ids if id in left]


def few_papers(c: Connection, where: str, values: dict[str, object]) -> list[str] | None:
    """The papers with passages that a filter leaves; None where they are more than FEW, or have more than READ passages."""
    sql = f"SELECT papers.id FROM papers WHERE EXISTS (SELECT 1 FROM paper_passages p WHERE p.paper_id = papers.id) {where} LIMIT :most"
    found = [row.id for row in c.execute(text(sql), {**values, "most": FEW + 1})]
    read = text("SELECT count(*) FROM (SELECT 1 FROM paper_passages WHERE paper_id IN (SELECT value FROM json_each(:papers)) LIMIT :most)")
    if len(found) > FEW or c.execute(read, {"papers": json.dumps(found), "most": READ + 1}).scalar_one() > READ:
        return None
    return found


def passages_within(c: Connection, words: Sequence[Term], papers: Sequence[str], limit: int) -> list[Found]:
    """Of each of a few papers, in SQLite, the passage that speaks most of the words, the best paper first. The index says in each which passages fit; those are read and ranked."""
    sql = text("SELECT id, section, text, paper_id AS paper FROM paper_passages WHERE paper_id IN (SELECT value FROM json_each(:papers)) ORDER BY id")
    rows = {row.id: counting.Passage(*row) for row in c.execute(sql, {"papers": json.dumps(papers)})}
    fit = _fitting(c, " OR ".join(w.query for w in words), rows, any(w.starts for w in words)) if rows else []
    return [Found(p.id, "") for p in counting.best_of_papers([rows[id] for id in fit], _words(words, _counts(c, words)), limit)] if fit else []


def _fitting(c: Connection, query: str, rows: Mapping[int, counting.Passage], starts: bool) -> list[int]:
    ends: dict[str, tuple[int, int]] = {}
    for id, passage in rows.items():
        ends[passage.paper] = ends.get(passage.paper, (id, id))[0], id
    if starts:       # what begins like a word is gathered anew for each range, which takes long
        ends = {"": (min(rows), max(rows))}
    each = " UNION ALL ".join(f"SELECT rowid FROM paper_words WHERE paper_words MATCH :query AND rowid BETWEEN {first} AND {last}" for first, last in ends.values())
    return sorted({row[0] for row in c.execute(text(each), {"query": query})} & rows.keys())


def _counts(c: Connection, words: Sequence[Term]) -> dict[str, int]:
    """Passages of each word, up to WIDE. What only begins like a word is not counted: to gather it is what takes long."""
    return {w.word: 1 if w.starts else _count(c, w.query, WIDE) for w in words}


def _words(words: Sequence[Term], counts: Mapping[str, int]) -> list[counting.Word]:
    return counting.weighed({w.word: w.said for w in words}, counts, WIDE)


def snippets(c: Connection, sqlite: bool, words: Sequence[Term], ids: Sequence[int]) -> dict[int, str]:
    """Of these passages only: a snippet costs more than finding it."""
    return _cut(c, "paper_words", 1, words, ids) if sqlite else {}


def card_snippets(c: Connection, sqlite: bool, words: Sequence[Term], rowids: Sequence[int]) -> dict[int, str]:
    """Of these cards, from the sentence on what they are about."""
    return _cut(c, "paper_cards", 2, words, rowids) if sqlite else {}


def _cut(c: Connection, table: str, column: int, words: Sequence[Term], ids: Sequence[int]) -> dict[int, str]:
    query = " OR ".join(w.query for w in words)
    sql = text(f"SELECT snippet({table}, {column}, :mark, :unmark, '…', {SNIPPET}) FROM {table} WHERE {table} MATCH :query AND rowid = :id")
    return {id: c.execute(sql, {"mark": MARK, "unmark": UNMARK, "query": query, "id": id}).scalar() or "" for id in ids}


def rarest(c: Connection, sqlite: bool, words: Sequence[Term]) -> list[Term]:
    """The words that few passages have; all where none is rare. So that a question of common words does not weigh half of the library."""
    if not sqlite or len(words) < 2:
        return list(words)
    counts = {w.word: _count(c, w.query) for w in words}
    return [w for w in words if 0 < counts[w.word] <= COMMON] or sorted((w for w in words if counts[w.word]), key=lambda w: counts[w.word])[:1]


def _count(c: Connection, query: str, most: int = 0) -> int:
    """Passages that fit it, up to `most`, or to a few more than are common."""
    return c.execute(text("SELECT count(*) FROM (SELECT 1 FROM paper_words WHERE paper_words MATCH :query LIMIT :most)"), {"query": query, "most": most or COMMON + 1}).scalar() or 0


def _found(c: Connection, sql: str, values: dict[str, object]) -> list[Found]:
    return [Found(row.id, row.snippet or "") for row in c.execute(text(sql), values)]


def _postgres(c: Connection, table: str, body: str, joined: str, words: Sequence[Term], where: str, values: dict[str, object], limit: int, sign: str) -> list[Found]:
    query = sign.join("(" + " | ".join(f"'{said}'{':*' * w.starts}" for said in w.said) + ")" for w in words)      # letters and digits only: nothing to escape
    sql = f"""WITH found AS (SELECT {table}.rowid AS id, {body} AS body, ts_rank_cd({table}.words, to_tsquery('english', :query)) AS score FROM {table} {joined}
                             WHERE {table}.words @@ to_tsquery('english', :query) {where} ORDER BY score DESC, {table}.rowid LIMIT :limit)
              SELECT id, ts_headline('english', body, to_tsquery('english', :query), :how) AS snippet FROM found ORDER BY score DESC, id"""
    how = f'StartSel="{MARK}", StopSel="{UNMARK}", MaxWords={SNIPPET}, MinWords=12, MaxFragments=1'
    return _found(c, sql, {**values, "query": query, "limit": limit, "how": how})
