"""Every selector on a small synthetic world: what it may choose, that it repeats itself after a restart, and what `bayes` learns."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

import pytest
from landscape import RUNGS, SCALES, Landscape

from core.errors import UsageError
from core.selection.base import Parts
from core.selection.bayes import BayesSelector
from core.selection.climb import Climb, Need
from core.selection.islands import IslandsSelector, islands
from core.selection.make import SELECTORS, make_selector
from core.types import Act, Gates, Kind, Mode, Parents

BUDGET = {"design": 8, "small": 16, "middle": 8, "large": 4}
WORKING = [name for name in SELECTORS if name != "person"]


def made(name: str, seed: int = 0, parts: Parts | None = None):
    return make_selector(name, seed, SCALES, RUNGS, parts)


@pytest.mark.parametrize("name", WORKING)
def test_a_run_never_chooses_what_cannot_be_paid_for_and_measures_the_reference_first(name: str):
    found = Landscape(1)
    did = found.run(made(name), BUDGET)
    verified = [d for d in did if not d.endswith("@design")]
    assert verified[0] == "gpt2@small"
    assert sum(d.endswith("@design") for d in did) == 8
    at_large = [d.partition("@")[0] for d in verified if d.endswith("@large")]
    assert at_large, "something climbs to the top"
    assert all(verified.index("gpt2@large") <= i for i, d in enumerate(verified) if d.endswith("@large"))
    assert all(len(found.tree.nodes[n]["seeds"]["small"]) >= 2 for n in at_large if n == "gpt2" or found.tree.nodes[n]["design"].kind is not Kind.REFERENCE)
    assert made(name).best(found.tree) in found.genes


@pytest.mark.parametrize("name", WORKING)
def test_the_same_run_again_and_a_selector_that_starts_in_the_middle_choose_alike(name: str):
    first, second = Landscape(2), Landscape(2)
    budgets = {"design": 4, "small": 8, "middle": 3}
    assert first.run(made(name), budgets) == second.run(_Forgetful(name), budgets)


class _Forgetful:
    """A selector that is restarted before every choice."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, verb: str):
        return getattr(made(self.name), verb)


@pytest.mark.parametrize("name", WORKING)
def test_three_units_at_one_scale_measure_the_reference_and_two_new_designs(name: str):
    found = Landscape(3)
    verified = [d.partition("@")[0] for d in found.run(made(name), {"design": 4, "small": 3}) if d.endswith("@small")]
    assert verified[0] == "gpt2"
    assert len(set(verified[1:])) == 2
    assert all(found.tree.nodes[n]["design"].kind is Kind.AGENT for n in verified[1:])


@pytest.mark.parametrize("name", list(SELECTORS))
def test_persons_wishes_bind_every_selector(name: str):
    found = Landscape(4)
    for node in found.genes:
        found.measure(node, "small", 2)
    for i in range(4):
        found.add(f"d{i}", found.drawn(), ("llama",))
    found.tree.nodes["llama"]["design"] = replace(found.tree.nodes["llama"]["design"], pruned=True)
    chosen = [made(name, seed).parents(found.tree) for seed in range(12)]
    assert not {i for p in chosen for i in p.ids} & {"llama", "d0", "d1", "d2", "d3"}
    assert not any(d.startswith(("llama", "d0", "d1")) for d in found.run(made(name), {"small": 4}))
    found.tree.nodes["gla"]["design"] = replace(found.tree.nodes["gla"]["design"], pinned=True)
    found.measure("gpt2", "middle")
    assert made(name).next_act(found.tree, {"middle": 1}, Gates()) is Act.VERIFY
    assert made(name).choose(found.tree, {"middle": 1}) == ("gla", "middle")


@pytest.mark.parametrize("name", WORKING)
def test_every_choice_is_explained_with_its_candidates(name: str):
    found = Landscape(5)
    selector = made(name)
    found.run(selector, {"design": 4, "small": 6})
    parents, budgets = selector.parents(found.tree), {"small": 4, "middle": 4}
    assert selector.explain(found.tree, parents, {}).words
    choice = selector.choose(found.tree, budgets)
    told = selector.explain(found.tree, choice, budgets)
    assert told.words.startswith(f"{choice[0]} at {choice[1]}: ")
    assert told.candidates[0].id == choice[0]
    assert all(c.why for c in told.candidates)


