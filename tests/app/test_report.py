"""The report: as nouns, as JSON, HTML and CSV, and as a page."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser

import pytest
from screens import HOSTILE, results, said

from app.widgets.curves import curve_figure
from app.widgets.verify_form import parse_seeds
from core.config import ROOT
from core.desk import Desk
from core.errors import NotFound, UsageError
from core.report import report, to_json
from core.report.html import as_html
from core.report.words import as_csv, as_text
from core.types import CurvePoint, JobState, ProbeResult, VerifyOptions


@pytest.fixture
def measured(desk: Desk, work) -> Desk:
    """gpt2 and gla at nano with two seeds each, gla with probes and a promoted seed."""
    desk.verify(["gpt2", "gla"], "nano", [0, 1])
    work()
    for design, accuracy in (("gla", 0.4), ("gpt2", 0.9)):
        made = desk.store.implementations.newest(design).id
        results = [ProbeResult("mad", "recall", "hard", seed, accuracy + 0.02 * seed, 0.06, 3e-3, {"0.003": accuracy}, 100, 1000, 2.0) for seed in (0, 1)]
        desk.store.measurements.add_probes(design, made, results, {})
    desk.store.measurements.add_test_score(row(desk, "gla", 0), 1.9, 0.02, 40, HOSTILE)
    return desk


def row(desk: Desk, design: str, seed: int) -> int:
    return next(v.id for v in desk.store.verifications.of(design) if v.seed == seed)


def test_a_report_holds_all_that_was_measured(measured: Desk):
    found = report(measured, row(measured, "gla", 0), price_an_hour=3600.0)
    assert [s.seed for s in found.score.seeds] == [0, 1]
    assert found.score.mean == pytest.approx(sum(s.bits_per_byte for s in found.score.seeds) / 2)
    assert found.score.se_seeds == pytest.approx(abs(found.score.seeds[0].bits_per_byte - found.score.seeds[1].bits_per_byte) / 2)
    assert found.score.test.bits_per_byte == 1.9
    assert [(c.design, len(c.points)) for c in found.references] == [("gpt2", 3)]
    assert {p.design for p in found.peers} == {"gla", "gpt2"}
    (task,) = found.tasks
    assert (task.task, task.value, task.chance, task.reference, task.difference) == ("minimal_pairs", 0.6, 0.5, 0.6, 0.0)
    (probe,) = found.probes
    assert (probe.accuracy, probe.reference, probe.seeds) == (pytest.approx(0.41), pytest.approx(0.91), 2)
    assert found.cost.money == pytest.approx(1.5)
    assert "recall hard" in as_text(found)


def test_accuracies_are_compared_item_by_item_where_both_have_their_items(measured: Desk):
    scores = {"pairs": {"acc": 0.5, "acc_stderr": 0.29, "chance": 0.5, "n": 4}}
    for design, items in (("gla", [1, 1, 0, 0]), ("gpt2", [1, 0, 0, 0])):
        measured.store.measurements.add_tasks(row(measured, design, 0), {"pairs": {**scores["pairs"], "acc": sum(items) / 4}}, {"pairs": items})
    line = next(t for t in report(measured, row(measured, "gla", 0)).tasks if t.task == "pairs")
    assert line.paired
    assert (line.difference, line.difference_se) == (0.25, pytest.approx(0.25))


def test_json_is_strict_complete_and_the_same_after_a_round_trip(measured: Desk):
    found = report(measured, row(measured, "gla", 0))
    data = to_json(found)
    assert set(found.__dataclass_fields__) < set(data)
    assert json.loads(json.dumps(data, allow_nan=False)) == data


def test_the_html_file_is_whole_and_names_nothing_outside(measured: Desk):
    page = as_html([report(measured, row(measured, d, 0)) for d in ("gla", "gpt2")])
    assert not re.search(r"(src|href)=|url\(|https?://|@import|<script", page)
    assert "&lt;script&gt;" in page  # who promoted it has a hostile name
    tags = Balance()
    tags.feed(page)
    assert tags.open == []
    assert page.count("<svg") >= 6


class Balance(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        pass


def test_the_table_has_one_line_a_figure_and_no_formula(measured: Desk):
    lines = list(csv.DictReader(io.StringIO(as_csv([report(measured, row(measured, d, 0)) for d in ("gla", "gpt2")]))))
    assert {line["design"] for line in lines} == {"gla", "gpt2"}
    assert {line["section"] for line in lines} == {"score", "task", "probe", "ladder", "cost"}
    assert float(next(line for line in lines if line["name"] == "minimal_pairs/acc")["value"]) == 0.6


def test_an_unknown_number_is_said_in_words(measured: Desk, open_page):
    with pytest.raises(NotFound):
        report(measured, 99)
    text = said(open_page("report", verifications=f"99,{HOSTILE},{row(measured, 'gla', 0)}"))
    assert "There is no verification 99" in text
    assert "Gated linear attention" in text


def test_the_page_shows_one_in_full(measured: Desk, open_page):
    test = open_page("report", verifications=str(row(measured, "gla", 0)))
    text = said(test)
    for section in ("Curve", "Against the others", "Tasks", "Probes", "Cost", "Made with"):
        assert f"##### {section}" in text
    assert "Locked test split" in text
    assert not any(m.allow_html for m in test.markdown)
    assert not test.error


def test_the_page_shows_several_side_by_side(measured: Desk, open_page):
    ids = [row(measured, d, s) for d in ("gla", "gpt2") for s in (0, 1)]
    test = open_page("report", verifications=",".join(map(str, ids)))
    assert list(test.dataframe[0].value["verification"]) == ids
    assert list(test.dataframe[0].value["design"]) == ["gla #0", "gla #1", "gpt2 #0", "gpt2 #1"]
    assert not test.error


def test_a_failed_one_says_why_and_one_under_way_waits(measured: Desk, open_page):
    made = measured.store.implementations.newest("gpt2").id
    failed = measured.store.verifications.start("gpt2", made, "nano", 5, "fake", "f" * 64)
    measured.store.verifications.fail(failed.id, f"diverged at step 3 {HOSTILE}", {"code": "x"})
    running = measured.store.verifications.start("gpt2", made, "nano", 6, "fake", "f" * 64)
    assert "diverged at step 3" in said(open_page("report", verifications=str(failed.id)))
    assert "still being measured" in said(open_page("report", verifications=str(running.id)))
    both = open_page("report", verifications=f"{failed.id},{running.id}")
    assert len(both.dataframe[0].value) == 2
    json.dumps(to_json(report(measured, failed.id)), allow_nan=False)
    assert "diverged" in as_html([report(measured, failed.id), report(measured, running.id)])


def test_without_a_reference_the_report_says_so(desk: Desk, work):
    desk.verify(["gla"], "nano", [0])
    work()
    found = report(desk, row(desk, "gla", 0))
    assert "gpt2 was not verified at nano" in found.no_comparison
    assert any(w.kind == "one seed" for w in found.warnings)


def test_curves_show_watched_points_as_dots_and_the_references_as_a_band():
    def curve(level: float) -> list[CurvePoint]:
        return [CurvePoint(i, 10 * i, 1.0, level, 1e-3, 1.0, 1.0, level + 0.1 if i % 10 == 9 else None) for i in range(40)]

    fig = curve_figure([("mine <b>", curve(2.0), False)], [curve(2.2), curve(2.5), curve(2.4)])
    low, high, line, dots = fig.data
    assert list(low.y) == pytest.approx([2.2] * len(low.y))
    assert list(high.y) == pytest.approx([2.5] * len(high.y))
    assert (line.mode, dots.mode, set(dots.y)) == ("lines", "markers", {2.1})
    assert "<b>" not in line.name


def test_seeds_are_read_as_a_list_and_as_spans():
    assert parse_seeds("0,2, 5-7 5") == [0, 2, 5, 6, 7]
    for bad in ("x", "1-", "-1", "1.5", "0-999", "9" * 40):
        with pytest.raises(UsageError):
            parse_seeds(bad)


@pytest.mark.parametrize(("typed", "told"), [("3000000000", "too large"), ("0-3000000000", "too large"), ("-5", "is no seed"), ("many words", "is no seed"), ("0-9999", "more than 50"),
                                             (",".join(map(str, range(10_000))), "more than 50"), ("5-2", "ends before it begins"), ("", "no seed is named")])
def test_seeds_that_cannot_be_are_told_in_words_and_nothing_starts(open_page, typed: str, told: str):
    test = open_page("verify", designs="gpt2")
    next(t for t in test.text_input if t.key == "verify-seeds").set_value(typed).run()
    assert [told in e.value for e in test.error] == [True]
    assert len(test.error[0].value) < 300
    assert next(b for b in test.button if b.label == "Verify").disabled


@pytest.fixture
def told_apart(desk: Desk, engine, work) -> Desk:
    """gla better than gpt2 by far more than the noise, over three seeds; retnet by as much as the noise, with one."""
    noise = desk.noise("nano").paired.sd
    for design, gap, seeds in (("gpt2", 0.0, (0, 1, 2)), ("gla", -6 * noise, (0, 1, 2)), ("retnet", noise, (0,))):
        code = desk.store.implementations.newest(design).code
        engine.scores |= {(code, s): 2.0 + 0.001 * s + gap + 0.0005 * (s == 1) for s in seeds}
        desk.verify([design], "nano", seeds)
    work()
    return desk


def test_the_verdict_comes_first_with_its_probability(told_apart: Desk, open_page):
    found = report(told_apart, row(told_apart, "gla", 0))
    assert (str(found.comparison.verdict), found.comparison.seeds) == ("better", (0, 1, 2))
    assert "Better than gpt2? Yes (" in as_text(found)
    assert "over 3 seeds" in as_html([found])
    assert (found.tasks[0].paired, found.tasks[0].seeds) == (True, 3)
    text = said(open_page("report", verifications=str(found.verification)))
    assert text.index("Better than gpt2? Yes") < text.index("##### Curve")


def test_more_seeds_are_queued_from_the_report(told_apart: Desk, open_page):
    number = row(told_apart, "retnet", 0)
    proposed = report(told_apart, number).comparison.more_seeds
    assert proposed
    test = open_page("report", verifications=str(number))
    next(b for b in test.button if "more seed" in b.label).click().run()
    assert not test.exception
    queued = {(j.payload["design"], j.payload["seed"]) for j in told_apart.queue.all(states=[JobState.QUEUED])}
    assert {("retnet", s) for s in proposed} <= queued
    assert not any(design == "gpt2" and seed < 3 for design, seed in queued)  # those are measured


def test_a_promotion_needs_a_reason_and_happens_once(told_apart: Desk, open_page, work):
    number = row(told_apart, "gla", 0)
    test = open_page("report", verifications=str(number))
    test.button(key=f"promote-{number}").click().run()
    assert "needs a reason" in said(test)
    test.text_input(key=f"why-{number}").set_value("better over three seeds")
    test.button(key=f"promote-{number}").click().run()
    work()
    text = said(open_page("report", verifications=str(number)))
    assert "Locked test split" in text
    assert "promoted by you" in text


def test_results_name_verdicts_and_what_is_suspicious(desk: Desk, engine, work, open_page):
    session = desk.start_session(["gpt2"], n_proposals=1, gate="auto", seed=1)
    work()
    (cheat,) = desk.store.designs.of_session(session.id)
    engine.scores[desk.store.implementations.newest(cheat.id).code, 0] = 1.0
    engine.audit_says = (False, "position 3 changes position 2")
    desk.verify(["gpt2", cheat.id], "nano", [0])
    work()
    frame = results(open_page("verify")).set_index("design")
    assert (frame["verdict"]["gpt2"], frame["verdict"][cheat.id]) == ("the reference", "suspicious")
    assert "suspicious" in frame["doubts"][cheat.id]
    number = row(desk, cheat.id, 0)
    test = open_page("report", verifications=str(number))
    assert "Too good to count yet" in said(test)
    assert "position 3 changes" in said(test)
    assert not any(b.label == "Promote it" for b in test.button)
    engine.audit_says = (True, "nothing changes")
    test.button(key=f"audit-{number}").click().run()
    work()
    assert "the audit passed" in said(open_page("report", verifications=str(number)))


def test_a_run_at_its_own_rate_is_a_row_of_its_own_and_takes_nothing_from_the_others(measured: Desk, engine, work, open_page):
    measured.verify(["gla", "llama"], "nano", [0], options=VerifyOptions(sweep=True))      # llama at its own rate alone, gpt2 at the scale's alone
    work()
    frame = results(open_page("verify")).set_index(["design", "rate"])
    assert list(frame.index) == [*[(d, "the scale's") for d in frame.xs("the scale's", level=1).index], *[(d, "its own") for d in frame.xs("its own", level=1).index]]
    assert (frame["seeds"]["gla", "the scale's"], frame["seeds"]["gla", "its own"]) == (2, 1)
    assert frame["verdict"]["gla", "the scale's"] in ("better", "within noise", "worse", "suspicious")
    assert "gpt2 has no run at its own learning rate" in frame["doubts"]["llama", "its own"]
    assert "nano" not in measured.store.designs.get("llama").scores


def test_two_corpora_of_one_name_are_told_apart_by_their_hash(measured: Desk, open_page):
    made = measured.store.implementations.newest("llama").id
    other = measured.store.verifications.start("llama", made, "nano", 0, "fake", "abcdef0123456789")
    measured.store.verifications.finish(other.id, measured.store.verifications.get(row(measured, "gla", 0)).metrics, {})
    test = open_page("verify")
    assert set(results(test)["design"]) == {"gpt2", "gla"}
    assert list(test.button_group(key="results-corpus").options) == ["fake (ffffffff)", "fake (abcdef01)"]


def test_peers_and_ladder_of_a_report_are_of_the_newest_code_and_of_the_same_settings(measured: Desk, engine, work):
    old = row(measured, "gpt2", 0)
    again = measured.store.implementations.add("gpt2", "tester", "# a second revision", None)
    engine.scores["# a second revision", 0] = 9.0
    measured.verify(["gpt2"], "nano", [0])
    work()
    found = report(measured, row(measured, "gla", 0))
    assert next(p for p in found.peers if p.design == "gpt2").mean == 9.0
    assert found.ladder[0].reference == 9.0
    assert measured.store.designs.get("gpt2").scores == {"nano": 9.0}
    before = report(measured, old)
    assert (before.revision, len(before.score.seeds), before.ladder[0].seeds) == (1, 2, 2)
    other = measured.store.verifications.start("gpt2", again.id, "nano", 0, "fake", "f" * 64, settings="another")
    measured.store.verifications.finish(other.id, measured.store.verifications.get(old).metrics, {})
    assert [p.design for p in report(measured, other.id).peers] == ["gpt2"]


def test_a_difference_of_one_seed_says_what_is_not_in_its_error(measured: Desk):
    words = "of the items only: seed noise is not in it"
    for design, items in (("gla", [1, 1, 0, 0]), ("gpt2", [1, 0, 0, 0])):
        measured.store.measurements.add_tasks(row(measured, design, 0), {"pairs": {"acc": sum(items) / 4, "acc_stderr": 0.29, "chance": 0.5, "n": 4}}, {"pairs": items})
    found = report(measured, row(measured, "gla", 0))
    assert f"item by item, {words}" in as_text(found)
    assert f"Differences of one seed are {words}" in as_html([found])


def test_the_form_passes_tasks_and_options(open_page, desk: Desk):
    test = open_page("verify", designs="gpt2", scale="micro")
    test.session_state["verify-more"] = True
    test.run()
    test.text_input(key="verify-seeds").set_value("0-1")
    test.checkbox(key="verify-early").check()
    test.multiselect(key="verify-tasks").set_value(["minimal_pairs", "blimp_local"]).run()
    test.session_state["verify-more"] = False          # what was chosen holds when the part is folded again
    test.run()
    next(b for b in test.button if b.label == "Measure").click().run()
    assert desk.queue.all()[0].kind == "time"
    next(b for b in test.button if b.label == "Verify 2").click().run()
    assert not test.exception
    assert "2 of 2 are measured or under way already" in said(test)
    job = desk.queue.all()[0]
    assert (job.payload["scale"], job.payload["seed"]) == ("micro", 1)
    assert job.payload["options"]["tasks"] == ["minimal_pairs", "blimp_local"]
    assert job.payload["options"]["early_stop"]
    for page in ("compare", "verify"):                 # and after a walk to another page
        test.switch_page(str(ROOT / "pages" / f"{page}.py")).run()
    assert (test.text_input(key="verify-seeds").value, test.selectbox(key="verify-scale").value, test.multiselect(key="verify-designs").value) == ("0-1", "micro", ["gpt2"])
    assert test.session_state["verify-early"]
