"""One paper: its text with the words that were looked for marked, what hangs on it, and what a person may do with it. And the papers of one design."""

from __future__ import annotations

import streamlit as st

from app import shell
from app.widgets.papers_search import byline
from app.widgets.papers_text import passage
from app.widgets.roles import may
from core.desk import Desk
from core.store.paper_nouns import Filters, Paper
from core.types import Kind

PAGE = 8             # passages at a time
HIT = """<style>[class*='st-key-passage-hit'] {border-left: 3px solid #E69F00; padding-left: .8rem;}
.st-key-paper-side [data-testid='stPageLink'] p {white-space: normal;} .st-key-paper-side [data-testid='stPageLink'] a {height: auto; padding-block: .15rem;}</style>"""


def draw_paper(desk: Desk, name: str) -> None:
    opened = desk.open_paper(name)
    paper, query = opened.paper, st.query_params.get("q", "")
    st.html(HIT)
    shell.link("library", "Back to the papers", ":material/arrow_back:", view="papers", q=query)
    st.subheader(shell.plain(paper.title), anchor=False)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(byline(paper), width="content")
        if paper.link:
            st.caption(f"[{shell.plain(paper.facts.arxiv or paper.facts.doi or 'elsewhere')}]({paper.link})", width="content")
        for tier in paper.tiers:
            st.badge(tier, color="gray")
    _draw_actions(desk, paper)
    left, right = st.columns([1.7, 1], gap="medium")
    with left:
        _draw_text(desk, paper, query)
    with right, st.container(key="paper-side"):
        _draw_tree(desk, paper)
        _draw_related(desk, paper)
        _draw_uses(opened.citations)
        _draw_notes(desk, opened)
        _draw_facts(opened)


def draw_papers_of(desk: Desk, design_id: str) -> None:
    """Links to the papers that a design implements."""
    found = desk.papers(Filters(design=design_id), 6)
    if found:
        with st.container(horizontal=True, gap="small"):
            for paper in found:
                shell.link("library", shell.plain(f"{paper.cite}: {shell.short(paper.title, 70)}"), ":material/article:", paper=paper.id)


def _draw_actions(desk: Desk, paper: Paper) -> None:
    parents = _there(paper)
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Propose from this paper", icon=":material/draw:", type="primary", key="paper-propose", help="opens the Studio with instructions that name it"):
            gist = f" {paper.gist[:500]}" if paper.gist else ""
            shell.go("studio", parents=parents[0] if parents else "", instructions=f"Start from “{paper.title}” ({paper.cite}), in the library as {paper.id}: read it, take one idea of it further, and cite it as [paper:{paper.id}].{gist}")
        for design in parents[:3]:
            shell.link("tree", f"In the tree as {design}", ":material/account_tree:", design=design)


def _draw_text(desk: Desk, paper: Paper, query: str) -> None:
    total = desk.store.papers.n_passages(paper.id)
    asked = st.query_params.get("passage", "")
    chosen = int(asked) if asked.isdigit() and len(asked) < 7 else 0
    if chosen > total:
        st.warning(f"It has {total} passages: there is no passage {chosen}.", icon=":material/search_off:")
        chosen = 0
    if chosen <= PAGE:
        _draw_account(paper, query)
    if not total:
        st.info("Only what stands here is known of it: its text is not in the library. Import its file, or fetch it by its id.", icon=":material/info:")
        if (name := paper.facts.arxiv or paper.facts.doi) and st.button("Fetch its text", icon=":material/download:", key="paper-fetch",
                                                                        **may("import_papers")) and shell.act(lambda: desk.import_papers(name), "queued"):
            shell.go("library", view="papers")
        return
    first = max(1, chosen - 1) if chosen > PAGE else 1
    last, head = min(total, first + PAGE - 1), ""
    for piece in desk.paper_passages(paper, first, last):
        if piece.section and piece.section != head:
            st.markdown(f"**{shell.plain(piece.section)}**")
        head = piece.section
        with st.container(key=f"passage-hit-{piece.number}" if piece.number == chosen else f"passage-{piece.number}"):
            st.markdown(passage(piece.text, query))
    with st.container(horizontal=True, vertical_alignment="center"):
        if first > 1:
            shell.link("library", "Earlier", ":material/arrow_back:", paper=paper.id, passage=str(max(1, first - PAGE + 1)), q=query)
        st.caption(f"passages {first} to {last} of {total}", width="content")
        if last < total:
            shell.link("library", "On", ":material/arrow_forward:", paper=paper.id, passage=str(last + 2 if last + 2 <= total else total), q=query)


