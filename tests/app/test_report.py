"""The report: as nouns, as JSON, HTML and CSV, and as a page."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser

import pytest
from screens import HOSTILE, said

from app.widgets.curves import curve_figure
from app.widgets.verify_form import parse_seeds
from core.desk import Desk
from core.errors import NotFound, UsageError
from core.report import report, to_json
from core.report.html import as_html
from core.report.words import as_csv, as_text
from core.types import CurvePoint, ProbeResult


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
