"""Gates of a run: what may begin, on whose word; nothing begins unasked, nothing is stranded, nothing is lost."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeEngine, FakeSystem
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from core.cli import main
from core.config import Config
from core.desk import Desk
from core.errors import Conflict, NotFound, UsageError
from core.gates import ASK, AUTO, Mode, Rule, parse_gates, parse_rule
from core.store import Store
from core.types import Act, JobState, Kind, Status, Verb

LOW = Rule(Mode.ASK_IF, rating_below=3)
RULES = [ASK, AUTO, LOW]


# ------------------------------------------------------------------------------------------------ rules in words


@pytest.mark.parametrize(("text", "rules"), [
    (["implement=ask,verify:micro=ask-if:rating<3"], {"implement": ASK, "verify:micro": LOW}),
    (["propose=auto", "verify=ask-if:rating<3,cost>20,similarity>0.9"], {"propose": AUTO, "verify": Rule(Mode.ASK_IF, 3, 20, 0.9)}),
])
def test_gates_are_read_from_the_command_line(text, rules):
    assert parse_gates(text) == rules
    assert all(parse_rule(rule.words) == rule for rule in rules.values())


@pytest.mark.parametrize("text", ["ask", "implement=perhaps", "verify=ask-if:rating<much", "verify=ask-if:colour>3", "implement=auto:rating<3"])
def test_a_gate_that_is_none_is_refused_in_words(text):
    with pytest.raises(UsageError) as caught:
        parse_gates([text])
    assert caught.value.mend


@pytest.mark.parametrize(("step", "rule"), [("compile", ASK), ("verify:huge", ASK), ("implement:nano", ASK), ("propose", LOW), ("implement", Rule(Mode.ASK_IF)),
                                            ("implement", Rule(Mode.ASK_IF, rating_below=9))])
def test_a_rule_that_cannot_hold_at_its_step_is_refused(desk: Desk, step: str, rule: Rule):
    with pytest.raises(UsageError):
        desk.evolve(1, {"nano": 1}, gates={step: rule})
    assert desk.run_ids() == []


def test_what_is_not_known_is_asked_about_and_what_does_not_apply_is_not():
    assert "not known" in LOW.asks({"rating": None})
    assert "2.5 is below 3" in LOW.asks({"rating": 2.5})
    assert LOW.asks({"rating": 3.5}) == LOW.asks({}) == ""


# ------------------------------------------------------------------------------------------------ any order of events

OPS = st.one_of(
    st.tuples(st.just("look"), st.integers(0, 3), st.sampled_from([1.0, 4.0, None])),
    st.tuples(st.just("switch"), st.sampled_from(RULES)),
    st.tuples(st.just("say"), st.integers(0, 3), st.booleans()),
)


@pytest.fixture(scope="module")
def module_store(tmp_path_factory: pytest.TempPathFactory):
    store = Store.open(Config.from_env({"DATA_DIR": str(tmp_path_factory.mktemp("gates"))}), migrate=True)
    yield store
    store.close()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ops=st.lists(OPS, max_size=14))
def test_whatever_the_order_nothing_begins_unasked_and_nothing_is_stranded(module_store: Store, ops):
    """Against a model that fits on a screen: what may begin is decided by the rule and the last word at that moment, and by nothing else."""
    book, run = module_store.gates, f"run-{len(module_store.decisions.recent(10**6))}-{module_store.last_event_id()}"
    rule, words, begun, seen = AUTO, {}, set(), set()
    for op in ops:
        if op[0] == "switch":
            rule = op[1]
            book.switch(run, "implement", rule, "ann")
        elif op[0] == "say":
            thing = f"d{op[1]}"
            if thing in seen:                     # the desk refuses a word on what nobody asked about
                words[thing] = op[2]
                book.say(run, "implement", thing, op[2], "ann")
        else:
            thing, facts = f"d{op[1]}", {"rating": op[2]}
            passes = words.get(thing) is not False and (thing in begun or words.get(thing) or not rule.asks(facts))
            assert book.enter(run, "implement", thing, facts) is bool(passes)
            seen.add(thing)
            begun |= {thing} if passes else set()
            facts_of = book.read(run).entries["implement", thing]
            assert bool(facts_of.began) is (thing in begun)
    now = book.read(run)
    assert {s for _, s in now.entries} == seen                                   # nothing is lost
    for entry in now.entries.values():
        if not now.why(entry):                                                   # the page says that it may go on: so a worker that looks begins it
            assert book.enter(run, "implement", entry.subject, entry.facts)
        else:
            assert not book.enter(run, "implement", entry.subject, entry.facts)
    for event in module_store.events.since(f"gates:{run}"):
        if event.kind == "began":                                                # and each beginning names the rule, or the decision, by which it did
            told = parse_rule(event.data["rule"])
            assert event.data["decision"] or not told.asks(event.data["facts"])


def test_two_workers_and_a_person_at_once_begin_nothing_after_the_gate_was_shut(module_store: Store):
    book, run, began = module_store.gates, "run-race", []
    shut = threading.Event()

    def worker(n: int) -> None:
        for k in range(12):
            late = shut.is_set()
            if book.enter(run, "implement", f"{n}-{k}", {}) and late:
                began.append((n, k))

    threads = [threading.Thread(target=worker, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    book.switch(run, "implement", ASK, "ann")
    shut.set()
    for thread in threads:
        thread.join()
    assert began == []
    entries = book.read(run).entries
    assert len(entries) == 24
    assert {e.subject for e in book.read(run).closed()} == {e.subject for e in entries.values() if not e.began}


# ------------------------------------------------------------------------------------------------ a whole run


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with the library in it, to copy."""
    path = tmp_path_factory.mktemp("seeded")
    FakeSystem(Config.from_env({"DATA_DIR": str(path)}), FakeEngine()).open().store.close()
    return path


