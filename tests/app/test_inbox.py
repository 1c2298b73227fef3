"""The inbox page: one at a time, as a list, side by side, and what came of it."""

from __future__ import annotations

import inbox_setting
import pytest
from fakes import FakeEngine, FakeSystem
from screens import HOSTILE, said
from streamlit.testing.v1 import AppTest

from app.sign_in import Visitor
from app.widgets.diff import compared
from app.widgets.inbox_record import calibration_figure
from core.calibration import Forecast, Record
from core.desk import Desk, Waits
from core.errors import Conflict
from core.gates import ASK
from core.types import JobKind, JobState, Kind, Mode, Status, Verb
from core.users import Role

desk, proposed, template = inbox_setting.desk, inbox_setting.proposed, inbox_setting.template


def plain(key: str | None) -> str:
    """A button's key without what it decides on."""
    return (key or "").partition("--")[0]


def press(test: AppTest, key: str) -> AppTest:
    next(b for b in test.button if plain(b.key) == key).click()
    test.run()
    assert not test.exception, test.exception
    return test


def words(test: AppTest) -> str:
    return said(test).replace("\\", "")


def keys(test: AppTest) -> set[str]:
    return {plain(b.key) for b in test.button}


def view(test: AppTest, name: str) -> AppTest:
    next(g for g in test.get("button_group") if g.key == "inbox-view").set_value(name)
    test.run()
    assert not test.exception, test.exception
    return test


def test_an_empty_inbox_says_what_to_do_first(open_page, desk: Desk, proposed):
    for item in desk.inbox().items:
        desk.defer(item.key, item.mark)
    test = open_page("inbox")
    assert "Nothing waits for you. Start a design session" in said(test)
    assert "inbox-start" in keys(test)


def test_deciding_goes_on_to_the_next_and_can_be_undone(open_page, desk: Desk, proposed):
    test = open_page("inbox")
    assert "1 of 4" in said(test)
    approve = next(b for b in test.button if plain(b.key) == "inbox-approve")
    assert approve.label.startswith("Approve · no calls, ")
    press(test, "inbox-approve")
    assert desk.store.designs.get(proposed[0]).status is Status.APPROVED
    assert proposed[1] in words(test)                        # the next one is open
    press(test, "inbox-undo-it")
    assert proposed[0] in words(test)                        # what was taken back is open again
    assert desk.store.designs.get(proposed[0]).status is Status.PROPOSED
    assert desk.queue.all(limit=1)[0].cancel_requested
    press(test, "inbox-refuse")
    next(t for t in test.text_input if t.key and t.key.startswith("draft-refuse")).set_value("leaks the future")
    next(b for b in test.button if b.label == "Refuse" and plain(b.key) != "inbox-refuse").click()
    test.run()
    (refused,) = [d for d in desk.store.decisions.all() if d.verb is Verb.REFUSE]
    assert refused.reason == "leaks the future"


def test_words_stay_where_somebody_else_was_first(open_page, desk: Desk, proposed):
    test = open_page("inbox")
    press(test, "inbox-refuse")
    desk.author = "ada"
    desk.comment(proposed[0], "I look at it")
    desk.refuse(proposed[0], "it is too dear")
    field = next(t for t in test.text_input if t.key and t.key.startswith("draft-refuse"))
    field.set_value("my own reason")
    next(b for b in test.button if b.label == "Refuse" and plain(b.key) != "inbox-refuse").click()
    test.run()
    assert not test.exception
    assert "ada refused" in words(test).replace("**", "")
    assert [d.author for d in desk.store.decisions.of(proposed[0]) if d.verb is Verb.REFUSE] == ["ada"]
    assert next(t for t in test.text_input if t.key and t.key.startswith("draft-refuse")).value == "my own reason"


def test_several_are_ticked_and_refused_together(open_page, desk: Desk, proposed):
    test = view(open_page("inbox"), "list")
    press(test, "inbox-tick")
    assert "Refuse 3" in {b.label for b in test.button}
    next(b for b in test.button if b.label == "Too costly").click()
    test.run()
    assert {desk.store.designs.get(d).status for d in proposed} == {Status.REFUSED}
    press(test, "inbox-undo-it")
    assert {desk.store.designs.get(d).status for d in proposed} == {Status.PROPOSED}


