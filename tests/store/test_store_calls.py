from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import BudgetExceeded, Conflict
from core.types import Account, CallState

ASKED = {"request_hash": "h", "request": {"turns": []}, "model": "a:b", "deadline_s": 10.0}


def test_a_try_reserves_and_its_end_settles(store):
    store.ledger.grant("money", 1, "p")
    call = store.calls.begin("k", held={"money": 0.5}, **ASKED)
    assert store.ledger.account("money") == Account("money", 1.0, 0.0, 0.5)
    assert store.calls.finish(call, CallState.ANSWERED, usage={"input": 10, "output": 5}, money=0.2, charges={"money": 0.2}, answer={"text": "x"})
    assert store.ledger.account("money") == Account("money", 1.0, 0.2, 0.0)
    assert not store.calls.finish(call, CallState.CUT, usage={}, money=0.5, charges={"money": 0.5}), "it ends once"
    assert store.calls.answered("k", "h").answer == {"text": "x"}
    assert store.calls.answered("k", "another") is None
    assert (store.calls.spent().tokens, store.calls.spent().money) == (15, 0.2)


def test_a_key_has_one_open_try(store):
    first = store.calls.begin("k", held={}, **ASKED)
    with pytest.raises(Conflict):
        store.calls.begin("k", held={}, **ASKED)
    store.calls.finish(first, CallState.FAILED, usage={}, money=None, charges={}, error="no")
    assert store.calls.begin("k", held={}, **ASKED).attempt == 2
    assert store.calls.spent(key="k").unpriced == 1


def test_what_cannot_be_reserved_leaves_nothing_behind(store):
    store.ledger.grant("money", 1, "p")
    with pytest.raises(BudgetExceeded):
        store.calls.begin("k", held={"money": 0.5, "tokens": 5}, **ASKED)
    assert store.ledger.account("money").reserved == 0.0
    assert store.calls.of_key("k") == []


def test_an_account_is_opened_by_a_grant_even_of_nothing(store):
    assert not store.ledger.opened("money")
    store.ledger.grant("money", 0, "p")
    assert store.ledger.opened("money")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.floats(0.000001, 5, allow_nan=False), st.floats(0, 8, allow_nan=False)), min_size=1, max_size=6))
def test_settling_keeps_an_account_exact_and_above_zero(store, steps):
    name = f"account {len(store.ledger.accounts())}"
    store.ledger.grant(name, 10, "p")
    spent = 0.0
    for n, (held, actual) in enumerate(steps):
        try:
            store.ledger.reserve(name, f"s{n}", held)
        except BudgetExceeded:
            continue
        charged = store.ledger.settle(name, f"s{n}", actual)
        assert charged <= actual + 1e-6
        assert store.ledger.settle(name, f"s{n}", actual) == 0.0
        spent += charged
    account = store.ledger.account(name)
    assert account.reserved == 0.0
    assert account.left >= 0
    assert account.spent == pytest.approx(spent, abs=1e-6)
