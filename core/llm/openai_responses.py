"""The responses wire of OpenAI, over the official SDK. Nothing is kept there (`store: false`): sealed reasoning is handed back by us."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from core.llm.base import Answer, Delta, Finish, Request, Turn, Usage
from core.llm.catalogue import Card
from core.llm.faults import Teller
from core.llm.schemas import closed, is_strict, safe_name
from core.llm.wire import Gathering, Wire, count
from core.types import Json, sha256_text


class ResponsesWire(Wire):
    kind = "responses"

    def _client(self, options: Json) -> Any:
        import openai

        return openai.OpenAI(api_key=self._key or "none", **options)

    def _send(self, client: Any, model: str, request: Request, card: Card) -> Any:
        system = "\n\n".join(t.text for t in request.turns if t.role == "system")
        body: Json = {"model": model, "input": [i for t in request.turns if t.role != "system" for i in _items(t, self.name)], "stream": True, "store": False,
                      "max_output_tokens": request.max_tokens}
        if system:
            body["instructions"] = system
        if card.cache:
            body["prompt_cache_key"] = sha256_text(system)[:32]  # those with the same beginning meet at the same cache
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if card.hidden:
            body["include"] = ["reasoning.encrypted_content"]
        if request.effort or card.summary:
            body["reasoning"] = ({"effort": request.effort} if request.effort else {}) | ({"summary": "auto"} if card.summary else {})
        if request.tools:
            body["tools"] = [{"type": "function", "name": t.name, "description": t.about, "parameters": dict(t.parameters), "strict": False} for t in request.tools]
            if request.tool_choice == "none":
                body["tool_choice"] = "none"
        if request.schema:
            schema = closed(request.schema.schema)
            body["text"] = {"format": {"type": "json_schema", "name": safe_name(request.schema), "schema": schema, "strict": is_strict(schema)}}
        return client.responses.with_streaming_response.create(**body)

    def _parse(self, events: Iterator[tuple[str, Json]], got: Gathering, teller: Teller) -> Iterator[Delta | Answer]:
        refused = False
        for name, body in events:
            kind = body.get("type") or name
            if kind == "response.output_text.delta":
                yield from got.say(body.get("delta") or "")
            elif kind == "response.refusal.delta":
                refused = True
                yield from got.say(body.get("delta") or "")
            elif kind in ("response.reasoning_summary_text.delta", "response.reasoning_text.delta"):
                yield from got.think(body.get("delta") or "")
            elif kind == "response.output_item.added" and (body.get("item") or {}).get("type") == "function_call":
                item = body["item"]
                yield from got.call(body.get("output_index"), item.get("call_id") or item.get("id") or "", item.get("name") or "", item.get("arguments") or "")
            elif kind == "response.function_call_arguments.delta":
                yield from got.call(body.get("output_index"), arguments=body.get("delta") or "")
            elif kind == "response.output_item.done" and (body.get("item") or {}).get("type") == "reasoning":
                got.opaque.append({"by": self.name, "item": {k: v for k, v in body["item"].items() if k in ("id", "type", "summary", "encrypted_content")}})
            elif kind in ("error", "response.failed"):
                raise teller.event((body.get("response") or {}).get("error") or body)
            elif kind in ("response.completed", "response.incomplete"):
                _end(got, body.get("response") or {}, kind, refused)
        yield got.answer()


def _end(got: Gathering, response: Json, kind: str, refused: bool) -> None:
    got.model = response.get("model") or got.model
    reason = (response.get("incomplete_details") or {}).get("reason")
    got.finish = Finish.REFUSED if refused or reason == "content_filter" else Finish.LENGTH if kind == "response.incomplete" else Finish.STOP
    if u := response.get("usage"):
        taken, given = u.get("input_tokens_details") or {}, u.get("output_tokens_details") or {}
        got.usage = Usage(count(u.get("input_tokens")), count(u.get("output_tokens")), count(taken.get("cached_tokens")), count(taken.get("cache_write_tokens")),
                          count(given.get("reasoning_tokens")))


def _items(turn: Turn, provider: str) -> Iterator[Json]:
    if turn.role == "tool":
        yield {"type": "function_call_output", "call_id": turn.call_id, "output": turn.text}
        return
    if turn.calls:  # reasoning is taken back only beside the calls that it led to
        yield from (o["item"] for o in turn.opaque if o.get("by") == provider)
    if turn.text or not turn.calls:
        yield {"role": turn.role, "content": turn.text}
    for call in turn.calls:
        yield {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments}
