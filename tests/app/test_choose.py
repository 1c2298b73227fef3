"""Choosing among many designs: what the list holds, and what a word finds."""

from __future__ import annotations

import pytest
import streamlit as st

from app.widgets import choose
from core.desk import Desk
from core.types import Design, Kind, Mode


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """So many are listed at once."""
    monkeypatch.setattr(choose, "MOST", 3)
    return 3


@pytest.fixture
def tree(desk: Desk) -> dict[str, Design]:
    for i in range(1, 7):
        desk.store.designs.add(f"s{i}-1", f"Hyena {i}" if i % 2 else f"Retention {i}", Kind.AGENT, Mode.MUTATION, ["gpt2"], "tester", None, i, "")
    return {d.id: d for d in desk.store.designs.all() if d.kind is Kind.AGENT or d.id == "gpt2"}


def named(designs: dict[str, Design], words: str = "", chosen: object = None, first: tuple[str, ...] = ()) -> list[str]:
    st.session_state["a"], st.session_state["a-find"] = chosen, words
    return choose.offered(designs, "a", "a", first)


def test_few_are_all_listed_in_their_order_the_first_ones_at_the_head(tree: dict[str, Design]):
    assert named(tree) == list(tree)
    assert named(tree, first=("s3-1", "not there")) == ["s3-1", *(i for i in tree if i != "s3-1")]


def test_of_many_the_list_holds_what_is_chosen_the_references_and_the_newest(tree: dict[str, Design], few: int):
    assert named(tree) == ["gpt2", "s6-1", "s5-1"]
    assert named(tree, first=("s2-1",)) == ["s2-1", "gpt2", "s6-1"]
    assert named(tree, chosen=["s1-1"]) == ["s1-1", "gpt2", "s6-1", "s5-1"]
    assert named(tree, chosen="s1-1")[0] == "s1-1"


def test_a_word_finds_the_others_by_id_and_title(tree: dict[str, Design], few: int):
    assert named(tree, "hyena") == ["s5-1", "s3-1", "s1-1"]
    assert named(tree, "HYENA 3") == ["s3-1"]
    assert named(tree, "s2-1")[0] == "s2-1"
    assert named(tree, "nothing has this", chosen=["s4-1"]) == ["s4-1"]
    assert named(tree, "nothing has this") == []


def test_the_form_of_a_session_finds_parents_by_a_word_and_keeps_who_was_chosen(open_page, desk: Desk, tree: dict[str, Design], few: int):
    test = open_page("studio")
    parents, find = (lambda: next(m for m in test.multiselect if m.key == "new-parents")), (lambda: test.text_input(key="new-parents-find"))
    assert len(parents().options) == few
    find().set_value("hyena 1").run()
    parents().set_value(["s1-1"]).run()
    find().set_value("retention").run()
    assert [o.split(" ")[0] for o in parents().options] == ["s1-1", "s6-1", "s4-1", "s2-1"]
    assert parents().value == ["s1-1"]
    parents().set_value([]).run()
    find().set_value("zzz").run()
    assert parents().options == []
    assert parents().placeholder == "nothing has “zzz”"
    find().set_value("").run()
    parents().set_value(["gpt2"]).run()
    find().set_value("llama").run()
    parents().set_value(["gpt2", "llama"]).run()
    next(b for b in test.button if b.label == "Start").click().run()
    assert not test.exception
    assert desk.store.sessions.all()[0].parents == ("gpt2", "llama")


def test_one_word_serves_both_choices_of_a_comparison(open_page, desk: Desk, few: int, work):
    desk.set_budget("nano", 10)
    desk.verify(["gpt2", "llama", "gla", "mamba", "retnet"], "nano", [0])
    work()
    test = open_page("compare", reference="gla")
    against, chosen = (lambda: next(s for s in test.selectbox if s.key == "compare-reference")), (lambda: next(m for m in test.multiselect if m.key == "compare-designs"))
    assert against().value == "gla"
    test.text_input(key="compare-designs-find").set_value("mamba").run()
    assert against().options == ["gla", "mamba"]
    assert [o.split(" ")[0] for o in chosen().options] == ["mamba"]
    against().set_value("mamba").run()
    assert test.query_params["reference"] in ("mamba", ["mamba"])
    assert not test.exception
