"""HTML by trafilatura, which leaves menus and footers out. Maths is made readable first: MathML's LaTeX (LaTeXML, ar5iv, KaTeX) and MathJax scripts become $…$."""

from __future__ import annotations

import re

from core.errors import PaperError
from core.papers.readers import decoded
from core.papers.readers.ids import arxiv_of_name, year_of, year_of_arxiv
from core.papers.readers.markdown import read_body
from core.store.paper_nouns import Facts, Read

TEX = "application/x-tex"


def read_html(name: str, data: bytes) -> Read:
    """Raises PaperError where it cannot be parsed."""
    from dataclasses import replace

    from lxml import etree
    from lxml import html as lxml_html
    from trafilatura import extract

    try:
        page = lxml_html.fromstring(_bytes(name, data), parser=lxml_html.HTMLParser(encoding="utf-8", recover=True, huge_tree=False, no_network=True))
    except (etree.LxmlError, ValueError) as error:
        raise PaperError(f"{name} is broken HTML: {' '.join(str(error).split())[:160]}", "download it again") from None
    meta = _meta(page)
    formulas = _readable_maths(page)
    for waste in page.xpath("//script | //style | //noscript | //nav | //aside | //form | //body/header | //body/footer | //*[contains(@class, 'ltx_bibliography')] | //*[contains(@class, 'ltx_page_footer')]"):
        waste.drop_tree()
    whole = _plain(page)
    body = extract(page, output_format="markdown", include_comments=False, include_tables=True, include_formatting=True, favor_recall=True, with_metadata=False) or ""
    if len(body) < 0.5 * len(whole) or _headings(body) < 0.7 * _headings(whole):      # too short or too odd a page for it to tell text from the rest
        body = whole
    body = re.sub(r"QFORMULA(\d+)Q", lambda m: formulas[int(m[1])] if int(m[1]) < len(formulas) else m[0], re.sub(r"\\([_*`\[\]<>#~])", r"\1", body))
    title = meta.get("citation_title", [""])[0] or _first(page, "//h1") or _first(page, "//title")
    arxiv = meta.get("citation_arxiv_id", [""])[0] or arxiv_of_name(name)
    read = read_body(name, body, {"title": title}, "html")
    abstract = meta.get("citation_abstract", [""])[0] or _first(page, "//*[contains(@class, 'ltx_abstract')]//p") or read.facts.abstract or (meta.get("description") or [""])[0]
    dated = (meta.get("citation_publication_date") or meta.get("citation_date") or meta.get("citation_year") or [""])[0]
    facts = Facts(title=title or read.facts.title, authors=tuple(_turned(a) for a in meta.get("citation_author", [])), year=year_of(dated) or year_of_arxiv(arxiv), abstract=abstract, arxiv=arxiv,
                  doi=meta.get("citation_doi", [""])[0], venue=(meta.get("citation_journal_title") or meta.get("citation_conference_title") or [""])[0])
    return replace(read, facts=facts)


def _bytes(name: str, data: bytes) -> bytes:
    """As UTF-8, whatever it was; an encoding that the file names is believed."""
    named = re.search(rb"charset=[\"']?([\w-]+)", data[:2048])
    if named and named[1].lower() not in (b"utf-8", b"utf8"):
        try:
            return data.decode(named[1].decode("ascii")).encode()
        except (LookupError, UnicodeDecodeError):
            return decoded(name, data).encode("utf-8", "replace")      # it names none that there is
    return decoded(name, data).encode("utf-8", "replace")


def _readable_maths(page) -> list[str]:
    """Formulas, for each of which its number stands in the page, so that nothing in them is taken for markup."""
    found: list[str] = []

    def become(node, tex: str, display: bool) -> None:
        found.append(f"$${tex}$$" if display else f"${tex}$")
        _become(node, f"QFORMULA{len(found) - 1}Q")

    for node in page.xpath("//math"):
        notes = node.xpath(f".//annotation[@encoding='{TEX}']")
        tex = (node.get("alttext") or (notes[0].text_content() if notes else "") or node.text_content()).strip()
        become(node, tex, node.get("display") == "block")
    for node in page.xpath("//script[starts-with(@type, 'math/tex')]"):
        tex = (node.text or "").strip()
        become(node, tex, "display" in node.get("type"))
    for node in page.xpath("//*[contains(concat(' ', @class, ' '), ' katex-html ')] | //*[contains(@class, 'MathJax_Preview')]"):
        node.drop_tree()                                  # the same formula drawn by boxes
    return found


def _become(node, text: str) -> None:
    tail = node.tail
    node.clear()
    node.tag, node.text, node.tail = "span", text, tail


def _plain(page) -> str:
    """Every block's text, headings marked."""
    lines = []
    for node in page.xpath("//h1 | //h2 | //h3 | //h4 | //p | //li | //td | //pre | //blockquote"):
        words = " ".join(node.text_content().split())
        if words:
            lines.append(f"{'#' * int(node.tag[1])} {words}" if re.fullmatch(r"h[1-4]", str(node.tag)) else words)
    return "\n\n".join(lines) or " ".join(page.text_content().split())


def _headings(text: str) -> int:
    return len(re.findall(r"^#+ ", text, re.MULTILINE))


def _first(page, path: str) -> str:
    found = page.xpath(path)
    return " ".join(found[0].text_content().split()) if found else ""


def _meta(page) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for node in page.xpath("//meta[@name and @content]"):
        found.setdefault(node.get("name").lower(), []).append(" ".join(node.get("content").split()))
    return found


def _turned(author: str) -> str:
    """Surname, Given → Given Surname."""
    last, comma, first = author.partition(",")
    return f"{first.strip()} {last.strip()}" if comma else author