def test_all_that_are_ticked_are_those_that_were_in_sight(open_page, desk: Desk, proposed):
    desk.refuse(proposed[1], "not yet")
    test = view(open_page("inbox"), "list")
    desk.reset(proposed[1])                                  # it comes back after the list was drawn
    press(test, "inbox-tick")
    assert "Refuse 2" in {b.label for b in test.button}
    press(test, "inbox-tick")
    assert any(b.label == "Tick all 3 proposals" for b in test.button)


def test_several_that_cannot_be_put_off_are_told_in_words_and_those_that_were_can_be_undone(open_page, desk: Desk, proposed, monkeypatch):
    test = view(open_page("inbox"), "list")
    press(test, "inbox-tick")
    with monkeypatch.context() as broken:
        broken.setattr(Desk, "defer", lambda *args, **kwargs: (_ for _ in ()).throw(Conflict("the store is busy", "try again")))
        press(test, "inbox-defer")
        assert "the store is busy" in words(test)
        assert "inbox-undo-it" not in keys(test)
    press(test, "inbox-defer")
    assert len(desk.inbox().deferred) == 3
    press(test, "inbox-undo-it")
    assert not desk.inbox().deferred


def test_what_cannot_be_taken_back_of_several_is_told_and_the_rest_is(open_page, desk: Desk, proposed):
    test = view(open_page("inbox"), "list")
    press(test, "inbox-tick")
    next(b for b in test.button if b.label == "Too costly").click()
    test.run()
    desk.author = "ada"
    desk.undo(next(d.id for d in desk.store.decisions.of(proposed[1]) if d.verb is Verb.REFUSE))
    press(test, "inbox-undo-it")
    assert {desk.store.designs.get(d).status for d in proposed} == {Status.PROPOSED}
    assert "ada took it back already" in words(test)
    assert "inbox-undo-it" not in keys(test)         # pressed once more it would be refused once more


def test_undo_takes_back_ones_own_sending_back_and_nobody_elses_words(open_page, desk: Desk, proposed):
    test = press(open_page("inbox"), "inbox-back")
    field = next(t for t in test.text_input if t.key and t.key.startswith("draft-back"))
    original = Desk.send_back

    def overtaken(self, design_id, *args, **kwargs):
        made = original(self, design_id, *args, **kwargs)
        Desk(desk.store, desk.queue, desk.scales, desk.units, "ada", desk.config).comment(design_id, "mine came last")
        return made

    Desk.send_back = overtaken
    try:
        field.set_value("smaller")
        next(b for b in test.button if b.label == "Send back" and plain(b.key) != "inbox-back").click()
        test.run()
    finally:
        Desk.send_back = original
    press(test, "inbox-undo-it")
    assert [(d.verb, d.author) for d in desk.store.decisions.of(proposed[0]) if d.verb is not Verb.UNDO] == [(Verb.COMMENT, "ada")]


def test_a_press_that_was_meant_for_what_waits_no_more_decides_nothing_else(open_page, desk: Desk, proposed, work):
    for item in desk.inbox().items:
        desk.defer(item.key, item.mark)
    desk.evolve(1, {"nano": 2}, seed=0, gates={"propose": ASK})
    desk.evolve(1, {"nano": 2}, seed=1, gates={"propose": ASK})
    work()
    first, second = desk.gated()
    test = open_page("inbox")
    desk.author = "ada"
    desk.let(first)
    press(test, "inbox-approve")
    assert [g.subject for g in desk.gated()] == [second.subject]
    assert "ada let through" in words(test)
    assert "inbox-approve" not in keys(test)
    press(test, "inbox-next")
    assert "inbox-approve" in keys(test)


def test_a_session_that_another_changed_is_released_only_when_that_was_seen(open_page, desk: Desk, proposed):
    session = proposed[0].partition("-")[0]
    test = open_page("inbox", item=f"session:{session}")
    desk.author = "ada"
    desk.rerank(session, proposed[::-1])
    press(test, "inbox-approve")
    assert "ada reranked" in words(test).replace("**", "")
    assert not [d for d in desk.store.decisions.all() if d.verb is Verb.RELEASE]
    press(test, "inbox-approve")
    assert [d for d in desk.store.decisions.all() if d.verb is Verb.RELEASE]


def test_what_is_preferred_is_the_card_that_was_on_the_screen(open_page, desk: Desk, proposed):
    test = view(open_page("inbox"), "compare")
    shown = desk.next_match(proposed)
    desk.author = "ada"
    desk.prefer(shown[0], [shown[1]])
    assert desk.next_match(proposed) != shown
    press(test, "inbox-prefer-2")
    mine = [d for d in desk.store.decisions.all() if d.verb is Verb.PREFER][-1]
    assert (mine.data["better"], mine.data["worse"]) == (shown[1], [shown[0]])


