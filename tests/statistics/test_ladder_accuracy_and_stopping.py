"""Scaling curves, rank correlations, accuracies and early stopping, on data whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from core.statistics import accuracy, ladder
from core.statistics.ladder import Point, correlation, crossing, curve
from core.statistics.stopping import hopeless
from core.types import CurvePoint

SIZES = (8e5, 2.6e6, 1e7, 3e7, 1e8)


def points(E: float, A: float, alpha: float, sizes: tuple[float, ...] = SIZES, noise: float = 0.0, rng: np.random.Generator | None = None) -> list[Point]:
    return [Point(f"{n:g}", n, E + A * (n / 8e5) ** -alpha + (rng.normal(0, noise) if rng else 0.0), noise) for n in sizes]


def test_a_power_law_with_an_offset_is_found_again():
    found = curve("a", points(0.8, 1.2, 0.3))
    truth = 0.8 + 1.2 * (1e8 / 8e5) ** -0.3
    assert found.kind == "power law with offset"
    assert found.level.value == pytest.approx(truth, abs=0.003)
    assert found.slope.value == pytest.approx(-0.3 * 1.2 * (1e8 / 8e5) ** -0.3 * np.log(10), rel=0.08)


def test_two_rungs_give_a_line_and_one_none():
    found = curve("a", points(0.0, 2.0, 0.1, SIZES[:2], 0.01))
    assert found.kind == "line in log size"
    assert found.level.value == pytest.approx(found.points[-1].y)
    assert found.slope.value == pytest.approx((found.points[1].y - found.points[0].y) / np.log10(2.6e6 / 8e5))
    assert curve("a", points(0.0, 2.0, 0.1, SIZES[:1])) is None


def test_bands_hold_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(1)
    hits = []
    for n in range(40):
        found = curve(f"d{n}", points(0.9, 1.1, 0.25, SIZES, 0.01, rng))
        truth = 0.9 + 1.1 * (SIZES[-1] / SIZES[0]) ** -0.25
        hits.append(found.level.low <= truth <= found.level.high)
    assert 0.85 <= np.mean(hits) <= 1.0


def test_curves_that_cross_are_found_where_they_cross_and_others_are_not():
    a, b = curve("flat", points(0.0, 2.0, 0.10, noise=0.003)), curve("steep", points(0.0, 2.1, 0.16, noise=0.003))
    found = crossing(a, b)
    truth = 8e5 * (2.1 / 2.0) ** (1 / 0.06)
    assert (found.first, found.second) == ("flat", "steep")
    assert found.size.value == pytest.approx(truth, rel=0.15)
    assert found.size.low < truth < found.size.high
    assert found.probability > 0.95
    assert not found.extrapolated
    never = crossing(curve("low", points(0.0, 1.5, 0.1, noise=0.003)), curve("high", points(0.0, 2.0, 0.1, noise=0.003)))
    assert never.size is None
    assert never.first == "low"


def test_a_crossing_beyond_what_was_measured_says_so():
    found = crossing(curve("flat", points(0.0, 2.0, 0.10, SIZES[:3], 0.001)), curve("steep", points(0.0, 2.3, 0.13, SIZES[:3], 0.001)))
    assert found.extrapolated


def test_rank_correlations_are_scipys_and_say_when_there_are_too_few():
    rng = np.random.default_rng(2)
    below = {f"d{n}": float(v) for n, v in enumerate(rng.normal(size=12))}
    above = {d: v + float(rng.normal(0, 0.5)) for d, v in below.items() if d != "d3"} | {"other": 1.0}
    found = correlation("nano", "micro", below, above)
    both = sorted(set(below) & set(above))
    x, y = [below[d] for d in both], [above[d] for d in both]
    assert found.n == 11
    assert found.spearman == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found.kendall == pytest.approx(stats.kendalltau(x, y).statistic)
    assert found.spearman_interval[0] < found.spearman < found.spearman_interval[1]
    assert found == correlation("nano", "micro", below, above)
    few = correlation("nano", "micro", {"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 2.0})
    assert (few.n, few.spearman, few.kendall_interval) == (2, None, None)
    assert correlation("a", "b", dict.fromkeys("xyz", 1.0), dict.fromkeys("xyz", 2.0)).spearman is None


def test_with_many_designs_the_formula_gives_the_interval_of_the_bootstrap(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(6)
    x = rng.normal(0, 1, 260)
    below, above = ({str(i): float(v) for i, v in enumerate(values)} for values in (x, x + rng.normal(0, 1, 260)))
    formula = ladder.correlation("a", "b", below, above)
    monkeypatch.setattr(ladder, "MANY", 1000)
    drawn = ladder.correlation("a", "b", below, above)
    assert formula.spearman == pytest.approx(drawn.spearman, abs=1e-12)
    assert formula.kendall == pytest.approx(drawn.kendall, abs=1e-12)
    assert formula.spearman_interval == pytest.approx(drawn.spearman_interval, abs=0.03)
    assert formula.kendall_interval == pytest.approx(drawn.kendall_interval, abs=0.03)


def test_ties_share_their_rank_as_scipy_says():
    x, y = dict(zip("abcdef", [1.0, 2, 2, 3, 3, 3], strict=True)), dict(zip("abcdef", [2.0, 1, 3, 3, 2, 5], strict=True))
    found = correlation("a", "b", x, y)
    assert found.spearman == pytest.approx(stats.spearmanr(list(x.values()), list(y.values())).statistic)
    assert found.kendall == pytest.approx(stats.kendalltau(list(x.values()), list(y.values())).statistic)


def test_accuracies_stand_against_chance_with_their_error():
    found = accuracy.accuracy([1] * 60 + [0] * 40, 0.5)
    assert found.se == pytest.approx((0.6 * 0.4 / 100) ** 0.5)
    assert found.above_chance == pytest.approx(0.2)
    assert found.sigmas == pytest.approx(2.0)


def test_item_by_item_a_difference_is_seen_that_two_accuracies_would_hide():
    rng = np.random.default_rng(3)
    base = (rng.random(1000) < 0.6).astype(int)
    own = np.where((base == 0) & (rng.random(1000) < 0.08), 1, base)   # right wherever the reference is, and sometimes besides
    found = accuracy.compare("blimp", [own.tolist()], [base.tolist()], 0.5)
    assert found.difference == pytest.approx(own.mean() - base.mean())
    assert found.low > 0
    assert found.se < 0.5 * (found.own.se**2 + found.base.se**2) ** 0.5


def test_intervals_of_item_differences_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(4)
    hits = []
    for _ in range(200):
        skill = rng.random(300)
        own, base = (rng.random(300) < np.clip(skill + 0.05, 0, 1)).astype(int), (rng.random(300) < skill).astype(int)
        found = accuracy.compare("t", [own.tolist()], [base.tolist()])
        hits.append(found.low <= 0.04875 <= found.high)
    assert np.mean(hits) == pytest.approx(0.95, abs=0.045)


def answers(rng: np.random.Generator, skill: np.ndarray, seeds: int, noise: float) -> list[list[int]]:
    """Of one design: each seed is as much better or worse at all items as chance has it."""
    return [(rng.random(len(skill)) < np.clip(skill + rng.normal(0, noise), 0, 1)).astype(int).tolist() for _ in range(seeds)]


def test_one_seed_against_another_of_the_same_design_has_no_p_and_says_what_is_not_in_its_error():
    rng = np.random.default_rng(5)
    found = accuracy.compare("t", answers(rng, rng.random(400), 1, 0.1), answers(rng, rng.random(400), 1, 0.1))
    assert found.p_value is None
    assert found.words.endswith("(one seed, items only)")


@pytest.mark.parametrize("seeds", [2, 4])
def test_the_noise_of_seeds_is_in_the_error_the_interval_and_the_p(seeds: int):
    rng = np.random.default_rng(6)
    found = [accuracy.compare("t", answers(rng, skill, seeds, 0.05), answers(rng, skill, seeds, 0.05)) for skill in rng.random((250, 400))]
    assert np.mean([f.low <= 0 <= f.high for f in found]) > 0.92
    assert np.mean([f.p_value < 0.05 for f in found]) < 0.08
    assert np.mean([f.se**2 for f in found]) == pytest.approx(np.var([f.difference for f in found]), rel=0.35)
    sure = accuracy.compare("t", answers(rng, np.full(400, 0.8), 4, 0.01), answers(rng, np.full(400, 0.5), 4, 0.01))
    assert sure.p_value < 0.01
    assert "over 4 seeds, p " in sure.words


def test_the_same_items_under_several_seeds_are_not_more_items():
    own, base = [1, 1, 0, 1, 0, 1] * 20, [1, 0, 0, 1, 1, 0] * 20
    once, thrice = accuracy.compare("t", [own], [base]), accuracy.compare("t", [own] * 3, [base] * 3)
    assert thrice.se == pytest.approx(once.se)
    assert thrice.seeds == 3


def watched(*scores: float) -> list[CurvePoint]:
    """A point each tenth of a hundred steps, with one unwatched between."""
    out = []
    for n, score in enumerate(scores, 1):
        out += [CurvePoint(10 * n - 5, 0, 3.0, 2.0, 1e-3, 1.0, 1.0), CurvePoint(10 * n, 0, 3.0, 2.0, 1e-3, 1.0, 1.0, score)]
    return out


REFERENCES = [watched(4.0, 3.5, 3.0, 2.8, 2.6, 2.5), watched(4.2, 3.6, 3.1, 2.9, 2.7, 2.6)]


def test_a_run_far_above_the_worst_reference_is_ended_after_a_third_of_it():
    assert hopeless(watched(5.0, 4.5), REFERENCES, 100) is None                    # too early
    why = hopeless(watched(5.0, 4.5, 4.0), REFERENCES, 100)
    assert "step 30" in why
    assert "0.9000 worse than the worst of 2" in why


@pytest.mark.parametrize("curve", [watched(4.2, 3.6, 3.12, 2.92), watched(5.0, 3.0, 4.0), watched(5.0, 4.5, 3.0), watched(), watched(5.0)])
def test_a_run_near_the_references_or_with_one_bad_point_goes_on(curve: list[CurvePoint]):
    assert hopeless(curve, REFERENCES, 100) is None


def test_without_references_nothing_is_hopeless():
    assert hopeless(watched(9.0, 9.0, 9.0, 9.0), [], 100) is None
