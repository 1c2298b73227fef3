"""The pages without a browser: empty states, wrong links, hostile text, decisions; and the graph as a pure function."""

from __future__ import annotations

import json

import pytest
from fakes import FakeCorpus
from screens import HOSTILE, results, said, tables
from streamlit.testing.v1 import AppTest

from app.widgets.curves import curve_figure, smoothed
from core.desk import Desk
from core.errors import Conflict, UsageError
from core.types import CurvePoint, Kind, Mode, Status


@pytest.mark.parametrize("page", ["tree", "design", "agents", "verify", "report", "library", "jobs"])
def test_each_page_opens_on_a_new_tree_and_says_that_no_worker_runs(open_page, page: str):
    test = open_page(page)
    assert "No worker is running" in said(test)
    assert not test.error


def test_a_fault_of_the_program_is_words_on_the_page_and_whole_in_the_log(faults):
    def page() -> None:
        from app import shell
        with shell.worded():
            raise ZeroDivisionError("secret detail")

    test = AppTest.from_function(page).run()
    assert not test.exception
    assert "This part of the page failed: ZeroDivisionError" in test.error[0].value
    assert "secret detail" not in test.error[0].value
    assert "secret detail" in faults[0]
    assert 'raise ZeroDivisionError' in faults[0]
    faults.clear()


def test_the_tree_page_shows_the_linked_design(open_page):
    assert "Gated linear attention" in said(open_page("tree", design="gla"))
    assert "There is no design nobody" in said(open_page("tree", design="nobody"))


def test_wrong_links_become_words(open_page):
    assert "there is no session" in said(open_page("studio", session="nope"))
    assert "there is no design" in said(open_page("design", design="nope"))


def test_a_session_starts_from_its_link_and_its_proposals_can_be_judged(open_page, desk: Desk, work):
    test = open_page("studio", parents="gpt2,llama")
    assert "Crossover" in said(test)
    next(b for b in test.button if b.label == "Start").click().run()
    assert not test.exception
    (session,) = desk.store.sessions.all()
    assert session.parents == ("gpt2", "llama")
    work()
    test = open_page("studio", session=session.id)
    assert "Proposals, best first" in said(test)
    best = desk.ranking(session.id)[0]
    next(b for b in test.button if b.key == f"approve-{best.id}").click().run()
    assert desk.store.designs.get(best.id).status is Status.APPROVED
    test = open_page("studio", session=session.id)
    next(b for b in test.button if b.key == f"undo-{best.id}").click().run()
    assert desk.store.designs.get(best.id).status is Status.PROPOSED
    next(b for b in open_page("studio", session=session.id).button if b.key == "release").click().run()
    work()
    assert desk.store.designs.get(desk.ranking(session.id)[0].id).status is Status.IMPLEMENTED


def test_a_design_page_shows_all_of_it(open_page, desk: Desk, work):
    desk.verify(["gpt2"], "nano", [0])
    work()
    test = open_page("design", design="gpt2")
    assert {t.label for t in test.tabs} >= {"Proposal", "Code", "Check", "Verifications", "Story"}
    assert not test.code, "what is not open is not drawn"
    assert any("class GAB" in c.value for c in open_page("design", design="gpt2", section="Code").code)
    assert "Not checked yet." in said(open_page("design", design="gpt2", section="Check"))
    assert [t for t in tables(open_page("design", design="gpt2", section="Verifications")) if "score" in t]


def test_verify_queues_what_was_chosen_and_shows_results(open_page, desk: Desk, work):
    test = open_page("verify", designs="gpt2,llama")
    assert {m.label for m in test.metric} >= {"time", "memory", "budget after"}
    next(b for b in test.button if b.label == "Verify 2").click().run()
    assert [j.payload["design"] for j in desk.queue.all()] == ["llama", "gpt2"]
    work()
    test = open_page("verify")
    frame = results(test)
    assert set(frame["design"]) == {"gpt2", "llama"}
    assert not [c.value for c in test.caption if ":material/close:" in c.value], "what has a score is no failure"
    assert frame["bits/byte"].is_monotonic_increasing


