"""What a verification will take at a scale that was never run on this kind of machine: from what ran here at another; from scales.yaml only where nothing ran."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import event

from core.desk import Desk
from core.estimates import Estimate, estimate
from core.known_times import BY_OTHERS, size
from core.machine import Machine, this_machine
from core.types import Json, Kind, Metrics, Mode, Timing

H100 = Machine("NVIDIA H100 × 1", "cuda")
ON_H100 = {"processor": H100.key, "device": "cuda"}
Ran = Callable[..., None]


@pytest.fixture
def ran(desk: Desk) -> Ran:
    """A verification that took so long, on this machine or on that of `where`."""

    def run(design: str, scale: str, train: float, evaluation: float = 10.0, where: Json | None = None, seed: int = 0) -> None:
        machine = this_machine(desk.config)
        made = desk.store.implementations.newest(design)
        row = desk.store.verifications.start(design, made.id, scale, seed, "python docs", "h", settings=desk.scales[scale].settings)
        metrics = Metrics(2.0, 0.01, 3.0, 20.0, 3.1, 30, 100.0, train, evaluation, 100, 10, 4, 128, 50.0, {})
        desk.store.verifications.finish(row.id, metrics, where or {"processor": machine.key, "device": machine.device})

    return run


@pytest.fixture
def mine(desk: Desk) -> str:
    """A design whose FLOPs nobody counted."""
    desk.store.designs.add(id="mine", title="mine", kind=Kind.MANUAL, mode=Mode.SEED, author="tester")
    desk.store.implementations.add("mine", "tester", "class GAB: pass", None)
    return "mine"


def growth(desk: Desk, design: str, low: str, high: str) -> float:
    """Of tokens × FLOPs a token."""
    costs = desk.costs(design)
    return tokens(desk, low, high) * costs[high].flops_train / costs[low].flops_train


def tokens(desk: Desk, low: str, high: str) -> float:
    rungs = desk.scales
    return rungs[high].steps * rungs[high].batch_tokens / (rungs[low].steps * rungs[low].batch_tokens)


def on(machine: Machine, desk: Desk, design: str, scale: str) -> Estimate:
    return estimate(desk.store, desk.scales, [design], desk.scales[scale], 1, machine)


def test_what_was_measured_at_nano_tells_of_14m_by_tokens_and_flops(desk, ran):
    ran("gla", "nano", train=480.0, evaluation=40.0)
    found = desk.estimate(["gla"], "14M")
    grown = growth(desk, "gla", "nano", "14M")
    assert grown > 172
    assert found.seconds >= 480 * grown
    assert found.seconds == pytest.approx(480 * grown + 40 * grown / tokens(desk, "nano", "14M") * 32)      # 32 times the held-out tokens
    assert found.parts[0].basis == found.remark == "extrapolated from nano here"
    assert found.basis == "time at 14M extrapolated from nano here: gla; it may take half or twice as long"
    assert desk.estimate(["gla"], "nano").seconds == 520


def test_a_timed_run_tells_of_another_scale_too(desk):
    machine, nano = this_machine(desk.config), desk.scales["nano"]
    code = desk.store.implementations.newest("gla").code_hash
    desk.store.measurements.add_timing(code, nano, machine.key, Timing(2.0, 4.0, 0.0, 321.0, 8))
    found = desk.estimate(["gla"], "micro")
    assert found.seconds == pytest.approx(4 + 2 * nano.steps * growth(desk, "gla", "nano", "micro"))
    assert found.parts[0].basis == "extrapolated from nano here"


def test_a_design_goes_by_its_own_time_and_one_without_by_the_others(desk, ran):
    ran("mamba", "nano", train=480.0, evaluation=0.0)         # a loop: its FLOPs do not tell
    ran("gpt2", "nano", train=30.0, evaluation=0.0)
    slow, quick, other = (desk.estimate([d], "14M").seconds for d in ("mamba", "gpt2", "gla"))
    assert slow == pytest.approx(480 * growth(desk, "mamba", "nano", "14M"))
    assert quick == pytest.approx(30 * growth(desk, "gpt2", "nano", "14M"))
    own = desk.costs("gla")["nano"].flops_train
    by_flops = [seconds * own / desk.costs(d)["nano"].flops_train for d, seconds in (("mamba", 480), ("gpt2", 30), ("gpt2", 30))]
    assert min(by_flops) * growth(desk, "gla", "nano", "14M") <= other <= max(by_flops) * growth(desk, "gla", "nano", "14M")
    both = desk.estimate(["mamba", "gla"], "14M")
    assert [p.basis for p in both.parts] == ["extrapolated from nano here"] * 2
    assert [p.doubt for p in both.parts] == ["it may take half or twice as long", BY_OTHERS]
    assert both.basis.endswith(f"; it may take half or twice as long; {BY_OTHERS}")


def test_the_nearest_scale_is_taken(desk, ran):
    ran("gla", "nano", train=1.0)
    ran("gla", "micro", train=600.0, evaluation=0.0)
    assert desk.estimate(["gla"], "14M").parts[0].basis == "extrapolated from micro here"
    ran("gla", "31M", train=9000.0)
    found = desk.estimate(["gla"], "70M")
    assert found.parts[0].basis == "extrapolated from 31M here"


def test_where_others_ran_at_both_scales_their_times_tell_what_grows(desk, ran):
    ran("mamba", "nano", train=480.0, evaluation=20.0)
    ran("gpt2", "nano", train=30.0)
    ran("gpt2", "micro", train=200.0, evaluation=25.0)        # not the 243 s of its FLOPs
    found = desk.estimate(["mamba", "gpt2", "gla"], "micro")
    assert [p.basis for p in found.parts] == ["extrapolated from nano here", "measured here", "like other designs measured here, by FLOPs"]
    of_flops = growth(desk, "mamba", "nano", "micro") / growth(desk, "gpt2", "nano", "micro")
    assert found.parts[0].seconds == pytest.approx(of_flops * (480 * 200 / 30 + 20 * 25 / 10))
    assert "may take" not in found.basis                      # what grows was seen, not supposed


def test_a_timed_run_of_another_design_at_the_scale_goes_before_other_scales(desk, ran):
    machine, micro = this_machine(desk.config), desk.scales["micro"]
    ran("gpt2", "nano", train=30.0)
    desk.store.measurements.add_timing(desk.store.implementations.newest("gpt2").code_hash, micro, machine.key, Timing(0.5, 4.0, 6.0, 321.0, 8))
    found = desk.estimate(["gla"], "micro")
    costs = {d: desk.costs(d)["micro"].flops_train for d in ("gla", "gpt2")}
    assert found.seconds == pytest.approx((4 + 0.5 * micro.steps + 6) * costs["gla"] / costs["gpt2"])
    assert (found.parts[0].basis, found.remark) == ("like other designs measured here, by FLOPs", "")


def test_a_larger_scale_tells_of_a_smaller_one(desk, ran):
    ran("gla", "31M", train=9000.0, evaluation=0.0)
    found = desk.estimate(["gla"], "nano")
    assert found.parts[0].basis == "extrapolated from 31M here"
    assert found.seconds == pytest.approx(9000 / growth(desk, "gla", "nano", "31M"))
    ran("gla", "31M", train=90.0, where=ON_H100, seed=1)
    assert "it may take much longer" in on(H100, desk, "gla", "nano").basis


def test_flops_that_nobody_counted_grow_like_the_references_and_else_like_parameters(desk, ran, mine):
    ran(mine, "nano", train=60.0, evaluation=0.0)
    assert desk.estimate([mine], "14M").seconds == pytest.approx(60 * growth(desk, "gpt2", "nano", "14M"))
    desk.scales["14M"] = rung = replace(desk.scales["14M"], batch_tokens=262_144)        # a shape that was never counted
    assert desk.estimate([mine], "14M").seconds == pytest.approx(60 * tokens(desk, "nano", "14M") * size(rung) / size(desk.scales["nano"]))


def test_times_of_a_gpu_say_nothing_of_a_processor_nor_the_other_way(desk, ran):
    code = desk.store.implementations.newest("gla").code_hash
    ran("gla", "nano", train=3.0, evaluation=0.0, where=ON_H100)
    desk.store.measurements.add_timing(code, desk.scales["micro"], H100.key, Timing(0.001, 1.0, 1.0, 321.0, 8))
    assert desk.estimate(["gla"], "14M").parts[0].basis == "a guess from scales.yaml"
    ran("gla", "nano", train=480.0, evaluation=0.0, seed=1)
    here, there = on(this_machine(desk.config), desk, "gla", "14M"), on(H100, desk, "gla", "14M")
    assert here.parts[0].basis == "extrapolated from nano here"
    assert here.seconds == pytest.approx(480 * growth(desk, "gla", "nano", "14M"))
    assert there.parts[0].basis == "extrapolated from micro here"
    assert there.seconds < here.seconds / 1000
    assert "larger models use a GPU better, so it may take much less" in there.basis


def test_only_where_nothing_ran_here_is_the_figure_of_scales_yaml_taken_and_whose_it_is_is_said(desk):
    found = desk.estimate(["gpt2"], "14M")
    assert found.seconds == desk.scales["14M"].minutes * 60
    assert found.parts[0].basis == "a guess from scales.yaml"
    assert found.remark == "a guess, of one H100"
    assert "time at 14M from scales.yaml, of one H100, not of this one" in found.basis
    assert "two cores of a cloud machine, not of this one" in desk.estimate(["gpt2"], "nano").basis
    assert "not of this one" not in on(H100, desk, "gpt2", "14M").basis
    desk.scales["14M"] = replace(desk.scales["14M"], minutes_on="")
    assert "of the machine named there, not of this one" in desk.estimate(["gpt2"], "14M").basis


def test_many_designs_take_no_more_queries_than_one(desk, ran):
    ran("gpt2", "nano", train=30.0)
    references = [d.id for d in desk.store.designs.all() if d.kind is Kind.REFERENCE]
    asked: list[str] = []
    event.listen(desk.store.database.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))

    def queries(designs: list[str]) -> int:
        asked.clear()
        desk.estimate(designs, "14M")
        return len(asked)

    assert len(references) > 10
    assert queries(references) == queries(["gla"])
