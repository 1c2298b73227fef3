"""What a visitor chose in a form outlives a walk to other pages; a link that asks for something else begins the form anew."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


def recall(form: str, asks: Sequence[str], first: Mapping[str, Any], among: Mapping[str, Collection[Any]]) -> None:
    """Before its fields are drawn. `asks`: what a link may ask for, names in the address; `first`: key of a field → what it holds at first; `among`: key → what may be chosen there."""
    link, values = st.session_state.get(f"kept-{form}", ("", {}))
    if _link(asks) in ("", link):
        for key, value in values.items():
            if isinstance(value, list) and key in among:
                st.session_state.setdefault(key, [v for v in value if v in among[key]])
            elif key not in among or value in among[key]:
                st.session_state.setdefault(key, value)
    for key, value in first.items():
        st.session_state.setdefault(key, value)


def keep(form: str, asks: Sequence[str], keys: Sequence[str]) -> None:
    """After they were drawn."""
    st.session_state[f"kept-{form}"] = _link(asks), {key: st.session_state[key] for key in keys if key in st.session_state}


def folded(label: str, key: str, field: str) -> DeltaGenerator | None:
    """A part of a form that is drawn when it is first opened, and from then on; None before, and a new tab has that much less to draw. `field`: the key of one of its fields."""
    box = st.expander(label, key=key, on_change="rerun")
    return box if box.open or field in st.session_state else None


def _link(asks: Sequence[str]) -> str:
    return "&".join(f"{name}={st.query_params[name]}" for name in asks if name in st.query_params)
