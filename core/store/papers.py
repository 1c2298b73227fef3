"""The papers' library: what is known of each paper, its files as passages, notes, and where it is read or cited.

Two accounts of one paper are one: by an id elsewhere, by the hash of a file, or by title and year. Who adds holds the library's line (`serialise`), so that two at once
do not add it twice.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, func, insert, or_, select, update

from core.errors import NotFound
from core.store import paper_index
from core.store.engine import Database
from core.store.paper_nouns import EVERY, TIERS, Facts, Filters, Imported, Note, Paper, PaperFile, Passage, merged, title_key
from core.store.paper_tables import ImportRow, PaperFileRow, PaperIdRow, PaperNoteRow, PaperRecordRow, PaperRow, PassageRow
from core.types import sha256_text

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")      # with the marks that turn round the words after them
LONGEST = {"title": 400, "abstract": 8000, "tldr": 1000, "idea": 1000, "venue": 200, "url": 1000, "pdf": 1000}
SHORTEST_TITLE = 16      # letters and digits of a title by which papers are taken for one: "introduction" names many


class Papers:
    def __init__(self, database: Database) -> None:
        self._db = database

    # --------------------------------------------------------------------------------------------- adding

    def add(self, facts: Facts, source: str, tier: str, slug: str = "") -> tuple[Paper, bool]:
        """What `source` says of a paper; the paper as it is now, and whether it is new. Said once, it may be said again to no effect."""
        facts = clean(facts)
        with self._db.together() as c:
            self._db.serialise(c, "papers")
            known = self._known(c, facts, slug)
            paper_id = known or self._new(c, facts, slug)
            if names := [{"kind": kind, "value": value, "paper_id": paper_id} for kind, value in {**facts.ids(), **({"slug": slug} if slug else {})}.items()]:
                c.execute(self._db.insert(PaperIdRow).on_conflict_do_nothing(index_elements=["kind", "value"]), names)
            told = _told(facts, tier)
            last = c.execute(select(PaperRecordRow.data_hash).where(PaperRecordRow.paper_id == paper_id, PaperRecordRow.source == source).order_by(PaperRecordRow.id.desc()).limit(1)).scalar()
            if last != told:
                done = c.execute(self._db.insert(PaperRecordRow).values(paper_id=paper_id, source=source, tier=tier, data=facts.to_dict(), data_hash=told, created_at=datetime.now(UTC))
                                 .on_conflict_do_nothing(index_elements=["paper_id", "source", "data_hash"]))
                if done.rowcount or known is None:
                    self._merge(c, paper_id)
            return self._get(c, paper_id), known is None

    def fill(self, entries: Sequence[tuple[str, Facts]], source: str, tier: str) -> bool:
        """Many at once, as (slug, facts), into a library that is empty; False, and nothing done, where it is not, or two of them may be one."""
        made = [(slug, clean(facts)) for slug, facts in entries]
        names = [(kind, value, slug) for slug, facts in made for kind, value in (("slug", slug), *facts.ids().items())]
        if len({(kind, value) for kind, value, _ in names}) < len(names) or len({title_key(f.title) for _, f in made}) < len(made):
            return False
        now = datetime.now(UTC)
        with self._db.together() as c:
            self._db.serialise(c, "papers")
            if not made or c.execute(select(PaperRow.seq).limit(1)).first():
                return False
            c.execute(insert(PaperRow), [{"id": slug, **_columns(facts, [tier]), "created_at": now} for slug, facts in made])
            c.execute(insert(PaperIdRow), [{"kind": kind, "value": value, "paper_id": slug} for kind, value, slug in names])
            c.execute(insert(PaperRecordRow), [{"paper_id": slug, "source": source, "tier": tier, "data": facts.to_dict(), "data_hash": _told(facts, tier), "created_at": now} for slug, facts in made])
            seqs = {r.id: r.seq for r in c.execute(select(PaperRow.id, PaperRow.seq))}
            paper_index.write_cards(c, self._db.is_sqlite, [_card(seqs[slug], facts) for slug, facts in made])
        return True

    def add_file(self, paper_id: str, hash: str, name: str, path: str, form: str, tier: str, passages: Sequence[tuple[str, str]], note: str = "") -> bool:
        """Its text, as (section, passage) in order. Whether it was new."""
        with self._db.together() as c:
            self._db.serialise(c, "papers")
            if c.execute(select(PaperFileRow.hash).where(PaperFileRow.hash == hash)).first():
                return False
            there = set(c.execute(select(PassageRow.text).where(PassageRow.paper_id == paper_id)).scalars())      # another file of the paper may say the same
            passages = [(section, words) for section, text in passages if (words := printable(text)) not in there]
            first = 1 + (c.execute(select(func.max(PassageRow.number)).where(PassageRow.paper_id == paper_id)).scalar() or 0)
            rows = [{"paper_id": paper_id, "number": first + n, "section": printable(section)[:200], "text": text} for n, (section, text) in enumerate(passages)]
            if rows:
                c.execute(insert(PassageRow), rows)
            stored = c.execute(select(PassageRow.id, PassageRow.section, PassageRow.text).where(PassageRow.paper_id == paper_id, PassageRow.number >= first)).all()
            paper_index.write_words(c, self._db.is_sqlite, [(r.id, r.section, r.text) for r in stored])
            c.execute(insert(PaperFileRow).values(hash=hash, paper_id=paper_id, name=printable(name), path=printable(path), form=form, tier=tier, first=first, passages=len(rows), note=note,
                                                  created_at=datetime.now(UTC)))
            return True

    def note(self, paper_id: str, author: str, words: str) -> Note:
        """A person's, which agents read with the paper."""
        with self._db.write() as c:
            paper = self._get(c, self._named(c, paper_id))
            done = c.execute(insert(PaperNoteRow).values(paper_id=paper.id, author=author, text=self._db.hide(words), created_at=datetime.now(UTC)))
            return _note(c.execute(select(PaperNoteRow).where(PaperNoteRow.id == done.inserted_primary_key[0])).one())

    def imported(self, import_id: str, item: str, state: str, note: str = "", paper_id: str = "") -> None:
        with self._db.write() as c:
            c.execute(self._db.insert(ImportRow).values(import_id=import_id, item=item, state=state, note=note, paper_id=paper_id, created_at=datetime.now(UTC))
                      .on_conflict_do_nothing(index_elements=["import_id", "item"]))

    # --------------------------------------------------------------------------------------------- asking

    def get(self, name: str) -> Paper:
        """By its id here, its arXiv id, its DOI or Semantic Scholar's id."""
        with self._db.read() as c:
            return self._get(c, self._named(c, name))

    def has(self, name: str) -> str:
        """The id of the paper of that name; "" where there is none."""
        with self._db.read() as c:
            return self._lookup(c, name) or ""

    def of_hash(self, hash: str) -> str:
        with self._db.read() as c:
            return c.execute(select(PaperFileRow.paper_id).where(PaperFileRow.hash == hash)).scalar() or ""

    def of_seq(self, seqs: Sequence[int]) -> dict[int, Paper]:
        with self._db.read() as c:
            return {r.seq: _paper(r) for r in c.execute(select(PaperRow).where(PaperRow.seq.in_(list(seqs))))}

    def all(self, filters: Filters = EVERY, limit: int = 100_000, offset: int = 0) -> list[Paper]:
        """Newest year first."""
        query = filtered(select(PaperRow), filters).order_by(func.coalesce(PaperRow.year, 0).desc(), PaperRow.seq).limit(limit).offset(offset)
        with self._db.read() as c:
            return [_paper(r) for r in c.execute(query)]

    def count(self, filters: Filters = EVERY) -> int:
        with self._db.read() as c:
            return c.execute(filtered(select(func.count(PaperRow.seq)), filters)).scalar_one()

    def passages(self, paper_id: str, first: int = 1, last: int = 10**9) -> list[Passage]:
        query = select(PassageRow).where(PassageRow.paper_id == paper_id, PassageRow.number >= first, PassageRow.number <= last).order_by(PassageRow.number)
        with self._db.read() as c:
            return [Passage(r.paper_id, r.number, r.section, r.text) for r in c.execute(query)]

    def passages_of(self, ids: Sequence[int]) -> dict[int, Passage]:
        with self._db.read() as c:
            return {r.id: Passage(r.paper_id, r.number, r.section, r.text) for r in c.execute(select(PassageRow).where(PassageRow.id.in_(list(ids))))}

    def n_passages(self, paper_id: str) -> int:
        with self._db.read() as c:
            return c.execute(select(func.max(PassageRow.number)).where(PassageRow.paper_id == paper_id)).scalar() or 0

    def files(self, paper_id: str) -> list[PaperFile]:
        with self._db.read() as c:
            rows = c.execute(select(PaperFileRow).where(PaperFileRow.paper_id == paper_id).order_by(PaperFileRow.first)).all()
        return [PaperFile(r.hash, r.name, r.path, r.form, r.tier, r.first, r.passages, r.note) for r in rows]

    def sources(self, paper_id: str) -> list[str]:
        """Who said something of it, in the order in which they did."""
        with self._db.read() as c:
            rows = c.execute(select(PaperRecordRow.source).where(PaperRecordRow.paper_id == paper_id).order_by(PaperRecordRow.id)).scalars()
            return list(dict.fromkeys(rows))

    def notes(self, paper_id: str) -> list[Note]:
        """Oldest first."""
        with self._db.read() as c:
            return [_note(r) for r in c.execute(select(PaperNoteRow).where(PaperNoteRow.paper_id == paper_id).order_by(PaperNoteRow.id))]

    def of_import(self, import_id: str) -> list[Imported]:
        with self._db.read() as c:
            rows = c.execute(select(ImportRow).where(ImportRow.import_id == import_id).order_by(ImportRow.created_at, ImportRow.item)).all()
        return [Imported(r.item, r.state, r.note, r.paper_id) for r in rows]

    # --------------------------------------------------------------------------------------------- inside

    def _known(self, c: Connection, facts: Facts, slug: str) -> str | None:
        named = {**facts.ids(), **({"slug": slug} if slug else {})}
        if named:
            rows = c.execute(select(PaperIdRow).where(or_(*(and_(PaperIdRow.kind == kind, PaperIdRow.value == value) for kind, value in named.items())))).all()
            by_kind = {r.kind: r.paper_id for r in rows}
            if found := next((by_kind[kind] for kind in named if kind in by_kind), None):
                return found
        key = title_key(facts.title)
        if len(key) < SHORTEST_TITLE:
            return None
        rows = c.execute(select(PaperRow).where(PaperRow.title_key == key).order_by(PaperRow.seq)).all()
        return next((r.id for r in rows if _same_year(r.year, facts.year) and not _apart(Facts.from_dict(r.facts), facts)), None)

    def _new(self, c: Connection, facts: Facts, slug: str) -> str:
        base, n = slug or slug_of(facts), 1
        while c.execute(select(PaperIdRow.value).where(PaperIdRow.kind == "slug", PaperIdRow.value == (base if n == 1 else f"{base}-{n}"))).first():
            n += 1
        paper_id = base if n == 1 else f"{base}-{n}"
        c.execute(insert(PaperRow).values(id=paper_id, title=facts.title, title_key=title_key(facts.title), year=facts.year, tiers=" ", designs=" ", facts=facts.to_dict(), created_at=datetime.now(UTC)))
        c.execute(insert(PaperIdRow).values(kind="slug", value=paper_id, paper_id=paper_id))
        return paper_id

    def _merge(self, c: Connection, paper_id: str) -> None:
        rows = c.execute(select(PaperRecordRow).where(PaperRecordRow.paper_id == paper_id).order_by(PaperRecordRow.id)).all()
        newest = {r.source: r for r in rows}
        facts = merged((source, Facts.from_dict(r.data)) for source, r in newest.items())
        tiers = [t for t in TIERS if any(r.tier == t for r in rows)]
        c.execute(update(PaperRow).where(PaperRow.id == paper_id).values(**_columns(facts, tiers)))
        seq = c.execute(select(PaperRow.seq).where(PaperRow.id == paper_id)).scalar_one()
        paper_index.write_cards(c, self._db.is_sqlite, [_card(seq, facts)])

    def _named(self, c: Connection, name: str) -> str:
        if found := self._lookup(c, name):
            return found
        raise NotFound(f"there is no paper {name[:80]!r} in the library", "look for it: python -m core papers search WORDS, or fetch it: python -m core papers fetch ID")

    def _lookup(self, c: Connection, name: str) -> str | None:
        bare = name.strip().removeprefix("https://doi.org/").removeprefix("https://arxiv.org/abs/")
        bare = re.sub(r"^(?:paper|arxiv|doi):\s*", "", bare, flags=re.IGNORECASE)
        arxiv = re.sub(r"v\d+$", "", bare)
        tries: tuple[tuple[str, str], ...] = (("slug", bare), ("arxiv", arxiv), ("doi", bare.lower()), ("s2", bare), ("openalex", bare))
        return next((found for kind, value in tries if (found := c.execute(select(PaperIdRow.paper_id).where(PaperIdRow.kind == kind, PaperIdRow.value == value)).scalar())), None)

    def _get(self, c: Connection, paper_id: str) -> Paper:
        return _paper(c.execute(select(PaperRow).where(PaperRow.id == paper_id)).one())


