from __future__ import annotations

import random
import threading

import pytest

from core.errors import NotFound
from core.store import Store
from core.types import Decision, Kind, Mode, Status, UnitTree, Verb


def add(store: Store, id: str, *parents: str, kind: Kind = Kind.AGENT, **more):
    mode = (Mode.SCRATCH, Mode.MUTATION, Mode.CROSSOVER)[min(2, len(parents))]
    return store.designs.add(id, f"Title of {id}", kind, mode, parents, "author", **more)


def decide(store: Store, verb: Verb, design_id: str) -> Decision:
    return store.decisions.add(verb, "person", design_id=design_id, reason="because")


def test_a_design_comes_back_as_it_was_added(store):
    add(store, "a")
    design = add(store, "b", "a", session_id="s1", index=3, summary="short")
    assert (design.id, design.title, design.kind, design.mode, design.parents) == ("b", "Title of b", Kind.AGENT, Mode.MUTATION, ("a",))
    assert (design.author, design.session_id, design.summary, design.status) == ("author", "s1", "short", Status.PROPOSED)
    assert design.created_at.utcoffset().total_seconds() == 0
    assert store.designs.get("b") == design


def test_adding_the_same_id_again_returns_what_is_stored(store):
    first = add(store, "a")
    again = store.designs.add("a", "another title", Kind.MANUAL, Mode.SEED, author="somebody else")
    assert again == first
    assert len(store.designs.all()) == 1


