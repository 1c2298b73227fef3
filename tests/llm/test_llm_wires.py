"""The official SDKs against the stub: what goes out, and what comes back."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace

import pytest
from llm_setting import WIRES
from stub_llm import Call, Reply

from core.config import Config
from core.errors import KeyRefused, LanguageModelError, ProviderPaused, StreamCut
from core.llm.base import Finish, Request, Schema, Tool, ToolCall, Turn
from core.llm.caller import Caller
from core.llm.catalogue import Card, Entry
from core.llm.faults import Teller
from core.llm.openai_chat import ChatWire
from core.llm.schemas import closed, is_strict
from core.llm.scrub import Scrubber
from core.llm.seen import fitted
from core.llm.wire import Gathering
from core.types import sha256_text

LOOK = Tool("look", "Looks at a design.", {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]})
VERDICT = Schema("verdict", {"type": "object", "properties": {"ok": {"type": "boolean"}, "rating": {"type": "number", "minimum": 0, "maximum": 5}},
                             "required": ["ok", "rating"]})


@pytest.mark.parametrize("model", WIRES)
def test_an_answer_streams_and_is_counted(serve, model):
    served = serve(lambda asked: Reply("Hello, I am Stub.", reasoning="who am I? "))
    answer = served.ask(model)
    assert (answer.text, answer.reasoning, answer.finish) == ("Hello, I am Stub.", "who am I? ", Finish.STOP)
    assert served.shown == answer.text
    assert "".join(d.text for d in served.deltas if d.kind == "reasoning") == answer.reasoning
    assert (answer.usage.input, answer.usage.output, answer.usage.estimated) == (served.server.tally.input, served.server.tally.output, False)
    asked = served.server.log[0]
    assert asked.system == "be brief"
    assert asked.last == "what is your name?"
    assert asked.max_tokens == 500


@pytest.mark.parametrize("model", WIRES)
def test_tools_are_called_and_their_results_go_back(serve, model):
    def script(asked):
        if asked.turns[-1][0] == "tool":
            return Reply(f"it has {asked.last}")
        return Reply("let me see", (Call("look", '{"id": "gpt2"}'), Call("look", '{"id": "mamba2"}')), reasoning="which one? ")

    served = serve(script)
    asking = Request((Turn("user", "how large?"),), tools=(LOOK,), max_tokens=400)
    first = served.caller.ask(model, asking, key="1")
    assert first.finish is Finish.CALLS
    assert [(c.name, json.loads(c.arguments)["id"]) for c in first.calls] == [("look", "gpt2"), ("look", "mamba2")]
    results = tuple(Turn("tool", f"{n} layers", call_id=c.id) for n, c in enumerate(first.calls))
    second = served.caller.ask(model, Request((*asking.turns, first.turn(), *results), tools=(LOOK,), max_tokens=400), key="2")
    assert second.text == "it has 1 layers"
    assert served.server.log[0].tools == ("look",)
    sent = json.dumps(served.server.log[1].body)
    assert all(c.id in sent for c in first.calls)
    assert ("sealed" in sent or "signed" in sent) == (model != "chat:known"), "reasoning that a provider sealed goes back to it as it was"


@pytest.mark.parametrize("model", WIRES)
def test_after_the_last_call_the_tools_are_still_named_and_may_not_be_called(serve, model):
    served = serve(lambda asked: Reply("", (Call("look", '{"id": "gpt2"}'),)) if asked.tools else Reply("it has 12 layers"))
    asking = Request((Turn("user", "how large?"),), tools=(LOOK,), max_tokens=400)
    first = served.caller.ask(model, asking, key="1")
    turns = (*asking.turns, first.turn(), Turn("tool", "12 layers", call_id=first.calls[0].id))
    with pytest.raises(LanguageModelError, match="must define tools"):
        served.caller.ask(model, Request(turns, max_tokens=400), key="2")
    assert served.caller.ask(model, Request(turns, tools=(LOOK,), tool_choice="none", max_tokens=400), key="3").text == "it has 12 layers"
    assert served.server.log[-1].body["tool_choice"] == ({"type": "none"} if model.startswith("ant") else "none")


def test_a_model_that_knows_no_tools_reads_what_another_looked_up():
    turns = (Turn("user", "how large?"), Turn("assistant", "let me see", (ToolCall("a", "look", '{"id": "gpt2"}'),)), Turn("tool", "12 layers", call_id="a"))
    sent = fitted(Request(turns, tools=(LOOK,), tool_choice="none"), Card(tools=False))
    assert (sent.tools, sent.tool_choice, [t.role for t in sent.turns]) == ((), "auto", ["user", "assistant", "user"])
    assert 'look {"id": "gpt2"}' in sent.turns[1].text
    assert not sent.turns[1].calls
    assert "12 layers" in sent.turns[2].text


def test_a_choice_that_is_open_leaves_the_hash_of_a_request_as_it_was():
    asking = Request((Turn("user", "how large?"),), tools=(LOOK,))
    older = {k: v for k, v in asking.to_dict().items() if k != "tool_choice"}
    assert Request.from_dict(older).hash == asking.hash == sha256_text(json.dumps({k: v for k, v in older.items() if k != "deadline_s"}, sort_keys=True))
    assert replace(asking, tool_choice="none").hash != asking.hash


def test_another_provider_is_not_given_reasoning_that_is_not_its_own(serve):
    served = serve(lambda asked: Reply("yes", reasoning="hm "))
    first = served.ask("ant:big")
    assert first.opaque
    served.caller.ask("oai:big", Request((Turn("user", "?"), first.turn(), Turn("user", "and?")), max_tokens=300), key="2")
    assert "signed" not in json.dumps(served.server.log[1].body)


@pytest.mark.parametrize("model", WIRES)
def test_a_schema_is_held_by_the_provider_or_asked_for_in_words(serve, model):
    served = serve('{"ok": true, "rating": 4}')
    served.ask(model, schema=VERDICT)
    asked = served.server.log[0]
    if model == "chat:known":
        assert asked.schema is None
        assert '"rating"' in asked.system
    else:
        assert asked.schema["additionalProperties"] is False
        assert '"rating"' not in asked.system


def test_what_a_model_does_not_take_is_left_out(serve):
    served = serve()
    served.ask("oai:big", temperature=0.7, effort="low", key="1")
    served.ask("chat:known", temperature=0.7, effort="low", key="2")
    assert (served.server.log[0].temperature, served.server.log[0].body["reasoning"]) == (None, {"effort": "low"})
    assert (served.server.log[1].temperature, "reasoning_effort" in served.server.log[1].body) == (0.7, False)


def test_the_prompts_beginning_is_cached_and_cached_tokens_cost_less(serve):
    served = serve(lambda asked: Reply("yes", cached=20))
    words = "a long question " * 20
    for model in ("oai:big", "ant:big"):
        answer = served.ask(model, words, key=model)
        assert answer.usage.cached == 20
        price = served.caller._purse.price(model, False)
        plain = answer.usage.input - 20
        assert served.caller.money(model) == pytest.approx((plain * price.input + 20 * price.cached + answer.usage.output * price.output) / 1e6, abs=1e-6)
    assert served.server.log[0].body["prompt_cache_key"]
    assert served.server.log[1].body["system"][-1]["cache_control"] == {"type": "ephemeral"}


@pytest.mark.parametrize("model", WIRES)
def test_text_in_every_script_and_separator_arrives_whole(serve, model):
    words = "naïve 中文 🙂 line\u2028separator \x0b tab\t and “quotes”\nend"
    served = serve(lambda asked: Reply(asked.last))
    assert served.ask(model, words).text == words


def test_what_cannot_be_sent_is_mended_before(serve):
    """Half a surrogate pair, a call's name from another provider, a key with a line's end."""
    served = serve(lambda asked: Reply("yes"))
    turns = (Turn("user", "half \ud83d"), Turn("assistant", "", (ToolCall("functions.look:0", "look", "no json"),)), Turn("tool", "x", call_id="functions.look:0"))
    for n, model in enumerate(WIRES):
        assert served.caller.ask(model, Request(turns, tools=(LOOK,), max_tokens=300), key=str(n)).text == "yes"
    sent = json.dumps(served.server.log[1].body)
    assert sent.count("functions_look_0") == 2
    assert "not_json" in sent


def test_a_key_that_is_none_is_told(serve, tmp_path):
    served = serve()
    env = {"DATA_DIR": str(tmp_path / "data"), **served.server.environment(tmp_path)}
    with pytest.raises(KeyRefused, match="OPENAI_API_KEY holds is no key"):
        Caller.open(Config.from_env({**env, "OPENAI_API_KEY": "sk-…-abc"}), served.store).ask("oai:big", Request((Turn("user", "x"),)), key="k")
    Caller.open(Config.from_env({**env, "OPENAI_API_KEY": "sk-with-an-end\n"}), served.store).ask("oai:big", Request((Turn("user", "x"),)), key="k")
    assert served.server.log[0].key == "sk-with-an-end"


def test_a_proxy_of_the_environment_is_not_asked_for_a_server_at_home(serve, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    served = serve("yes")
    assert [served.ask(model, key=model).text for model in WIRES] == ["yes"] * 3


def test_addresses_and_names_of_the_environment_go_nowhere(serve, monkeypatch):
    for name, value in {"OPENAI_BASE_URL": "http://127.0.0.1:9", "ANTHROPIC_BASE_URL": "http://127.0.0.1:9", "OPENAI_ORG_ID": "org-mine", "OPENAI_PROJECT_ID": "proj-mine",
                        "ANTHROPIC_AUTH_TOKEN": "another"}.items():
        monkeypatch.setenv(name, value)
    served = serve("yes")
    for model in WIRES:
        served.ask(model, key=model)
    assert [a.key[:7] for a in served.server.log] == ["sk-stub", "sk-ant-", "tgp_stu"]
    assert "org-mine" not in str(served.server.headers["chat"])


@pytest.mark.parametrize("model", WIRES)
def test_a_redirect_is_not_followed_with_the_key(serve, model):
    served = serve("yes", ["redirect"])
    with pytest.raises(LanguageModelError, match=r"sends elsewhere \(307\)"):
        served.ask(model)
    assert len(served.server.log) == 1


def test_a_server_that_does_not_stream_is_told(serve):
    served = serve("yes", ["not_streamed"] * 9)
    with pytest.raises(ProviderPaused, match="answered with application/json instead of a stream"):
        served.ask("home:x")


def test_no_thread_is_left_where_a_line_was_cut(serve):
    served = serve("yes", ["pings", "stall", "pings"], stall_s=30)
    for n, model in enumerate(WIRES):
        served.ask(model, key=str(n), deadline_s=0.4)
    end = time.monotonic() + 2
    while (left := [t for t in threading.enumerate() if t.name == "language model"]) and time.monotonic() < end:
        time.sleep(0.02)
    assert left == []


# ------------------------------------------------------------------------------------- what servers make of a wire


def chat(*chunks):
    """What the chat wire makes of a server's own idea of it."""
    entry = Entry("x", "chat", "X", "http://x")
    teller = Teller(entry, "m", "", Scrubber())
    request = Request((Turn("user", "hi"),))
    *_, answer = ChatWire(entry)._parse(iter([("", c) for c in chunks]), Gathering("m", request, teller), teller)
    return answer


