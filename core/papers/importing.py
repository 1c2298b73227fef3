"""Bringing papers in: a folder, a file, a BibTeX file. An import is a list of items, each stored in one transaction with the word that it is done: one that was killed goes on
where it was, and nothing is there twice.

A folder may be laid out in tiers: htmls, pdfs (primary), htmls2, pdfs2 (secondary), htmlsp, pdfsp (further); files elsewhere in it are of the tier that was asked for.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import PaperError
from core.papers.passages import passages
from core.papers.readers import BIB, LARGEST, SUFFIXES, read_file
from core.store import Store
from core.store.paper_nouns import Facts, Imported, Paper, Read

FOLDERS = {"htmls": "primary", "pdfs": "primary", "htmls2": "secondary", "pdfs2": "secondary", "htmlsp": "further", "pdfsp": "further"}
MOST_FILES = 200_000
Report = Callable[[float, str], None]


@dataclass(frozen=True)
class Item:
    """`name` is its own within an import; `entry` is what one of a BibTeX file says."""

    name: str
    path: Path
    tier: str
    entry: Facts | None = None
    trouble: str = ""                    # why it is none


@dataclass(frozen=True)
class Tally:
    """How an import went, item by item."""

    items: tuple[Imported, ...]

    @property
    def counts(self) -> Counter[str]:
        return Counter(i.state for i in self.items)

    @property
    def broken(self) -> list[Imported]:
        return [i for i in self.items if i.state == "broken"]

    @property
    def words(self) -> str:
        n = self.counts
        return f"{n['added']} added, {n['known']} known already, {n['broken']} that could not be read"


def items_of(source: Path, tier: str = "primary") -> list[Item]:
    """What is to be imported, in an order that does not change. Raises PaperError where there is nothing."""
    if not source.exists():
        raise PaperError(f"there is no file or folder {source}", "give a path that is there, an arXiv id, a DOI or a link")
    if source.is_file():
        return list(_of_file(source, source.name, tier))
    found = [item for path in _walk(source) for item in _of_file(path, str(path.relative_to(source)), _tier(path.relative_to(source), tier))]
    if not found:
        raise PaperError(f"{source} holds no file that can be read", f"the kinds are {', '.join([*SUFFIXES, *BIB])}")
    return found


def import_all(store: Store, import_id: str, source: Path, tier: str, report: Report) -> Tally:
    """All of a file or folder. `report` is called before each item, and may raise to stop."""
    items = items_of(source, tier)
    done = {i.item for i in store.papers.of_import(import_id)}
    for n, item in enumerate(items):
        if item.name not in done:
            report(n / len(items), f"{n + 1} of {len(items)}: {item.name}")
            import_item(store, import_id, item)
    report(1.0, "done")
    return Tally(tuple(store.papers.of_import(import_id)))


def import_item(store: Store, import_id: str, item: Item) -> Imported:
    """What cannot be read is written down as broken, and the others go on."""
    try:
        state, note, paper = _stored(store, import_id, item)
    except PaperError as error:
        state, note, paper = "broken", str(error), None
        store.papers.imported(import_id, item.name, state, note)
    return Imported(item.name, state, note, paper.id if paper else "")


def add_file(store: Store, name: str, data: bytes, tier: str, path: str = "", about: Facts | None = None, then: Callable[[Paper, bool, str], None] = lambda *_: None) -> tuple[Paper, bool, str]:
    """A file's paper, whether the file is new, and what could not be read of it. `about`: what is known of it from elsewhere. Raises PaperError.

    It is read before the transaction begins, which others would wait for; `then` is called within it.
    """
    digest = hashlib.sha256(data).hexdigest()
    if known := store.papers.of_hash(digest):
        then(paper := store.papers.get(known), False, "")
        return paper, False, ""
    read = read_file(name, data)
    pieces = passages(read.sections)
    with store.together():
        paper, _ = store.papers.add(_known_better(read, about), f"file:{digest[:16]}", tier)
        fresh = store.papers.add_file(paper.id, digest, name, path, read.form, tier, pieces, read.note)
        then(paper, fresh, read.note)
    return paper, fresh, read.note


# ---------------------------------------------------------------------------------------------------------- inside


def _stored(store: Store, import_id: str, item: Item) -> tuple[str, str, Paper]:
    if item.trouble:
        raise PaperError(item.trouble, "mend the entry")
    if item.entry is not None:
        with store.together():
            paper, new = store.papers.add(item.entry, "bibtex", item.tier)
            state = "added" if new else "known"
            store.papers.imported(import_id, item.name, state, "", paper.id)
        return state, "", paper
    try:
        data = item.path.read_bytes() if item.path.stat().st_size <= LARGEST else b""
    except OSError as error:
        raise PaperError(f"{item.path} cannot be read: {error.strerror or error}", "see who may read it") from None
    if not data and item.path.stat().st_size > LARGEST:
        raise PaperError(f"{item.name} has {item.path.stat().st_size / 2**20:,.0f} MB", f"at most {LARGEST // 2**20} MB are read")

    def done(paper: Paper, fresh: bool, note: str) -> None:      # with the paper and its passages: all or none
        store.papers.imported(import_id, item.name, "added" if fresh else "known", note, paper.id)

    paper, fresh, note = add_file(store, item.path.name, data, item.tier, str(item.path), then=done)
    return "added" if fresh else "known", note, paper


def _known_better(read: Read, about: Facts | None) -> Facts:
    """A file's own word, but the ids by which it was asked for; a title that another library gave is better than one guessed from a page."""
    if about is None:
        return read.facts
    return replace(read.facts, **{k: v for k, v in about.to_dict().items() if k in ("arxiv", "doi", "s2", "openalex", "title", "year")})


def _walk(folder: Path) -> Iterator[Path]:
    """Files of kinds that are read, sorted; what begins with a dot is left out, links out of the folder are not followed."""
    n = 0
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts) and path.suffix.lower() in (*SUFFIXES, *BIB) and path.resolve().is_relative_to(folder.resolve()):
            n += 1
            if n > MOST_FILES:
                raise PaperError(f"{folder} holds more than {MOST_FILES:,} files", "import its folders one by one")
            yield path


def _of_file(path: Path, name: str, tier: str) -> Iterator[Item]:
    if path.suffix.lower() not in BIB:
        yield Item(name, path, tier)
        return
    from core.papers.bibtex import read_bibtex

    for key, entry in read_bibtex(path):
        yield Item(f"{name}#{key}", path, tier, entry, "" if entry else f"{name}: {key} is no BibTeX entry that can be read, or has no title")


def _tier(relative: Path, otherwise: str) -> str:
    return next((FOLDERS[part] for part in relative.parts[:-1] if part in FOLDERS), otherwise)
