"""What waits besides proposals: a session or a step at its gate, agents that were put aside or fell silent, budgets, code that failed, scores too good, jobs that failed."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app import shell
from app.widgets.code import draw_report
from app.widgets.inbox import decide
from core.desk import Desk, Item, Waits
from core.types import DESIGN_BUDGET, MONEY, TOKENS, Status

After = Callable[[], None]


def draw_other(desk: Desk, item: Item, after: After) -> None:
    st.subheader(shell.plain(item.title), anchor=False)
    st.markdown(shell.plain(item.why) or "It says nothing.")
    DRAWN[item.kind](desk, item, after)


def _main(label: str, icon: str, verb: Callable[[], object], words: str, after: After, help: str = "") -> None:
    if st.button(label, key="inbox-approve", type="primary", icon=f":material/{icon}:", help=f"key a{' · ' + help if help else ''}"):
        decide(verb, words, after)


def _defer(desk: Desk, item: Item, after: After, label: str = "Defer") -> None:
    if st.button(label, key="inbox-defer", icon=":material/schedule:", help="key d · out of the inbox until something about it changes"):
        decide(lambda: desk.defer(item.key, item.mark), f"{item.title} put off", after)


def _session(desk: Desk, item: Item, after: After) -> None:
    session = desk.store.sessions.get(item.session)
    ranked = [d for d in desk.ranking(session.id) if d.status is not Status.REFUSED]
    for n, d in enumerate(ranked, 1):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"{n}. {shell.plain(d.title)}", width="content")
            shell.status_badge(d)
            st.caption("" if d.rating is None else f"rated {d.rating:.1f}", width="content")
    best = ranked[: session.n_implement]
    left = desk.store.ledger.account(DESIGN_BUDGET).left
    with st.container(key="inbox-actions", horizontal=True, gap="small"):
        costs = desk.foreseen([d.id for d in best])
        cost = " · ".join(filter(None, (sum(costs[1:], costs[0]).code if costs else "", f"one of {left:g} design sessions left")))
        _main(f"Implement the best {len(best)} · {shell.plain(cost)}" if best else "Close it: nothing is left to implement", "code", lambda: desk.release(session.id), f"session {session.id} goes on", after)
        shell.link("studio", "Open the session", ":material/forum:", session=session.id)
        _defer(desk, item, after)


def _gate(desk: Desk, item: Item, after: After) -> None:
    gate = item.gated
    with st.container(key="inbox-actions", horizontal=True, gap="small"):
        _main(f"Approve · {shell.plain(gate.cost) or 'cost unknown'}", "thumb_up", lambda: desk.let(gate), f"{gate.words}: let through", after)
        if st.button("Hold", key="inbox-refuse", icon=":material/front_hand:", help="key r · the run goes on without it"):
            decide(lambda: desk.hold(gate), f"{gate.words}: held", after)
        _defer(desk, item, after)
        if gate.design:
            shell.link("design", gate.design, ":material/open_in_new:", design=gate.design)


def _paused(desk: Desk, item: Item, after: After) -> None:
    with st.container(key="inbox-actions"):
        if item.account:
            _top_up(desk, item, after, lambda total: (desk.set_budget(item.account, total), desk.go_on(item.session)), "Top up and go on")
        with st.container(horizontal=True, gap="small"):
            if item.account:
                if st.button("Go on as it is", key="inbox-go-on", icon=":material/play_arrow:"):
                    decide(lambda: desk.go_on(item.session), f"session {item.session} goes on", after)
            else:
                _main("Go on", "play_arrow", lambda: desk.go_on(item.session), f"session {item.session} goes on", after)
            shell.link("studio", "Open the session", ":material/forum:", session=item.session)
            _defer(desk, item, after)


def _budget(desk: Desk, item: Item, after: After) -> None:
    with st.container(key="inbox-actions"):
        _top_up(desk, item, after, lambda total: desk.set_budget(item.account, total), "Top up")
        with st.container(horizontal=True, gap="small"):
            _defer(desk, item, after, "Leave it")


def _top_up(desk: Desk, item: Item, after: After, verb: Callable[[float], object], label: str) -> None:
    account = desk.store.ledger.account(item.account)
    kind = item.account.rpartition("/")[2]
    unit, step, form = {MONEY: ("US dollars", 1.0, "%.2f"), TOKENS: ("tokens", 1e6, "%.0f")}.get(kind, ("units", 1.0, "%.0f"))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        more = max(step, round(account.granted * 0.5 / step) * step)
        total = st.number_input(f"{unit.capitalize()} in all", 0.0, 1e12, float(account.granted + more), step=step, format=form, key=f"inbox-total-{item.account}", width=230,
                                help=f"{account.spent:g} are spent, {account.reserved:g} reserved, {account.left:g} left")
        _main(label, "savings", lambda: verb(total), f"{item.account}: {total:g}", after)


def _silent(desk: Desk, item: Item, after: After) -> None:
    with st.container(key="inbox-actions", horizontal=True, gap="small"):
        _main("Stop it and try again", "restart_alt", lambda: (desk.cancel(item.job), desk.go_on(item.session)), f"session {item.session} is taken up again", after, "what was said so far stays")
        shell.link("studio", "Open the session", ":material/forum:", session=item.session)
        _defer(desk, item, after)


def _check(desk: Desk, item: Item, after: After) -> None:
    made = desk.store.implementations.newest(item.design)
    if made and made.check:
        with st.container(key="inbox-body"):
            draw_report(made.check)
    scale = item.data.get("scale", next(iter(desk.scales)))
    with st.container(key="inbox-actions", horizontal=True, gap="small"):
        if item.data.get("odd"):
            _main("Check it again · no calls, about 5 s", "refresh", lambda: desk.recheck(item.design, scale), f"{item.design} is checked again", after, "the same code")
        elif item.session and st.button("Send back with what failed", key="inbox-back", type="primary", icon=":material/reply:", help="key s · its designer revises the proposal"):
            decide(lambda: desk.send_back(item.design, f"Its code failed the check: {item.why}"[:2000]), f"{item.design} goes back to its designer", after)
        if st.button("Refuse", key="inbox-refuse", icon=":material/thumb_down:", help="key r · with what failed as the reason"):
            decide(lambda: desk.refuse(item.design, f"its code failed: {item.why}"[:500]), f"{item.design} refused", after)
        shell.link("design", "Open", ":material/open_in_new:", design=item.design)
        _defer(desk, item, after)


def _audit(desk: Desk, item: Item, after: After) -> None:
    with st.container(key="inbox-actions", horizontal=True, gap="small"):
        _main("Audit its weights", "troubleshoot", lambda: desk.audit(item.verification), f"verification {item.verification} is audited", after, "a minute or less at the small scales")
        shell.link("report", "Report", ":material/lab_profile:", verifications=str(item.verification))
        _defer(desk, item, after)


def _job(desk: Desk, item: Item, after: After) -> None:
    with st.container(key="inbox-actions", horizontal=True, gap="small"):
        _main("Try again", "restart_alt", lambda: desk.retry(item.job), f"{item.title}: tried again", after, "it goes on from what is stored")
        shell.link("jobs", "Jobs", ":material/checklist:")
        if item.session:
            shell.link("studio", "Open the session", ":material/forum:", session=item.session)
        elif item.design:
            shell.link("design", "Open", ":material/open_in_new:", design=item.design)
        _defer(desk, item, after, "Leave it")


DRAWN: dict[Waits, Callable[[Desk, Item, After], None]] = {
    Waits.SESSION: _session, Waits.GATE: _gate, Waits.PAUSED: _paused, Waits.STUCK: _silent, Waits.BUDGET: _budget, Waits.CHECK: _check, Waits.AUDIT: _audit, Waits.JOB: _job}
