"""Which designs of the tree one wants to see, how they are layered and coloured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time

import streamlit as st

from core.desk import Desk
from core.types import Design, Kind, Mode, Status

LAYERS, COLOURS = ("generation", "time"), ("status", "author", "mode", "novelty", "money")
NAMES = {"tree-status": list, "tree-author": list, "tree-mode": list, "tree-kind": list, "tree-tag": list}


@dataclass(frozen=True)
class Seen:
    """What can be chosen of a tree."""

    measured: tuple[str, ...]        # scales at which anything was
    authors: tuple[str, ...]
    tags: tuple[str, ...]

    @classmethod
    def of(cls, scales: Iterable[str], designs: Sequence[Design]) -> Seen:
        measured = {s for d in designs for s in d.scores}
        return cls(tuple(s for s in scales if s in measured), tuple(sorted({d.author for d in designs})), tuple(sorted({t for d in designs for t in d.tags})))


def draw_choices(desk: Desk, designs: Sequence[Design], seen: Seen) -> tuple[str, str, list[int] | None]:
    """(layers, colour, numbers of the designs that fit the filters or None when there are none)."""
    measured, authors, tags = seen.measured, seen.authors, seen.tags
    for name, there in (("tree-author", authors), ("tree-tag", tags)):      # a word that was taken from the last design filters no more
        st.session_state[name] = [v for v in st.session_state.get(name, ()) if v in there]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        layers = one_of("Layers", ":material/layers:", [*LAYERS, *measured], "tree-layers", _layers_name)
        colours = [*COLOURS[:3], *measured, *COLOURS[3:], *(f"size {s}" for s in list(desk.scales)[:3])]
        colour = one_of("Colour", ":material/palette:", colours, "tree-colour", _colour_name)
        active = sum(bool(st.session_state.get(name)) for name in NAMES) + (st.session_state.get("tree-scale", "any") != "any") + bool(st.session_state.get("tree-since"))
        with st.popover("Filters" + (f" · {active}" if active else ""), icon=":material/filter_alt:"):
            fits = _filters(designs, authors, tags, measured)
    return layers, colour, fits


def one_of(label: str, icon: str, options: Sequence[str], key: str, named: Callable[[str], str]) -> str:
    """Stays open, so that one can look at several; and a browser fetches thirty scripts fewer than for a select box before it can draw the tree."""
    if st.session_state.get(key) not in options:      # a scale at which nothing is measured any more
        st.session_state[key] = options[0]
    with st.popover(f"{label}: {named(st.session_state[key])}", icon=icon, key=f"{key}-choice"):
        return st.radio(label, options, key=key, format_func=named)


def _layers_name(layers: str) -> str:
    return f"by {layers}" if layers in LAYERS else f"by score at {layers}"


def _colour_name(colour: str) -> str:
    fixed = {"status": "by status", "author": "by author", "mode": "by mode", "novelty": "novelty when it came", "money": "money spent on it"}
    return fixed.get(colour) or (f"parameters at {colour[5:]}" if colour.startswith("size ") else f"score at {colour}")


def _filters(designs: Sequence[Design], authors: Sequence[str], tags: Sequence[str], measured: Sequence[str]) -> list[int] | None:
    one, two = st.columns(2)
    with one:
        statuses = st.multiselect("Status", [str(s) for s in Status], key="tree-status", placeholder="all")
        who = st.multiselect("Author", authors, key="tree-author", placeholder="all")
        words = st.multiselect("Tag", tags, key="tree-tag", placeholder="all", disabled=not tags)
    with two:
        modes = st.multiselect("Mode", [str(m) for m in Mode], key="tree-mode", placeholder="all")
        kinds = st.multiselect("Kind", [str(k) for k in Kind], key="tree-kind", placeholder="all")
        since = st.date_input("Since", value=None, key="tree-since", format="YYYY-MM-DD")
    scale = st.selectbox("Measured at", ["any", *measured], key="tree-scale", help="only designs with a score there; then a range of scores can be set")
    low, high = _range(designs, scale)
    if st.button("Clear all", icon=":material/filter_alt_off:", key="tree-clear", on_click=_clear):
        return None
    if not (statuses or who or words or modes or kinds or since or scale != "any"):
        return None
    start = datetime.combine(since, time(), datetime.now().astimezone().tzinfo).astimezone(UTC) if since else None
    return [i for i, d in enumerate(designs)
            if (not statuses or d.status in statuses) and (not who or d.author in who) and (not words or set(words) & set(d.tags)) and (not modes or d.mode in modes)
            and (not kinds or d.kind in kinds) and (start is None or d.created_at >= start)
            and (scale == "any" or low - 1e-9 <= d.scores.get(scale, float("inf")) <= high + 1e-9)]


def _range(designs: Sequence[Design], scale: str) -> tuple[float, float]:
    """Of scores; nothing to choose where there are fewer than two."""
    scores = sorted({round(d.scores[scale], 4) for d in designs if scale in d.scores}) if scale != "any" else []
    if len(scores) < 2:
        return 0.0, 1e9
    low, high = st.slider("Bits per byte", scores[0], scores[-1], (scores[0], scores[-1]), step=max(1e-4, round((scores[-1] - scores[0]) / 200, 4)), format="%.3f", key=f"tree-range-{scale}")
    return low - 5e-5, high + 5e-5


def _clear() -> None:
    for name, kind in NAMES.items():
        st.session_state[name] = kind()
    st.session_state["tree-scale"] = "any"
    st.session_state["tree-since"] = None
