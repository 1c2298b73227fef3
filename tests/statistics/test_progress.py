"""Measures of a search: best, population, drawdown, what a verification brings, diversity."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.statistics.progress import Point, curve, diversity, drawdown, improvement, means, since_better

RUN = [Point("a", "nano", 0, 2.0), Point("b", "nano", 0, 1.8), Point("c", "nano", 0, None), Point("b", "nano", 1, 2.2), Point("a", "micro", 0, 1.5), Point("c", "nano", 0, 1.9)]


def test_the_best_and_the_mean_follow_what_is_known_then():
    steps = curve(RUN, "nano")
    assert [s.n for s in steps] == [1, 2, 3, 4]
    assert [s.best for s in steps] == [2.0, 1.8, 2.0, 1.9]          # the second seed of b took its first back
    assert [s.mean for s in steps] == pytest.approx([2.0, 1.9, 2.0, (2.0 + 2.0 + 1.9) / 3])
    assert [s.better for s in steps] == [True, True, False, True]
    assert curve(RUN, "14M") == []
    assert means(RUN, "nano") == {"a": 2.0, "b": 2.0, "c": 1.9}


def test_what_brings_nothing_is_counted_until_something_does():
    assert since_better(RUN[:4]) == 2
    assert since_better(RUN[:5]) == 0, "the first at a scale is better than nothing"
    assert since_better([]) == 0


def test_drawdown_and_what_a_verification_brings():
    steps = curve(RUN, "nano")
    assert drawdown(steps) == pytest.approx(0.1)
    found = improvement(steps)
    assert found
    assert found[0] == pytest.approx((2.0 - 1.9) / 3)
    assert improvement(steps[:2]) is None
    assert drawdown([]) == 0.0


def test_diversity_is_the_mean_distance():
    assert diversity({"a": frozenset("xy"), "b": frozenset("xy")}) == 0.0
    assert diversity({"a": frozenset("xy"), "b": frozenset("zw")}) == 1.0
    assert diversity({"a": frozenset("xy")}) is None
    assert diversity({}) is None


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.one_of(st.none(), st.floats(0.5, 5.0))), max_size=20))
def test_whatever_is_measured_the_figures_hold_together(found):
    points = [Point(design, "nano", n, score) for n, (design, score) in enumerate(found)]
    steps = curve(points, "nano")
    assert len(steps) == sum(score is not None for _, score in found)
    assert all(s.best <= s.mean + 1e-12 for s in steps)
    assert drawdown(steps) >= 0
    assert 0 <= since_better(points) <= len(points)
