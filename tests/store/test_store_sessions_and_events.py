from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.errors import NotFound
from core.types import Mode


def session(store, id: str, run_id: str | None = None):
    return store.sessions.add(id, Mode.CROSSOVER, ["b", "a"], 4, 2, "be bold", 2**40, "ask", "nano", "person", "designer", "reviewer", run_id)


def test_a_session_comes_back_as_it_was_added(store):
    added = session(store, "s", "run-1")
    assert added.parents == ("b", "a")
    assert (added.mode, added.n_proposals, added.n_implement, added.instructions, added.seed) == (Mode.CROSSOVER, 4, 2, "be bold", 2**40)
    assert (added.gate, added.scale, added.author, added.designer, added.reviewer) == ("ask", "nano", "person", "designer", "reviewer")
    assert (added.run_id, added.closed_at) == ("run-1", None)
    assert store.sessions.get("s") == added


def test_the_same_session_added_by_many_at_once_is_one(store):
    with ThreadPoolExecutor(6) as pool:
        added = list(pool.map(lambda _: session(store, "s"), range(6)))
    assert len(set(added)) == 1
    assert store.sessions.all() == added[:1]


def test_closing_is_done_once_and_open_ones_are_listed_by_run(store):
    one, two, three = session(store, "1", "run-1"), session(store, "2", "run-2"), session(store, "3")
    assert store.sessions.open() == [one, two, three]
    assert store.sessions.open(run_id="run-2") == [two]
    store.sessions.close("1")
    closed = store.sessions.get("1").closed_at
    assert closed is not None
    store.sessions.close("1")
    assert store.sessions.get("1").closed_at == closed
    assert [s.id for s in store.sessions.open()] == ["2", "3"]
    assert [s.id for s in store.sessions.all(limit=2)] == ["3", "2"]


def test_an_unknown_session_is_said_so(store):
    with pytest.raises(NotFound, match="ghost"):
        store.sessions.get("ghost")
    with pytest.raises(NotFound):
        store.sessions.close("ghost")


# ---------------------------------------------------------------------------------------------------------- events


def test_a_stream_is_read_from_an_event_on(store):
    first = store.events.append("session:1", "message", "designer", {"message": 1, "design": None})
    store.events.append("session:2", "message", "designer", {})
    more = store.events.append_many("session:1", [("delta", "designer", {"text": f"{n}"}) for n in range(5)])
    assert store.events.since("session:1") == [first, *more]
    assert store.events.since("session:1", after_id=more[1].id) == more[2:]
    assert store.events.since("session:1", after_id=first.id, limit=2) == more[:2]
    assert [e.data["text"] for e in more] == list("01234")
    assert [e.id for e in more] == sorted(e.id for e in more)
    assert store.events.append_many("session:1", []) == []


def test_the_last_event_of_a_stream_and_of_a_kind(store):
    assert store.events.last("s") is None
    phase = store.events.append("s", "phase", "lab", {"phase": "waiting"})
    delta = store.events.append("s", "delta", "designer", {})
    assert store.events.last("s") == delta
    assert store.events.last("s", "phase") == phase
    assert store.last_event_id() == delta.id


def test_several_events_are_appended_together_or_not_at_all(store):
    with pytest.raises(Exception, match="not JSON serializable"):
        store.events.append_many("s", [("a", "x", {}), ("b", "x", {"set": {1}})])
    assert store.events.since("s") == []


def test_an_event_is_never_seen_before_an_older_one_of_its_stream(store):
    """On PostgreSQL ids are given before they are seen: without turns, a smaller id could appear behind a reader's place."""
    with ThreadPoolExecutor(2) as pool:
        with store.together():
            older = store.events.append("s", "a", "slow", {})
            quick = pool.submit(store.events.append, "s", "b", "quick", {})
            time.sleep(0.2)
            assert pool.submit(store.events.since, "s").result() == []
        younger = quick.result()
        assert store.events.since("s") == [older, younger]


def test_a_reader_who_follows_a_stream_misses_nothing_while_many_write(store):
    writers, each, over = 4, 25, threading.Event()

    def write(author: int) -> None:
        for n in range(each):
            store.events.append_many("s", [("e", str(author), {"n": n, "part": part}) for part in range(2)])

    def follow() -> list[tuple[str, int, int]]:
        seen, after = [], 0
        while True:
            last_round = over.is_set()
            for event in store.events.since("s", after, limit=7):
                seen.append((event.author, event.data["n"], event.data["part"]))
                after = event.id
            if last_round and len(store.events.since("s", after)) == 0:
                return seen
            time.sleep(0.002)

    with ThreadPoolExecutor(writers + 1) as pool:
        reader = pool.submit(follow)
        for done in [pool.submit(write, author) for author in range(writers)]:
            done.result()
        over.set()
        seen = reader.result()
    assert len(seen) == len(set(seen)) == writers * each * 2
    for author in range(writers):
        assert [(n, part) for who, n, part in seen if who == str(author)] == [(n, part) for n in range(each) for part in range(2)]