def test_which_one_would_be_trained_changes_the_order(open_page, desk: Desk, proposed):
    test = view(open_page("inbox"), "compare")
    press(test, "inbox-prefer-2")
    (decision,) = [d for d in desk.store.decisions.all() if d.verb is Verb.PREFER]
    session = proposed[0].partition("-")[0]
    order = [d.id for d in desk.ranking(session)]
    assert order.index(decision.data["better"]) < order.index(decision.data["worse"][0])
    assert "preferred" in said(test)
    press(test, f"inbox-arrow_downward-{order[0]}")
    assert desk.ranking(session)[1].id == order[0]
    test = view(test, "record")
    assert {f"undo-decision-{d.id}" for d in desk.store.decisions.all()} <= keys(test)


def test_a_forecast_is_one_press_and_the_record_shows_it(open_page, desk: Desk, proposed):
    test = open_page("inbox")
    next(g for g in test.get("button_group") if g.key and g.key.startswith("inbox-chance")).set_value(30).run()
    (made,) = [d for d in desk.store.decisions.all() if d.verb is Verb.FORECAST]
    assert made.data == {"reference": "gpt2", "scale": "nano", "probability": 0.3}
    test = view(test, "record")
    assert f"gave {proposed[0]} 30% to beat gpt2 at nano" in said(test).replace("\\", "")


def test_what_waits_besides_proposals_is_drawn_each_with_its_deed(open_page, desk: Desk, proposed, work, engine):
    engine.passes = lambda code: False
    desk.implement(proposed[2])
    work()
    session = proposed[0].partition("-")[0]
    desk.pause(desk.start_session(["mamba2"], n_proposals=1).id)
    work()
    desk.set_budget("design", 2)
    found = {i.key: i for i in desk.inbox().items}
    for key, told in ((f"session:{session}", "not judged yet"), (f"code:{proposed[2]}", "by rule"), ("budget:design", "left of"),
                       (next(k for k, i in found.items() if i.kind == "session put aside"), "paused by tester")):
        test = open_page("inbox", item=key)
        assert told in words(test), key
        assert keys(test) & {"inbox-approve", "inbox-back"}, key


@pytest.mark.parametrize(("page", "query", "deeds"), [
    ("inbox", {}, {"inbox-approve", "inbox-back", "inbox-refuse", "inbox-edit", "inbox-comment", "inbox-defer"}),
    ("inbox", {"item": "session:{session}"}, {"inbox-approve", "inbox-defer"}),
    ("design", {"design": "{first}"}, {"approve-{first}", "refuse-{first}"}),
    ("tree", {"design": "{first}"}, {"approve-{first}", "refuse-{first}", "tray-refuse-now", "tray-verify-now"}),
    ("studio", {"session": "{session}"}, {"approve-{first}", "refuse-{first}", "release", "arrow_downward-{first}"})], ids=["proposal", "session", "design", "tree", "studio"])
def test_what_a_viewer_may_not_decide_is_greyed_and_says_who_may(open_page, desk: Desk, proposed, monkeypatch, page: str, query: dict[str, str], deeds: set[str]):
    session = proposed[0].partition("-")[0]
    first = desk.ranking(session)[0].id
    monkeypatch.setattr("app.sign_in.visitor", lambda: Visitor("vera", Role.VIEWER, "password"))
    monkeypatch.setattr("app.sign_in.role_of", lambda name, how: Role.VIEWER)
    test = open_page(page, **{k: v.format(first=first, session=session) for k, v in query.items()})
    if page == "tree":
        test.session_state["tray"] = [first]
        test.run()
    found = {plain(b.key): b for b in test.button}
    for key in (d.format(first=first) for d in deeds):
        assert found[key].disabled, key
        assert "viewers may look, ask an admin for the role reviewer" in found[key].help, key


def test_each_item_s_buttons_are_its_own(open_page, desk: Desk, proposed):
    """So that a second press on the first is none on the next."""
    def deciding(test: AppTest) -> set[str]:
        return {b.key for b in test.button if plain(b.key) in ("inbox-approve", "inbox-refuse", "inbox-back", "inbox-defer")}

    test = open_page("inbox")
    first = deciding(test)
    press(test, "inbox-next")
    assert len(first) == 4
    assert not first & deciding(test)


