"""Whatever a selector prefers, it obeys what a person said of branches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from random import Random

import networkx as nx
import pytest

from core.selection.greedy import GreedySelector
from core.selection.make import SELECTORS, make_selector
from core.selection.reading import designs
from core.selection.wishes import Wishes, factors, pruned, words
from core.types import Act, Design, Gates, Kind, Mode, Parents, Status

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SCALES = ["nano", "micro"]
RICH = {"design": 9, "nano": 9, "micro": 9}


def tree(*designs: tuple[str, tuple[str, ...], dict]) -> nx.DiGraph:
    graph = nx.DiGraph()
    for name, parents, more in designs:
        scores = more.pop("scores", {})
        kind = Kind.REFERENCE if name == "gpt2" else Kind.AGENT
        graph.add_node(name, design=Design(name, name, kind, Mode.MUTATION, parents, "t", None, 0, NOW, Status.VERIFIED if scores else Status.IMPLEMENTED, scores=scores, **more),
                       tried=set(scores))
        graph.add_edges_from((p, name) for p in parents)
    return graph


class Even:
    """The smallest selector: any runnable design, all alike; it knows nothing of wishes."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def next_act(self, tree: nx.DiGraph, budgets: Mapping[str, float], gates: Gates) -> Act | None:
        return Act.DESIGN

    def parents(self, tree: nx.DiGraph) -> Parents:
        return Parents(Mode.MUTATION, (Random(self.seed).choice(sorted(tree)),))

    def choose(self, tree: nx.DiGraph, budgets: Mapping[str, float]) -> tuple[str, str]:
        return min(tree), "nano"

    def learn(self, tree: nx.DiGraph) -> None:
        pass


def shares(make, graph: nx.DiGraph, n: int = 3000) -> dict[str, float]:
    """How often each design is one of one parent."""
    counts = Counter(drawn.ids[0] for seed in range(n) if len((drawn := make(seed).parents(graph)).ids) == 1)
    return {name: count / counts.total() for name, count in counts.items()}


def even(seed: int) -> Wishes:
    return Wishes(Even(seed), SCALES, seed)


def fair(seed: int) -> Wishes:
    return Wishes(GreedySelector(seed, SCALES, greedy=False), SCALES, seed)


def branches() -> tuple:
    done = {"nano": 2.0}
    return (("gpt2", (), {"scores": dict(done)}), ("a", ("gpt2",), {"scores": dict(done)}), ("a1", ("a",), {"scores": dict(done)}), ("b", ("gpt2",), {"scores": dict(done)}),
            ("ab", ("a", "b"), {"scores": dict(done)}))


def wished(**of: dict) -> nx.DiGraph:
    return tree(*((name, parents, {**more, **of.get(name, {})}) for name, parents, more in branches()))


def test_a_prune_reaches_what_descends_from_pruned_designs_alone():
    assert pruned(wished(a={"pruned": True})) == {"a", "a1"}
    assert pruned(wished(a={"pruned": True}, b={"pruned": True})) == {"a", "a1", "b", "ab"}
    assert pruned(wished()) == set()


@pytest.mark.parametrize("make", [even, fair, lambda seed: Wishes(GreedySelector(seed, SCALES), SCALES, seed)])
def test_a_pruned_branch_is_never_a_parent(make):
    graph = wished(a={"pruned": True})
    assert not {i for seed in range(300) for i in make(seed).parents(graph).ids} & {"a", "a1"}


@pytest.mark.parametrize("name", sorted(SELECTORS))
def test_a_pruned_design_is_never_verified_by_any_selector_of_the_program(name: str):
    graph = tree(("gpt2", (), {"scores": {"nano": 2.0, "micro": 1.9}}), ("a", ("gpt2",), {"pruned": True}), ("a1", ("a",), {}))
    selector = make_selector(name, 0, SCALES)
    assert isinstance(selector, Wishes)
    assert selector.next_act(graph, {"nano": 3}, Gates()) is None
    graph.nodes["a"]["design"] = Design("a", "a", Kind.AGENT, Mode.MUTATION, ("gpt2",), "t", None, 0, NOW, Status.IMPLEMENTED)
    assert selector.choose(graph, {"nano": 3})[0] in ("a", "a1")


def test_the_pruned_reference_is_still_measured_since_scores_are_held_against_it():
    graph = tree(("gpt2", (), {"pruned": True}), ("a", (), {}))
    selector = make_selector("greedy", 0, SCALES)
    assert selector.choose(graph, {"nano": 3}) == ("gpt2", "nano")
    assert all("gpt2" not in make_selector("greedy", seed, SCALES).parents(graph).ids for seed in range(100))
    assert "still measured" in words(graph)[0]


