from __future__ import annotations

import threading

import pytest

from core.errors import NotFound
from core.types import Kind, Mode


def test_verbs_together_are_stored_together(store):
    with store.together():
        store.designs.add("a", "A", Kind.AGENT, Mode.SCRATCH)
        store.proposals.add("a", "d", False, "T", "body", None)
        assert store.designs.get("a").title == "T", "what was written before is seen inside"
    assert store.proposals.newest("a").title == "T"


def test_verbs_together_are_undone_together(store):
    def begin_well_and_end_badly() -> None:
        with store.together():
            store.designs.add("a", "A", Kind.AGENT, Mode.SCRATCH)
            store.ledger.grant("nano", 5, "p")
            store.proposals.add("ghost", "d", False, "T", "body", None)

    with pytest.raises(NotFound):
        begin_well_and_end_badly()
    assert store.designs.all() == []
    assert store.ledger.accounts() == []


def test_one_inside_another_is_one(store):
    def nested() -> None:
        with store.together():
            with store.together():
                store.ledger.grant("nano", 1, "p")
            store.ledger.grant("nano", 1, "p")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        nested()
    assert store.ledger.account("nano").granted == 0
    store.ledger.grant("nano", 1, "p")
    assert store.ledger.account("nano").granted == 1


def test_other_threads_do_not_join(store):
    seen = []
    with store.together():
        store.ledger.grant("nano", 1, "p")
        thread = threading.Thread(target=lambda: seen.append(store.ledger.account("nano").granted))
        thread.start()
        thread.join()
    assert seen == [0.0]
    assert store.ledger.account("nano").granted == 1.0


def test_a_reader_sees_one_state_however_many_questions_it_asks(store):
    with store.database.read() as c:
        from core.store.ledger import _balance

        before = _balance(c, "nano").granted
        other = threading.Thread(target=lambda: store.ledger.grant("nano", 5, "p"))
        other.start()
        other.join()
        assert _balance(c, "nano").granted == before == 0
    assert store.ledger.account("nano").granted == 5
