from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from core.errors import NotFound
from core.types import Kind, Mode, UnitTree, Verb, sha256_text

TREE = UnitTree("Block", {"heads": 4}, {"mixer": UnitTree("GLA", {"chunk": 64})})


@pytest.fixture(autouse=True)
def design(store):
    return store.designs.add("a", "A", Kind.AGENT, Mode.SCRATCH, author="x")


def test_each_edit_of_a_proposal_is_a_new_revision_and_the_old_ones_stay(store):
    first = store.proposals.add("a", "designer", False, "One", "# body", TREE)
    second = store.proposals.add("a", "person", True, "Two", "# edited", None)
    assert (first.revision, second.revision) == (1, 2)
    assert (first.units, second.units) == (TREE, None)
    assert (second.author, second.by_person, second.title, second.body) == ("person", True, "Two", "# edited")
    assert store.proposals.revisions("a") == [first, second]
    assert store.proposals.newest("a") == second


def test_a_design_without_proposals_has_none(store):
    assert store.proposals.newest("a") is None
    assert store.proposals.revisions("a") == []
    assert store.implementations.newest("a") is None


def test_what_is_said_of_an_unknown_design_is_refused(store, report):
    with pytest.raises(NotFound, match="ghost"):
        store.proposals.add("ghost", "d", False, "T", "", None)
    with pytest.raises(NotFound, match="ghost"):
        store.implementations.add("ghost", "c", "code")
    with pytest.raises(NotFound):
        store.reviews.add(99, "r", 3.0, {}, "")
    with pytest.raises(NotFound):
        store.decisions.add(Verb.APPROVE, "p", design_id="ghost")
    with pytest.raises(NotFound):
        store.checks.add(99, report(True))
    with pytest.raises(NotFound):
        store.implementations.get(99)


def test_many_who_edit_at_once_get_different_revisions(store):
    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(lambda n: store.proposals.add("a", f"p{n}", True, f"T{n}", "", None), range(16)))
    assert sorted(p.revision for p in added) == list(range(1, 17))


def test_reviews_of_all_revisions_come_oldest_first(store):
    first = store.proposals.add("a", "d", False, "T", "", None)
    second = store.proposals.add("a", "d", False, "T", "", None)
    one = store.reviews.add(first.id, "r", 2.0, {"novelty": 1.5}, "why")
    two = store.reviews.add(second.id, "r", 4.5, {}, "")
    assert store.reviews.of("a") == [one, two]
    assert (one.design_id, one.proposal_id, one.rating, one.scores, one.text) == ("a", first.id, 2.0, {"novelty": 1.5}, "why")
    assert store.reviews.of("other") == []


def test_decisions_are_found_by_design_by_session_and_newest_first(store):
    one = store.decisions.add(Verb.APPROVE, "p", design_id="a", reason="good")
    two = store.decisions.add(Verb.RERANK, "p", session_id="s", data={"order": ["b", "a"]})
    assert store.decisions.of(design_id="a") == [one]
    assert store.decisions.of(session_id="s") == [two]
    assert two.data == {"order": ["b", "a"]}
    assert store.decisions.recent(10) == [two, one]
    assert store.decisions.recent(1) == [two]


def test_the_same_code_again_is_the_same_revision(store):
    first = store.implementations.add("a", "coder", "code", TREE)
    assert store.implementations.add("a", "somebody", "code", TREE) == first
    second = store.implementations.add("a", "coder", "other", TREE)
    assert (first.revision, second.revision) == (1, 2)
    assert second.code_hash == sha256_text("other")
    third = store.implementations.add("a", "coder", "code", TREE)
    assert third.revision == 3, "going back to older code is a revision too"
    assert store.implementations.revisions("a") == [first, second, third]
    assert store.implementations.get(first.id) == first


def test_many_who_add_the_same_code_at_once_get_one_revision(store):
    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(lambda _: store.implementations.add("a", "coder", "code"), range(8)))
    assert {i.revision for i in added} == {1}


def test_a_check_comes_back_whole_and_the_newest_counts(store, report):
    made = store.implementations.add("a", "coder", "code")
    assert made.check is None
    store.checks.add(made.id, report(False))
    store.checks.add(made.id, report(True))
    assert store.implementations.get(made.id).check == report(True)
    assert store.implementations.newest("a").check.failures == ()


def test_text_that_a_database_would_refuse_is_kept_readable(store):
    nasty = "before\x00after \udcff end 🌳"
    proposal = store.proposals.add("a", "d", False, "T", nasty, None)
    assert store.proposals.newest("a").body == proposal.body == "before\ufffdafter ? end 🌳"
    event = store.events.append("s", "delta", "d", {"text": nasty})
    assert store.events.since("s") == [event], "JSON can carry it as it is"
