"""The chat completions wire: Together, OpenRouter, vLLM, Ollama, llama.cpp, and whoever else speaks it. Over the official `openai` SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from core.llm.base import Answer, Delta, Finish, Request, Turn, Usage
from core.llm.catalogue import Card
from core.llm.faults import Teller
from core.llm.schemas import closed, is_strict, safe_name
from core.llm.wire import Gathering, Wire, count
from core.types import Json

FINISHES = {"stop": Finish.STOP, "length": Finish.LENGTH, "tool_calls": Finish.CALLS, "function_call": Finish.CALLS, "content_filter": Finish.REFUSED,
            "eos": Finish.STOP, "end_turn": Finish.STOP}


class ChatWire(Wire):
    kind = "chat"

    def _client(self, options: Json) -> Any:
        import openai

        client = openai.OpenAI(api_key=self._key or "none", **options)
        client.organization = client.project = None  # the environment may hold those of OpenAI, which are no other provider's business
        return client

    def _send(self, client: Any, model: str, request: Request, card: Card) -> Any:
        body: Json = {"model": model, "messages": [_message(t) for t in request.turns], "stream": True, "stream_options": {"include_usage": True},
                      card.limit_name: request.max_tokens}
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if request.effort:
            body["reasoning_effort"] = request.effort
        if request.tools:
            body["tools"] = [{"type": "function", "function": {"name": t.name, "description": t.about, "parameters": dict(t.parameters)}} for t in request.tools]
            if request.tool_choice == "none":
                body["tool_choice"] = "none"
        if request.schema:
            schema = closed(request.schema.schema)
            body["response_format"] = {"type": "json_schema", "json_schema": {"name": safe_name(request.schema), "schema": schema, "strict": is_strict(schema)}}
        return client.chat.completions.with_streaming_response.create(**body)

    def _parse(self, events: Iterator[tuple[str, Json]], got: Gathering, teller: Teller) -> Iterator[Delta | Answer]:
        for _, body in events:
            if body.get("error"):
                raise teller.event(body)
            got.model = body.get("model") or got.model
            if body.get("usage"):
                got.usage = _usage(body["usage"])
            for choice in body.get("choices") or []:
                yield from _choice(got, choice, teller)
        yield got.answer()


def _choice(got: Gathering, choice: Json, teller: Teller) -> Iterator[Delta]:
    delta = choice.get("delta") or {}
    yield from got.think(delta.get("reasoning_content") or delta.get("reasoning") or "")
    yield from got.say(delta.get("content") or "")
    yield from got.say(delta.get("refusal") or "")
    for call in delta.get("tool_calls") or []:
        function = call.get("function") or {}
        yield from got.call(_slot(got, call), call.get("id") or "", function.get("name") or "", function.get("arguments") or "")
    reason = choice.get("finish_reason")
    if reason == "error":
        raise teller.event(choice.get("error") or {"message": "the provider ended the answer with an error"})
    if reason:
        got.finish = Finish.REFUSED if delta.get("refusal") else FINISHES.get(reason, Finish.STOP)


def _slot(got: Gathering, call: Json) -> tuple[int, int]:
    """Which call a piece belongs to: its index, and where a server gives all of them the same one, how many began at it before."""
    index = call.get("index") or 0
    began = sum(1 for i, _ in got.calls if i == index)
    last = (index, max(began - 1, 0))
    known = got.calls.get(last, {}).get("id")
    return (index, began) if known and call.get("id") and call["id"] != known else last


def _message(turn: Turn) -> Json:
    if turn.role == "tool":
        return {"role": "tool", "tool_call_id": turn.call_id, "content": turn.text}
    message: Json = {"role": turn.role, "content": turn.text}
    if turn.calls:
        message["content"] = turn.text or None
        message["tool_calls"] = [{"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}} for c in turn.calls]
    return message


def _usage(u: Json) -> Usage:
    prompt, completion = u.get("prompt_tokens_details") or {}, u.get("completion_tokens_details") or {}
    return Usage(count(u.get("prompt_tokens")), count(u.get("completion_tokens")), count(prompt.get("cached_tokens")), count(prompt.get("cache_write_tokens")),
                 count(completion.get("reasoning_tokens")))
