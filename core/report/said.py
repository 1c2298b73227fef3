"""What a language model said, for a reader: JSON becomes headed text, also while it is still being written."""

from __future__ import annotations

import json
from typing import Any


def readable(text: str) -> str:
    """Markdown. What is no JSON object stays as it is."""
    stripped = text.strip().removeprefix("```json").removesuffix("```").strip()
    if not stripped.startswith("{"):
        return text
    data = _loaded(stripped)
    return "\n\n".join(filter(None, (_line(str(key), value) for key, value in data.items()))) if data else text


def _loaded(text: str) -> dict[str, Any]:
    """The object as far as it was written; {} where nothing of it can be read yet."""
    for candidate in (text, *_completed(text)):
        try:
            data = json.loads(candidate, strict=False)
        except ValueError:
            continue
        return data if isinstance(data, dict) else {}
    return {}


def _completed(text: str) -> list[str]:
    """With its open strings and brackets closed: at the end, or behind the last whole entry."""
    closers, inside, escaped, commas = [], False, False, []
    for n, c in enumerate(text):
        if inside:
            escaped, inside = c == "\\" and not escaped, c != '"' or escaped
        elif c == '"':
            inside = True
        elif c in "{[":
            closers.append("}" if c == "{" else "]")
        elif c in "}]" and closers:
            closers.pop()
        elif c == ",":
            commas.append((n, "".join(reversed(closers))))
    ends = "".join(reversed(closers))
    whole = text[:-1] if escaped else text
    return [whole + ('"' if inside else "") + ends, *(text[:n] + after for n, after in reversed(commas[-3:]))]


def _line(key: str, value: Any) -> str:
    head = key.replace("_", " ").capitalize()
    if key == "title":
        return f"**{value}**"
    if key == "nodes" and isinstance(value, list):
        return "**Its tree**\n\n" + "\n".join(f"{'  ' * _depth(n)}- {_node(n)}" for n in value if isinstance(n, dict))
    if isinstance(value, list):
        return f"**{head}**\n\n" + "\n".join(f"- {_plain(item)}" for item in value) if value else ""
    if isinstance(value, dict):
        return f"**{head}** {_plain(value)}"
    apart = "\n\n" if isinstance(value, str) and "\n" in value.strip() else " "          # what begins with a heading, a list or a table begins a line
    return f"**{head}**{apart}{value}" if value not in ("", None) else ""


def _depth(node: dict[str, Any]) -> int:
    path = str(node.get("path", ""))
    return path.count(".") + 1 if path else 0


def _node(node: dict[str, Any]) -> str:
    config = ", ".join(f"{c.get('name')}={c.get('value')}" for c in node.get("config", []) if isinstance(c, dict))
    place = str(node.get("path", "")).rpartition(".")[2] or "block"
    return f"{place}: `{node.get('unit', '…')}`" + (f" ({config})" if config else "")


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        if {"name", "about"} <= set(value):
            return f"`{value['name']}` ({value.get('kind', '')}): {value['about']}"
        if {"score", "why"} <= set(value):
            return f"**{value['score']}**: {value['why']}"
        return ", ".join(f"{k}: {_plain(v)}" for k, v in value.items() if v not in ("", [], {}, None))
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return str(value)
