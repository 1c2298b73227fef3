"""Markdown and plain text. Maths stays as it is written: $…$, $$…$$, \\(…\\)."""

from __future__ import annotations

import re
from typing import Any

import yaml

from core.papers.readers import decoded
from core.papers.readers.ids import DOI, arxiv_of_name, arxiv_of_page, year_of, year_of_arxiv
from core.quick_yaml import parsed
from core.store.paper_nouns import Facts, Read

HEAD = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$")
FENCE = re.compile(r"^\s*(```|~~~)")
NUMBERED = re.compile(r"^(?:(?:\d{1,2}|[A-H])(?:\.\d{1,2}){0,2}\.?\s+[A-Z][^.!?]{2,70}|Abstract|ABSTRACT|Introduction|INTRODUCTION|Conclusions?|CONCLUSIONS?|References|REFERENCES|Bibliography"
                      r"|Related [Ww]ork|RELATED WORK|Acknowledge?ments?|Appendix(?: [A-Z])?(?:[:. ].{0,60})?)$")
LEAVE_OUT = re.compile(r"^\W*(?:\d+\W+)?(references|bibliography|acknowledge?ments?)\W*$", re.IGNORECASE)


def read_markdown(name: str, data: bytes) -> Read:
    front, body = _front(decoded(name, data))
    return read_body(name, body, front, "markdown")


def read_body(name: str, body: str, front: dict[str, Any], form: str) -> Read:
    """Sections by headings; the first heading of the first level is the title."""
    title, sections, heading, lines, fenced = str(front.get("title") or ""), list[tuple[str, str]](), "", list[str](), False
    for line in body.splitlines():
        fenced ^= bool(FENCE.match(line))
        head = None if fenced else HEAD.match(line)
        if head is None:
            lines.append(line)
            continue
        sections.append((heading, "\n".join(lines)))
        heading, lines = _bare(head[2]), []
        if not title and len(head[1]) == 1:
            title, heading = heading, ""
    sections.append((heading, "\n".join(lines)))
    abstract = str(front.get("abstract") or "") or next((text for head, text in sections if head.strip("*:. ").lower() == "abstract"), "")
    arxiv = str(front.get("arxiv") or "") or arxiv_of_name(name) or arxiv_of_page(body)
    authors = front.get("authors") or front.get("author") or ()
    facts = Facts(title=title or _stem(name), authors=_people(authors), year=_year(front) or year_of_arxiv(arxiv), abstract=_flat(abstract), arxiv=arxiv, doi=str(front.get("doi") or ""),
                  venue=str(front.get("venue") or ""), url=str(front.get("url") or ""))
    return Read(facts, form, kept(sections))


def read_text(name: str, data: bytes) -> Read:
    return read_lines(name, decoded(name, data), "text")


def read_lines(name: str, text: str, form: str, title: str = "", authors: tuple[str, ...] = ()) -> Read:
    """Text without marks: sections where a line of its own looks like a heading of a paper."""
    sections, heading, lines = list[tuple[str, str]](), "", list[str]()
    for line in text.splitlines():
        bare = line.strip()
        if NUMBERED.match(bare) and len(bare) < 80:
            sections.append((heading, "\n".join(lines)))
            heading, lines = bare, []
        else:
            lines.append(line)
    sections.append((heading, "\n".join(lines)))
    abstract = next((words for head, words in sections if head.lower() == "abstract"), "") or _abstract(text)
    first = next((line.strip() for line in text.splitlines() if len(line.strip()) > 8), "")
    arxiv = arxiv_of_name(name) or arxiv_of_page(text)
    doi = DOI.search(text[:3000])
    facts = Facts(title=title or first[:200] or _stem(name), authors=authors, year=year_of_arxiv(arxiv) or year_of(text[:1500]), abstract=_flat(abstract)[:3000], arxiv=arxiv,
                  doi=doi[1] if doi and not arxiv else "")
    return Read(facts, form, kept(sections))


def kept(sections: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Without lists of references, which would be found for every name."""
    return tuple((head.strip(), text.strip()) for head, text in sections if text.strip() and not LEAVE_OUT.match(head))


def _front(text: str) -> tuple[dict[str, Any], str]:
    found = re.match(r"\A---\s*\n(.*?)\n(?:---|\.\.\.)\s*\n", text, re.DOTALL)
    if not found or len(found[1]) > 20_000:
        return {}, text
    try:
        data = parsed(found[1])
    except (yaml.YAMLError, RecursionError):
        return {}, text
    return (data, text[found.end():]) if isinstance(data, dict) else ({}, text)


def _people(said: object) -> tuple[str, ...]:
    if isinstance(said, list):
        return tuple(str(p.get("name", "")) if isinstance(p, dict) else str(p) for p in said)
    return tuple(p.strip() for p in re.split(r"\s*(?:,|;|\band\b)\s*", str(said)) if p.strip()) if said else ()


def _year(front: dict[str, Any]) -> int | None:
    return year_of(str(front.get("year") or front.get("date") or ""))


def _abstract(text: str) -> str:
    found = re.search(r"\babstract\b[\s:.—-]*(.{200,2500}?)(?:\n\s*\n\s*(?:1\.?\s+)?introduction|\n\s*\n)", text[:12_000], re.IGNORECASE | re.DOTALL)
    return found[1] if found else ""


def _flat(text: str) -> str:
    return " ".join(text.split())


def _bare(text: str) -> str:
    return re.sub(r"[*_`]+", "", text).strip()


def _stem(name: str) -> str:
    return re.sub(r"[_-]+", " ", re.sub(r"\.[a-zA-Z]{2,8}$", "", name.rpartition("/")[2]))
