"""BibTeX by bibtexparser: an entry becomes facts. An entry that cannot be read is told of like a file that cannot."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

from core.errors import PaperError
from core.papers.readers import decoded
from core.papers.readers.ids import arxiv_id, doi_id, year_of
from core.store.paper_nouns import Facts

LARGEST = 40 * 2**20


def read_bibtex(path: Path) -> Iterator[tuple[str, Facts | None]]:
    """(key, facts) of each entry; None for one that is broken. Raises PaperError where the file holds no entry at all."""
    import bibtexparser
    from bibtexparser.model import DuplicateBlockKeyBlock, ParsingFailedBlock

    try:
        data = path.read_bytes() if path.stat().st_size <= LARGEST else b""
    except OSError as error:
        raise PaperError(f"{path} cannot be read: {error.strerror or error}", "see who may read it") from None
    logging.getLogger("bibtexparser").setLevel(logging.CRITICAL)      # what is broken is told here, entry by entry
    parsed = bibtexparser.parse_string(decoded(path.name, data))
    if not parsed.entries and not parsed.failed_blocks:
        yield "nothing", None
        return
    seen: set[str] = set()
    for block in [*parsed.entries, *parsed.failed_blocks]:
        inner = block.ignore_error_block if isinstance(block, DuplicateBlockKeyBlock) else None
        entry = inner or (None if isinstance(block, ParsingFailedBlock) else block)
        key = getattr(entry, "key", "") or f"line {(block.start_line or 0) + 1}"
        while key in seen:
            key += "+"
        seen.add(key)
        yield key, _facts({name.lower(): str(field.value) for name, field in entry.fields_dict.items()}) if entry is not None else None


def _facts(fields: dict[str, str]) -> Facts | None:
    title = _plain(fields.get("title", ""))
    if not title:
        return None
    eprint = fields.get("eprint", "") if fields.get("archiveprefix", "arxiv").lower() == "arxiv" else ""
    arxiv = arxiv_id(eprint) or arxiv_id(fields.get("url", "")) or arxiv_id((re.search(r"arxiv:\s*[\w./-]+", fields.get("journal", ""), re.IGNORECASE) or [""])[0])
    return Facts(title=title, authors=tuple(filter(None, (_person(p) for p in re.split(r"\s+and\s+", fields.get("author", ""))))), year=year_of(fields.get("year", "") or fields.get("date", "")),
                 venue=_plain(fields.get("booktitle") or fields.get("journal") or ""), abstract=_plain(fields.get("abstract", "")), arxiv=arxiv, doi=doi_id(fields.get("doi", "")), url=fields.get("url", ""))


def _person(name: str) -> str:
    """Surname, Given → Given Surname."""
    last, comma, first = _plain(name).partition(",")
    return f"{first.strip()} {last.strip()}" if comma else last.strip()


def _plain(text: str) -> str:
    """Accents as letters, braces gone."""
    from pylatexenc.latex2text import LatexNodes2Text

    if "\\" not in text:
        return " ".join(re.sub(r"[{}]", "", text).split())
    try:
        return " ".join(LatexNodes2Text(math_mode="verbatim").latex_to_text(text, tolerant_parsing=True).split())
    except (ValueError, RecursionError, IndexError):
        return " ".join(re.sub(r"[{}\\]", "", text).split())