def filtered(query: Select, f: Filters) -> Select:
    wanted = [*([PaperRow.year >= f.since] if f.since is not None else []), *([PaperRow.year <= f.until] if f.until is not None else []),
              *([PaperRow.tiers.contains(f" {f.tier} ", autoescape=True)] if f.tier else []), *([PaperRow.designs.contains(f" {f.design} ", autoescape=True)] if f.design else []),
              *([PaperRow.designs != "  "] if f.related else [])]
    return query.where(*wanted)


def printable(text: str) -> str:
    return CONTROL.sub("", text)


def clean(facts: Facts) -> Facts:
    """One line each but the abstract, no control characters, no ends without end."""
    def one(name: str, value: str) -> str:
        return printable(value).strip()[: LONGEST.get(name, 200)] if name == "abstract" else " ".join(printable(value).split())[: LONGEST.get(name, 200)]

    changed: dict[str, Any] = {}
    for name, value in facts.to_dict().items():
        changed[name] = one(name, value) if isinstance(value, str) else tuple(filter(None, (one("", str(v)) for v in value[:200]))) if isinstance(value, list) else value
    arxiv = re.sub(r"^arxiv:|v\d+$", "", changed.get("arxiv", ""), flags=re.IGNORECASE)
    doi = re.sub(r"^https?://(dx\.)?doi\.org/", "", changed.get("doi", "").lower())
    if by_arxiv := re.fullmatch(r"10\.48550/arxiv\.(\S+)", doi):        # arXiv's own DOI of a preprint says the same as its id
        arxiv, doi = arxiv or re.sub(r"v\d+$", "", by_arxiv[1]), ""
    year = facts.year if facts.year and 1800 <= facts.year <= 2200 else None
    return replace(facts, **{**changed, "arxiv": arxiv, "doi": doi, "year": year, "title": changed.get("title") or "Untitled"})


