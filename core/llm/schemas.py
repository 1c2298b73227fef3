"""JSON schemas as providers want them, and as words for those that hold to none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from core.llm.base import Request, Schema, Turn

# What a provider's grammar cannot hold; the answer is checked against the whole schema afterwards (core/llm/structured.py).
BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern", "minItems", "maxItems",
          "uniqueItems", "minProperties", "maxProperties", "default", "title", "examples", "$schema")


def closed(schema: Mapping[str, Any], bounds: bool = True) -> dict[str, Any]:
    """The schema with no further properties in its objects; without `bounds`, only types, names and choices stay."""
    def walk(node: Any, named: bool = False) -> Any:
        if isinstance(node, list):
            return [walk(n) for n in node]
        if not isinstance(node, Mapping):
            return node
        if named:  # the names are somebody's properties, not words of the schema's language
            return {k: walk(v) for k, v in node.items()}
        out = {k: walk(v, k in ("properties", "$defs", "definitions")) if k not in ("enum", "const", "required", "default") else v
               for k, v in node.items() if bounds or k not in BOUNDS}
        if out.get("type") == "object" or "properties" in out:
            out.setdefault("properties", {})
            out["additionalProperties"] = False
        return out

    return walk(schema)


def is_strict(schema: Mapping[str, Any]) -> bool:
    """Whether every property of every object is required, as OpenAI's strict mode wants it."""
    if isinstance(schema, Mapping):
        properties = schema.get("properties")
        if isinstance(properties, Mapping) and set(properties) != set(schema.get("required", ())):
            return False
        if schema.get("type") == "object" and not properties:
            return False
        return all(is_strict(v) for v in schema.values())
    return all(is_strict(v) for v in schema) if isinstance(schema, list) else True


def in_words(request: Request) -> Request:
    """The request without a schema, which stands in the prompt instead: behind the system's words, so that the prefix stays the same."""
    if request.schema is None:
        return request
    words = (f"Answer with one JSON object and nothing else: no text around it, no code fence. It must fit this JSON schema ({request.schema.name}):\n"
             f"{json.dumps(request.schema.schema, ensure_ascii=False)}")
    first, *rest = request.turns
    turns = (replace(first, text=f"{first.text}\n\n{words}"), *rest) if first.role == "system" else (Turn("system", words), first, *rest)
    return replace(request, turns=turns, schema=None)


def safe_name(schema: Schema) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in schema.name)[:64] or "answer"
