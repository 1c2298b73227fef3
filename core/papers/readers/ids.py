"""Ids that stand in a file's name or on its first page."""

from __future__ import annotations

import re

NEW, OLD = r"\d{4}\.\d{4,5}", r"[a-z-]+(?:\.[A-Z]{2})?/\d{7}"
ARXIV = re.compile(rf"(?:arxiv[:\s./_-]*(?:abs/|pdf/)?)({NEW}|{OLD})(?:v\d+)?\b", re.IGNORECASE)
STAMP = re.compile(rf"arXiv:({NEW}|{OLD})v\d+\s*\[[\w.-]+\]", re.IGNORECASE)      # on the margin of the first page
FILE = re.compile(rf"^(?:arxiv[-_ ]?)?({NEW})(?:v\d+)?$", re.IGNORECASE)
DOI = re.compile(r"\b(10\.\d{4,9}/[^\s\"'<>]+[^\s\"'<>.,;)\]}])", re.IGNORECASE)


def arxiv_of_name(name: str) -> str:
    """`2406.06484v2.pdf` → 2406.06484."""
    stem = re.sub(r"(\.tar)?\.[a-z]{2,8}$", "", name.rpartition("/")[2], flags=re.IGNORECASE)
    found = FILE.match(stem)
    return found[1] if found else ""


def arxiv_of_page(text: str) -> str:
    """By arXiv's stamp only: other ids on the page are of papers that it cites."""
    found = STAMP.search(text[:6000])
    return found[1] if found else ""


def arxiv_id(text: str) -> str:
    """Of something that a person typed: an id, arXiv:id, or a link; "" where it is none."""
    bare = text.strip()
    found = re.fullmatch(rf"({NEW}|{OLD})(?:v\d+)?", bare) or re.fullmatch(rf"(?:arxiv:\s*|https?://(?:www\.|export\.)?arxiv\.org/(?:abs|pdf|html)/)({NEW}|{OLD})(?:v\d+)?(?:\.pdf)?/?", bare, re.IGNORECASE)
    return found[1] if found else ""


def doi_id(text: str) -> str:
    found = re.fullmatch(r"(?:doi:\s*|https?://(?:dx\.)?doi\.org/)?(10\.\d{4,9}/\S+)", text.strip(), re.IGNORECASE)
    return found[1].lower() if found else ""


def year_of(text: str) -> int | None:
    found = re.search(r"\b(19[5-9]\d|20\d\d)\b", text)
    return int(found[1]) if found else None


def year_of_arxiv(arxiv: str) -> int | None:
    return 2000 + int(arxiv[:2]) if re.match(NEW, arxiv) else None