def test_person_does_nothing_until_one_was_chosen():
    found = Landscape(0)
    assert made("person").next_act(found.tree, BUDGET, Gates()) is None
    found.tree.graph["chosen"] = (Act.DESIGN,)
    assert made("person").next_act(found.tree, BUDGET, Gates()) is Act.DESIGN
    assert made("person").next_act(found.tree, {"design": 0}, Gates()) is None


def test_best_of_n_starts_from_scratch_and_an_unknown_name_is_told():
    assert {made("best_of_n", seed).parents(Landscape(0).tree) for seed in range(9)} == {Parents(Mode.SCRATCH, ())}
    with pytest.raises(UsageError, match="oracle"):
        made("oracle")


# ------------------------------------------------------------------------------------------ the climb


def climbing(own: float, seeds: int, reference: float = 3.0) -> list[tuple[str, str, Need]]:
    found = Landscape(0)
    found.add("d", found.drawn(), ())
    for node, y in (("gpt2", reference), ("d", own)):
        found.tree.nodes[node]["seeds"]["small"] = (y,) * seeds
    return [(s.design.id, s.scale, s.need) for s in Climb(SCALES, RUNGS).steps(found.tree, {"small": 9, "middle": 9}) if s.need is not Need.KNOWN]


def test_a_design_climbs_with_two_seeds_against_the_reference_with_the_same_ones():
    assert climbing(2.9, 1) == [("d", "small", Need.CONFIRM)]
    assert climbing(2.9, 2) == [("gpt2", "middle", Need.REFERENCE)]
    assert climbing(3.2, 2) == []                        # worse than the reference by more than the noise


def test_a_gain_that_fades_with_size_is_not_followed():
    found = Landscape(0)
    found.add("d", found.drawn(), ())
    for scale, gain in (("small", 0.2), ("middle", 0.08)):
        found.tree.nodes["gpt2"]["seeds"][scale] = (3.0,) * 4
        found.tree.nodes["d"]["seeds"][scale] = (3.0 - gain,) * 4
    climb = Climb(SCALES, RUNGS)
    assert climb.promising(found.tree, "d", "small")
    assert not climb.promising(found.tree, "d", "middle")
    alike = {name: replace(rung, size=RUNGS["small"].size) for name, rung in RUNGS.items()}      # they differ in tokens alone: no slope over size
    assert Climb(SCALES, alike).promising(found.tree, "d", "middle")
    found.tree.nodes["d"]["seeds"]["middle"] = (2.85,) * 4
    assert climb.promising(found.tree, "d", "middle")


def test_the_lowest_rung_may_screen_with_one_seed_and_what_goes_on_is_confirmed_on_every_rung_below():
    found, budgets = Landscape(0), {"small": 9, "middle": 9, "large": 2}
    found.add("d", found.drawn(), ())
    climb = Climb(SCALES, RUNGS, free_below=math.inf, screens=1)

    def next_steps() -> set[tuple[str, str, Need]]:
        return {(s.design.id, s.scale, s.need) for s in climb.steps(found.tree, budgets) if s.need is not Need.KNOWN}

    found.measure("gpt2", "small")
    found.tree.nodes["d"]["seeds"]["small"] = (3.9,)                     # far worse than the reference, which is no gate without a limit to the doubt
    assert next_steps() == {("gpt2", "middle", Need.REFERENCE)}
    found.measure("gpt2", "middle")
    assert next_steps() == {("d", "middle", Need.CLIMB)}
    found.measure("d", "middle")
    assert next_steps() == {("d", "middle", Need.CONFIRM)}
    found.measure("d", "middle")
    assert next_steps() == {("d", "small", Need.CONFIRM)}
    found.measure("d", "small")
    for scale in ("middle", "small", "large"):
        assert next_steps() == {("gpt2", scale, Need.REFERENCE)}
        found.measure("gpt2", scale)
    assert next_steps() == {("d", "large", Need.CLIMB)}
    assert Climb(SCALES[:2], RUNGS, screens=1).screens == 0              # a climb to the largest rung is never on one seed


