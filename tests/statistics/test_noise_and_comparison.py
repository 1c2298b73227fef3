"""Noise and paired comparisons do what they say, on data whose truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import ConfigError
from core.statistics.noise import LENT, Around, Noise, Pool, Prior, Spread, load_priors, noise, pooled, prior_entry, residual, write_prior
from core.statistics.paired import MOST_SEEDS, Verdict, compare
from core.types import Documents

KNOWN = Noise(Spread(0.02, 1e6), Spread(0.01, 1e6), "known", False)   # as good as exactly known


def drawn(rng: np.random.Generator, designs: int, seeds: int, order: float = 0.02, own: float = 0.007) -> dict[str, dict[int, float]]:
    """Scores of a two-way layout: the seed moves all designs alike by `order`, each by itself by `own`."""
    shared = rng.normal(0, order, seeds)
    return {f"d{d}": {s: 2.0 + 0.1 * d + shared[s] + rng.normal(0, own) for s in range(seeds)} for d in range(designs)}


def pair(rng: np.random.Generator, gain: float, seeds: int) -> tuple[dict[int, float], dict[int, float]]:
    """Design and reference whose difference has mean −gain and standard deviation 0.01 on a seed."""
    found = drawn(rng, 2, seeds, own=0.01 / 2**0.5)
    return {s: y - 0.1 - gain for s, y in found["d1"].items()}, found["d0"]


def test_the_pooled_spread_holds_both_noises_and_the_residual_only_what_pairing_leaves():
    rng = np.random.default_rng(1)
    singles, pairs = [], []
    for _ in range(300):
        scores = drawn(rng, 4, 5)
        singles.append(pooled(scores).sd ** 2)
        pairs.append(residual(scores).sd ** 2)
    assert np.mean(singles) ** 0.5 == pytest.approx((0.02**2 + 0.007**2) ** 0.5, rel=0.1)
    assert np.mean(pairs) ** 0.5 == pytest.approx(0.007 * 2**0.5, rel=0.05)
    assert pooled(drawn(rng, 4, 5)).df == 16
    assert residual(drawn(rng, 4, 5)).df == 12


def test_the_residual_of_a_layout_with_holes_is_right_too():
    rng = np.random.default_rng(2)
    squares = []
    for _ in range(300):
        scores = drawn(rng, 4, 5)
        del scores["d1"][0], scores["d2"][4], scores["d3"][2], scores["d3"][3]
        squares.append(residual(scores).sd ** 2)
    assert np.mean(squares) ** 0.5 == pytest.approx(0.007 * 2**0.5, rel=0.07)


def test_intervals_of_a_spread_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(3)
    inside = [low <= 1.0 <= high for low, high in (Spread(float(rng.normal(0, 1, 6).std(ddof=1)), 5).interval() for _ in range(2000))]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.02)


def test_without_two_seeds_or_two_designs_there_is_nothing_to_pool():
    assert pooled({"a": {0: 1.0}, "b": {1: 2.0}}) is None
    assert residual({"a": {0: 1.0, 1: 2.0}}) is None
    assert residual({"a": {0: 1.0}, "b": {0: 2.0}}) is None


def test_a_restless_design_does_not_hide_the_others_gains():
    rng = np.random.default_rng(4)
    scores = drawn(rng, 4, 4)
    scores["wild"] = {s: float(2 + rng.normal(0, 0.5)) for s in range(4)}
    calm, _, n = Pool(scores).told(tame=True)
    assert n == 16
    assert calm.sd < 0.05 < pooled(scores).sd


def test_the_residual_is_that_of_least_squares_and_each_design_meets_the_noise_of_the_others():
    rng = np.random.default_rng(5)
    scores = drawn(rng, 5, 4)
    del scores["d1"][0], scores["d2"][3]
    scores["single"] = {2: 2.5}
    cells = [(d, s, y) for d, seeds in scores.items() for s, y in seeds.items()]
    X = np.array([[d == name for name in scores] + [s == seed for seed in range(4)] for d, s, _ in cells], dtype=float)
    y = np.array([y for _, _, y in cells])
    fit, _, rank, _ = np.linalg.lstsq(X, y, rcond=None)
    assert residual(scores).sd == pytest.approx((2 * ((y - X @ fit) ** 2).sum() / (len(y) - rank)) ** 0.5, rel=1e-9)
    assert residual(scores).df == len(y) - rank
    around = Around("nano", scores, {}, ["nano"], "text")
    for name in scores:
        assert around.without(name) == noise("nano", {d: s for d, s in scores.items() if d != name}, {}, ["nano"], "text")


def test_the_prior_weighs_less_elsewhere_and_is_borrowed_where_a_scale_has_none():
    prior = Prior(Spread(0.02, 30), Spread(0.01, 30), "python_docs", "2026-01-01", ("gpt2",), 8)
    here, away, above, none = (noise(scale, {}, priors, ["nano", "micro"], corpus) for scale, priors, corpus in (
        ("nano", {"nano": prior}, "python_docs"), ("nano", {"nano": prior}, "other"), ("micro", {"nano": prior}, "python_docs"), ("nano", {}, "python_docs")))
    assert (here.paired.df, away.paired.df, above.paired.df, none.paired.df) == (LENT, 4, 2, 1)
    assert "for want of micro's own" in above.basis
    assert "never measured" in none.basis
    assert here.prior_only


def test_the_runs_that_a_prior_was_measured_with_do_not_count_twice():
    scores = drawn(np.random.default_rng(13), 4, 4)
    prior = Prior(Spread(0.02, 6), Spread(0.01, 6), "text", "2026-01-01", ("d0", "d1"), (0, 1, 2, 3))
    assert noise("nano", {d: scores[d] for d in ("d0", "d1")}, {"nano": prior}, ["nano"], "text").prior_only
    assert noise("nano", scores, {"nano": prior}, ["nano"], "text").single.df == 6 + 6
    assert noise("nano", scores, {"nano": prior}, ["nano"], "other").single.df == 4 + 12


def test_a_posterior_lies_between_prior_and_data():
    both = Spread(0.01, 4).updated(Spread(0.03, 12))
    assert both.df == 16
    assert both.sd == pytest.approx(((4 * 0.01**2 + 12 * 0.03**2) / 16) ** 0.5)


def test_at_the_null_each_side_is_called_in_about_one_of_forty():
    rng = np.random.default_rng(5)
    verdicts = [compare(*pair(rng, 0.0, 3), KNOWN).verdict for _ in range(3000)]
    for side in (Verdict.BETTER, Verdict.WORSE):
        assert np.mean([v is side for v in verdicts]) == pytest.approx(0.0228, abs=0.009)


def test_with_noise_known_from_few_runs_the_null_is_called_no_more_often():
    rng = np.random.default_rng(6)
    called = []
    for _ in range(2000):
        prior = Spread(0.01 * float((rng.chisquare(8) / 8) ** 0.5), 8)
        called.append(compare(*pair(rng, 0.0, 3), Noise(KNOWN.single, prior, "", False)).verdict is Verdict.BETTER)
    assert np.mean(called) == pytest.approx(0.0228, abs=0.01)


def test_intervals_hold_the_true_difference_as_often_as_they_say():
    rng = np.random.default_rng(7)
    hits = []
    for _ in range(1500):
        prior = Spread(0.01 * float((rng.chisquare(6) / 6) ** 0.5), 6)
        found = compare(*pair(rng, 0.013, 4), Noise(KNOWN.single, prior, "", False))
        hits.append(found.low <= -0.013 <= found.high)
    assert np.mean(hits) == pytest.approx(0.95, abs=0.018)


def test_probabilities_come_true_as_often_as_they_say():
    """Gains drawn from a wide, flat-like law: of the comparisons told at p, a share p is truly better."""
    rng = np.random.default_rng(8)
    told, true = [], []
    for _ in range(4000):
        gain = float(rng.uniform(-0.06, 0.06))
        told.append(compare(*pair(rng, gain, 2), KNOWN).p_better)
        true.append(gain > 0)
    told, true = np.array(told), np.array(true)
    for low, high in ((0.0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1.0)):
        those = (told >= low) & (told < high)
        assert true[those].mean() == pytest.approx(told[those].mean(), abs=0.07)


def test_seeds_needed_are_about_right():
    rng = np.random.default_rng(9)
    gain, sigma = 0.012, 0.01
    one = compare({0: 2.0 - gain}, {0: 2.0}, KNOWN)
    assert one.verdict is Verdict.WITHIN_NOISE
    assert one.more == 2                                        # (2 σ/gain)² = 2.8 → three in all
    decided = np.mean([compare(*pair(rng, gain, 3), KNOWN).verdict is Verdict.BETTER for _ in range(1000)])
    assert 0.4 < decided < 0.7                                  # half, and a little more for the rounding up
    assert compare({0: 2.0 - sigma / 100}, {0: 2.0}, KNOWN).more is None
    assert compare({0: 2.0 - 5 * sigma}, {0: 2.0}, KNOWN).more == 0
    assert MOST_SEEDS >= 10


def test_one_seed_is_judged_by_the_prior_alone():
    found = compare({0: 1.97}, {0: 2.0}, Noise(Spread(0.02, 8), Spread(0.01, 8), "", True))
    assert (found.se, found.df, found.seeds) == (0.01, 8, (0,))
    assert found.verdict is Verdict.BETTER
    assert 0.97 < found.p_better < 0.999


def test_without_a_shared_seed_the_comparison_is_unpaired_and_far_looser():
    paired = compare({0: 1.98, 1: 1.97}, {0: 2.0, 1: 2.0}, KNOWN)
    apart = compare({2: 1.98, 3: 1.97}, {0: 2.0, 1: 2.0}, KNOWN)
    assert paired.paired
    assert not apart.paired
    assert apart.seeds == ()
    assert apart.mean == pytest.approx(paired.mean)
    assert apart.se == pytest.approx(0.02, rel=0.01)            # sd √(1/2 + 1/2)
    assert apart.verdict is Verdict.WITHIN_NOISE
    assert apart.more == 1                                      # shared seeds would settle it sooner


def test_a_designs_own_restlessness_widens_its_interval():
    base = {s: 2.0 for s in range(4)}
    calm = compare({0: 1.98, 1: 1.97, 2: 1.98, 3: 1.97}, base, Noise(Spread(0.02, 4), Spread(0.01, 4), "", False))
    wild = compare({0: 1.8, 1: 2.15, 2: 1.9, 3: 2.05}, base, Noise(Spread(0.02, 4), Spread(0.01, 4), "", False))
    assert wild.mean == pytest.approx(calm.mean)
    assert wild.se > 3 * calm.se


def scored(rng: np.random.Generator, n: int, gain: float) -> tuple[Documents, Documents]:
    size = rng.integers(200, 4000, n).astype(float)
    base = size * rng.normal(2.0, 0.3, n)
    return Documents(tuple(base - size * rng.normal(gain, 0.08, n)), tuple(size)), Documents(tuple(base), tuple(size))


def test_over_documents_the_interval_is_wider_and_holds_what_other_text_would_say():
    rng = np.random.default_rng(10)
    hits, wider = [], []
    for n in range(100):
        a, b = scored(rng, 60, 0.02)
        mean = (sum(a.bits) - sum(b.bits)) / sum(b.bytes) + rng.normal(0, 0.01)
        found = compare({0: 2.0 + mean}, {0: 2.0}, KNOWN, [(a, b)], n)
        hits.append(found.documents[0] <= -0.02 <= found.documents[1])
        wider.append(found.documents[1] - found.documents[0] > found.high - found.low)
    assert np.mean(hits) == pytest.approx(0.95, abs=0.05)
    assert np.mean(wider) > 0.95


def test_the_same_question_has_the_same_answer_to_the_last_digit():
    documents = [scored(np.random.default_rng(11), 30, 0.01)]
    first, second = (compare({0: 1.99}, {0: 2.0}, KNOWN, documents, "a") for _ in range(2))
    assert first == second
    assert compare({0: 1.99}, {0: 2.0}, KNOWN, documents, "b").documents != first.documents


def test_documents_of_another_evaluation_are_not_paired():
    rng = np.random.default_rng(12)
    a, _ = scored(rng, 30, 0.0)
    _, b = scored(rng, 31, 0.0)
    assert compare({0: 1.99}, {0: 2.0}, KNOWN, [(a, b)]).documents is None


def test_the_prior_file_is_written_read_and_left_alone_otherwise(tmp_path: Path):
    path = tmp_path / "noise.yaml"
    path.write_text("# words at the head\n")
    entry = prior_entry(Spread(0.0261, 14), Spread(0.0098, 7), "python_docs", ["gpt2", "llama"], [0, 1, 5], "2026-11-25")
    write_prior(path, "nano", entry)
    write_prior(path, "micro", entry.replace("0.02610", "0.01500"))
    write_prior(path, "nano", entry.replace("0.02610", "0.03000"))
    found = load_priors(path)
    assert path.read_text().startswith("# words at the head")
    assert (found["nano"].single, found["micro"].single.sd) == (Spread(0.03, 14), 0.015)
    assert found["nano"].designs == ("gpt2", "llama")
    assert found["nano"].seeds == (0, 1, 5)
    assert load_priors(tmp_path / "none.yaml") == {}


@pytest.mark.parametrize(("text", "named"), [("nano: {sd: -1, df: 3, paired_sd: 1, paired_df: 1}", "sd is -1"), ("nano: 3", "nano is no mapping"),
                                             ("nano: {df: 3}", "sd is None"), ("- nano", "no mapping"), ("nano: {", "noise.yaml")])
def test_a_wrong_prior_file_is_named_with_its_key(tmp_path: Path, text: str, named: str):
    path = tmp_path / "noise.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=named):
        load_priors(path)
