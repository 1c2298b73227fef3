"""What waits besides proposals: a session or a step at its gate, agents that were put aside or fell silent, budgets, code that failed, scores too good,
the best of runs on too few seeds, jobs that failed."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import streamlit as st

from app import shell
from app.widgets.code import draw_report
from app.widgets.inbox import decide
from app.widgets.judging import draw_meanwhile, draw_session_meanwhile, own, release_cost, saw, seen, seen_session
from app.widgets.roles import may
from core.desk import Desk, Item, Waits
from core.types import MONEY, TOKENS, Decision, Status, Verb

After = Callable[[], None]


def draw_other(desk: Desk, item: Item, after: After) -> None:
    st.subheader(shell.plain(item.title), anchor=False)
    st.markdown(shell.plain(item.why) or "It says nothing.")
    DRAWN[item.kind](desk, item, after)


def draw_gone(desk: Desk, item: Item) -> None:
    """What waited when it was opened and does so no more: who decided it, where a person did. A press that was meant for it does nothing."""
    st.subheader(shell.plain(item.title), anchor=False)
    if item.gated:
        said = [d for d in desk.store.decisions.of(session_id=item.run) if d.verb is Verb.GATE and (d.data["step"], d.data.get("subject")) == (item.gated.step, item.gated.subject)]
    elif item.session:
        said = desk.said_of_session(item.session)
    else:
        said = [d for d in desk.store.decisions.of(item.design) if d.verb is not Verb.COMMENT] if item.design else []
    later: list[Decision] = [d for d in said if d.created_at > item.since]
    who = f"{shell.plain(later[-1].author)} {shell.plain(desk.told(later[-1]))} meanwhile. " if later else ""
    st.info(f"{who}It no longer waits for anybody; a press that came too late did nothing.", icon=":material/group:")


def _main(item: Item, label: str, icon: str, verb: str, do: Callable[[], object], words: str, after: After, help: str = "", what: str = "", first: bool = True) -> None:
    """`verb`: the desk's, by which it is known who may press it. `what` is decided on, where the item alone does not say. `first`: it is what one would do."""
    if st.button(label, key=own("inbox-approve", item.key + what), type="primary" if first else "secondary", icon=f":material/{icon}:", **may(verb, f"key a{' · ' + help if help else ''}")):
        decide(do, words, after)


def _defer(desk: Desk, item: Item, after: After, label: str = "Defer") -> None:
    if st.button(label, key=own("inbox-defer", item.key), icon=":material/schedule:", **may("defer", "key d · out of the inbox until something about it changes")):
        decide(lambda: desk.defer(item.key, item.mark), f"{item.title} put off", after)


def _session(desk: Desk, item: Item, after: After) -> None:
    before, now = seen_session(desk, item.session)
    session = desk.store.sessions.get(item.session)
    ranked = [d for d in desk.ranking(session.id) if d.status is not Status.REFUSED]
    for n, d in enumerate(ranked, 1):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"{n}. {shell.plain(d.title)}", width="content")
            shell.status_badge(d)
            st.caption("" if d.rating is None else f"rated {d.rating:.1f}", width="content")
    best = ranked[: session.n_implement]
    if now > before:
        draw_session_meanwhile(desk, session.id, before)
    with st.container(key="inbox-actions", horizontal=True, vertical_alignment="center", gap="small"):
        label = f"Implement the best {len(best)} · {release_cost(desk, [d.id for d in best])}" if best else "Close it: nothing is left to implement"
        _main(item, label, "code", "release", lambda: desk.release(session.id, before), f"session {session.id} goes on", after)
        shell.link("studio", "Open the session", ":material/forum:", session=session.id)
        _defer(desk, item, after)
    saw(session.id, now)


def _gate(desk: Desk, item: Item, after: After) -> None:
    gate = item.gated
    with st.container(key="inbox-actions", horizontal=True, vertical_alignment="center", gap="small"):
        _main(item, f"Approve · {shell.plain(gate.cost) or 'cost unknown'}", "thumb_up", "let", lambda: desk.let(gate), f"{gate.words}: let through", after)
        held = st.button("Hold", key=own("inbox-refuse", item.key), icon=":material/front_hand:", **may("hold", "key r · the run goes on without it"))
        why = st.text_input("Why hold it", key=own("inbox-why", item.key), placeholder="why, if you hold it", label_visibility="collapsed", width=200)
        if held:
            decide(lambda: desk.hold(gate, why.strip()), f"{gate.words}: held", after)
        _defer(desk, item, after)
        if gate.design:
            shell.link("design", gate.design, ":material/open_in_new:", design=gate.design)


def _paused(desk: Desk, item: Item, after: After) -> None:
    with st.container(key="inbox-actions"):
        if item.account:
            _top_up(desk, item, after, lambda total: (desk.set_budget(item.account, total), desk.go_on(item.session)), "Top up and go on")
        with st.container(horizontal=True, gap="small"):
            if item.account:
                if st.button("Go on as it is", key=own("inbox-go-on", item.key), icon=":material/play_arrow:", **may("go_on")):
                    decide(lambda: desk.go_on(item.session), f"session {item.session} goes on", after)
            else:
                _main(item, "Go on", "play_arrow", "go_on", lambda: desk.go_on(item.session), f"session {item.session} goes on", after)
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
        _main(item, label, "savings", "set_budget", lambda: verb(total), f"{item.account}: {total:g}", after)