@pytest.mark.parametrize("make", [even, fair])
def test_a_boosted_branch_is_a_parent_so_many_times_as_often(make):
    graph = wished(a={"boost": 3.0})
    assert factors(graph) == {"gpt2": 1, "a": 3, "a1": 3, "b": 1, "ab": 3}
    found = shares(make, graph)
    for name, factor in factors(graph).items():
        assert found[name] == pytest.approx(factor / 11, abs=0.03), found


@pytest.mark.parametrize("make", [even, fair])
def test_a_factor_below_one_makes_a_branch_rarer(make):
    found = shares(make, wished(b={"boost": 0.25}, ab={"boost": 1.0}))
    assert found["b"] < 0.5 * found["a"]


def test_greedy_weighs_a_boost_exactly():
    graph = wished(b={"boost": 4.0, "scores": {"nano": 2.05}})
    plain, boosted = (GreedySelector(0, SCALES)._weights(g, designs(g)) for g in (wished(b={"scores": {"nano": 2.05}}), graph))
    assert boosted[3] / plain[3] == pytest.approx(4)


def test_a_pinned_design_stays_in_the_pool_though_its_score_would_drop_it():
    bad = {"scores": {"nano": 3.5}}
    greedy = lambda seed: Wishes(GreedySelector(seed, SCALES), SCALES, seed)  # noqa: E731
    assert shares(greedy, wished(b=bad), 600).get("b", 0) < 0.02
    assert shares(greedy, wished(b={**bad, "pinned": True}), 600)["b"] > 0.1


def test_a_pinned_design_climbs_though_its_score_would_drop_it():
    graph = wished(b={"scores": {"nano": 3.5}, "pinned": True}, gpt2={"scores": {"nano": 2.0, "micro": 1.9}})
    selector = make_selector("greedy", 0, SCALES)
    assert selector.next_act(graph, RICH, Gates()) is Act.VERIFY
    assert selector.choose(graph, RICH) == ("b", "micro")
    assert "pinned by a person" in selector.explain(graph, ("b", "micro"), RICH).words
    assert selector.next_act(graph, {"nano": 9, "micro": 0}, Gates()) is None      # what cannot be paid for waits


def test_the_reference_goes_before_what_is_pinned():
    graph = wished(b={"scores": {"nano": 3.5}, "pinned": True})
    assert make_selector("greedy", 0, SCALES).choose(graph, RICH) == ("gpt2", "micro")


def test_the_selector_says_what_it_obeys():
    graph = wished(a={"boost": 3.0}, b={"pruned": True}, ab={"pinned": True})
    assert Wishes.words(graph) == words(graph) == [
        "a is boosted by a person ×3: 3 designs in its branch", "b is pruned by a person: 1 design left alone", "ab is pinned by a person: it stays in play and climbs whatever its score"]
    selector = make_selector("greedy", 0, SCALES)
    told = selector.explain(graph, Parents(Mode.MUTATION, ("a1",)), RICH)
    assert "a1 is boosted by a person ×3" in told.words
    assert "1 design in pruned branches is left alone" in told.words
    assert all(c.id != "b" for c in told.candidates)
    assert any("boosted by a person ×3" in c.why for c in told.candidates)
    assert words(wished()) == []


def test_choices_are_the_same_again_after_a_restart():
    graph = wished(a={"boost": 3.0}, b={"pinned": True})
    assert [even(s).parents(graph) for s in range(50)] == [even(s).parents(graph) for s in range(50)]


def test_a_wish_names_who_wished_it_and_says_you_to_that_person_alone():
    graph = wished(b={"pruned": True, "wished": {"prune": "ada"}}, a={"boost": 3.0, "wished": {"boost": "bob"}})
    assert words(graph, "ada") == ["a is boosted by bob ×3: 3 designs in its branch", "b is pruned by you: 1 design left alone"]
    assert "b is pruned by ada: 1 design left alone" in words(graph, "bob")


def test_a_boost_changes_who_is_a_parent_and_not_the_mode():
    def modes(boost: float) -> Counter[Mode]:
        graph = tree(*((name, (), {"scores": {"nano": 3.0}}) for name in ("gpt2", "b", "c", "e")), ("d", (), {"boost": boost, "scores": {"nano": 3.0}}))
        return Counter(make_selector("bayes", seed, SCALES).parents(graph).mode for seed in range(120))

    assert modes(50.0) == modes(1.0)


@pytest.mark.parametrize("state", [{"failed": {"nano"}, "tried": {"nano"}}, {"running": {"nano": 1}}])
def test_a_pinned_design_is_not_sent_past_a_scale_where_it_failed_or_runs(state: dict):
    graph = tree(("gpt2", (), {"scores": {"nano": 3.0, "micro": 2.9}}), ("d", (), {"pinned": True}))
    graph.nodes["d"].update(state)
    for name in SELECTORS:
        selector = make_selector(name, 0, SCALES)
        if selector.next_act(graph, RICH | {"design": 0}, Gates()) is Act.VERIFY:
            assert selector.choose(graph, RICH | {"design": 0}) != ("d", "micro"), name
