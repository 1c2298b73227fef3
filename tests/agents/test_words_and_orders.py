"""Pure parts of the language-model agents: edits, orders, drafts, declared units, specs."""

from __future__ import annotations

import re
import shutil
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.agents.base import Brief, Parent
from core.agents.drafts import changed, draft_of, nodes_of, tree_of
from core.agents.order import strengths, together
from core.agents.patches import apply, code_in, edits_in
from core.agents.similarity import Known, nearest
from core.agents.spec import get_team, load_specs, load_teams, read_spec
from core.agents.stuck import Said, repeats
from core.agents.versions import Versions
from core.checker.repair import repaired_unit
from core.errors import ConfigError, UnitError, UsageError
from core.gab.declared import class_name, normal_name, read_written, standing_in, with_declared
from core.gab.references import load_references
from core.gab.units import UnitLibrary
from core.selection.ranking import ranking
from core.types import Decision, Design, Kind, Mode, NewUnit, Status, UnitTree, Verb

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = UnitLibrary(ROOT / "library" / "units")
REFERENCES = {r.slug: r for r in load_references(ROOT / "library")}
GPT2 = REFERENCES["gpt2"].units


# ------------------------------------------------------------------------------------------------------ edits


def test_edits_apply_exactly_or_not_at_all():
    code = "a = 1\nb = 2\nc = 3\n"
    answer = "First this.\n<<<<<<< SEARCH\na = 1\n=======\na = 10\n>>>>>>> REPLACE\nand\n<<<<<<< SEARCH\nc = 3\n=======\nc = 30\nd = 4\n>>>>>>> REPLACE\n"
    assert apply(code, edits_in(answer)) == "a = 10\nb = 2\nc = 30\nd = 4\n"
    with pytest.raises(UsageError, match=r"edit 2 of 2: its SEARCH part is not in the code; nearest is:\nc = 3"):
        apply(code, edits_in(answer.replace("SEARCH\nc = 3", "SEARCH\nc = 4")))
    with pytest.raises(UsageError, match="2 times"):
        apply("x = 1\ny = 1\nx = 1\n", edits_in("<<<<<<< SEARCH\nx = 1\n=======\nx = 2\n>>>>>>> REPLACE"))
    with pytest.raises(UsageError, match="empty"):
        apply(code, edits_in("<<<<<<< SEARCH\n\n=======\nx = 2\n>>>>>>> REPLACE"))


