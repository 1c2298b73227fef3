"""Bringing papers in: dropped files, a folder, an id or a link; and searching the other libraries."""

from __future__ import annotations

import streamlit as st

from app import shell
from app.widgets.roles import may
from core.desk import Desk
from core.store.paper_nouns import Facts
from core.types import Job, JobKind, JobState

SOURCES = {"semantic_scholar": "Semantic Scholar", "arxiv": "arXiv", "openalex": "OpenAlex", "hub": "Papers on the Hub"}
MARKS = {"ok": ":green[●]", "no key": ":blue[●]", "limited": ":orange[●]", "down": ":red[●]"}
TIERS = {"primary": "primary", "secondary": "secondary", "further": "further"}
SHOWN = 12           # files that could not be read


def draw_bring(desk: Desk) -> None:
    shell.live(lambda: _draw_imports(desk), bool(_imports(desk, live=True)))
    tier = st.segmented_control("Tier", list(TIERS), default="primary", key="papers-bring-tier", help="which searches can be narrowed to; a folder's htmls2, pdfs2 are secondary, htmlsp, pdfsp further") or "primary"
    left, right = st.columns(2, gap="medium")
    with left, st.form("papers-drop", clear_on_submit=True, border=False):
        dropped = st.file_uploader("Files", ["pdf", "html", "htm", "md", "tex", "txt", "gz", "tgz", "zip", "bib"], accept_multiple_files=True, max_upload_size=80)
        if st.form_submit_button("Import the files", icon=":material/upload_file:",
                                 **may("drop_paper")) and dropped and shell.act(lambda: [desk.drop_paper(f.name, f.getvalue(), tier) for f in dropped], "queued"):
            st.rerun()
    with right, st.form("papers-source", clear_on_submit=False, border=False):
        source = st.text_input("An arXiv id, a DOI, or a link", placeholder="2406.06484", key="papers-source-text")
        if st.form_submit_button("Fetch it", icon=":material/download:", **may("import_papers")) and shell.act(lambda: desk.import_papers(source, tier), "queued"):
            st.rerun()
    with right, st.form("papers-folder", clear_on_submit=False, border=False):
        folder = st.text_input("A folder or file of the server", placeholder="/home/me/files", key="papers-folder-text", help="its folders htmls, pdfs are primary, htmls2, pdfs2 secondary, htmlsp, pdfsp further papers")
        if st.form_submit_button("Import it", icon=":material/folder_open:", **may("import_folder")) and shell.act(lambda: desk.import_folder(folder, tier), "queued"):
            st.rerun()


def _imports(desk: Desk, live: bool = False) -> list[Job]:
    jobs = desk.queue.all(states=shell.LIVE) if live else desk.queue.all(limit=60)
    return [j for j in jobs if j.kind is JobKind.PAPERS and "ask" not in j.payload]


def _draw_imports(desk: Desk) -> bool:
    """Those under way, and how the last one went."""
    running = _imports(desk, live=True)
    for job in running:
        st.progress(job.progress, shell.plain(f"{job.payload['source'][-80:]}: {job.note or job.state}"))
    last = next(iter(_imports(desk)), None)
    if running or last is None:
        return bool(running)
    if last.state is JobState.FAILED:
        st.error(f"{shell.plain(last.payload['source'][-80:])} was not imported: {shell.plain(last.error)}", icon=":material/error:")
        return False
    tally = desk.import_tally(last)
    troubles = [i for i in tally.items if i.note]
    with st.expander(f"The last import: {tally.words}", icon=":material/warning:" if troubles else ":material/check_circle:"):
        st.caption(shell.plain(last.payload["source"]))
        for paper in last.result.get("papers", [])[:SHOWN]:
            shell.link("library", paper, ":material/article:", paper=paper)
        for item in troubles[:SHOWN]:
            st.markdown(f"- {shell.plain(item.item)}: {shell.plain(item.note)}")
        if len(troubles) > SHOWN:
            st.caption(f"{len(troubles) - SHOWN} more: `python -m core jobs --id {last.id} --json`")
    return False


# ---------------------------------------------------------------------------------------------------- elsewhere


def draw_elsewhere(desk: Desk) -> None:
    states = {s.name: s for s in desk.source_states()}
    st.markdown("  ·  ".join(f"{MARKS[s.state]} {SOURCES[s.name]}" + (f" ({s.state})" if s.state != "ok" else "") for s in states.values()), help="\n\n".join(f"{SOURCES[s.name]}: {shell.plain(s.words)}" for s in states.values() if s.words) or None)
    with st.form("papers-elsewhere", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        query = st.text_input("Words", st.query_params.get("q", ""), key="papers-elsewhere-words", placeholder="words to look for", width="stretch")
        source = st.selectbox("Where", list(SOURCES), format_func=SOURCES.get, key="papers-elsewhere-source", width=200)
        asked = st.form_submit_button("Look", icon=":material/travel_explore:", **may("ask_source"))
    made: list[Job] = []
    if asked and shell.act(lambda: made.append(desk.ask_source(source, query))):
        st.session_state["papers-asked"] = made[0].id
    if number := st.session_state.get("papers-asked"):
        job = desk.queue.get(number)
        shell.live(lambda: _draw_found(desk, number), job.state in shell.LIVE)


def _draw_found(desk: Desk, number: int) -> bool:
    job = desk.queue.get(number)
    if job.state in shell.LIVE:
        st.progress(job.progress, f"asking {SOURCES[job.payload['ask']]}")
        return True
    if job.state is not JobState.DONE:
        st.warning(shell.plain(job.error or "it was stopped"), icon=":material/cloud_off:")
        return False
    found = [Facts.from_dict(f) for f in job.result["papers"]]
    st.caption(f"{len(found)} of {SOURCES[job.payload['ask']]} for “{shell.plain(job.payload['source'])}”" if found else f"{SOURCES[job.payload['ask']]} has nothing with these words.")
    for n, facts in enumerate(found):
        _draw_facts(desk, n, facts)
    return False


def _draw_facts(desk: Desk, n: int, facts: Facts) -> None:
    known = next((p for value in facts.ids().values() if (p := desk.store.papers.has(value))), "")
    name = facts.arxiv or facts.doi
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{shell.plain(facts.title)}**", width="stretch")
            if known:
                shell.link("library", "In the library", ":material/article:", paper=known)
            elif name and st.button("Fetch into the library", key=f"papers-fetch-{n}-{name}", icon=":material/download:",
                                    **may("import_papers")) and shell.act(lambda: desk.import_papers(name), "queued"):
                st.rerun()
        who = ", ".join(facts.authors[:3]) + (" and others" if len(facts.authors) > 3 else "")
        st.caption(" · ".join(filter(None, [shell.plain(who), str(facts.year or ""), shell.plain(facts.venue), shell.plain(name), f"cited {facts.citations:,} times" if facts.citations else ""])))
        st.markdown(shell.plain((facts.tldr or facts.abstract)[:320]))
