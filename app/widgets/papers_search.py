"""The papers of the library: a search box whose results come while one types, filters, what other libraries have, and bringing papers in."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app import shell
from app.widgets.papers_bring import draw_bring, draw_elsewhere
from app.widgets.papers_text import snippet
from core.desk import Desk
from core.store.paper_nouns import Filters, Hit, Paper

FIELD = "papers-words"
SHOWN = 15           # results, or papers of the list, at first
MORE = 30
WRAP = "<style>[class*='st-key-papers-hit-'] [data-testid='stPageLink'] p {white-space: normal;} [class*='st-key-papers-hit-'] [data-testid='stPageLink'] a {height: auto; padding-block: .15rem;}</style>"
TIERS = {"": "Any tier", "index": "Curated index", "primary": "Primary", "secondary": "Secondary", "further": "Further", "online": "Fetched"}


@st.cache_resource(show_spinner=False)
def _instant():
    return st.components.v2.component("papers_instant", html="<span hidden></span>", js=Path(__file__).with_name("papers_instant.js").read_text(), isolate_styles=False)


def draw_papers(desk: Desk) -> None:
    st.html(WRAP)
    _instant()(data={"field": FIELD}, key="papers-instant", height=1)
    here, elsewhere, bring = st.tabs(["In the library", "Look elsewhere", "Bring papers in"])
    with here:
        st.fragment(_search)(desk)
    with elsewhere:
        draw_elsewhere(desk)
    with bring:
        draw_bring(desk)


def _search(desk: Desk) -> None:
    with shell.worded():
        query = st.text_input("Search the papers", st.query_params.get("q", ""), max_chars=300, key=FIELD, label_visibility="collapsed", icon=":material/search:",
                              placeholder="an idea, a title, an author, an arXiv id")
        filters = _filters(desk)
        if query.strip():
            st.query_params["q"] = query
            hits = desk.search_papers(query, filters, MORE, prefix=True)
            st.caption(f"{len(hits) if len(hits) < MORE else f'the best {MORE}'} of {desk.count_papers():,} papers" if hits else "No paper has these words. Fewer words find more; or look elsewhere below.")
            for hit in hits[: _shown(len(hits))]:
                _draw_hit(hit, query)
            _more(len(hits))
            return
        st.query_params.pop("q", None)
        total = desk.count_papers(filters)
        st.caption(f"{total:,} papers, the newest first" if total else "No papers of that sort.")
        for paper in desk.papers(filters, _shown(total)):
            _draw_hit(Hit(paper, 0.0, 0, "", paper.gist[:260]), "")
        _more(total)


def _filters(desk: Desk) -> Filters:
    with st.container(horizontal=True, gap="small"):
        tier = st.selectbox("Tier", list(TIERS), format_func=TIERS.get, key="papers-tier", width=170, label_visibility="collapsed")
        since = st.number_input("From year", 1900, 2200, None, key="papers-since", width=140, placeholder="from year", label_visibility="collapsed")
        until = st.number_input("To year", 1900, 2200, None, key="papers-until", width=140, placeholder="to year", label_visibility="collapsed")
        related = st.toggle("In the tree", key="papers-related", help="only papers that a design of the tree implements", width="content")
    return Filters(since, until, tier or "", "", related)


def _shown(total: int) -> int:
    return min(total, st.session_state.get("papers-shown", SHOWN))


def _more(total: int) -> None:
    if _shown(total) < total and st.button("More", icon=":material/expand_more:", key="papers-more"):
        st.session_state["papers-shown"] = _shown(total) + MORE
        st.rerun(scope="fragment")


def _draw_hit(hit: Hit, query: str) -> None:
    paper = hit.paper
    with st.container(border=True, key=f"papers-hit-{paper.seq}", gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            shell.link("library", shell.plain(paper.title), ":material/article:", paper=paper.id, passage=str(hit.passage) if hit.passage else "", q=query)
            for design in paper.facts.designs[:3]:
                st.badge(shell.on_badge(design), icon=":material/account_tree:", color="green")
        st.caption(byline(paper) + (f" · passage {hit.passage}, {shell.plain(hit.section)}" if hit.passage else ""))
        st.markdown(snippet(hit.snippet))


def byline(paper: Paper) -> str:
    f = paper.facts
    cited = f"cited {f.citations:,} times" if f.citations else ""
    return " · ".join(filter(None, [shell.plain(paper.who), str(f.year or ""), shell.plain(f.venue), cited]))