@pytest.mark.slow
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], phases=[Phase.explicit, Phase.reuse, Phase.generate])    # a run each: shrinking takes minutes
@example(ops=[("propose=ask", 0), ("work", 0), ("work", 0), ("hold", 3)])
@given(ops=st.lists(st.tuples(st.sampled_from(["work", "let", "hold", "undo", "pause", "resume", "step", *(f"{step}={rule.words}" for step in ("implement", "verify", "propose")
                                                for rule in (ASK, AUTO))]), st.integers(0, 3)), max_size=10))
def test_a_run_under_random_hands_ends_with_nothing_stranded(seeded: Path, tmp_path_factory: pytest.TempPathFactory, ops):
    data = shutil.copytree(seeded, tmp_path_factory.mktemp("run") / "data")
    system = FakeSystem(Config.from_env({"DATA_DIR": str(data)}), FakeEngine())
    desk = system.open()
    run = desk.evolve(2, {"nano": 2}, seed=1, n_proposals=1, gates={"implement": ASK, "verify": ASK}).subject
    try:
        for op, n in ops:
            waiting = desk.gated(run)
            if op == "work":
                system.worker(desk.store, "w").run_one()
            elif op in ("let", "hold"):
                if waiting:
                    (desk.let if op == "let" else desk.hold)(waiting[n % len(waiting)])
            elif op == "undo":
                with contextlib.suppress(Conflict):              # what has begun stays
                    desk.undo(desk.store.decisions.recent(1)[0].id)
            elif op in ("pause", "resume", "step"):
                {"pause": desk.pause_run, "resume": desk.resume_run, "step": desk.step_run}[op](run)
            else:
                ((step, rule),) = parse_gates([op]).items()
                desk.set_gate(run, step, rule)
        for event in desk.store.events.since(f"gates:{run}"):                    # implement and verify asked, and propose did not
            assert event.kind != "began" or event.data["decision"] or event.data["rule"] == "auto"
        for step in ("propose", "implement", "verify"):
            desk.set_gate(run, step, AUTO)
        desk.resume_run(run)
        worker = system.worker(desk.store, "w")
        while worker.run_one() is not None:
            pass
        assert desk.gated(run) == []
        assert desk.run(run).state == "done"
        assert all(a.reserved == 0 for a in desk.run(run).accounts.values())
        assert desk.run(run).accounts["design"].left == 0
    finally:
        desk.store.close()


