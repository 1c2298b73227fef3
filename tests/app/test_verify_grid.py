"""The grid of designs and scales, the order of the queue, going on, and the next rung in one click."""

from __future__ import annotations

import json

import pytest
from screens import said
from streamlit.testing.v1 import AppTest

from app.widgets.verify_grid import mark
from core.desk import Desk
from core.errors import JobError, UsageError
from core.jobs.hands import Hands, Held
from core.types import Act, JobState, Metrics


def measure(desk: Desk, design: str, scale: str, score: float) -> None:
    made = desk.store.implementations.newest(design)
    row = desk.store.verifications.start(design, made.id, scale, 0, "corpus", "hash", "", desk.scales[scale].settings)
    desk.store.verifications.finish(row.id, Metrics(score, 0.01, 3.0, 20.0, 3.1, 1000, 500.0, 2.0, 0.5, 100, 50, 4, 128, 64.0, {}), {})


def cells(desk: Desk, *designs: str, scales: tuple[str, ...] = ("nano", "micro")) -> dict[tuple[str, str], str]:
    return {(p.design, p.scale): mark(p) for row in desk.grid([desk.store.designs.get(d) for d in designs], scales) for p in row}


def test_a_cell_tells_what_is_measured_waits_runs_and_cannot_be_paid(desk: Desk):
    measure(desk, "gpt2", "nano", 2.4)
    desk.verify(["llama"], "nano")
    desk.set_budget("micro", 0)
    found = cells(desk, "gpt2", "llama")
    assert found == {("gpt2", "nano"): "✓ 2.4000 (1)", ("llama", "nano"): "… waits", ("gpt2", "micro"): "no budget", ("llama", "micro"): "no budget"}
    desk.queue.claim("w")
    desk.verify(["gpt2"], "nano", [1])
    assert cells(desk, "gpt2", "llama")["llama", "nano"] == "▶ 0%"
    assert cells(desk, "gpt2")["gpt2", "nano"] == "… waits · ✓ 2.4000 (1)"
    assert desk.grid([], ["nano"]) == []


def test_the_next_rung_is_one_click_and_ends_at_the_top(desk: Desk):
    measure(desk, "gpt2", "nano", 2.4)
    jobs = desk.climb(["gpt2", "llama"])
    assert [(j.payload["design"], j.payload["scale"]) for j in jobs] == [("gpt2", "micro"), ("llama", "nano")]
    measure(desk, "gla", list(desk.scales)[-1], 1.5)
    with pytest.raises(UsageError, match="largest scale"):
        desk.climb(["mamba2", "gla"])
    assert len(desk.queue.all()) == 2, "all or none"


def test_the_next_rung_says_what_it_takes_and_asks_for_nothing_twice(open_page, desk: Desk):
    measure(desk, "gpt2", "nano", 2.4)
    places = {(p.design, p.scale): p for row in desk.grid([desk.store.designs.get(d) for d in ("gpt2", "llama")], ["nano", "micro"]) for p in row}

    def drawn() -> None:
        from app import shell
        from app.widgets.verify_grid import draw_chosen

        desk, designs = shell.desk(), {d.id: d for d in shell.designs()}
        found = {(p.design, p.scale): p for row in desk.grid([designs["gpt2"], designs["llama"]], ["nano", "micro"]) for p in row}
        draw_chosen(desk, [found["gpt2", "nano"], found["llama", "nano"]], [0], designs)

    assert len(places) == 4
    open_page("verify", way="grid")                       # the desk of this test's directory
    test = AppTest.from_function(drawn).run()
    climb = next(b for b in test.button if b.key == "grid-climb")
    assert climb.label.startswith("To the next scale · 1 at micro, about ")
    assert "(extrapolated from nano here)" in climb.label
    assert "1 at nano, about" in climb.label
    climb.click().run()
    assert not test.exception
    assert [(j.payload["design"], j.payload["scale"]) for j in desk.queue.all()] == [("llama", "nano"), ("gpt2", "micro")]
    climb = next(b for b in test.button if b.key == "grid-climb")
    assert (climb.label, climb.disabled) == ("To the next scale", True)     # both are under way


def test_what_a_run_trains_is_shown_where_it_is_and_by_its_name(open_page, desk: Desk):
    run = desk.evolve(1, {"nano": 1}, seed=0).subject
    job = desk.queue.claim("w")
    Hands(desk.store, desk.queue, job, {}).take(Held(Act.VERIFY, "verify:gpt2@nano#0", "gpt2", "nano", 0))
    desk.queue.heartbeat(job, 0.4, "step 9")
    assert cells(desk, "gpt2")["gpt2", "nano"] == "▶ 40%"
    assert [p.proto.text.replace("\\", "") for p in open_page("verify").get("progress")] == [f"{run}: gpt2 at nano, seed 0 · step 9"]


def test_what_waits_can_be_put_first_or_last(desk: Desk):
    one, two, three = (desk.verify([d], "nano")[0] for d in ("gpt2", "llama", "gla"))
    desk.put_first(three.id)
    desk.put_last(one.id)
    order = []
    while job := desk.queue.claim("w"):
        order.append(job.id)
    assert order == [three.id, two.id, one.id]
    with pytest.raises(JobError, match="only a job that waits"):
        desk.put_first(one.id)


def test_the_page_queues_ticked_cells_and_says_what_they_cost(open_page, desk: Desk):
    test = open_page("verify", way="grid")
    assert "Nothing is ticked" in said(test)
    grid = next(json.loads(e.proto.json) for e in test.get("bidi_component") if e.proto.component_name == "cells")
    gpt2 = next(row for row in grid["rows"] if row["id"] == "gpt2")
    assert gpt2["cells"][grid["columns"].index("nano")] == ["open", "○"]
    assert gpt2["title"] == desk.store.designs.get("gpt2").title
    assert next(b for b in test.button if b.key == "grid-verify").disabled
    next(t for t in test.text_input if t.key == "grid-seeds").set_value("x").run()
    assert "is no seed" in said(test)
    next(t for t in test.text_input if t.key == "grid-search").set_value("nobody at all").run()
    assert "No design with checked code fits" in said(test)


def test_a_stopped_verification_is_resumed_from_the_page(open_page, desk: Desk):
    [job] = desk.verify(["gpt2"], "nano")
    desk.cancel(job.id)
    next(b for b in open_page("verify").button if b.key == f"resume-{job.id}").click().run()
    assert [j.state for j in desk.queue.all() if j.payload["design"] == "gpt2"] == [JobState.QUEUED, JobState.CANCELLED]
