"""What agents and people wrote, Markdown, as HTML that is safe on a page of ours.

All of it is hostile until shown otherwise. HTML stays text; a picture becomes a link; a link leads to http or https or stays text; headings go below the page's own.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markupsafe import Markup

TOP = 3              # of the headings within, what stands highest; the page's own are 1 and 2
NESTED = 60          # quotes and lists within each other; what lies deeper is left out
WEB = re.compile(r"https?://[^/\s]", re.IGNORECASE)
TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")


def prose(text: str) -> Markup:
    """Headings keep their order among themselves: the highest one becomes `TOP`, none falls below 6."""
    from markupsafe import Markup

    reader = _reader()
    tokens = reader.parse(upright(text))
    highest = min((int(t.tag[1]) for t in tokens if t.type == "heading_open"), default=TOP)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) - highest + TOP)}"
        for part in token.children or ():
            if part.type == "link_open":
                part.attrs["rel"] = "noopener noreferrer nofollow"
                if not WEB.match(str(part.attrs.get("href", ""))):      # `[x]()`, of which the reader is not asked
                    part.attrs.pop("href", None)
    return Markup(reader.renderer.render(tokens, reader.options, {}))


def upright(text: str) -> str:
    """Marks that turn round the words after them, ours among these, as their numbers."""
    return TURNING.sub(lambda m: f"[U+{ord(m[0]):04X}]", text)


@cache
def _reader() -> MarkdownIt:
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False, "maxNesting": NESTED}).enable(["table", "strikethrough"]).disable("image")
    reader.validateLink = lambda url: bool(WEB.match(url))       # its own refuses what is known to be bad, and lets through addresses within the page's site
    reader.add_render_rule("table_open", lambda self, tokens, n, options, env: '<div class="wide"><table>\n')
    reader.add_render_rule("table_close", lambda self, tokens, n, options, env: "</table></div>\n")
    return reader
