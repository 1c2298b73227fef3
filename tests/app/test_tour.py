"""The first tour: each step follows from what has happened, whoever did it, and ends in a comparison."""

from __future__ import annotations

from pathlib import Path

import pytest
from screens import results, said

from core.desk import Desk
from core.types import CheckReport

ROOT = Path(__file__).resolve().parent.parent.parent


def press(test, key: str):
    next(b for b in test.button if b.key == key).click()
    return test.run()


def start(test):
    """On the page that step 1 leads to; AppTest itself does not follow to another page for good."""
    test.switch_page(str(ROOT / "pages" / "studio.py"))
    test.query_params["parents"] = "gpt2,gla"
    test.run()
    next(b for b in test.button if b.label == "Start").click()
    return test.run()


def test_the_tour_leads_from_two_parents_to_a_comparison(open_page, desk: Desk, work):
    test = press(open_page("tree"), "tour-begin")
    assert "Step 1 of 6" in said(test)
    test = press(test, "tour-1")
    assert next(m for m in test.multiselect if m.key == "new-parents").value == ["gpt2", "gla"]
    test.query_params["parents"] = "gpt2,gla"
    assert "tour-1" not in {b.key for b in test.run().button}, "there its button leads nowhere else"
    test = start(test)
    (session,) = desk.store.sessions.all()
    assert "Step 2 of 6" in said(test.run())
    work()
    best = desk.ranking(session.id)[0].id
    desk.approve(best)
    assert "Step 3 of 6" in said(test.run())
    desk.release(session.id)
    work()
    assert "Step 4 of 6" in said(test.run())
    test = press(test, "tour-4")
    assert {j.payload["design"] for j in desk.queue.all() if j.kind == "verify"} == {"gpt2", best}
    assert "Step 5 of 6" in said(test.run())
    work()
    test = test.run()
    assert "Step 6 of 6" in said(test)
    test = press(test, "tour-6")
    assert set(results(test)["design"]) == {"gpt2", best}
    assert "Step" not in said(press(test, "tour-end"))


def test_without_the_tour_nothing_stands_above_a_page(open_page):
    assert "Step 1 of 6" not in said(open_page("studio"))


@pytest.fixture
def begun(open_page, desk: Desk, work):
    """(the page, its session) of a tour whose agents have proposed."""
    test = press(press(open_page("tree"), "tour-begin"), "tour-1")
    test = start(test)
    work()
    return test, desk.store.sessions.all()[0]


def test_the_tour_follows_the_session_that_it_started_and_nobody_elses(open_page, desk: Desk):
    test = press(press(open_page("tree"), "tour-begin"), "tour-1")
    desk.start_session(["gpt2", "gla"])
    assert "Step 1 of 6" in said(test.run())


def test_when_all_proposals_are_refused_the_tour_says_so_and_offers_another_try(begun, desk: Desk):
    test, session = begun
    for design in desk.ranking(session.id):
        desk.refuse(design.id, "not that")
    test = test.run()
    assert "All its proposals were refused" in said(test)
    test = press(test, "tour-2")
    assert "Step 1 of 6" in said(test)
    assert next(m for m in test.multiselect if m.key == "new-parents").value == ["gpt2", "gla"]


def test_when_the_code_failed_its_checks_the_tour_says_so_and_offers_the_next_try(begun, desk: Desk):
    test, session = begun
    first, *others = desk.ranking(session.id)
    code = desk.store.implementations.add(first.id, "compose_coder", "# code", desk.store.proposals.newest(first.id).units)
    desk.store.checks.add(code.id, CheckReport(False, "nano", (), None))
    test = test.run()
    assert "failed its checks" in said(test)
    assert "Approve another proposal" in said(test)
    for design in others:
        desk.refuse(design.id, "not that")
    test = test.run()
    assert "no other proposal is left" in said(test)
    assert "Step 1 of 6" in said(press(test, "tour-3"))