def test_many_who_add_the_same_id_at_once_get_one_design(store):
    add(store, "root")
    found, start = [], threading.Barrier(6)

    def one() -> None:
        start.wait()
        found.append(add(store, "child", "root"))

    threads = [threading.Thread(target=one) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(found) == 6
    assert len(set(found and [d.created_at for d in found])) == 1
    assert store.designs.get("child").parents == ("root",)


def test_a_parent_that_is_not_there_is_named_and_nothing_is_added(store):
    with pytest.raises(NotFound, match="ghost"):
        add(store, "b", "ghost")
    assert store.designs.all() == []


def test_parents_keep_their_order_and_count_once(store):
    add(store, "z")
    add(store, "a")
    assert add(store, "child", "z", "a", "z").parents == ("z", "a")


def test_an_unknown_design_names_near_matches(store):
    add(store, "llama")
    with pytest.raises(NotFound, match="did you mean llama"):
        store.designs.get("lama")
    with pytest.raises(NotFound, match="python -m core designs"):
        store.designs.get("zzzzzzzz")


def test_generations_count_from_the_roots_along_the_longest_path(store):
    add(store, "root")
    add(store, "one", "root")
    add(store, "two", "one")
    add(store, "cross", "root", "two")
    assert {d.id: d.generation for d in store.designs.all()} == {"root": 0, "one": 1, "two": 2, "cross": 3}
    assert store.designs.get("cross").generation == 3


def test_some_designs_have_the_generations_that_they_have_among_all(store):
    """Few are found by following their parents, many by reading the whole tree."""
    r = random.Random(0)
    ids = ["root"]
    add(store, "root")
    for i in range(60):
        add(store, f"d{i}", *r.sample(ids, min(len(ids), r.choice((0, 1, 2)))))
        ids.append(f"d{i}")
    known = {d.id: d.generation for d in store.designs.all()}
    assert max(known.values()) > 4
    assert {d: store.designs.get(d).generation for d in ids} == known
    assert {d.id: d.generation for d in store.designs.some([*ids, *(f"none{i}" for i in range(600))])} == known


def test_a_sessions_designs_come_by_index(store):
    for id, index in (("late", 2), ("early", 0), ("middle", 1)):
        add(store, id, session_id="s", index=index)
    add(store, "other", session_id="t", index=0)
    assert [d.id for d in store.designs.of_session("s")] == ["early", "middle", "late"]
    assert store.designs.of_session("nothing") == []


def test_one_design_and_all_of_them_tell_the_same(store, implemented, metrics, report):
    made = implemented("a")
    add(store, "b", "a")
    proposal = store.proposals.add("b", "designer", False, "T", "body", None)
    store.reviews.add(proposal.id, "reviewer", 4.0, {"novelty": 3.0}, "good")
    store.checks.add(made.id, report(True))
    row = store.verifications.start("a", made.id, "nano", 0, "c", "h")
    store.verifications.finish(row.id, metrics(1.5), {})
    assert [store.designs.get(d.id) for d in store.designs.all()] == store.designs.all()


# ------------------------------------------------------------------------------------------------------- status


def test_a_new_design_is_proposed_and_an_approval_makes_it_approved(store):
    add(store, "a")
    assert store.designs.get("a").status is Status.PROPOSED
    decide(store, Verb.APPROVE, "a")
    assert store.designs.get("a").status is Status.APPROVED


@pytest.mark.parametrize(("verbs", "status"), [
    ([Verb.APPROVE, Verb.REFUSE], Status.REFUSED), ([Verb.REFUSE, Verb.APPROVE], Status.APPROVED), ([Verb.REFUSE, Verb.RESET], Status.PROPOSED),
    ([Verb.APPROVE, Verb.RESET], Status.PROPOSED), ([Verb.REFUSE, Verb.COMMENT], Status.REFUSED)])
def test_the_newest_approval_refusal_or_reset_decides(store, verbs, status):
    add(store, "a")
    for verb in verbs:
        decide(store, verb, "a")
    assert store.designs.get("a").status is status


def test_the_newest_check_of_the_newest_code_decides(store, implemented, report):
    first = implemented("a")
    assert store.designs.get("a").status is Status.PROPOSED, "code that nobody checked is no success yet"
    store.checks.add(first.id, report(False))
    assert store.designs.get("a").status is Status.FAILED
    store.checks.add(first.id, report(True))
    assert store.designs.get("a").status is Status.IMPLEMENTED
    second = store.implementations.add("a", "coder", "# other code")
    assert store.designs.get("a").status is Status.PROPOSED
    store.checks.add(second.id, report(False))
    assert store.designs.get("a").status is Status.FAILED


def test_a_reference_with_code_counts_as_implemented_without_a_check(store):
    add(store, "ref", kind=Kind.REFERENCE)
    assert store.designs.get("ref").status is Status.PROPOSED
    store.implementations.add("ref", "library", "# code")
    assert store.designs.get("ref").status is Status.IMPLEMENTED


def test_a_refusal_stands_above_code_but_not_above_measurement(store, implemented, report, metrics):
    made = implemented("a")
    store.checks.add(made.id, report(True))
    decide(store, Verb.REFUSE, "a")
    assert store.designs.get("a").status is Status.REFUSED
    row = store.verifications.start("a", made.id, "nano", 0, "c", "h")
    assert store.designs.get("a").status is Status.REFUSED, "a verification under way has measured nothing"
    store.verifications.finish(row.id, metrics(1.5), {})
    assert store.designs.get("a").status is Status.VERIFIED


def test_a_failed_verification_does_not_verify(store, implemented, report):
    made = implemented("a")
    store.checks.add(made.id, report(True))
    row = store.verifications.start("a", made.id, "nano", 0, "c", "h")
    store.verifications.fail(row.id, "diverged at step 3", {})
    design = store.designs.get("a")
    assert (design.status, design.scores, design.n_seeds) == (Status.IMPLEMENTED, {}, {})


# ------------------------------------------------------------------------------------------- titles, ratings, scores


def test_the_newest_proposals_title_is_shown(store):
    add(store, "a")
    store.proposals.add("a", "designer", False, "First", "body", None)
    store.proposals.add("a", "person", True, "Second", "body", None)
    assert store.designs.get("a").title == "Second"


def test_the_rating_is_the_mean_of_the_newest_reviewed_revision(store):
    add(store, "a")
    assert store.designs.get("a").rating is None
    first = store.proposals.add("a", "designer", False, "T", "body", None)
    for rating in (2.0, 3.0):
        store.reviews.add(first.id, "reviewer", rating, {}, "")
    assert store.designs.get("a").rating == 2.5
    second = store.proposals.add("a", "person", True, "T", "edited", None)
    assert store.designs.get("a").rating == 2.5, "an edit keeps the old opinion until there is a new one"
    store.reviews.add(second.id, "reviewer", 5.0, {}, "")
    assert store.designs.get("a").rating == 5.0


def test_scores_are_means_over_seeds_at_each_scale(store, implemented, metrics):
    made = implemented("a")
    for scale, seed, score in (("nano", 0, 1.0), ("nano", 1, 2.0), ("micro", 0, 0.9)):
        row = store.verifications.start("a", made.id, scale, seed, "c", "h")
        store.verifications.finish(row.id, metrics(score), {})
    design = store.designs.get("a")
    assert design.scores == {"nano": 1.5, "micro": 0.9}
    assert design.n_seeds == {"nano": 2, "micro": 1}


def test_scores_on_different_corpora_are_never_mixed(store, implemented, metrics):
    for id, corpus, score in (("a", "h1", 1.0), ("b", "h1", 2.0), ("a", "h2", 9.0)):
        made = implemented(id)
        row = store.verifications.start(id, made.id, "nano", 0, corpus, corpus)
        store.verifications.finish(row.id, metrics(score), {})
    assert {d.id: dict(d.scores) for d in store.designs.all()} == {"a": {"nano": 1.0}, "b": {"nano": 2.0}}
    assert {d.id: dict(d.scores) for d in store.designs.all("h2")} == {"a": {"nano": 9.0}, "b": {}}


# ----------------------------------------------------------------------------------------------------- the tree


def test_the_tree_has_a_node_for_each_design_and_edges_from_parent_to_child(store):
    add(store, "a")
    add(store, "b")
    add(store, "c", "a", "b")
    tree = store.tree()
    assert set(tree.edges) == {("a", "c"), ("b", "c")}
    assert {id: data["design"].generation for id, data in tree.nodes(data=True)} == {"a": 0, "b": 0, "c": 1}


def test_the_number_of_queries_does_not_grow_with_the_tree(store, implemented, metrics):
    from sqlalchemy import event

    counted: list[str] = []
    event.listen(store.database.engine, "before_cursor_execute", lambda c, cursor, statement, *_: counted.append(statement))
    counts = []
    for n in range(3):
        for k in range(4):
            made = implemented(f"d{n}-{k}")
            row = store.verifications.start(made.design_id, made.id, "nano", 0, "c", "h")
            store.verifications.finish(row.id, metrics(1.0), {})
        counted.clear()
        store.tree()
        counts.append(len(counted))
    assert counts[0] == counts[1] == counts[2] <= 13


def test_unit_trees_are_those_of_the_newest_proposals(store):
    add(store, "a")
    add(store, "flat")
    for name in ("Attention", "Retention"):
        store.proposals.add("a", "designer", False, "T", "", UnitTree(name, {"heads": 4}, {"norm": UnitTree("RMSNorm")}))
    store.proposals.add("flat", "designer", False, "T", "", None)
    assert store.unit_trees() == [("a", UnitTree("Retention", {"heads": 4}, {"norm": UnitTree("RMSNorm")}))]


def test_the_version_changes_with_every_kind_of_news_and_not_without(store, implemented, metrics, report):
    seen = [store.version()]

    def news() -> None:
        seen.append(store.version())

    assert store.version() == seen[0]
    made = implemented("a")
    news()
    proposal = store.proposals.add("a", "designer", False, "T", "", None)
    news()
    store.reviews.add(proposal.id, "r", 3.0, {}, "")
    news()
    store.checks.add(made.id, report(True))
    news()
    decide(store, Verb.COMMENT, "a")
    news()
    row = store.verifications.start("a", made.id, "nano", 0, "c", "h")
    store.verifications.finish(row.id, metrics(1.0), {})
    news()
    store.sessions.add("s", Mode.SCRATCH, (), 1, 1, "", 0, "ask", "nano", "p", "d", "r")
    news()
    store.sessions.close("s")
    news()
    store.ledger.grant("nano", 1, "p")
    news()
    assert len(set(seen)) == len(seen)
    assert store.version() == seen[-1]
