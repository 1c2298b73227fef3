"""Everything that is known to go wrong on the way to a model: what is tried again, what is told, and what it costs."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from llm_setting import QUICK, WIRES, request
from stub_llm import PAID, Call, Chance, Reply

from core.config import Config
from core.errors import (
    Cancelled,
    KeyRefused,
    LanguageModelError,
    ModelUnknown,
    Overloaded,
    ProviderPaused,
    QuotaSpent,
    TooLong,
)
from core.llm.base import Finish, Schema
from core.llm.breaker import Breaker
from core.llm.caller import Caller
from core.llm.catalogue import Card
from core.llm.declined import Declined
from core.llm.faults import retry_after
from core.types import CallState

TEXT = "The answer is long enough to be cut off somewhere in the middle of it, and not at an end."
PASSING = ("cut", "broken", "stall", "bad_chunk", "error_event", "empty", "html", "rate_limit", "error_500", "unavailable", "overloaded", "silent_headers")


@pytest.mark.parametrize("model", WIRES)
def test_a_fault_that_may_pass_is_tried_again_and_the_screen_begins_anew(serve, model):
    served = serve(TEXT, [f for fault in PASSING for f in (fault, None)])
    for fault in PASSING:
        served.deltas.clear()
        assert served.ask(model, key=fault).text == TEXT, fault
        assert served.shown == TEXT, f"{fault}: nothing is shown twice"
        assert len(served.restarts) == 1, fault
        assert "tried again" in served.restarts[0]
        tries = served.store.calls.of_key(fault)
        assert [c.state for c in tries] == [CallState.CUT if fault in (*PAID, "silent_headers") else CallState.FAILED, CallState.ANSWERED], fault
        assert tries[0].error
        spent, reserved = served.left("tokens")
        assert reserved == 0.0
        assert spent >= served.server.tally.input + served.server.tally.output, f"{fault}: what a provider may bill is never lost"
    assert served.left("money")[0] == pytest.approx(served.caller.spent().money, abs=1e-4)


@pytest.mark.parametrize("model", WIRES)
def test_pings_do_not_hold_a_call_beyond_its_deadline(serve, model):
    served = serve(TEXT, ["pings"])
    start = time.monotonic()
    assert served.ask(model, deadline_s=0.6).text == TEXT
    assert time.monotonic() - start < 2.0
    assert "not done after 0.6 s" in served.store.calls.of_key("k")[0].error


REFUSALS = {"unauthorized": (KeyRefused, r"(OpenAI|Anthropic|Together) refused the key in (OPENAI_API_KEY|ANTHROPIC_API_KEY|TOGETHER_API_KEY) \(401\)"),
            "forbidden": (KeyRefused, r"refused the key in .*_API_KEY \(403\)"), "unknown_model": (ModelUnknown, "knows no model"),
            "too_long": (TooLong, "the prompt is too long for"), "quota": (QuotaSpent, "no money left"), "bad_request": (LanguageModelError, "temperature")}


@pytest.mark.parametrize("model", WIRES)
def test_a_refusal_is_told_at_once_and_costs_nothing(serve, model):
    served = serve(TEXT, list(REFUSALS))
    for n, (fault, (kind, words)) in enumerate(REFUSALS.items(), 1):
        with pytest.raises(kind, match=words) as raised:
            served.ask(model, key=fault)
        assert raised.value.mend
        assert not raised.value.again
        assert len(served.server.log) == n
        assert served.caller.money(fault) == 0.0
    assert served.left("tokens") == served.left("money") == (0.0, 0.0)


def test_a_part_that_a_model_refuses_by_name_is_left_out_from_then_on(serve):
    served = serve(TEXT, ["bad_request"])
    assert served.ask("chat:known", temperature=0.5, key="1").text == TEXT
    assert served.ask("chat:known", temperature=0.5, key="2").text == TEXT
    assert [a.temperature for a in served.server.log] == [0.5, None, None]
    assert [c.state for c in served.store.calls.of_key("1")] == [CallState.ANSWERED]


@pytest.mark.parametrize(("words", "part"), [
    ("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", "max_tokens"),
    ("Unsupported value: 'reasoning.effort' is not supported with this model", "effort"),
    ("adaptive thinking is not supported on this model", "summary"),
    ("output_config.format: Extra inputs are not permitted", "schema"),
    ("Your organization must be verified to generate reasoning summaries", "summary"),
    ("the prompt is bad", ""), ("top_k is not supported", "")])
def test_refusals_name_parts_in_their_own_words(words, part):
    declined, card = Declined(), Card(summary=True, effort=True, schema=True)
    asked = request(effort="low", schema=Schema("x", {"type": "object"}))
    assert declined.learn("m", words, asked, card) == bool(part)
    assert declined._parts.get("m", frozenset()) == ({part} if part else frozenset())
    assert declined.without("another", asked, card) == (asked, card)
    assert (declined.without("m", asked, card) == (asked, card)) == (not part)
    assert not declined.learn("m", words, *declined.without("m", asked, card)), "nothing is left out twice"


def test_the_variable_that_was_set_is_named(serve, tmp_path):
    served = serve(TEXT, ["unauthorized"])
    config = Config.from_env({"DATA_DIR": str(tmp_path / "data"), **served.server.environment(tmp_path), "MY_OPENAI_KEY": "sk-mine-00000000000000"})
    with pytest.raises(KeyRefused, match="OpenAI refused the key in MY_OPENAI_KEY"):
        Caller.open(config, served.store, QUICK).ask("oai:big", request(), key="k")
    assert served.server.log[0].key == "sk-mine-00000000000000"


def test_a_missing_key_names_the_variables(serve, tmp_path):
    served = serve()
    env = {k: v for k, v in served.server.environment(tmp_path).items() if not k.endswith("_KEY")}
    with pytest.raises(KeyRefused, match="set MY_OPENAI_KEY or OPENAI_API_KEY"):
        Caller.open(Config.from_env({"DATA_DIR": str(tmp_path / "data"), **env}), served.store, QUICK).ask("oai:big", request(), key="k")


@pytest.mark.parametrize("model", WIRES)
def test_what_is_odd_but_whole_is_handed_on(serve, model):
    served = serve(lambda asked: Reply(TEXT, (Call("look", "{}"),)), ["bad_arguments", "refused", "length"])
    assert served.ask(model, key="1").calls[0].arguments == '{"oops": ', "whoever runs the tool tells the model"
    assert served.ask(model, key="2").finish is Finish.REFUSED
    assert served.ask(model, key="3").finish is Finish.LENGTH


def test_a_long_retry_after_is_not_slept(serve):
    served = serve(TEXT, ["retry_after", None, "retry_after"])
    start = time.monotonic()
    assert served.ask(["oai:big", "ant:big"], key="1").text == TEXT
    assert "now ant:big" in served.restarts[-1]
    with pytest.raises(ProviderPaused, match="60 min") as raised:
        served.ask("oai:big", key="2")
    assert raised.value.after_s == 3600
    assert time.monotonic() - start < 2
    served.server.faults.add("retry_after")
    served.server.retry_after = 0.2
    assert served.ask("oai:big", key="3").text == TEXT


def test_retry_after_is_read_in_all_its_forms():
    assert retry_after({"retry-after-ms": "250"}) == 0.25
    assert retry_after({"retry-after": "12"}) == 12.0
    assert 3500 < retry_after({"retry-after": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 3600))}) <= 3600
    assert retry_after({"retry-after": "soon"}) is retry_after({"retry-after": "nan"}) is retry_after({"retry-after": "-3"}) is retry_after({}) is None
    assert retry_after({"retry-after": "inf"}) == 1e9


def test_the_next_model_answers_where_one_does_not(serve):
    served = serve(TEXT, ["overloaded"] * QUICK.tries + ["unauthorized"])
    assert served.ask(["oai:big", "chat:known", "ant:big"]).text == TEXT
    assert [c.model for c in served.store.calls.of_key("k")] == ["oai:big"] * QUICK.tries + ["chat:known", "ant:big"]


def test_tries_end_and_the_last_fault_is_told(serve):
    served = serve(TEXT, ["error_500"] * 9)
    with pytest.raises(ProviderPaused, match=f"trouble of its own.*; {QUICK.tries} tries in vain") as raised:
        served.ask()
    assert raised.value.unpaid
    assert isinstance(raised.value.__cause__, Overloaded)
    assert len(served.server.log) == QUICK.tries


def test_a_model_that_fails_and_fails_is_left_alone_for_a_while(serve):
    served, now = serve(TEXT, ["error_500"] * 5), [0.0]
    served.caller._breaker = Breaker(QUICK.breaker_faults, 60.0, lambda: now[0])
    with pytest.raises(ProviderPaused):
        served.ask(key="1")
    served.server.log.clear()
    assert served.ask(["oai:big", "ant:big"], key="2").text == TEXT
    assert [a.wire for a in served.server.log] == ["responses", "messages"], "the fifth fault opened the breaker"
    assert served.ask(["oai:big", "ant:big"], key="3").text == TEXT
    assert [a.wire for a in served.server.log[2:]] == ["messages"]
    now[0] = 61.0
    assert served.ask(["oai:big", "ant:big"], key="4").text == TEXT
    assert [a.wire for a in served.server.log[3:]] == ["responses"], "after its rest it is tried"


def test_a_server_that_is_not_there(serve):
    served = serve()
    served.server.__exit__(None, None, None)
    with pytest.raises(ProviderPaused, match="cannot be reached"):
        served.ask("home:x")
    assert served.left("tokens") == (0.0, 0.0)


@pytest.mark.parametrize("fault", ["pings", "silent_headers"])
def test_a_person_who_stops_does_not_wait_for_a_silent_model(serve, fault):
    served = serve(TEXT, [fault], stall_s=20)
    start = time.monotonic()

    def check_cancel():
        if time.monotonic() - start > 0.3:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        served.ask(check_cancel=check_cancel, deadline_s=20.0)
    assert time.monotonic() - start < 1.5
    assert [c.state for c in served.store.calls.of_key("k")] == [CallState.CUT]
    assert served.left("tokens")[1] == 0.0


def test_a_screen_that_fails_does_not_lose_what_was_paid(serve):
    served = serve(TEXT)

    def on_delta(delta):
        raise RuntimeError("the screen is gone")

    with pytest.raises(RuntimeError):
        served.ask(on_delta=on_delta)
    spent, reserved = served.left("tokens")
    assert spent >= served.server.tally.input
    assert reserved == 0.0


def test_the_total_time_of_an_ask_is_limited(serve):
    served = serve(TEXT, ["stall"] * 9, policy=replace(QUICK, tries=9, total_s=0.8))
    start = time.monotonic()
    with pytest.raises(ProviderPaused, match="silent") as raised:
        served.ask()
    assert not raised.value.unpaid, "what was asked may have been counted"
    assert time.monotonic() - start < 2.0


def test_many_faults_at_random_lose_nothing(serve):
    served = serve(lambda asked: Reply(f"echo {asked.last}"), Chance(0.3, seed=5))
    for n in range(12):
        assert served.ask(["oai:big", "ant:big"], f"number {n}", key=f"k{n}").text == f"echo number {n}"
    assert served.left("money")[1] == 0.0

