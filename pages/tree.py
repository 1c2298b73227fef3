"""The design tree: look, choose, act."""

from __future__ import annotations

import streamlit as st

from app import shell
from app.widgets import graph
from app.widgets.design_card import draw_card
from app.widgets.tree_graph import figure, layout
from core.desk import Desk
from core.types import Design, Kind, Status

CHART = "tree-chart"


def main() -> None:
    desk = shell.desk()
    version = desk.store.version()
    designs = tree(version)
    everything = [data["design"] for _, data in designs.nodes(data=True)]
    if not everything:
        st.info("The tree is empty. `python -m core init` seeds it with the library's references.", icon=":material/park:")
        return
    shown, colour = filters(desk, everything)
    selected = st.query_params.get("design", "")
    left, right = st.columns([2.1, 1], gap="medium")
    with left:
        draw_tree(version, len(designs), shown, colour, (selected, *tray()))
    with right:
        draw_tray()
        if selected and selected in designs:
            draw_card(desk, designs, selected)
        elif selected:
            st.warning(f"There is no design {selected}.")
        else:
            draw_start(everything)
    shell.live(lambda: unchanged(desk, version), bool(desk.queue.all(limit=1, states=shell.LIVE)), every=2.0)


def unchanged(desk: Desk, version: str) -> bool:
    """Whether something still runs that has not changed the tree yet: it grows before one's eyes."""
    return desk.store.version() == version and bool(desk.queue.all(limit=1, states=shell.LIVE))


@st.cache_resource(max_entries=4, show_spinner=False)
def tree(version: str):
    """Read only: all visitors share it."""
    return shell.desk().store.tree()


@st.cache_resource(max_entries=64, show_spinner=False)
def drawing(version: str, shown: tuple[str, ...], colour: str, selected: tuple[str, ...]):
    designs = tree(version)
    return figure(designs, layout([designs.nodes[n]["design"] for n in shown]), list(shell.desk().scales), colour, selected)


def filters(desk: Desk, everything: list[Design]) -> tuple[list[Design], str]:
    measured = [s for s in desk.scales if any(s in d.scores for d in everything)]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input("Search", key="tree-search", placeholder="title, id, author, summary", width=260)
        statuses = st.multiselect("Status", [str(s) for s in Status], key="tree-status", placeholder="all", width=230)
        kinds = st.multiselect("Kind", [str(k) for k in Kind], key="tree-kind", placeholder="all", width=200)
        colour = st.selectbox("Colour", ["status", *measured], key="tree-colour", width=130,
                              format_func=lambda c: "by status" if c == "status" else f"score at {c}")
        scale = st.selectbox("Measured at", ["any", *measured], key="tree-scale", width=130)
    words = text.lower().split()

    def fits(d: Design) -> bool:
        said = f"{d.id} {d.title} {d.author} {d.summary}".lower()
        return (all(w in said for w in words) and (not statuses or d.status in statuses) and (not kinds or d.kind in kinds)
                and (scale == "any" or scale in d.scores))

    return [d for d in everything if fits(d)], colour


def clicked(design: str, add: bool) -> None:
    """A click shows a design; with shift or ctrl it also goes to those chosen, or leaves them."""
    st.query_params["design"] = design
    if add:
        tray().remove(design) if design in tray() else tray().append(design)


def tray() -> list[str]:
    return st.session_state.setdefault("tray", [])


def draw_tree(version: str, total: int, shown: list[Design], colour: str, selected: tuple[str, ...]) -> None:
    if not shown:
        st.info("No design fits these filters.", icon=":material/filter_alt_off:")
        return
    graph.draw_graph(drawing(version, tuple(d.id for d in shown), colour, selected), CHART, clicked)
    shapes = "■ reference  ● proposed by an agent  ◆ by hand · larger: measured at a larger scale · dotted: crossover"
    st.caption(f"{len(shown)} of {total} designs · {shapes} · click to look, shift-click to choose several · scroll to zoom, drag to move")


def draw_tray() -> None:
    """The designs chosen as parents or for a verification."""
    if not tray():
        return
    with st.container(border=True):
        st.markdown(f"**Chosen:** {', '.join(tray())}")
        with st.container(horizontal=True):
            if st.button("Crossover" if len(tray()) > 1 else "Mutate", type="primary", icon=":material/merge:", key="tray-cross"):
                shell.go("studio", parents=",".join(tray()))
            if st.button("Verify", icon=":material/science:", key="tray-verify"):
                shell.go("verify", designs=",".join(tray()))
            if st.button("Clear", icon=":material/close:", key="tray-clear"):
                st.session_state["tray"] = []
                st.rerun()


def draw_start(everything: list[Design]) -> None:
    st.subheader("Start here")
    st.markdown(
        "1. **Click a design** to read what it is and how it scored.\n"
        "2. **Choose** it, choose a second, then **Crossover**: the agents propose designs that join them.\n"
        "3. Read, edit, **approve** or refuse, and implement the best.\n"
        "4. **Verify**: train it at `nano`, in about a minute, against gpt2 on the same data.")
    new = sum(d.kind is not Kind.REFERENCE for d in everything)
    st.caption(f"{len(everything) - new} references, {new} proposed designs so far.")


main()
