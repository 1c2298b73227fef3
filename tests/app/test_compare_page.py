"""Compare: the leaderboard, its parts, links that lead back to the same, views under a name."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pandas as pd
import pytest
import streamlit as st
from screens import results, said

from app.widgets.compare_figures import Point, front, heat, pareto, task_table
from core.desk import Desk
from core.errors import UsageError
from core.types import CurvePoint, Kind, Metrics, Mode

PAIRS = {"minimal_pairs": {"acc": 0.75, "acc_stderr": 0.02, "chance": 0.5, "n": 300}}


@pytest.fixture
def measured(desk: Desk) -> Desk:
    """gpt2, llama and gla at nano with two seeds, gpt2 and llama at micro with one."""
    for design, scale, scores in (("gpt2", "nano", (2.40, 2.42)), ("llama", "nano", (2.30, 2.33)), ("gla", "nano", (2.50, 2.52)), ("gpt2", "micro", (2.0,)), ("llama", "micro", (1.95,))):
        made = desk.store.implementations.newest(design)
        params = desk.costs(design)[scale].params
        for seed, score in enumerate(scores):
            row = desk.store.verifications.start(design, made.id, scale, seed, "corpus", "hash", "", desk.scales[scale].settings)
            desk.store.verifications.finish(row.id, Metrics(score, 0.01, 3.0, 20.0, 3.1, 1_000_000, 500.0 + seed, 2.0, 0.5, params, 50, 4, 128, 64.0, PAIRS), {})
            desk.store.measurements.add_tasks(row.id, PAIRS, {})
            desk.store.curves.add(row.id, [CurvePoint(i, 1000 * i, 3.0, score + 1 / i, 1e-3, 1.0, 500.0) for i in range(1, 5)])
    return desk


def test_nothing_measured_says_what_to_do_first(open_page, desk: Desk):
    assert "Verify gpt2 and one other design" in said(open_page("compare"))


def test_the_leaderboard_is_best_first_against_the_chosen_reference(open_page, measured: Desk):
    test = open_page("compare", scale="nano", reference="llama")
    frame = results(test)
    assert list(frame["design"]) == ["llama", "gpt2", "gla"]
    assert frame["Δ"].iloc[1] == pytest.approx(0.095)
    assert any("Δ llama" in [c["title"] for c in json.loads(e.proto.json).get("columns", ())] for e in test.get("bidi_component"))
    assert dict(test.query_params)["reference"] == "llama"
    assert {b.proto.label for b in test.get("download_button")} >= {"CSV", "JSON"}


def test_a_title_that_a_spreadsheet_would_run_is_quoted_in_csv_and_whole_in_json(open_page, measured: Desk, monkeypatch: pytest.MonkeyPatch):
    title = '=HYPERLINK("http://evil.example","x")'
    made = {}
    monkeypatch.setattr(st, "download_button", lambda label, data, *_, **__: made.update({label: data}))
    measured.store.designs.add("own", title, Kind.AGENT, Mode.MUTATION, ["gpt2"], "tester", None, 0, "")
    old = next(v for v in measured.store.verifications.counted("nano") if v.design_id == "gla")
    code = measured.store.implementations.add("own", "tester", "# own", None)
    row = measured.store.verifications.start("own", code.id, "nano", 0, "corpus", "hash", "", measured.scales["nano"].settings)
    measured.store.verifications.finish(row.id, old.metrics, {})
    open_page("compare", scale="nano")
    assert "'" + title in pd.read_csv(io.StringIO(made["CSV"]()))["title"].to_list()
    assert title in [r["title"] for r in json.loads(made["JSON"]())]


def test_what_changes_while_the_page_is_open_is_in_the_table_at_the_next_drawing(open_page, measured: Desk):
    test = open_page("compare", scale="nano")
    before = results(test).set_index("design")

    old = next(v for v in measured.store.verifications.counted("nano") if v.design_id == "gla")
    row = measured.store.verifications.start("gla", old.implementation_id, "nano", 7, "corpus", "hash", "", measured.scales["nano"].settings)
    measured.store.verifications.finish(row.id, replace(old.metrics, tasks={}), {})
    seen = results(test.run()).set_index("design")
    assert (before.loc["gla", "seeds"], seen.loc["gla", "seeds"]) == (2, 3)

    measured.store.measurements.add_tasks(row.id, {"minimal_pairs": PAIRS["minimal_pairs"] | {"acc": 0.96}}, {})          # scored later
    scored = results(test.run()).set_index("design")
    assert (seen.loc["gla", "minimal pairs"], scored.loc["gla", "minimal pairs"]) == (pytest.approx(0.75), pytest.approx(0.82))

    measured.config.noise_file.write_text("nano: {sd: 0.5, df: 99, paired_sd: 0.5, paired_df: 99, corpus: corpus, designs: [gpt2], seeds: [0, 1], date: 2026-01-01}\n")
    noisy = results(test.run()).set_index("design")
    assert noisy.loc["llama", "± Δ"] > 2 * scored.loc["llama", "± Δ"]


def test_a_row_of_the_leaderboard_says_what_the_full_comparison_says(measured: Desk):
    rows = measured.store.verifications.counted("nano")
    found = measured.standings("nano", rows[0].corpus_hash)
    assert set(found) == {v.design_id for v in rows} - {"gpt2"}
    for design, one in found.items():
        whole = measured.compare(design, "nano")
        assert (one.difference, one.se, one.p_better, one.verdict, one.paired, one.suspicious) == (whole.difference, whole.se, whole.p_better, whole.verdict, whole.paired, whole.suspicious)
    assert measured.standings("nano", rows[0].corpus_hash, own_rate=True) == {}


def drawn(test) -> list:
    """The traces of the page's charts."""
    found = [json.loads(e.proto.json) for e in test.get("bidi_component") if e.proto.component_name == "chart"]
    return [trace for data in found for trace in data["figure"]["data"]]


