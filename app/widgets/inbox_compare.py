"""Which would you train? Two or three proposals side by side; and the order that follows, beside the agents' and the results'."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app import shell
from app.widgets.diff import draw_diff
from app.widgets.inbox import decide
from app.widgets.judging import draw_session_meanwhile, own, saw, seen_session
from app.widgets.papers_cites import cited_body
from app.widgets.roles import may
from app.widgets.unit_diagram import draw_unit_diagram
from core.desk import Desk, Item
from core.report.design import as_text
from core.types import Design

SKIPPED, PREFERRED = "inbox-skipped", "inbox-preferred"


def draw_compare(desk: Desk, items: Sequence[Item]) -> None:
    ids = [i.design for i in items if i.key.startswith("proposal:")]
    if len(ids) < 2:
        st.info("Two proposals to judge are needed. Start a session in the Studio: it makes three.", icon=":material/compare:")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        cards = st.segmented_control("Cards", [2, 3], default=2, required=True, key="inbox-cards", format_func=lambda n: f"{n} side by side", label_visibility="collapsed") or 2
        difference = st.toggle("What differs", key="inbox-differs")
    skipped: list[frozenset[str]] = st.session_state.setdefault(SKIPPED, [])
    if said := st.session_state.pop(PREFERRED, None):
        better, worse = said
        decide(lambda: desk.prefer(better, worse), f"{better} rather than {', '.join(worse)}", lambda: None)
    match = desk.next_match(ids, int(cards), skipped)
    if match:
        st.markdown("**Which would you train?**")
        _draw_cards(desk, match)
        if difference:
            texts = [desk.store.proposals.newest(i) for i in match[:2]]
            if all(texts):
                draw_diff(as_text(texts[0]), as_text(texts[1]), f"inbox-between-{'-'.join(match[:2])}")
    else:
        st.caption("Every two of them have met.")
    _draw_order(desk, ids)


def _draw_cards(desk: Desk, match: tuple[str, ...]) -> None:
    for n, (column, name) in enumerate(zip(st.columns(len(match), gap="small"), match, strict=True), 1):
        design, proposal = desk.store.designs.get(name), desk.store.proposals.newest(name)
        with column, st.container(border=True, key=f"card-{name}"):
            st.button(f"This one ({n})", key=own(f"inbox-prefer-{n}", *match), type="primary", icon=":material/thumb_up:", width="stretch", **may("prefer", f"key {n}"),
                      on_click=_prefer, args=(name, [o for o in match if o != name]))
            st.markdown(f"**{shell.plain(proposal.title if proposal else name)}**")
            st.caption(shell.plain(f"{name} · {'not rated' if design.rating is None else f'rated {design.rating:.1f} of 5'}"))
            if design.summary:
                st.markdown(shell.plain(design.summary))
            if proposal and proposal.units:
                draw_unit_diagram(proposal.units, brief=True)
            if proposal:
                with st.expander("Read it"):
                    st.markdown(cited_body(desk, proposal))
    if st.button("Cannot say", key="inbox-next", icon=":material/skip_next:", help="key n · the next ones"):
        st.session_state[SKIPPED] += [frozenset((a, b)) for i, a in enumerate(match) for b in match[i + 1 :]]
        st.rerun()


def _prefer(better: str, worse: list[str]) -> None:
    """Of the cards that were on the screen: by now others may be next."""
    st.session_state[PREFERRED] = better, worse


def _draw_order(desk: Desk, ids: Sequence[str]) -> None:
    """By session: the person's order (up, down), the strengths that follow from what was preferred, the ratings beside them, the result where there is one."""
    strengths = desk.strengths(ids)
    sessions = list(dict.fromkeys(d.session_id for i in ids if (d := desk.store.designs.get(i)).session_id))
    st.subheader("The order so far", anchor=False)
    for session in sessions[:6]:
        before, now = seen_session(desk, session)
        if now > before:
            draw_session_meanwhile(desk, session, before)
        ranked = desk.ranking(session)
        ratings = sorted((d.rating for d in ranked if d.rating is not None), reverse=True)
        st.caption(f"Session {session}")
        for n, d in enumerate(ranked):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                for arrow, other in (("arrow_upward", n - 1), ("arrow_downward", n + 1)):
                    if st.button("", icon=f":material/{arrow}:", key=f"inbox-{arrow}-{d.id}", type="tertiary",
                                 **may("rerank", "rank it higher" if other < n else "rank it lower", disabled=not 0 <= other < len(ranked))):
                        order = _swapped(ranked, n, other)
                        decide(lambda s=session, o=order, b=before: desk.rerank(s, o, seen=b), f"session {session} reranked", lambda: None)
                st.markdown(f"**{n + 1}.** {shell.plain(d.title)}", width="content")
                told = [f"preferred {strengths[d.id]:.1f}"] if d.id in strengths else []
                told += [f"agents: {ratings.index(d.rating) + 1}. with {d.rating:.1f} of 5"] if d.rating is not None else ["agents: not rated"]
                told += [f"{s} {v:.3f}" for s, v in d.scores.items()]
                st.caption(shell.plain(f"{d.id} · {' · '.join(told)}"), width="content")
        saw(session, now)
    draw_agreement(desk)


def _swapped(ranked: Sequence[Design], a: int, b: int) -> list[str]:
    order = [d.id for d in ranked]
    order[a], order[b] = order[b], order[a]
    return order


def draw_agreement(desk: Desk) -> None:
    found = desk.agreement()
    rows = (("you and the reviewer", found.person_reviewer), ("you and the result", found.person_result), ("the reviewer and the result", found.reviewer_result))
    told = [f"{words} {same} of {n}" for words, (n, same) in rows if n]
    st.caption(f"Pairs of a session put in the same order: {'; '.join(told)}." if told else "How often you, the reviewer and the results agree is told here once two of them have an order.")
