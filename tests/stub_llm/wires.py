"""The three wires: what was asked, read from a request; and a reply as events, each with the words that it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from stub_llm.words import Asked, Reply

Body = dict[str, Any]
Event = tuple[str, Body, str]        # (event's name, data, what it says of the answer: for the tally)
PIECE = 16                           # characters


def asked(wire: str, body: Body, key: str, number: int) -> Asked:
    turns, schema = {"chat": _chat, "responses": _responses, "messages": _messages}[wire](body)
    tools = tuple(t["function"]["name"] if wire == "chat" else t["name"] for t in body.get("tools", []) if body.get("tool_choice", "auto") == "auto")
    most = body.get("max_tokens") or body.get("max_completion_tokens") or body.get("max_output_tokens") or 0
    return Asked(wire, body["model"], turns, tools, schema, most, body.get("temperature"), key, bool(body.get("stream")), body, number)


def orphaned(body: Body) -> bool:
    """Whether the turns hold calls of tools, or their results, and no tool is defined."""
    turns = [item for turn in [*body.get("messages", []), *body.get("input", [])] for item in [turn, *(turn["content"] if isinstance(turn.get("content"), list) else [])]]
    return not body.get("tools") and any(t.get("tool_calls") or t.get("role") == "tool" or t.get("type") in ("tool_use", "tool_result", "function_call", "function_call_output") for t in turns)


def events(asked: Asked, reply: Reply) -> Iterator[Event]:
    yield from {"chat": _chat_events, "responses": _responses_events, "messages": _messages_events}[asked.wire](asked, reply)


def _words(content: Any) -> str:
    return content if isinstance(content, str) else "".join(p.get("text") or p.get("content") or "" for p in content or [])


def _chat(body: Body) -> tuple[tuple[tuple[str, str], ...], Body | None]:
    shape = body.get("response_format") or {}
    return tuple((m["role"], _words(m.get("content"))) for m in body["messages"]), (shape.get("json_schema") or {}).get("schema")


def _responses(body: Body) -> tuple[tuple[tuple[str, str], ...], Body | None]:
    turns = [("system", body["instructions"])] if body.get("instructions") else []
    for item in body["input"]:
        if item.get("type") == "function_call_output":
            turns.append(("tool", item["output"]))
        elif "role" in item:
            turns.append((item["role"], _words(item["content"])))
    return tuple(turns), ((body.get("text") or {}).get("format") or {}).get("schema")


def _messages(body: Body) -> tuple[tuple[tuple[str, str], ...], Body | None]:
    turns = [("system", _words(body["system"]))] if body.get("system") else []
    for m in body["messages"]:
        for block in [{"type": "text", "text": m["content"]}] if isinstance(m["content"], str) else m["content"]:
            if block["type"] == "tool_result":
                turns.append(("tool", _words(block["content"])))
            elif block["type"] == "text":
                turns.append((m["role"], block["text"]))
    return tuple(turns), ((body.get("output_config") or {}).get("format") or {}).get("schema")


def _pieces(text: str) -> Iterator[str]:
    for at in range(0, len(text), PIECE):
        yield text[at:at + PIECE]


# ------------------------------------------------------------------------------------------------------------ chat


def _chat_events(asked: Asked, reply: Reply) -> Iterator[Event]:
    def chunk(delta: Body, finish: str | None = None, says: str = "") -> Event:
        return "", {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": asked.model,
                    "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}, says

    yield chunk({"role": "assistant", "content": ""})
    for piece in _pieces(reply.reasoning):
        yield chunk({"reasoning_content": piece}, says=piece)
    for piece in _pieces(reply.text):
        yield chunk({"content": piece}, says=piece)
    for n, call in enumerate(reply.calls):
        yield chunk({"tool_calls": [{"index": n, "id": call.id or f"call_{n}", "type": "function", "function": {"name": call.name, "arguments": ""}}]}, says=call.name)
        for piece in _pieces(call.arguments):
            yield chunk({"tool_calls": [{"index": n, "function": {"arguments": piece}}]}, says=piece)
    yield chunk({}, {"length": "length", "refused": "content_filter"}.get(reply.finish, "tool_calls" if reply.calls else "stop"))
    usage = {"prompt_tokens": asked.input_tokens, "completion_tokens": reply.output_tokens, "total_tokens": asked.input_tokens + reply.output_tokens,
             "prompt_tokens_details": {"cached_tokens": reply.cached}}
    if (asked.body.get("stream_options") or {}).get("include_usage"):
        yield "", {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": asked.model, "choices": [], "usage": usage}, ""
    yield "", {"done": True}, ""


# ------------------------------------------------------------------------------------------------------- responses


def _responses_events(asked: Asked, reply: Reply) -> Iterator[Event]:
    number = iter(range(10**9))

    def event(kind: str, says: str = "", **data: Any) -> Event:
        return kind, {"type": kind, "sequence_number": next(number), **data}, says

    yield event("response.created", response={"id": "r", "model": asked.model, "status": "in_progress"})
    at = 0
    if reply.reasoning:
        item = {"id": f"rs_{asked.number}", "type": "reasoning", "summary": []}
        yield event("response.output_item.added", output_index=at, item=item)
        for piece in _pieces(reply.reasoning):
            yield event("response.reasoning_summary_text.delta", piece, output_index=at, delta=piece)
        yield event("response.output_item.done", output_index=at, item={**item, "encrypted_content": "sealed"})
        at += 1
    for piece in _pieces(reply.text):
        yield event("response.refusal.delta" if reply.finish == "refused" else "response.output_text.delta", piece, output_index=at, content_index=0, delta=piece)
    for n, call in enumerate(reply.calls, at + 1):
        item = {"id": f"fc_{n}", "type": "function_call", "call_id": call.id or f"call_{n}", "name": call.name, "arguments": ""}
        yield event("response.output_item.added", call.name, output_index=n, item=item)
        for piece in _pieces(call.arguments):
            yield event("response.function_call_arguments.delta", piece, output_index=n, delta=piece)
        yield event("response.output_item.done", output_index=n, item={**item, "arguments": call.arguments})
    cut = {"length": "max_output_tokens", "refused": "content_filter"}.get(reply.finish)
    usage = {"input_tokens": asked.input_tokens, "output_tokens": reply.output_tokens, "total_tokens": asked.input_tokens + reply.output_tokens,
             "input_tokens_details": {"cached_tokens": reply.cached}, "output_tokens_details": {"reasoning_tokens": 0}}
    done = {"id": "r", "model": asked.model, "status": "incomplete" if cut else "completed", "usage": usage, "incomplete_details": {"reason": cut} if cut else None}
    yield event("response.incomplete" if cut else "response.completed", response=done)


# -------------------------------------------------------------------------------------------------------- messages


def _messages_events(asked: Asked, reply: Reply) -> Iterator[Event]:
    def event(kind: str, says: str = "", **data: Any) -> Event:
        return kind, {"type": kind, **data}, says

    usage = {"input_tokens": asked.input_tokens - reply.cached, "cache_read_input_tokens": reply.cached, "output_tokens": 1}
    yield event("message_start", message={"id": "m", "type": "message", "role": "assistant", "model": asked.model, "content": [], "stop_reason": None, "usage": usage})
    yield event("ping")
    at = -1
    if reply.reasoning:
        at += 1
        yield event("content_block_start", index=at, content_block={"type": "thinking", "thinking": "", "signature": ""})
        for piece in _pieces(reply.reasoning):
            yield event("content_block_delta", piece, index=at, delta={"type": "thinking_delta", "thinking": piece})
        yield event("content_block_delta", index=at, delta={"type": "signature_delta", "signature": "signed"})
        yield event("content_block_stop", index=at)
    if reply.text:
        at += 1
        yield event("content_block_start", index=at, content_block={"type": "text", "text": ""})
        for piece in _pieces(reply.text):
            yield event("content_block_delta", piece, index=at, delta={"type": "text_delta", "text": piece})
        yield event("content_block_stop", index=at)
    for n, call in enumerate(reply.calls, at + 1):
        yield event("content_block_start", call.name, index=n, content_block={"type": "tool_use", "id": call.id or f"toolu_{n}", "name": call.name, "input": {}})
        for piece in _pieces(call.arguments):
            yield event("content_block_delta", piece, index=n, delta={"type": "input_json_delta", "partial_json": piece})
        yield event("content_block_stop", index=n)
    reason = {"length": "max_tokens", "refused": "refusal"}.get(reply.finish, "tool_use" if reply.calls else "end_turn")
    yield event("message_delta", delta={"stop_reason": reason}, usage={"output_tokens": reply.output_tokens})
    yield event("message_stop")


def sse(event: Event) -> bytes:
    name, data, _ = event
    if data.get("done"):
        return b"data: [DONE]\n\n"
    return (f"event: {name}\n" if name else "").encode() + f"data: {json.dumps(data)}\n\n".encode()
