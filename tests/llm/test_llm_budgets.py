"""Paid once, within the budgets, whoever asks and whatever dies."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from llm_setting import QUICK, WIRES, request
from stub_llm import Chance, Reply

from core.errors import BudgetPaused, LanguageModelError, PriceUnknown
from core.llm.base import Finish, Request, Turn
from core.llm.purse import input_bound
from core.types import MONEY, TOKENS, CallState

ACTOR = Path(__file__).with_name("actor.py")


@pytest.mark.parametrize("spent", [0.1, 0.213337, 0.7])
def test_a_budget_of_exactly_the_price_pays_for_the_whole_answer(serve, spent):
    served = serve(money=None, tokens=None)
    purse = served.caller._purse
    served.store.ledger.set(MONEY, 1000.0, "person")
    for most in (100, 333, 4096):
        whole = purse.held("oai:big", False, request(max_tokens=most), "")
        exact = round(whole.amounts[MONEY] + spent, 6)
        served.store.ledger.set(f"run-a/{MONEY}", exact, "person")
        served.store.ledger.reserve(f"run-a/{MONEY}", f"{most}", spent)
        held = purse.held("oai:big", False, request(max_tokens=most), "run-a")
        assert (held.request.max_tokens, held.shortened) == (most, None)
        served.store.ledger.reserve(f"run-a/{MONEY}", f"{most}/call", held.amounts[f"run-a/{MONEY}"])
        served.store.ledger.release(f"run-a/{MONEY}", f"{most}")
        served.store.ledger.release(f"run-a/{MONEY}", f"{most}/call")


def test_an_answer_that_is_stored_is_not_asked_again(serve):
    served = serve()
    first = served.ask(key="session:ab/p1/plan", stream="session:ab", author="designer", revision="3", design="ab-1", run="run-1")
    assert served.ask(key="session:ab/p1/plan") == first
    assert len(served.server.log) == 1
    served.ask(key="session:ab/p1/plan", words="another question")
    served.ask(key="session:ab/p1/code")
    assert len(served.server.log) == 3
    row = served.store.calls.of_key("session:ab/p1/plan")[0]
    assert (row.author, row.revision, row.design_id, row.run_id, row.model) == ("designer", "3", "ab-1", "run-1", "oai:big")
    assert Request.from_dict(row.request) == request()


def test_sums_are_kept_by_call_dialog_design_and_run(serve):
    served = serve(faults=[None, "cut"])
    served.ask(key="1", stream="a", design="d", run="r")
    served.ask(key="2", stream="a", run="r")
    served.ask(key="3", stream="b")
    spent = served.caller.spent(stream="a")
    assert (spent.tries, spent.answers) == (3, 2)
    assert served.caller.spent(design="d").tries == 1
    assert served.caller.spent(run="r") == spent
    assert served.caller.spent().money == pytest.approx(sum(served.caller.money(k) for k in "123"))
    assert served.caller.spent().tokens == served.left(TOKENS)[0]


def test_at_the_limit_it_pauses_and_goes_on_when_it_is_topped_up(serve):
    served = serve(money=0.0001)
    with pytest.raises(BudgetPaused, match="the budget money is used up") as raised:
        served.ask(["oai:big", "ant:big"])
    assert raised.value.account == MONEY
    assert "python -m core budget money" in raised.value.mend
    assert served.server.log == []
    served.store.ledger.set(MONEY, float(raised.value.mend.split()[5]), "person")
    assert served.ask().text
    spent, reserved = served.left()
    assert (0 < spent < 0.01, reserved) == (True, 0.0)


def test_the_named_total_is_enough_to_go_on(serve):
    served = serve(tokens=100, money=None)
    with pytest.raises(BudgetPaused) as raised:
        served.ask()
    served.store.ledger.set(TOKENS, float(raised.value.mend.split()[5]), "person")
    assert served.ask().text


def test_what_is_left_shortens_the_answer_by_no_more_than_half(serve):
    served = serve(tokens=input_bound(request()) + 300)
    served.ask()
    assert served.server.log[0].max_tokens == 300
    with pytest.raises(BudgetPaused):
        served.ask(key="2", words="x" * 1000)


def test_where_less_than_half_of_the_answer_fits_it_pauses_before_it_is_asked(serve):
    served = serve(tokens=input_bound(request()) + 240)
    with pytest.raises(BudgetPaused) as raised:
        served.ask()
    assert served.server.log == []
    served.store.ledger.set(TOKENS, float(raised.value.mend.split()[5]), "person")
    served.ask()
    assert served.server.log[0].max_tokens == 500


@pytest.mark.parametrize("model", WIRES)
def test_an_answer_that_the_budget_cut_short_is_paid_and_asked_again_when_all_of_it_fits(serve, model):
    served = serve(lambda asked: Reply('{"plan": "wh', finish="length") if asked.max_tokens < 500 else Reply('{"plan": "whole"}'),
                   tokens=input_bound(request()) + 300)
    with pytest.raises(BudgetPaused, match="too little for the whole answer") as raised:
        served.ask(model)
    cut = served.store.calls.of_key("k")[0]
    assert (cut.state, cut.answer) == (CallState.CUT, None)
    assert served.left(TOKENS) == (cut.usage["input"] + cut.usage["output"], 0.0), "it is paid as it was counted"
    served.store.ledger.set(TOKENS, float(raised.value.mend.split()[5]) + 500, "person")
    assert served.ask(model).text == '{"plan": "whole"}'
    assert served.server.log[1].max_tokens == 500


def test_an_answer_that_its_asker_cut_short_is_its_answer(serve):
    served = serve(lambda asked: Reply("a beginning", finish="length"))
    assert served.ask().finish is Finish.LENGTH
    assert served.ask().text == "a beginning"
    assert len(served.server.log) == 1


def test_a_run_can_have_accounts_of_its_own(serve):
    served = serve()
    served.store.ledger.grant("run-1/tokens", 10, "p")
    with pytest.raises(BudgetPaused, match="run-1/tokens"):
        served.ask(run="run-1")
    assert served.ask(run="run-2").text
    assert served.left(TOKENS)[1] == 0.0


def test_without_a_budget_nothing_is_limited_and_everything_is_counted(serve):
    served = serve(money=None, tokens=None)
    served.ask()
    assert served.caller.money("k") > 0


def test_an_unknown_price_is_unknown_and_refused_under_a_budget_in_money(serve):
    served = serve()
    with pytest.raises(PriceUnknown, match="the price of chat:other is not known"):
        served.ask("chat:other")
    assert served.ask(["chat:other", "chat:known"]).text


def test_without_a_budget_in_money_an_unknown_price_is_shown_as_unknown(serve):
    served = serve(money=None)
    served.ask("chat:other")
    assert served.caller.money("k") is None
    assert served.caller.spent().dollars == "unknown"


def test_unknown_prices_can_be_allowed(serve):
    served = serve()
    path = served.config.prices_file
    path.write_text("allow_unknown: true\n" + path.read_text())
    from core.llm.caller import Caller

    Caller.open(served.config, served.store, QUICK).ask("chat:other", request(), key="k")
    assert served.store.calls.spent(key="k").unpriced == 1
    assert served.left(MONEY) == (0.0, 0.0)
    assert served.left(TOKENS)[0] > 0


def test_while_the_prices_cannot_be_read_none_is_known(serve):
    served = serve()
    path = served.config.prices_file
    right = path.read_text()
    path.write_text("prices: {'oai:*': {input: -1, output: 2}}")
    from core.llm.caller import Caller

    caller = Caller.open(served.config, served.store, QUICK)
    with pytest.raises(PriceUnknown, match=r"the price of oai:big is not known: .*oai:\*\.input -1 is no price"):
        caller.ask("oai:big", request(), key="k")
    assert caller.ask("home:qwen3:8b", request(), key="free").text
    path.write_text(right)
    assert caller.ask("oai:big", request(), key="k").text, "it is read anew"
    assert caller.money("k") > 0
    caller.close()


def test_ones_own_machine_is_free(serve):
    served = serve()
    served.ask("home:qwen3:8b")
    assert served.server.log[0].model == "qwen3:8b"
    assert served.caller.money("k") == 0.0
    assert served.left(TOKENS)[0] > 0


def test_two_who_ask_the_same_pay_once(serve):
    served = serve("a slow answer, a slow answer, a slow answer", pause_s=0.05)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: served.ask(), range(4)))
    assert len({a.text for a in answers}) == 1
    assert len(served.server.log) == 1


def test_calls_in_flight_count_and_those_who_come_late_wait_for_what_they_give_back(serve):
    bound = input_bound(request()) + 500
    served = serve("a slow answer", tokens=bound + 200, pause_s=0.03, policy=replace(QUICK, budget_wait_s=5))
    first = threading.Thread(target=served.ask, kwargs={"key": "1"})
    first.start()
    while not served.server.log:
        time.sleep(0.01)
    assert served.ask(key="2").text
    first.join()
    assert served.server.log[1].number == 2
    assert served.left(TOKENS)[0] < bound


@pytest.mark.slow
def test_200_asks_under_faults_from_4_threads_never_exceed_the_budget_and_lose_nothing(serve, database):
    """On SQLite and PostgreSQL; more than the budget allows, so that some pause."""
    served = serve(lambda asked: Reply(f"echo {asked.last} " * 4), Chance(0.1, seed=1), money=0.06, tokens=60_000, stall_s=0.2, config=database,
                   policy=replace(QUICK, tries=8, breaker_faults=50, budget_wait_s=0.2))
    over: list[str] = []
    done = threading.Event()

    def watch():
        while not done.wait(0.02):
            for name in (MONEY, TOKENS):
                account = served.store.ledger.account(name)
                if account.left < 0:
                    over.append(f"{name}: {account}")

    def one(n):
        try:
            return served.ask(("oai:big", "ant:big")[n % 2], f"number {n}", key=f"k{n}", on_delta=lambda _: None).text
        except BudgetPaused:
            return None

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(one, range(200)))
    done.set()
    watcher.join()
    assert not over
    assert 20 < answers.count(None) < 180, "the budget was too small for all of them"
    assert all(a == f"echo number {n} " * 4 for n, a in enumerate(answers) if a)
    money, tokens = served.store.ledger.account(MONEY), served.store.ledger.account(TOKENS)
    assert (money.reserved, tokens.reserved) == (0.0, 0.0)
    assert money.spent <= 0.06
    assert served.server.tally.input + served.server.tally.output <= tokens.spent <= 60_000
    spent = served.caller.spent()
    assert spent.answers == sum(a is not None for a in answers)
    assert spent.money == pytest.approx(money.spent, abs=1e-6 * spent.tries)
    served.store.ledger.grant(MONEY, 10, "p")
    served.store.ledger.grant(TOKENS, 10_000_000, "p")
    paid = len(served.server.log)
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(one, range(200)))
    assert [a for a in again if a is None] == []
    assert all(a == b for a, b in zip(answers, again, strict=True) if a)
    assert len(served.server.log) - paid >= answers.count(None)


def test_a_process_killed_in_mid_stream_is_charged_and_its_question_asked_again(serve):
    served = serve("a slow answer " * 40, pause_s=0.05)
    env = {**os.environ, "DATA_DIR": str(served.config.data_dir), **served.server.environment(served.config.data_dir.parent)}
    child = subprocess.Popen([sys.executable, str(ACTOR), "k", "oai:big", "what is your name?"], env=env, stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "asking\n"
    assert child.stdout.readline() == "delta\n"
    child.kill()
    child.wait()
    child.stdout.close()
    assert served.left(TOKENS)[1] > 0
    served.server.pause_s = 0.0
    held = served.store.calls.open("k").held
    assert served.ask().text == "a slow answer " * 40
    first, second = served.store.calls.of_key("k")
    assert (first.state, second.state) == (CallState.CUT, CallState.ANSWERED)
    assert "killed" in first.error
    spent, reserved = served.left(TOKENS)
    assert reserved == 0.0
    assert spent == held[TOKENS] + second.usage["input"] + second.usage["output"]
    assert served.ask(key="k").text
    assert len(served.server.log) == 2


def test_what_a_killed_process_held_is_settled_by_whoever_comes_next(serve):
    served = serve("a slow answer " * 40, pause_s=0.05, tokens=4000)
    env = {**os.environ, "DATA_DIR": str(served.config.data_dir), **served.server.environment(served.config.data_dir.parent)}
    child = subprocess.Popen([sys.executable, str(ACTOR), "k", "oai:big", "x" * 1500], env=env, stdout=subprocess.PIPE, text=True)
    assert [child.stdout.readline() for _ in range(2)] == ["asking\n", "delta\n"]
    child.kill()
    child.wait()
    child.stdout.close()
    held = served.left(TOKENS)[1]
    with pytest.raises(BudgetPaused):
        served.ask(key="another")
    assert served.left(TOKENS) == (held, 0.0), "it may have been paid, so it is spent"


def test_a_cheaper_count_than_the_bound_is_given_back_and_a_dearer_one_is_recorded(serve):
    """A server that counts more than can be: the account stays above zero, the record says what it was."""
    served = serve(tokens=3000)
    served.server.script = lambda asked: Reply("x" * 40_000)
    served.ask()
    account = served.store.ledger.account(TOKENS)
    assert account.left >= 0
    assert served.caller.spent().output == 10_000


def test_the_bound_holds_for_any_text():
    words = "".join(map(chr, (*range(32, 1000), *range(0x4E00, 0x4E80), *range(0x1F600, 0x1F640))))
    asking = Request((Turn("user", words), Turn("user", '"\\\n\t' * 50)))
    assert input_bound(asking) > len(words.encode()) + 200


def test_errors_are_of_one_family():
    assert issubclass(BudgetPaused, LanguageModelError)