def _silent(desk: Desk, item: Item, after: After) -> None:
    with st.container(key="inbox-actions", horizontal=True, vertical_alignment="center", gap="small"):
        _main(item, "Stop it and try again", "restart_alt", "go_on", lambda: (desk.cancel(item.job), desk.go_on(item.session)), f"session {item.session} is taken up again", after, "what was said so far stays")
        shell.link("studio", "Open the session", ":material/forum:", session=item.session)
        _defer(desk, item, after)


def _check(desk: Desk, item: Item, after: After) -> None:
    before, now = seen(desk, item.design)
    if now > before:
        draw_meanwhile(desk, item.design, before)
    made = desk.store.implementations.newest(item.design)
    if made and made.check:
        with st.container(key="inbox-body"):
            draw_report(made.check)
    scale = item.data.get("scale", next(iter(desk.scales)))
    with st.container(key="inbox-actions", horizontal=True, vertical_alignment="center", gap="small"):
        if item.data.get("odd"):
            _main(item, "Check it again · no calls, about 5 s", "refresh", "recheck", lambda: desk.recheck(item.design, scale), f"{item.design} is checked again", after, "the same code")
        elif item.session and st.button("Send back with what failed", key=own("inbox-back", item.key), type="primary", icon=":material/reply:",
                                            **may("send_back", "key s · its designer revises the proposal")):
            decide(lambda: desk.send_back(item.design, f"Its code failed the check: {item.why}"[:2000], before), f"{item.design} goes back to its designer", after)
        if st.button("Refuse", key=own("inbox-refuse", item.key), icon=":material/thumb_down:", **may("refuse", "key r · with what failed as the reason")):
            decide(lambda: desk.refuse(item.design, f"its code failed: {item.why}"[:500], before), f"{item.design} refused", after)
        shell.link("design", "Open", ":material/open_in_new:", design=item.design)
        _defer(desk, item, after)
    saw(item.design, now)


def _audit(desk: Desk, item: Item, after: After) -> None:
    with st.container(key="inbox-actions", horizontal=True, vertical_alignment="center", gap="small"):
        _main(item, "Audit its weights", "troubleshoot", "audit", lambda: desk.audit(item.verification), f"verification {item.verification} is audited", after, "a minute or less at the small scales")
        shell.link("report", "Report", ":material/lab_profile:", verifications=str(item.verification))
        _defer(desk, item, after)


def _confirm(desk: Desk, item: Item, after: After) -> None:
    scale, seeds, what = item.data["scale"], item.data["seeds"], item.data["what"]
    found = desk.estimate(list(seeds), scale)
    seconds = sum(p.seconds * len(seeds[p.design_id]) for p in found.parts)
    n, left = sum(map(len, seeds.values())), desk.store.ledger.account(scale).left
    budget = f"{left - n:g} left at {shell.plain(scale)}" if left >= n else f"{n - left:g} more than {shell.plain(scale)} has left"
    with st.container(key="inbox-actions", horizontal=True, vertical_alignment="center", gap="small"):
        _main(item, f"Confirm · {n} training{'s' * (n > 1)}, about {shell.took(seconds)}, {budget}", "verified", "confirm", lambda: desk.confirm(item.run, what),
              f"{item.design} is measured further", after, "; ".join([*(f"{design}: seeds {', '.join(map(str, some))}" for design, some in seeds.items()), *filter(None, [found.remark])]), what, not item.data["small"])
        if item.data["small"] and (above := dict(pairwise(desk.scales)).get(scale)):
            shell.link("verify", f"Verify at {above} instead", ":material/moving:", designs=f"{item.design},{item.data['reference']}", scale=above)
        shell.link("compare", "Compare", ":material/leaderboard:", scale=scale, designs=item.design, reference=item.data["reference"])
        shell.link("evolve", "The run", ":material/account_tree:", run=item.run)
        _defer(desk, item, after, "Leave it")


def _job(desk: Desk, item: Item, after: After) -> None:
    with st.container(key="inbox-actions", horizontal=True, vertical_alignment="center", gap="small"):
        _main(item, "Try again", "restart_alt", "retry", lambda: desk.retry(item.job), f"{item.title}: tried again", after, "it goes on from what is stored")
        shell.link("jobs", "Jobs", ":material/checklist:")
        if item.session:
            shell.link("studio", "Open the session", ":material/forum:", session=item.session)
        elif item.design:
            shell.link("design", "Open", ":material/open_in_new:", design=item.design)
        _defer(desk, item, after, "Leave it")


DRAWN: dict[Waits, Callable[[Desk, Item, After], None]] = {
    Waits.SESSION: _session, Waits.GATE: _gate, Waits.PAUSED: _paused, Waits.STUCK: _silent, Waits.BUDGET: _budget, Waits.CHECK: _check, Waits.AUDIT: _audit,
    Waits.CONFIRM: _confirm, Waits.JOB: _job}
