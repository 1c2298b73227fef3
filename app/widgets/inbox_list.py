"""The inbox as a list: tick several, then approve, refuse or put them off together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from app import shell
from app.widgets.inbox import COLOURS, ICONS, decide, last, open_item
from app.widgets.inbox_proposal import QUICK
from app.widgets.judging import cost_of, cost_words, decided, draw_meanwhile, own, saw, seen_all
from app.widgets.roles import may
from core.desk import Desk, Inbox, Item, Judged
from core.types import Decision, Seen, Verb

PAGE = 25


def draw_list(desk: Desk, found: Inbox) -> None:
    items = found.items
    first = min(int(st.session_state.get("inbox-page", 0)), max(0, (len(items) - 1) // PAGE)) * PAGE
    shown = items[first : first + PAGE]
    ticked = [item for item in items if st.session_state.get(f"tick-{item.key}")]
    words = seen_all(desk, [item.design for item in {*shown, *ticked} if item.key.startswith("proposal:")])
    _draw_batch(desk, items, ticked, {design: before for design, (before, _) in words.items()})
    for item in shown:
        _draw_row(item)
    if len(items) > PAGE:
        with st.container(horizontal=True, vertical_alignment="center"):
            for label, by in (("Earlier", -1), ("Later", 1)):
                target = first // PAGE + by
                if st.button(label, key=f"inbox-page-{label}", disabled=not 0 <= target <= (len(items) - 1) // PAGE):
                    st.session_state["inbox-page"] = target
                    st.rerun()
            st.caption(f"{first + 1} to {first + len(shown)} of {len(items)}", width="content")
    if found.deferred:
        with st.expander(f"{len(found.deferred)} put off", icon=":material/schedule:"):
            for item in found.deferred:
                with st.container(horizontal=True, vertical_alignment="center"):
                    st.caption(shell.plain(f"{item.kind}: {item.title}"), width="content")
                    if st.button("Back into the inbox", key=f"undefer-{item.key}", type="tertiary",
                                 **may("defer")) and shell.act(lambda i=item: desk.defer(i.key, i.mark, on=False), "back in the inbox"):
                        st.rerun()
    for design, (before, now) in words.items():
        if now > before:
            draw_meanwhile(desk, design, before)
        saw(design, now)


def _draw_row(item: Item) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"row-{item.key}"):
        st.checkbox(f"Tick {item.design or item.key}", key=f"tick-{item.key}", label_visibility="collapsed")
        st.badge(str(item.kind), color=COLOURS[item.kind], icon=f":material/{ICONS[item.kind]}:")
        if st.button(shell.plain(item.title)[:120] or item.key, key=f"open-{item.key}", type="tertiary", help="open it"):
            st.session_state["inbox-view-next"] = "one"
            open_item(item.key)
            st.rerun()
        name = f"{item.design} · " if item.design else ""
        st.caption(shell.plain(f"{name}{item.why[:160]} · {shell.ago(item.since)}"), width="content")


def _draw_batch(desk: Desk, items: Sequence[Item], ticked: list[Item], seen: Mapping[str, Seen]) -> None:
    proposals = [i for i in ticked if i.key.startswith("proposal:")]
    with st.container(key="inbox-batch", horizontal=True, vertical_alignment="center", gap="small"):
        every = [i for i in items if i.key.startswith("proposal:")]
        label = "Untick all" if ticked else f"Tick all {len(every)} proposal{'s' * (len(every) != 1)}" if every else "Tick all proposals"
        st.button(label, key="inbox-tick", icon=":material/checklist:", help="key x", disabled=not (every or ticked), on_click=_tick, args=([i.key for i in ticked or every], not ticked))
        if not ticked:
            st.caption("tick several to decide on them together", width="content")
            return
        if proposals and st.button(f"Approve {len(proposals)} · {cost_words(cost_of(desk, [i.design for i in proposals]))}", key=own("inbox-approve", *(i.key for i in ticked)), type="primary",
                                   icon=":material/thumb_up:", **may("approve", "key a")):
            _judge(desk, Verb.APPROVE, seen, proposals, "")
        if st.button(f"Defer {len(ticked)}", key=own("inbox-defer", *(i.key for i in ticked)), icon=":material/schedule:", **may("defer", "key d")):
            decide(lambda: _put_off(desk, ticked), f"{len(ticked)} put off", lambda: None)
    if proposals:
        with st.form("inbox-refuse-all", border=False), st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            why = st.text_input(f"Why refuse the {len(proposals)}?", key="inbox-refuse-all-words", width=320)
            done = st.form_submit_button(f"Refuse {len(proposals)}", icon=":material/thumb_down:", **may("refuse"))
            quick = [reason for reason in QUICK if st.form_submit_button(reason.capitalize(), **may("refuse"))]
        if done or quick:
            _judge(desk, Verb.REFUSE, seen, proposals, " — ".join(filter(None, (*quick[:1], why.strip()))))


def _tick(keys: Sequence[str], on: bool) -> None:
    """Those that were in the list when it was drawn: what came in meanwhile nobody has read."""
    for key in keys:
        st.session_state[f"tick-{key}"] = on


def _put_off(desk: Desk, items: Sequence[Item]) -> list[Decision]:
    """All of them, or none."""
    with desk.store.together():
        return [desk.defer(i.key, i.mark, design_id=i.design or None) for i in items]


def _judge(desk: Desk, verb: Verb, seen: Mapping[str, Seen], items: Sequence[Item], reason: str) -> None:
    made: list[Judged] = []
    remembered = last()

    def judge() -> None:
        made.append(desk.judge_all(verb, {i.design: seen[i.design] for i in items}, reason, implement=verb is Verb.APPROVE))
        if done := made[0].done:
            remembered.keep(decided(done), f"{len(done)} {'approved' if verb is Verb.APPROVE else 'refused'}")

    if shell.act(judge):
        st.session_state["inbox-told"] = [f"{design}: {why}" for design, why in made[0].failed.items()]
        st.rerun()
