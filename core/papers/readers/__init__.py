"""A paper's file becomes facts and sections: `read_file(name, bytes)`. Readers are told by the file's content first, then by its name; each is loaded when it is needed."""

from __future__ import annotations

import re
from collections.abc import Callable

from core.errors import PaperError
from core.store.paper_nouns import Read

LARGEST = 80 * 2**20                     # bytes of one file
SUFFIXES = {".pdf": "pdf", ".html": "html", ".htm": "html", ".xhtml": "html", ".md": "markdown", ".markdown": "markdown", ".tex": "latex", ".ltx": "latex", ".txt": "text",
            ".gz": "latex", ".tgz": "latex", ".tar": "latex", ".zip": "latex"}
BIB = (".bib", ".bibtex")
PLAIN = ("markdown", "latex", "text")


def form_of(name: str, data: bytes) -> str:
    """pdf, html, markdown, latex or text. Raises PaperError for what is none of these."""
    head = data[:2048].lstrip()
    if head.startswith(b"%PDF-"):
        return "pdf"
    if data[:2] in (b"\x1f\x8b", b"PK") or name.lower().endswith(".tar"):
        return "latex"
    if re.match(rb"(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", head, re.IGNORECASE | re.DOTALL):
        return "html"
    suffix = "." + name.lower().rpartition(".")[2]
    form = SUFFIXES.get(suffix)
    if form is None:
        raise PaperError(f"{name} is no kind of file that is read here", f"the kinds: {', '.join(SUFFIXES)}, and .bib")
    if form == "pdf":
        raise PaperError(f"{name} is no PDF: it does not begin with %PDF-", "download it again")
    if form in PLAIN and b"\x00" in data[:4096]:
        raise PaperError(f"{name} is no text", "save it as UTF-8 text")
    return form


def read_file(name: str, data: bytes) -> Read:
    """Raises PaperError, saying what is wrong with the file."""
    if not data.strip():
        raise PaperError(f"{name} is empty", "download it again")
    if len(data) > LARGEST:
        raise PaperError(f"{name} has {len(data) / 2**20:,.0f} MB", f"at most {LARGEST // 2**20} MB are read")
    form = form_of(name, data)
    read = _reader(form)(name, data)
    if not any(text.strip() for _, text in read.sections) and not read.facts.abstract:
        raise PaperError(f"{name} holds no text" + (": a scan? Its pages are pictures" if form == "pdf" else ""), "recognise its text first (ocrmypdf), or take another version")
    return read


def _reader(form: str) -> Callable[[str, bytes], Read]:
    if form == "pdf":
        from core.papers.readers.pdf import read_pdf

        return read_pdf
    if form == "html":
        from core.papers.readers.html import read_html

        return read_html
    if form == "latex":
        from core.papers.readers.latex import read_latex

        return read_latex
    from core.papers.readers.markdown import read_markdown, read_text

    return read_markdown if form == "markdown" else read_text


def decoded(name: str, data: bytes) -> str:
    """UTF-8, or what it says it is; else Latin-1, which reads anything."""
    for coding in ("utf-8-sig", "utf-16") if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig",):
        try:
            return data.decode(coding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")
