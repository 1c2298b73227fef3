"""The built-in designer, reviewer and coder: seeded, honest, and inside the grammar."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.agents.base import Brief, Parent
from core.agents.dialog import Dialog
from core.agents.genetic import GeneticDesigner
from core.agents.rules import RuleReviewer
from core.agents.spec import load_specs
from core.agents.variation import MUTATIONS, Vocabulary, diagram
from core.errors import ConfigError
from core.gab.references import load_references
from core.gab.structure import distance, structural_hash
from core.gab.units import UnitLibrary
from core.types import Mode, UnitTree

ROOT = Path(__file__).resolve().parent.parent.parent
LIBRARY = UnitLibrary(ROOT / "library" / "units")
REFERENCES = {r.slug: r for r in load_references(ROOT / "library")}
SPECS = load_specs(ROOT / "agent_specs")


def brief(*parents: str, seed: int = 0, instructions: str = "", known=None) -> Brief:
    mode = {0: Mode.SCRATCH, 1: Mode.MUTATION}.get(len(parents), Mode.CROSSOVER)
    known = [(r.slug, r.units) for r in REFERENCES.values()] if known is None else known
    return Brief(mode, tuple(Parent(p, p, "", REFERENCES[p].units, None) for p in parents), 0, seed, instructions, known)


def propose(b: Brief):
    events: list[tuple] = []
    draft = GeneticDesigner(SPECS["genetic_designer"], LIBRARY).propose(b, Dialog(lambda *e: events.append(e)), "s-1")
    return draft, "".join(data["text"] for kind, _, data in events if kind == "delta"), events


@pytest.mark.parametrize("parents", [(), ("gpt2",), ("mamba2",), ("gpt2", "mamba2"), ("llama", "gla", "retnet")])
def test_one_seed_gives_one_proposal_and_another_seed_another(parents):
    a, b = propose(brief(*parents, seed=1))[0], propose(brief(*parents, seed=1))[0]
    assert a == b
    assert len({structural_hash(propose(brief(*parents, seed=s))[0].units) for s in range(12)}) > 4


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), parents=st.lists(st.sampled_from(sorted(REFERENCES)), max_size=3, unique=True))
def test_every_proposal_is_valid_new_and_composes(seed: int, parents: list[str]):
    draft = propose(brief(*parents, seed=seed))[0]
    LIBRARY.validate(draft.units)
    assert structural_hash(draft.units) not in {structural_hash(r.units) for r in REFERENCES.values()}
    assert "class GAB" in LIBRARY.compose(draft.units, title=draft.title)
    for heading in ("#### Motivation", "#### What changes", "#### Expected effect", "#### Risks"):
        assert heading in draft.body
    assert "Undefined" not in draft.body


def test_the_designer_says_that_it_is_a_program():
    _, said, events = propose(brief("gpt2"))
    assert "not a language model" in said
    assert events[0][0] == "message"
    assert events[-1][0] == "message_end"
    assert sum(e[0] == "delta" for e in events) > 5


def test_a_structure_that_the_tree_holds_is_not_proposed_again():
    first = propose(brief("gpt2", seed=5))[0]
    second = propose(brief("gpt2", seed=5, known=[("old", first.units)]))[0]
    assert structural_hash(first.units) != structural_hash(second.units)


def test_avoided_units_are_not_introduced_and_the_unread_rest_is_admitted():
    for seed in range(20):
        draft, said, _ = propose(brief("gpt2", seed=seed, instructions="Please no mamba2, and without gla. Make it dreamlike."))
        assert not {"mamba2", "gla"} & {u.unit for _, u in draft.units.walk()}
    assert "beyond me" in said
    assert "avoid gla, mamba2" in said


@pytest.mark.parametrize("name", sorted(MUTATIONS))
def test_each_operator_changes_something_and_keeps_the_grammar(name: str):
    from random import Random

    words, changed = Vocabulary(LIBRARY), 0
    for slug, reference in REFERENCES.items():
        for seed in range(10):
            offspring = MUTATIONS[name](reference.units, words, Random(seed))
            if offspring is None:
                continue
            changed += 1
            LIBRARY.validate(offspring[0])
            assert offspring[0] != reference.units, (slug, seed)
            assert offspring[1][0].what
    assert changed


def test_a_reviewer_finds_a_copy_dull_and_a_stranger_new():
    reviewer = RuleReviewer(SPECS["rule_reviewer"], LIBRARY)

    class P:
        design_id, units, new_units = "x", REFERENCES["gpt2"].units, ()

    copy = reviewer.review(P, brief("gpt2"), Dialog(lambda *e: None))
    new = reviewer.review(P, brief("gpt2", known=[("mamba2", REFERENCES["mamba2"].units)]), Dialog(lambda *e: None))
    assert copy.scores["novelty"] == 0
    assert new.scores["novelty"] > 4
    assert "gpt2" in copy.text
    assert 0 <= copy.rating < new.rating <= 5


def test_ratings_stay_within_their_range_for_odd_structures():
    reviewer = RuleReviewer(SPECS["rule_reviewer"], LIBRARY)
    for seed in range(30):
        class P:
            design_id, units, new_units = "x", propose(brief(seed=seed))[0].units, ()

        opinion = reviewer.review(P, brief(), Dialog(lambda *e: None))
        assert 0 <= opinion.rating <= 5
        assert all(0 <= s <= 5 for s in opinion.scores.values())


def test_distance_is_a_semimetric_on_the_references():
    trees = [r.units for r in REFERENCES.values()]
    for a in trees:
        assert distance(a, a) == 0
        for b in trees:
            assert distance(a, b) == distance(b, a)
            assert 0 <= distance(a, b) <= 1
            assert (distance(a, b) == 0) == (a == b)


def test_the_structural_hash_does_not_see_the_order_of_keywords():
    a = UnitTree("x", {"p": 1, "q": 2}, {"s": UnitTree("y"), "t": UnitTree("z")})
    b = UnitTree("x", {"q": 2, "p": 1}, {"t": UnitTree("z"), "s": UnitTree("y")})
    assert structural_hash(a) == structural_hash(b)
    assert structural_hash(a) != structural_hash(UnitTree("x", {"p": 1, "q": 3}, a.children))


def test_a_diagram_names_every_unit():
    tree = REFERENCES["llama"].units
    assert all(node.unit in diagram(tree) for _, node in tree.walk())


def test_a_broken_spec_is_named(tmp_path: Path):
    (tmp_path / "bad.yaml").write_text("name: x\nrole: poet\nengine: e\nabout: a\n")
    with pytest.raises(ConfigError, match=r"bad\.yaml.*poet"):
        load_specs(tmp_path)
    (tmp_path / "bad.yaml").write_text("name: [")
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        load_specs(tmp_path)


def test_an_undefined_name_in_a_prompt_is_an_error(tmp_path: Path):
    (tmp_path / "prompts" / "a").mkdir(parents=True)
    (tmp_path / "a.yaml").write_text("name: a\nrole: designer\nengine: e\nabout: x\n")
    (tmp_path / "prompts" / "a" / "step.md").write_text("{{ nothing }}")
    with pytest.raises(ConfigError, match="nothing"):
        load_specs(tmp_path)["a"].render("step")
