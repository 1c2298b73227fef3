"""Before a run trains a new design at a rung that asks for probes, it is probed: one that learns next to nothing is passed over, unless a person wants it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from fakes import FakeEngine, FakeSystem

from core.desk import Desk
from core.gates import ASK
from core.types import Act, Kind


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
    learns(engine, desk, 0.0)
    run = desk.evolve(1, {"nano": 2}, seed=0, n_proposals=1, selector="greedy").subject
    work()
    (new,) = made_by(desk, run)
    assert set(passed_over(desk, run)) == {new}
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
