"""One training, asked for in several ways: charged once, made once; another code, another scale of the same name, another rate is another training."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from fakes import FakeEngine, FakeSystem

from core.build import make_selector
from core.desk import Desk
from core.errors import BudgetExceeded, UsageError
from core.gab.scales import load_scales
from core.jobs import JobContext
from core.lab import Run
from core.statistics.paired import Verdict
from core.types import JobState, ProbeResult, VerifyOptions

BLIMP = VerifyOptions(("minimal_pairs", "blimp_local"))


@pytest.fixture
def edited(config, engine: FakeEngine, tmp_path, desk: Desk) -> Callable[[], tuple[Desk, Callable[[], int]]]:
    """The same data directory after nano's tokens were changed in the scales' file: its desk, and a worker on it."""

    def make() -> tuple[Desk, Callable[[], int]]:
        path = tmp_path / "scales.yaml"
        path.write_text(config.scales_file.read_text().replace("tokens: 614400", "tokens: 81920"))
        system = FakeSystem(replace(config, scales_file=path), engine)
        assert load_scales(path)["nano"].tokens == 81_920
        again = Desk.open(system.config, "tester", desk.store)

        def work() -> int:
            worker, n = system.worker(desk.store, "edited"), 0
            while worker.run_one() is not None:
                n += 1
            return n

        return again, work

    return make


# ------------------------------------------------------------------------------------------------ one training


def test_options_of_a_second_request_are_a_job_of_their_own_and_charged_once(desk: Desk, work, engine):
    desk.set_budget("nano", 1)
    (first,) = desk.verify(["gpt2"], "nano", [5])
    (second,) = desk.verify(["gpt2"], "nano", [5], options=BLIMP)
    assert second.id != first.id
    assert desk.queue.get(second.id).payload["options"]["tasks"] == ["minimal_pairs", "blimp_local"]
    assert desk.verify(["gpt2"], "nano", [5])[0].id == first.id
    assert desk.verify(["gpt2"], "nano", [5], options=replace(BLIMP, tasks=BLIMP.tasks[::-1]))[0].id == second.id
    assert desk.verify(["gpt2"], "nano", [5], options=replace(BLIMP, early_stop=True))[0].id not in (first.id, second.id)
    work()
    (row,) = desk.store.verifications.of("gpt2")
    assert set(row.metrics.tasks) == {"minimal_pairs", "blimp_local"}
    assert len(engine.verified) == 1
    assert (desk.store.ledger.account("nano").spent, desk.store.ledger.account("nano").reserved) == (1, 0)


def test_two_workers_never_train_one_thing_at_once(desk: Desk, work, engine):
    (first,) = desk.verify(["gpt2"], "nano", [5])
    (second,) = desk.verify(["gpt2"], "nano", [5], options=BLIMP)
    (other,) = desk.verify(["gpt2"], "nano", [6])
    assert desk.queue.claim("one").id == first.id
    assert desk.queue.claim("two").id == other.id
    assert desk.queue.claim("three", only=second.id) is None
    desk.queue.finish(desk.queue.get(first.id), {})
    assert desk.queue.claim("three").id == second.id


def test_stopping_one_request_leaves_the_other_its_budget_and_its_training(desk: Desk, work):
    (first,) = desk.verify(["gpt2"], "nano", [5])
    (second,) = desk.verify(["gpt2"], "nano", [5], options=BLIMP)
    job = desk.queue.claim("one")
    made = desk.store.implementations.newest("gpt2")
    row = desk.store.verifications.start("gpt2", made.id, "nano", 5, "fake", "f" * 64, settings=desk.scales["nano"].settings)
    desk.cancel(second.id)
    assert desk.store.ledger.account("nano").reserved == 1
    assert desk.store.verifications.get(row.id).finished_at is None
    desk.queue.give_back(job)
    desk.cancel(first.id)
    assert desk.store.ledger.account("nano").reserved == 0
    assert desk.store.verifications.get(row.id).cut_off


# --------------------------------------------------------------------------------------- another training


def test_a_new_revision_of_the_code_is_another_training_and_is_charged(desk: Desk, work, engine):
    desk.verify(["gpt2"], "nano", [0])
    work()
    desk.store.implementations.add("gpt2", "tester", "# a second revision", None)
    desk.set_budget("nano", 1)
    with pytest.raises(BudgetExceeded):
        desk.verify(["gpt2"], "nano", [0])
    desk.set_budget("nano", 2)
    desk.verify(["gpt2"], "nano", [0])
    work()
    assert len(engine.verified) == 2
    assert desk.store.ledger.account("nano").spent == 2
    desk.verify(["gpt2"], "nano", [0])
    work()
    assert (len(engine.verified), desk.store.ledger.account("nano").spent) == (2, 2)


def test_a_scale_that_was_changed_under_its_name_is_measured_and_charged_anew(desk: Desk, work, engine, edited):
    engine.scores[desk.store.implementations.newest("gpt2").code, 0] = 4.0
    desk.verify(["gpt2"], "nano", [0, 1])
    work()
    now, work_now = edited()
    assert "nano" not in now.store.designs.get("gpt2").scores
    with pytest.raises(UsageError, match="llama was not verified"):
        now.compare("llama", "nano")
    engine.scores[desk.store.implementations.newest("gpt2").code, 0] = 3.0
    now.verify(["gpt2"], "nano", [0])
    work_now()
    assert now.store.ledger.account("nano").spent == 3
    assert now.store.designs.get("gpt2").scores == {"nano": 3.0}
    assert now.store.designs.get("gpt2").n_seeds == {"nano": 1}
    assert now.noise("nano").prior_only, "the two seeds of before are of another scale"
    desk.verify(["llama"], "nano", [0, 1])                          # asked for by whoever still has the old file
    work()
    work_now()
    with pytest.raises(UsageError, match="llama was not verified at nano on fake with the scale's settings as they are now"):
        edited()[0].compare("llama", "nano")


def test_work_on_saved_weights_is_done_with_the_settings_that_they_were_trained_with(desk: Desk, work, engine, edited):
    made = desk.store.implementations.newest("gpt2")
    row = desk.store.verifications.start("gpt2", made.id, "nano", 0, "fake", "f" * 64, settings=desk.scales["nano"].settings)
    desk.verify(["gpt2"], "nano", [1])
    work()
    done = next(v for v in desk.store.verifications.of("gpt2") if v.metrics)
    desk.store.verifications.finish(row.id, done.metrics, {"scale": vars(desk.scales["nano"])})
    now, work_now = edited()
    seen: list[int] = []
    engine.test_score = lambda task, facts, progress, real=engine.test_score: (seen.append(task.scale.tokens), real(task, facts, progress))[1]
    now.promote(row.id, "to see")
    lost = now.promote(done.id, "its provenance does not tell")
    work_now()
    assert seen == [614_400]
    assert "with what settings of nano" in now.queue.get(lost.id).error


def test_jobs_and_runs_from_before_keep_their_names(desk: Desk, system, work, engine):
    old = "verify:gpt2@nano#0"
    desk.store.ledger.reserve("nano", old)
    queued = desk.queue.put("verify", old, {"design": "gpt2", "scale": "nano", "seed": 0, "corpus": None, "label": "", "options": {}})
    assert desk.verify(["gpt2"], "nano", [0])[0].id == queued.id
    work()
    assert desk.queue.get(queued.id).state is JobState.DONE
    assert (desk.store.ledger.account("nano").spent, desk.store.ledger.account("nano").reserved) == (1, 0)
    desk.verify(["gpt2"], "nano", [0])                              # stored already, paid under its old name
    work()
    assert (desk.store.ledger.account("nano").spent, desk.store.ledger.account("nano").reserved, len(engine.verified)) == (1, 0, 1)
    run = Run("run-x", 0, "auto", ("nano",), 1, 1, None, "", desk.crew(""))
    desk.store.ledger.set("run-x/nano", 1, "tester")
    lab = system.lab(desk, JobContext(queued, desk.store, desk.queue, threading.Event()), make_selector("greedy", 0, ["nano"]), run)
    made = desk.store.implementations.newest("gpt2")
    assert lab.subject("gpt2", "nano", 1) == f"verify:gpt2@nano#1~{made.id}.{desk.scales['nano'].settings[:8]}"
    desk.store.ledger.reserve("run-x/nano", "verify:gpt2@nano#1")
    assert lab.subject("gpt2", "nano", 1) == "verify:gpt2@nano#1"


# ----------------------------------------------------------------------------------------- what a run sees


def test_a_run_sees_neither_own_rates_nor_old_settings_nor_old_code(desk: Desk, system, work, engine, edited):
    desk.verify(["gpt2"], "nano", [0])
    desk.verify(["llama"], "nano", [0], options=VerifyOptions(sweep=True))
    work()
    now, work_now = edited()
    now.verify(["gla"], "nano", [0])
    work_now()
    desk.store.implementations.add("gla", "tester", "# a second revision", None)
    run = Run("run-x", 0, "auto", ("nano",), 1, 1, None, "", desk.crew(""))
    lab = FakeSystem(now.config, engine).lab(now, JobContext(now.queue.all()[0], now.store, now.queue, threading.Event()), make_selector("greedy", 0, ["nano"]), run)
    nodes = lab.tree().nodes
    assert {name for name in nodes if nodes[name]["design"].scores} == {name for name in nodes if nodes[name]["tried"]} == {"gla"}
    assert (lab.seed("gla", "nano"), lab.seed("gpt2", "nano")) == (0, 0)


def test_rungs_take_one_code_a_design_and_one_definition_a_probe(desk: Desk, work, engine):
    names = ["gpt2", "llama", "gla"]
    made = {name: desk.store.implementations.newest(name) for name in names}
    for n, name in enumerate(names):
        engine.scores[made[name].code, 0] = 2.0 + n / 10
        for definition, score in (("old", 0.1 + n / 10), ("new", 0.9 - n / 10)):
            result = ProbeResult("mad", "recall", "", 0, score, 0.1, 1e-3, {}, 10, 100, 1.0)
            desk.store.measurements.add_probes(name, made[name].id, [result], {"hash": definition})
    desk.verify(names, "nano", [0])
    work()
    (rung,) = desk.rungs()
    assert (rung.n, rung.spearman) == (3, pytest.approx(1.0))
    desk.store.implementations.add("gla", "tester", "# a second revision", None)
    desk.verify(["gla"], "nano", [0])
    work()
    assert desk.rungs()[0].n == 2


def test_a_comparison_at_own_rates_is_had_by_asking(desk: Desk, work, engine):
    for name, score in (("gpt2", 2.0), ("llama", 1.9)):
        engine.scores[desk.store.implementations.newest(name).code, 0] = score
    desk.verify(["gpt2", "llama"], "nano", [0])
    desk.verify(["llama"], "nano", [0, 1], options=VerifyOptions(sweep=True))
    work()
    told = desk.compare("llama", "nano")
    assert told.verdict is not Verdict.SUSPICIOUS
    assert "task differences are of the items only: seed noise is not in it" in told.notes
    with pytest.raises(UsageError, match="gpt2 was not verified at nano on fake at its own learning rate"):
        desk.compare("llama", "nano", own_rate=True)
    desk.verify(["gpt2"], "nano", [0, 1], options=VerifyOptions(sweep=True))
    work()
    assert desk.compare("llama", "nano").seeds == (0,)
    told = desk.compare("llama", "nano", own_rate=True)
    assert told.seeds == (0, 1)
    assert told.tasks[0].p_value is not None
    assert not any("items only" in note for note in told.notes)
