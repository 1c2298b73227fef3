"""The tree's graph: a canvas over plotly's axes, drawn by scripts that the app serves itself. What a hand does there is told to Python with its meaning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import streamlit as st

FOLDER = Path(__file__).parent
SCRIPTS = ("plotly.js", "graph_model.js", "graph_paint.js", "graph_signs.js", "graph_hands.js", "graph.js")
# (what it does, the path of its icon in a box of 24, its name)
TOOLS = (
    ("pan", "M12 3v18M3 12h18M12 3l-3 3M12 3l3 3M12 21l-3-3M12 21l3-3M3 12l3-3M3 12l3 3M21 12l-3-3M21 12l-3 3", "Move (drag)"),
    ("box", "M4 5h3M10 5h4M17 5h3v3M20 11v3M20 17v3h-3M14 20h-4M7 20H4v-3M4 14v-3M4 8V5", "Choose with a box (Shift-drag)"),
    ("lasso", "M8 17C3 15 3 5 12 5s9 9 3 11c-4 1.300-8-.5-7.500 2S10 21 8 22", "Choose with a lasso (Alt-drag)"),
    ("", "", ""),
    ("fit", "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5", "Fit all in sight (f)"),
    ("in", "M12 5v14M5 12h14", "Nearer (+)"),
    ("out", "M5 12h14", "Farther (-)"),
    ("", "", ""),
    ("fold", "M12 4v5M6 20l6-11 6 11zM9 16h6", "Fold or unfold what descends from the selected one (z)"),
    ("unfold", "M12 3v6M12 9l-6 5M12 9l6 5M6 14v6M18 14v6M12 9v11", "Unfold everything"),
    ("ghosts", "M5 21V11a7 7 0 0 1 14 0v10l-2.300-2-2.300 2-2.400-2-2.400 2-2.300-2zM9.500 10v1.500M14.500 10v1.500", "Show or hide refused, failed, passed-over and pruned designs (g)"),
    ("help", "M9 9a3 3 0 1 1 4.500 2.600c-1 .6-1.500 1.200-1.500 2.400M12 17.500v.5", "Keys (?)"))


def _button(does: str, path: str, title: str) -> str:
    if not does:
        return '<span class="md-gap"></span>'
    icon = f'<svg viewBox="0 0 24 24" width="18" height="18" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round"><path d="{path}"/></svg>'
    return f'<button type="button" data-does="{does}" title="{title}" aria-label="{title}">{icon}</button>'


HTML = f"""<div class="md-tree">
<div class="md-bar" role="toolbar" aria-label="The tree's tools">{"".join(_button(*tool) for tool in TOOLS)}
<input class="md-find" type="search" placeholder="Search ( / )" aria-label="Search the tree: title, id, author, summary, tag"><span class="md-count"></span></div>
<div class="md-stage" tabindex="0" role="application" aria-label="The design tree. Arrow keys walk it, Enter opens a design, ? lists the keys.">
<div class="md-axes"></div><canvas class="md-base"></canvas><canvas class="md-top"></canvas><canvas class="md-map" width="150" height="110" title="The whole tree: click to go there" hidden></canvas>
<div class="md-tip" role="tooltip" hidden></div><div class="md-keys" hidden></div></div>
<div class="md-replay"><button type="button" data-does="play" title="Replay how the tree grew" aria-label="Replay how the tree grew">▶</button>
<input class="md-range" type="range" min="1" max="1" value="1" aria-label="The tree as it grew" title="When each came; its colour and signs are those of now"><span class="md-when"></span></div>
<div class="md-legend"></div></div>"""


@st.cache_resource(show_spinner=False)
def _renderer():
    script = "\n".join((FOLDER / name).read_text() for name in SCRIPTS)
    return st.components.v2.component("tree_graph", html=HTML, css=(FOLDER / "graph.css").read_text(), js=script, isolate_styles=False)


@st.cache_resource(show_spinner=False)
def _feeder():
    return st.components.v2.component("tree_feed", html="<i></i>", js=(FOLDER / "feed.js").read_text(), isolate_styles=False)


def packed(name: str, body: str) -> bytes:
    """One part of the data as feed.js reads it: as bytes, since a text of a megabyte takes 10 ms to be quoted with every click."""
    text = body.encode()
    return f"{name} {sha256(text).hexdigest()[:12]}\n".encode() + text


def feed(name: str, part: bytes) -> None:
    """What is unchanged is not sent again."""
    _feeder()(data=part, key=f"tree-feed-{name}")


def draw_graph(key: str, selected: str, chosen: Sequence[str], fits: Sequence[int] | None, on_act: Callable[[str, list[str], bool], None]) -> None:
    """`fits`: numbers of the designs that fit the filters, None when all do. `on_act(selected, chosen, whether to open it)` is called before the page runs again.

    The browser numbers what it tells; its last number goes back with the state, so that an older state never undoes a newer click.
    """
    heard = f"{key}-heard"

    def acted() -> None:
        did = (st.session_state.get(key) or {}).get("did")
        if did:
            st.session_state[heard] = did["seq"]
            on_act(did["selected"], list(did["chosen"]), bool(did.get("open")))

    state = {"selected": selected, "chosen": list(chosen), "fits": None if fits is None else list(fits), "seq": st.session_state.get(heard, 0)}
    _renderer()(data=state, key=key, on_did_change=acted)
