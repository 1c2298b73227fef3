"""Before a run trains a new design at a rung that asks for probes, it is probed: one that learns next to nothing is passed over, unless a person wants it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from fakes import FakeEngine, FakeSystem

from core.build import make_selector
from core.desk import Desk
from core.errors import UsageError
from core.gates import ASK
from core.jobs import JobContext
from core.lab import Run
from core.types import Act, Kind, ProbeResult


@pytest.fixture
def probing(config, desk: Desk, engine: FakeEngine, tmp_path) -> tuple[Desk, Callable[[], None]]:
    """A desk whose nano asks for the quick suite, and work on it."""
    path = tmp_path / "scales.yaml"
    path.write_text(config.scales_file.read_text().replace("minutes: 1}", "minutes: 1, probes: quick}"))
    system = FakeSystem(replace(config, scales_file=path), engine)
    again = Desk.open(system.config, "tester", desk.store)
    assert again.scales["nano"].probes == "quick"
    assert again.scales["nano"].settings == desk.scales["nano"].settings, "what is asked before does not change what is measured"

    def work() -> None:
        worker = system.worker(desk.store, "w")
        while worker.run_one() is not None:
            pass

    return again, work


def made_by(desk: Desk, run: str) -> list[str]:
    return [d.id for d in desk.store.designs.all() if d.kind is Kind.AGENT and d.session_id and desk.store.sessions.get(d.session_id).run_id == run]


def passed_over(desk: Desk, run: str) -> dict[str, str]:
    return {e.data["design"]: e.data["why"] for e in desk.store.events.since(f"run:{run}") if e.kind == "passed_over"}


def trained(desk: Desk) -> set[str]:
    return {v.design_id for v in desk.store.verifications.all() if v.metrics}


def learns(engine: FakeEngine, desk: Desk, much: float) -> None:
    """What every design's code learns from now on."""
    class Always(dict):
        def get(self, key, default=None):
            return much

    engine.learned = Always()


def turned_down(desk: Desk, work: Callable[[], None], engine: FakeEngine) -> tuple[str, str]:
    """A run and its one new design, which learned nothing."""
    learns(engine, desk, 0.0)
    run = desk.evolve(1, {"nano": 2}, seed=0, n_proposals=1, selector="greedy").subject
    work()
    (new,) = made_by(desk, run)
    assert set(passed_over(desk, run)) == {new}
    return run, new


def test_who_learns_nothing_is_passed_over_and_costs_no_training(probing, engine: FakeEngine):
    desk, work = probing
    learns(engine, desk, 0.29)
    run = desk.evolve(3, {"nano": 4}, seed=0, n_proposals=1, selector="greedy").subject
    work()
    new = made_by(desk, run)
    assert len(new) == 3
    told = passed_over(desk, run)
    assert set(told) == set(new), "three in a row are the designs' own fault: the run goes on"
    assert all("0.29 of 1, below 0.3" in why and "python -m core verify" in why for why in told.values())
    assert not trained(desk) & set(new)
    assert len(engine.probed) == 3 * 3, "each is probed once, with three tasks; references are not"
    account = desk.store.ledger.account(f"{run}/nano")
    assert account.reserved == 0
    assert account.spent == len(trained(desk))
    assert "passed over" in desk.morning(run).markdown()


def test_who_learns_is_trained_and_its_probes_are_kept(probing, engine: FakeEngine):
    desk, work = probing
    learns(engine, desk, 0.31)
    run = desk.evolve(2, {"nano": 5}, seed=0, n_proposals=1, selector="greedy").subject
    work()
    new = made_by(desk, run)
    assert passed_over(desk, run) == {}
    assert trained(desk) >= set(new)
    made = desk.store.implementations.newest(new[0])
    assert {r.task for r, _ in desk.store.measurements.probed(new[0], made.id)} == {"mqar", "induction", "parity"}
    assert len(engine.probed) == 3 * len(new), "further seeds ask nothing again"


def test_a_person_who_chose_the_verification_has_the_last_word(probing, engine: FakeEngine):
    desk, work = probing
    run, new = turned_down(desk, work, engine)
    desk.set_budget(f"{run}/nano", 4)
    desk.choose_verification(run, new, "nano")
    work()
    assert new in trained(desk)
    assert any(e.data["decision"] for e in desk.store.events.since(f"run:{run}") if e.kind == "why" and e.data["act"] == str(Act.VERIFY))


def test_a_verification_that_is_let_through_its_gate_is_not_probed(probing, engine: FakeEngine):
    desk, work = probing
    learns(engine, desk, 0.0)
    run = desk.evolve(1, {"nano": 3}, seed=0, n_proposals=1, selector="greedy", gates={"verify:nano": ASK}).subject
    for _ in range(4):
        work()
        for gated in desk.gated(run):
            desk.let(gated)
    (new,) = made_by(desk, run)
    assert new in trained(desk)
    assert passed_over(desk, run) == {}


def test_a_pin_is_a_persons_word_too(probing, engine: FakeEngine):
    desk, work = probing
    run, new = turned_down(desk, work, engine)
    desk.set_budget(f"{run}/nano", 5)
    desk.pin(new)
    desk.resume_run(run)
    work()
    assert new in trained(desk)


def test_probes_that_could_not_be_asked_say_nothing(probing, engine: FakeEngine):
    desk, work = probing

    def probe(code, probes, seed, on_result, progress):
        for one in probes:
            on_result(ProbeResult(one.suite, one.task, one.level, seed, 0.0, one.chance, 1e-3, {}, 10, 100, 1.0, "out of memory"), {"hash": one.hash})

    engine.probe = probe
    run = desk.evolve(1, {"nano": 3}, seed=0, n_proposals=1, selector="greedy").subject
    work()
    assert passed_over(desk, run) == {}
    assert trained(desk) >= set(made_by(desk, run))


def test_what_is_barred_at_a_rung_is_barred_at_those_behind_for_every_worker(probing, engine: FakeEngine):
    desk, work = probing
    learns(engine, desk, 0.0)
    run = desk.evolve(1, {"nano": 2, "micro": 1}, seed=0, n_proposals=1, selector="greedy").subject
    work()
    (new,) = made_by(desk, run)
    context = JobContext(desk.queue.all()[0], desk.store, desk.queue, threading.Event())
    settings = Run(run, 0, "auto", ("nano", "micro"), 1, 1, None, "", desk.crew(""))
    lab = FakeSystem(desk.config, engine).lab(desk, context, make_selector("greedy", 0, ["nano", "micro"]), settings)
    assert lab.unproven() == {(new, scale) for scale in desk.scales}
    desk.verify([new], "nano")
    work()
    assert lab.unproven() == set(), "a person had it trained"


def test_a_suite_that_is_not_there_is_told_before_the_run_begins(probing, tmp_path):
    desk, _ = probing
    desk.scales["nano"] = replace(desk.scales["nano"], probes="quik")
    with pytest.raises(UsageError, match="quik"):
        desk.evolve(1, {"nano": 1})
    assert desk.runs() == []