def _draw_account(paper: Paper, query: str) -> None:
    f = paper.facts
    for name, said in (("What it does", f.idea), ("In one sentence", f.tldr), ("Abstract", f.abstract)):
        if said:
            st.caption(name)
            st.markdown(passage(said, query))


def _draw_tree(desk: Desk, paper: Paper) -> None:
    there = _there(paper)
    if there:
        st.caption("In the tree as a reference")
        for design in there:
            shell.link("library", design, ":material/menu_book:", design=design)
        return
    st.caption("In the tree")
    st.markdown("No reference design implements this paper yet. Write its gab.py under *Add your own*, or have agents propose from it; then say here which design it is.")
    with st.form("paper-link", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        design = st.selectbox("Which design", [d.id for d in shell.designs() if d.kind is not Kind.AGENT or d.scores], index=None, placeholder="a design", key="paper-design", label_visibility="collapsed", width="stretch")
        if st.form_submit_button("Add as its reference", icon=":material/link:", **may("link_paper")) and design and shell.act(lambda: desk.link_paper(paper.id, design), "linked"):
            st.rerun()
    shell.link("library", "Add your own", ":material/add:", view="own")


def _there(paper: Paper) -> list[str]:
    known = {d.id for d in shell.designs()}
    return [d for d in paper.facts.designs if d in known]


def _draw_related(desk: Desk, paper: Paper) -> None:
    st.caption("Related papers")
    for other in desk.related_papers(paper):
        shell.link("library", shell.plain(f"{other.cite}: {shell.short(other.title, 80)}"), ":material/article:", paper=other.id)


def _draw_uses(found) -> None:
    if found:
        st.caption("Read or cited by")
        for design, kind in dict.fromkeys((c.design_id, c.kind) for c in found):
            shell.link("design", f"{design} ({kind})", ":material/draw:", design=design)


def _draw_notes(desk: Desk, opened) -> None:
    st.caption("Notes, which agents that read the paper are told")
    for note in opened.notes:
        with st.container(border=True, gap="xsmall"):
            st.markdown(shell.plain(note.text))
            st.caption(f"{shell.plain(note.author)}, {shell.ago(note.created_at)}")
    with st.form("paper-note", clear_on_submit=True, border=False):
        text = st.text_area("A note", max_chars=4000, height=80, key="paper-note-text", label_visibility="collapsed", placeholder="what to keep in mind of it")
        if st.form_submit_button("Add the note", icon=":material/note_add:",
                                 **may("note_paper")) and text.strip() and shell.act(lambda: desk.note_paper(opened.paper.id, text), "noted"):
            st.rerun()


def _draw_facts(opened) -> None:
    f = opened.paper.facts
    with st.expander("What is known of it"):
        rows = (("id", opened.paper.id), ("authors", ", ".join(f.authors)), ("units", ", ".join(f.units)), ("tags", ", ".join(f.tags)), ("arXiv", f.arxiv), ("DOI", f.doi), ("known from", ", ".join(opened.sources)),
                *((file.form, f"{file.name}, {file.passages} passages" + (f"; {file.note}" if file.note else "")) for file in opened.files))
        st.markdown("\n".join(f"- {name}: {shell.plain(str(said))}" for name, said in rows if said))