def test_a_gate_before_each_verification_waits_and_holds_up_nothing_else(desk: Desk, work, engine):
    run = desk.evolve(1, {"nano": 2, "micro": 1}, seed=0, gates={"verify:nano": Rule(Mode.ASK_IF, rating_below=5), "verify:micro": ASK}).subject
    work()
    waiting = desk.gated(run)
    assert {(g.step, g.design) for g in waiting} >= {("verify:micro", "gpt2")}
    (own,) = [g for g in waiting if g.step == "verify:nano"]
    assert "is below 5" in own.why
    assert "left at nano" in own.cost
    assert [scale for _, scale, _ in engine.verified] == ["nano"]                # the reference: nobody rates it
    assert desk.run(run).state == "waiting"
    desk.let(own)
    work()
    assert len(engine.verified) == 2
    with pytest.raises(Conflict, match="begun"):
        desk.let(own)
    desk.hold(next(g for g in desk.gated(run) if g.step == "verify:micro" and g.design == "gpt2"), "not yet")
    work()
    assert [g.design for g in desk.gated(run, held=True) if g.held] == ["gpt2"]
    assert "micro" not in [scale for _, scale, _ in engine.verified]


def test_a_person_is_asked_before_the_largest_scales_unless_they_said_otherwise(desk: Desk):
    rules = [desk.gate_rules(desk.evolve(1, {"nano": 1, "350M": 1}, gates=gates).subject) for gates in (None, {"verify:350M": AUTO}, {"verify": AUTO})]
    assert [(r.get("verify:350M", AUTO), r.get("verify:nano", AUTO)) for r in rules] == [(ASK, AUTO), (AUTO, AUTO), (AUTO, AUTO)]


def test_a_session_that_is_held_before_it_opens_gives_way_to_another(desk: Desk, work):
    run = desk.evolve(1, {"nano": 1}, seed=0, gates={"propose": ASK}).subject
    work()
    (first,) = desk.gated(run)
    held = desk.hold(first, "not these parents")
    work()
    (second,) = desk.gated(run)
    assert second.subject != first.subject
    desk.undo(held.id)
    assert [g.subject for g in desk.gated(run)] == [first.subject]      # what was asked first is asked again, alone
    desk.let(desk.gated(run)[0])
    work()
    assert [s.id for s in desk.store.sessions.all()] == [first.subject]
    assert (desk.gated(run), desk.run(run).state) == ([], "done")


def test_an_approval_that_is_taken_back_shuts_the_gate_that_it_opened(desk: Desk, work):
    run = desk.evolve(1, {"nano": 2}, seed=0, gate="ask").subject
    work()
    (asked,) = desk.gated(run)
    made = desk.approve(asked.design, implement=True)
    assert desk.gated(run) == []
    desk.undo(made.id)
    assert [g.subject for g in desk.gated(run)] == [asked.subject]
    work()
    assert desk.store.designs.get(asked.design).status is Status.PROPOSED
    desk.approve(asked.design, implement=True)
    work()
    with pytest.raises(Conflict, match="cannot be taken back"):
        desk.undo(next(d for d in desk.store.decisions.of(asked.design) if d.verb is Verb.GATE).id)


def test_of_two_people_at_one_gate_the_second_is_told(desk: Desk, work):
    run = desk.evolve(1, {"nano": 2}, seed=0, gate="ask").subject
    work()
    (asked,) = desk.gated(run)
    desk.let(asked)
    with pytest.raises(Conflict, match="let it through meanwhile"):
        desk.hold(asked)
    desk.undo(desk.store.decisions.recent(1)[0].id)
    assert [g.subject for g in desk.gated(run)] == [asked.subject]


def test_switching_a_gate_lets_go_on_what_waits_by_the_new_rule(desk: Desk, work):
    run = desk.evolve(1, {"nano": 2}, seed=0, gate="ask").subject
    work()
    assert [g.step for g in desk.gated(run)] == ["implement"]
    desk.set_gate(run, "implement", AUTO)
    assert desk.run(run).state == "queued"
    work()
    assert (desk.run(run).state, desk.gated(run)) == ("done", [])