def test_what_is_measured_already_is_neither_counted_nor_paid_for_again(open_page, desk: Desk, work, engine):
    engine.corpus = lambda path, scale, progress: FakeCorpus("python_docs")
    desk.verify(["gpt2"], "nano", [0, 1])
    work()
    left = desk.store.ledger.account("nano").left
    test = open_page("verify", designs="gpt2,llama", seeds="0-2")
    assert "2 of 6 are measured or under way already" in said(test)
    assert next(m for m in test.metric if m.label == "budget after").value.startswith(f"{left - 4:g} of")
    one, two = desk.estimate(["gpt2"], "nano").seconds, desk.estimate(["gpt2", "llama"], "nano", {"gpt2": 1, "llama": 3}).seconds
    assert two == pytest.approx(one + 3 * desk.estimate(["llama"], "nano").seconds)
    next(b for b in test.button if b.label == "Verify 4").click().run()
    work()
    assert desk.store.ledger.account("nano").left == left - 4
    assert desk.to_train(["gpt2", "llama"], "nano", [0, 1, 2, 3]) == {"gpt2": 1, "llama": 1}
    assert desk.to_train(["gpt2", "llama"], "nano", [0, 1, 2]) == {}
    assert desk.to_train(["gpt2"], "nano", [0], sweep=True) == {"gpt2": 1}
    desk.store.implementations.add("gpt2", "tester", desk.store.implementations.newest("gpt2").code + "# new\n")
    assert desk.to_train(["gpt2"], "nano", [0]) == {"gpt2": 1}


def test_a_spent_budget_is_said_in_words(open_page, desk: Desk):
    desk.set_budget("nano", 0)
    test = open_page("verify", designs="gpt2")
    assert next(b for b in test.button if b.label == "Verify 1").disabled
    assert "The budget of nano is too small for 1" in said(test)


def test_jobs_shows_a_failure_and_its_retry(open_page, desk: Desk, work, engine):
    engine.fail_next = RuntimeError("a bug")
    desk.queue.put("verify", "x", {"design": "gpt2", "scale": "nano", "seed": 0, "corpus": None, "label": ""}, max_attempts=1)
    desk.store.ledger.reserve("nano", "x")
    work()
    test = open_page("jobs")
    assert "RuntimeError: a bug" in said(test).replace("\\", "")
    next(b for b in test.button if b.label == "Try again").click().run()
    assert len(desk.queue.all()) == 2


@pytest.mark.parametrize("page", ["tree", "design"])
def test_hostile_text_is_shown_as_text(open_page, desk: Desk, page: str):
    desk.store.designs.add("evil", HOSTILE, Kind.AGENT, Mode.MUTATION, ["gpt2"], HOSTILE, summary=HOSTILE)
    desk.store.proposals.add("evil", HOSTILE, False, HOSTILE, HOSTILE + "\n" + "x" * 100_000, desk.store.proposals.newest("gpt2").units)
    desk.comment("evil", HOSTILE)
    test = open_page(page, design="evil")
    assert not any(m.allow_html for m in test.markdown)
    assert "\u202e" not in said(test), "a mark that turns round what stands after it is told, not obeyed"
    assert "U+202E" in said(test).replace("\\", "")


def test_smoothing_keeps_a_constant_and_curves_are_thinned():
    assert smoothed([2.0] * 5) == pytest.approx([2.0] * 5)
    points = [CurvePoint(i, i, 1.0, 2.0, 1e-3, 1.0, 1.0) for i in range(5000)]
    assert len(curve_figure([("a", points, False)]).data[0].x) <= 420
    assert curve_figure([("a", [], False)]).data == ()


def test_the_library_shows_every_reference_and_finds_by_unit(open_page, desk: Desk):
    test = open_page("library")
    text = said(test)
    for ref in desk.references():
        assert ref.title.split()[0] in text.replace("\\", "")
    assert sum(b.label == "Seed the tree" for b in test.button) == len(desk.references()) >= 18
    test.text_input(key="library-search").set_value("rg_lru").run()
    assert sum(b.label == "Seed the tree" for b in test.button) == 1
    test.text_input(key="library-search").set_value("nothing like it").run()
    assert "No reference fits" in said(test)


def test_a_reference_has_its_code_and_what_it_costs(open_page):
    test = open_page("library", design="griffin")
    assert any("class GAB" in c.value for c in test.code)
    assert any("trained" in t and t["scale"].iloc[0] == "nano" for t in tables(test))
    assert len(open_page("library", view="compare").dataframe[0].value) >= 18


GAB = """
from core.gab import GABBase
class GAB(GABBase):
    def _forward(self, X):
        return X
gab_config = {}
"""


def test_a_person_s_own_block_is_checked_mended_and_saved(open_page, desk: Desk, work, engine):
    engine.passes = lambda code: "broken" not in code
    test = open_page("library", view="own")
    test.text_area(key="own-code").set_value(GAB + "# broken")
    next(b for b in test.button if b.label == "Check").click().run()
    work()
    (job,) = desk.queue.all()
    test = open_page("library", view="own", job=str(job.id))
    assert "Failed" in said(test)
    assert test.text_area(key="own-code").value == GAB + "# broken"
    assert not any("Save" in b.label for b in test.button)
    test.text_area(key="own-code").set_value(GAB).run()
    assert "check it again" in said(test)
    next(b for b in test.button if b.label == "Check").click().run()
    work()
    test = open_page("library", view="own", job=str(desk.queue.all()[0].id))
    test.text_input[0].set_value("Nothing <b>at all</b>")
    next(b for b in test.button if "Save" in b.label).click().run()
    assert not test.exception
    made = desk.store.designs.get("nothing-b-at-all-b")
    assert (made.kind, made.status, made.title) == (Kind.MANUAL, Status.IMPLEMENTED, "Nothing <b>at all</b>")
    work()
    assert set(desk.costs(made.id)) == set(desk.scales)
    test = open_page("library", view="own", job=str(job.id + 1))
    assert "under other names" in said(test)


