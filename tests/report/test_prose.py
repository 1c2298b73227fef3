"""What agents and people wrote, as HTML: Markdown is drawn, and nothing in it comes alive."""

from __future__ import annotations

import time
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from screens import HOSTILE

from core.report.prose import WEB, prose

DRAWN = {"h3", "h4", "h5", "h6", "p", "strong", "em", "s", "code", "pre", "ul", "ol", "li", "blockquote", "hr", "br", "a", "div", "table", "thead", "tbody", "tr", "th", "td"}
ATTRIBUTES = {"a": {"href", "title", "rel"}, "code": {"class"}, "div": {"class"}, "ol": {"start"}, "th": {"style"}, "td": {"style"}}


class Found(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def tame(text: str) -> Found:
    """Only what Markdown draws, without attributes that do or fetch anything."""
    found = Found(prose(text))
    for tag, attributes in found.tags:
        assert tag in DRAWN
        assert set(attributes) <= ATTRIBUTES.get(tag, set())
        if tag == "a":
            assert "href" not in attributes or WEB.match(attributes["href"] or "")
            assert attributes["rel"] == "noopener noreferrer nofollow"
        assert attributes.get("style") in (None, "text-align:left", "text-align:right", "text-align:center")
    return found


@pytest.mark.parametrize("text", [
    HOSTILE, "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "a <b onclick=alert(1)>b</b>", "<!-- --><style>*{display:none}</style>", "<iframe src=https://a.example></iframe>",
    "<svg/onload=alert(1)>", "</div></body><script>alert(1)</script>", "```<script>\n</pre><script>alert(1)</script>\n```", "`</code><script>alert(1)</script>`",
    '```x" onmouseover="alert(1)\na\n```', "| a |\n|---|\n| <script>alert(1)</script> |", "# <script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;", "<https://a.example/?q=<script>>"])
def test_html_within_stays_text(text: str):
    assert "<" in prose(text).replace("&lt;", "<")
    tame(text)


@pytest.mark.parametrize("target", [
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java&#115;cript:alert(1)", "&#x6a;avascript:alert(1)", "java\\script:alert(1)", "<java\tscript:alert(1)>", "\x01javascript:alert(1)", "vbscript:x", "data:text/html;base64,PHM+",
    "data:image/png;base64,AA", "file:///etc/passwd", "mailto:a@b.example", "//elsewhere.example", "../index.html", "#here", "/design", "http:", "https:javascript:alert(1)", "ftp://a.example", "blob:https://a.example/1", ""])
@pytest.mark.parametrize("form", ["[x]({})", "![x]({})", "<{}>", "[x][1]\n\n[1]: {}", "[![x]({})](https://a.example)"])
def test_a_link_that_leads_to_no_web_page_stays_text(target: str, form: str):
    found = tame(form.format(target))
    assert [attributes["href"] for tag, attributes in found.tags if "href" in attributes] in ([], ["https://a.example"])


def test_web_links_are_drawn_and_pictures_become_links():
    found = tame('[paper](https://arxiv.org/abs/1 "a title") <http://a.example> ![plot](https://a.example/x.png)')
    assert [attributes["href"] for tag, attributes in found.tags if tag == "a"] == ["https://arxiv.org/abs/1", "http://a.example", "https://a.example/x.png"]
    assert found.text.strip() == "paper http://a.example !plot"
    quoted = tame('[x](https://a.example/"onmouseover="alert(1) "y\\" onclick=\\"alert(1)")')
    assert {name for tag, attributes in quoted.tags for name in attributes} <= {"href", "title", "rel"}


def test_what_markdown_means_is_drawn():
    text = "**bold** *so* `code` ~~old~~\n\n1. one\n   - within\n2. two\n\n> said\n\n```python\nif a < b:\n    pass\n```\n\n| unit | size |\n|---|---:|\n| gla | 3 |\n\n---\n"
    html = prose(text)
    for part in ("<strong>bold</strong>", "<em>so</em>", "<code>code</code>", "<s>old</s>", "<ol>", "<ul>\n<li>within</li>", "<blockquote>", "if a &lt; b:\n    pass", '<div class="wide"><table>', "<td>gla</td>", "<hr"):
        assert part in html
    tame(text)


@pytest.mark.parametrize(("text", "levels"), [("# a\n## b\n# c", "343"), ("#### a\n##### b", "34"), ("###### a", "3"), ("a\n=\n\nb\n-", "34"), ("# a\n\n###### b", "36"), ("> ## a\n\n# b", "43")])
def test_headings_go_below_the_pages_own(text: str, levels: str):
    assert "".join(tag[1] for tag, _ in Found(prose(text)).tags if tag[0] == "h") == levels


def test_marks_that_turn_words_round_are_told():
    assert "[U+202E]" in prose("a \u202e b")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([*"[](){}<>!*_`~#|\\&:;\"'/=-+.\n \t1ax\u202e\0", "http://", "javascript:", "<script>", "](", "![", "|---|\n", "```", "&#106;", "data:", "\n\n", "    "]), max_size=60).map("".join))
def test_nothing_that_can_be_written_comes_alive(text: str):
    tame(text)


@pytest.mark.parametrize("text", ["[" * 20_000, "![" * 10_000, "*a **b" * 3_000, "> " * 10_000 + "a", "- " * 10_000, "[a](" * 5_000, "`" * 20_000, "|" + "a|" * 150 + "\n|" + "-|" * 150 + "\n" + "|\n" * 6_000, "<" * 20_000])
def test_a_text_made_to_take_long_does_not(text: str):
    started = time.process_time()
    html = prose(text)
    assert time.process_time() - started < 5
    assert len(html) < 2_000_000