def test_what_a_person_holds_gives_way_to_the_next_best(desk: Desk, work):
    run = desk.evolve(1, {"nano": 2}, seed=0, gate="ask").subject
    work()
    (first,) = desk.gated(run)
    desk.hold(first, "seen before")
    work()
    (second,) = desk.gated(run)
    assert second.design != first.design
    desk.let(second)
    work()
    assert desk.store.designs.get(second.design).status is Status.VERIFIED
    assert desk.store.implementations.newest(first.design) is None


def test_a_refusal_sends_the_run_on_to_the_next_best(desk: Desk, work):
    run = desk.evolve(1, {"nano": 2}, seed=0, gate="ask").subject
    work()
    (first,) = desk.gated(run)
    desk.refuse(first.design, "too dear")
    work()
    (second,) = desk.gated(run)
    assert second.design != first.design


@pytest.mark.parametrize("turn_down", [lambda desk, gate: desk.refuse(gate.design, "too dear"), lambda desk, gate: desk.hold(gate)], ids=["refused", "held"])
def test_what_was_turned_down_and_is_taken_back_is_asked_again_alone(desk: Desk, work, turn_down: Callable):
    run = desk.evolve(1, {"nano": 2}, seed=0, gate="ask").subject
    work()
    (first,) = desk.gated(run)
    made = turn_down(desk, first)
    work()
    (second,) = desk.gated(run)
    desk.undo(made.id)
    assert [g.design for g in desk.gated(run)] == [first.design]
    work()
    assert [g.design for g in desk.gated(run)] == [first.design]
    desk.hold(desk.gated(run)[0])
    assert [g.design for g in desk.gated(run)] == [second.design]
    desk.let(desk.gated(run)[0])
    work()
    assert (desk.store.designs.get(second.design).status, desk.gated(run)) == (Status.VERIFIED, [])


def test_nothing_opens_before_a_person_lets_it_and_it_opens_as_they_saw_it(desk: Desk, work):
    run = desk.evolve(1, {"nano": 1}, seed=0, gates={"propose": ASK}).subject
    work()
    assert desk.store.sessions.open(run) == []
    (asked,) = desk.gated(run)
    assert asked.words.startswith("open session")
    desk.verify(["llama"], "nano", [0])          # the tree moves on meanwhile
    work()
    desk.let(asked)
    work()
    (session,) = [s for s in desk.store.sessions.all() if s.run_id == run]
    assert (str(session.mode), list(session.parents)) == (asked.facts["mode"], asked.facts["parents"])


def test_a_word_that_comes_while_the_worker_ends_is_not_overlooked(desk: Desk, work):
    """The job that ran has looked already when the person answers: another one is behind it."""
    run = desk.evolve(1, {"nano": 2}, seed=0, gate="ask").subject
    worker_has = desk.queue.claim("slow")
    assert worker_has
    again = desk.put_run(run)
    assert again.id != worker_has.id
    assert desk.put_run(run).id == again.id
    assert desk.queue.claim("other") is None     # never two at once
    desk.queue.finish(worker_has, {"outcome": "waiting"})
    taken = desk.queue.claim("other")
    assert taken
    assert taken.id == again.id


# ------------------------------------------------------------------------------------------------ pause, step, choose


def test_one_step_is_one_act_and_then_it_pauses(desk: Desk, work, engine):
    run = desk.evolve(2, {"nano": 3}, seed=0, n_proposals=1).subject
    desk.pause_run(run)
    work()
    assert (desk.run(run).state, engine.verified, desk.store.sessions.all()) == ("paused", [], [])
    for acts in (1, 2, 3):
        desk.step_run(run)
        work()
        assert len(engine.verified) + len(desk.store.sessions.all()) == acts
        assert desk.run(run).state == "paused"
    desk.resume_run(run)
    work()
    assert desk.run(run).state == "done"


def test_a_budget_that_is_raised_takes_a_run_that_ended_up_again(desk: Desk, work, engine):
    run = desk.evolve(0, {"nano": 1}, seed=0).subject
    work()
    assert desk.run(run).state == "done"
    desk.set_budget(f"{run}/nano", 2)
    desk.set_budget(f"{run}/micro", 1)           # a scale that it did not have
    work()
    assert sorted(scale for _, scale, _ in engine.verified) == ["micro", "nano", "nano"]
    with pytest.raises(NotFound):
        desk.set_budget("run-nowhere/nano", 2)


