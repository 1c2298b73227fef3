"""What persons said reaches the selector, whatever else was said."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import networkx as nx

from core.selection.opinions import said
from core.selection.preferences import spoken
from core.types import Decision, Verb

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def decision(id: int, verb: Verb, author: str, design: str | None = None, session: str | None = None, **data: object) -> Decision:
    return Decision(id, verb, author, design, session, "", data, NOW)


def test_forecasts_by_the_hundred_crowd_out_no_person():
    graph = nx.DiGraph()
    graph.add_nodes_from(["gpt2", *(f"d{i}" for i in range(600))])
    graph.graph |= {"preferences": [("ann", "d1", "d2")], "verdicts": [("ann", "d3", True)], "forecasts": [("reviewer", f"d{i}", "gpt2", "nano", 0.6) for i in range(600)]}
    by = Counter(w.who for w in said(graph))
    assert by["ann"] == 2
    assert by["forecasts of reviewer"] == 200


def test_an_order_takes_the_place_of_the_same_person_s_earlier_one_of_the_session():
    orders = [decision(1, Verb.RERANK, "ann", session="s", order=["a", "b", "c"]), decision(2, Verb.RERANK, "bob", session="s", order=["c", "a"]),
              decision(3, Verb.RERANK, "ann", session="s", order=["b", "a", "c"])]
    assert spoken(orders, {"a", "b", "c"})[0] == [("ann", "b", "a"), ("ann", "a", "c"), ("bob", "c", "a")]


def test_each_person_s_last_judgement_counts_until_it_is_taken_back():
    judged = [decision(1, Verb.APPROVE, "ann", "a"), decision(2, Verb.REFUSE, "bob", "a"), decision(3, Verb.APPROVE, "bob", "a")]
    assert spoken(judged, {"a"})[1] == [("ann", "a", True), ("bob", "a", True)]
    assert spoken([*judged, decision(4, Verb.RESET, "ann", "a")], {"a"})[1] == []
