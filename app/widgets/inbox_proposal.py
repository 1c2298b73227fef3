"""A proposal in the inbox: read it beside its reviews, foretell it, and decide, each with one key."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app import shell
from app.widgets.diff import draw_diff
from app.widgets.inbox import PANEL, decide
from app.widgets.judging import cost_of, cost_words, draw_meanwhile, own, saw, seen
from app.widgets.papers_cites import cited_body
from app.widgets.proposal_editor import draw_editor, draw_review
from app.widgets.roles import may
from app.widgets.unit_diagram import draw_unit_diagram
from core.desk import Desk, Item
from core.report.design import as_text
from core.types import Proposal, Seen, Session, Status

REFERENCE = "gpt2"
CHANCES = (1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99)
QUICK = ("too close to what is there", "too costly", "unlikely to work", "not what was asked for")
AGAIN, OF_PARENTS = ("make it simpler", "say what it costs"), ("closer to the parents", "further from the parents")


def draw_proposal(desk: Desk, item: Item, after: Callable[[], None]) -> None:
    before, now = seen(desk, item.design)
    proposal = desk.store.proposals.newest(item.design)
    if proposal is None:
        return
    design = desk.store.designs.get(item.design)
    session = desk.store.sessions.get(design.session_id) if design.session_id else None
    st.subheader(shell.plain(proposal.title), anchor=False)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        shell.status_badge(design)
        st.caption(shell.plain(f"{design.id} · {design.mode}{' of ' * bool(design.parents)}{', '.join(design.parents)} · revision {proposal.revision} by {proposal.author}, {shell.ago(proposal.created_at)}"), width="content")
        shell.link("design", "Open", ":material/open_in_new:", design=design.id)
        if session:
            shell.link("studio", f"Session {session.id}", ":material/forum:", session=session.id)
    _draw_text(desk, proposal)
    _draw_forecast(desk, item)
    with st.container(key="inbox-actions", gap="small"):
        with st.container(key="inbox-meanwhile"):        # always there, and beside the field: what is being typed below keeps its place when somebody else decides
            if now > before:
                draw_meanwhile(desk, item.design, before)
        _draw_actions(desk, item, design.status, before, after)
        _draw_panel(desk, item, proposal, session, before, after)
    saw(item.design, now)


def _draw_text(desk: Desk, proposal: Proposal) -> None:
    revisions = desk.store.proposals.revisions(proposal.design_id)
    old = revisions[-2] if len(revisions) > 1 else None
    text, opinions = st.columns([1.7, 1], gap="medium")
    with text, st.container(key="inbox-body"):
        changed = old is not None and st.toggle(f"Show only what changed since an earlier revision ({len(revisions)} revisions)", value=True, key=f"inbox-changed-{proposal.id}")
        if changed:
            old = _earlier(revisions) if len(revisions) > 2 else old
            draw_diff(as_text(old), as_text(proposal), f"inbox-diff-{proposal.id}")
        else:
            st.markdown(cited_body(desk, proposal))
            if proposal.units:
                with st.expander("Its units", icon=":material/account_tree:"):
                    draw_unit_diagram(proposal.units)
            for unit in proposal.new_units:
                st.markdown(f"**New unit {shell.plain(unit.name)}** ({shell.plain(unit.kind)}): {shell.plain(unit.about)}")
    with opinions, st.container(key="inbox-reviews"):
        reviews = desk.store.reviews.of(proposal.design_id)
        if not reviews:
            st.caption("Nobody has reviewed it yet.")
        for review in reversed(reviews[-4:]):
            if review.proposal_id != proposal.id:
                st.caption("Of an earlier revision:")
            draw_review(review)
        for d in [d for d in desk.store.decisions.of(proposal.design_id) if d.reason][-4:]:
            st.markdown(f":material/person: **{shell.plain(d.author)}** {shell.plain(desk.told(d))}: {shell.plain(d.reason)}")


def _earlier(revisions: list[Proposal]) -> Proposal:
    chosen = st.segmented_control("against revision", [p.revision for p in revisions[:-1]], default=revisions[-2].revision, required=True, key=f"inbox-against-{revisions[-1].id}")
    return next(p for p in revisions if p.revision == chosen)


# ------------------------------------------------------------------------------------------------ one gesture


def _draw_forecast(desk: Desk, item: Item) -> None:
    """A click, or a digit, is the forecast; it is scored when both are measured."""
    said = desk.foretold(item.design)
    design = desk.store.designs.get(item.design)
    open_scales = [s for s in desk.scales if s not in design.scores]
    if not open_scales:
        return
    last = st.session_state.get("inbox-scale") or (said.data["scale"] if said else desk.scale_of(design))
    scale = last if last in open_scales else open_scales[0]
    told = round(100 * said.data["probability"]) if said and said.data["scale"] == scale else None
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"Beats **{REFERENCE}** at", width="content")
        chosen = st.selectbox("Scale", open_scales, index=open_scales.index(scale), key="inbox-scale-box", label_visibility="collapsed", width=110)
        if chosen != scale:
            st.session_state["inbox-scale"] = chosen
            st.rerun()
        with st.container(key="inbox-forecast"):
            percent = st.pills("Your forecast", CHANCES, default=min(CHANCES, key=lambda c: abs(c - told)) if told is not None else None, format_func=lambda c: f"{c} %",
                               key=f"inbox-chance-{item.design}-{scale}-{said.id if said else 0}", label_visibility="collapsed", **may("foretell"))
    if percent is None and told is not None:         # the same again takes it back
        if shell.act(lambda: desk.undo(said.id), "forecast taken back"):
            st.rerun()
    elif percent is not None and (told is None or percent != min(CHANCES, key=lambda c: abs(c - told))):
        decide(lambda: desk.foretell(item.design, percent / 100, scale), f"{percent} % that {item.design} beats {REFERENCE} at {scale}", lambda: None)


def _draw_actions(desk: Desk, item: Item, status: Status, before: Seen, after: Callable[[], None]) -> None:
    cost = cost_of(desk, [item.design])
    with st.container(horizontal=True, gap="small", key="inbox-buttons"):
        judged = status in (Status.APPROVED, Status.REFUSED)
        if st.button(f"Approve · {cost_words(cost)}", key=own("inbox-approve", item.key), type="primary", icon=":material/thumb_up:",
                     **may("approve", f"key a · its code is written and checked next. {cost.from_what if cost else ''}")):
            decide(lambda: desk.approve(item.design, "", before, implement=True), f"{item.design} approved", after)
        for key, verb, label, icon, hint in (("back", "send_back", "Send back", "reply", "s · its designer revises it with your words"),
                                             ("refuse", "refuse", "Refuse", "thumb_down", "r · with a reason: the agents learn from it"),
                                             ("edit", "edit", "Edit", "edit", "e"), ("comment", "comment", "Comment", "add_comment", "c")):
            if st.button(label, key=own(f"inbox-{key}", item.key), icon=f":material/{icon}:", **may(verb, f"key {hint}")):
                st.session_state[PANEL] = key
                st.rerun()
        if not judged and st.button("Defer", key=own("inbox-defer", item.key), icon=":material/schedule:", **may("defer", "key d · out of the inbox until something about it changes")):
            decide(lambda: desk.defer(item.key, item.mark, design_id=item.design), f"{item.design} put off", after)


def _draw_panel(desk: Desk, item: Item, proposal: Proposal, session: Session | None, before: Seen, after: Callable[[], None]) -> None:
    """What the chosen action needs to know. What is typed stays while others decide."""
    panel = st.session_state.get(PANEL, "")
    if not panel:
        return
    with st.container(key="inbox-panel", border=True):
        if panel == "edit":
            draw_editor(desk, proposal, bool(session) and session.team.get("coder", "compose_coder") != "compose_coder")
        elif panel == "comment":
            if (said := _ask(item, "comment", "Comment", "Say it", ())) is not None:
                decide(lambda: desk.comment(item.design, said), f"commented on {item.design}", _closed)
        elif panel == "refuse":
            if (said := _ask(item, "refuse", "Why?", "Refuse", QUICK)) is not None:
                decide(lambda: desk.refuse(item.design, said, before), f"{item.design} refused", after)
        elif (said := _ask(item, "back", "What shall be different?", "Send back", AGAIN + OF_PARENTS * bool(session and session.parents))) is not None:
            decide(lambda: desk.send_back(item.design, said, before), f"{item.design} goes back to its designer", after)
        if st.button("Close", key="inbox-close", icon=":material/close:", type="tertiary", help="Esc"):
            _closed()
            st.rerun()


def _closed() -> None:
    st.session_state[PANEL] = ""


def _ask(item: Item, what: str, label: str, button: str, quick: tuple[str, ...]) -> str | None:
    """Words, and where there are some a quick reason that says it all with one press; None until one is pressed."""
    with st.form(f"inbox-{what}-form-{item.design}", border=False):
        words = st.text_input(label, key=f"draft-{what}-{item.design}", placeholder="in your words; Enter does it")
        with st.container(horizontal=True, gap="small"):
            done = st.form_submit_button(button, type="primary")
            pressed = [reason for reason in quick if st.form_submit_button(reason.capitalize())]
    if pressed:
        return " — ".join(filter(None, (pressed[0], words.strip())))
    return words if done else None


