"""Parts of a design's page: its code against any other revision or parent, what it costs, its relatives, and what can be taken along."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import streamlit as st

from app import shell
from app.widgets.code import draw_code
from app.widgets.costs import draw_costs
from app.widgets.roles import may
from app.widgets.table import Column, table
from core.desk import Desk
from core.dossier import Dossier
from core.errors import CodeError
from core.export import FORMATS, exported_code
from core.report.design import as_bibtex, as_markdown, builds_on
from core.report.siblings import Effect, edited_by_people, effect
from core.report.site import site_zip
from core.types import Design, Implementation

REFERENCE = "gpt2"


def draw_code_of(desk: Desk, found: Dossier) -> None:
    """Any revision, against its parents and the other revisions."""
    if not found.implementations:
        st.caption("No code yet. *Implement* has it written.")
        return
    by_number = {i.revision: i for i in found.implementations}
    number = found.implementations[-1].revision
    if len(by_number) > 1:
        number = st.selectbox("Revision", list(reversed(by_number)), format_func=lambda n: f"{n} by {by_number[n].author}, {shell.ago(by_number[n].created_at)}", key="code-revision", width=340)
    made = by_number[number]
    bases = {f"revision {i.revision}": i.code for i in reversed(found.implementations) if i.revision != number}
    bases |= {f"its parent {p}": other.code for p in found.design.parents if (other := desk.store.implementations.newest(p))}
    newest = found.implementations[-1]
    with st.container(horizontal=True, vertical_alignment="center"):
        verdict = "not checked" if made.check is None else "passed its check" if made.check.passed else "failed its check"
        st.caption(f"gab.py, revision {made.revision} by {shell.plain(made.author)}, {verdict}, SHA-256 {made.code_hash[:12]}", width="content")
        if made is not newest and st.button("Make it the newest again", icon=":material/settings_backup_restore:", key=f"restore-code-{number}",
                                            **may("restore_code", f"as revision {newest.revision + 1}; the others are kept")) and shell.act(
                lambda: desk.restore_code(found.design.id, number, newest.revision), f"revision {number} is the newest again"):
            st.session_state.pop("code-revision", None)
            st.rerun()
    draw_code(made.code, bases)


def draw_costs_of(desk: Desk, found: Dossier) -> None:
    """What it took so far, and what each scale would take."""
    ident = found.design.id
    spent = desk.store.calls.spent(design=ident)
    trained = [v for v in found.verifications if v.metrics]
    seconds = sum(v.metrics.train_seconds + v.metrics.eval_seconds for v in trained if v.metrics)
    with st.container(horizontal=True, gap="large"):
        st.metric("language models", shell.plain(spent.dollars) if spent.tries else "none", f"{spent.tokens:,} tokens in {spent.tries} calls" if spent.tries else None, delta_color="off", delta_arrow="off", width="content")
        st.metric("training and evaluation", shell.took(seconds) if trained else "none", f"{len(trained)} verification{'s' if len(trained) != 1 else ''}" if trained else None, delta_color="off", delta_arrow="off",
                  width="content")
        if shell.price() and trained:
            st.metric("of the machine", f"{seconds / 3600 * shell.price():,.2f}", width="content")
    own = desk.costs(ident) if found.implementations else {}
    if own:
        draw_costs(ident, own, REFERENCE, desk.costs(REFERENCE))
    if found.implementations and len(own) < len(desk.scales):
        st.caption(f"Parameters and FLOPs are counted at {', '.join(own) or 'no scale'} so far.")
        if st.button("Count at every scale", icon=":material/calculate:", key="count-costs", **may("count_costs")) and shell.act(lambda: desk.count_costs(ident), "queued"):
            st.rerun()


# ------------------------------------------------------------------------------------------------ relatives


def draw_lineage_of(desk: Desk, found: Dossier) -> None:
    everything = {d.id: d for d in shell.designs()}
    own = found.design
    groups = {"Parents": [everything[p] for p in own.parents], "Children": [d for d in everything.values() if own.id in d.parents],
              "Siblings, of the same session": [d for d in everything.values() if own.session_id and d.session_id == own.session_id and d.id != own.id]}
    edited, told = _edited(shell.state())
    for words, designs in groups.items():
        if designs:
            st.markdown(f"**{words}**")
            _draw_relatives(designs, own, list(desk.scales), edited, words)
    if not any(groups.values()):
        st.caption("It has no relatives yet.")
    st.markdown("**Edited by people, against untouched siblings**")
    lines = [(scale, at) for scale in desk.scales if (at := told.at(scale))]
    for scale, (mean, se, sessions) in lines:
        error = f" ± {se:.4f}" if se is not None else ""
        st.markdown(f"At {scale}: {mean:+.4f}{error} bits per byte over {sessions} session{'s' if sessions > 1 else ''}: "
                    f"{'better' if mean < 0 else 'worse' if mean > 0 else 'alike'} where a person changed the proposal or the code" + ("." if se is not None else "; one session decides nothing."))
    if not lines:
        st.caption("No session has both an edited and an untouched design that were measured at one scale yet.")


@st.cache_resource(max_entries=2, show_spinner=False)
def _edited(state: tuple[str, ...]) -> tuple[set[str], Effect]:
    """(designs that people edited, what came of it)"""
    store = shell.desk().store
    return edited_by_people(store), effect(store, shell.designs())


def _draw_relatives(designs: Sequence[Design], own: Design, scales: Sequence[str], edited: set[str], key: str) -> None:
    shown = [s for s in scales if any(s in d.scores for d in (*designs, own))]
    rows = [{"design": d.id, "page": f"design?design={quote(d.id)}", "title": d.title, "status": str(d.status), "edited": "yes" if d.id in edited else "", "rated": d.rating, **{f"at {s}": d.scores.get(s) for s in shown}}
            for d in designs]
    table([Column("design", to="page"), Column("title"), Column("status"), Column("edited", "edited by a person"), Column("rated", kind="number", digits=1),
           *(Column(f"at {s}", f"bits/byte at {s}", "number", 4) for s in shown)], rows, f"relatives-{key}", key)


# ------------------------------------------------------------------------------------------------ taking along


@st.cache_resource(max_entries=64, show_spinner=False)
def _papers(state: tuple[str, ...], design_id: str) -> tuple[str, str]:
    """What a design builds on: (BibTeX, the titles)."""
    found = builds_on(shell.desk(), design_id, shell.designs())
    return as_bibtex(found), ", ".join(r.title for r in found)


def _exported(made: Implementation, format: str) -> tuple[str, str]:
    """(the file, why there is none)"""
    try:
        return exported_code(made, format), ""
    except CodeError as error:
        return "", shell.plain(str(error))


def draw_along(desk: Desk, found: Dossier) -> None:
    ident = found.design.id
    with st.container(horizontal=True):
        if made := found.implementation:
            st.download_button("gab.py", made.code, "gab.py", icon=":material/download:", key="along-gab", help=FORMATS["gab"], on_click="ignore")
            for label, format, file in (("Standalone", "standalone", f"{ident}.py"), ("For Genesys", "genesys", f"{ident}-genesys.py")):
                code, why = _exported(made, format)
                st.download_button(label, code, file, icon=":material/download:", key=f"along-{format}", help=why or FORMATS[format], on_click="ignore", disabled=bool(why))
        st.download_button("Markdown", as_markdown(found), f"{ident}.md", icon=":material/description:", key="along-md", help="proposal, units, scores, reviews, decisions and code in one file", on_click="ignore")
        bibtex, titles = _papers(shell.state(), ident)
        st.download_button("BibTeX", bibtex, f"{ident}.bib", icon=":material/menu_book:", key="along-bib", disabled=not titles,
                           help=f"what it builds on: {titles}" if titles else "it builds on no reference of the library", on_click="ignore")
        st.download_button("The whole tree", lambda: site_zip(desk), "design-tree.zip", "application/zip", icon=":material/account_tree:", key="along-site", on_click="ignore",
                           help="every design and dialog as plain pages, to show or to keep: open index.html; a minute for thousands of designs")
    _draw_folder(desk, found)


def _draw_folder(desk: Desk, found: Dossier) -> None:
    """The trained model for transformers, in the data directory: it may be too large for a browser's download."""
    trained = [v for v in found.verifications if v.metrics]
    if not trained:
        st.caption("A Hugging Face folder can be made once it is verified.")
        return
    number = st.selectbox("Weights of", [v.id for v in reversed(trained)], format_func=lambda n: next(f"verification {v.id}: {v.scale}, seed {v.seed}" for v in trained if v.id == n), key="along-weights",
                          width=340)
    out = desk.config.data_dir / "exports" / f"{found.design.id}-{number}"
    if out.exists():
        st.success(f"The Hugging Face folder is at `{out}`.", icon=":material/folder:")
    elif st.button("Make a Hugging Face folder", icon=":material/folder_zip:", key="along-hf", help=FORMATS["hf"]) and shell.act(lambda: desk.hub_folder(found.design.id, number, out), "made"):
        st.rerun()
