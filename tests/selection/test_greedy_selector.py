"""The simple selectors, on small trees made by hand."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import networkx as nx
import pytest

from core.selection.greedy import GreedySelector
from core.selection.ranking import ranking
from core.types import Act, Decision, Design, Gates, Kind, Mode, Status, Verb

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def design(name: str, status: Status = Status.IMPLEMENTED, kind: Kind = Kind.AGENT, rating: float | None = None, **scores: float) -> Design:
    return Design(name, name, kind, Mode.MUTATION, (), "test", None, 0, NOW, status, rating=rating, scores=scores)


def tree(designs: Iterable[Design]) -> nx.DiGraph:
    graph = nx.DiGraph()
    for d in designs:
        graph.add_node(d.id, design=d, tried=set(d.scores), seeds={s: (y, y) for s, y in d.scores.items()})
    return graph


GPT2 = design("gpt2", kind=Kind.REFERENCE)
LLAMA = design("llama", kind=Kind.REFERENCE)


def test_the_reference_is_verified_before_anything_is_designed():
    selector = GreedySelector(0, ["nano"])
    t = tree([GPT2, LLAMA])
    assert selector.next_act(t, {"design": 4, "nano": 3}, Gates()) is Act.VERIFY
    assert selector.choose(t, {"nano": 3}) == ("gpt2", "nano")


def test_with_the_reference_measured_designing_comes_before_other_references():
    t = tree([design("gpt2", Status.VERIFIED, Kind.REFERENCE, nano=2.0), LLAMA])
    assert GreedySelector(0, ["nano"]).next_act(t, {"design": 1, "nano": 3}, Gates()) is Act.DESIGN


def test_a_new_design_is_verified_before_the_next_is_designed():
    t = tree([design("gpt2", Status.VERIFIED, Kind.REFERENCE, nano=2.0), LLAMA, design("new")])
    selector = GreedySelector(0, ["nano"])
    assert selector.next_act(t, {"design": 1, "nano": 3}, Gates()) is Act.VERIFY
    assert selector.choose(t, {"nano": 3}) == ("new", "nano")


def test_a_run_ends_when_nothing_can_be_paid_for():
    t = tree([GPT2, design("new")])
    assert GreedySelector(0, ["nano"]).next_act(t, {"design": 0, "nano": 0}, Gates()) is None


def test_only_the_better_half_climbs_to_the_next_scale():
    done = [design("gpt2", Status.VERIFIED, Kind.REFERENCE, nano=2.0, micro=1.8), design("good", Status.VERIFIED, nano=1.9),
            design("bad", Status.VERIFIED, nano=2.5)]
    selector = GreedySelector(0, ["nano", "micro"])
    assert selector.choose(tree(done), {"nano": 5, "micro": 5}) == ("good", "micro")
    done[1] = design("good", Status.VERIFIED, nano=1.9, micro=1.7)
    assert selector.next_act(tree(done), {"design": 0, "nano": 5, "micro": 5}, Gates()) is None


def test_a_failed_verification_is_not_tried_again():
    t = tree([design("gpt2", Status.VERIFIED, Kind.REFERENCE, nano=2.0), design("diverged")])
    t.nodes["diverged"]["tried"].add("nano")
    assert GreedySelector(0, ["nano"]).next_act(t, {"nano": 5}, Gates()) is None


@pytest.mark.parametrize("status", [Status.REFUSED, Status.FAILED, Status.PROPOSED, Status.APPROVED])
def test_what_does_not_run_or_was_refused_is_neither_parent_nor_verified(status):
    t = tree([design("gpt2", Status.VERIFIED, Kind.REFERENCE, nano=2.0), design("no", status)])
    selector = GreedySelector(0, ["nano"])
    assert selector.next_act(t, {"nano": 5}, Gates()) is None
    assert all("no" not in GreedySelector(seed, ["nano"]).parents(t).ids for seed in range(50))


def test_the_same_tree_and_seed_give_the_same_parents():
    t = tree([GPT2, LLAMA, design("a"), design("b")])
    assert GreedySelector(3, ["nano"]).parents(t) == GreedySelector(3, ["nano"]).parents(t)


def test_parents_fit_their_mode():
    t = tree([GPT2, LLAMA, design("a"), design("b")])
    sizes = {Mode.SCRATCH: 0, Mode.MUTATION: 1, Mode.CROSSOVER: 2}
    chosen = [GreedySelector(seed, ["nano"]).parents(t) for seed in range(200)]
    assert {p.mode for p in chosen} == set(sizes)
    assert all(len(set(p.ids)) == sizes[p.mode] for p in chosen)


def test_greedy_draws_the_better_parent_more_often_and_random_does_not():
    t = tree([design("good", Status.VERIFIED, nano=1.5), design("bad", Status.VERIFIED, nano=1.9)])

    def share(greedy: bool) -> float:
        drawn = [p.ids[0] for seed in range(300) if (p := GreedySelector(seed, ["nano"], greedy).parents(t)).mode is Mode.MUTATION]
        return drawn.count("good") / len(drawn)

    assert share(True) > 0.9
    assert 0.35 < share(False) < 0.65


def test_a_persons_order_wins_over_ratings_and_refused_come_last():
    designs = [design("a", Status.PROPOSED, rating=4.0), design("b", Status.PROPOSED, rating=2.0), design("c", Status.REFUSED, rating=5.0)]
    assert [d.id for d in ranking(designs, [])] == ["a", "b", "c"]
    order = Decision(1, Verb.RERANK, "me", None, "s", "", {"order": ["c", "b", "a"]}, NOW)
    assert [d.id for d in ranking(designs, [order])] == ["b", "a", "c"]


def test_an_approved_proposal_leads_a_better_rated_one():
    designs = [design("a", Status.PROPOSED, rating=4.0), design("b", Status.APPROVED, rating=2.0)]
    assert [d.id for d in ranking(designs, [])] == ["b", "a"]
