"""The surrogate's algebra against the textbook's, and what it learns."""

from __future__ import annotations

import numpy as np
import pytest
from landscape import RUNGS, SCALES, Landscape
from scipy.stats import multivariate_normal

from core.selection.acquisition import expected_improvement, knowledge_gradient
from core.selection.base import Parts
from core.selection.belief import Belief, thinned
from core.selection.likeness import KINDS, KINSHIP, Likeness
from core.selection.surrogate import Places, Points, covariance, evidence, mixed, rungs, sharpened, sharpened_slope


def world(seed: int = 0, n: int = 12) -> Landscape:
    found = Landscape(seed)
    for _ in range(n):
        parents = found.rng.sample(list(found.genes), found.rng.randrange(3))
        found.add(f"d{len(found.genes)}", found.drawn(), tuple(parents))
    for node in list(found.genes):
        found.measure(node, "small", found.rng.randrange(1, 3))
    for node in list(found.genes)[::3]:
        found.measure(node, "middle")
    return found


def belief(found: Landscape, parts: Parts | None = None) -> Belief:
    return Belief(found.tree, SCALES, RUNGS, parts or Parts(), Likeness().grown(found.tree))


def test_the_posterior_is_the_dense_formula():
    b = belief(world())
    theta, points, space = b.posterior.theta, b.points, b.space
    rows, scales = np.array([0, 3, 7, 7]), np.array([2, 2, 0, 1])
    similar = lambda r, c: [b.likeness.between(k, r, c).astype(float) for k in space.kinds]  # noqa: E731

    def f(r, s, r2, s2):
        return mixed(theta, similar(r, r2), r[:, None] == r2[None]) * rungs(space, theta, s, s2)

    _, K = covariance(space, theta, points, similar(points.row, points.row))
    cross = f(rows, scales, points.row, points.scale)
    mean, cov = b.joint(Places.at(rows, scales))
    assert mean == pytest.approx(cross @ np.linalg.inv(K) @ points.y, abs=2e-5)
    assert cov == pytest.approx(f(rows, scales, rows, scales) - cross @ np.linalg.inv(K) @ cross.T, abs=2e-5)
    assert b.screen(list(b.likeness.index)[:4])[0] == pytest.approx(b.joint(b.at_target(list(b.likeness.index)[:4]))[0], abs=1e-9)


def test_the_evidence_is_the_density_of_the_scores_and_its_gradient_that_of_finite_differences():
    b = belief(world(1))
    similar = [b.likeness.between(k, b.points.row, b.points.row).astype(float) for k in b.space.kinds]
    at = b.space.mean + 0.3 * np.random.default_rng(0).standard_normal(len(b.space.mean))
    value, gradient = evidence(at, b.space, b.points, similar)
    _, K = covariance(b.space, b.space.parts(at), b.points, similar)
    prior = -0.5 * (((at - b.space.mean) / b.space.sd) ** 2).sum()
    assert value == pytest.approx(multivariate_normal(np.zeros(len(K)), K).logpdf(b.points.y) + prior)
    step = 1e-5 * np.eye(len(at))
    numeric = [(evidence(at + e, b.space, b.points, similar)[0] - evidence(at - e, b.space, b.points, similar)[0]) / 2e-5 for e in step]
    assert gradient == pytest.approx(numeric, rel=1e-4, abs=1e-5)
    assert evidence(b.theta, b.space, b.points, similar)[0] >= evidence(b.space.mean, b.space, b.points, similar)[0]


@pytest.mark.parametrize("length", [0.1, 1.0, 10.0])
def test_sharpening_keeps_the_ends_and_its_slope_is_right(length: float):
    S = np.linspace(0, 1, 11)
    assert sharpened(S, length)[[0, -1]] == pytest.approx([0, 1])
    assert sharpened_slope(S, length) == pytest.approx((sharpened(S, length * 1.0001) - sharpened(S, length / 1.0001)) / (2 * np.log(1.0001)), abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_similarity_is_positive_semidefinite_and_grows_as_the_tree_does(kind: str):
    found = world(2)
    like = Likeness().grown(found.tree)
    every = np.arange(len(like.index))
    S = like.between(kind, every, every)
    assert np.linalg.eigvalsh(S.astype(float)).min() > -1e-5
    assert np.diag(S) == pytest.approx(1)
    found.add("late", found.drawn(), ("gpt2", "d5"))
    whole = Likeness().grown(found.tree)
    assert like.grown(found.tree).between(kind, [len(every)], every) == pytest.approx(whole.between(kind, [len(every)], every))


def test_a_child_is_as_like_its_parent_as_a_grandchild_is_like_its_own():
    found = Landscape(0)
    for i in range(4):
        found.add(f"c{i}", found.drawn(), (f"c{i - 1}" if i else "gpt2",))
    like = Likeness().grown(found.tree)
    chain = [like.index[n] for n in ("gpt2", "c0", "c1", "c2", "c3")]
    assert like.between("ancestry", chain[:1], chain)[0] == pytest.approx([KINSHIP**k for k in range(5)], rel=1e-3)


def test_siblings_of_a_good_design_are_expected_to_be_good():
    found = Landscape(0)
    for family, score in (("gpt2", 2.8), ("llama", 3.2)):
        for i in range(6):
            node = found.add(f"{family}{i}", found.drawn(), (family,))
            if i < 5:
                found.tree.nodes[node]["seeds"]["small"] = (score + 0.01 * i, score + 0.01 * i)
    b = belief(found, Parts(structure=False))
    (good, bad), _ = b.screen(["gpt25", "llama5"])
    assert good < bad - 0.1
    (same, too), _ = belief(found, Parts(structure=False, ancestry=False)).screen(["gpt25", "llama5"])
    assert same == pytest.approx(too)


def test_good_designs_that_alone_climb_are_not_taken_for_average_ones_higher_up():
    found = world(3, 20)
    best = sorted(found.genes, key=lambda n: found.truth(n, "small"))[:4]
    for node in best:
        found.measure(node, "large", 2)
    mean, _ = belief(found).screen([*best, *[n for n in found.genes if n not in best]])
    assert mean[:4].mean() < mean[4:].mean() - 0.05


def test_the_knowledge_gradient_of_one_independent_design_is_its_expected_improvement():
    mean = np.array([0.0, 0.1])
    assert knowledge_gradient(mean, np.array([[0.0, 0.2]]))[0] == pytest.approx(expected_improvement(0.1, 0.2, 0.0), abs=2e-4)
    assert knowledge_gradient(mean, np.array([[0.1, 0.1]]))[0] == pytest.approx(0, abs=1e-9)      # it moves all alike


def test_points_beyond_the_most_keep_every_scale_and_the_best():
    rng = np.random.default_rng(0)
    points = Points(np.arange(500), np.repeat([0, 1], [480, 20]), rng.standard_normal(500), np.ones(500))
    kept = thinned(points, 100)
    assert len(kept) <= 100
    assert set(range(480, 500)) <= set(kept.tolist())
    assert set(np.argsort(points.y[:480])[:30].tolist()) <= set(kept.tolist())
