from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import pytest
from databases import actor, answer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import BudgetExceeded, Conflict, UsageError
from core.types import Account


def test_an_account_counts_what_was_granted_reserved_and_spent(store):
    store.ledger.grant("nano", 3, "person", "to begin with")
    store.ledger.reserve("nano", "a")
    store.ledger.reserve("nano", "b")
    store.ledger.spend("nano", "a")
    assert store.ledger.account("nano") == Account("nano", 3.0, 1.0, 1.0)
    assert store.ledger.account("nano").left == 1.0
    store.ledger.release("nano", "b")
    assert store.ledger.account("nano") == Account("nano", 3.0, 1.0, 0.0)


def test_an_empty_account_refuses_and_says_what_to_do(store):
    store.ledger.grant("nano", 1, "p")
    store.ledger.reserve("nano", "a")
    with pytest.raises(BudgetExceeded, match="python -m core budget nano 2"):
        store.ledger.reserve("nano", "b")
    with pytest.raises(BudgetExceeded):
        store.ledger.reserve("never granted", "a")
    assert store.ledger.account("nano") == Account("nano", 1.0, 0.0, 1.0)


def test_a_subject_is_never_charged_twice(store):
    store.ledger.grant("nano", 2, "p")
    for _ in range(3):
        store.ledger.reserve("nano", "a")
    assert store.ledger.account("nano").reserved == 1.0
    store.ledger.spend("nano", "a")
    store.ledger.spend("nano", "a")
    store.ledger.reserve("nano", "a")
    assert store.ledger.account("nano") == Account("nano", 2.0, 1.0, 0.0)


def test_what_was_released_can_be_reserved_again(store):
    store.ledger.grant("nano", 1, "p")
    store.ledger.reserve("nano", "a")
    store.ledger.release("nano", "a")
    store.ledger.release("nano", "a")
    store.ledger.reserve("nano", "b")
    assert store.ledger.account("nano").left == 0.0


def test_only_what_was_reserved_can_be_spent(store):
    store.ledger.grant("nano", 1, "p")
    with pytest.raises(Conflict, match="no reservation"):
        store.ledger.spend("nano", "a")
    store.ledger.reserve("nano", "a")
    store.ledger.release("nano", "a")
    with pytest.raises(Conflict):
        store.ledger.spend("nano", "a")


def test_the_same_subject_is_charged_apart_in_each_account(store):
    for name in ("nano", "micro"):
        store.ledger.grant(name, 1, "p")
        store.ledger.reserve(name, "a")
    assert [a.reserved for a in store.ledger.accounts()] == [1.0, 1.0]
    assert [a.name for a in store.ledger.accounts()] == ["nano", "micro"]


def test_setting_a_budget_writes_the_difference_and_stops_at_what_is_bound(store):
    store.ledger.set("nano", 5, "p")
    store.ledger.set("nano", 3, "p")
    assert store.ledger.account("nano").granted == 3.0
    for subject in ("a", "b"):
        store.ledger.reserve("nano", subject)
    store.ledger.spend("nano", "a")
    with pytest.raises(BudgetExceeded, match="set at least 2"):
        store.ledger.set("nano", 1, "p")
    with pytest.raises(BudgetExceeded):
        store.ledger.grant("nano", -2, "p")
    store.ledger.set("nano", 2, "p")
    assert store.ledger.account("nano").left == 0.0


@pytest.mark.parametrize("amount", [0, -1, math.nan, math.inf])
def test_only_a_positive_number_can_be_reserved(store, amount):
    store.ledger.grant("nano", 5, "p")
    with pytest.raises(UsageError):
        store.ledger.reserve("nano", "a", amount)
    assert store.ledger.account("nano") == Account("nano", 5.0, 0.0, 0.0)


def test_tenths_add_up(store):
    store.ledger.grant("money", 0.3, "p")
    for subject in "abc":
        store.ledger.reserve("money", subject, 0.1)
    with pytest.raises(BudgetExceeded):
        store.ledger.reserve("money", "d", 0.000001)
    assert store.ledger.account("money") == Account("money", 0.3, 0.0, 0.3)


VERBS = st.tuples(st.sampled_from(["grant", "set", "reserve", "spend", "release"]), st.sampled_from("abc"), st.integers(-30, 50))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(VERBS, max_size=25))
def test_whatever_is_asked_the_account_follows_the_rules_and_never_falls_below_zero(store, asked):
    """Against a model that counts in tenths."""
    name = f"account {len(store.ledger.accounts())}"
    store.ledger.grant(name, 0, "p")
    granted, held, paid = 0, {}, {}
    for verb, subject, tenths in asked:
        bound = sum(held.values()) + sum(paid.values())
        try:
            if verb == "grant":
                store.ledger.grant(name, tenths / 10, "p")
                granted += tenths
            elif verb == "set":
                store.ledger.set(name, tenths / 10, "p")
                granted = tenths
            elif verb == "reserve":
                store.ledger.reserve(name, subject, tenths / 10)
                if subject not in held and subject not in paid:
                    held[subject] = tenths
            elif verb == "spend":
                store.ledger.spend(name, subject)
                if subject in held:
                    paid[subject] = held.pop(subject)
            else:
                store.ledger.release(name, subject)
                held.pop(subject, None)
        except UsageError:
            assert verb == "reserve"
            assert tenths <= 0
        except Conflict:
            assert verb == "spend"
            assert subject not in held
            assert subject not in paid
        except BudgetExceeded:
            wanted = {"grant": granted + tenths - bound, "set": tenths - bound, "reserve": granted - bound - tenths}[verb]
            assert wanted < 0
        account = store.ledger.account(name)
        assert (round(account.granted * 10), round(account.spent * 10), round(account.reserved * 10)) == (
            granted, sum(paid.values()), sum(held.values()))
        assert round(account.left * 10) >= 0


def test_many_threads_reserve_no_more_than_there_is(store):
    store.ledger.grant("nano", 10, "p")

    def reserve(n: int) -> bool:
        try:
            store.ledger.reserve("nano", f"subject {n}")
        except BudgetExceeded:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(reserve, range(40)))
    assert sum(got) == 10
    assert store.ledger.account("nano") == Account("nano", 10.0, 0.0, 10.0)


def test_one_subject_reserved_by_many_at_once_is_charged_once(store):
    store.ledger.grant("nano", 10, "p")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: store.ledger.reserve("nano", "a"), range(16)))
        list(pool.map(lambda _: store.ledger.spend("nano", "a"), range(16)))
    assert store.ledger.account("nano") == Account("nano", 10.0, 1.0, 0.0)


def test_the_ledger_is_exact_when_processes_share_it(store, database):
    """Four processes, overlapping subjects, some spent and some released while the others go on."""
    store.ledger.grant("nano", 25, "p")
    actors = [actor(database, "reserve", "nano", first, first + 20) for first in (0, 10, 20, 30)]
    told = [answer(a) for a in actors]
    account = store.ledger.account("nano")
    held = {n for t in told for n in t["held"]}
    assert account == Account("nano", 25.0, sum(n % 2 == 0 for n in held), sum(n % 4 == 3 for n in held))
    assert account.left >= 0
    assert sum(len(t["held"]) + t["refused"] for t in told) == 80