def test_ratings_have_no_say_in_the_climb():
    found = Landscape(0)
    found.add("d", found.drawn(), ())
    steps = Climb(SCALES, RUNGS).steps(found.tree, {"small": 9})
    found.tree.nodes["d"]["design"] = replace(found.tree.nodes["d"]["design"], rating=0.0)
    assert [s.design.id for s in Climb(SCALES, RUNGS).steps(found.tree, {"small": 9})] == [s.design.id for s in steps]


# ------------------------------------------------------------------------------------------ bayes


def screened(seed: int = 6) -> Landscape:
    found = Landscape(seed)
    for i in range(10):
        found.add(f"n{i}", found.drawn(), ("gpt2",))
    for node in found.genes:
        found.measure(node, "small", 2)
    found.measure("gpt2", "middle", 2)
    found.measure("gpt2", "large", 2)
    return found


def test_value_is_held_against_cost_and_without_cost_the_most_telling_comes_first():
    found, budgets = screened(), {"small": 99, "middle": 99}
    held, free = ([w for w in made("bayes", 0, Parts(cost=c)).inner._worth(found.tree, budgets) if w.due] for c in (True, False))
    assert all(w.value == pytest.approx(w.gain / RUNGS[w.step.scale].cost) for w in held)
    assert all(w.value == w.gain for w in free)
    assert free[0].gain == max(w.gain for w in free)
    assert held[0].value == max(w.value for w in held)
    assert RUNGS[held[0].step.scale].cost <= RUNGS[free[0].step.scale].cost


def test_a_known_architecture_is_measured_before_it_becomes_a_parent():
    found, selector = Landscape(2), made("bayes")
    found.measure("gpt2", "small")
    budgets = {"design": 2, "small": 9}
    parents = selector.parents(found.tree).ids
    unknown = [n for n in parents if not found.tree.nodes[n]["seeds"]]
    assert unknown
    assert selector.next_act(found.tree, budgets, Gates()) is Act.VERIFY
    assert selector.choose(found.tree, budgets) == (unknown[0], "small")
    spare = {"design": 9, "small": 9}                                    # every unit is a design's to come
    assert selector.next_act(found.tree, spare, Gates()) is Act.DESIGN


def test_many_workers_do_not_choose_alike():
    found, taken = screened(), []
    for _ in range(4):
        node, scale = made("bayes").choose(found.tree, {"small": 99, "middle": 99})
        taken.append((node, scale))
        running = found.tree.nodes[node].setdefault("running", {})
        running[scale] = running.get(scale, 0) + 1
    assert len(set(taken)) >= 3


def test_what_a_person_prefers_moves_the_belief_as_far_as_they_were_right():
    found = screened()
    for name in ("x", "y"):
        found.add(name, found.drawn(), ())
    ranked = sorted((n for n in found.genes if n.startswith("n")), key=found.truth)
    right = [(ranked[i], ranked[-1 - i]) for i in range(4)]

    def gap(pairs: list[tuple[str, str]]) -> tuple[float, float]:
        found.tree.graph["preferences"] = [("ann", *pair) for pair in pairs] + [("ann", "x", "y")]
        belief = made("bayes").inner._belief(found.tree)
        mean, _ = belief.screen(["y", "x"])
        return float(mean[0] - mean[1]), belief.trust["ann"]

    found.tree.graph["preferences"] = []
    before = made("bayes").inner._belief(found.tree).screen(["y", "x"])[0]
    base = float(before[0] - before[1])
    good, bad = gap(right), gap([(worse, better) for better, worse in right])
    assert good[0] > base + 0.001
    assert good[1] > 0.5 > 0.3 > bad[1]
    assert abs(bad[0] - base) < (good[0] - base) / 2
    silent = made("bayes", 0, Parts(preferences=False)).inner._belief(found.tree).screen(["y", "x"])[0]
    assert silent == pytest.approx(before)