@pytest.mark.parametrize("part", ["Curves", "Ladder", "Pareto front", "Tasks", "Code"])
def test_each_part_is_drawn_from_a_link(open_page, measured: Desk, part: str):
    test = open_page("compare", scale="nano", designs="gpt2,llama", part=part)
    assert not test.error
    assert part == "Code" or (test.get("plotly_chart") if part == "Tasks" else drawn(test))
    if part == "Code":
        assert "line" in said(test)
    if part == "Ladder":
        next(g for g in test.get("button_group") if g.key == "compare-over").set_value("FLOPs").run()
        assert drawn(test)


def test_a_link_with_names_that_are_not_there_shows_what_is(open_page, measured: Desk):
    test = open_page("compare", scale="giant", designs="nobody", reference="nothing", part="<script>")
    assert not test.error
    assert test.selectbox(key="compare-scale").value == "micro"
    assert "The link names what is not here, or was not measured yet: giant, nothing, nobody, &lt;script&gt;" in said(test).replace("\\<", "&lt;").replace("\\>", "&gt;").replace("\\", "")
    test.selectbox(key="compare-scale").select("nano").run().run()
    assert "The link names" not in said(test)
    assert dict(test.query_params) == {"scale": "nano"}


def test_without_gpt2_the_page_says_which_reference_stands_in_and_why(open_page, desk: Desk):
    for design in ("llama", "gla"):
        made = desk.store.implementations.newest(design)
        row = desk.store.verifications.start(design, made.id, "nano", 0, "corpus", "hash", "", desk.scales["nano"].settings)
        desk.store.verifications.finish(row.id, Metrics(2.3, 0.01, 3.0, 20.0, 3.1, 1_000_000, 500.0, 2.0, 0.5, 1_000_000, 50, 4, 128, 64.0, {}), {})
    test = open_page("compare")
    first = next(s for s in test.selectbox if s.key == "compare-reference").value
    assert f"gpt2, the usual reference, was not measured yet: all are held against {first}, the first design that was" in said(test)
    next(s for s in test.selectbox if s.key == "compare-reference").select(next(d for d in ("llama", "gla") if d != first)).run()
    assert "which you chose" in said(test)


def test_with_gpt2_nothing_is_said_of_a_stand_in(open_page, measured: Desk):
    assert "usual reference" not in said(open_page("compare"))


def test_a_view_is_kept_under_its_name_and_taken_away(open_page, measured: Desk):
    test = open_page("compare", scale="nano", reference="llama")
    next(t for t in test.text_input if t.key == "view-name-compare").set_value("the three").run()
    next(b for b in test.button if b.key == "keep-compare").click().run()
    [view] = measured.views("compare")
    assert (view.name, view.query["reference"], view.author) == ("the three", "llama", "you")
    assert next(t for t in test.text_input if t.label == "Keep what I see as").value == ""
    measured.keep_view("compare", "the three", {"scale": "micro"})
    assert [v.query for v in measured.views("compare")] == [{"scale": "micro"}]
    measured.forget_view("compare", "the three")
    assert measured.views("compare") == []
    with pytest.raises(UsageError, match="no name"):
        measured.keep_view("compare", "  ", {})


def test_the_front_holds_those_that_no_other_beats_in_both():
    points = [Point("a", 1, 3.0, None, True), Point("b", 2, 2.5, 0.1, False), Point("c", 3, 2.6, 0.1, False), Point("d", 2, 2.7, 0.1, False), Point("e", 5, 2.0, None, False)]
    assert [p.design for p in front(points)] == ["a", "b", "e"]
    assert pareto(points, "parameters").data[0].x == (1, 2, 5)


def test_tasks_are_told_as_the_way_from_chance(measured: Desk):
    found = task_table({d: [v for v in measured.store.verifications.counted("nano") if v.design_id == d] for d in ("gpt2", "llama")})
    assert found.tasks == ("minimal_pairs",)
    assert found.gained == ((0.5,), (0.5,))
    assert heat(found).data[0].text[0][0] == "0.750"
