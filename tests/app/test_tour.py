"""The first tour: each step follows from what has happened, whoever did it, and ends in a comparison."""

from __future__ import annotations

from screens import said

from core.desk import Desk


def press(test, key: str):
    next(b for b in test.button if b.key == key).click()
    return test.run()


def test_the_tour_leads_from_two_parents_to_a_comparison(open_page, desk: Desk, work):
    test = press(open_page("tree"), "tour-begin")
    assert "Step 1 of 6" in said(test)
    test = press(test, "tour-1")
    assert next(m for m in test.multiselect if m.key == "new-parents").value == ["gpt2", "gla"]
    session = desk.start_session(["gpt2", "gla"])
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
    assert set(test.dataframe[0].value["design"]) == {"gpt2", best}
    assert "Step" not in said(press(test, "tour-end"))


def test_without_the_tour_nothing_stands_above_a_page(open_page):
    assert "Step 1 of 6" not in said(open_page("studio"))