def slug_of(facts: Facts) -> str:
    """yang2024parallelizing: surname, year, the first long word of the title."""
    def plain(text: str) -> str:
        return re.sub(r"[^a-z0-9]", "", unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower())

    surname = plain(facts.authors[0].split()[-1]) if facts.authors and facts.authors[0].split() else ""
    word = next((plain(w) for w in facts.title.split() if len(plain(w)) > 3), plain(facts.title))
    return f"{surname}{facts.year or ''}{word}"[:48] or f"paper{sha256_text(facts.title)[:8]}"


def _same_year(a: int | None, b: int | None) -> bool:
    """A preprint and its printed form are often a year apart."""
    return a is None or b is None or abs(a - b) <= 1


def _apart(a: Facts, b: Facts) -> bool:
    """Whether two of one title are known to be two: both have an id of one kind, and they differ."""
    mine, theirs = a.ids(), b.ids()
    return any(mine[k] != theirs[k] for k in ("arxiv", "s2", "openalex") if k in mine and k in theirs)


def _told(facts: Facts, tier: str) -> str:
    """By which a record that says the same is known."""
    return sha256_text(repr(sorted(facts.to_dict().items())) + tier)


def _columns(facts: Facts, tiers: Sequence[str]) -> dict[str, Any]:
    return {"title": facts.title, "title_key": title_key(facts.title), "year": facts.year, "tiers": f" {' '.join(tiers)} ", "designs": f" {' '.join(facts.designs)} ", "facts": facts.to_dict()}


def _card(seq: int, facts: Facts) -> tuple[int, str, str, str, str]:
    """What the index has of a paper: title, people (and tags, units, designs), gist, body."""
    people = " ".join([*facts.authors, str(facts.year or ""), facts.venue, facts.arxiv, *facts.tags, *(name.replace("_", " ") for name in (*facts.units, *facts.designs)), *facts.designs])
    return seq, facts.title, people, " ".join(filter(None, [facts.idea, facts.tldr])) or facts.abstract[:600], facts.abstract


def _paper(r: Row[Any]) -> Paper:
    return Paper(r.id, r.seq, Facts.from_dict(r.facts), tuple(r.tiers.split()), r.created_at)


def _note(r: Row[Any]) -> Note:
    return Note(r.id, r.author, r.text, r.created_at)


