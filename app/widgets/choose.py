"""Choosing designs from a list. A browser that is handed ten thousand of them takes half a second longer to open the page: of many, some are listed, and a word finds the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import streamlit as st

from app import shell
from core.types import Design, Kind, Status

MOST = 300            # listed at once
FIND_WIDTH = 160


def by_id(design: Design) -> str:
    return design.id


def several(label: str, designs: Mapping[str, Design], key: str, told: Callable[[Design], str] = by_id, placeholder: str = "", first: Sequence[str] = ()) -> list[str]:
    """Ids. `designs`: id → design, the oldest first; `told`: what the list says of one; `first`: ids that head the list where not all fit."""
    ids = offered(designs, key, key, first)
    with _finder(designs, key):              # of many, not all in one stroke: what is listed is only some of them
        return st.multiselect(label, ids, key=key, format_func=lambda i: told(designs[i]), placeholder=_nothing(key, ids) or placeholder, select_all=len(designs) <= MOST)


def one(label: str, designs: Mapping[str, Design], key: str, told: Callable[[Design], str] = by_id, placeholder: str = "", first: Sequence[str] = (), found_by: str = "", **look: Any) -> str:
    """The same for one of them; "" for none. `found_by`: the key of another choice on the page, whose word narrows this one too. `look`: of Streamlit's selectbox."""
    ids = offered(designs, key, found_by or key, first)
    with nullcontext() if found_by else _finder(designs, key):
        return st.selectbox(label, ids, key=key, format_func=lambda i: told(designs[i]), placeholder=_nothing(found_by or key, ids) or placeholder or "Choose an option", **look) or ""


def able() -> Mapping[str, Design]:
    """Those that can be trained: their code passed its check."""
    return _able(shell.state())


@st.cache_resource(max_entries=2, show_spinner=False)
def _able(state: tuple[str, ...]) -> dict[str, Design]:
    return {d.id: d for d in shell.designs() if d.status in (Status.IMPLEMENTED, Status.VERIFIED)}


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


@contextmanager
def _finder(designs: Mapping[str, Design], key: str) -> Iterator[None]:
    """Around a choice: where they are many, a field beside it takes the word."""
    if len(designs) <= MOST:
        yield
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        yield
        st.text_input("Find", key=_find(key), placeholder=f"among {len(designs):,}", width=FIND_WIDTH,
                      help=f"Lists hold {MOST} of them. A word of an id or a title, and Enter: then they hold those that have it.")


def _find(key: str) -> str:
    return f"{key}-find"


def _words(key: str) -> list[str]:
    return str(st.session_state.get(_find(key), "")).casefold().split()


def _nothing(key: str, ids: Sequence[str]) -> str:
    """What an empty list says."""
    return f"nothing has “{shell.short(' '.join(words))}”" if (words := _words(key)) and not ids else ""
