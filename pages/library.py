"""Library: the reference designs, each with its units, code and costs; the papers behind them and others; and a gab.py of one's own, checked and saved."""

from __future__ import annotations

import streamlit as st

from app import shell
from app.widgets.code import draw_code
from app.widgets.costs import draw_costs
from app.widgets.own_block import draw_own_block
from app.widgets.papers_reader import draw_paper, draw_papers_of
from app.widgets.papers_search import draw_papers
from app.widgets.roles import may
from app.widgets.unit_diagram import draw_unit_diagram
from core.desk import Desk
from core.types import Design, Kind

VIEWS = {"references": "References", "papers": "Papers", "compare": "Side by side", "own": "Add your own"}
REFERENCE = "gpt2"
SUMMARY = 170        # characters of a summary on a card


@st.cache_data(ttl=60, show_spinner=False)
def references() -> list:
    return shell.desk().references()


def main() -> None:
    desk = shell.desk()
    if slug := st.query_params.get("design"):
        one(desk, slug)
        return
    if paper := st.query_params.get("paper"):
        draw_paper(desk, paper)
        return
    shell.from_address("view", "references", VIEWS, "library-view")
    view = st.segmented_control("View", list(VIEWS), format_func=VIEWS.get, required=True, label_visibility="collapsed", key="library-view")
    shell.to_address("view", "references", "library-view")
    if view == "own":
        draw_own_block(desk)
    elif view == "papers":
        draw_papers(desk)
    elif view == "compare":
        compare(desk)
    else:
        cards(desk)


def cards(desk: Desk) -> None:
    words = st.text_input("Search", placeholder="a name, an author, a year, a unit", label_visibility="collapsed", key="library-search").lower().split()
    known = {d.id: d for d in shell.designs()}
    found = [r for r in references() if all(w in f"{r.slug} {r.title} {r.authors} {r.year} {r.summary} {[n.unit for _, n in r.units.walk()]}".lower() for w in words)]
    own = [d for d in known.values() if d.kind is Kind.MANUAL]
    if not found:
        st.info("No reference fits these words.", icon=":material/search_off:")
    for row in range(0, len(found), 3):
        for column, ref in zip(st.columns(3, gap="small"), found[row : row + 3], strict=False):
            with column.container(border=True, height="stretch"):
                st.markdown(f"**{shell.plain(ref.title)}**")
                st.caption(f"{shell.plain(ref.authors)} {ref.year} · [{shell.plain(ref.paper)}]({ref.url})")
                st.markdown(shell.plain(shortened(ref.summary)))
                draw_unit_diagram(ref.units, brief=True)
                with st.container(horizontal=True, vertical_alignment="center"):
                    shell.link("library", "Open", ":material/menu_book:", design=ref.slug)
                    seed(ref.slug, "Seed the tree")
    if own:
        st.subheader("Your own", anchor=False)
        for design in own:
            with st.container(horizontal=True, vertical_alignment="center"):
                shell.status_badge(design)
                shell.link("library", design.title, ":material/menu_book:", design=design.id)
                st.caption(shell.plain(design.summary), width="content")


def seed(design_id: str, label: str) -> None:
    if st.button(label, icon=":material/park:", key=f"seed-{design_id}", help="start a design session whose proposals grow from it"):
        shell.go("studio", parents=design_id)


def one(desk: Desk, design_id: str) -> None:
    design: Design = desk.store.designs.get(design_id)
    ref = next((r for r in references() if r.slug == design_id), None)
    made = desk.store.implementations.newest(design_id)
    shell.link("library", "All of the library", ":material/arrow_back:")
    st.subheader(shell.plain(design.title), anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        shell.status_badge(design)
        if ref:
            st.caption(f"{shell.plain(ref.authors)} {ref.year} · [{shell.plain(ref.paper)}]({ref.url})", width="content")
        shell.link("tree", "In the tree", ":material/account_tree:", design=design_id)
        shell.link("verify", "Verify", ":material/science:", designs=design_id)
        seed(design_id, "Seed the tree with this")
    st.markdown(shell.plain(design.summary))
    draw_papers_of(desk, design_id)
    left, right = st.columns([1, 1.25], gap="medium")
    with left:
        if made and made.units:
            draw_unit_diagram(made.units)
        else:
            st.caption("A flat block: its gab.py is no tree of the library's units.")
        costs(desk, design_id)
    with right:
        if made:
            st.download_button("Download gab.py", made.code, "gab.py", icon=":material/download:", on_click="ignore")
            draw_code(made.code, {})


def costs(desk: Desk, design_id: str) -> None:
    running = any(j.subject == f"costs:{design_id}" for j in desk.queue.all(states=shell.LIVE))
    own = desk.costs(design_id)
    if running:
        shell.live(lambda: counting(desk, design_id), True)
    elif set(own) != set(desk.scales) and st.button("Count what it costs at every scale", icon=":material/calculate:",
                                                    **may("count_costs", "about a minute of processor time")) and shell.act(
            lambda: desk.count_costs(design_id), "queued"):
        st.rerun()
    if own:
        draw_costs(design_id, own, REFERENCE, desk.costs(REFERENCE))


def counting(desk: Desk, design_id: str) -> bool:
    jobs = [j for j in desk.queue.all(states=shell.LIVE) if j.subject == f"costs:{design_id}"]
    for job in jobs:
        st.progress(job.progress, job.note or "counting what it costs at each scale")
    return bool(jobs)


def compare(desk: Desk) -> None:
    scale = st.selectbox("Scale", list(desk.scales), key="library-scale")
    rows = []
    for ref in references():
        found = desk.costs(ref.slug).get(scale)
        if found:
            rows.append({"design": ref.slug, "title": ref.title, "year": ref.year, "parameters": found.params, "FLOPs a token": found.flops_infer,
                         "in training": found.flops_train, "memory, MB": round(found.peak_mb), "units": ", ".join(dict.fromkeys(n.unit for _, n in ref.units.walk()))})
    if not rows:
        st.info("Nothing is counted at this scale yet: open a design and press “Count”, or run `python -m core costs gpt2`.", icon=":material/calculate:")
        return
    st.dataframe(rows, hide_index=True, placeholder="", height=38 + 35 * len(rows), column_config={
        "year": st.column_config.NumberColumn(format="%d"), "parameters": st.column_config.NumberColumn(format="localized"),
        **{k: st.column_config.NumberColumn(format="compact") for k in ("FLOPs a token", "in training")}, "memory, MB": st.column_config.NumberColumn(format="localized")})


def shortened(text: str) -> str:
    return text if len(text) <= SUMMARY else text[:SUMMARY].rsplit(" ", 1)[0] + " …"


main()
