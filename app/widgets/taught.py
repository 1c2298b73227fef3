"""What people taught the agents: each record with where it comes from, which prompts carried it, and how it was heeded."""

from __future__ import annotations

import streamlit as st

from app import shell
from app.widgets.roles import may
from app.widgets.switch import draw_refusal, fresh, switch
from core.desk import Desk

KINDS = {"rule": ("standing rule", "violet"), "refused": ("refusal", "red"), "comment": ("comment", "blue"), "edited": ("your edit", "green")}
SHOWN = 40


def draw_taught(desk: Desk) -> None:
    st.caption("Standing rules go into every agent's prompts; refusals with their reasons, comments and edits into those of designers and reviewers, those on a session's parents and their offspring first.")
    with st.form("guide", clear_on_submit=False, border=False):
        words = st.text_input("A standing rule for all agents", placeholder="for instance: nothing that needs the whole sequence at once", key="guide-words")
        given = st.form_submit_button("Give this rule", icon=":material/gavel:", **may("guide"))
    if given and shell.act(lambda: desk.guide(words), "in every prompt from now on"):
        st.rerun()
    lessons = desk.lessons()
    if not lessons:
        st.info("Nothing was taught yet. Refuse a proposal with a reason, comment on a design, edit a proposal, or give a rule.", icon=":material/school:")
    if len(lessons) > SHOWN and not st.toggle(f"All {len(lessons)}", key="all-lessons"):
        lessons = lessons[:SHOWN]
    for lesson in lessons:
        _draw_lesson(desk, lesson)


def _draw_lesson(desk: Desk, lesson) -> None:
    d = lesson.decision
    words, colour = KINDS[lesson.kind]
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.badge(words, color=colour if lesson.on else "gray")
            if d.design_id:
                shell.link("design", d.design_id, ":material/open_in_new:", design=d.design_id)
            st.caption(f"{shell.plain(d.author)} · {shell.ago(d.created_at)} · number {d.id}", width="content")
            name = f"on-{d.id}-{lesson.on}"
            on = st.toggle("used", lesson.on, key=fresh(name), **may("teach", "off: no prompt carries it any more; the decision itself stays"))
            if on != lesson.on:
                switch(name, lambda: desk.teach(d.id, on, lesson.text if lesson.text != d.reason else ""), "on again" if on else "off")
            with st.popover("Reword", icon=":material/edit:"):
                new = st.text_area("As the agents are to read it", lesson.text, key=f"reword-{d.id}-{len(lesson.text)}", height=120)
                if st.button("Save", key=f"reword-save-{d.id}", **may("teach")) and shell.act(lambda: desk.teach(d.id, lesson.on, new), "reworded"):
                    st.rerun()
        draw_refusal(name)
        st.markdown(shell.plain(lesson.text).replace("\n", "  \n") if lesson.on else f":gray[{shell.plain(lesson.text)}]")
        if lesson.text != d.reason:
            st.caption(f"At first: {shell.plain(d.reason[:200])}")
        if not lesson.uses:
            st.caption("Not used in a prompt yet.")
            return
        heeded = [use for use in lesson.uses if use.how]
        with st.expander(f"Used in {len(lesson.uses)} prompt{'s' if len(lesson.uses) > 1 else ''}, heeded in {len(heeded)}"):
            for use in reversed(lesson.uses):
                with st.container(horizontal=True, vertical_alignment="center"):
                    if use.design_id:
                        shell.link("design", use.design_id, ":material/open_in_new:", design=use.design_id)
                    else:
                        st.caption(use.key, width="content")
                    st.caption(f"“{shell.plain(use.how)}”" if use.how else f"told to its {_whom(use.key)}" if _whom(use.key) != "designer" else "its designer says nothing of it", width="content")


def _whom(key: str) -> str:
    """Whose conversation a key names."""
    steps = {"/observe": "observer", "/mend": "debugger", "/code": "coder", "/review": "reviewer", "rank/": "ranker", "papers": "librarian"}
    return next((role for step, role in steps.items() if step in key), "designer")
