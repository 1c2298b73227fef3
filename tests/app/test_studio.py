"""The studio: both sides of the table, a word to one of them, interrupting, and what may be spent."""

from __future__ import annotations

from screens import said

from core.agents.dialog import Dialog
from core.conversation import read
from core.desk import Desk
from core.types import JobState, Verb


def press(test, label: str):
    next(b for b in test.button if b.label == label).click()
    return test.run()


def spoken(desk: Desk, session_id: str) -> Dialog:
    stream = f"session:{session_id}"
    return Dialog(lambda kind, author, data: desk.store.events.append(stream, kind, author, data))


def test_those_who_make_and_those_who_judge_stand_in_columns_of_their_own(open_page, desk: Desk):
    session = desk.start_session(["gpt2"], enqueue=False)
    dialog = spoken(desk, session.id)
    for role in ("designer", "reviewer", "coder", "observer"):
        with dialog.message(role, role, f"{session.id}-1", f"session:{session.id}/{role}/0") as message:
            message.say(f"words of the {role}")
    desk.steer(session.id, "keep it small")
    desk.steer(session.id, "be strict", to="reviewer")
    found = read(desk.store, f"session:{session.id}")
    assert [m.text for m in found.side("designer")] == ["words of the designer", "words of the coder", "keep it small"]
    assert [m.text for m in found.side("reviewer")] == ["words of the reviewer", "words of the observer", "keep it small", "be strict"]
    test = open_page("studio", session=session.id)
    words = said(test)
    assert "Those who make" in words
    assert words.count("words of the coder") == 1
    assert "to the reviewer" in words
    next(c for c in test.get("button_group") if c.key == "view-dialog").set_value("together").run()
    assert "Those who make" not in said(test)


def test_a_word_to_one_side_names_a_side_that_there_is(open_page, desk: Desk):
    session = desk.start_session(["gpt2"])
    test = open_page("studio", session=session.id)
    next(s for s in test.selectbox if s.key == "steer-to").set_value("reviewer")
    next(c for c in test.chat_input).set_value("be strict").run()
    assert [(d.verb, d.data, d.reason) for d in desk.store.decisions.of(session_id=session.id)] == [(Verb.STEER, {"to": "reviewer"}, "be strict")]


def test_interrupting_ends_the_job_and_going_on_makes_another(open_page, desk: Desk):
    session = desk.start_session(["gpt2"])
    press(open_page("studio", session=session.id), "Interrupt")
    assert [j.state for j in desk.queue.all()] == [JobState.CANCELLED]
    test = open_page("studio", session=session.id)
    assert "Paused." in said(test)
    press(test, "Go on")
    assert [j.subject for j in desk.queue.all(states=[JobState.QUEUED])] == [f"session:{session.id}"]


def test_the_other_open_sessions_are_one_click_away_and_instructions_are_kept_in_order(open_page, desk: Desk):
    one, two = desk.start_session(["gpt2"], enqueue=False, instructions="no attention"), desk.start_session(["mamba2"], enqueue=False)
    test = press(open_page("studio", session=one.id), "Change the instructions")
    assert "there is nothing to say" in said(test)
    next(t for t in test.text_area if t.key == f"instruct-{one.id}").set_value("attention is fine after all")
    shown = [m.value for m in press(test, "Change the instructions").markdown]
    assert shown.index("no attention") < max(i for i, m in enumerate(shown) if m == "attention is fine after all")
    assert any(two.id in link.proto.label for link in test.get("page_link"))


def test_the_budget_can_be_stopped_and_raised_while_agents_speak(open_page, desk: Desk):
    session = desk.start_session(["gpt2"], enqueue=False, agents="default")
    test = press(open_page("studio", session=session.id), "Stop spending")
    assert [desk.store.ledger.account(a).left for a in ("money", "tokens")] == [0, 0]
    next(n for n in test.number_input if n.key == "total-money").set_value(3.0).run()
    test.button(key="set-money").click().run()
    assert desk.store.ledger.account("money").granted == 3


def test_of_two_who_judge_or_rank_a_session_at_once_the_second_is_told(open_page, desk: Desk, work):
    session = desk.start_session(["gpt2", "llama"], n_proposals=2)
    work()
    first, second = [d.id for d in desk.ranking(session.id)]
    test = open_page("studio", session=session.id)
    assert said(test).count("its code: no calls, ") == 2
    assert "no calls · one of " in said(test)
    desk.author = "ada"
    desk.rerank(session.id, [second, first])
    test.button(key=f"arrow_downward-{first}").click().run()
    assert "ada reranked" in said(test).replace("\\", "").replace("**", "")
    assert [d.id for d in desk.ranking(session.id)] == [second, first]
    desk.refuse(second, "it leaks")
    test.button(key="release").click().run()
    assert "ada refused" in said(test).replace("\\", "").replace("**", "")
    assert not [d for d in desk.store.decisions.all() if d.verb is Verb.RELEASE]
    test.button(key="release").click().run()
    assert [d for d in desk.store.decisions.all() if d.verb is Verb.RELEASE]


def test_older_sessions_come_when_they_are_asked_for(open_page, desk: Desk):
    made = [desk.start_session(["gpt2"], enqueue=False).id for _ in range(12)]

    def listed(test) -> list[str]:
        return [link.proto.label.partition(":")[0] for link in test.get("page_link") if ": mutation of" in link.proto.label]

    test = open_page("studio")
    assert listed(test) == made[:1:-1]
    test.button(key="sessions-more").click().run()
    assert listed(test) == made[::-1]
    assert "sessions-more" not in [b.key for b in test.button]
