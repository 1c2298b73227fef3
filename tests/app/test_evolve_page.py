"""The Evolve page without a browser: start, gates, pause and step, what waits, what it brought."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from screens import HOSTILE, said

from core.desk import Desk, Rule
from core.types import CallState, JobKind, JobState, Kind, Mode, Verb

ROOT = Path(__file__).resolve().parent.parent.parent
ASK = Rule.from_dict({"rule": "ask"})


def press(test, key: str):
    next(b for b in test.button if b.key == key).click().run()
    assert not test.exception, test.exception
    return test


def keys(test) -> set[str]:
    return {b.key for b in test.button if not b.disabled}


@pytest.fixture
def waiting(desk: Desk, work) -> str:
    """A run that waits at its gate before implementing."""
    run = desk.evolve(2, {"nano": 2}, seed=0, gate="ask").subject
    work()
    return run


def test_an_empty_desk_says_what_to_do_first(open_page):
    test = open_page("evolve")
    assert "press Start" in said(test)
    assert "run-start" in keys(test)


def test_a_run_starts_from_the_form_with_its_gates(open_page, desk: Desk):
    test = open_page("evolve")
    next(n for n in test.number_input if n.key == "run-sessions").set_value(2).run()
    press(test, "run-start")
    (run,) = desk.runs()
    assert (run.state, run.accounts["design"].granted, run.accounts["nano"].granted) == ("queued", 2, 4)
    assert desk.gate_rules(run.id)["implement"] == ASK
    assert desk.gate_rules(run.id)["verify:nano"].words == "auto"


def test_what_is_folded_asks_for_the_same_whether_it_was_opened_or_not_and_outlives_a_walk(open_page, desk: Desk):
    test = open_page("evolve")
    assert not [s for s in test.selectbox if s.key == "run-selector"], "what nobody opened is not drawn"
    press(test, "run-start")
    test = open_page("evolve")
    test.session_state["run-more"] = True
    test.run()
    press(test, "run-start")
    as_it_is, opened = ({key: value for key, value in desk.run_settings(run.id).items() if key not in ("run", "line")} for run in desk.runs())
    assert as_it_is == opened
    test = open_page("evolve")
    test.session_state["run-more"] = True
    test.run()
    next(s for s in test.selectbox if s.key == "run-selector").set_value("greedy").run()
    next(n for n in test.number_input if n.key == "run-n").set_value(5).run()
    for page in ("compare", "evolve"):
        test.switch_page(str(ROOT / "pages" / f"{page}.py")).run()
    before = {run.id for run in desk.runs()}
    press(test, "run-start")
    (third,) = (desk.run_settings(run.id) for run in desk.runs() if run.id not in before)
    assert (third["selector"], third["n_proposals"]) == ("greedy", 5)


def test_gates_chosen_for_a_new_run_outlive_a_walk_to_another_page(open_page, desk: Desk):
    test = open_page("evolve")
    for label, mode in (("Before implementing", "ask if"), ("Before verifying at nano", "ask")):
        next(c for c in test.button_group if c.label == label).set_value(mode).run()
    next(n for n in test.number_input if n.label == "rating below").set_value(3.5).run()
    for page in ("compare", "evolve"):
        test.switch_page(str(ROOT / "pages" / f"{page}.py")).run()
        assert not test.exception, test.exception
    press(test, "run-start")
    (run,) = desk.runs()
    rules = desk.gate_rules(run.id)
    assert (rules["implement"].words, rules["verify:nano"].words) == ("ask-if:rating<3.5", "ask")


def test_what_waits_is_told_with_its_cost_and_let_through(open_page, desk: Desk, work, waiting: str):
    test = open_page("evolve", run=waiting)
    (gated,) = desk.gated(waiting)
    words = said(test).replace("\\", "")
    assert f"Write code for {gated.design}" in words
    assert "It costs nothing" in words
    press(test, f"let-implement-{gated.design}")
    work()
    assert desk.store.implementations.newest(gated.design)
    assert any(d.verb is Verb.GATE and d.data["let"] for d in desk.store.decisions.of(session_id=waiting))


def test_what_is_held_can_be_let_through_after_all(open_page, desk: Desk, waiting: str):
    (gated,) = desk.gated(waiting)
    test = open_page("evolve", run=waiting)
    next(t for t in test.text_input if t.key == f"why-implement-{gated.design}").input("too near its parent")
    press(test, f"hold-implement-{gated.design}")
    assert desk.gated(waiting) == []
    assert "too near its parent" in [d.reason for d in desk.store.decisions.of(session_id=waiting) if d.verb is Verb.GATE]
    assert "Held: 1" in [e.label for e in test.expander]
    press(test, f"relet-implement-{gated.design}")
    assert desk.gated(waiting, held=True) == []


def test_a_gate_switched_on_the_page_holds_at_once(open_page, desk: Desk, work, waiting: str):
    test = open_page("evolve", run=waiting)
    control = next(c for c in test.button_group if c.label == "Before implementing")
    control.set_value("auto").run()
    assert not test.exception
    assert desk.gate_rules(waiting)["implement"].words == "auto"
    work()
    assert desk.run(waiting).state == "done"


def test_pause_step_and_resume(open_page, desk: Desk, work):
    run = desk.evolve(1, {"nano": 2}, seed=0).subject
    test = press(open_page("evolve", run=run), "run-pause")
    work()
    assert desk.run(run).state == "paused"
    test = press(open_page("evolve", run=run), "run-step")
    work()
    assert desk.run(run).state == "paused"
    assert len(desk.store.verifications.all()) == 1
    test = press(open_page("evolve", run=run), "run-resume")
    work()
    assert desk.run(run).state == "done"
    test = open_page("evolve", run=run)
    assert not {"run-pause", "run-resume", "run-step", "run-stop"} & keys(test)
    assert "is its best at nano" in said(test)


def test_a_run_that_waits_is_paused_and_what_is_let_through_begins_when_it_is_resumed(open_page, desk: Desk, work, waiting: str):
    test = press(open_page("evolve", run=waiting), "run-pause")
    assert desk.run(waiting).state == "paused"
    (gated,) = desk.gated(waiting)
    press(test, f"let-implement-{gated.design}")
    work()
    assert desk.store.implementations.newest(gated.design) is None
    press(open_page("evolve", run=waiting), "run-resume")
    work()
    assert desk.store.implementations.newest(gated.design)


def test_a_run_whose_worker_is_gone_says_so(open_page, desk: Desk):
    run = desk.evolve(1, {"nano": 1}, seed=0).subject
    job = desk.queue.claim("w")
    desk.queue.seen("w", job.id)
    desk.queue.heartbeat(job, 0.1, "step 21 of 300")
    assert (desk.run(run).state, desk.run(run).words) == ("running", "step 21 of 300")
    desk.queue.gone("w")
    assert desk.run(run).state == "queued"
    test = open_page("evolve", run=run)
    assert "its worker is gone" in said(test)
    assert "step 21" not in said(test)
    assert [(s.kind, s.why) for s in desk.stalls(run)] == [("worker", "the one that had the run is gone")]


def test_a_step_is_told_as_one_and_the_machine_s_own_pause_is_nobody_s_word(desk: Desk, work):
    run = desk.evolve(1, {"nano": 1}, seed=0).subject
    desk.pause_run(run)
    desk.step_run(run)
    work()
    desk.resume_run(run)
    assert [r.words for r in desk.recent(3)] == [f"let {run} go on", f"had {run} do one act", f"paused {run}"]


def test_budgets_are_raised_while_it_waits(open_page, desk: Desk, waiting: str):
    test = open_page("evolve", run=waiting)
    next(n for n in test.number_input if n.key.startswith("total-")).set_value(5.0).run()
    press(test, f"set-budget-{waiting}")
    assert desk.run(waiting).accounts["design"].granted == 5


def test_the_selectors_reasons_are_told_and_another_choice_takes_their_place(open_page, desk: Desk, waiting: str):
    test = open_page("evolve", run=waiting)
    assert "was drawn" in said(test)
    next(m for m in test.multiselect if m.key.startswith("instead-parents")).set_value(["llama"]).run()
    press(test, f"instead-design-{waiting}")
    (chosen,) = desk.chosen(waiting)
    assert chosen.data["parents"] == ["llama"]
    press(test, f"unchoose-{chosen.id}")
    assert desk.chosen(waiting) == []


def test_a_model_that_hangs_is_named_with_the_ways_out(open_page, desk: Desk, waiting: str):
    (session,) = desk.store.sessions.open(waiting)
    call = desk.store.calls.begin("k", "h", {}, "openai:gpt-x", {}, 600, stream=f"session:{session.id}", author="designer", run_id=waiting)
    with desk.store.database.write() as c:
        c.exec_driver_sql("update calls set started_at = ?", (str(datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=4)),))
    (stall,) = desk.stalls(waiting)
    assert (stall.kind, stall.model, stall.agent) == ("call", "openai:gpt-x", "designer")
    test = open_page("evolve", run=waiting)
    assert "Waiting on openai:gpt-x (designer)** for 4 min" in said(test).replace("\\", "")
    one = f"call-{session.id}"
    assert {f"stall-retry-{one}", f"stall-switch-{one}", f"stall-skip-{one}"} <= keys(test)
    press(test, f"stall-skip-{one}")
    desk.store.calls.finish(call, CallState.CUT, usage={}, money=None, charges={})
    assert desk.store.sessions.get(session.id).closed_at


def test_another_model_for_an_agent_is_saved_as_the_persons_version(desk: Desk):
    made = desk.switch_model("designer", "tier:fast" if any("fast" in e.tiers for e in desk.catalogue.entries.values()) else "tier:strong")
    assert desk.is_own("designer")
    assert made.models[0].startswith("tier:")


def test_a_failed_run_says_why_and_is_tried_again(open_page, desk: Desk, work, engine):
    engine.fail_next = engine.fail_after = None
    run = desk.evolve(0, {"nano": 1}).subject
    job = desk.queue.claim("w", [JobKind.EVOLVE])
    desk.queue.fail(job, "the disk is full", retry=False)
    test = open_page("evolve", run=run)
    assert "The run failed" in said(test)
    assert "the disk is full" in said(test)
    press(test, "stall-retry-failed-the-run-failed")
    work()
    assert desk.run(run).state == "done"
    assert desk.queue.get(job.id).state is JobState.FAILED


def test_hostile_words_are_shown_as_text_on_the_page_and_in_the_report(open_page, desk: Desk, waiting: str):
    (session,) = desk.store.sessions.open(waiting)
    (gated,) = desk.gated(waiting)
    desk.edit(gated.design, f"![x](http://e/x.png) {HOSTILE} | a", "body")
    desk.guide(HOSTILE)
    desk.refuse(gated.design, HOSTILE)
    test = open_page("evolve", run=waiting)
    assert not test.exception
    report = desk.morning(waiting).markdown()
    assert "![x]" not in report
    assert "<script" not in report.replace("\\<", "")
    assert len(report.split("## Made")[1].split("## Verified")[0].strip().splitlines()) == 4 + len(desk.store.designs.of_session(session.id))


def test_the_report_says_what_was_made_against_the_reference_spent_and_waits(desk: Desk, work, engine):
    run = desk.evolve(2, {"nano": 3}, seed=0).subject
    work()
    found = desk.morning(run)
    text = found.markdown()
    assert found.best[0].reference == "gpt2"
    assert "95 % interval" in text
    assert f"## Made: {len([d for d in desk.store.designs.all() if d.kind is Kind.AGENT])}" in text
    assert "| design | 2 | 2 |" in text
    assert desk.morning(run, datetime.now(UTC)).designs == ()


@pytest.mark.parametrize("run", ["run-nowhere", HOSTILE])
def test_a_wrong_link_is_words(open_page, run: str):
    assert "there is no run" in said(open_page("evolve", run=run))


def test_a_person_reads_what_every_mode_of_a_design_would_start(desk: Desk, work):
    run = desk.evolve(1, {"nano": 1}, gates={"propose": ASK}).subject
    work()
    (gated,) = desk.gated(run)
    assert any(str(mode) in gated.words for mode in Mode)