@given(st.lists(st.text("abc =\n", max_size=12), min_size=1, max_size=8, unique=True))
def test_an_edit_of_one_whole_line_changes_that_line_alone(lines: list[str]):
    lines = [str(i) + re.sub(r"\s", "_", line) for i, line in enumerate(lines)]
    code = "\n".join(lines) + "\n"
    wanted = lines[len(lines) // 2]
    answer = f"<<<<<<< SEARCH\n{wanted}\n=======\nnew\n>>>>>>> REPLACE"
    assert apply(code, edits_in(answer)).splitlines() == ["new" if line == wanted else line for line in lines]


ONE = "<<<<<<< SEARCH\na = 1\n=======\na = 9\n>>>>>>> REPLACE\n"


@pytest.mark.parametrize(("answer", "why"), [
    (f"{ONE}\n<<<<<<< SEARCH\nb = 2\n=======\nb = 8\n", "edit 2: it is cut off before"),
    (f"{ONE}\n<<<<<<< SEARCH\nb = 2\n", "edit 2: it is cut off before"),
    (f"<<<<<<< SEARCH\nb = 2\n>>>>>>> REPLACE\n{ONE}", "edit 1: its end comes before its ======="),
    (f"b = 2\n>>>>>>> REPLACE\n{ONE}", "edit 1: its end comes without a beginning"),
    (f"<<<<<<< SEARCH\nb = 2\n{ONE}", "edit 1: another one begins before its end"),
    ("<<<<<<< SEARCH\nb = 2\n=======\nb = 8\n=======\nz\n>>>>>>> REPLACE\n", "edit 1: it has two lines ======="),
])
def test_edits_that_are_cut_off_or_ill_formed_are_refused_with_all_the_others(answer: str, why: str):
    with pytest.raises(UsageError, match=f"{why}.*none of the edits was applied"):
        edits_in(answer)


def test_an_edit_that_is_indented_as_a_whole_counts():
    assert edits_in("1. mend it:\n  " + "\n  ".join(ONE.splitlines()) + "\n2. done\n") == edits_in(ONE)


def test_code_is_found_in_an_answer():
    assert code_in("text\n```python\nclass A:\n    pass\n```\nmore") == "class A:\n    pass\n"
    assert code_in("```\nx\n```\n```python\nclass Longer:\n    pass\n```") == "class Longer:\n    pass\n"
    assert code_in("class A:\n    pass\n") == "class A:\n    pass\n"
    assert code_in("I cannot write that.") is None
    assert code_in("```python\nclass Cut:\n    x = 1\n").startswith("class Cut")


def test_an_answer_that_loops_is_read_in_no_time():
    began = time.monotonic()
    for piece in ("<<<<<<< SEARCH\nx\n=======\n", "<<<<<<< SEARCH\nx\n=======\n>>>>>>> REPLACE\n", "```python\n", "```\nclass A:\n"):
        with suppress(UsageError):
            edits_in(piece * 20_000)
        code_in(piece * 20_000)
    assert time.monotonic() - began < 5


def test_a_fenced_example_in_a_docstring_is_left_alone():
    code = 'class Mean2(GAUBase):\n    """Mean.\n\n    ```python\n    y = mean(x)\n    ```\n    """\n    kind = "mixer"\n'
    mended, _ = repaired_unit(code, "Mean2")
    assert "class Mean2(GAUBase)" in mended


# ------------------------------------------------------------------------------------------------------ orders


def test_a_persons_order_outweighs_all_others():
    person, model = ["c", "a", "b"], ["b", "a", "c"]
    found = together(person, model, {"a": 5.0, "b": 4.0, "c": 0.0})
    assert sorted(found, key=lambda n: -found[n]) == person
    found = together(None, model, {"a": 5.0, "b": 4.9, "c": 0.0})
    assert sorted(found, key=lambda n: -found[n]) == model


@given(st.integers(1, 64), st.randoms())
@settings(max_examples=40, deadline=None)
def test_a_persons_order_holds_for_any_number_of_proposals_whatever_the_others_say(n: int, random):
    names = [str(i) for i in range(n)]
    person, model, rated = (random.sample(names, n) for _ in range(3))
    model = random.choice([model, person[::-1], [*person[1:], person[0]]])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    designs = [Design(name, name, Kind.AGENT, Mode.SCRATCH, (), "designer", "s", 1, now, Status.PROPOSED, rating=5 * i / n) for i, name in enumerate(rated)]
    decisions = [Decision(i, Verb.RERANK, "x", None, "s", "", data, now) for i, data in enumerate(({"order": person}, {"order": model, "by": "ranker"}))]
    assert [d.id for d in ranking(designs, decisions)] == person
    named = person[: n // 2]                                                          # the others come where they would
    decisions = [replace(decisions[0], data={"order": named}), decisions[1]]
    assert [d.id for d in ranking(designs, decisions) if d.id in named] == named


@given(st.permutations(list("abcdef")))
def test_one_order_gives_itself_back_and_strengths_average_to_one(order: list[str]):
    found = strengths([(order, 1.0)])
    assert sorted(found, key=lambda n: -found[n]) == order
    assert sum(found.values()) / len(found) == pytest.approx(1.0)


def test_a_reviewer_may_raise_a_point_again_of_one_proposal_but_not_say_it_word_for_word():
    text = "The gate multiplies the running mean, so early tokens see almost nothing of the past, and the scale at position one is left undefined by the equations."
    first = Said("a", text, ("State the scale at position one.", "Compare with a plain mean."))
    assert repeats(replace(first, text="Revised, yet the first position is as undefined as it was; the rest now holds."), [first]) is None
    assert repeats(first, [first]).text == 1.0
    assert repeats(replace(first, design_id="b", text="Other words."), [first]).points == 1.0


def test_pairs_that_are_even_are_even():
    found = strengths([(["a", "b"], 1.0), (["b", "a"], 1.0)])
    assert found["a"] == pytest.approx(found["b"])
    assert strengths([]) == {}


# ------------------------------------------------------------------------------------------------------ drafts


def brief(mode: Mode = Mode.MUTATION, known: tuple = ()) -> Brief:
    return Brief(mode, (Parent("gpt2", "GPT-2", "", GPT2, None),) if mode is Mode.MUTATION else (), 0, 0, "", known)


def data(tree: UnitTree, *new: dict, **more: object) -> dict:
    return {"title": "A title", "summary": "s", "motivation": "m", "change": "c", "effect": "e", "risks": "r", "nodes": nodes_of(tree), "new_units": list(new), "heeded": [], **more}


NEW = {"name": "mean_2", "kind": "mixer", "about": "the mean so far", "slots": [], "config": [{"name": "share", "default": 1.0}]}


@pytest.mark.parametrize("slug", sorted(REFERENCES))
def test_nodes_say_the_whole_tree(slug: str):
    assert tree_of(nodes_of(REFERENCES[slug].units)) == REFERENCES[slug].units


def test_a_draft_becomes_a_tree_with_its_new_units_declared():
    draft = draft_of(data(GPT2.replace(("mixer",), UnitTree("mean_2", {"share": 2})), NEW), brief(), LIBRARY)
    assert draft.units.at(("mixer",)) == UnitTree("mean2", {"share": 2})              # the name under which its class is read back
    assert [u.name for u in draft.new_units] == ["mean2"]
    assert "**`mean2`** (mixer): the mean so far" in draft.body


@pytest.mark.parametrize(("tree", "new", "known", "words"), [
    (GPT2.replace(("mixer",), UnitTree("mean_2")), (), (), "there is no unit 'mean_2'"),
    (GPT2, (NEW,), (), "nowhere in the tree"),
    (GPT2.replace(("mixer",), UnitTree("mean_2")), ({**NEW, "kind": "channel"},), (), "mean2 is a channel, a mixer belongs here"),
    (GPT2.replace(("mixer",), UnitTree("mean_2")), ({**NEW, "about": " "},), (), "does not say what it computes"),
    (GPT2, (), (("gpt2", GPT2),), "this is gpt2, unit for unit"),
    (REFERENCES["mamba2"].units, (), (), None),
    (REFERENCES["llama"].units, (), (), "a mutation changes one place"),
])
def test_drafts_that_are_none_say_why(tree: UnitTree, new: tuple, known: tuple, words: str | None):
    if words is None:
        assert changed(GPT2, tree) == [()]
        return
    with pytest.raises(UnitError, match=words):
        draft_of(data(tree, *new), brief(known=known), LIBRARY)


@pytest.mark.parametrize(("nodes", "words"), [
    ([{"path": "mixer", "unit": "gla", "config": []}], "no node has the path ''"),
    ([{"path": "", "unit": "pre_norm", "config": []}, {"path": "mixer.norm", "unit": "rms_norm", "config": []}], "hangs on nothing"),
    ([{"path": "", "unit": "pre_norm", "config": []}, {"path": "block", "unit": "gla", "config": []}], "two nodes"),
])
def test_lists_of_nodes_that_are_no_tree_are_refused(nodes: list[dict], words: str):
    with pytest.raises(UnitError, match=words):
        tree_of(nodes)


def test_duplicates_lead_the_list_of_relatives():
    known = [Known(r.slug, r.title, r.summary, r.units) for r in REFERENCES.values()]
    found = nearest(REFERENCES["gla"].units, REFERENCES["gla"].summary, known)
    assert (found[0].id, found[0].same) == ("gla", True)
    assert [r.likeness for r in found] == sorted((r.likeness for r in found), reverse=True)


# ------------------------------------------------------------------------------------------------------ declared units


UNIT = NewUnit("mean2", "mixer", "the mean so far", {}, {"share": 1.0})
WRITTEN = 'class Mean2(GAUBase):\n    """Mean."""\n    kind = "mixer"\n    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, share: float = 1.0):\n        super().__init__(embed_dim, block_loc)\n'


def test_what_is_written_is_held_against_what_was_declared():
    assert class_name("mean2") == "Mean2"
    assert normal_name("Gated-Mean 3") == "gated_mean3"
    assert read_written(WRITTEN, UNIT).name == "mean2"
    for wrong, words in ((WRITTEN.replace("Mean2", "Other"), "no class Mean2"), (WRITTEN.replace('"mixer"', '"gate"'), "its kind is 'gate'"),
                         (WRITTEN.replace("share: float = 1.0", "other: int = 1"), "no hyperparameter share"), (WRITTEN.replace("):", ":", 1), r"mean2\.py:1:"),
                         (WRITTEN.replace('kind = "mixer"', 'kind = "mixer"\n    slots = {"norm": Slot("norm")}'), "its slots are")):
        with pytest.raises(UnitError, match=words):
            read_written(wrong, UNIT)


def test_known_units_stand_in_for_those_that_are_not_written():
    library = with_declared(LIBRARY, [UNIT])
    tree = GPT2.replace(("mixer",), UnitTree("mean2"))
    library.validate(tree)
    standing = standing_in(tree, ["mean2"], library)
    LIBRARY.validate(standing)
    assert standing.at(("mixer",)).unit != "mean2"
    with pytest.raises(UnitError, match="the library has one of that name"):
        with_declared(LIBRARY, [NewUnit("gla", "mixer", "x")])


# ------------------------------------------------------------------------------------------------------ specs


def test_the_shipped_agents_and_teams_are_whole():
    specs, teams = load_specs(ROOT / "agent_specs"), load_teams(ROOT / "agent_specs")
    for team in teams.values():
        assert all(specs[name].role == role for role, name in team.members.items())
    assert len({spec.revision for spec in specs.values()}) == len(specs)
    with pytest.raises(UsageError, match="there is no team 'x'"):
        get_team(Versions(teams), "x")


@pytest.mark.parametrize(("before", "after", "words"), [
    ("role: reviewer", "role: critic", "role 'critic' is unknown"),
    ("parameters:", "parametres:", "did you mean parameters"),
    ("{tier: fast}", "{teir: fast}", "did you mean tier"),
    ("max_tokens: 6000", "max_tokens: many", "max_tokens is 'many'"),
    ("tool_calls: 4", "tool_calls: -1", "tool_calls is -1"),
    ("name: reviewer", "name: rev", "name the file rev.yaml"),
    ("model: {tier: fast}\n", "", "engine model without a model"),
    ("about: A strict", "about: [A strict", r"reviewer\.yaml:\d+"),
])
def test_a_spec_that_is_wrong_names_file_and_key(tmp_path: Path, before: str, after: str, words: str):
    shutil.copytree(ROOT / "agent_specs", tmp_path / "specs")
    path = tmp_path / "specs" / "reviewer.yaml"
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after, 1))
    with pytest.raises(ConfigError, match=words) as caught:
        read_spec(path)
    assert "reviewer.yaml" in str(caught.value)


def test_a_broken_prompt_is_told_when_the_agent_is_read(tmp_path: Path):
    shutil.copytree(ROOT / "agent_specs", tmp_path / "specs")
    (tmp_path / "specs" / "prompts" / "ranker" / "rank.md").write_text("ok\n{% for x in %}\n")
    with pytest.raises(ConfigError, match=r"rank\.md:2"):
        read_spec(tmp_path / "specs" / "ranker.yaml")