def piece(finish=None, **delta):
    return {"choices": [{"delta": delta, "finish_reason": finish}]}


def call(ident, name="", arguments="", index=0):
    return {"index": index, "id": ident, "function": {"name": name, "arguments": arguments}}


def test_calls_that_all_have_the_same_index_are_told_apart_by_their_names():
    answer = chat(piece(tool_calls=[call("a", "look", "{}")]), piece(tool_calls=[call("b", "find", '{"x"')]), piece(tool_calls=[call(None, "", ": 1}")]), piece("stop"))
    assert [(c.id, c.name, c.arguments) for c in answer.calls] == [("a", "look", "{}"), ("b", "find", '{"x": 1}')]
    assert answer.finish is Finish.CALLS


def test_calls_without_a_name_of_their_own_get_one_each():
    answer = chat(piece(tool_calls=[call("", "look", "{}", 0), call("", "look", "", 1)]), piece("tool_calls"))
    assert len({c.id for c in answer.calls}) == 2
    assert answer.calls[1].arguments == "{}"


@pytest.mark.parametrize("delta", [{"content": [{"type": "text", "text": "hi"}]}, {"content": 5}, {"reasoning": {"text": "x"}}, {"reasoning_content": ["x"]},
                                   {"tool_calls": [call("a", "look", {"id": 1})]}, {"tool_calls": [call("a", ["look"], "{}")]}, {"tool_calls": [call(["x"], "look", "{}")]}])
