"""A grid whose cells a person ticks: one, a rectangle, a row, a column; by hand or with the keys. Streamlit's own draws on a canvas, which takes a new tab sixty scripts, and who cannot see it hears nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st

from app import shell

FOLDER = Path(__file__).parent
HTML = '<div class="md-cells"><table role="grid" aria-multiselectable="true"><thead></thead><tbody></tbody></table></div>'


@dataclass(frozen=True)
class Row:
    """`cells`: of each column its kind (a colour, see cells.css) and what stands in it. `title` leads to the design's page."""

    id: str
    title: str
    cells: Sequence[tuple[str, str]]


@st.cache_resource(show_spinner=False)
def _renderer():
    return st.components.v2.component("cells", html=HTML, css=(FOLDER / "cells.css").read_text(), js=(FOLDER / "dom.js").read_text() + (FOLDER / "cells.js").read_text(), isolate_styles=False)


def cells(columns: Sequence[str], rows: Sequence[Row], key: str, words: str) -> list[tuple[str, str]]:
    """(row, column) of all that are ticked, also of rows that are not shown now: those in sight first, row by row. `words`: what the grid holds, for who cannot see it."""
    ticked = {(row, column) for row, column in (st.session_state.get(key) or {}).get("ticked") or ()}
    shown = [{**asdict(row), "title": shell.upright(row.title)} for row in rows]
    result = _renderer()(data={"columns": list(columns), "rows": shown, "ticked": sorted(ticked), "words": words}, key=key, default={"ticked": []},
                         on_ticked_change=lambda: None, on_followed_change=lambda: None)
    if result.followed:
        shell.go("design", design=result.followed)
    ticked = {(row, column) for row, column in result.ticked or ()}
    sight = [(row.id, column) for row in rows for column in columns if (row.id, column) in ticked]
    return [*sight, *sorted(ticked - set(sight))]
