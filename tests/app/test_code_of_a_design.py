"""The Design page's code: what is behind its proposal, failed, saved by hand, taken back; and links to checks that are none."""

from __future__ import annotations

import inbox_setting
import pytest
from screens import results, said

from core.desk import Desk
from core.types import Status

desk, proposed, template = inbox_setting.desk, inbox_setting.proposed, inbox_setting.template
CODE = "class GAB:\n    pass\n\n\ngab_config = {}\n"


@pytest.fixture
def written(desk: Desk, proposed, work) -> str:
    """A design whose code passed its check."""
    desk.approve(proposed[0], implement=True)
    work()
    return proposed[0]


def words(test) -> str:
    return said(test).replace("\\", "").replace("\u2060", "")


def button(test, label: str):
    return next((b for b in test.button if b.label == label), None)


def test_code_that_is_behind_its_proposal_says_so_and_is_written_anew_from_the_page(open_page, desk: Desk, proposed, written: str, work):
    test = open_page("design", design=written)
    assert "Its code is behind" not in words(test)
    assert button(test, "Write its code anew") is None
    mine, other = desk.store.proposals.newest(written), desk.store.proposals.newest(proposed[1])
    desk.edit(written, mine.title, mine.body, other.units, mine.revision)
    test = open_page("design", design=written)
    assert "Its code is behind: revision 1 of the code was written before revision 2 of the proposal" in words(test)
    button(test, "Write its code anew").click().run()
    work()
    assert desk.store.implementations.newest(written).revision == 2
    assert "Its code is behind" not in words(open_page("design", design=written))


def test_what_is_implemented_can_be_refused_there(open_page, desk: Desk, written: str):
    test = open_page("design", design=written)
    next(t for t in test.text_input if t.key == f"words-{written}").set_value("too dear").run()
    next(b for b in test.button if b.key == f"refuse-{written}").click().run()
    assert not test.exception
    assert desk.store.designs.get(written).status is Status.REFUSED


def test_failed_code_is_kept_in_the_field_and_not_saved_over_code_that_passed(open_page, desk: Desk, system, written: str, work):
    system.fake.passes = lambda code: code != CODE
    job = desk.try_code(CODE)
    work()
    test = open_page("design", design=written, section="Debug", job=str(job.id))
    test.text_area(key=f"draft-code-debug-{written}-1").set_value(CODE).run()
    assert "Revision 1 passed its check, and stays until other code does" in words(test)
    assert f"save-{written}" not in {b.key for b in test.button}
    assert test.text_area(key=f"draft-code-debug-{written}-1").value == CODE


def test_an_older_revision_is_the_newest_again_and_the_story_tells_it_all(open_page, desk: Desk, written: str, work):
    job = desk.try_code(CODE)
    work()
    desk.save_code(written, job.id, 1)
    first = desk.store.implementations.revisions(written)[0]
    test = open_page("design", design=written, section="Code")
    next(s for s in test.selectbox if s.key == "code-revision").set_value(1).run()
    button(test, "Make it the newest again").click().run()
    assert not test.exception
    newest = desk.store.implementations.newest(written)
    assert (newest.revision, newest.code) == (3, first.code)
    story = words(open_page("design", design=written, section="Story"))
    for told in ("proposed it", "wrote revision 1 of the code, which passed its check", "wrote revision 2 of the code", "wrote revision 3 of the code", f"approved {written}"):
        assert told in story, told


def test_a_score_of_older_code_and_one_that_is_held_back_are_told_where_one_looks_first(open_page, desk: Desk, engine, written: str, work):
    desk.verify(["gpt2", written], "nano")
    work()
    job = desk.try_code(CODE)
    work()
    desk.save_code(written, job.id, 1)
    for page in ("design", "tree"):
        assert "Its code changed since it was measured at nano" in words(open_page(page, design=written))
    doubts = dict(results(open_page("compare", scale="nano"))[["design", "doubts"]].values)
    assert ("older code" in doubts[written], "older code" in doubts["gpt2"]) == (True, False)
    engine.scores[CODE, 0] = 0.01
    engine.audit_says = RuntimeError("no weights")
    desk.verify([written], "nano")
    work()
    assert desk.store.designs.get(written).held_back == ("nano",)
    for page in ("design", "tree"):
        assert "A score at nano is held back" in words(open_page(page, design=written))


@pytest.mark.parametrize("number", ["99999999999999999999", "²", "-1", "1e3", "x"])
def test_a_link_to_a_check_that_is_none_breaks_nothing(open_page, written: str, number: str):
    test = open_page("design", design=written, section="Debug", job=number)
    assert "failed: " not in words(test)
    assert "Change the code, then check it" in words(test)
    for page in ("jobs", "library"):
        assert "failed: " not in words(open_page(page, job=number))


def test_a_design_that_is_no_python_is_not_offered_as_a_file(open_page, desk: Desk, proposed, system, work):
    system.fake.passes = lambda code: False
    desk.approve(proposed[0], implement=True)
    work()
    job = desk.try_code("def broken(:\n")
    work()
    desk.save_code(proposed[0], job.id, 1)
    test = open_page("design", design=proposed[0], section="Take along")
    found = {b.proto.label: b.proto for b in test.get("download_button")}
    assert found["Standalone"].disabled
    assert "is no Python" in found["Standalone"].help.replace("\\", "")
    assert not found["gab.py"].disabled


def test_what_is_typed_in_a_part_outlives_a_look_at_another_while_somebody_else_saves(open_page, desk: Desk, written: str, engine):
    made = desk.store.implementations.newest(written)
    test = open_page("design", design=written, section="Debug")
    field = f"draft-code-debug-{written}-{made.revision}"
    test.text_area(key=field).set_value(made.code + "\n# mine\n").run()
    test.session_state[f"design-section-{written}"] = "Story"
    test.run()
    desk.store.implementations.add(written, "bob", made.code + "\n# of bob\n", made.units)
    test.session_state[f"design-section-{written}"] = "Debug"
    test.run()
    assert test.text_area(key=field).value.endswith("# mine\n")
    assert f"bob saved revision {made.revision + 1} meanwhile" in words(test)
    assert not [t for t in test.get("tab") if t.label == "Costs" and t.children], "what was never opened is not drawn"
    test.query_params.update({"design": "gpt2", "section": "Costs"})
    test.run()
    assert not test.text_area, "of another design, what is open alone"