def test_what_is_no_text_where_one_belongs_is_a_fault_that_may_pass(delta):
    with pytest.raises(StreamCut, match="where a text belongs") as raised:
        chat(piece(**delta), piece("stop", content="hello"))
    assert raised.value.again


def test_numbers_that_some_servers_take_for_names_are_taken_as_text():
    answer = chat({"model": 7, **piece(tool_calls=[call(5, "look", "{}")])}, piece("stop"))
    assert (answer.calls[0].id, answer.model) == ("5", "7")


def test_what_is_not_counted_is_estimated_and_nonsense_is_not_believed():
    assert chat(piece(content="hello"), piece("stop")).usage.estimated
    assert chat(piece("stop", content="hello"), {"choices": None, "usage": {"prompt_tokens": 0, "completion_tokens": 0}}).usage.output == 5
    usage = chat(piece("stop", content="hello"), {"choices": [], "usage": {"prompt_tokens": "12", "completion_tokens": 10**30, "prompt_tokens_details": {"cached_tokens": -4}}}).usage
    assert (usage.input, usage.output, usage.cached) == (12, 10**12, 0)


def test_a_schemas_bounds_stay_where_a_grammar_takes_them_and_its_names_everywhere():
    schema = {"type": "object", "properties": {"title": {"type": "string", "maxLength": 9, "default": "x"}, "pattern": {"type": "array", "items": {"type": "object"}}},
              "required": ["title", "pattern"], "title": "T"}
    assert closed(schema)["properties"]["title"]["maxLength"] == 9
    bare = closed(schema, bounds=False)
    assert bare["properties"] == {"title": {"type": "string"}, "pattern": {"type": "array", "items": {"type": "object", "properties": {}, "additionalProperties": False}}}
    assert "title" not in bare
    assert is_strict(VERDICT.schema)
    assert not is_strict({"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a"]})