def test_the_next_act_of_a_kind_takes_a_persons_choice_and_says_so(desk: Desk, work, engine):
    run = desk.evolve(1, {"nano": 3}, seed=0, gates={"verify": ASK}).subject
    desk.choose_verification(run, "mamba2", "nano")
    desk.choose_parents(run, ["llama", "gpt2"])
    assert len(desk.chosen(run)) == 2
    work()
    assert desk.chosen(run) == []
    (session,) = [s for s in desk.store.sessions.all() if s.run_id == run]
    assert session.parents == ("llama", "gpt2")
    assert [d.design_id for d in desk.store.verifications.all()] == ["mamba2"]   # a choice is a word at the gate too
    by_person = [w for w in desk.whys(run) if w.by_person]
    assert {w.act for w in by_person} == {Act.DESIGN, Act.VERIFY}
    assert all("chose it" in w.explanation.words for w in by_person)


@pytest.mark.parametrize("wrong", [lambda d, r: d.choose_verification(r, "gpt2", "huge"), lambda d, r: d.choose_verification(r, "gpt2", "micro"),
                                   lambda d, r: d.choose_parents(r, ["nobody"]), lambda d, r: d.step_run("run-x"), lambda d, r: d.set_gate("run-x", "implement", ASK),
                                   lambda d, r: d.find_gated(r, "nothing"), lambda d, r: d.skip_session(r, "nothing"), lambda d, r: d.switch_model("rule_reviewer", "x")])
def test_wrong_words_to_a_run_are_named_and_mended(desk: Desk, wrong: Callable):
    run = desk.evolve(1, {"nano": 1}).subject
    with pytest.raises((UsageError, NotFound)) as caught:
        wrong(desk, run)
    assert caught.value.mend


def test_the_selector_tells_why_and_what_else_there_was(desk: Desk, work):
    run = desk.evolve(1, {"nano": 2}, seed=0).subject
    work()
    told = desk.whys(run)
    verify, design = next(w for w in told if w.act is Act.VERIFY), next(w for w in told if w.act is Act.DESIGN)
    assert verify.explanation.words
    assert {c.at for c in verify.explanation.candidates} == {"nano"}
    assert sum(c.weight for c in design.explanation.candidates) == pytest.approx(1, abs=0.35)
    assert "drawn" in design.explanation.words


# ------------------------------------------------------------------------------------------------ refusals, skips


def test_a_design_refused_while_its_code_is_written_is_not_finished(desk: Desk, work, system, monkeypatch):
    session = desk.start_session(["gpt2"], n_proposals=2, gate="auto", seed=3)
    coder = type(system.team(desk).coder("compose_coder", None, {}))
    written: list[str] = []
    whole = coder.implement

    def refused_meanwhile(self, task, dialog):
        written.append(task.proposal.design_id)
        if len(written) == 1:
            desk.refuse(task.proposal.design_id, "changed my mind")
        return whole(self, task, dialog)

    monkeypatch.setattr(coder, "implement", refused_meanwhile)
    work()
    first, second = written
    assert desk.store.designs.get(first).status is Status.REFUSED
    assert desk.store.designs.get(second).status is Status.IMPLEMENTED
    assert desk.store.sessions.get(session.id).closed_at
    (made,) = [d for d in desk.store.designs.of_session(session.id) if desk.store.implementations.newest(d.id) and desk.store.implementations.newest(d.id).check]
    assert made.id == second


def test_a_session_that_is_skipped_gives_way_and_is_paid_for_what_it_made(desk: Desk, work):
    run = desk.evolve(2, {"nano": 1}, seed=0, gate="ask").subject
    work()
    (session,) = desk.store.sessions.open(run)
    desk.skip_session(run, session.id, "not worth it")
    work()
    assert desk.store.sessions.get(session.id).closed_at
    (second,) = desk.store.sessions.open(run)
    assert second.id != session.id
    assert desk.run(run).accounts["design"].spent == 1
    assert [g.session for g in desk.gated(run)] == [second.id]


