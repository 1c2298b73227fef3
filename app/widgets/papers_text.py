"""Papers' words on the screen: shown as text, formulas set, what was looked for marked. Nothing in a paper is a link, a picture or markup here."""

from __future__ import annotations

import re
from collections.abc import Sequence

from app import shell
from core.store.paper_index import spellings, terms
from core.store.paper_nouns import MARK, UNMARK, Citation

MATHS = re.compile(r"(\$\$[^$`]{1,2000}?\$\$|\$[^\s$`][^$`\n]{0,400}?\$)")
LINES = re.compile(r"\n{2,}")
TOKEN = re.compile(r"\[paper:\s*([^\]\s#]{1,120})\s*(?:#\s*(\d{1,6}))?\s*\]", re.IGNORECASE)


def passage(text: str, query: str = "") -> str:
    """Markdown that shows a passage as it stands, its formulas set by KaTeX, the words of `query` marked."""
    stems = [_stem(said) for word in terms(query) for said in spellings(word)] if query else []
    return "\n\n".join(_paragraph(part, stems) for part in LINES.split(text) if part.strip())


def snippet(text: str) -> str:
    """What a search found, its words marked."""
    parts = re.split(f"{MARK}([^{UNMARK}]*){UNMARK}", _no_address(" ".join(text.split())))
    return "".join(_marked(part) if n % 2 else shell.plain(part) for n, part in enumerate(parts))


def linked(body: str, found: Sequence[Citation]) -> str:
    """A proposal's text whose citations open the passage; those that nothing stands behind are struck out."""
    known = {c.told: c for c in found if c.kind == "cited"}

    def link(match: re.Match[str]) -> str:
        cite = known.get(match[0])
        if cite is None or cite.trouble or not cite.paper_id:
            return f":red[~~{shell.plain(match[0])}~~]" + (f" :red[({shell.plain(cite.trouble)})]" if cite else "")
        at = f"&passage={cite.passage}" if cite.passage > 0 else ""
        return f"[{shell.plain(cite.paper_id)}{f', passage {cite.passage}' if at else ''}](library?paper={cite.paper_id}{at})"

    return TOKEN.sub(link, body)


def _paragraph(text: str, stems: Sequence[str]) -> str:
    pieces = MATHS.split(text)
    lines = "".join(piece if n % 2 else _words(piece, stems) for n, piece in enumerate(pieces))
    return lines.replace("\n", "  \n")


def _words(text: str, stems: Sequence[str]) -> str:
    text = _no_address(text)
    return "".join(_marked(w) if n % 2 and any(w.lower().startswith(s) for s in stems) else shell.plain(w) for n, w in enumerate(re.split(r"([^\W_]+)", text)))


def _no_address(text: str) -> str:
    """Addresses are parted while they are whole: cut into words, none is seen, and put together again they would be links."""
    return shell.ADDRESS.sub("\u2060", text)


def _stem(word: str) -> str:
    """As far as the index's stemming reaches, roughly: weights, weighted and weighting are one."""
    return word if len(word) < 5 else re.sub(r"(?:ing|ed|es|s|ion|ions|ly)$", "", word)[: max(4, len(word) - 3)] or word


def _marked(word: str) -> str:
    return f":orange-background[{shell.plain(word)}]"
