"""A table that a person sorts, searches and ticks. Streamlit's own draws on a canvas and takes a new tab 0.35 s to read; this one is text of the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import streamlit as st

from app import shell

FOLDER = Path(__file__).parent
SENT = 200            # rows that a browser is given at first; it asks for the others when somebody sorts, searches or goes on
HTML = """<div class="md-grid"><input type="search" placeholder="Find in the table" aria-label="Find in the table" hidden>
<div class="md-sheet" role="region" tabindex="0"><table><thead></thead><tbody></tbody></table><div class="md-none" hidden></div></div><button type="button" class="md-more" hidden></button></div>"""


@dataclass(frozen=True)
class Column:
    """`kind`: "" is text, "number" is written with `digits` behind the point, "share" (0 to 1) as a bar. `error`: the field of its standard error. `to`: the field with the address, `page?field=value`, of the page of the app that its text leads to."""

    key: str
    title: str = ""
    kind: str = ""
    digits: int = 0
    signed: bool = False
    error: str = ""
    to: str = ""
    help: str = ""


@st.cache_resource(show_spinner=False)
def _renderer():
    return st.components.v2.component("table", html=HTML, css=(FOLDER / "table.css").read_text(), js=(FOLDER / "dom.js").read_text() + (FOLDER / "table.js").read_text(), isolate_styles=False)


def table(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]], key: str, words: str, ids: Sequence[str] = ()) -> list[str]:
    """Rows in the order in which they come until a head is pressed. With `ids`, one a row, rows can be ticked: the ids of those that are. `words`: what the table holds, for who cannot see it.

    The first column names its row. Text in it is shown as it stands: no Markdown, no HTML.
    """
    fields = [f for c in columns for f in (c.key, c.error, c.to) if f]
    known = st.session_state.get(key) or {}
    sent = rows if known.get("whole") == words else rows[:SENT]      # of another table in its place, the first rows are enough again
    shown = [{"title": c.key, **{name: value for name, value in asdict(c).items() if value}} for c in columns]
    result = _renderer()(data={"columns": shown, "fields": fields, "rows": [[_plain(row[f]) for f in fields] for row in sent], "total": len(rows), "ids": list(ids[:len(sent)]), "ticked": list(known.get("ticked") or ()), "words": words},
                         key=key, default={"ticked": [], "whole": ""}, on_ticked_change=lambda: None, on_whole_change=lambda: None, on_followed_change=lambda: None)
    if result.followed:
        to = urlsplit(result.followed)
        shell.go(to.path, **dict(parse_qsl(to.query)))
    there = set(ids)
    return [i for i in result.ticked or () if i in there]


def _plain(value: Any) -> Any:
    """JSON knows no number that is none."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return shell.upright(value) if isinstance(value, str) else value