def test_a_verification_that_is_skipped_is_passed_over(desk: Desk, work, engine, system):
    run = desk.evolve(0, {"nano": 1}, seed=0).subject
    asked = threading.Event()

    def verify(task, on_point, progress, on_event):
        engine.verified.append((task.code, task.scale.name, task.seed))
        if len(engine.verified) == 1:
            desk.skip_verification(run, "the machine is needed")
            asked.set()
            for _ in range(200):
                progress.check_cancel()
                threading.Event().wait(0.02)
        return FakeEngine.verify(FakeEngine(), task, on_point, progress, on_event)

    engine.verify = verify
    work()
    assert asked.is_set()
    assert [v.design_id for v in desk.store.verifications.all() if v.metrics] != ["gpt2"]
    assert (desk.run(run).accounts["nano"].spent, desk.run(run).accounts["nano"].reserved) == (1, 0)


def test_every_word_on_a_run_is_a_decision_with_its_author(desk: Desk, work):
    run = desk.evolve(1, {"nano": 1}, gate="ask").subject
    work()
    desk.set_gate(run, "propose", ASK)
    desk.let(desk.gated(run)[0], "good")
    desk.pause_run(run)
    verbs = [(d.verb, d.author) for d in desk.store.decisions.of(session_id=run)]
    assert verbs == [(Verb.GATE, "tester"), (Verb.GATE, "tester"), (Verb.PAUSE, "tester")]
    assert desk.run(run).state in ("paused", "pausing")
    assert all(d.kind is not Kind.MANUAL for d in desk.store.designs.all())
    assert desk.queue.of([run])[0].state in (JobState.QUEUED, JobState.DONE)


# ------------------------------------------------------------------------------------------------ the command line


@pytest.fixture
def cli(desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Callable[..., tuple[int, Any]]:
    """`python -m core … --json` on this test's data: (exit code, what it printed)."""
    monkeypatch.setenv("DATA_DIR", str(Path(desk.store.database.path).parent))

    def run(*args: str) -> tuple[int, Any]:
        code = main([*args, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return run


def test_a_run_is_begun_watched_and_told_what_to_do_from_the_command_line(desk: Desk, cli, work):
    code, begun = cli("evolve", "--design-budget", "1", "--verify-budget", "nano=8,micro=2", "--gates", "implement=ask,verify:micro=ask-if:rating<3", "--detach")
    assert code == 0
    run = begun["run"]
    assert cli("runs")[1][0]["run"] == run
    work()
    code, shown = cli("run", "show", run)
    assert (code, shown["state"], shown["gates"]["verify:micro"]) == (0, "waiting", "ask-if:rating<3")
    (waiting,) = shown["gated"]
    assert cli("run", "pause", run)[1]["state"] == "paused"
    assert cli("run", "gate", run, "propose=ask")[1]["gates"]["propose"] == "ask"
    assert cli("run", "hold", run, waiting["subject"], "--reason", "seen")[1]["gated"][0]["held"]
    assert cli("run", "let", run, waiting["design"])[1]["gated"] == []
    assert cli("run", "choose", run, "design=llama")[1]["state"] == "paused"
    assert desk.chosen(run)[0].data["parents"] == ["llama"]
    assert "# Run" in cli("run", "report", run)[1]["markdown"]


@pytest.mark.parametrize("wrong", [("run", "show", "run-x"), ("run", "gate", "RUN", "implement=maybe"), ("run", "let", "RUN"), ("run", "let", "RUN", "nothing"),
                                   ("run", "choose", "RUN", "verify=gpt2"), ("run", "skip", "RUN"), ("run", "report", "RUN", "--out", "/nowhere/at/all.md"),
                                   ("evolve", "--gates", "compile=ask", "--detach"), ("evolve", "--gates", "rating<3", "--detach")])
def test_wrong_words_on_the_command_line_are_named_and_mended(desk: Desk, cli, wrong):
    run = desk.evolve(1, {"nano": 1}).subject
    code, said = cli(*(run if word == "RUN" else word for word in wrong))
    assert code in (1, 2)
    assert said["error"]
    assert said["mend"]
