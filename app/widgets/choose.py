"""Choosing designs from a list. A browser that is handed ten thousand of them takes half a second longer to open the page: of many, some are listed, and a word finds the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import streamlit as st

from app import shell
from core.types import Design, Kind

MOST = 300            # listed at once
FIND_WIDTH = 160
T = TypeVar("T")


def by_id(design: Design) -> str:
    return design.id


def several(label: str, designs: Mapping[str, Design], key: str, told: Callable[[Design], str] = by_id, placeholder: str = "", first: Sequence[str] = ()) -> list[str]:
    """Ids. `designs`: id → design, the oldest first; `told`: what the list says of one; `first`: ids that head the list where not all fit."""
    def draw(ids: list[str]) -> list[str]:       # of many, not all in one stroke: what is listed is only some of them
        return st.multiselect(label, ids, key=key, format_func=lambda i: told(designs[i]), placeholder=_nothing(key, ids) or placeholder, select_all=len(designs) <= MOST)
    return _beside(designs, key, key, first, draw)


def one(label: str, designs: Mapping[str, Design], key: str, told: Callable[[Design], str] = by_id, placeholder: str = "", first: Sequence[str] = (), found_by: str = "", **look: Any) -> str:
    """The same for one of them; "" for none. `found_by`: the key of another choice on the page, whose word narrows this one too. `look`: of Streamlit's selectbox."""
    def draw(ids: list[str]) -> str:
        return st.selectbox(label, ids, key=key, format_func=lambda i: told(designs[i]), placeholder=_nothing(found_by or key, ids) or placeholder or "Choose an option", **look) or ""
    return _beside(designs, key, found_by or key, first, draw)


def offered(designs: Mapping[str, Design], key: str, found_by: str, first: Sequence[str] = ()) -> list[str]:
    """All, where they are few; else what is chosen, and of the rest what the word beside `found_by` finds, or `first`, the references and the newest."""
    if len(designs) <= MOST:
        return list(dict.fromkeys([*(i for i in first if i in designs), *designs]))
    held = st.session_state.get(key) or []
    chosen = [i for i in ([held] if isinstance(held, str) else held) if i in designs]
    if words := _words(found_by):
        rest = [i for i, d in reversed(designs.items()) if all(word in f"{i} {d.title}".casefold() for word in words)]
        rest.sort(key=lambda i: i.casefold() != " ".join(words))        # one that is named in full comes first
    else:
        rest = [*(i for i in first if i in designs), *(i for i, d in designs.items() if d.kind is Kind.REFERENCE), *reversed(designs)]
    return list(dict.fromkeys([*chosen, *rest[:MOST]]))


def _beside(designs: Mapping[str, Design], key: str, found_by: str, first: Sequence[str], draw: Callable[[list[str]], T]) -> T:
    ids = offered(designs, key, found_by, first)
    if len(designs) <= MOST or found_by != key:
        return draw(ids)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = draw(ids)
        st.text_input("Find", key=_find(key), placeholder=f"among {len(designs):,}", width=FIND_WIDTH,
                      help=f"Lists hold {MOST} of them. A word of an id or a title, and Enter: then they hold those that have it.")
    return chosen


def _find(key: str) -> str:
    return f"{key}-find"


def _words(key: str) -> list[str]:
    return str(st.session_state.get(_find(key), "")).casefold().split()


def _nothing(key: str, ids: Sequence[str]) -> str:
    """What an empty list says."""
    return f"nothing has “{shell.short(' '.join(words))}”" if (words := _words(key)) and not ids else ""
