"""The design tree: look, choose, act."""

from __future__ import annotations

from hashlib import sha256

import streamlit as st

from app import shell
from app.widgets import graph, tour, tree_graph
from app.widgets.design_card import draw_card
from app.widgets.tree_chosen import draw_chosen, tray
from app.widgets.tree_filters import LAYERS, Seen, draw_choices
from core.desk import Desk
from core.types import Design, Kind

CHART, OPEN = "tree-chart", "tree-open"


def main() -> None:
    if opened := st.session_state.pop(OPEN, ""):
        shell.go("design", design=opened)
    desk = shell.desk()
    grown, version = desk.store.grown(), desk.store.version()
    designs = tree(version)
    everything = [data["design"] for _, data in designs.nodes(data=True)]
    if not everything:
        st.info("The tree is empty. `python -m core init` seeds it with the library's references.", icon=":material/park:")
        return
    selected = st.query_params.get("design", "")
    left, right = st.columns([2.1, 1], gap="medium")
    names = named(version)
    with left:
        layers, colour, fits = draw_choices(desk, everything, seen(version))
        if fits == []:
            st.info("No design fits these filters; all are shown faintly.", icon=":material/filter_alt_off:")
        with st.container(key="tree-feeds"):
            graph.feed("structure", structure(names, version))
            graph.feed("standing", standing(version))
            # By generation and by time they stand where they did, whatever is decided.
            graph.feed("places", places(names if layers in LAYERS else version, layers, version))
            graph.feed("paint", paint(version, colour))
        graph.draw_graph(CHART, selected, [i for i in tray() if i in designs], fits, acted)
        draw_bound(bound(version, desk.author))
    with right:
        draw_chosen(desk, designs)
        if selected and selected in designs:
            draw_card(desk, designs, selected)
        elif selected:
            st.warning(f"There is no design {shell.plain(shell.short(selected))}.")
        else:
            draw_start(everything)
    with left, st.container(key="tree-feeds-later"):  # what only the hover needs comes last
        graph.feed("hover", hover(names, grown, version))
    shell.live(lambda: unchanged(desk, version), bool(desk.queue.all(limit=1, states=shell.LIVE)), every=2.0)


def unchanged(desk: Desk, version: str) -> bool:
    """Whether something still runs that has not changed the tree yet: it grows before one's eyes."""
    return desk.store.version() == version and bool(desk.queue.all(limit=1, states=shell.LIVE))


@st.cache_resource(max_entries=4, show_spinner=False)
def tree(version: str):
    """Read only: all visitors share it."""
    return shell.desk().store.tree()


@st.cache_resource(max_entries=4, show_spinner=False)
def named(version: str) -> str:
    """Another one whenever a design or a title is: of the very designs that are drawn, and not of those that are there a moment later."""
    return sha256(repr([(d.id, d.title) for d in _all(version)]).encode()).hexdigest()


@st.cache_resource(max_entries=4, show_spinner=False)
def structure(names: str, _version: str) -> bytes:
    return graph.packed("structure", tree_graph.structure(_all(_version)))


@st.cache_resource(max_entries=4, show_spinner=False)
def standing(version: str) -> bytes:
    desk, designs = shell.desk(), _all(version)
    return graph.packed("standing", tree_graph.standing(designs, list(desk.scales), desk.passed_over(designs), desk.left_alone(tree(version))))


@st.cache_resource(max_entries=12, show_spinner=False)
def places(key: str, layers: str, _version: str) -> bytes:
    return graph.packed("places", tree_graph.arranged(_all(_version), layers).to_json())


@st.cache_resource(max_entries=12, show_spinner=False)
def paint(version: str, colour: str) -> bytes:
    return graph.packed("paint", _coloured(version, colour))


def _coloured(version: str, colour: str) -> str:
    desk, designs = shell.desk(), _all(version)
    match colour:
        case "status":
            return tree_graph.by_status(designs)
        case "author":
            return tree_graph.by_author(designs)
        case "mode":
            return tree_graph.by_mode(designs)
        case "novelty":
            return tree_graph.by_number(designs, desk.outlines.novelty(), "novelty", "no units", ("{high} (new)", "{low} (seen before)"), bright_is_low=False)
        case "money":
            spent = {i: s.money for i, s in desk.store.calls.by_design().items() if s.money}
            return tree_graph.by_number(designs, spent, "US dollars of model calls", "nothing spent", ("{low}", "{high}"))
        case _ if colour.startswith("size "):
            costs = desk.store.costs.by_design(desk.scales[colour[5:]])
            return tree_graph.by_number(designs, {i: float(c.params) for i, c in costs.items()}, f"parameters at {colour[5:]}", "not counted", ("{low}", "{high}"))
    return tree_graph.by_score(designs, colour)


@st.cache_resource(max_entries=2, show_spinner=False)
def hover(names: str, grown: str, _version: str) -> bytes:
    return graph.packed("hover", tree_graph.hover(_all(_version), shell.desk().outlines.trees()))


@st.cache_resource(max_entries=4, show_spinner=False)
def seen(version: str) -> Seen:
    return Seen.of(shell.desk().scales, _all(version))


@st.cache_resource(max_entries=12, show_spinner=False)
def bound(version: str, reader: str) -> list[str]:
    return shell.desk().bound(tree(version))


def _all(version: str) -> list[Design]:
    return [data["design"] for _, data in tree(version).nodes(data=True)]


def acted(design: str, chosen: list[str], opened: bool) -> None:
    """What was done on the graph: a design shown, several chosen, one opened."""
    if design:
        st.query_params["design"] = design
    else:
        st.query_params.pop("design", None)
    st.session_state["tray"] = chosen
    if opened:
        st.session_state[OPEN] = design


def draw_bound(said: list[str]) -> None:
    """What the selector is bound to by persons."""
    if said:
        with st.expander(f"The selector obeys: {len(said)} wish{'es' if len(said) > 1 else ''}", icon=":material/account_tree:"):
            st.markdown("\n".join(f"- {shell.plain(line)}" for line in said))


def draw_start(everything: list[Design]) -> None:
    st.subheader("Start here")
    tour.offer()
    st.markdown(
        "1. **Click a design** to read what it is and how it scored.\n"
        "2. **Choose** it, choose a second, then **Crossover**: the agents propose designs that join them.\n"
        "3. Read, edit, **approve** or refuse, and implement the best.\n"
        "4. **Verify**: train it at `nano`, in about a minute, against gpt2 on the same data.")
    new = sum(d.kind is not Kind.REFERENCE for d in everything)
    st.caption(f"{len(everything) - new} references, {new} proposed designs so far. The graph takes keys: press **?** there.")


main()