def test_wrong_library_links_become_words(open_page, desk: Desk):
    assert "there is no design" in said(open_page("library", design="nope"))
    assert "there is no job" in said(open_page("library", view="own", job="99"))
    assert said(open_page("library", view="nonsense"))


def test_the_debug_desk_checks_traces_and_saves_a_person_s_revision(open_page, desk: Desk, work):
    session = desk.start_session(["gpt2"], n_proposals=1, gate="auto", seed=1)
    work()
    (design,) = desk.store.designs.of_session(session.id)
    made = desk.store.implementations.newest(design.id)
    test = open_page("design", design=design.id, section="Debug")
    key = f"debug-{design.id}-{made.revision}"
    test.text_area(key=f"draft-code-{key}").set_value(made.code + "\n# by hand\n").run()
    test.button(key=f"check-{key}").click().run()
    work()
    job = desk.queue.all()[0]
    test = open_page("design", design=design.id, job=str(job.id))
    test.text_area(key=f"draft-code-{key}").set_value(made.code + "\n# by hand\n").run()
    test.button(key=f"save-{design.id}").click().run()
    assert not test.exception
    newest = desk.store.implementations.newest(design.id)
    assert (newest.revision, newest.author, newest.code) == (made.revision + 1, "you", made.code + "\n# by hand\n")
    assert newest.check.passed
    with pytest.raises(Conflict):
        desk.save_code(design.id, job.id, made.revision)
    with pytest.raises(UsageError, match="reference"):
        desk.save_code("gpt2", job.id, 1)


@pytest.mark.slow
def test_a_trace_names_every_module_with_its_shapes(open_page, desk: Desk, work):
    job = desk.trace_code(desk.store.implementations.newest("gla").code, "nano", 3, 17)
    work()
    found = desk.queue.get(job.id).result["trace"]
    assert found["failed"] == ""
    assert {"blocks.0", "blocks.0.root.mixer"} <= {r["module"] for r in found["rows"]}
    assert all("float32 (3, 17" in r["in"] or "(3, " in r["in"] for r in found["rows"])
    test = open_page("design", design="gla", job=str(job.id))
    assert any("module" in frame.value.columns for frame in test.dataframe)
    broken = desk.trace_code("from core.gab import GABBase\nclass GAB(GABBase):\n    def _forward(self, X):\n        print('here')\n        return X[0]\ngab_config = {}\n", "nano")
    work()
    assert "can be" in desk.queue.get(broken.id).result["trace"]["failed"] or "nearest" in desk.queue.get(broken.id).result["trace"]["failed"]


def test_what_trains_at_two_scales_is_drawn_on_axes_of_their_own_and_what_a_dead_worker_left_is_not(open_page, desk: Desk):
    for scale in ("nano", "micro"):
        desk.verify(["gpt2"], scale, [0])
        job = desk.queue.claim("w")
        assert job.payload["scale"] == scale
        begun = desk.store.verifications.start("gpt2", desk.store.implementations.newest("gpt2").id, scale, 0, "text", "hash", "", desk.scales[scale].settings)
        desk.store.curves.add(begun.id, [CurvePoint(i, 1000 * i, 3.0, 2.0, 1e-3, 1.0, 500.0) for i in range(1, 4)])
    left = desk.store.verifications.start("llama", desk.store.implementations.newest("llama").id, "nano", 0, "text", "hash", "", desk.scales["nano"].settings)
    desk.store.curves.add(left.id, [CurvePoint(1, 1000, 3.0, 2.0, 1e-3, 1.0, 500.0)])
    drawn = [json.loads(e.proto.json) for e in open_page("verify").get("bidi_component") if e.proto.component_name == "chart"]
    assert [c["words"] for c in drawn] == [f"Loss curves of what is training at {scale} now" for scale in ("nano", "micro")]
    assert [{t["name"] for t in c["figure"]["data"] if t.get("name")} for c in drawn] == [{"gpt2 nano #0"}, {"gpt2 micro #0"}]


def test_what_a_link_asks_for_and_is_not_here_is_told(open_page):
    assert "There is no scale zzz here" in said(open_page("verify", scale="zzz")).replace("\\", "")
    assert "Not here, or refused: nosuch" in said(open_page("studio", parents="gpt2,nosuch")).replace("\\", "")
