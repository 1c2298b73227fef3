"""The messages wire of Anthropic, over the official SDK. What stays the same at the beginning of the prompt is marked for its cache."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from core.llm.base import Answer, Delta, Finish, Request, Turn, Usage
from core.llm.catalogue import Card
from core.llm.faults import Teller
from core.llm.schemas import closed
from core.llm.wire import Gathering, Wire, count
from core.types import Json

FINISHES = {"end_turn": Finish.STOP, "stop_sequence": Finish.STOP, "tool_use": Finish.CALLS, "max_tokens": Finish.LENGTH,
            "model_context_window_exceeded": Finish.LENGTH, "refusal": Finish.REFUSED, "pause_turn": Finish.STOP}
MARK = {"cache_control": {"type": "ephemeral"}}


class MessagesWire(Wire):
    kind = "messages"

    def _client(self, options: Json) -> Any:
        import anthropic

        return anthropic.Anthropic(api_key=self._key or "none", **options)

    def _send(self, client: Any, model: str, request: Request, card: Card) -> Any:
        system = "\n\n".join(t.text for t in request.turns if t.role == "system")
        body: Json = {"model": model, "max_tokens": request.max_tokens, "messages": _messages(request.turns, self.name), "stream": True}
        if system:
            body["system"] = [{"type": "text", "text": system} | (MARK if card.cache else {})]
        if request.tools:
            body["tools"] = [{"name": t.name, "description": t.about, "input_schema": dict(t.parameters)} for t in request.tools]
            if request.tool_choice == "none":
                body["tool_choice"] = {"type": "none"}
        if card.cache and len(body["messages"]) > 1:
            body["messages"][-1]["content"][-1] |= MARK  # the next turn of this conversation begins with all of this
        config = {"effort": request.effort} if request.effort else {}
        if request.schema:
            config["format"] = {"type": "json_schema", "schema": closed(request.schema.schema, bounds=False)}
        if card.summary:
            body["thinking"] = {"type": "adaptive", "display": "summarized"}
        if config:
            body["output_config"] = config
        if request.temperature is not None:
            body["extra_body"] = {"temperature": request.temperature}  # `create` has no such parameter any more
        return client.messages.with_streaming_response.create(**body)

    def _parse(self, events: Iterator[tuple[str, Json]], got: Gathering, teller: Teller) -> Iterator[Delta | Answer]:
        blocks: dict[int, Json] = {}
        counted: Json = {}
        complete = False
        for name, body in events:
            kind = body.get("type") or name
            if kind == "error":
                raise teller.event(body)
            if kind == "message_start":
                got.model = body["message"].get("model") or got.model
                counted |= body["message"].get("usage") or {}
                yield Delta("usage", json.dumps(_usage(counted).__dict__))
            elif kind == "content_block_start":
                blocks[body["index"]] = dict(body["content_block"])
                yield from _begin(got, body["index"], body["content_block"])
            elif kind == "content_block_delta":
                yield from _grow(got, body["index"], blocks.setdefault(body["index"], {}), body["delta"])
            elif kind == "content_block_stop" and blocks.get(body["index"], {}).get("type") in ("thinking", "redacted_thinking"):
                got.opaque.append({"by": self.name, "item": blocks[body["index"]]})
            elif kind == "message_delta":
                counted |= {k: v for k, v in (body.get("usage") or {}).items() if v is not None}
                reason = (body.get("delta") or {}).get("stop_reason")
                got.finish = FINISHES.get(reason, Finish.STOP) if reason else got.finish
            elif kind == "message_stop":
                complete = True
        if not complete:
            raise teller.cut("ended without a reason: it was cut off")
        got.usage = _usage(counted) if counted else None
        yield got.answer()


def _begin(got: Gathering, index: int, block: Json) -> Iterator[Delta]:
    if block.get("type") == "text":
        yield from got.say(block.get("text") or "")
    elif block.get("type") == "tool_use":
        given = json.dumps(block["input"]) if block.get("input") else ""
        yield from got.call(index, block.get("id") or "", block.get("name") or "", given)


def _grow(got: Gathering, index: int, block: Json, delta: Json) -> Iterator[Delta]:
    kind = delta.get("type")
    if kind == "text_delta":
        yield from got.say(delta.get("text") or "")
    elif kind == "input_json_delta":
        yield from got.call(index, arguments=delta.get("partial_json") or "")
    elif kind == "thinking_delta":
        block["thinking"] = block.get("thinking", "") + (delta.get("thinking") or "")
        yield from got.think(delta.get("thinking") or "")
    elif kind == "signature_delta":
        block["signature"] = block.get("signature", "") + (delta.get("signature") or "")


def _usage(u: Json) -> Usage:
    """`input_tokens` leaves out what the cache was read for or written; ours is all of the prompt."""
    read, written = count(u.get("cache_read_input_tokens")), count(u.get("cache_creation_input_tokens"))
    return Usage(count(u.get("input_tokens")) + read + written, count(u.get("output_tokens")), read, written,
                 count((u.get("output_tokens_details") or {}).get("thinking_tokens")))


def _messages(turns: Sequence[Turn], provider: str) -> list[Json]:
    """Turns of the same side become one message of several blocks."""
    messages: list[Json] = []
    for turn in turns:
        if turn.role == "system":
            continue
        role = "assistant" if turn.role == "assistant" else "user"
        blocks = list(_blocks(turn, provider))
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += blocks
        else:
            messages.append({"role": role, "content": blocks})
    return messages


def _blocks(turn: Turn, provider: str) -> Iterator[Json]:
    if turn.role == "tool":
        yield {"type": "tool_result", "tool_use_id": _ident(turn.call_id), "content": turn.text or "(nothing)"}
        return
    yield from (o["item"] for o in turn.opaque if o.get("by") == provider)
    if turn.text.strip() or not turn.calls:
        yield {"type": "text", "text": turn.text if turn.text.strip() else "(nothing)"}
    for call in turn.calls:
        yield {"type": "tool_use", "id": _ident(call.id), "name": call.name, "input": _object(call.arguments)}


def _ident(ident: str) -> str:
    """Another provider's name of a call may hold what this one does not take."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", ident)


def _object(arguments: str) -> Json:
    """This wire takes objects only: arguments that are none go back under a name of their own."""
    try:
        value = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        return {"not_json": arguments}
    return value if isinstance(value, dict) else {"not_an_object": value}
