"""Corpora: each with what it is and for which scales it is ready; making one ready; one by its path."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import streamlit as st

from app import shell
from app.widgets.roles import may, of_role
from app.widgets.settings_machine import size
from app.widgets.verify_form import BUILTIN
from core.desk import Desk, KeptCorpus, Shelved
from core.guarded import needed
from core.types import Job, JobKind, JobState
from core.users import Role

FROM = {"builtin": "carried along", "files": "files", "hub": "from the Hub", "mixture": "a mixture", "broken": "broken"}
MAKES_READY = needed("prepare_corpus")
RECENT, LATELY = 200, timedelta(days=1)      # jobs that are looked through; how long a failure is told
COLOURS = {"builtin": "green", "files": "blue", "hub": "violet", "mixture": "orange", "broken": "red"}


def kept(desk: Desk, shelf: Sequence[Shelved]) -> list[KeptCorpus]:
    return _kept(str(desk.config.data_dir), tuple((c.name, *c.prepared, len(c.unfinished)) for c in shelf))


@st.cache_data(ttl=10, max_entries=8, show_spinner=False)
def _kept(folder: str, ready: tuple[tuple, ...]) -> list[KeptCorpus]:
    """Sizes are summed over many files, so they are read now and then, and when something has become ready."""
    return shell.desk().kept_corpora()


def making(desk: Desk) -> list[Job]:
    return [j for j in desk.queue.all(states=shell.LIVE) if j.kind is JobKind.DATA]


def draw_corpora(desk: Desk) -> None:
    jobs = making(desk)
    if jobs:
        shell.live(lambda: draw_making(desk), True)
    draw_failed(desk)
    shelf = sorted(desk.corpora(), key=lambda c: (not c.prepared, not c.unfinished, c.kind not in ("builtin", "files")))
    words = st.text_input("Search", placeholder="a name, a licence, a source", label_visibility="collapsed", key="data-search").lower().split()
    found = [c for c in shelf if all(w in f"{c.name} {c.title} {c.what} {c.source} {c.licence} {c.kind}".lower() for w in words)]
    sizes = kept(desk, shelf)
    if not found:
        st.info("No corpus fits these words.", icon=":material/search_off:")
    for row in range(0, len(found), 3):
        for column, corpus in zip(st.columns(3, gap="small"), found[row : row + 3], strict=False):
            with column.container(border=True, height="stretch", gap="small"):
                draw_card(corpus, [k for k in sizes if k.name == corpus.name], being_made(jobs, corpus.name))
    draw_by_path(desk)
    st.caption(f"A corpus of your own with a name: one YAML file in `{desk.config.data_dir / 'corpora.d'}`, written like those in `{desk.config.library_dir / 'corpora'}`.")


def being_made(jobs: Sequence[Job], corpus: str) -> list[str]:
    """For which scales."""
    return [j.payload.get("scale", "") for j in jobs if of(j) == corpus]


def draw_card(corpus: Shelved, made: list[KeptCorpus], now: Sequence[str]) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if corpus.problem:
            st.markdown(f"**{shell.plain(corpus.name)}**", width="content")
        else:
            shell.link("data", shell.plain(corpus.name), ":material/dataset:", corpus=corpus.name)
        st.badge(FROM.get(corpus.kind, corpus.kind), color=COLOURS.get(corpus.kind, "gray"))
    if corpus.problem:
        st.error(shell.plain(corpus.problem), icon=":material/error:")
        return
    st.markdown(shell.plain(corpus.title))
    facts = [f"{corpus.tokens / 1e6:,.0f} M tokens" if corpus.tokens else "all its tokens", *([corpus.licence] if corpus.licence else []), *([size(sum(k.size for k in made)) + " here"] if made else [])]
    st.caption(shell.plain(" · ".join(facts)))
    draw_ready(corpus, now)


def draw_ready(corpus: Shelved, now: Sequence[str] = ()) -> None:
    """`now`: scales for which it is being made."""
    if corpus.prepared or corpus.unfinished:
        with st.container(horizontal=True, gap="small"):
            for name in corpus.prepared:
                st.badge(name, color="green", icon=":material/check:")
            for name in corpus.unfinished:
                st.badge(f"{name}: {'being made' if name in now else 'half made'}", color="blue" if name in now else "orange", icon=":material/hourglass:")
    else:
        st.caption("not made ready yet")


def draw_making(desk: Desk) -> bool:
    """Whether any is still being made."""
    jobs = making(desk)
    for job in jobs:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(job.progress, shell.plain(f"{of(job)} for {job.payload.get('scale', '')}: {job.note or ('begins' if job.started_at else 'waits for a worker')}"))
            if st.button("Stop", key=f"stop-data-{job.id}", icon=":material/stop:", **may("cancel", "what is made is kept, and it goes on from there", disabled=job.cancel_requested)):
                shell.act(lambda job=job: desk.cancel(job.id), "stopping")
    return bool(jobs)


def draw_failed(desk: Desk, corpus: str = "") -> None:
    """What could not be made ready lately, of one corpus or of all: why, and again."""
    newest: dict[str, Job] = {}
    for job in desk.queue.all(limit=RECENT):         # the newest first
        if job.kind is JobKind.DATA and (not corpus or of(job) == corpus):
            newest.setdefault(job.subject, job)
    for job in newest.values():
        if job.state is JobState.FAILED and job.finished_at and datetime.now(UTC) - job.finished_at < LATELY:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.error(shell.plain(f"{of(job)} could not be made ready for {job.payload.get('scale', '')}, {shell.ago(job.finished_at)}: {job.error}"), icon=":material/error:")
                if st.button("Try again", key=f"again-data-{job.id}", icon=":material/refresh:",
                             **may("retry", "it goes on from where it was")) and shell.act(lambda job=job: desk.retry(job.id), "queued again"):
                    st.rerun()


def of(job: Job) -> str:
    """Which corpus a job makes ready."""
    return job.payload.get("corpus") or BUILTIN


def prepare(desk: Desk, corpus: str, key: str, role: Role = MAKES_READY) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        scale = st.selectbox("For the scale", list(desk.scales), key=f"{key}-scale", width=150, help="scales of one vocabulary and tokenizer share it")
        if st.button("Make ready", icon=":material/play_arrow:", key=f"{key}-go", type="primary", **of_role(role, disabled=not corpus.strip())) and shell.act(
                lambda: desk.prepare_corpus(corpus.strip(), scale), "queued"):
            st.rerun()


def draw_by_path(desk: Desk) -> None:
    with st.expander("Text of your own, by its path", icon=":material/folder_open:"):
        st.caption("A text, JSONL or Parquet file, or a folder of them, on the machine of the workers. Once made ready it stands above, and its path is a corpus's name wherever one is asked for.")
        path = st.text_input("Path", placeholder="/home/me/texts", key="data-path")
        prepare(desk, path, "data-path", Role.ADMIN)


def draw_one(desk: Desk, name: str) -> None:
    shell.link("data", "All corpora", ":material/arrow_back:")
    shelf = desk.corpora()
    corpus = next((c for c in shelf if c.name == name), None)
    if corpus is None:
        st.warning(f"There is no corpus {shell.plain(shell.short(name))}.", icon=":material/search_off:")
        return
    st.subheader(shell.plain(corpus.title if corpus.title != corpus.name else corpus.name), anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(FROM.get(corpus.kind, corpus.kind), color=COLOURS.get(corpus.kind, "gray"))
        st.caption(shell.plain(corpus.name), width="content")
    jobs = making(desk)
    if jobs:
        shell.live(lambda: draw_making(desk), True)
    draw_failed(desk, name)
    left, right = st.columns([1, 1.2], gap="large")
    with left:
        if corpus.what:
            st.markdown(shell.plain(corpus.what))
        facts = {"source": corpus.source, "licence": corpus.licence or "not told", "page": corpus.url, "file": corpus.file, "tokens": f"{corpus.tokens:,}" if corpus.tokens else "all there are",
                 "texts from": ", ".join(corpus.parts)}
        with st.container(key="pairs-corpus"):
            st.markdown("\n".join(["| | |", "|---|---|", *(f"| {key} | {shell.plain(value)} |" for key, value in facts.items() if value)]))
        if corpus.problem:
            st.error(shell.plain(corpus.problem), icon=":material/error:")
    with right:
        draw_ready(corpus, being_made(jobs, name))
        for made in [k for k in kept(desk, shelf) if k.name == name]:
            with st.container(border=True, gap="small"):
                st.markdown(f"**Vocabulary of {made.vocab_size:,}** for {', '.join(made.scales) or 'no scale of the ladder'}")
                st.caption(f"{made.train_tokens:,} training tokens, {made.documents:,} documents, {size(made.size)} in `{made.folder}`  \nhash `{made.hash}`")
                for note in made.notes:
                    st.caption(shell.plain(note))
        if not corpus.problem:
            prepare(desk, name, "one")
        if corpus.kind in ("hub", "mixture"):
            st.caption("It is fetched from the Hub, as far as the training needs it; stopped at any time, it goes on where it was.")
