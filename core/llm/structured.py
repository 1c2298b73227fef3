"""JSON from a language model: by the provider's own means where it has them, otherwise read tolerantly; checked against the schema, in words for the model to mend it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.errors import ModelDiscoveryError
from core.llm.base import Schema
from core.llm.tolerant import read_object
from core.types import Json

SHOWN = 5  # complaints told at once


class NotThatJson(ModelDiscoveryError):
    """What was answered is no JSON of the schema. `what` says why, in words that the model is told; it is not yet the end."""


def parse_json(text: str, schema: Schema) -> Json:
    """The JSON object that an answer holds. Raises NotThatJson, saying what is wrong with it."""
    try:
        value = read_object(text)
    except ValueError as error:
        raise NotThatJson(f"the answer is not readable as JSON: {error}", "give one JSON object and nothing else") from None
    value = _nearly(value, schema.schema)
    wrong = _complaints(value, schema.schema)
    if wrong:
        more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise NotThatJson(f"the JSON does not fit {schema.name}: {'; '.join(wrong[:SHOWN])}{more}", "give the whole object again, mended")
    return value


def _nearly(value: Json, schema: Mapping[str, Any]) -> Json:
    """An object that wraps the one that was wanted under a single name is unwrapped."""
    names = set(schema.get("properties", {}))
    if len(value) == 1 and names and not names & set(value):
        inner = next(iter(value.values()))
        if isinstance(inner, dict) and names & set(inner):
            return inner
    return value


def _complaints(value: Json, schema: Mapping[str, Any]) -> list[str]:
    import jsonschema

    validator = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)(schema)
    return [f"{_place(error.absolute_path)}{error.message[:160]}" for error in sorted(validator.iter_errors(value), key=lambda e: list(map(str, e.absolute_path)))]


def _place(path: Sequence[Any]) -> str:
    return ".".join(map(str, path)) + ": " if path else ""