def test_a_forecaster_counts_as_far_as_it_was_right():
    found = screened()
    found.add("x", found.drawn(), ())
    measured = [n for n in found.genes if n.startswith("n")]

    def shift(tell) -> float:
        found.tree.graph["forecasts"] = [("rev", n, "gpt2", "small", tell(n)) for n in measured] + [("rev", "x", "gpt2", "small", 0.95)]
        return float(made("bayes").inner._belief(found.tree).screen(["x"])[0][0])

    honest = shift(lambda n: 0.9 if found.truth(n) < found.truth("gpt2") else 0.1)
    wrong = shift(lambda n: 0.1 if found.truth(n) < found.truth("gpt2") else 0.9)
    found.tree.graph["forecasts"] = []
    nothing = float(made("bayes").inner._belief(found.tree).screen(["x"])[0][0])
    assert honest < nothing - 0.001
    assert abs(wrong - nothing) < abs(honest - nothing) / 2


def test_evolution_by_bayes_finds_better_designs_than_no_evolution():
    def found(name: str) -> float:
        total = 0.0
        for seed in range(4):
            land = Landscape(seed)
            selector = made(name, seed)
            land.run(selector, {"design": 12, "small": 26, "middle": 6, "large": 4})
            total += land.truth(selector.best(land.tree))
        return total / 4

    assert found("bayes") < found("best_of_n")


def test_a_failed_training_makes_its_kin_less_hopeful_and_is_not_tried_again():
    found = screened()
    found.add("bad", found.drawn(), ("n1",))
    child = found.add("kin", found.genes["bad"], ("bad",))
    before = made("bayes").inner._belief(found.tree).screen([child])[0][0]
    found.tree.nodes["bad"].update(failed={"small"}, tried={"small"})
    assert made("bayes").inner._belief(found.tree).screen([child])[0][0] > before
    assert not any(d.startswith("bad@") for d in found.run(made("bayes"), {"small": 5}))


@pytest.mark.parametrize("parts", [Parts(ancestry=False), Parts(structure=False, text=False), Parts(scale=False), Parts(preferences=False), Parts(cost=False), Parts(novelty=False)], ids=str)
def test_each_part_of_bayes_can_be_left_out(parts: Parts):
    assert Landscape(7).run(made("bayes", 0, parts), {"design": 3, "small": 8, "middle": 3})


def test_a_tree_of_unmeasured_designs_is_no_trouble():
    found = Landscape(8)
    rng = Random(0)
    for i in range(5):
        found.add(f"d{i}", found.drawn(), tuple(rng.sample(list(found.genes), 1)))
    selector = made("bayes")
    selector.learn(found.tree)
    assert selector.best(found.tree) is None
    assert set(selector.parents(found.tree).ids) <= set(found.genes)
    assert selector.next_act(found.tree, {"design": 0, "small": 0}, Gates()) is None


@pytest.mark.parametrize("each", [1, 2, 4])
def test_every_island_breeds_however_many_designs_a_session_makes(each: int):
    found = Landscape(0)
    for i in range(8):
        found.add(f"root{i}", found.drawn(), ())
    selector, bred = IslandsSelector(0, SCALES, RUNGS), set()
    for session in range(60):
        drawn = selector.parents(found.tree)
        bred |= {islands(found.tree)[i] for i in drawn.ids[:1]}
        for k in range(each):
            name = found.add(f"s{session}-{k}", found.drawn(), drawn.ids[:1])
            found.tree.nodes[name]["design"] = replace(found.tree.nodes[name]["design"], session_id=f"s{session}")
    assert bred == {0, 1, 2, 3}


def test_from_the_gated_size_on_bayes_follows_no_gain_that_fades():
    found, large = Landscape(0), {name: replace(rung, size=rung.size * 1e9) for name, rung in RUNGS.items()}
    found.add("d", found.drawn(), ())
    for node, scores in (("gpt2", (3.0, 3.0)), ("d", (3.5, 3.5))):
        found.tree.nodes[node]["seeds"]["small"] = scores
        found.tree.nodes[node]["tried"].add("small")
    climbs = {rungs is large: any(s.need is Need.CLIMB and s.design.id == "d" for s in BayesSelector(0, SCALES, rungs).climb.steps(found.tree, {"middle": 9}))
              or ("gpt2", "middle") in {(s.design.id, s.scale) for s in BayesSelector(0, SCALES, rungs).climb.steps(found.tree, {"middle": 9}) if s.need is Need.REFERENCE}
              for rungs in (RUNGS, large)}
    assert climbs == {False: True, True: False}
