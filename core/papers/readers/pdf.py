"""PDF by pypdf. Lines that every page repeats, and page numbers, are left out; words that were divided at the end of a line are joined.

What it does not do: recognise the text of scans, or set formulas as LaTeX; their characters stand in the order in which the file has them.
"""

from __future__ import annotations

import io
import logging
import re
import time
from collections import Counter

from core.errors import PaperError
from core.papers.readers.markdown import read_lines
from core.store.paper_nouns import Read

PAGES = 400              # of one file, from the front
SECONDS = 60.0           # for one file; what was read by then is kept, and said
NO_TITLE = re.compile(r"^(untitled|microsoft word|arxiv|.*\.(docx?|tex|dvi|pdf|ps)$|.{0,7}$)", re.IGNORECASE)


def read_pdf(name: str, data: bytes) -> Read:
    """Raises PaperError where the file is broken, locked with a password, or holds no page."""
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)      # it tells of every flaw; those that matter are told here
    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise PaperError(f"{name} is locked with a password", "save it without one")
        pages, note = _pages(reader)
        about = reader.metadata or {}
        title, author = str(about.get("/Title") or "").strip(), str(about.get("/Author") or "").strip()
    except PyPdfError as error:
        raise PaperError(f"{name} is a broken PDF: {_short(error)}", "download it again") from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, OverflowError, AssertionError, NotImplementedError, OSError, ImportError) as error:
        raise PaperError(f"{name} is a PDF that cannot be read: {type(error).__name__}: {_short(error)}", "download it again, or take its HTML or LaTeX") from None
    text = "\n\n".join(_without_furniture(pages))
    people = tuple(p.strip() for p in re.split(r"[;,]|\band\b", author) if p.strip()) if "@" not in author else ()
    read = read_lines(name, joined(text), "pdf", "" if NO_TITLE.match(title) else title, people)
    return Read(read.facts, read.form, read.sections, note)


def _pages(reader) -> tuple[list[str], str]:
    found, until, note, broken = [], time.monotonic() + SECONDS, "", 0
    total = len(reader.pages)
    if not total:
        raise ValueError("it has no pages")
    for number in range(min(total, PAGES)):
        if time.monotonic() > until:
            note = f"read up to page {number} of {total}: it took too long"
            break
        try:
            found.append(reader.pages[number].extract_text() or "")
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, OverflowError, AssertionError, NotImplementedError) as error:
            broken, note = broken + 1, f"page {number + 1} could not be read: {_short(error)}"
    if broken == min(total, PAGES):
        raise ValueError(note)
    return found, note or (f"the first {PAGES} of {total} pages" if total > PAGES else "")


def _without_furniture(pages: list[str]) -> list[str]:
    """Headers and footers: the first and last lines that three pages and a third of them share, but for numbers."""
    def like(line: str) -> str:
        return re.sub(r"\d+", "#", line.strip())

    edges = Counter(key for page in pages for key in {like(line) for line in [*page.strip().splitlines()[:2], *page.strip().splitlines()[-2:]]} if key)
    often = {key for key, n in edges.items() if n >= max(3, len(pages) / 3)}
    return ["\n".join(line for line in page.splitlines() if like(line) not in often and not re.fullmatch(r"\s*\d{1,4}\s*", line)) for page in pages]


def joined(text: str) -> str:
    """atten-⏎tion → attention; ligatures as letters."""
    for sign, letters in (("ﬁ", "fi"), ("ﬂ", "fl"), ("ﬀ", "ff"), ("ﬃ", "ffi"), ("ﬄ", "ffl")):
        text = text.replace(sign, letters)
    return re.sub(r"([a-z])-\n([a-z])", r"\1\2", text)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
