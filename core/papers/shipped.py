"""The curated index: library/papers/*.yaml, a list of entries each. It enters the store at first use, and again when its files change."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from core.errors import PaperError
from core.quick_yaml import parsed
from core.store import Store
from core.store.paper_nouns import ET_AL, LISTS, Facts

KEYS = ("id", "title", "authors", "et_al", "year", "venue", "arxiv", "doi", "s2", "openalex", "url", "idea", "units", "designs", "tags")
NEEDED = ("id", "title", "authors", "year", "idea")
SOURCE = "index"


@dataclass(frozen=True)
class Entry:
    slug: str
    facts: Facts


def load_index(folder: Path) -> list[Entry]:
    """Raises PaperError naming the file, the entry and what is wrong with it."""
    found: dict[str, Entry] = {}
    for path in sorted(folder.glob("*.yaml")):
        for entry in _entries(path):
            made = _entry(path, entry)
            if made.slug in found:
                raise PaperError(f"{path}: {made.slug} is there twice", "give each paper one entry")
            found[made.slug] = made
    return list(found.values())


def index_shipped(store: Store, library_dir: Path) -> int:
    """How many entries were read; 0 where nothing has changed since."""
    folder = library_dir / "papers"
    stamp = _stamp(folder)
    last = store.lookups.newest(SOURCE, "files")
    if last is not None and last.data.get("hash") == stamp:
        return 0
    entries = load_index(folder)
    with store.together():
        if not store.papers.fill([(entry.slug, entry.facts) for entry in entries], SOURCE, "index"):
            for entry in entries:
                store.papers.add(entry.facts, SOURCE, "index", entry.slug)
        store.lookups.add(SOURCE, "files", "ok", {"hash": stamp, "entries": len(entries)}, 0)
    return len(entries)


def _stamp(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.yaml")):
        digest.update(path.name.encode() + b"\x00" + path.read_bytes() + b"\x00")
    return digest.hexdigest()


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        data = parsed(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PaperError(f"{path} cannot be read: {' '.join(str(error).split())[:200]}", "mend the file, or restore library/") from None
    entries = data if isinstance(data, list) else [data]
    if any(not isinstance(e, dict) for e in entries if e is not None):
        raise PaperError(f"{path} is no list of papers", "each entry has id, title, authors, year, idea")
    return [e for e in entries if e]


def _entry(path: Path, data: dict[str, Any]) -> Entry:
    name = f"{path}: {data.get('id') or data.get('title') or 'an entry'}"
    lacking = [key for key in NEEDED if not data.get(key)]
    unknown = sorted(set(map(str, data)) - set(KEYS))
    if lacking or unknown:
        raise PaperError(f"{name} lacks {', '.join(lacking)}" if lacking else f"{name} has an unknown key {unknown[0]!r}", f"the keys are {', '.join(KEYS)}")
    if not isinstance(data["year"], int) or any(not isinstance(data.get(k) or [], list) for k in LISTS):
        raise PaperError(f"{name}: year is a whole number; {', '.join(LISTS)} are lists", "see the other entries")
    values = {k: tuple(map(str, v)) if k in LISTS else v if k == "year" else str(v) for k, v in data.items() if k not in ("id", "et_al") and v not in (None, "")}
    if data.get("et_al"):  # more authors than the entry lists
        values["authors"] = (*values["authors"], ET_AL)
    return Entry(str(data["id"]), Facts(**values))
