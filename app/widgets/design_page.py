"""One design in full: proposal, units, code, checks, reviews, decisions, verifications."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import streamlit as st

from app import shell
from app.widgets import design_parts, drafts
from app.widgets.chart import chart
from app.widgets.code import draw_report
from app.widgets.curves import curve_figure
from app.widgets.debug_desk import draw_debug_desk
from app.widgets.design_card import draw_judgement, draw_notes
from app.widgets.diff import draw_diff
from app.widgets.papers_cites import citations_of, cited_body, draw_citations
from app.widgets.papers_reader import draw_papers_of
from app.widgets.proposal_editor import draw_editor, draw_review
from app.widgets.roles import may
from app.widgets.table import Column, table
from app.widgets.unit_diagram import draw_unit_diagram
from core.desk import Desk
from core.dossier import Dossier, dossier
from core.report.design import as_text
from core.types import Job, JobKind, JobState, Kind, Status, Verb

OPENED = "design-opened"


def draw_design(desk: Desk, design_id: str) -> None:
    found = dossier(desk.store, design_id)
    design = found.design
    st.subheader(shell.plain(design.title), anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        shell.status_badge(design)
        st.caption(f"{design.id} · {design.kind} · {design.mode}{' of ' * bool(design.parents)}{', '.join(design.parents)} · by {shell.plain(design.author)}", width="content")
        shell.link("tree", "In the tree", ":material/account_tree:", design=design.id)
        if design.session_id:
            shell.link("studio", "Its session", ":material/forum:", session=design.session_id)
        shell.link("verify", "Verify", ":material/science:", designs=design.id)
    shell.live(lambda: _draw_work(desk, design_id), bool(_work(desk, design_id)))
    _draw_partial(desk, found)
    draw_notes(design)
    _draw_actions(desk, found)
    drafts.keep()
    parts: dict[str, Callable[[Desk, Dossier], None]] = {
        "Proposal": _draw_proposal, "Code": design_parts.draw_code_of, "Check": _draw_check, "Debug": _draw_debug, "Verifications": _draw_verifications,
        "Costs": design_parts.draw_costs_of, "Lineage": design_parts.draw_lineage_of, "Story": _draw_story, "Take along": design_parts.draw_along}
    first, key = "Debug" if st.query_params.get("job") else "Proposal", f"design-section-{design.id}"
    shell.from_address("section", first, parts, key)
    tabs = st.tabs(list(parts), key=key, on_change="rerun")
    shell.to_address("section", first, key)
    opened = _opened(design.id)
    opened |= {name for name, tab in zip(parts, tabs, strict=True) if tab.open}
    for tab, (name, draw) in zip(tabs, parts.items(), strict=True):
        if name in opened:
            with tab:
                draw(desk, found)


def _opened(design_id: str) -> set[str]:
    """Parts that were opened since the visitor came to this design: the others are not drawn, so that the page is there sooner; these stay drawn, and so does what is typed in them."""
    who, parts = st.session_state.get(OPENED, ("", set()))
    if who != design_id or st.session_state[shell.ARRIVED]:
        st.session_state[OPENED] = design_id, (parts := set())
    return parts


def _work(desk: Desk, design_id: str) -> list[Job]:
    """What is queued or running for the design."""
    return [j for j in desk.queue.all(states=shell.LIVE) if j.payload.get("design") == design_id]


def _draw_work(desk: Desk, design_id: str) -> bool:
    running = _work(desk, design_id)
    for job in running:
        st.progress(job.progress, f"{job.kind}: {job.note or job.state}")
    last = next((j for j in desk.queue.all(limit=50) if j.kind is JobKind.IMPLEMENT and j.payload.get("design") == design_id), None)
    if not running and last and last.state is JobState.FAILED:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.error(f"Its code was not written: {shell.plain(last.error)}", icon=":material/error:")
            if "budget" in last.error:
                shell.link("agents", "Budgets", ":material/savings:", tab="models")
            if st.button("Try again", key="retry-implement", icon=":material/replay:", **may("retry")) and shell.act(lambda: desk.retry(last.id), "queued"):
                st.rerun()
    return bool(running)


def _draw_partial(desk: Desk, found: Dossier) -> None:
    """Code of which some units are not right yet: what is kept, what is lacking, and that one can go on."""
    last = desk.store.events.last(f"design:{found.design.id}", "written")
    if last is None or not last.data["note"] or not found.proposals or last.data["proposal"] != found.proposals[-1].id:
        return
    kept = ", ".join(last.data["kept"]) or "none of its new units"
    st.warning(f"Not all of the code came right: {shell.plain(last.data['note'])}\n\nKept: {shell.plain(kept)}. *Implement* goes on from there; or mend it yourself under Debug.",
               icon=":material/incomplete_circle:")


def _draw_actions(desk: Desk, found: Dossier) -> None:
    design, behind = found.design, desk.behind(found.design.id)
    if behind:
        st.warning(f"Its code is behind: {behind.words}. What is measured is the code.", icon=":material/history_edu:")
    with st.container(horizontal=True, vertical_alignment="center"):
        if design.kind is not Kind.REFERENCE and design.status is not Status.VERIFIED:
            draw_judgement(desk, design)
        if found.proposals and (design.status in (Status.PROPOSED, Status.APPROVED, Status.FAILED) or (behind and design.status is not Status.REFUSED)) and st.button(
                "Write its code anew" if behind else "Implement", icon=":material/code:", **may("implement", "write the code and check it at nano: about 5 s")) and shell.act(
                lambda: desk.implement(design.id), "queued"):
            st.rerun()
        if found.implementation and st.button("Check again", icon=":material/rule:", **may("check", "about 5 s")) and shell.act(
                lambda: desk.check(design.id), "queued"):
            st.rerun()


def _draw_proposal(desk: Desk, found: Dossier) -> None:
    if not found.proposals:
        st.caption("There is no proposal: the code came first.")
        return
    newest = found.proposals[-1]
    citations = citations_of(desk, newest)
    left, right = st.columns([1.6, 1], gap="medium")
    with left:
        with st.container(key=f"prose-{newest.id}"):
            st.markdown(cited_body(desk, newest))
        for review in reversed(found.reviews):
            with st.expander(f"{review.reviewer} rated {review.rating:.1f} of 5", icon=":material/replay:" if review.data.get("stuck") else None):
                draw_review(review)
    with right:
        draw_papers_of(desk, found.design.id)
        draw_citations(citations)
        if newest.units:
            st.caption("Units")
            draw_unit_diagram(newest.units)
        for unit in newest.new_units:
            st.markdown(f"**New unit `{unit.name}`** ({unit.kind}): {shell.plain(unit.about)}")
        if found.design.kind is not Kind.REFERENCE:
            with st.expander("Edit", icon=":material/edit:"):
                draw_editor(desk, newest, bool(newest.new_units))
    if len(found.proposals) > 1:
        with st.expander(f"{len(found.proposals)} revisions"):
            for old, new in zip(found.proposals, found.proposals[1:], strict=False):
                st.caption(f"revision {new.revision} by {shell.plain(new.author)}, {shell.ago(new.created_at)}")
                draw_diff(as_text(old), as_text(new), f"revision-{new.id}")


def _draw_check(desk: Desk, found: Dossier) -> None:
    draw_report(found.implementation.check) if found.implementation and found.implementation.check else st.caption("Not checked yet.")


def _draw_debug(desk: Desk, found: Dossier) -> None:
    draw_debug_desk(desk, found.design.id, found.implementation) if found.implementation else st.caption("No code yet.")


def _draw_verifications(desk: Desk, found: Dossier) -> None:
    if not found.verifications:
        st.caption("Not verified yet.")
        return
    shell.link("report", "Report", ":material/lab_profile:", verifications=",".join(str(v.id) for v in found.verifications[-6:]))
    rows, revisions, held = [], {i.id: i.revision for i in found.implementations}, {s.verification_id for s in desk.suspicious()}
    for v in found.verifications:
        m, pairs = v.metrics, v.metrics.tasks.get("minimal_pairs", {}) if v.metrics else {}
        rows.append({"number": v.id, "report": "open report", "page": f"report?verifications={v.id}", "scale": v.scale, "seed": v.seed, "code": revisions.get(v.implementation_id), "corpus": v.corpus, "score": m.bits_per_byte if m else None,
                     "se": m.bits_per_byte_se if m else None, "pairs": pairs.get("acc"), "pairs se": pairs.get("acc_stderr"), "tokens/s": m.tokens_per_s if m else None, "parameters": m.params if m else None,
                     "state": v.failure or "held back: too good before an audit" * (v.id in held) or ("done" if v.finished_at else "running"), "when": f"{v.created_at:%Y-%m-%d %H:%M}"})
    table([Column("number"), Column("report", to="page"), Column("scale"), Column("seed"), Column("code", help="the revision of the code that was measured"), Column("corpus"), Column("score", "bits/byte", "number", 4, error="se"),
           Column("pairs", "minimal pairs", "number", 3, error="pairs se"), Column("tokens/s", kind="number"), Column("parameters", kind="number"), Column("state"), Column("when", "begun, UTC")],
          rows, "design-verifications", f"Verifications of {found.design.id}")
    curves = [(f"{v.scale}, seed {v.seed}", desk.store.curves.of(v.id), False) for v in found.verifications[-6:]]
    if any(points for _, points, _ in curves):
        chart(curve_figure(curves), "design-curves", "Loss curves: bits per byte over training tokens")
    with st.expander("What the last one was made with"):
        st.json(found.verifications[-1].provenance)


def told_story(desk: Desk, found: Dossier) -> list[tuple[datetime, str, str]]:
    """(when, who, what): decisions, revisions of the proposal and of the code, oldest first."""
    story = [(d.created_at, d.author, desk.told(d) + (f": {d.reason}" if d.reason else "")) for d in found.decisions]
    edits = {d.data.get("revision") for d in found.decisions if d.verb is Verb.EDIT}                 # told already
    story += [(p.created_at, p.author, f"wrote revision {p.revision} of the proposal" if p.revision > 1 else "proposed it") for p in found.proposals if p.revision not in edits]
    for made in found.implementations:
        verdict = "" if made.check is None else ", which passed its check" if made.check.passed else ", which failed its check"
        story.append((made.created_at, made.author, f"wrote revision {made.revision} of the code{verdict}"))
    return sorted(story, key=lambda told: told[0])


def _draw_story(desk: Desk, found: Dossier) -> None:
    for when, author, words in reversed(told_story(desk, found)):
        st.markdown(f"**{shell.plain(author)}** · {shell.plain(words)} · {shell.ago(when)}")
    if not found.decisions:
        st.caption("Nobody has decided or said anything yet.")
    said = sum(d.verb is Verb.COMMENT and d.author == desk.author for d in found.decisions)          # a new field once theirs was added
    with st.form(f"comment-{found.design.id}", border=False):
        words = st.text_area("Comment", key=f"draft-comment-{found.design.id}-{said}", height=80)
        sent = st.form_submit_button("Add the comment", icon=":material/add_comment:", **may("comment"))
    if sent and shell.act(lambda: desk.comment(found.design.id, words), "added"):
        st.rerun()
