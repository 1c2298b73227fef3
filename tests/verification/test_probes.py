"""Probes for real, at a scale of seconds: through the sandbox, stored once, told in words; and the command line over an engine that trains nothing."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from core import cli_probe
from core.cli import parser
from core.config import ROOT
from core.errors import Cancelled, ConfigError, NotFound, UsageError
from core.gab.references import load_references
from core.types import JobState, ProbeResult
from core.verification.probes.probe import Outcome, probe
from core.verification.probes.scores import mean, relative
from core.verification.probes.suites import Probe, get_suite, load_suites
from core.verification.probes.tasks import get_task

REFERENCES = {r.slug: r.code for r in load_references(ROOT / "library")}
FACTS = {"length": 16, "facts": 8}
EASY = Probe("tiny", "memorisation", "memorisation", "", FACTS, FACTS, width=16, steps=150, batch=16, lrs=(1e-2,), state=16)

BLOCK = """
import torch
from torch import nn
from core.gab import GABBase

class GAB(GABBase):
    def __init__(self, embed_dim, block_loc, device=None, dtype=None, **kwargs):
        super().__init__(embed_dim, block_loc)
        self.mix = nn.Linear(embed_dim, embed_dim)

    def _forward(self, X, **Z):
        return {forward}

gab_config = {{}}
"""
MEAN_BEFORE = "X + self.mix(X.cumsum(1))"
LOOKS_AHEAD = "X + self.mix(X.roll(-1, 1))"
PARITY = {"length": 12}


def run(code: str, *probes: Probe, seed: int = 0, children: int = 1, cancel=lambda: None) -> list[Outcome]:
    found: list[Outcome] = []
    probe(code, probes, seed, children=children, on_result=found.append, check_cancel=cancel)
    return found


def test_a_small_model_learns_an_easy_task_the_same_each_time():
    (first,), (again,) = run(REFERENCES["gpt2"], EASY), run(REFERENCES["gpt2"], EASY)
    assert first.result.accuracy > 0.95
    assert first.result.chance == 1 / 8
    assert first.result.by_lr == {"0.01": first.result.accuracy}
    assert 20 <= first.result.steps <= 150
    assert replace(first.result, seconds=0) == replace(again.result, seconds=0)
    assert first.provenance["width"] == 16
    assert first.provenance["hash"] == EASY.hash


def test_two_at_a_time_find_what_one_at_a_time_finds():
    both = (EASY, replace(EASY, level="other", settings={**FACTS, "facts": 5}, test={**FACTS, "facts": 5}, steps=30))
    one = {o.result.level: o.result.accuracy for o in run(BLOCK.format(forward=MEAN_BEFORE), *both)}
    assert one == {o.result.level: o.result.accuracy for o in run(BLOCK.format(forward=MEAN_BEFORE), *both, children=2)}


def test_the_next_width_is_taken_where_a_block_does_not_build():
    code = BLOCK.format(forward=MEAN_BEFORE).replace("super()", "assert embed_dim % 20 == 0, 'twenties only'\n        super()")
    (found,) = run(code, replace(EASY, steps=20))
    assert found.provenance["width"] == 20
    assert not found.result.failure


@pytest.mark.parametrize(("forward", "words"), [
    ("X.undefined", "no attribute 'undefined'"), ("X * float('nan')", "diverged at step 0 of 20: the loss is nan"), ("X[:, :3]", "Y must look like X"),
    ("__import__('os')._exit(0)", "ended with code 0 and no answer")])
def test_a_design_that_fails_has_it_told_in_words(forward: str, words: str):
    (found,) = run(BLOCK.format(forward=forward), replace(EASY, steps=20))
    assert words in found.result.failure
    assert relative(found.result) == 0
    assert "Traceback" not in found.result.failure


def test_a_block_that_builds_at_no_width_says_why():
    code = BLOCK.format(forward="X").replace("super()", "assert embed_dim > 999, 'too narrow'\n        super()")
    (found,) = run(code, EASY)
    assert "does not build at a width of 16 nor near it" in found.result.failure
    assert "too narrow" in found.result.failure


def test_a_block_that_looks_ahead_is_found_out():
    task = get_task("in_context_recall").full({"length": 16, "keys": 3, "values": 3})
    (found,) = run(BLOCK.format(forward=LOOKS_AHEAD), Probe("tiny", "recall", "in_context_recall", "", task, task, 16, 120, 16, (1e-2,), 16))
    assert "change with what comes after them" in found.result.failure


def test_a_cancelled_run_stops_and_keeps_what_is_done():
    done = threading.Event()

    def cancel() -> None:
        if done.is_set():
            raise Cancelled("a person asked to stop", "")

    long = replace(EASY, task="parity", kind="parity", settings=PARITY, test=PARITY, steps=1_000_000, lrs=(1e-3,))
    found: list[Outcome] = []

    def keep(outcome: Outcome) -> None:
        found.append(outcome)
        done.set()

    with pytest.raises(Cancelled):
        probe(BLOCK.format(forward=MEAN_BEFORE), [replace(EASY, steps=20), long], 0, children=2, on_result=keep, check_cancel=cancel)
    assert [o.result.task for o in found] == ["memorisation"]


# ------------------------------------------------------------------------------------------------ suites


def test_the_shipped_suites_are_whole():
    suites = load_suites(ROOT / "library" / "probes.yaml")
    assert {"mad", "mqar", "state", "extrapolation", "quick"} <= set(suites)
    assert set(suites["mad"].tasks) == {"in_context_recall", "fuzzy_recall", "noisy_recall", "selective_copying", "compression", "memorisation"}
    for suite in suites.values():
        assert suite.about
        assert len({p.key for p in suite.probes}) == len(suite.probes) == len({p.hash for p in suite.probes})
        assert all(0 < p.chance < 1 for p in suite.probes)
    lengths = [(p.settings["length"], p.test["length"]) for p in suites["extrapolation"].probes]
    assert all(tested > trained for trained, tested in lengths)


@pytest.mark.parametrize(("text", "words"), [
    ("defaults: {}\nsuites: {mine: {}}", "suite mine has no tasks"), ("suites: 3", "holds no suites"), ("defaults: {", "probes.yaml:"),
    ("defaults: {width: 8, steps: 1, batch: 1, lrs: [1.0e-3], state: 4}\nsuites: {mine: {tasks: {dance: {}}}}", "there is no task 'dance'"),
    ("defaults: {width: 8, steps: 1, batch: 1, lrs: [1.0e-3], state: 4}\nsuites: {mine: {tasks: {parity: {colour: 1}}}}", "no setting 'colour'"),
    ("defaults: {width: 8, steps: 1, batch: 1, lrs: [1.0e-3], state: 4}\nsuites: {mine: {tasks: {parity: {ease: {colour: 1}}}}}", "no setting 'colour'"),
    ("defaults: {width: 8, steps: 1, batch: 1, lrs: [1.0e-3], state: 4}\nsuites: {mine: {tasks: {parity: {test: 4}}}}", "test is 4"),
    ("defaults: {width: 8, steps: 1, batch: 1, lrs: [1.0e-3], state: 4}\nsuites: {mine: {tasks: {mqar: {pairs: 40}}}}", "do not fit together"),
    ("defaults: {width: 8, steps: 0, batch: 1, lrs: [1.0e-3], state: 4}\nsuites: {mine: {tasks: {parity: {}}}}", "steps is 0"),
    ("defaults: {width: 8, steps: 1, batch: 1, lrs: fast, state: 4}\nsuites: {mine: {tasks: {parity: {}}}}", "lrs is 'fast'"),
    ("defaults: {width: 8, steps: 1, batch: 1, state: 4}\nsuites: {mine: {tasks: {parity: {}}}}", "'lrs' is missing")])
def test_a_suite_that_is_wrong_is_refused_naming_where(tmp_path: Path, text: str, words: str):
    (tmp_path / "probes.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"probes\.yaml") as error:
        load_suites(tmp_path / "probes.yaml")
    assert words in str(error.value)
    assert error.value.mend


def test_relative_accuracy_is_zero_at_chance_and_one_at_the_top():
    result = ProbeResult("s", "t", "", 0, 0.5, 0.5, 1e-3, {}, 1, 1, 1.0)
    assert relative(result) == 0
    assert relative(replace(result, accuracy=1.0)) == 1
    assert mean([result, replace(result, accuracy=1.0)]) == 0.5


# ------------------------------------------------------------------------------------------------ desk, store, command line


def test_results_are_stored_and_not_run_again(desk, engine, work):
    (job,) = desk.probe(["gpt2"], "mad")
    work()
    assert desk.queue.get(job.id).state is JobState.DONE
    assert len(engine.probed) == 6
    assert [r.task for _, _, r in desk.store.measurements.probes("gpt2")] == list(desk.suites["mad"].tasks)
    desk.probe(["gpt2"], "mad", tasks=["compression"])
    work()
    assert len(engine.probed) == 6, "stored already"
    desk.probe(["gpt2"], "mad", seed=1, tasks=["compression"])
    desk.probe(["gpt2"], "mad", tasks=["compression"], fresh=True)
    work()
    assert engine.probed[6:] == [("compression", "", 1), ("compression", "", 0)]
    provenance = desk.store.measurements.probed("gpt2", desk.store.implementations.newest("gpt2").id)[0][1]
    assert provenance["suite"] == desk.suites["mad"].hash
    assert len(provenance["code"]) == 64


def test_what_cannot_be_probed_is_refused_at_once(desk):
    with pytest.raises(UsageError, match="no suite 'nope'"):
        desk.probe(["gpt2"], "nope")
    with pytest.raises(UsageError, match="no task 'dance'"):
        desk.probe(["gpt2"], "mad", tasks=["dance"])
    with pytest.raises(NotFound):
        desk.probe(["nobody"], "mad")


def test_the_command_prints_designs_by_tasks(system, desk):
    def answer(*words: str):
        return cli_probe.answer(desk, parser().parse_args(["probe", *words]), lambda desk, job: system.worker(desk.store, "test").run_one(only=job.id))

    data, words, code = answer("gpt2,gla", "--suite", "mad", "--json")
    assert code == 0
    assert set(data["designs"]) == {"gpt2", "gla"}
    assert json.loads(json.dumps(data))["designs"]["gla"]["results"][0]["task"] == desk.suites["mad"].tasks[0]
    assert all(0 <= r["relative"] <= 1 for r in data["designs"]["gpt2"]["results"])
    head, *rows = words.splitlines()
    assert head.split()[0] == "design"
    assert head.split()[-1] == "mean"
    assert {row.split()[0] for row in rows[:2]} == {"gpt2", "gla"}
    assert "mad" in answer("--suite", "list")[1]
    with pytest.raises(UsageError, match="no design is named"):
        answer("--suite", "mad")


def test_a_suite_by_its_name():
    suites = load_suites(ROOT / "library" / "probes.yaml")
    assert get_suite(suites, "mad").only(["compression"])[0].task == "compression"