def test_what_an_agent_revised_meanwhile_is_shown_before_it_is_approved(open_page, desk: Desk, proposed):
    test = open_page("inbox", item=f"proposal:{proposed[0]}")
    newest = desk.store.proposals.newest(proposed[0])
    desk.store.proposals.add(proposed[0], "genetic_designer", False, "Another text", "another body", newest.units)
    press(test, "inbox-approve")
    assert "genetic_designer revised" in words(test)
    assert desk.store.designs.get(proposed[0]).status is Status.PROPOSED
    press(test, "inbox-approve")
    assert desk.store.designs.get(proposed[0]).status is not Status.PROPOSED


def test_hostile_text_is_shown_as_text(open_page, desk: Desk):
    for item in desk.inbox().items:
        desk.defer(item.key, item.mark)
    session = desk.start_session(["gpt2"], n_proposals=1, enqueue=False)
    evil = f"{session.id}-1"
    units = desk.store.proposals.newest("gpt2").units
    desk.store.designs.add(evil, HOSTILE, Kind.AGENT, Mode.MUTATION, ["gpt2"], HOSTILE, session.id, 0, summary=HOSTILE)
    desk.store.proposals.add(evil, HOSTILE, False, HOSTILE, HOSTILE + "\n" + "x" * 100_000, units)
    made = desk.store.proposals.add(evil, HOSTILE, False, HOSTILE, "<img src=x onerror=alert(1)>\n" + "y" * 100_000, units)
    desk.store.reviews.add(made.id, HOSTILE, 3.0, {}, HOSTILE)
    desk.store.events.append(f"session:{session.id}", "phase", "x", {"phase": "waiting", "note": HOSTILE})
    desk.comment(evil, HOSTILE)
    for name in ("one", "list", "compare", "record"):
        test = view(open_page("inbox"), name)
        assert not any(m.allow_html for m in test.markdown)
        assert all("<script" not in h.body and "<img" not in h.body for h in test.get("html") if hasattr(h, "body"))


def test_a_difference_tells_lines_and_words_apart():
    lines = list(compared("same\nthe norm comes first\nend\n", "same\nthe norm comes last\nend\nand more"))
    assert [line.sign for line in lines] == [" ", "−", "+", " ", "+"]
    assert [text for differs, text in lines[2].spans if differs] == ["last"]
    far = list(compared("\n".join(map(str, range(50))), "\n".join(map(str, [*range(49), "x"]))))
    assert (far[0].sign, far[0].count) == ("…", 46)
    assert [line.sign for line in compared("a", "a")] == [" "]


def test_the_calibration_plot_has_a_mark_a_bin_and_escapes_names():
    scored = tuple(Forecast("<b>ada</b>", f"d{n}", "gpt2", "nano", p, n % 2) for n, p in enumerate((0.1, 0.1, 0.9, 0.9)))
    fig = calibration_figure([Record("<b>ada</b>", True, scored), Record("critic", False, ())])
    assert len(fig.data) == 2                                # the diagonal, and who has scores
    assert fig.data[1].customdata == (2, 2)
    assert "<b>" not in fig.to_json().replace("\\u003c", "<")


def test_a_gain_that_a_run_ended_with_is_confirmed_at_a_told_cost(open_page, desk: Desk, proposed):
    for item in desk.inbox().items:
        desk.defer(item.key, item.mark)
    reference = desk.store.implementations.newest("gpt2")
    system = FakeSystem(desk.config, FakeEngine())
    system.fake.scores = {(reference.code, seed): 3.0 for seed in range(3)}       # whatever comes is better
    desk.evolve(2, {"nano": 2}, n_proposals=1, selector="greedy")
    while system.worker(desk.store, "w").run_one() is not None:
        pass
    item = next(i for i in desk.inbox().items if i.kind is Waits.CONFIRM)
    test = open_page("inbox", item=item.key)
    assert f"{item.design} at nano, the best of run-" in words(test)
    button = next(b for b in test.button if plain(b.key) == "inbox-approve")
    n = sum(map(len, item.data["seeds"].values()))
    assert button.label.startswith(f"Confirm · {n} trainings, about ")
    assert f"{desk.store.ledger.account('nano').left - n:g} left at nano" in button.label
    press(test, "inbox-approve")
    asked = {(j.payload["design"], j.payload["seed"]) for j in desk.queue.all() if j.kind is JobKind.VERIFY and j.state is JobState.QUEUED}
    assert asked == {(design, seed) for design, seeds in item.data["seeds"].items() for seed in seeds}
    assert all(i.kind is not Waits.CONFIRM for i in desk.inbox().items)
